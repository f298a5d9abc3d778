"""One browser, one bus and two Workers per module; each test has a tab of its own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, expect

from tests.support.chromium import MISSING, chromium, chromium_program
from tests.support.nats import NatsServer
from tests.support.visit import Visit, visit
from tests.support.workerd import Workerd

TOKEN = "a-control-token-of-more-than-32-characters"

# How long a busy machine may take for what usually takes milliseconds.
expect.set_options(timeout=30_000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a Chromium. Its loop ends with the module: another module may run a loop of its own."""
    program = chromium_program()
    if program is None:
        pytest.skip(MISSING)
    with chromium(program) as running:
        yield running


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running nats-server."""
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture(scope="module")
def guarded(bus: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workerd]:
    """Return a Worker with a token."""
    variables = {"NATS_WS_URL": bus.ws_url, "CONTROL_TOKEN": TOKEN}
    with Workerd(tmp_path_factory.mktemp("guarded"), variables) as server:
        yield server


@pytest.fixture(scope="module")
def open_worker(bus: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workerd]:
    """Return a Worker without a token."""
    with Workerd(tmp_path_factory.mktemp("open"), {"NATS_WS_URL": bus.ws_url}) as server:
        yield server


@pytest.fixture
def open_tab(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Return a function that makes a tab for a URL, in a context with the given options."""
    with ExitStack() as stack:
        yield lambda url, **options: stack.enter_context(visit(browser, url, **options))


@pytest.fixture
def tab(open_tab: Callable[..., Visit], open_worker: Workerd) -> Visit:
    """Return a tab for the Worker without a token, on a loopback address."""
    return open_tab(open_worker.url)
