"""The upload: metadata, the form, and the fingerprint that it leaves."""

import hashlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exec_cf.deploy import fingerprint, upload
from exec_cf.deploy.bundle import Migration
from exec_cf.deploy.live import Wanted
from tests.deploy.test_plan import BUNDLE, TOKEN
from tests.support.cloudflare.multipart import parse
from tests.support.workerd import WORKER

SECRETS = {"CONTROL_TOKEN": TOKEN, "NATS_WS_URL": "wss://bus.example"}
HISTORY = (Migration("v1", ("A", "B")), Migration("v2", ("C",)), Migration("v3", ("D",)))


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        (
            None,
            {
                "new_tag": "v3",
                "steps": [
                    {"new_sqlite_classes": ["A", "B"]},
                    {"new_sqlite_classes": ["C"]},
                    {"new_sqlite_classes": ["D"]},
                ],
            },
        ),
        (
            "v1",
            {
                "old_tag": "v1",
                "new_tag": "v3",
                "steps": [{"new_sqlite_classes": ["C"]}, {"new_sqlite_classes": ["D"]}],
            },
        ),
        ("v3", None),
    ],
)
def test_only_what_is_pending_is_sent(tag: str | None, expected: dict[str, Any] | None) -> None:
    assert upload.migrations(HISTORY, tag) == expected


def test_an_unknown_tag_is_not_guessed_at() -> None:
    with pytest.raises(ValueError, match="v9"):
        upload.migrations(HISTORY, "v9")
    replaced = upload.migrations(HISTORY, "theirs", foreign=True)
    assert replaced is not None
    assert (replaced["old_tag"], replaced["new_tag"], len(replaced["steps"])) == ("theirs", "v3", 3)


def test_omitted_secrets_are_kept_and_omitted_vars_are_not() -> None:
    made = upload.metadata(Wanted(bundle=BUNDLE, vars={}, secrets={}))
    assert made["keep_bindings"] == ["secret_text", "secret_key"]
    assert not [binding for binding in made["bindings"] if binding["type"] == "secret_text"]


@given(st.binary(max_size=200), st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3))
def test_a_form_reads_back_as_it_was(code: bytes, described: dict[str, str]) -> None:
    form = upload.form(described, code)
    first, module = parse(form.content_type, form.body)
    assert (first.name, first.filename, first.type) == ("metadata", None, "application/json")
    assert (module.name, module.filename, module.content) == ("index.js", "index.js", code)


def test_the_boundary_is_not_in_the_bundle() -> None:
    """Also not where the bundle holds the boundary that would be taken first."""
    boundary = upload.form({}, b"").content_type.partition("boundary=")[2]
    form = upload.form({}, boundary.encode())
    assert len(parse(form.content_type, form.body)) == 2


# The fingerprint


@given(st.dictionaries(st.sampled_from(["NATS_TOKEN", "NATS_WS_URL", "NATS_CREDS"]), st.text(min_size=1, max_size=20)))
def test_a_fingerprint_reads_back_as_it_was(secrets: dict[str, str]) -> None:
    made = fingerprint.of(BUNDLE, {**secrets, "CONTROL_TOKEN": TOKEN})
    assert fingerprint.parse(str(made)) == made
    assert len(str(made).encode()) < 5120


@pytest.mark.parametrize("text", ["", "2 1.2.3 abc", "1", "1 1.2.3", "something else entirely"])
def test_any_other_text_is_not_a_fingerprint(text: str) -> None:
    assert fingerprint.parse(text) is None


def test_it_changes_with_the_code_and_with_each_secret() -> None:
    made = fingerprint.of(BUNDLE, SECRETS)
    other = fingerprint.of(BUNDLE, {**SECRETS, "NATS_WS_URL": "wss://other.example"})
    assert made.secrets["CONTROL_TOKEN"] == other.secrets["CONTROL_TOKEN"]
    assert made.secrets["NATS_WS_URL"] != other.secrets["NATS_WS_URL"]


@pytest.mark.parametrize("secrets", [{"NATS_TOKEN": "weak"}, {"CONTROL_TOKEN": "weak", "NATS_TOKEN": "weak"}])
def test_a_weak_token_is_not_used_as_a_key(secrets: Mapping[str, str]) -> None:
    """Nobody who may read the Worker's settings can try values against a digest."""
    assert fingerprint.of(BUNDLE, secrets).secrets == {}


def test_a_token_is_weak_where_the_worker_calls_it_weak() -> None:
    assert f"const MIN_TOKEN_CHARS = {fingerprint.MIN_KEY_CHARS};" in (WORKER / "src" / "auth.ts").read_text()


def test_equal_values_of_two_secrets_do_not_show() -> None:
    secrets = fingerprint.of(BUNDLE, {"CONTROL_TOKEN": TOKEN, "NATS_TOKEN": "same", "NATS_CREDS": "same"}).secrets
    assert len(set(secrets.values())) == 3


def test_a_digest_is_not_of_the_value_alone() -> None:
    digests = {hashlib.sha256(value.encode()).hexdigest()[:32] for value in SECRETS.values()}
    assert not digests & set(fingerprint.of(BUNDLE, SECRETS).secrets.values())
