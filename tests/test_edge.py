"""Who answered: the Worker itself, or something in front of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exec_cf import edge
from exec_cf.http import Response
from tests.support.front import FRONTS, LOGIN, SECRET, Front


def response(front: Front, url: str = "https://worker.example/health") -> Response:
    body = front.reply.body if isinstance(front.reply.body, bytes) else json.dumps(front.reply.body).encode()
    return Response(front.reply.status, body, front.reply.headers, url)


def said(came: Response, *, sends_service_token: bool = False) -> str:
    return edge.intermediary(came, sends_service_token=sends_service_token)


@pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS)
def test_something_in_front_is_recognized_by_its_form(front: Front) -> None:
    assert said(response(front)).startswith(front.words)


@pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS)
def test_nothing_of_it_is_repeated_and_a_cure_is_named(front: Front) -> None:
    sentence = said(response(front))
    assert SECRET not in sentence
    assert "hotel" not in sentence
    assert "portal.example" not in sentence
    assert len(sentence) <= 300


def test_a_refused_service_token_is_reported_as_such() -> None:
    came = Response(302, headers={"location": LOGIN})
    assert "does not admit the service token of CF_ACCESS_CLIENT_ID" in said(came, sends_service_token=True)


@pytest.mark.parametrize("status", [403, 407, 503, 504])
def test_an_error_through_a_proxy_is_the_proxys_unless_it_has_the_workers_form(status: int) -> None:
    assert "proxy" in said(Response(status, b"denied", proxied=True))
    if status != 407:
        assert said(Response(status, b'{"error":"x","message":"y"}', proxied=True)) == ""


WORKERS_OWN = [
    Response(200, b'{"ok":true,"agent":"open-agent"}', {"content-type": "application/json"}),
    Response(200, b"ok", {"content-type": "text/plain"}),
    Response(204),
    Response(201, b'{"subjects":{}}'),
    Response(404, b'{"error":"not_found","message":"error code: 1042"}', {"server": "cloudflare", "cf-ray": "x"}),
    Response(403, b'{"error":"forbidden","message":"cloudflareaccess.com <html>"}', {"server": "cloudflare"}),
    Response(409, b'{"error":"conflict","message":"x","error_code":"1020"}'),
    Response(404, b"404 page not found", {"content-type": "text/plain"}),
    Response(405),
    Response(500, b"internal error 500 of ours"),
    Response(200, b'{"message":"<html>Just a moment"}', {"content-type": "application/json"}),
    Response(307, headers={"location": "/foreign_redirect"}, url="https://worker.example/health"),
    Response(301, headers={"location": "http://WORKER.example.:8080/"}, url="https://worker.example/health"),
    Response(302),
]


@pytest.mark.parametrize("came", WORKERS_OWN)
def test_a_worker_is_not_taken_for_a_stranger(came: Response) -> None:
    assert said(came) == ""


HEADERS = ["location", "server", "content-type", "cf-mitigated", "www-authenticate"]


@given(
    st.integers(200, 599),
    st.binary(max_size=300),
    st.dictionaries(st.sampled_from(HEADERS), st.text()),
    st.booleans(),
)
def test_any_response_has_one_printable_sentence_or_none(
    status: int, body: bytes, headers: dict[str, str], proxied: bool
) -> None:
    sentence = said(Response(status, body, headers, "https://worker.example", proxied))
    assert sentence == "" or sentence.startswith("HTTP ")
    assert sentence.isascii()
    assert sentence.isprintable()


def test_a_page_made_to_cost_time_costs_none() -> None:
    came = Response(500, b"error" + b"<x> " * 16_000, {"content-type": "text/html"})
    assert said(came).startswith("HTTP 500 with a web page")
