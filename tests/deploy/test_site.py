"""Requests to the deployed Worker."""

from exec_cf.client import STOP_ALL_TIMEOUT_MS
from exec_cf.deploy.site import Site
from exec_cf.http import Response
from tests.support.world import FakeWorld, Script


def test_stopping_all_agents_has_the_time_that_it_has_elsewhere() -> None:
    script = Script(Response(200, b'{"stopped": []}'))
    assert Site("https://worker.example", "hush-hush", FakeWorld(b"", {}, script)).stop_agents() == ""
    (request,) = script.requests
    assert (request.method, request.url) == ("POST", "https://worker.example/control/abort")
    assert request.timeout_ms == STOP_ALL_TIMEOUT_MS
