"""A bus and the API's stand-in for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cloudflare import Cloudflare
from tests.support.nats import NatsServer


@pytest.fixture(scope="module")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """Return a running nats-server."""
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Cloudflare]:
    """Return the stand-in, which takes what this program sends."""
    with Cloudflare(tmp_path / "cloudflare") as server:
        yield server
