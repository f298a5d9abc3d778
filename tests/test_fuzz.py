"""Mutated specs: whatever comes, the program ends with an exit code of the contract.

`FUZZ_SEED` repeats a run, `FUZZ_INPUTS` makes it shorter or longer.
"""

import os
import random
import secrets

import pytest
import yaml

from exec_cf import cli
from exec_cf.errors import Exit
from tests.support.specs import EXAMPLE_HANDLE, EXAMPLE_SPEC, spec
from tests.support.world import FakeWorld

INPUTS = int(os.environ.get("FUZZ_INPUTS", "100000"))

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


@pytest.mark.fuzz
def test_any_input_ends_with_an_exit_code_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("FUZZ_SEED") or secrets.randbits(32))
    with capsys.disabled():
        print(f"\nFUZZ_SEED={seed} FUZZ_INPUTS={INPUTS}")  # noqa: T201  a failure is repeated with it
    rng = random.Random(seed)
    codes = dict.fromkeys((Exit.OK, Exit.USAGE, Exit.INPUT), 0)
    for number in range(INPUTS):
        data = mutated(rng)
        world = FakeWorld(data)
        code = cli.run([], world)
        where = f"FUZZ_SEED={seed}, input {number}: {data!r}, {code}, {world.errors}"
        assert code in codes, where
        assert bool(world.written) == (code == Exit.OK), where
        assert code == Exit.OK or world.errors, where
        assert all(line.isprintable() for line in world.errors), where
        if code == Exit.OK:
            assert yaml.safe_load(world.written)["status"] == "pending", where
        codes[Exit(code)] += 1
    with capsys.disabled():
        print({code.name: count for code, count in codes.items()})  # noqa: T201


def test_the_mutations_are_of_all_kinds() -> None:
    """Else the long run would prove nothing."""
    rng = random.Random(1)
    found = {cli.run([], FakeWorld(mutated(rng))) for _ in range(300)}
    assert {Exit.OK, Exit.INPUT} <= found
