"""What the program says of itself is true of it."""

import shlex

import pytest

from exec_cf.arguments import FORMATS, parse
from exec_cf.errors import Exit
from exec_cf.usage import HELP, PRINTED, PROGRAM, VERBS, Verb


def test_help_fits_one_screen() -> None:
    lines = HELP.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) < 80


@pytest.mark.parametrize("verb", list(VERBS.values()), ids=list(VERBS))
def test_help_shows_every_verb_by_a_call_that_works(verb: Verb) -> None:
    assert verb.example in HELP
    program, *arguments = shlex.split(verb.example.partition(" < ")[0])
    assert program == PROGRAM
    assert parse(arguments).verb is verb


def test_help_says_how_to_get_a_lost_handle_back() -> None:
    assert "Spawning a spec again returns its handle." in HELP


def test_help_names_every_option_and_exit() -> None:
    assert all(option in HELP for option in (*PRINTED, "--wait SECONDS", "--format json"))
    assert all(option in HELP for verb in VERBS.values() for option in verb.options)
    assert all(f" {code:d} " in HELP for code in Exit)
    assert "json" in FORMATS
