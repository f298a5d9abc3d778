"""Names, by name servers and hosts files that are not as they should be."""

from pathlib import Path

import pytest

from tests.support.name_server import (
    AAAA,
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
from tests.support.namespace import Namespace
from tests.support.program import Program, outcome
from tests.support.specs import spec
from tests.support.stub import WorkerStub, started

NAME = "worker.example"
HERE = "127.0.0.1"
RESOLV_CONF = "nameserver 127.0.0.1\n"
BAD = {
    "NXDOMAIN": Reply(code=NXDOMAIN),
    "SERVFAIL": Reply(code=SERVFAIL),
    "REFUSED": Reply(code=REFUSED),
    "NOTIMP": Reply(code=NOTIMP),
    "nothing": Reply(),
    "silence": SILENCE,
}


def spawned(
    program: Program,
    folder: Path,
    zone: Zone,
    name: str = NAME,
    *,
    resolv_conf: str = RESOLV_CONF,
    hosts: str = "",
    prefix: str = "",
) -> tuple[tuple[str, str], NameServer]:
    """Return status and message of a spawn at the Worker of *name*, and the name server that it asked."""
    with (
        Namespace(folder, resolv_conf, hosts) as space,
        NameServer(zone, port=53, create=space.make) as server,
        WorkerStub(started(), create=space.make) as worker,
    ):
        env = {"CF_WORKER_HEALTHCHECK_RETRIES": "1"}
        ended = program.run(spec(f"http://{name}:{worker.port}"), within=space.within(prefix), env=env)
        if outcome(ended)[0] != "ready":
            worker.starters.clear()
    return outcome(ended), server


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_one_good_answer_is_enough(program: Program, tmp_path: Path, bad: Reply) -> None:
    result, _ = spawned(program, tmp_path, {**host(NAME, HERE), (NAME, AAAA): bad})
    assert result == ("ready", "")


@pytest.mark.parametrize("code", [SERVFAIL, REFUSED, NXDOMAIN])
def test_a_search_domain_that_fails_is_passed_over(program: Program, tmp_path: Path, code: int) -> None:
    """As in a cluster, whose resolv.conf has `ndots:5`."""
    failing = f"{NAME}.corp.example"
    zone: Zone = {**host(NAME, HERE), (failing, A): Reply(code=code), (failing, AAAA): Reply(code=code)}
    resolv_conf = RESOLV_CONF + "search corp.example svc.cluster.local\noptions ndots:5\n"
    result, server = spawned(program, tmp_path, zone, resolv_conf=resolv_conf)
    assert result == ("ready", "")
    assert failing in server.names


def test_a_search_list_may_be_long(program: Program, tmp_path: Path) -> None:
    domains = [f"{'x' * 40}{number}.example" for number in range(6)]
    zone = host(f"worker.{domains[-1]}", HERE)
    result, _ = spawned(program, tmp_path, zone, "worker", resolv_conf=RESOLV_CONF + f"search {' '.join(domains)}\n")
    assert result == ("ready", "")


@pytest.mark.parametrize("is_truncated", [False, True], ids=["udp", "tcp"])
def test_an_answer_that_does_not_fit_comes_over_tcp(program: Program, tmp_path: Path, is_truncated: bool) -> None:
    zone: Zone = {(NAME, A): Reply((HERE,), is_truncated=is_truncated), (NAME, AAAA): Reply()}
    result, _ = spawned(program, tmp_path, zone)
    assert result == ("ready", "")


HOSTS = {
    "without a line feed at its end": f"{HERE} {NAME}",
    "with capitals": f"{HERE} Worker.Example\n",
    "with a long line": f"{HERE} {' '.join(f'other{number}.example' for number in range(60))} {NAME}\n",
    "with comments and blanks": f"# {HERE} x\n\t{HERE}\t other.example\t{NAME} # ours\n",
    "with carriage returns": f"{HERE} other.example {NAME}\r\n",
}


@pytest.mark.parametrize("hosts", HOSTS.values(), ids=HOSTS)
def test_a_hosts_file(program: Program, tmp_path: Path, hosts: str) -> None:
    result, server = spawned(program, tmp_path, host(NAME, "192.0.2.1", "2001:db8::1"), hosts=hosts)
    assert result == ("ready", "")
    assert server.asked == []


@pytest.mark.parametrize("name", ["localhost", "localhost.", "worker.localhost"])
def test_localhost_is_never_asked_of_dns(program: Program, tmp_path: Path, name: str) -> None:
    trap = {**host(name.removesuffix("."), "192.0.2.1", "2001:db8::1")}
    result, server = spawned(program, tmp_path, trap, name)
    assert result == ("ready", "")
    assert server.asked == []


@pytest.mark.parametrize("code", [NXDOMAIN, SERVFAIL])
def test_a_name_without_an_address_is_reported(program: Program, tmp_path: Path, code: int) -> None:
    zone: Zone = {(NAME, A): Reply(code=code), (NAME, AAAA): Reply(code=code)}
    (status, message), _ = spawned(program, tmp_path, zone)
    assert status == "failed"
    assert message.startswith(f"healthcheck: the name {NAME} was not found: ")


@pytest.mark.usefixtures("not_emulated")
def test_without_a_thread_a_name_is_found_too(program: Program, tmp_path: Path) -> None:
    """The C library takes the limit for the size of a thread's stack, for which there is no room then."""
    alone = f"prlimit --stack={2**47 - 1} --"
    result, _ = spawned(program, tmp_path, host(NAME, HERE, "::1"), prefix=alone)
    assert result == ("ready", "")
