"""The check of docs/contract.md finds what it is there to find."""

import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "build/generate/check_contract.py"
HERE = "`tests/test_check_contract.py::test_the_contract_holds`"


@pytest.fixture(scope="module")
def check() -> ModuleType:
    place = spec_from_file_location("check_contract", SCRIPT)
    assert place
    assert place.loader
    module = module_from_spec(place)
    place.loader.exec_module(module)
    return module


def test_the_contract_holds() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("nothing", "holds no numbered item"),
        ("1. It MUST be.\n", "1. names no test"),
        (f"1. It is. {HERE}\n", "1. says no MUST"),
        (f"2. It MUST be. {HERE}\n", "2. stands where 1. should"),
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
def test_what_is_wrong_is_found(check: ModuleType, text: str, fault: str) -> None:
    assert any(fault in found for found in check.faults(text, ROOT))
