"""What deploying needs is loaded by its own verbs alone."""

import subprocess
import sys

import pytest

from exec_cf.usage import VERBS

_SCRIPT = """
import sys
from exec_cf import cli
from tests.support.world import FakeWorld
cli.run(sys.argv[1:], FakeWorld(sys.stdin.buffer.read()))
print(*(name for name in sys.modules if name in ("exec_cf.deploy", "exec_cf._bundle", "hmac")))
"""


def loaded(*arguments: str) -> str:
    """Return which modules of a deployment a call loads."""
    command = [sys.executable, "-c", _SCRIPT, *arguments]
    return subprocess.run(command, input=b"a: b", check=True, stdout=subprocess.PIPE).stdout.decode().strip()


@pytest.mark.parametrize(
    "verb", [verb for verb in VERBS.values() if "deploy" not in verb.name], ids=lambda verb: verb.name
)
def test_no_other_verb_loads_it(verb: object) -> None:
    assert loaded(*filter(None, [verb.flag])) == ""  # type: ignore[attr-defined]


def test_its_own_verbs_do() -> None:
    assert "exec_cf._bundle" in loaded("--deploy")
