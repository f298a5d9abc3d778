"""The memory that the file starts with: of no machine, of no process, and the same program as without it."""

from __future__ import annotations

import getpass
import os
import platform
import re
import resource
import shlex
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import elf
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from exec_cf.http import trust
from exec_cf.messages import SpawnSpec, SpawnSpecV2
from tests.binary.conftest import SPEC, Health, is_ready, run
from tests.support import strategies
from tests.support.hostile import SHAPES
from tests.support.serving import serving
from tests.support.specs import EXAMPLE_HANDLE, EXAMPLE_SPEC, LARGE

ROOT = Path(__file__).resolve().parents[2]
STORES = Path(trust.__file__).read_text()
ORDINARY = ROOT / "dist/ordinary/orch-executor-cf-worker"
SYSTEM_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@pytest.fixture(scope="module", autouse=True)
def snapshot(program: Path) -> Path:
    """Skip what starts from nothing: an executable without fixed addresses."""
    head = program.read_bytes()[:18]
    if head[:4] != b"\x7fELF" or struct.unpack_from("<H", head, 16) != (2,):
        pytest.skip("the program has no snapshot")
    return program


class TestTrace:
    """What was around when the file was built is not in it."""

    def test_of_the_environment(self, program: Path) -> None:
        data = program.read_bytes()
        # Shorter values are words, or numbers, that the file holds for reasons of its own; so is the system's store.
        told = {name: value for name, value in os.environ.items() if len(value) > 11 and value not in STORES}
        told.pop("PLATFORM", None)  # of `make`; the file tells what it is for
        assert [name for name, value in told.items() if value.encode() in data] == []

    def test_of_folders(self, program: Path) -> None:
        data = program.read_bytes()
        for folder in (ROOT, Path.home() / ".cache", program.parent):
            assert str(folder).encode() not in data

    def test_of_the_user_and_the_machine(self, program: Path) -> None:
        data = program.read_bytes()
        for name in (getpass.getuser(), platform.node(), socket.getfqdn()):
            if len(name) > 5 and name != "localhost":
                assert name.encode() not in data

    def test_of_what_it_was_prepared_with(self, program: Path) -> None:
        """The document of the rehearsal is part of the code, once; what was made of it is not there."""
        data = program.read_bytes()
        assert data.count(b"created_at: ") == 0
        assert b"content-length: 2\r\n" not in data
        assert re.findall(rb"http://127\.0\.0\.1:\d+/base", data) == []


def test_what_a_verb_carries_is_read_only_and_not_in_the_memory(program: Path) -> None:
    carried = pytest.importorskip("exec_cf._bundle").COMPRESSED
    segments = [segment for segment in elf.read_program(program.read_bytes()).segments if segment.kind == elf.LOAD]
    assert [segment.flags for segment in segments if carried in segment.data] == [elf.READABLE]


def _client_random(command: list[str | Path]) -> bytes:
    """Return the random bytes of the first TLS message that *command* sends: its random, and its session's name."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}"
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=SYSTEM_PATH
        ) as process:
            assert process.stdin
            process.stdin.write(SPEC.format(url=url).encode())
            process.stdin.close()
            peer, _ = server.accept()
            hello = b""
            while len(hello) < 76:
                hello += peer.recv(4096)
            peer.close()
            process.kill()
    assert hello[0] == 22
    return hello[11:43] + hello[44:76]


@pytest.mark.usefixtures("is_root")
def test_processes_of_one_number_send_different_randoms(program: Path) -> None:
    first_in_a_space: list[str | Path] = ["unshare", "--pid", "--fork", "--kill-child", program]
    randoms = [_client_random(first_in_a_space) for _ in range(5)]
    halves = {part for random in randoms for part in (random[:32], random[32:])}
    assert len(halves) == 10


CASES: dict[str, tuple[list[str], bytes]] = {
    **{f"--{verb}": ([f"--{verb}"], b"") for verb in ("version", "help", "probe-version", "list", "nonsense")},
    "example": ([], EXAMPLE_SPEC),
    "large": ([], LARGE),
    "as JSON": (["--format", "json"], EXAMPLE_SPEC),
    "validate": (["--validate"], EXAMPLE_SPEC),
    "a handle": (["--validate"], EXAMPLE_HANDLE),
    "not UTF-8": ([], b"name: \xff\n"),
    "empty": ([], b""),
    "every problem": (["--format", "json"], b"nam: 1\nagent: [a]\ncf-worker: {script: ftp://x}\nlabels: {a: 1}\n"),
    **{shape: ([], make(20_000)) for shape, make in SHAPES.items()},
}


def _told(program: Path, arguments: list[str], document: bytes) -> tuple[int, str, str]:
    """Return the exit code and what *program* prints, but for its version and the time."""
    done = subprocess.run(
        [program, *arguments], input=document, env={"CF_WORKER_HEALTHCHECK": "0"}, capture_output=True, check=False
    )
    out = re.sub(r'(created_at"?: ?"?)[0-9T:.-]+Z', r"\1now", done.stdout.decode())
    return done.returncode, re.sub(r"worker [0-9]\S*", "worker 1.2.3", out), done.stderr.decode()


@pytest.fixture(scope="module")
def ordinary() -> Path:
    """Return the same program as it starts without a snapshot."""
    if not ORDINARY.exists():
        pytest.skip("needs what `make binary SNAPSHOT=0` builds")
    return ORDINARY


@pytest.mark.parametrize("case", CASES)
def test_the_program_without_a_snapshot_prints_the_same(program: Path, ordinary: Path, case: str) -> None:
    assert _told(program, *CASES[case]) == _told(ordinary, *CASES[case])


@pytest.mark.parametrize("kind", [SpawnSpec, SpawnSpecV2])
def test_both_say_the_same_of_any_spec(program: Path, ordinary: Path, kind: type[msgspec.Struct]) -> None:
    @settings(max_examples=40, suppress_health_check=list(HealthCheck))
    @given(strategies.messages(kind))
    def compared(spec: msgspec.Struct) -> None:
        document = msgspec.json.encode(spec)
        assert _told(program, [], document) == _told(ordinary, [], document)

    compared()


def _limited(number: int, value: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(number, (value, value))


# One hash of text serves every process, so keys that are hard on a table can be looked for beforehand: as many as a
# document may have, and the same in the low bits, which are what a table looks at first. SipHash-1-3, as the
# interpreter has it, under the secret that the snapshot holds.
SEARCH = r"""
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static uint64_t state = 0x9e3779b97f4a7c15u;
static void draw(unsigned char *to, size_t size) {
    while (size--) { state = state * 6364136223846793005u + 1442695040888963407u; *to++ = state >> 56; }
}
#define TURN(x, n) ((x) << (n) | (x) >> (64 - (n)))
#define ROUND v0 += v1; v2 += v3; v1 = TURN(v1, 13) ^ v0; v3 = TURN(v3, 16) ^ v2; v0 = TURN(v0, 32); \
    v2 += v1; v0 += v3; v1 = TURN(v1, 17) ^ v2; v3 = TURN(v3, 21) ^ v0; v2 = TURN(v2, 32)
int main(int count, char **arguments) {
    unsigned char before[32], secret[24];
    draw(before, 32); draw(secret, 24);
    uint64_t k0, k1; memcpy(&k0, secret, 8); memcpy(&k1, secret + 8, 8);
    fwrite(secret, 1, sizeof secret, stderr);
    int wanted = atoi(arguments[1]), bits = atoi(arguments[2]); uint64_t first = 0;
    for (uint64_t tried = 0, found = 0; found < (uint64_t)wanted; tried++) {
        char key[9]; uint64_t word = 0, left = tried;
        for (int i = 0; i < 7; i++) { key[i] = "abcdefghijklmnopqrstuvwxyzABCDEF"[left & 31]; left >>= 5; }
        memcpy(&word, key, 7); word |= (uint64_t)7 << 56;
        uint64_t v0 = k0 ^ 0x736f6d6570736575u, v1 = k1 ^ 0x646f72616e646f6du;
        uint64_t v2 = k0 ^ 0x6c7967656e657261u, v3 = k1 ^ 0x7465646279746573u;
        v3 ^= word; ROUND; v0 ^= word; v2 ^= 0xff; ROUND; ROUND; ROUND;
        uint64_t hash = v0 ^ v1 ^ v2 ^ v3, low = hash & ((1u << bits) - 1);
        if (!tried) { first = low; }
        if (low == first) { printf("%.7s %lld\n", key, (long long)hash); found++; }
    }
    return 0;
}
"""
KEYS = 4_500
"""About as many as the 64 KiB of a start hold."""


@pytest.fixture(scope="module")
def colliding(program: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return keys whose hashes are the same in the low 13 bits, as many as the table for them has."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "search.c").write_text(SEARCH)
    subprocess.run(["cc", "-O2", "-o", folder / "search", folder / "search.c"], check=True)
    search = subprocess.run([folder / "search", str(KEYS), "13"], capture_output=True, check=True)
    # With another secret the keys would be as harmless as any.
    assert search.stderr in program.read_bytes()
    lines = search.stdout.decode().splitlines()
    assert len({int(line.split()[1]) & 0x1FFF for line in lines}) == 1
    return [line.split()[0] for line in lines]


def test_keys_that_collide_cost_no_more_than_a_second_more(program: Path, colliding: list[str]) -> None:
    document = SPEC.format(url="http://127.0.0.1") + "labels:\n" + "".join(f"  {key}: x\n" for key in colliding)
    done = subprocess.run(
        [program, "--validate"],
        input=document,
        preexec_fn=_limited(resource.RLIMIT_CPU, 2),
        env={},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


class Nested(Health):
    """Answers a start with as many brackets as are read of it."""

    def do_POST(self) -> None:  # noqa: N802  the library names it
        """Open them all, and close none."""
        body = b'{"x":' + b"[" * 65_000
        self.send_response(201)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def nested() -> Iterator[str]:
    """Return the URL of a Worker whose answer to a start is as deep as it may be long."""
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Nested)) as server:
        yield f"http://127.0.0.1:{server.server_port}"


@pytest.mark.parametrize("kib", [128, 512, 2048, 8192])
def test_no_depth_overflows_a_small_stack(program: Path, nested: str, kib: int) -> None:
    done = subprocess.run(
        [program],
        input=SPEC.format(url=nested),
        preexec_fn=_limited(resource.RLIMIT_STACK, kib * 1024),
        env={},
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, "status: failed" in done.stdout) == (0, True), done.stderr


@pytest.mark.usefixtures("not_emulated")
def test_with_little_memory(program: Path, health: str) -> None:
    assert is_ready(run(["sh", "-c", f"ulimit -v 100000; exec {shlex.quote(str(program))}"], health))


def test_with_addresses_that_are_the_same_each_time(program: Path, health: str) -> None:
    assert is_ready(run(["setarch", "-R", program], health))


def test_the_stack_and_what_is_mapped_later_are_at_random_addresses(program: Path) -> None:
    seen = set()
    for _ in range(4):
        with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            # The kernel maps the vdso last, and that may still be to come.
            while "[vdso]" not in (maps := Path(f"/proc/{process.pid}/maps").read_text()):
                continue
            seen |= {line.split("-")[0] for line in maps.splitlines() if line.endswith(("[stack]", "[vdso]"))}
            process.kill()
    assert len(seen) > 6


def test_the_local_time_is_this_process_own(program: Path, health: str) -> None:
    """The memory was made under UTC; a zone of another process, mapped from a file, would be read where nothing is."""
    for zone in ("Europe/Berlin", ":/etc/localtime", "nonsense", ""):
        assert is_ready(run([program], health, {"TZ": zone}))
