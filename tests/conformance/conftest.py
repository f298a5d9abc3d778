"""One bus and one Worker per module: sessions of their own keep the tests apart."""

import itertools
from collections.abc import Iterator

import httpx
import pytest

from tests.support.nats import NatsServer
from tests.support.openrouter import OpenRouter, openrouter
from tests.support.workerd import Workerd

_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running nats-server."""
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenRouter]:
    """Return a running OpenRouter, for the modules whose agents have a model."""
    with openrouter() as server:
        yield server


@pytest.fixture(scope="module")
def worker(bus: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workerd]:
    """Return a running Worker without a control token."""
    with Workerd(tmp_path_factory.mktemp("worker"), {"NATS_WS_URL": bus.ws_url}) as server:
        yield server


@pytest.fixture
def http(worker: Workerd) -> Iterator[httpx.Client]:
    """Return a client of the Worker's routes."""
    with worker.client() as client:
        yield client


@pytest.fixture
def session() -> str:
    """Return a session that no other test uses."""
    return f"session-{next(_numbers)}"
