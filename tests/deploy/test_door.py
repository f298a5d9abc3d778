"""What deploying needs is loaded by its own verbs alone."""

import subprocess
import sys

import pytest

from exec_cf import _bundle
from exec_cf.deploy import bundle
from exec_cf.errors import Refused
from exec_cf.usage import VERBS, Verb

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
def test_no_other_verb_loads_it(verb: Verb) -> None:
    assert loaded(*verb.flag.split()) == ""


def test_its_own_verbs_do() -> None:
    assert "exec_cf._bundle" in loaded("--deploy")


def test_the_worker_is_loaded_when_it_is_used() -> None:
    """The snapshot has every module imported, and is to stay without it."""
    script = "import sys, exec_cf.deploy; print('exec_cf._bundle' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=True, stdout=subprocess.PIPE).stdout == b"False\n"


def test_a_build_without_the_worker_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a bare clone is, before `make worker`."""
    monkeypatch.delattr("exec_cf._bundle")
    monkeypatch.setitem(sys.modules, "exec_cf._bundle", None)
    with pytest.raises(Refused) as refused:
        bundle.load()
    assert "this build contains no Worker; run `make worker`" in str(refused.value)


def test_a_damaged_worker_is_not_uploaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_bundle, "SHA256", "0" * 64)
    with pytest.raises(Refused) as refused:
        bundle.load()
    assert "damaged" in str(refused.value)
