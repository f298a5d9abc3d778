"""Whatever comes, the program ends with an exit code of the contract, and soon, and in little memory.

Specs are mutated, and documents are made of all that can be repeated, nested or long. `FUZZ_SEED` repeats a run;
`FUZZ_INPUTS` and `FUZZ_SHAPES` make it shorter or longer.
"""

import itertools
import json
import os
import random
import resource
import secrets
import sys
import time
from collections.abc import Sequence

import hypothesis
import pytest
import yaml
from hypothesis import Phase
from hypothesis import strategies as st

from exec_cf import cli
from exec_cf.document import LIMITS
from exec_cf.errors import Exit
from tests.support.hostile import KIB
from tests.support.shapes import Shape, combinations, shapes
from tests.support.specs import EXAMPLE_HANDLE, EXAMPLE_SPEC, spec
from tests.support.world import FakeWorld

SEED = int(os.environ.get("FUZZ_SEED") or secrets.randbits(32))
INPUTS = int(os.environ.get("FUZZ_INPUTS", "100000"))
SHAPES = int(os.environ.get("FUZZ_SHAPES", "2000"))
FULL_SIZE = 30
"""Shapes that are written at all sizes."""

MIB = KIB * KIB
MAX_SECONDS = 1.0
MAX_MEMORY = 60 * MIB
"""What an input may take; the program itself takes the rest of its 100 MiB."""

CALLS = [[], ["--format=json"], ["--status"]]

SPECS = [
    EXAMPLE_SPEC,
    EXAMPLE_HANDLE,
    spec("https://h/base/", "session: s", "labels: {team: blue, tier: '1'}", block="abort_endpoint: /stop/{session}"),
    spec("src/worker.ts", "env: {OPEN_AGENT_MODEL_ID: a/b:c, DEBUG: '1'}", "outfit: {bundle: a/b+c}"),
    spec("https://h", "base: &b {a: x}", "labels: {<<: *b, c: d}"),
    spec('"https://b\\xFCcher.example"', "description: |\n  two\n  lines", "outfit:\n  name: n\n  accessories: [a, b]"),
    b'{"name": "a", "agent": "pi", "cf-worker": {"script": "http://[::1]:80", "abort_endpoint": ""}}',
    b"name: a\nagent: echo\ntmux: {headless: true, layout: grid, role: worker}\n",
    b"spec_version: v2\nname: a\nagent: codex\ncf-worker: {script: 'https://h'}\ncwd: /tmp\n",
    b"name: a\nagent: gemini\ncf-durable-object:\n  do_namespace: n\n  do_id: '1'\n",
    b"%YAML 1.2\n--- # a comment\nname: >-\n  folded\nagent: !!str echo\n? cf-worker\n: script: 'https://h'\n...\n",
]

PARTS = [
    *(
        b"\n",
        b"\r\n",
        b"\t",
        b" ",
        b"  ",
        b": ",
        b":",
        b"- ",
        b"? ",
        b", ",
        b"[",
        b"]",
        b"{",
        b"}",
        b"#",
        b" #",
        b"---\n",
    ),
    *(
        b"...\n",
        b"&a ",
        b"*a",
        b"!",
        b"!!str ",
        b"!!int ",
        b"!!binary ",
        b"!x ",
        b"<<: ",
        b"|\n",
        b">-\n",
        b"'",
        b'"',
        b"\\",
    ),
    *(b"%YAML 1.1\n", b"%TAG ! x\n", b"null", b"~", b"true", b"no", b"0x1F", b"1e999", b".nan", b"12:30", b"9" * 30),
    *(
        b"\0",
        b"\x07",
        b"\x1b[31m",
        b"\x7f",
        b"\x80",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\xe2\x80\xa8",
    ),
    *(
        b'"\\ud800"',
        b'"\\x00"',
        b'"\\UFFFFFFFF"',
        b"\xf0\x9f\x98\x80",
        b"\xe2\x80\xae",
        b"\xc2\x85",
        b"*",
        b">",
        b".",
        b"$",
    ),
    *(b"name: ", b"agent: ", b"session: ", b"owner: ", b"cf-worker: ", b"  script: ", b"  abort_endpoint: ", b"env: "),
    *(
        b"labels: ",
        b"outfit: ",
        b"tmux: ",
        b"spec_version: ",
        b"v2",
        b"https://",
        b"//h",
        b"ftp://",
        b"@",
        b"?",
        b"{session}",
    ),
]


def mutated(rng: random.Random) -> bytes:
    """Return a spec with a few things wrong, or with many."""
    data = bytearray(rng.choice(SPECS))
    for _ in range(rng.choice((1, 1, 1, 1, 2, 3, 8))):
        at = rng.randrange(len(data) + 1)
        end = min(len(data), at + rng.choice((0, 0, 1, 1, 2, 8, 40)))
        match rng.randrange(6):
            case 0:
                data[at:end] = b""
            case 1:
                data[at:end] = rng.choice(PARTS)
            case 2:
                data[at:end] = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 4)))
            case 3:
                data[at:at] = data[at:end] * rng.choice((1, 2, 9))
            case 4:
                lines = data.split(b"\n")
                rng.shuffle(lines)
                data = bytearray(b"\n".join(lines))
            case _:
                other = rng.choice(SPECS)
                start = rng.randrange(len(other))
                data[at:end] = other[start : start + rng.randrange(60)]
    return bytes(data)


class Worst:
    """The most that an input took, of the processor's time and of memory beyond what the process had."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.input = b""
        self._memory = _peak_memory()

    def run(self, data: bytes, arguments: Sequence[str] = ()) -> tuple[int, FakeWorld, float]:
        """Run the program on *data*, and return its exit code, its world and its seconds."""
        world = FakeWorld(data)
        began = time.thread_time()
        code = cli.run(arguments, world)
        seconds = time.thread_time() - began
        if seconds > self.seconds:
            self.seconds, self.input = seconds, data
        return code, world, seconds

    def check(self, where: str) -> None:
        """Fail when an input took too much: the slowest one is run again, since a machine can stumble."""
        if self.seconds > MAX_SECONDS:
            self.seconds = min(self.run(self.input)[2] for _ in range(3))
        assert self.seconds <= MAX_SECONDS, f"{where}: {self}: {self.input[:2000]!r}"
        assert _peak_memory() - self._memory <= MAX_MEMORY, f"{where}: {self}"

    def __str__(self) -> str:
        grown = (_peak_memory() - self._memory) / MIB
        return (
            f"{self.seconds:.2f} s for {len(self.input)} bytes {self.input[:60]!r}, {grown:.0f} MiB more than at first"
        )


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * KIB


@pytest.mark.fuzz
def test_any_input_ends_with_an_exit_code_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\nFUZZ_SEED={SEED} FUZZ_INPUTS={INPUTS}")  # noqa: T201  a failure is repeated with it
    rng = random.Random(SEED)
    codes = dict.fromkeys((Exit.OK, Exit.USAGE, Exit.INPUT), 0)
    worst = Worst()
    for number in range(INPUTS):
        data = mutated(rng)
        code, world, _ = worst.run(data)
        where = f"FUZZ_SEED={SEED}, input {number}: {data!r}, {code}, {world.errors}"
        assert code in codes, where
        assert bool(world.written) == (code == Exit.OK), where
        assert code == Exit.OK or world.errors, where
        assert all(line.isprintable() for line in world.errors), where
        if code == Exit.OK:
            assert yaml.safe_load(world.written)["status"] == "pending", where
        codes[Exit(code)] += 1
    worst.check(f"FUZZ_SEED={SEED}")
    with capsys.disabled():
        print({code.name: count for code, count in codes.items()}, "the worst:", worst)  # noqa: T201  as above


@pytest.mark.fuzz
def test_no_input_costs_more_than_a_second_or_100_mib(capsys: pytest.CaptureFixture[str]) -> None:
    """Look for the costliest document of every shape and size; the costliest shapes are then written at all sizes."""
    worst = Worst()
    costliest: dict[str, tuple[float, Shape]] = {}

    @hypothesis.seed(SEED)
    @hypothesis.settings(
        hypothesis.settings.get_profile("explore"), max_examples=SHAPES, phases=[Phase.generate, Phase.target]
    )
    @hypothesis.given(shapes(), st.sampled_from([4 * KIB, 16 * KIB, 64 * KIB]), st.sampled_from(CALLS))
    def search(shape: Shape, size: int, call: list[str]) -> None:
        code, world, seconds = worst.run(written(shape, size), call)
        assert code in {Exit.OK, Exit.USAGE, Exit.INPUT}, world.errors
        assert all(line.isprintable() for line in world.errors), world.errors
        costliest[repr(shape)] = (seconds / size, shape)
        hypothesis.target(seconds)
        worst.check(f"FUZZ_SEED={SEED}")

    for shape in combinations():
        costliest[repr(shape)] = (worst.run(written(shape, 8 * KIB))[2] / (8 * KIB), shape)
        worst.check(repr(shape))
    search()
    for _, shape in sorted(costliest.values(), key=lambda each: each[0], reverse=True)[:FULL_SIZE]:
        for size in range(32 * KIB, LIMITS.size + 1, 32 * KIB):
            worst.run(written(shape, size))
            worst.check(f"FUZZ_SEED={SEED}")
    with capsys.disabled():
        print(f"\nFUZZ_SEED={SEED} FUZZ_SHAPES={SHAPES}, the worst: {worst}")  # noqa: T201  as above


def written(shape: Shape, size: int) -> bytes:
    """Return *shape* as a document of about *size* bytes."""
    return shape.write(size, itertools.count()).encode("utf-8", "surrogatepass")[: LIMITS.size]


def test_the_mutations_are_of_all_kinds() -> None:
    """Else the long run would prove nothing."""
    rng = random.Random(1)
    found = {cli.run([], FakeWorld(mutated(rng))) for _ in range(300)}
    assert {Exit.OK, Exit.INPUT} <= found


def test_the_shapes_fill_their_room_with_documents_of_all_kinds() -> None:
    """Else the search would look at nothing."""
    found: set[str] = set()

    @hypothesis.given(shapes())
    def look(shape: Shape) -> None:
        data = written(shape, 2 * KIB)
        world = FakeWorld(data)
        assert cli.run(["--format=json"], world) in {Exit.OK, Exit.USAGE, Exit.INPUT}
        found.update(json.loads(line)["code"] for line in world.errors)

    look()
    assert {"syntax", "duplicate", "tag", "type", "unknown"} <= found
