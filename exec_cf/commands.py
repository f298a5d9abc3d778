"""Runs each verb with its input from the world and its output to it; returns the exit code."""

from collections.abc import Sequence
from datetime import UTC, datetime

from exec_cf import agents, output, settings, spawn, table, verbs
from exec_cf import arguments as command_line
from exec_cf.arguments import Call
from exec_cf.client import Client
from exec_cf.display import truncated
from exec_cf.document import LIMITS
from exec_cf.encode import encoded
from exec_cf.errors import Code, Diagnostic, Note, Refused, os_reason
from exec_cf.report import Reporter
from exec_cf.usage import PROGRAM
from exec_cf.world import World


def run(arguments: Sequence[str], world: World) -> int:
    """Do what *arguments* ask for and return the exit code (`exec_cf.errors.Exit`); never raises."""
    reporter = Reporter(world.error, command_line.wants_json(arguments))
    try:
        _perform(command_line.parse(arguments), world, reporter)
    except Refused as refused:
        reporter.refusal(refused)
        return refused.exit_code
    except MemoryError:
        pass  # only after this block is the memory of the failed call free again
    except Exception as error:  # noqa: BLE001  users get one line, never a traceback
        diagnostic = _internal(error)
        reporter(diagnostic)
        return diagnostic.code.exit_code
    else:
        return 0
    reporter(_OUT_OF_MEMORY)
    return _OUT_OF_MEMORY.code.exit_code


def report_write_error(error: OSError, world: World) -> int:
    """Report that a text could not be written to stdout, and return the exit code."""
    refused = output.write_error(error)
    Reporter(world.error, as_json=False).refusal(refused)
    return refused.exit_code


def _perform(call: Call, world: World, reporter: Reporter) -> None:
    """Do what *call* asks for. Raises `Refused`."""
    match call.verb.name:
        case "spawn":
            _spawn(call, world, reporter)
        case "validate":
            verbs.validate(_input(call, world, reporter))
        case "status":
            target, client = _target(call, world, reporter)
            output.check_writable(world)
            handle = verbs.status(target, client, world, call.wait_s)
            output.write(output.rendered(handle, call.as_json), world)
        case "abort":
            verbs.abort(*_target(call, world, reporter))
        case "teardown":
            verbs.teardown(*_target(call, world, reporter))
        case "list":
            _list(call, world, reporter)
        case "abort-all":
            _abort_all(call, world, reporter)
        case "deploy" | "undeploy":
            _deployment(call, world, reporter)
        case _:
            output.write(verbs.versions(call.as_json), world)


def _spawn(call: Call, world: World, note: Note) -> None:
    prepared = spawn.prepare(_input(call, world, note), world.environ, note)
    output.check_writable(world)
    client = Client(prepared.plan.base, prepared.settings, world, note)
    spawned = spawn.spawn(prepared, client, world.time)
    try:
        output.write(output.rendered(spawned.handle, call.as_json), world)
    except Exception:
        spawn.roll_back(spawned, prepared, client)
        raise


def _list(call: Call, world: World, note: Note) -> None:
    client = _client(world, note)
    output.check_writable(world)
    listing = agents.listing(client, call.owner, call.state)
    columns = None if call.format else world.columns()
    if columns is None:
        output.write(encoded(listing.agents, as_json=call.as_json), world)
        return
    now = listing.seen_at or datetime.fromtimestamp(world.time(), UTC)
    fitting = table.width(columns, world.environ)
    shown = table.table(listing.agents, now, fitting, coloured=table.is_coloured(world.environ))
    output.write(shown.encode(), world)


def _abort_all(call: Call, world: World, note: Note) -> None:
    client = _client(world, note)
    if not call.is_confirmed:
        _check_can_ask("stopping all agents", world)
    if call.is_confirmed or agents.confirm_stop(client, lambda question: _answer(question, world) in {"y", "yes"}):
        agents.stop_all(client)


def _client(world: World, note: Note) -> Client:
    """Return a client of the Worker of `CF_WORKER_URL`. Raises `Refused`."""
    current = settings.of_worker(world.environ, note)
    return Client(current.url, current, world, note)


def _deployment(call: Call, world: World, note: Note) -> None:
    from exec_cf import deploy  # noqa: PLC0415  loads the Worker's bundle: 350 kB

    data = _input(call, world, note)
    folder = call.file.rpartition("/")[0] or ("/" if call.file.startswith("/") else "")
    options = deploy.Options(folder=folder, wait_s=call.wait_s, dry_run=call.dry_run)
    if call.verb.name == "undeploy":
        deploy.undeploy(data, options, world, note, lambda question: _confirmed(question, call, world))
        return
    output.check_writable(world)
    deployed = deploy.deploy(data, options, world, note)
    output.write(encoded(deployed, as_json=call.as_json), world)


def _confirmed(question: str, call: Call, world: World) -> bool:
    """Return whether the user confirms the deletion in *question*. Raises `Refused` if nobody can be asked."""
    if call.is_confirmed:
        return True
    _check_can_ask("a deletion", world, is_stdin_read=not call.file)
    return _answer(f"{question} Type yes to continue:", world) == "yes"


def _check_can_ask(what: str, world: World, *, is_stdin_read: bool = False) -> None:
    """Raise `Refused` if there is no terminal to ask at, or if *is_stdin_read* already."""
    if is_stdin_read or not world.can_ask():
        message = f"{what} must be confirmed, and stdin or stderr is not a terminal"
        raise Refused([Diagnostic(Code.UNCONFIRMED, message, hint="pass --yes")])


def _answer(question: str, world: World) -> str:
    return world.ask(f"{PROGRAM}: {question}").strip().lower()


def _target(call: Call, world: World, note: Note) -> tuple[verbs.Target, Client]:
    target = verbs.parse_handle(_input(call, world, note), world.environ, note)
    return target, Client(target.plan.base, target.settings, world, note)


def _input(call: Call, world: World, note: Note) -> bytes:
    if not call.file and world.at_terminal():
        note(Diagnostic(Code.TERMINAL, f"reading the {call.verb.reads} from the terminal; end it with Ctrl-D"))
    try:
        return world.read(call.file, LIMITS.size)
    except OSError as error:
        name = truncated(call.file) or "stdin"
        message = f"{name} cannot be read: {os_reason(error)}"
        raise Refused([Diagnostic(Code.UNREADABLE, message, hint=f"pass a readable {call.verb.reads} file")]) from None


_OUT_OF_MEMORY = Diagnostic(Code.MEMORY, "out of memory", hint="raise the limit of this process, or free some memory")

_MAX_ERROR_CHARS = 500


def _internal(error: Exception) -> Diagnostic:
    message = truncated(f"the program failed: {type(error).__name__}: {error}", _MAX_ERROR_CHARS)
    return Diagnostic(Code.INTERNAL, message, hint="please report this with the input that led to it")
