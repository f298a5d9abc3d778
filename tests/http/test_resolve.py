"""From a host to its addresses."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exec_cf.http import resolve
from exec_cf.http.dns import Remaining, ServersFailed
from exec_cf.http.dns_messages import LookupFailed
from exec_cf.http.resolve import Ask, Lookup, known, listed_in

V4, V6 = socket.AF_INET, socket.AF_INET6
LONG_S = 20.0


@pytest.fixture(autouse=True)
def hosts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hosts file of the test's own, empty."""
    file = tmp_path / "hosts"
    file.write_bytes(b"")
    monkeypatch.setattr(resolve, "HOSTS", str(file))
    return file


def nobody(host: str, *_: object) -> list[str]:
    raise AssertionError(f"{host} is asked for")


def everything(lookup: Lookup) -> Iterator[str]:
    """Yield the addresses as they become known, to the last."""
    while not lookup.is_finished():
        address = lookup.take()
        if address:
            yield address
        else:
            time.sleep(0.005)
    lookup.close()


def found(host: str, ask: Ask = nobody) -> list[str]:
    return list(everything(Lookup(host, lambda: LONG_S, ask)))


Answer = list[str] | Exception


def by_family(v4: Answer, v6: Answer, v6_after_s: float = 0) -> Ask:
    def ask(_: str, family: socket.AddressFamily, remaining: Remaining) -> list[str]:
        answer, after_s = (v4, 0.0) if family == V4 else (v6, v6_after_s)
        for _unused in range(round(after_s / 0.01)):
            remaining()
            time.sleep(0.01)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return ask


class TestKnown:
    @pytest.mark.parametrize(
        ("host", "address"),
        [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1.", "192.0.2.1"),
            ("127.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("::ffff:127.0.0.1", "::ffff:127.0.0.1"),
        ],
    )
    def test_an_address_is_not_looked_up(self, host: str, address: str) -> None:
        assert found(host) == [address]

    @pytest.mark.parametrize("host", ["localhost", "localhost.", "LocalHost", "worker.localhost", "a.b.localhost."])
    def test_localhost_and_names_below_it_need_no_lookup(self, host: str) -> None:
        assert found(host) == ["::1", "127.0.0.1"]

    def test_the_file_applies_to_them_too(self, hosts: Path) -> None:
        hosts.write_text("127.0.0.1 localhost\n127.0.0.7 worker.localhost\n")
        assert (known("localhost"), known("worker.localhost")) == (["127.0.0.1"], ["127.0.0.7"])

    def test_a_name_in_the_file_needs_no_lookup_in_either_family(self, hosts: Path) -> None:
        hosts.write_text("192.0.2.1 worker.example\n")
        assert found("worker.example") == ["192.0.2.1"]

    def test_no_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(resolve, "HOSTS", "/nowhere")
        assert known("worker.example") == []


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        (b"192.0.2.1 worker.example", ["192.0.2.1"]),
        (b"192.0.2.1\tother Worker.Example\r\n", ["192.0.2.1"]),
        (b"192.0.2.1 worker.example\n2001:db8::1 worker.example\n192.0.2.1 worker.example\n",
         ["192.0.2.1", "2001:db8::1"]),
        (b"192.0.2.1 " + b"x" * 600 + b" worker.example\n", ["192.0.2.1"]),
        (b"192.0.2.1 a # worker.example\n# 192.0.2.2 worker.example\n", []),
        (b"worker.example 192.0.2.1\nworker.example\n\xff\xfe worker.example\n192.0.2.300 worker.example\n", []),
        (b"192.0.2.1 myworker.example worker.example.org\n", []),
    ],
)  # fmt: skip
def test_a_hosts_file(text: bytes, addresses: list[str]) -> None:
    assert listed_in(text, "worker.EXAMPLE".lower()) == addresses


class TestFamilies:
    def test_both_are_asked_and_taken_in_turn(self) -> None:
        assert found("w.example", by_family(["192.0.2.1", "192.0.2.2"], ["2001:db8::1"])) == [
            "2001:db8::1",
            "192.0.2.1",
            "192.0.2.2",
        ]

    @pytest.mark.parametrize("error", [LookupFailed("no"), ServersFailed("SERVFAIL"), OSError(5, "I/O"), ValueError()])
    def test_one_good_answer_is_enough(self, error: Exception) -> None:
        assert found("w.example", by_family(["192.0.2.1"], error)) == ["192.0.2.1"]
        assert found("w.example", by_family(error, ["2001:db8::1"])) == ["2001:db8::1"]

    def test_ipv4_waits_a_moment_for_ipv6(self) -> None:
        late = by_family(["192.0.2.1"], ["2001:db8::1"], v6_after_s=0.02)
        assert found("w.example", late) == ["2001:db8::1", "192.0.2.1"]

    def test_and_not_longer(self) -> None:
        later = by_family(["192.0.2.1"], ["2001:db8::1"], v6_after_s=0.5)
        assert found("w.example", later) == ["192.0.2.1", "2001:db8::1"]

    def test_a_missing_answer_delays_nothing(self) -> None:
        lookup = Lookup("w.example", lambda: LONG_S, by_family(["192.0.2.1"], [], v6_after_s=60))
        assert next(everything(lookup)) == "192.0.2.1"
        lookup.close()

    def test_after_the_end_there_is_no_further_lookup(self) -> None:
        ended = threading.Event()

        def ask(_: str, __: socket.AddressFamily, remaining: Remaining) -> list[str]:
            try:
                while True:
                    remaining()
                    time.sleep(0.005)
            finally:
                ended.set()

        lookup = Lookup("w.example", lambda: LONG_S, ask)
        lookup.close()
        assert ended.wait(LONG_S)


def failure(ask: Ask) -> str:
    lookup = Lookup("w.example", lambda: LONG_S, ask)
    assert list(everything(lookup)) == []
    return lookup.failure()


@pytest.mark.parametrize(
    ("v4", "v6", "words"),
    [
        (LookupFailed("no such name"), LookupFailed("no such name"), "no such name"),
        (ServersFailed("SERVFAIL"), LookupFailed("no such name"), "SERVFAIL"),
        (LookupFailed("no such name"), ServersFailed("SERVFAIL"), "SERVFAIL"),
        (TimeoutError(), TimeoutError(), "no name server answered in time"),
    ],
)
def test_a_name_is_only_missing_if_a_server_said_so(v4: Exception, v6: Exception, words: str) -> None:
    assert failure(by_family(v4, v6)) == words


class TestWithoutThreads:
    @pytest.fixture(autouse=True)
    def no_threads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def start(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        monkeypatch.setattr(threading.Thread, "start", start)

    def test_the_families_are_asked_in_turn(self) -> None:
        assert found("w.example", by_family(LookupFailed("no"), ["2001:db8::1"])) == ["2001:db8::1"]

    def test_ipv6_is_only_asked_where_ipv4_has_none(self) -> None:
        asked: list[int] = []

        def ask(_: str, family: socket.AddressFamily, __: Remaining) -> list[str]:
            asked.append(family)
            return ["192.0.2.1"]

        assert found("w.example", ask) == ["192.0.2.1"]
        assert asked == [V4]


class TestLibc:
    def test_what_it_says_is_passed_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def getaddrinfo(host: bytes, *_: object) -> list[tuple[object, ...]]:
            assert host == b"my_app.xn--bcher-kva.example"
            return [(V4, 1, 6, "", ("192.0.2.1", 0))]

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        assert resolve.ask_libc("my_app.xn--bcher-kva.example", V4, lambda: 1.0) == ["192.0.2.1"]

    @pytest.mark.parametrize(("code", "kind"), [(socket.EAI_NONAME, LookupFailed), (socket.EAI_AGAIN, ServersFailed)])
    def test_its_failures_are_distinguished(
        self, code: int, kind: type[Exception], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def getaddrinfo(*_: object) -> None:
            raise socket.gaierror(code, "Some Words")

        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        with pytest.raises(LookupFailed, match="some words") as failed:
            resolve.ask_libc("w.example", V4, lambda: 1.0)
        assert type(failed.value) is kind

    @pytest.mark.parametrize(
        ("platform", "libc", "weak"),
        [
            ("linux", lambda _: "glibc 2.36", False),
            ("linux", lambda _: "", True),
            ("darwin", lambda _: "", False),
        ],
    )
    def test_which_resolver_is_not_enough(
        self, platform: str, libc: Callable[[str], str], weak: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.platform", platform)
        monkeypatch.setattr("os.confstr", libc)
        assert resolve.has_weak_resolver() is weak

    def test_a_libc_that_does_not_know_the_question_is_another(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def confstr(_: str) -> str:
            raise OSError(22, "Invalid argument")

        monkeypatch.setattr("os.confstr", confstr)
        assert resolve.has_weak_resolver()
