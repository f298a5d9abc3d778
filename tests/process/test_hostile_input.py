"""Hostile input costs an exit code and some lines, never memory, a stack or a traceback."""

import pytest

from exec_cf.document import LIMITS
from tests.support.hostile import KIB, SHAPES
from tests.support.program import Program

OFFLINE = {"CF_WORKER_HEALTHCHECK": "0"}
MOST_MEMORY = 100 * KIB * KIB

COSTLY = (
    *("tags", "digits", "a session", "words", "the same key", "escapes", "question marks", "anchors", "keys", "items"),
    *("folded lines", "a literal block", "bad labels", "unknown fields", "open brackets", "nested dashes"),
    *("a list of scalars merged often", "a tag's long prefix used often", "a long key above much that is wrong"),
    *("brackets that may be keys", "similar fields"),
    *("a billion laughs", "a large mapping merged often", "wide characters", "blanks"),
)
"""The shapes that were seen to take most memory, or would without a bound; all of them are read in `tests/document`."""


@pytest.mark.parametrize("shape", COSTLY)
def test_the_largest_input_that_is_read_stays_below_100_mib(program: Program, shape: str) -> None:
    ended, memory = program.peak_memory(SHAPES[shape](LIMITS.size)[: LIMITS.size], OFFLINE)
    assert ended.code == (0 if ended.out else 64 if shape == "blanks" else 65)
    assert "Traceback" not in ended.err
    assert memory < MOST_MEMORY


@pytest.mark.parametrize("shape", ["one word", "open brackets", "aliases", "NUL", "blanks"])
def test_an_input_of_1_mib_is_refused_unread(program: Program, shape: str) -> None:
    ended, memory = program.peak_memory(SHAPES[shape](KIB * KIB), OFFLINE)
    assert (ended.code, ended.out) in {(65, b""), (64, b"")}
    assert memory < MOST_MEMORY


def test_an_endless_input_is_given_up(program: Program) -> None:
    ended = program.run(b"", env=OFFLINE, within='exec "$@" < /dev/zero')
    assert (ended.code, ended.out) == (65, b"")
    assert ended.lines == ["the input is larger than 256 KiB; move large content elsewhere"]


def test_what_a_terminal_would_obey_is_not_passed_on(program: Program) -> None:
    hostile = 'name: "\\e[2J\\x07\\u202e\\n"\n"\\e]0;title\\a": 1\nagent: "\\x9b31m"\n'
    ended = program.run(hostile.encode(), env=OFFLINE)
    assert ended.code == 65
    assert all(character.isprintable() or character == "\n" for character in ended.err)
