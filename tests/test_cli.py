"""The command line in a world of its own: arguments and stdin in, one exit code, stdout and stderr out."""

import errno
import sys

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import exec_cf
from exec_cf import cli, spawn
from exec_cf.errors import Exit
from exec_cf.http import Request, RequestError, Response
from exec_cf.usage import HELP, PRINTED, VERSION
from tests.support.specs import EXAMPLE_HANDLE, EXAMPLE_SPEC, spec
from tests.support.world import FULL, OFFLINE, FakeWorld, Script, os_error, started

PROGRAM = "orch-executor-cf-worker: "


def run(world: FakeWorld, *arguments: str) -> int:
    return cli.run(arguments, world)


def test_the_worked_example_to_the_byte() -> None:
    world = FakeWorld(EXAMPLE_SPEC, {}, Script(Response(200), Response(404)))
    assert run(world) == Exit.OK
    assert world.written == EXAMPLE_HANDLE


@pytest.mark.parametrize(("argument", "text"), PRINTED.items())
def test_version_and_help(argument: str, text: str) -> None:
    world = FakeWorld(OSError("nobody may read"))
    assert run(world, argument) == Exit.OK
    assert world.written == text.encode()
    assert world.errors == []


def test_the_first_of_several_is_printed() -> None:
    world = FakeWorld()
    assert run(world, "--help", "-V") == Exit.OK
    assert world.written == HELP.encode()
    assert VERSION.startswith("orch-executor-cf-worker ")


@pytest.mark.parametrize(
    "arguments", [["--nonsense"], ["spec.yaml"], [""], ["-"], ["--version", "x"], ["-Vh"], ["x", "-h"]]
)
def test_an_unknown_argument_is_64_before_anything_is_read(arguments: list[str]) -> None:
    world = FakeWorld(OSError("nobody may read"))
    assert run(world, *arguments) == Exit.USAGE
    assert world.written == b""
    assert len(world.errors) == 1


@pytest.mark.parametrize(
    ("stdin", "code"),
    [
        (b"", Exit.USAGE),
        (b" \n", Exit.USAGE),
        (os_error(errno.EISDIR), Exit.USAGE),
        (os_error(errno.EIO), Exit.USAGE),
        (b"[", Exit.INPUT),
        (b"\xff", Exit.INPUT),
        (b"name: x", Exit.INPUT),
        (b"x" * 300_000, Exit.INPUT),
    ],
)
def test_what_cannot_be_read_prints_nothing_but_diagnostics(stdin: bytes | OSError, code: Exit) -> None:
    world = FakeWorld(stdin)
    assert run(world) == code
    assert world.written == b""
    assert world.errors
    assert all(line.startswith(PROGRAM) for line in world.errors)


def test_several_problems_are_counted() -> None:
    world = FakeWorld(b"name: A\nagent: b\n")
    assert run(world) == Exit.INPUT
    assert len(world.errors) == 4
    assert world.errors[-1] == f"{PROGRAM}3 problems; nothing was done"


def test_a_user_at_a_terminal_learns_what_is_read() -> None:
    world = FakeWorld(EXAMPLE_SPEC)
    world.terminal = True
    assert run(world) == Exit.OK
    assert world.errors == [f"{PROGRAM}reading the spec from the terminal; end it with Ctrl-D"]


def test_a_terminal_is_not_awaited_where_a_file_is_named() -> None:
    world = FakeWorld()
    world.terminal = True
    world.files["spec.yaml"] = EXAMPLE_SPEC
    assert run(world, "--validate", "spec.yaml") == Exit.OK
    assert world.errors == []


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EBADF, errno.EIO])
def test_a_handle_that_is_lost_is_70(number: int) -> None:
    world = FakeWorld(EXAMPLE_SPEC, broken_write=os_error(number))
    assert run(world) == Exit.RUNTIME
    assert "stdout cannot be written" in world.errors[-1]


@pytest.mark.parametrize("argument", ["--version", "--help"])
def test_a_text_that_is_lost_is_70(argument: str) -> None:
    world = FakeWorld(broken_write=FULL)
    assert run(world, argument) == Exit.RUNTIME
    assert "stdout cannot be written" in world.errors[0]


def test_a_closed_stdout_is_known_before_anything_is_asked() -> None:
    world = FakeWorld(EXAMPLE_SPEC, {}, closed=os_error(errno.EBADF))
    assert run(world) == Exit.RUNTIME
    assert world.order == ["writable", "error"]


def test_bad_input_is_reported_before_a_closed_stdout() -> None:
    assert run(FakeWorld(b"name: x", closed=os_error(errno.EBADF))) == Exit.INPUT


def start_of(data: bytes, *more: Response | RequestError, status: int = 201) -> Script:
    bus = spawn.prepare(data, {}, lambda _: None).plan.bus
    return Script(Response(200), started(bus, status), *more)


def test_an_agent_whose_handle_is_lost_is_stopped_again() -> None:
    script = start_of(EXAMPLE_SPEC, Response(200))
    world = FakeWorld(EXAMPLE_SPEC, {}, script, broken_write=FULL)
    assert run(world) == Exit.RUNTIME
    assert script.requests[-1].url.endswith("/control/abort/lead")
    assert world.errors[0] == f"{PROGRAM}the agent was stopped, since its handle could not be delivered"


def test_an_agent_that_ran_before_stays() -> None:
    script = start_of(EXAMPLE_SPEC, status=200)
    assert run(FakeWorld(EXAMPLE_SPEC, {}, script, broken_write=FULL)) == Exit.RUNTIME
    assert len(script.requests) == 2


def test_a_program_that_cannot_be_loaded_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(exec_cf, "commands")
    monkeypatch.setitem(sys.modules, "exec_cf.commands", None)
    world = FakeWorld(EXAMPLE_SPEC)
    assert run(world) == Exit.RUNTIME
    (line,) = world.errors
    assert line.startswith(f"{PROGRAM}the program cannot be loaded: ModuleNotFoundError import of exec_cf.commands")
    assert world.written == b""


def test_too_little_memory_is_said_when_some_is_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []

    class Spec(bytes):
        """What the failed call keeps in memory."""

        def __del__(self) -> None:
            held.clear()

    class Hungry(FakeWorld):
        """A world in which there is memory for a line only when the spec is gone."""

        def error(self, line: str) -> None:
            if held:
                raise MemoryError
            super().error(line)

        def read(self, file: str, limit: int) -> bytes:
            held.append(limit)
            return Spec(super().read(file, limit))

    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(spawn, "prepare", fail)
    world = Hungry(EXAMPLE_SPEC)
    assert run(world) == Exit.RUNTIME
    assert world.errors == [f"{PROGRAM}out of memory; raise the limit of this process, or free some memory"]
    assert world.written == b""


def test_an_unforeseen_error_is_one_line_and_70() -> None:
    def broken(_: Request) -> Response:
        raise RuntimeError("out of\nluck")

    world = FakeWorld(EXAMPLE_SPEC, {}, broken)
    assert run(world) == Exit.RUNTIME
    assert world.written == b""
    (line,) = world.errors
    assert "the program failed: RuntimeError: out of\\x0aluck" in line


def test_diagnostics_precede_the_handle() -> None:
    world = FakeWorld(spec("path.ts"))
    assert run(world) == Exit.OK
    assert world.order == ["error", "writable", "write"]


def test_json_for_programs() -> None:
    world = FakeWorld(EXAMPLE_SPEC)
    assert run(world, "--format", "json") == Exit.OK
    assert msgspec.json.decode(world.written)["name"] == "lead-engineer"
    refused = FakeWorld(b"name: 3\n")
    assert run(refused, "--format=json") == Exit.INPUT
    assert {msgspec.json.decode(line)["code"] for line in refused.errors} == {"type", "missing", "blocks", "summary"}


def holds_the_invariant(world: FakeWorld, *arguments: str) -> None:
    """Nothing in this world fails, so 70 would be the program's own failure."""
    code = run(world, *arguments)
    assert code in {Exit.OK, Exit.USAGE, Exit.INPUT}, world.errors
    assert bool(world.written) == (code == Exit.OK)
    assert code == Exit.OK or world.errors
    assert all(line.isprintable() for line in world.errors)
    if code == Exit.OK:
        assert yaml.safe_load(world.written)["status"] == "pending"


@given(st.binary(max_size=300))
def test_any_bytes_end_in_an_exit_code(stdin: bytes) -> None:
    holds_the_invariant(FakeWorld(stdin))


@given(st.text(max_size=300))
def test_any_text_ends_in_an_exit_code(stdin: str) -> None:
    holds_the_invariant(FakeWorld(stdin.encode()))


@given(st.text(alphabet="abc:-?[]{},&*!|>'\"%@`# \n\t<\\~", max_size=60))
def test_any_punctuation_ends_in_an_exit_code(stdin: str) -> None:
    holds_the_invariant(FakeWorld(stdin.encode()))


@given(st.text(max_size=20), st.sampled_from(["name", "agent", "session", "owner", "description", "cwd", "outfit"]))
def test_any_value_of_any_field_ends_in_an_exit_code(value: str, field: str) -> None:
    fields = {"name": "a", "agent": "echo", "cf-worker": {"script": "http://h"}, field: value}
    holds_the_invariant(FakeWorld(msgspec.json.encode(fields)))


@given(st.text(max_size=40), st.sampled_from(["script", "abort_endpoint", "wrangler_env"]))
def test_any_url_ends_in_an_exit_code(value: str, field: str) -> None:
    block = {"script": "http://h", field: value}
    holds_the_invariant(FakeWorld(msgspec.json.encode({"name": "a", "agent": "echo", "cf-worker": block})))


@given(st.dictionaries(st.sampled_from(["CF_WORKER_URL", "OPEN_AGENT_OWNER", "CF_WORKER_TOKEN"]), st.text(max_size=30)))
def test_any_environment_ends_in_an_exit_code(environ: dict[str, str]) -> None:
    holds_the_invariant(FakeWorld(EXAMPLE_SPEC, {**OFFLINE, **environ}))


@given(st.lists(st.text(max_size=12), min_size=1, max_size=4))
def test_any_arguments_end_in_an_exit_code(arguments: list[str]) -> None:
    world = FakeWorld(EXAMPLE_SPEC)
    world.files = dict.fromkeys(arguments, b"")
    holds_the_invariant(world, *arguments)


@given(
    st.integers(100, 999),
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["subjects", "abort", "message", "error", "prompt", "hb"]), inner, max_size=4
            )
        ),
    ).map(msgspec.json.encode),
)
def test_any_answer_of_a_worker_makes_a_handle(status: int, body: bytes) -> None:
    script = Script(Response(200), *[Response(status, body)] * 3)
    world = FakeWorld(EXAMPLE_SPEC, {}, script)
    assert run(world) == Exit.OK
    handle = yaml.safe_load(world.written)
    assert handle["status"] in {"ready", "failed"}
    assert (handle["status"] == "ready") == (status in {404, 405})
    assert all(line.isprintable() for line in world.errors)
