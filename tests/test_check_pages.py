"""The check of the pages that name tests finds what it is there to find."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "build" / "generate" / "check_pages.py"
HERE = "`tests/test_check_pages.py::test_the_pages_are_in_order`"


@pytest.fixture(scope="module")
def check() -> ModuleType:
    place = spec_from_file_location("check_pages", SCRIPT)
    assert place
    assert place.loader
    module = module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_the_pages_are_in_order() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("nothing", "has no numbered item"),
        ("1. It MUST be.\n", "1. names no test"),
        (f"1. It is. {HERE}\n", "1. has no MUST"),
        (f"2. It MUST be. {HERE}\n", "2. is where 1. should be"),
        (f"1. It MUST be. {HERE[:-1]}s`\n", "which does not exist"),
        ("1. It MUST be. `tests/test_absent.py::test_x`\n", "which does not exist"),
        (
            "1. It MUST be. `tests/test_settings.py::TestOver::test_a_good_document_does_not_excuse_the_environment`\n",
            "which does not exist",
        ),
        (
            "1. It MUST be. `tests/test_settings.py::test_a_good_document_does_not_excuse_the_environment`\n",
            "which does not exist",
        ),
        (f"1. It MUST be. {HERE.replace('::', '::TestX::')}\n", "which does not exist"),
        (f"1. It MUST be. {HERE} tests/test_x.py\n", "1. names a test in another form"),
        (f"1. It MUST be. {HERE}\n", "does not say"),
    ],
)
def test_what_is_wrong_with_the_contract_is_found(check: ModuleType, text: str, fault: str) -> None:
    assert any(fault in found for found in check.contract_faults(text, ROOT))


ASYNC = "`test_faults.py::test_an_agent_survives_a_restart_of_the_bus`"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("nothing", "has no table"),
        ("| a promise | nowhere |\n", "row 'a promise' names no test"),
        (f"| a promise | {ASYNC[:-1]}s` |\n", "which does not exist"),
        ("| a promise | `test_absent.py::test_x` |\n", "which does not exist"),
        (f"| a promise | {ASYNC}, test_routes.py |\n", "names a test in another form"),
        (f"| a promise | {ASYNC} |\n", "does not name any test of test_routes.py"),
    ],
)
def test_what_is_wrong_with_the_conformance_page_is_found(check: ModuleType, text: str, fault: str) -> None:
    found = list(check.conformance_faults(text, ROOT / "tests" / "conformance"))
    assert any(fault in one for one in found)
    # A test that is a coroutine exists, and the head of a table is no promise.
    assert not any("test_an_agent_survives_a_restart_of_the_bus," in one for one in found)


def test_the_head_of_a_table_promises_nothing(check: ModuleType) -> None:
    text = f"| head | test |\n|---|---|\n| a promise | {ASYNC} |\n"
    assert not [one for one in check.conformance_faults(text, ROOT / "tests" / "conformance") if one.startswith("row")]
