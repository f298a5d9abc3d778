"""Exit codes, the catalogue of problems, and how a problem reads."""

import pytest

from exec_cf.errors import EXIT_MEANING, Code, Diagnostic, Exit, Path, Refused, dotted


def test_the_exit_codes() -> None:
    assert {code.name: int(code) for code in Exit} == {"OK": 0, "USAGE": 64, "INPUT": 65, "RUNTIME": 70}
    assert set(EXIT_MEANING) == set(Exit)


def test_every_kind_of_diagnostic_has_its_own_name_and_a_meaning() -> None:
    assert len({code.slug for code in Code}) == len(Code)
    assert all(code.meaning for code in Code)


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ((), ""),
        (("env", "PORT"), "env.PORT"),
        (("outfit", "accessories", 1), "outfit.accessories[1]"),
        (("cf-worker", "script"), "cf-worker.script"),
        (("labels", "a b"), 'labels."a b"'),
        (("labels", ""), 'labels.""'),
        ((0, "a"), "[0].a"),
        (("x" * 80,), "x" * 80),
        (("x" * 90,), '"' + "x" * 80 + '…"'),
        (("labels", "https://ann:" + "hush" * 50 + "@h"), 'labels."https://***@h"'),
        (("a\x1b",), '"a\\x1b"'),
    ],
)
def test_paths_read_as_people_write_them(path: Path, wanted: str) -> None:
    assert dotted(path) == wanted


def test_a_problem_is_place_field_message_and_cure_in_one_line() -> None:
    problem = Diagnostic(Code.TYPE, "expected text", ("env", "A"), "write it\nso", line=3, column=7)
    assert str(problem) == "line 3, column 7: env.A: expected text; write it\\x0aso"
    assert str(Diagnostic(Code.EMPTY, "stdin is empty")) == "stdin is empty"


def test_problems_come_in_reading_order_and_once() -> None:
    late = Diagnostic(Code.TYPE, "late", line=9, column=1)
    early = Diagnostic(Code.TYPE, "early", line=2, column=5)
    nowhere = Diagnostic(Code.ENVIRONMENT, "nowhere")
    assert Refused([late, early, nowhere, late]).problems == (nowhere, early, late)


@pytest.mark.parametrize(
    ("codes", "wanted"),
    [
        ([Code.ENVIRONMENT], Exit.USAGE),
        ([Code.TYPE], Exit.INPUT),
        ([Code.INTERNAL], Exit.RUNTIME),
        ([Code.ENVIRONMENT, Code.TYPE], Exit.INPUT),
        ([Code.ENVIRONMENT, Code.STDOUT], Exit.RUNTIME),
    ],
)
def test_the_documents_fault_decides_the_exit_code(codes: list[Code], wanted: Exit) -> None:
    assert Refused([Diagnostic(code, code.slug) for code in codes]).exit_code is wanted


def test_many_problems_below_a_long_key_are_little_text() -> None:
    """Each names the key: it is cut before it is made printable, and only a few are put into words."""
    refused = Refused(Diagnostic(Code.TAG, "bad", ("\u0301" * 50_000, number), line=1) for number in range(5_000))
    assert len(refused.problems) == 5_000
    assert len(str(refused)) < 10_000


def test_problems_are_in_reading_order_and_each_is_reported_once() -> None:
    first, second, third = (
        Diagnostic(Code.TAG, "bad", line=line, column=column) for line, column in ((1, 9), (2, 1), (2, 3))
    )
    assert Refused([third, first, second, first]).problems == (first, second, third)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("env", "TOKEN"), "env.TOKEN"),
        (("env", "TOKEN=hunter2"), 'env."TOKEN…"'),
        (("env", "TOKEN: hunter2"), 'env."TOKEN…"'),
        (("env", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), "env.AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"),
        (("secrets", "NATS_NKEY_SEED", "SU" + "A2" * 28), 'secrets.NATS_NKEY_SEED."…"'),
        (("secrets", "NATS_NKEY_SEED", "SU" + "A2" * 28 + "=x"), 'secrets.NATS_NKEY_SEED."…"'),
        (("env", 1), "env[1]"),
        (("<<", "env", "TOKEN=hunter2"), '"<<".env."TOKEN…"'),
        (("cf-worker", 0, "ENV", "A", "B=hunter2"), 'cf-worker[0].ENV.A."B…"'),
        (("a=b", "env"), '"a=b".env'),
        (("labels", "a=b"), 'labels."a=b"'),
    ],
)
def test_below_env_only_names_are_shown(path: Path, words: str) -> None:
    assert dotted(path) == words
