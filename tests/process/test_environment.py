"""Arguments, and the environments that a program is started in."""

import pytest

from tests.support import manners
from tests.support.manners import Server
from tests.support.program import Program, handle, outcome
from tests.support.specs import spec

OFFLINE = {"CF_WORKER_HEALTHCHECK": "0"}


@pytest.mark.parametrize("argument", ["-V", "--version"])
def test_version(program: Program, argument: str) -> None:
    ended = program.run(b"", argument)
    assert (ended.code, ended.err) == (0, "")
    name, version = ended.out.decode().splitlines()[0].split(" ")
    assert name == "orch-executor-cf-worker"
    assert version[0].isdigit()
    assert ended.out.count(b"\n") == 1


@pytest.mark.parametrize("argument", ["-h", "--help"])
def test_help(program: Program, argument: str) -> None:
    ended = program.run(b"", argument)
    assert (ended.code, ended.err) == (0, "")
    assert b"orch-executor-cf-worker < spec.yaml" in ended.out


@pytest.mark.parametrize("argument", ["--nonsense", "spec.yaml", "-", "", "--version=1", "\x1b[31m"])
def test_an_unknown_argument_is_64(program: Program, argument: str) -> None:
    ended = program.run(spec(), argument, env=OFFLINE)
    assert (ended.code, ended.out) == (64, b"")
    assert ended.lines[0].startswith("unknown argument ")
    assert "\x1b" not in ended.err


@pytest.mark.parametrize("within", ['exec env -i "$@"', 'unset HOME; exec "$@"', 'LANG=C LC_ALL=C exec "$@"'])
def test_a_poor_environment_is_enough(program: Program, within: str) -> None:
    with Server(manners.ok) as server:
        ended = program.run(spec(server.url, "description: ü"), within=within)
    status, message = outcome(ended)
    assert (status, message[:6]) == ("failed", "start:")  # it is healthy, and no Worker of ours


def test_the_locale_changes_no_byte(program: Program) -> None:
    text = spec("http://h", 'session: "ünïcode-☃-😀"')
    outs = {
        program.run(text, env={**OFFLINE, "LC_ALL": locale}).out.partition(b"created_at")[0]
        for locale in ("C", "C.UTF-8", "POSIX", "de_DE.ISO-8859-1")
    }
    assert len(outs) == 1
    assert b'session: "\\xFCn\\xEFcode-\\u2603-\\U0001F600"' in outs.pop()


def test_a_message_beyond_ascii_reads_the_same_in_a_plain_locale(program: Program) -> None:
    ended = program.run("name: Größe\n".encode(), env={**OFFLINE, "LC_ALL": "C"})
    assert ended.code == 65
    assert "Größe" in ended.err


def test_a_variable_that_is_not_utf8_is_refused_in_words(program: Program) -> None:
    ended = program.run(spec(), env={**OFFLINE, "OPEN_AGENT_OWNER": "a\udcffb"})
    assert (ended.code, ended.out) == (64, b"")
    assert ended.lines[0].startswith("OPEN_AGENT_OWNER: ")


def test_pythons_own_variables_change_nothing(program: Program) -> None:
    env = {**OFFLINE, "PYTHONIOENCODING": "ascii", "PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error"}
    assert handle(program.run(spec(), env=env))["name"] == "lead"


@pytest.mark.parametrize(
    ("variable", "text"),
    [("CF_WORKER_URL", "ftp://h"), ("CF_WORKER_URL", "https://u:hush@h"), ("OPEN_AGENT_OWNER", "first.last")],
)
def test_an_unusable_variable_is_64(program: Program, variable: str, text: str) -> None:
    ended = program.run(spec(), env={**OFFLINE, variable: text})
    assert (ended.code, ended.out) == (64, b"")
    assert ended.lines[0].startswith(f"{variable}: ")
    assert "hush" not in ended.err
