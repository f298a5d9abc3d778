"""The verbs for all agents of a Worker, in pipes and at terminals."""

import json
import re
import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.support import manners
from tests.support.fleet import Fleet, listed, stamp, totals
from tests.support.manners import Server
from tests.support.nats import NatsServer
from tests.support.program import Program
from tests.support.stub import Reply
from tests.support.systems import needs_full_device
from tests.support.terminal import END_OF_INPUT, INTERRUPT, Terminal, run
from tests.support.workerd import Workerd

SCHEMA = Draft202012Validator(
    json.loads((Path(__file__).resolve().parents[2] / "schemas" / "agent-list.v1.json").read_text())
)
TOKEN = "open-sesame-7"
MANY = [listed(f"worker-{number}", minutes=number, owner=("ann", "bob")[number % 2]) for number in range(250)]
PLAIN = {"NO_COLOR": "1"}


def at(url: str, **more: str) -> dict[str, str]:
    return {"CF_WORKER_URL": url, "CF_WORKER_HEALTHCHECK_RETRIES": "1", **more}


class TestInAPipe:
    def test_it_prints_one_document_of_all_pages(self, program: Program) -> None:
        with Fleet(MANY, token=TOKEN) as worker:
            ended = program.run(b"", "--list", env=at(worker.url, CF_WORKER_TOKEN=TOKEN))
        assert (ended.code, ended.err) == (0, "")
        document = yaml.safe_load(ended.out)
        assert [agent["session"] for agent in document["agents"]] == [agent["session"] for agent in reversed(MANY)]
        assert document["totals"]["agents"] == 250
        assert len(worker.asked) == 3

    def test_it_prints_what_its_schema_describes(self, program: Program) -> None:
        stopped = listed("b", state="stopped", cause="it was aborted", stopped_at=stamp(datetime.now(UTC)))
        with Fleet([listed("a"), stopped]) as worker:
            ended = program.run(b"", "--list", "--format", "json", env=at(worker.url))
        document = json.loads(ended.out)
        SCHEMA.validate(document)
        assert document["agents"] == worker.agents

    def test_the_worker_filters(self, program: Program) -> None:
        with Fleet([*MANY, listed("ü-☃", owner="ünï", state="busy"), listed("idle", owner="ünï")]) as worker:
            ended = program.run(b"", "--list", "--owner", "ünï", "--state", "busy", env=at(worker.url))
        assert [agent["session"] for agent in yaml.safe_load(ended.out)["agents"]] == ["ü-☃"]

    def test_a_reader_of_the_first_line_gets_it(self, program: Program) -> None:
        many = [listed(f"worker-{number:04}", cause="c" * 250) for number in range(2000)]
        with Fleet(many) as worker:
            within = '{ "$@"; echo "exit $?" >&2; } | head -1'
            ended = program.run(b"", "--list", env=at(worker.url), within=within)
        assert ended.out == b"agents:\n"
        assert "Traceback" not in ended.err
        assert re.fullmatch(
            r"(orch-executor-cf-worker: stdout cannot be written: broken pipe; nothing was delivered\nexit 70\n)?",
            ended.err,
        )

    @needs_full_device
    def test_a_full_disk_is_70(self, program: Program) -> None:
        with Fleet(MANY) as worker:
            ended = program.run(b"", "--list", env=at(worker.url), within='exec "$@" > /dev/full')
        assert ended.code == 70
        assert "no space left on device" in ended.err

    def test_a_closed_stdout_is_known_before_anything_is_asked(self, program: Program) -> None:
        with Fleet(MANY) as worker:
            assert program.run(b"", "--list", env=at(worker.url), within='exec "$@" >&-').code == 70
        assert worker.asked == []

    def test_a_closed_stderr_changes_nothing(self, program: Program) -> None:
        with Fleet(MANY) as worker:
            ended = program.run(b"", "--list", env=at(worker.url), within='exec "$@" 2>&-')
        assert yaml.safe_load(ended.out)["totals"]["agents"] == 250


class TestWorkersThatAreNone:
    @pytest.mark.parametrize("arguments", [["--list"], ["--abort", "--all", "--yes"]])
    def test_a_dead_one_is_70(self, program: Program, arguments: list[str]) -> None:
        with Server(manners.ok) as server:
            url = server.url
        ended = program.run(b"", *arguments, env=at(url))
        assert (ended.code, ended.out) == (70, b"")
        assert "connection refused" in ended.err

    def test_a_silent_one_is_given_up(self, program: Program) -> None:
        with Server(manners.silent()) as server:
            ended = program.run(b"", "--list", env=at(server.url, CF_WORKER_HEALTHCHECK_TIMEOUT_MS="200"))
        assert (ended.code, ended.out) == (70, b"")
        assert ended.lines[-1].startswith("list: ")

    def test_a_flood_is_read_to_a_bound(self, program: Program) -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n" + b'{"agents": ['
        with Server(manners.endless(head, b" " * 65_536)) as server:
            ended = program.run(b"", "--list", env=at(server.url))
        assert (ended.code, ended.out) == (70, b"")
        assert "is not a list of agents, or too long" in ended.err

    def test_without_a_name_no_other_is_asked(self, program: Program) -> None:
        for arguments in (["--list"], ["--abort", "--all", "--yes"]):
            ended = program.run(b"", *arguments)
            assert (ended.code, ended.out) == (64, b"")
            assert ended.lines[0].startswith("CF_WORKER_URL is not set; ")

    @pytest.mark.parametrize(
        ("reply", "words"),
        [
            (
                Reply(404, {"error": "not_found", "message": "no such route"}),
                "the Worker has no list of agents (HTTP 404)",
            ),
            (Reply(200, b"<html><body>hello</body></html>", {"content-type": "text/html"}), "with a web page"),
            (Reply(200, b'{"agents": [' + b" " * (2 << 20)), "is not a list of agents, or too long"),
            (Reply(200, {"agents": [], "totals": totals([]), "cursor": "x"}), "sends a page twice"),
        ],
    )
    def test_anything_but_a_list_is_70(self, program: Program, reply: Reply, words: str) -> None:
        with Fleet(lister=lambda _: reply) as worker:
            ended = program.run(b"", "--list", env=at(worker.url))
        assert (ended.code, ended.out) == (70, b"")
        assert words in ended.lines[-1]

    @pytest.mark.parametrize(("token", "words"), [("", "requires a token"), ("wrong-token-8", "refuses the token")])
    def test_a_token_that_is_missing_or_wrong_is_70(self, program: Program, token: str, words: str) -> None:
        with Fleet(MANY, token=TOKEN) as worker:
            ended = program.run(b"", "--list", env=at(worker.url, CF_WORKER_TOKEN=token))
        assert (ended.code, ended.out) == (70, b"")
        assert words in ended.err
        assert "wrong-token-8" not in ended.err


NOW = datetime.now(UTC)
AGENTS = [
    listed(
        "lead-engineer",
        owner="山田太郎",
        agent="claude-code",
        state="busy",
        started_at=stamp(NOW - timedelta(days=2.5)),
        last_prompt_at=stamp(NOW - timedelta(hours=3.5)),
        answered=1234,
        failed=5,
        input_tokens=1_234_567,
        output_tokens=99_999,
    ),
    listed(
        "プロジェクト-エージェント-テスト",
        started_at=stamp(NOW - timedelta(days=3.5)),
        cause="サーバーに接続できません",
    ),
    listed(
        "cafe\u0301-か\u3099き\u3099-\u1112\u1161\u11ab", started_at=stamp(NOW - timedelta(days=4.5)), state="starting"
    ),
    listed("🎉-🇩🇪-👍🏽-☂\ufe0f", started_at=stamp(NOW - timedelta(days=5.5)), state="stopped", cause="it was aborted"),
    listed("x" * 120, started_at=stamp(NOW - timedelta(days=6.5)), owner="o" * 50),
]


class TestAtATerminal:
    @pytest.mark.parametrize(
        ("columns", "titles"),
        [
            (60, "SESSION OWNER AGENT STATE AGE"),
            (100, "SESSION OWNER AGENT STATE AGE PROMPTED ANSWERED FAILED IN OUT"),
            (200, "SESSION OWNER AGENT STATE AGE PROMPTED ANSWERED FAILED IN OUT CAUSE"),
        ],
    )
    def test_the_table_fits(self, program: Program, columns: int, titles: str) -> None:
        with Fleet(AGENTS) as worker:
            terminal = run(program, "--list", columns=columns, env=at(worker.url, **PLAIN))
        screen = terminal.screen()
        assert screen[0].split() == titles.split()
        assert len(screen) == len(AGENTS) + 2, "a line was wrapped"
        assert [row[:3] for row in screen[1:-1]] == ["lea", "プロジ", "caf", "🎉-🇩", "xxx"]
        assert screen[-1].startswith("5 agents, 4 running, 1.2k prompts answered")

    def test_a_width_of_200_shows_it_all(self, program: Program) -> None:
        with Fleet(AGENTS[:2]) as worker:
            screen = run(program, "--list", columns=200, env=at(worker.url, **PLAIN)).screen()
        assert re.sub(" +", " ", screen[1]) == "lead-engineer 山田太郎 claude-code busy 2 d 3 h 1.2k 5 1.2M 99k"
        assert re.sub(" +", " ", screen[2]) == (
            "プロジェクト-エージェント-テスト ann echo ready 3 d 0 0 0 0 サーバーに接続できません"
        )

    @pytest.mark.parametrize("columns", [1, 2, 3, 7, 20])
    def test_no_terminal_is_too_narrow(self, program: Program, columns: int) -> None:
        with Fleet(AGENTS) as worker:
            terminal = run(program, "--list", columns=columns, env=at(worker.url, **PLAIN))
        assert terminal.child.returncode == 0
        assert len(terminal.screen()) == len(AGENTS) + 2

    def test_a_terminal_that_does_not_know_its_width_has_80(self, program: Program) -> None:
        with Fleet(AGENTS) as worker:
            lines = [
                run(program, "--list", columns=columns, env=at(worker.url, **PLAIN)).written for columns in (0, 80)
            ]
        assert lines[0] == lines[1]

    def test_columns_takes_precedence(self, program: Program) -> None:
        with Fleet(AGENTS) as worker:
            wide = run(program, "--list", columns=200, env=at(worker.url, COLUMNS="60", **PLAIN)).written
            assert wide == run(program, "--list", columns=60, env=at(worker.url, **PLAIN)).written

    @pytest.mark.parametrize(
        ("more", "coloured"),
        [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
    )
    def test_states_have_colours_that_can_be_declined(
        self, program: Program, more: dict[str, str], coloured: bool
    ) -> None:
        with Fleet(AGENTS) as worker:
            terminal = run(program, "--list", columns=100, env=at(worker.url, **more))
        assert ("\x1b[36mbusy\x1b[0m" in terminal.written) is coloured
        assert ("\x1b" in terminal.written) is coloured
        assert len(terminal.screen()) == len(AGENTS) + 2

    def test_nothing_of_an_agent_steers_it(self, program: Program) -> None:
        odd = "\x1b[2J\x1b]0;x\x07\x9b2J\u202e\n\r\x08"
        with Fleet([listed(odd, owner=odd, agent=odd, state=odd, cause=odd)]) as worker:
            for arguments in ([], ["--format", "yaml"], ["--format", "json"]):
                terminal = run(program, "--list", *arguments, columns=200, env=at(worker.url))
                assert all(line.isprintable() for line in terminal.written.split("\n"))

    def test_a_format_prints_a_document(self, program: Program) -> None:
        with Fleet(AGENTS) as worker:
            terminal = run(program, "--list", "--format", "json", env=at(worker.url))
        assert len(json.loads(terminal.written)["agents"]) == len(AGENTS)

    def test_no_agents_are_one_line(self, program: Program) -> None:
        with Fleet() as worker:
            assert run(program, "--list", env=at(worker.url)).written == "no agents\n"


class TestAbortAll:
    def test_it_asks_and_stops_them(self, program: Program) -> None:
        with Fleet(MANY[:12], token=TOKEN) as worker:
            env = at(worker.url, CF_WORKER_TOKEN=TOKEN)
            with Terminal(program, "--abort", "--all", env=env) as terminal:
                terminal.wait_for(f"orch-executor-cf-worker: stop 12 agents of {worker.url}? [y/N] ")
                assert terminal.written.startswith("orch-executor-cf-worker: owners: bob (6), ann (6)\n")
                assert len(worker.running) == 12
                terminal.type(b"y\n")
                assert terminal.end() == 0
        assert terminal.written.endswith(f"[y/N] y\norch-executor-cf-worker: 12 agents of {worker.url} were stopped\n")
        assert worker.running == []

    @pytest.mark.parametrize("keys", [b"n\n", b"\n", b"yes, please\n", END_OF_INPUT])
    def test_any_other_answer_stops_nothing(self, program: Program, keys: bytes) -> None:
        with Fleet(MANY[:1]) as worker, Terminal(program, "--abort", "--all", env=at(worker.url)) as terminal:
            terminal.wait_for("stop 1 agent of ")
            terminal.type(keys)
            assert terminal.end() == 64
        assert terminal.written.endswith("\norch-executor-cf-worker: not confirmed; nothing was stopped\n")
        assert len(worker.running) == 1

    def test_an_interrupt_at_the_question_ends_it(self, program: Program) -> None:
        with Fleet(MANY[:1]) as worker, Terminal(program, "--abort", "--all", env=at(worker.url)) as terminal:
            terminal.wait_for("[y/N] ")
            terminal.type(INTERRUPT)
            assert terminal.end() == -signal.SIGINT
        assert len(worker.running) == 1

    @pytest.mark.parametrize("within", ['exec "$@" < /dev/null', 'exec "$@" 2> errors'])
    def test_without_both_terminals_there_is_no_question(self, program: Program, within: str) -> None:
        with Fleet(MANY[:1]) as worker:
            with Terminal(program, "--abort", "--all", env=at(worker.url), within=within) as terminal:
                assert terminal.end() == 64
            assert worker.asked == []

    def test_a_stdout_in_a_pipe_changes_nothing(self, program: Program) -> None:
        with Fleet(MANY[:1]) as worker:
            within = 'exec "$@" > out'
            with Terminal(program, "--abort", "--all", env=at(worker.url), within=within) as terminal:
                terminal.wait_for("[y/N] ")
                terminal.type(b"y\n")
                assert terminal.end() == 0
        assert (program.home / "out").read_bytes() == b""

    def test_yes_needs_no_terminal(self, program: Program) -> None:
        with Fleet(MANY) as worker:
            ended = program.run(b"", "--abort", "--all", "--yes", env=at(worker.url))
        assert (ended.code, ended.out) == (0, b"")
        assert ended.lines == [f"250 agents of {worker.url} were stopped"]
        assert worker.running == []

    def test_those_that_stay_are_named(self, program: Program) -> None:
        with Fleet(MANY[:5], stubborn=["worker-1", "worker-3"]) as worker:
            ended = program.run(b"", "--abort", "--all", "--yes", env=at(worker.url, CF_WORKER_HEALTHCHECK_RETRIES="2"))
        assert (ended.code, ended.out) == (70, b"")
        assert ended.lines[-1] == (
            f"abort: 2 agents of {worker.url} could not be stopped: worker-3, worker-1; 3 were stopped; abort again"
        )

    def test_a_handle_is_not_taken(self, program: Program) -> None:
        with Fleet(MANY[:1]) as worker:
            ended = program.run(b"", "--abort", "--all", "--yes", "handle.yaml", env=at(worker.url))
        assert ended.code == 64
        assert worker.asked == []


COUNT = 103
"""More agents than a page of the list has."""


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Workerd]:
    variables = {"CONTROL_TOKEN": TOKEN, "AGENTS_PER_HUB": "100"}
    home = tmp_path / "worker"
    with (
        NatsServer(tmp_path / "nats") as bus,
        Workerd(home, {**variables, "NATS_WS_URL": bus.ws_url}) as server,
        server.client(TOKEN) as http,
    ):
        for number in range(COUNT):
            body = {"owner": ("ann", "bob")[number % 2]}
            assert http.post(f"/agent/echo-{number}", json=body).status_code == 201
        yield server


def test_on_workerd_from_a_list_to_none(program: Program, worker: Workerd) -> None:
    env = at(worker.url, CF_WORKER_TOKEN=TOKEN, CF_WORKER_HEALTHCHECK_TIMEOUT_MS="60000")
    document = json.loads(program.run(b"", "--list", "--format", "json", env=env).out)
    SCHEMA.validate(document)
    assert {agent["session"] for agent in document["agents"]} == {f"echo-{number}" for number in range(COUNT)}
    starts = [agent["started_at"] for agent in document["agents"]]
    assert starts == sorted(starts, reverse=True)
    assert (document["totals"]["agents"], document["totals"]["running"]) == (COUNT, COUNT)
    bobs = yaml.safe_load(program.run(b"", "--list", "--owner", "bob", env=env).out)
    assert {agent["owner"] for agent in bobs["agents"]} == {"bob"}
    assert bobs["totals"]["agents"] == len(bobs["agents"]) == COUNT // 2
    screen = run(program, "--list", columns=100, env={**env, **PLAIN}).screen()
    assert len(screen) == COUNT + 2
    assert screen[1].split()[:3] == [document["agents"][0][field] for field in ("session", "owner", "agent")]

    with Terminal(program, "--abort", "--all", env=env) as terminal:
        terminal.wait_for("owners: ann (52), bob (51)\n")
        terminal.wait_for(f"stop {COUNT} agents of {worker.url}? [y/N] ")
        terminal.type(b"y\n")
        assert terminal.end() == 0
    assert terminal.written.endswith(f"{COUNT} agents of {worker.url} were stopped\n")
    stopped = yaml.safe_load(program.run(b"", "--list", "--state", "stopped", env=env).out)
    assert {agent["cause"] for agent in stopped["agents"]} == {"it was aborted"}
    assert (stopped["totals"]["agents"], stopped["totals"]["running"]) == (COUNT, 0)
    again = program.run(b"", "--abort", "--all", "--yes", env=env)
    assert (again.code, again.lines) == (0, [f"no agent of {worker.url} is running; nothing was stopped"])
