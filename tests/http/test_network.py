"""The door: whatever is wrong behind it is a failed exchange with its true cause."""

import sys

import pytest

from exec_cf.http import Network, Request, RequestError

REQUEST = Request(method="GET", url="http://127.0.0.1:1", timeout_ms=1000)


def test_a_broken_library_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "exec_cf.http.exchange", None)
    with pytest.raises(RequestError, match=r"^the HTTP library cannot be loaded: ModuleNotFoundError: "):
        Network({}).exchange(REQUEST)


def test_a_lack_of_memory_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network({})

    def nothing_left() -> None:
        raise MemoryError

    monkeypatch.setattr(network, "_loaded", nothing_left)
    with pytest.raises(RequestError, match=r"^out of memory$"):
        network.exchange(REQUEST)


def test_nothing_is_loaded_before_the_first_request() -> None:
    network = Network({"HTTP_PROXY": "junk"})
    network.close()
    assert network._exchanger is None
