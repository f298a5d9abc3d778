"""The stub resolver, against a name server that answers well and badly."""

import socket
import struct
import time
from collections.abc import Callable

import pytest

from exec_cf.http import dns
from exec_cf.http.dns import ServersFailed
from exec_cf.http.dns_messages import LookupFailed
from exec_cf.http.resolv_conf import Configuration
from tests.support.name_server import (
    AAAA,
    FORMERR,
    NOTIMP,
    NXDOMAIN,
    REFUSED,
    SERVFAIL,
    SILENCE,
    A,
    NameServer,
    Reply,
    Zone,
    host,
)

V4, V6 = socket.AF_INET, socket.AF_INET6
NAME = "worker.example"
WORKER = host(NAME, "192.0.2.1", "192.0.2.2", "2001:db8::1")


def within(seconds: float) -> Callable[[], float]:
    deadline = time.monotonic() + seconds

    def remaining() -> float:
        if time.monotonic() >= deadline:
            raise TimeoutError
        return deadline - time.monotonic()

    return remaining


def to(*servers: NameServer, search: tuple[str, ...] = (), ndots: int = 1) -> Configuration:
    return Configuration(tuple((server.address, server.port) for server in servers), search, ndots)


def ask(config: Configuration, name: str = NAME, family: socket.AddressFamily = V4, limit_s: float = 20) -> list[str]:
    return dns.ask(name, family, config, within(limit_s))


def failure(config: Configuration, name: str = NAME, family: socket.AddressFamily = V4) -> LookupFailed:
    with pytest.raises(LookupFailed) as failed:
        ask(config, name, family)
    return failed.value


@pytest.mark.parametrize(("family", "addresses"), [(V4, ["192.0.2.1", "192.0.2.2"]), (V6, ["2001:db8::1"])])
def test_each_family_is_a_question_of_its_own(family: socket.AddressFamily, addresses: list[str]) -> None:
    with NameServer(WORKER) as server:
        assert ask(to(server), family=family) == addresses
    assert server.asked == [(NAME, A if family == V4 else AAAA, "udp")]


def test_an_alias_is_followed_to_the_addresses_beside_it() -> None:
    with NameServer({(NAME, A): Reply(("192.0.2.9",), alias="edge.example")}) as server:
        assert ask(to(server)) == ["192.0.2.9"]


def test_a_response_that_was_cut_is_asked_for_again_over_tcp() -> None:
    many = tuple(f"192.0.2.{number}" for number in range(200))
    with NameServer({(NAME, A): Reply(many, is_truncated=True)}) as server:
        assert ask(to(server)) == list(many)
    assert [transport for _, _, transport in server.asked] == ["udp", "tcp"]


TRUNCATED = 0x0280
"""The flags of a response that was cut, and of a server that recurses."""


def test_without_tcp_what_has_arrived_of_a_response_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Firewalls often let name servers be asked over UDP only."""
    monkeypatch.setattr(dns, "_TCP_PATIENCE_S", 0.05)
    zone = {(NAME, A): Reply(("192.0.2.1", "192.0.2.2"), flags=TRUNCATED)}
    with NameServer(zone, serves_tcp=False) as server:
        assert ask(to(server)) == ["192.0.2.1", "192.0.2.2"]


def cut_within_a_record(query: bytes) -> bytes:
    return query[:2] + struct.pack("!HHHHH", 0x8000 | TRUNCATED, 1, 1, 0, 0) + query[12:] + b"\xc0"


@pytest.mark.parametrize("reply", [Reply(is_truncated=True), Reply(raw=cut_within_a_record)])
def test_a_response_of_which_nothing_has_arrived_is_a_failure(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "_TCP_PATIENCE_S", 0.05)
    with NameServer({(NAME, A): reply}, serves_tcp=False) as server:
        failed = failure(to(server))
    assert isinstance(failed, ServersFailed)
    assert str(failed) == "the name server 127.0.0.1 truncates its answer, and does not send it over TCP"


def test_a_name_that_is_not_there() -> None:
    with NameServer({}) as server:
        failed = failure(to(server))
    assert not isinstance(failed, ServersFailed)
    assert str(failed) == "no such name (NXDOMAIN from the server 127.0.0.1)"


def test_a_name_without_an_address() -> None:
    with NameServer(host(NAME, "2001:db8::1")) as server:
        assert str(failure(to(server))) == "the name has no address (by the server 127.0.0.1)"


@pytest.mark.parametrize("code", [FORMERR, SERVFAIL, NOTIMP, REFUSED, 9])
def test_a_server_that_fails_is_named(code: int) -> None:
    with NameServer({(NAME, A): Reply(code=code)}) as server:
        failed = failure(to(server))
    assert isinstance(failed, ServersFailed)
    assert str(failed).startswith("the name server 127.0.0.1 failed (")
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [FORMERR, SERVFAIL, NOTIMP, REFUSED])
def test_a_failure_may_leave_the_question_out(code: int) -> None:
    header = Reply(raw=lambda query: query[:2] + bytes([0x81, 0x80 | code]) + bytes(8))
    with NameServer({(NAME, A): header}) as server:
        assert str(failure(to(server))).startswith("the name server 127.0.0.1 failed (")
    with NameServer({(NAME, A): header}) as first, NameServer(WORKER, "127.0.0.2") as second:
        assert ask(to(first, second)) == ["192.0.2.1", "192.0.2.2"]


def flipped(query: bytes, change: Callable[[bytearray], None]) -> bytes:
    message = bytearray(query)
    message[2:4] = b"\x81\x80"
    change(message)
    return bytes(message)


def another_id(message: bytearray) -> None:
    message[0] ^= 0xFF


def another_name(message: bytearray) -> None:
    message[13] ^= 0x01


def a_question(message: bytearray) -> None:
    message[2:4] = b"\x01\x00"


@pytest.mark.parametrize(
    "raw",
    [
        lambda query: flipped(query, another_id),
        lambda query: flipped(query, another_name),
        lambda query: flipped(query, a_question),
        lambda query: flipped(query, lambda message: message.__setitem__(slice(6, 8), b"\x00\x09")),
        lambda _: b"",
        lambda _: b"junk",
        lambda query: query[:13],
        lambda query: query[:2] + bytes([0x81, 0x80]) + bytes(8),
        lambda query: query[:2] + bytes([0x81, 0x80 | NXDOMAIN]) + bytes(8),
        lambda query: query[:2] + bytes([0x01, REFUSED]) + bytes(8),
        lambda query: query[:2] + b"\x81\x80" + struct.pack("!HHHH", 1, 1, 0, 0) + query[12:] + b"\xc0\x0c",
    ],
)
def test_what_does_not_answer_the_question_is_passed_over(raw: Callable[[bytes], bytes]) -> None:
    with NameServer({(NAME, A): Reply(raw=raw)}) as liar, NameServer(WORKER, "127.0.0.2") as server:
        assert ask(to(liar, server)) == ["192.0.2.1", "192.0.2.2"]


class TestServers:
    """One that does not answer gives way to the next."""

    @pytest.mark.parametrize(
        "bad", [SILENCE, Reply(code=SERVFAIL), Reply(code=REFUSED), Reply(flags=0)], ids=["silent", "2", "5", "lame"]
    )
    def test_the_next_one_is_asked(self, bad: Reply) -> None:
        with NameServer({(NAME, A): bad}) as first, NameServer(WORKER, "127.0.0.2") as second:
            assert ask(to(first, second)) == ["192.0.2.1", "192.0.2.2"]

    def test_nobody_listens_at_the_first(self) -> None:
        with NameServer(WORKER) as server:
            config = Configuration((("127.0.0.3", server.port), (server.address, server.port)))
            assert ask(config) == ["192.0.2.1", "192.0.2.2"]

    def test_a_verdict_of_the_first_is_final(self) -> None:
        with NameServer({}) as first, NameServer(WORKER, "127.0.0.2") as second:
            failure(to(first, second))
        assert second.asked == []

    def test_a_lost_datagram_is_sent_again(self) -> None:
        lost = iter([b"junk"])
        good = NameServer(WORKER)
        with good:
            reply = Reply(raw=lambda query: next(lost, None) or good._answers(query, "udp")[0])
            with NameServer({(NAME, A): reply}, "127.0.0.2") as server:
                assert ask(to(server)) == ["192.0.2.1", "192.0.2.2"]
        assert len(server.asked) == 2

    def test_the_time_ends_it(self) -> None:
        with NameServer({(NAME, A): SILENCE}) as server, pytest.raises(TimeoutError):
            ask(to(server), limit_s=0.2)

    def test_silence_beyond_the_limit_of_the_file_is_reported(self) -> None:
        with NameServer({(NAME, A): SILENCE}) as server:
            failed = failure(to(server)._replace(timeout_s=1, attempts=1))
        assert isinstance(failed, ServersFailed)
        assert str(failed) == "no answer from the name server 127.0.0.1"


class TestSearch:
    """As res_search(3) of glibc goes through it."""

    @pytest.mark.parametrize(
        ("name", "ndots", "asked"),
        [
            ("worker", 1, ["worker.a.example", "worker.b.example", "worker"]),
            ("worker.x", 1, ["worker.x", "worker.x.a.example", "worker.x.b.example"]),
            ("worker.x", 5, ["worker.x.a.example", "worker.x.b.example", "worker.x"]),
            ("worker.x.", 5, ["worker.x"]),
            ("worker", 0, ["worker", "worker.a.example", "worker.b.example"]),
        ],
    )
    def test_the_order(self, name: str, ndots: int, asked: list[str]) -> None:
        with NameServer({}) as server:
            failure(to(server, search=("a.example", "b.example"), ndots=ndots), name)
        assert server.names == asked

    @pytest.mark.parametrize("code", [SERVFAIL, REFUSED, NOTIMP])
    def test_a_domain_that_fails_is_passed_over(self, code: int) -> None:
        zone: Zone = {("worker.x.bad.example", A): Reply(code=code), **host("worker.x", "192.0.2.1")}
        with NameServer(zone) as server:
            assert ask(to(server, search=("bad.example",), ndots=5), "worker.x") == ["192.0.2.1"]

    def test_a_domain_that_has_the_name_without_an_address_is_passed_over(self) -> None:
        zone: Zone = {("worker.a.example", A): Reply(), **host("worker", "192.0.2.1")}
        with NameServer(zone) as server:
            assert ask(to(server, search=("a.example",)), "worker") == ["192.0.2.1"]

    def test_a_long_list_is_gone_through(self) -> None:
        search = tuple(f"{'x' * 50}{number}.example" for number in range(12))
        with NameServer(host(f"worker.{search[-1]}", "192.0.2.1")) as server:
            assert ask(to(server, search=search), "worker") == ["192.0.2.1"]

    def test_a_name_that_becomes_too_long_is_not_asked_for(self) -> None:
        with NameServer(WORKER) as server:
            assert ask(to(server, search=("x" * 60 + ".y" * 100,), ndots=5)) == ["192.0.2.1", "192.0.2.2"]
        assert server.names == [NAME]


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "a..example", ".", "x." * 127 + "toolong"])
def test_what_cannot_be_a_name_is_not_asked_for(name: str) -> None:
    with NameServer({}) as server:
        assert str(failure(to(server), name)) == "no such name"
    assert server.asked == []
