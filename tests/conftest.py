"""What all tests share: the program under test, and how Hypothesis searches."""

import shlex
import signal
import sys
from pathlib import Path

import hypothesis
import pytest

from tests.support.program import Program

hypothesis.settings.register_profile(
    "reproducible", derandomize=True, deadline=None, database=None, max_examples=100, print_blob=False
)
hypothesis.settings.register_profile(
    "explore", deadline=None, database=None, max_examples=1000, suppress_health_check=list(hypothesis.HealthCheck)
)
hypothesis.settings.load_profile("reproducible")


def pytest_configure() -> None:
    """Take back what `nohup` or a background job ignores: a child would inherit it, and no signal could end it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    default = shlex.join([sys.executable, "-m", "exec_cf"])
    parser.addoption("--program", default=default, help="the program under test: a path, or a command line")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Run asynchronous tests on asyncio."""
    return "asyncio"


@pytest.fixture
def not_emulated(request: pytest.FixtureRequest) -> None:
    """Skip where the program is for another machine: its emulator has memory, threads and a pace of its own."""
    file = Path(str(request.config.getoption("--program")))
    head = file.read_bytes()[:20] if file.is_file() else b""
    machine = slice(18, 20)
    if head.startswith(b"\x7fELF") and head[machine] != Path(sys.executable).read_bytes()[machine]:
        pytest.skip("the program runs under an emulator")


@pytest.fixture
def program(request: pytest.FixtureRequest, tmp_path: Path) -> Program:
    """The program under test, in a clean environment with a home of its own."""
    line = str(request.config.getoption("--program"))
    command = [str(Path(line).resolve())] if Path(line).is_file() else shlex.split(line)
    return Program(command, tmp_path)
