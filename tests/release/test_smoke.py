import sys
from pathlib import Path

import pytest
from smoke import SmokeError, smoke

from exec_cf._version import version as own_version

GOOD = [sys.executable, "-m", "exec_cf"]


def test_a_program_that_works_passes() -> None:
    smoke(own_version, GOOD)


def test_another_version_is_noticed() -> None:
    with pytest.raises(SmokeError, match="--version prints"):
        smoke("0.0.7", GOOD)


def test_a_program_that_prints_no_handle_is_noticed(binary: Path) -> None:
    with pytest.raises(SmokeError, match="the handle lacks"):
        smoke("1.2.3", [str(binary)])


def test_a_program_that_complains_is_noticed() -> None:
    with pytest.raises(SmokeError, match="exit 0, 'deprecated"):
        smoke(own_version, ["sh", "-c", 'echo deprecated >&2; exec "$@"', "sh", *GOOD])
