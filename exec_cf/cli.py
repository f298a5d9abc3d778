"""The command line: arguments in, one exit code out, everything else through the `World`.

Tests hand in a world of their own and start no process. Imports stand inside the functions, so that `--version` and
`--help` load nothing.
"""

from __future__ import annotations

from exec_cf.usage import PRINTED

TYPE_CHECKING = False  # typing itself would take longer to import than the rest of `--version`

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from exec_cf.arguments import Call
    from exec_cf.errors import Diagnostic, Refused
    from exec_cf.messages import WorkerHandle
    from exec_cf.report import Reporter
    from exec_cf.worker import Line
    from exec_cf.world import World


def run(arguments: Sequence[str], world: World) -> int:
    """Run the program and return its exit code (`exec_cf.errors.Exit`); never raises."""
    if arguments and all(argument in PRINTED for argument in arguments):
        return _print(PRINTED[arguments[0]], world)
    from exec_cf import arguments as command_line
    from exec_cf.errors import Refused
    from exec_cf.report import Reporter

    reporter = Reporter(world.error, command_line.wants_json(arguments))
    try:
        _act(command_line.parse(arguments), world, reporter)
    except Refused as refused:
        reporter.refusal(refused)
        return refused.exit_code
    except Exception as error:  # noqa: BLE001  a user sees one line, never a traceback
        problem = _internal(error)
        reporter(problem)
        return problem.code.exit_code
    return 0


def _print(text: str, world: World) -> int:
    try:
        world.write(text.encode())
    except OSError as error:
        from exec_cf.report import Reporter

        refused = _lost(error)
        Reporter(world.error, as_json=False).refusal(refused)
        return refused.exit_code
    return 0


def _act(call: Call, world: World, reporter: Reporter) -> None:
    """Do what *call* asks for. Raises `Refused`."""
    from exec_cf import verbs, worker

    line = worker.Line(world.exchange, world.sleep, reporter)
    match call.verb.name:
        case "spawn":
            _spawn(call, world, line)
        case "validate":
            verbs.validate(_input(call, world, reporter))
        case "status":
            target = verbs.parse_handle(_input(call, world, reporter), world.environ, reporter)
            _check_writable(world)
            _deliver(verbs.status(target, line, world.now, call.wait_s), call, world)
        case "abort":
            verbs.abort(verbs.parse_handle(_input(call, world, reporter), world.environ, reporter), line)
        case "teardown":
            verbs.teardown(verbs.parse_handle(_input(call, world, reporter), world.environ, reporter), line)
        case "deploy" | "undeploy":
            _deployment(call, world, reporter)
        case _:
            _write(verbs.spoken(call.as_json), world)


def _spawn(call: Call, world: World, line: Line) -> None:
    from exec_cf import spawn

    prepared = spawn.prepare(_input(call, world, line.note), world.environ, line.note)
    _check_writable(world)
    spawned = spawn.spawn(prepared, line, world.now)
    try:
        _deliver(spawned.handle, call, world)
    except Exception:
        spawn.roll_back(spawned, prepared, line)
        raise


def _deployment(call: Call, world: World, note: Callable[[Diagnostic], None]) -> None:
    # A room of its own, with the Worker in it: 350 kB that no other verb loads.
    from exec_cf import deploy, encode

    data = _input(call, world, note)
    folder = call.file.rpartition("/")[0] or ("/" if call.file.startswith("/") else "")
    options = deploy.Options(folder=folder, wait_s=call.wait_s, dry_run=call.dry_run)
    if call.verb.name == "undeploy":
        deploy.undeploy(data, options, world, note, lambda question: _confirmed(question, call, world))
        return
    _check_writable(world)
    deployed = deploy.deploy(data, options, world, note)
    _write(encode.render_json(deployed) if call.as_json else encode.render(deployed), world)


def _confirmed(question: str, call: Call, world: World) -> bool:
    """Return what the user at the terminal answers. Raises `Refused` when there is none."""
    from exec_cf.errors import Code, Diagnostic, Refused
    from exec_cf.usage import PROGRAM

    if call.is_confirmed:
        return True
    if not call.file or not world.at_terminal():
        message = "a deletion has to be confirmed, and stdin is not a terminal"
        raise Refused([Diagnostic(Code.UNCONFIRMED, message, hint="pass --yes")])
    world.error(f"{PROGRAM}: {question} Type yes to go on:")
    return world.answer().strip().lower() == "yes"


def _input(call: Call, world: World, note: Callable[[Diagnostic], None]) -> bytes:
    from exec_cf.display import truncated
    from exec_cf.document import LIMITS
    from exec_cf.errors import Code, Diagnostic, Refused

    if not call.file and world.at_terminal():
        note(Diagnostic(Code.TERMINAL, f"reading the {call.verb.reads} from the terminal; end it with Ctrl-D"))
    try:
        return world.read(call.file, LIMITS.size)
    except OSError as error:
        name = truncated(call.file) or "stdin"
        message = f"{name} cannot be read: {(error.strerror or str(error)).lower()}"
        raise Refused([Diagnostic(Code.UNREADABLE, message, hint=f"pass a {call.verb.reads}")]) from None


def _check_writable(world: World) -> None:
    try:
        world.writable()
    except OSError as error:
        raise _lost(error) from None


def _deliver(handle: WorkerHandle, call: Call, world: World) -> None:
    from exec_cf.encode import checked

    _write(checked(handle, call.as_json), world)


def _write(data: bytes, world: World) -> None:
    try:
        world.write(data)
    except OSError as error:
        raise _lost(error) from None


def _lost(error: OSError) -> Refused:
    from exec_cf.errors import Code, Diagnostic, Refused

    reason = (error.strerror or str(error)).lower()
    return Refused([Diagnostic(Code.STDOUT, f"stdout cannot be written: {reason}", hint="nothing was delivered")])


_MAX_ERROR_CHARS = 500


def _internal(error: Exception) -> Diagnostic:
    from exec_cf.display import truncated
    from exec_cf.errors import Code, Diagnostic

    message = truncated(f"the program failed: {type(error).__name__}: {error}", _MAX_ERROR_CHARS)
    return Diagnostic(Code.INTERNAL, message, hint="please report this with the input that led to it")
