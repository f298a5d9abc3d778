"""What an exchange takes and gives."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exec_cf.http.model import Request, Response, http_date

DATE = "Sun, 06 Nov 1994 08:49:37 GMT"


def test_a_date() -> None:
    assert http_date(DATE) == datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    ["", "0", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994 08:49:37 GMT",
     "Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov 99999999999999999999 08:49:37 GMT"],
)  # fmt: skip
def test_what_is_not_a_date_of_today(text: str) -> None:
    assert http_date(text) is None


@given(st.text())
def test_any_text_is_a_date_or_none(text: str) -> None:
    http_date(text)
    assert Response(503, headers={"retry-after": text}).retry_after_s in {None, *range(10**6)}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": " 120 "}, 120),
        ({"retry-after": "2.5"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "9" * 400}, 999_999_999),
        ({"retry-after": DATE}, None),
        ({"retry-after": DATE, "date": DATE.replace(":37", ":30")}, 7),
        ({"retry-after": DATE, "date": DATE.replace(":37", ":50")}, 0),
    ],
)
def test_when_to_try_again(headers: dict[str, str], seconds: float | None) -> None:
    assert Response(503, headers=headers).retry_after_s == seconds


@pytest.mark.parametrize(("header", "kind"), [("text/HTML; charset=x", "text/html"), ("", ""), (";", "")])
def test_the_media_type(header: str, kind: str) -> None:
    assert Response(200, headers={"content-type": header}).media_type == kind
    assert Response(200).media_type == ""


@pytest.mark.parametrize("name", ["Authorization", "CF-Access-Client-Id", "cf-access-client-secret"])
def test_which_headers_are_secret(name: str) -> None:
    assert Request(method="GET", url="http://h", timeout_ms=1, headers={name: "x"}).has_secrets
    assert not Request(method="GET", url="http://h", timeout_ms=1, headers={"x": "x"}).has_secrets
