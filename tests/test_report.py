"""Diagnostics as lines."""

import json

from exec_cf.errors import Code, Diagnostic, Refused
from exec_cf.report import Reporter

PROBLEM = Diagnostic(Code.TYPE, "expected text, got \x1b[31m", ("labels", "PO\tRT"), 'write "8080"', 4, 9)


def lines(*problems: Diagnostic, as_json: bool) -> list[str]:
    written: list[str] = []
    Reporter(written.append, as_json).refusal(Refused(problems))
    return written


def test_prose_has_the_place_the_field_the_fault_and_the_cure() -> None:
    [line] = lines(PROBLEM, as_json=False)
    assert line == (
        'orch-executor-cf-worker: line 4, column 9: labels."PO\\x09RT": expected text, got \\x1b[31m; write "8080"'
    )


def test_json_has_the_same_in_fields() -> None:
    [line] = lines(PROBLEM, as_json=True)
    assert json.loads(line) == {
        "code": "type",
        "message": "expected text, got \\x1b[31m",
        "path": 'labels."PO\\x09RT"',
        "line": 4,
        "column": 9,
        "hint": 'write "8080"',
    }


def test_a_problem_without_a_place_has_null_for_it() -> None:
    [line] = lines(Diagnostic(Code.EMPTY, "stdin is empty"), as_json=True)
    assert (json.loads(line)["line"], json.loads(line)["column"]) == (None, None)


def test_the_last_of_several_lines_sums_up() -> None:
    problems = [Diagnostic(Code.VALUE, "bad", (name,)) for name in ("a", "b")]
    assert lines(*problems, as_json=False)[-1] == "orch-executor-cf-worker: 2 problems; nothing was done"
    assert json.loads(lines(*problems, as_json=True)[-1])["code"] == "summary"


def test_every_code_is_a_word_of_its_own() -> None:
    slugs = [code.slug for code in Code]
    assert len(set(slugs)) == len(slugs)
