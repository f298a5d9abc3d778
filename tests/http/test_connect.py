"""Connections: addresses raced, streams that end with their exchange."""

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Iterator

import httpcore
import pytest

from exec_cf.http import connect
from exec_cf.http.attempt import Attempt
from exec_cf.http.connect import Backend, Race, Stream, UnreachableError
from exec_cf.http.model import RequestError

LONG_MS = 30_000


def attempt(timeout_ms: int = LONG_MS) -> Attempt:
    made = Attempt()
    made.begin(timeout_ms, has_secrets=False)
    return made


@contextlib.contextmanager
def listening(address: str = "127.0.0.1", port: int = 0) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family) as server:
        yield server


WAITING = 2
"""Connections that fill a queue for none."""


def arrived_at(hole: socket.socket) -> int:
    """Return how many connections come to an address that answers again."""
    hole.settimeout(1.5)  # the first packet of a connection is sent again after a second
    with contextlib.suppress(TimeoutError):
        for count in range(100):
            with contextlib.closing(hole.accept()[0]):
                arrived = count + 1
    return arrived


@contextlib.contextmanager
def swallowing(address: str, port: int) -> Iterator[socket.socket]:
    """An address that answers no connection: its queue is full."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, port), family=family, backlog=0) as server, contextlib.ExitStack() as waiting:
        for _ in range(WAITING):
            full = waiting.enter_context(socket.socket(family))
            full.setblocking(False)
            full.connect_ex((address, port))
        time.sleep(0.05)
        yield server


@pytest.fixture
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the name `worker.example` leads to."""
    known: list[str] = []
    monkeypatch.setattr("exec_cf.http.resolve.known", lambda host: known if host == "worker.example" else [])
    return known


def race(port: int, known: Attempt | None = None) -> str:
    with Race("worker.example", port, known or attempt()).run() as winner:
        return str(winner.getpeername()[0])


class TestRace:
    def test_the_first_that_takes_the_connection_wins(self, addresses: list[str]) -> None:
        with listening("::1") as server:
            addresses += ["127.0.0.1", "::1"]
            assert race(server.getsockname()[1]) == "::1"

    def test_one_that_refuses_gives_way_at_once(self, addresses: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connect, "CONNECTION_ATTEMPT_DELAY_S", 3600)
        with listening() as server:
            addresses += ["::1", "127.0.0.9", "127.0.0.1"]
            assert race(server.getsockname()[1]) == "127.0.0.1"

    def test_a_refusal_beside_a_silent_one_delays_nothing(
        self, addresses: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connect, "CONNECTION_ATTEMPT_DELAY_S", 1.0)
        with listening() as server:
            port = server.getsockname()[1]
            with swallowing("127.0.0.8", port):
                addresses += ["127.0.0.8", "127.0.0.9", "127.0.0.1"]
                assert race(port, attempt(1900)) == "127.0.0.1"

    def test_nor_does_one_that_cannot_be_tried_at_all(
        self, addresses: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connect, "CONNECTION_ATTEMPT_DELAY_S", 1.0)
        make, count = socket.socket, itertools.count(1)

        def without_the_second(*arguments: int) -> socket.socket:
            if next(count) == 2:
                raise OSError(97, "Address family not supported by protocol")
            return make(*arguments)

        with listening() as server:
            port = server.getsockname()[1]
            with swallowing("127.0.0.8", port):
                addresses += ["127.0.0.8", "127.0.0.9", "127.0.0.1"]
                monkeypatch.setattr(socket, "socket", without_the_second)
                winner = Race("worker.example", port, attempt(1900)).run()
                assert winner.getpeername()[0] == "127.0.0.1"
                winner.close()
                monkeypatch.undo()

    def test_one_that_swallows_packets_has_company_after_a_moment(self, addresses: list[str]) -> None:
        with listening() as server:
            port = server.getsockname()[1]
            with swallowing("::1", port) as hole:
                addresses += ["::1", "127.0.0.1"]
                began = time.monotonic()
                assert race(port) == "127.0.0.1"
                assert time.monotonic() - began >= connect.CONNECTION_ATTEMPT_DELAY_S
                assert arrived_at(hole) == WAITING

    def test_a_slow_one_still_wins_over_one_that_never_answers(self, addresses: list[str]) -> None:
        with listening() as unused:
            port = unused.getsockname()[1]
        with swallowing("127.0.0.8", port), swallowing("127.0.0.9", port) as slow:
            addresses += ["127.0.0.9", "127.0.0.8"]
            timer = threading.Timer(0.6, arrived_at, [slow])
            timer.start()
            assert race(port) == "127.0.0.9"
            timer.join()

    def test_the_addresses_that_were_tried_are_named(self, addresses: list[str]) -> None:
        with listening() as unused:
            port = unused.getsockname()[1]
        addresses += ["::1", "127.0.0.1"]
        with pytest.raises(UnreachableError, match=rf"^connection refused \(\[::1\]:{port}, 127\.0\.0\.1:{port}\)$"):
            race(port)

    def test_the_time_ends_it(self, addresses: list[str]) -> None:
        with listening() as unused:
            port = unused.getsockname()[1]
        addresses += ["127.0.0.9"]
        brief = attempt(200)
        with swallowing("127.0.0.9", port), pytest.raises(TimeoutError):
            race(port, brief)
        assert brief.peer == f"127.0.0.9:{port}"

    def test_a_family_that_this_machine_lacks_gives_way(
        self, addresses: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make = socket.socket

        def without_ipv6(family: int = -1, *rest: int) -> socket.socket:
            if family == socket.AF_INET6:
                raise OSError(97, "Address family not supported by protocol")
            return make(family, *rest)

        with listening() as server:
            monkeypatch.setattr(socket, "socket", without_ipv6)
            addresses += ["::1", "127.0.0.1"]
            winner = Race("worker.example", server.getsockname()[1], attempt()).run()
            assert winner.getpeername()[0] == "127.0.0.1"
            winner.close()

    def test_a_name_that_is_not_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def nothing(*_: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", nothing)
        monkeypatch.setattr("exec_cf.http.resolve.has_weak_resolver", lambda: False)
        with pytest.raises(UnreachableError, match=r"^the name w\.example was not found: name or service not known$"):
            Race("w.example", 80, attempt()).run()


class TestStream:
    @pytest.fixture
    def pair(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        with listening() as server, socket.create_connection(server.getsockname()) as near:
            far, _ = server.accept()
            with far:
                yield near, far

    def test_what_never_comes_ends_with_the_attempt(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with pytest.raises(TimeoutError):
            Stream(pair[0], attempt(100)).read(1)

    def test_what_drips_ends_with_the_attempt(self, pair: tuple[socket.socket, socket.socket]) -> None:
        brief = attempt(100)
        stream = Stream(pair[0], brief)
        pair[1].sendall(b"HTTP/" + b"x" * 65536)
        with pytest.raises(TimeoutError):
            while stream.read(1):
                time.sleep(0.01)

    def test_what_cannot_be_sent_ends_with_the_attempt(self, pair: tuple[socket.socket, socket.socket]) -> None:
        with pytest.raises(TimeoutError):
            Stream(pair[0], attempt(100)).write(b"x" * 50_000_000)

    def test_a_peer_that_closed_may_still_have_answered(self, pair: tuple[socket.socket, socket.socket]) -> None:
        pair[1].close()
        stream = Stream(pair[0], attempt())
        with pytest.raises(httpcore.WriteError):
            for _ in range(1000):
                stream.write(b"x" * 65536)

    def test_a_secret_in_the_clear_goes_to_loopback(self, pair: tuple[socket.socket, socket.socket]) -> None:
        known = attempt()
        known.loopback_only = True
        Stream(pair[0], known).write(b"secret")
        assert pair[1].recv(10) == b"secret"

    def test_and_to_no_other_address(
        self, pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connect, "is_loopback", lambda _: False)
        known = attempt()
        known.loopback_only = True
        with pytest.raises(RequestError, match="unencrypted to 127"):
            Stream(pair[0], known).write(b"secret")
        pair[1].setblocking(False)
        with pytest.raises(BlockingIOError):
            pair[1].recv(10)

    def test_an_unfinished_exchange_is_cut_off(self, pair: tuple[socket.socket, socket.socket]) -> None:
        Stream(pair[0], attempt()).close()
        with pytest.raises(ConnectionResetError):
            pair[1].recv(1)

    def test_a_finished_one_is_closed(self, pair: tuple[socket.socket, socket.socket]) -> None:
        known = attempt()
        known.finished = True
        Stream(pair[0], known).close()
        assert pair[1].recv(1) == b""

    @pytest.mark.parametrize(("sent", "ended"), [(b"", False), (b"x", True)])
    def test_an_idle_connection_with_something_to_read_is_at_its_end(
        self, sent: bytes, ended: bool, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        pair[1].sendall(sent)
        time.sleep(0.01)
        assert Stream(pair[0], attempt()).get_extra_info("is_readable") is ended

    def test_a_backend_opens_streams_that_do_not_wait_to_send(self) -> None:
        with listening() as server:
            stream = Backend(attempt()).connect_tcp("[127.0.0.1]", server.getsockname()[1])
            stream.close()
