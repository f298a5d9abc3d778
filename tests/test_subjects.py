"""What may stand as one token of a NATS subject, and the agent's subjects."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exec_cf import subjects
from exec_cf.errors import InvalidValue
from exec_cf.messages import BusBlock

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES: Mapping[str, list[Any]] = json.loads((ROOT / "tests" / "shared_rules.json").read_text())
"""The Worker's tests read it too: one rule on both sides."""


def examples(*kinds: str) -> list[str]:
    return [entry if isinstance(entry, str) else entry[0] * entry[1] for kind in kinds for entry in EXAMPLES[kind]]


@pytest.mark.parametrize("token", [*examples("valid"), "A_1", "名前", "/", "'", '"'])
def test_a_token(token: str) -> None:
    subjects.check_spec_token(token)
    subjects.check_token(token)
    subjects.check_printed_token(token)


@pytest.mark.parametrize("text", examples("invalid", "invisible", "long"))
def test_what_a_worker_does_not_accept_is_refused_in_a_spec(text: str) -> None:
    with pytest.raises(InvalidValue):
        subjects.check_spec_token(text)


@pytest.mark.parametrize("text", examples("invalid", "invisible"))
def test_what_cannot_be_seen_is_refused_in_the_environment(text: str) -> None:
    with pytest.raises(InvalidValue):
        subjects.check_token(text)


@pytest.mark.parametrize("text", examples("invisible", "long"))
def test_a_handle_may_have_any_token_that_was_ever_printed(text: str) -> None:
    subjects.check_printed_token(text)


@pytest.mark.parametrize("text", examples("invisible"))
def test_an_invisible_character_is_named(text: str) -> None:
    with pytest.raises(InvalidValue, match=r"contains the character U\+"):
        subjects.check_token(text)


@pytest.mark.parametrize(
    ("text", "says", "cure"),
    [
        ("", "is empty", "write a name"),
        ("first.last", 'it contains "."', 'write "first-last"'),
        ("a*", 'it contains "*"', 'write "a"'),
        (">", 'it contains ">"', 'write "worker"'),
        ("a b", 'it contains " "', 'write "a-b"'),
        ("a\tb", "it contains the character U+0009", 'write "a-b"'),
        ("a\n", "it contains the character U+000A", 'write "a"'),
        ("a\0", "it contains the character U+0000", 'write "a"'),
        ("\x7f", "it contains the character U+007F", 'write "worker"'),
        ("a\u00a0b", "it contains the character U+00A0", 'write "a-b"'),
        ("a\u200bb", "it contains the character U+200B", 'write "a-b"'),
        ("a\u202eb", "it contains the character U+202E", 'write "a-b"'),
        ("a\u2028", "it contains the character U+2028", 'write "a"'),
        ("\ue000", "it contains the character U+E000", 'write "worker"'),
        ("\U000fffff", "it contains the character U+FFFFF", 'write "worker"'),
        ("$SYS", "it begins with $", 'write "SYS"'),
        ("x" * 5121, "is longer than 5120", "shorten it"),
        ("é" * 854, "is longer than 5120", "shorten it"),
    ],
)
def test_an_invalid_token_comes_with_a_cure_that_is_valid(text: str, says: str, cure: str) -> None:
    with pytest.raises(InvalidValue) as invalid:
        subjects.check_token(text)
    assert says in invalid.value.message
    assert invalid.value.hint == cure


def test_the_subjects() -> None:
    assert subjects.bus("ann", "s1") == BusBlock(
        prompt="agents.prompt.open-agent.ann.s1",
        status="agents.status.open-agent.ann.s1",
        hb="agents.hb.open-agent.ann.s1",
        signal="orch.signal.>.open-agent.ann.s1",
    )


@pytest.mark.parametrize(
    ("prompt", "owner"),
    [
        (subjects.bus("ann", "s1").prompt, "ann"),
        ("agents.status.open-agent.ann.s1", ""),
        ("agents.prompt.other-agent.ann.s1", ""),
        ("agents.prompt.open-agent.ann.s1.x", ""),
        ("", ""),
    ],
)
def test_the_owner_is_read_back_from_the_subject_of_prompts(prompt: str, owner: str) -> None:
    assert subjects.owner_of(prompt) == owner


def fits(text: str) -> bool:
    try:
        subjects.check_token(text)
    except InvalidValue:
        return False
    return True


TOKENS = st.text(
    alphabet=st.characters(exclude_categories=("Z", "C"), exclude_characters=".*>"), min_size=1, max_size=8
)


@given(TOKENS, TOKENS)
def test_two_tokens_make_subjects_of_their_own_length(owner: str, session: str) -> None:
    assume(fits(owner) and fits(session))
    bus = subjects.bus(owner, session)
    for subject in (bus.prompt, bus.status, bus.hb):
        assert subject
        assert len(subject.split(".")) == 5
    assert bus.signal
    assert len(bus.signal.split(".")) == 6
    together = f"{bus.prompt}{bus.status}{bus.hb}"
    assert not re.search(r"[\s*>\x00-\x1f\x7f]", together)


@given(st.text(min_size=1, max_size=8))
def test_the_cure_is_a_token(text: str) -> None:
    try:
        subjects.check_token(text)
    except InvalidValue as invalid:
        cure = invalid.hint.removeprefix("write ").removeprefix('"').removesuffix('"').replace('\\"', '"')
        assert fits(cure.replace("\\\\", "\\"))
