"""What can be asked of all agents of a Worker, which answers by a script."""

from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from exec_cf import agents, cli
from exec_cf.answers import AgentPage, WorkerError
from exec_cf.errors import Exit
from exec_cf.http import Request, RequestError, Response
from exec_cf.messages import AgentList, ListedAgent, ListTotals
from tests.support.fleet import STARTED, listed, totals
from tests.support.front import FRONTS, Front
from tests.support.strategies import messages
from tests.support.world import FULL, FakeWorld, Script

PROGRAM = "orch-executor-cf-worker: "
URL = "https://w.example/base"
ONCE = {"CF_WORKER_URL": URL, "CF_WORKER_HEALTHCHECK_RETRIES": "1"}
TOKEN = "hush-hush"


def page(*found: dict[str, Any], **more: Any) -> Response:
    return json({"agents": found, "totals": totals(found), **more})


def json(body: Any, status: int = 200, **headers: str) -> Response:
    return Response(status, msgspec.json.encode(body), headers)


def error(status: int, code: str = "internal", message: str = "no", **more: Any) -> Response:
    return json({"error": code, "message": message, **more}, status)


NO_ROUTE = [error(404, "not_found"), error(405, "method_not_allowed"), Response(404, b"nothing here")]


class Call:
    """One call of the program with a scripted Worker."""

    def __init__(
        self,
        *arguments: str,
        answers: tuple[Response | RequestError, ...] = (),
        environ: Mapping[str, str] = ONCE,
        width: int | None = None,
        typed: str | None = None,
    ) -> None:
        """Call it at a terminal of *width*, or where that is None, at none; *typed* is the answer to its question."""
        self.script = Script(*answers)
        self.world = FakeWorld(OSError("nobody may read"), environ, self.script)
        self.world.width = width
        self.world.terminal = typed is not None
        self.world.answers = [typed or ""]
        self.code = cli.run(arguments, self.world)
        assert self.script.unused() == []

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.url.removeprefix(URL)}" for request in self.script.requests]

    @property
    def said(self) -> list[str]:
        assert all(line.startswith(PROGRAM) for line in self.world.errors)
        return [line.removeprefix(PROGRAM) for line in self.world.errors]

    @property
    def printed(self) -> Any:
        return yaml.safe_load(self.world.written)


WRONG_ENVIRONMENTS: list[tuple[dict[str, str], str]] = [
    ({}, "CF_WORKER_URL is not set; set it to the Worker's URL, like https://orch-cf-agent.ACCOUNT.workers.dev"),
    ({"CF_WORKER_URL": ""}, "CF_WORKER_URL is not set"),
    ({"CF_WORKER_URL": "https://ann:hush@w"}, "CF_WORKER_URL: the URL contains credentials"),
    ({"CF_WORKER_URL": "http://w.example", "CF_WORKER_TOKEN": TOKEN}, "CF_WORKER_TOKEN would be sent unencrypted"),
    ({"CF_WORKER_URL": URL, "CF_ACCESS_CLIENT_ID": "hush"}, "is set without CF_ACCESS_CLIENT_SECRET"),
]


@pytest.mark.parametrize("verb", [["--list"], ["--abort", "--all"], ["--abort", "--all", "--yes"]])
@pytest.mark.parametrize(("environ", "words"), WRONG_ENVIRONMENTS)
def test_only_a_worker_that_is_named_is_asked(verb: list[str], environ: dict[str, str], words: str) -> None:
    call = Call(*verb, environ=environ, typed="y")
    assert (call.code, call.calls, call.world.written) == (Exit.USAGE, [], b"")
    (line,) = call.said
    assert words in line
    assert "hush" not in line


class TestList:
    def test_a_document_of_all_pages(self) -> None:
        first, second = listed("a", cause="it was aborted", state="stopped"), listed("b")
        sums = totals([first, second])
        answers = (page(first, totals=sums, cursor="&/ü"), page(second, totals=totals([])))
        call = Call("--list", answers=answers)
        assert call.code == Exit.OK
        assert call.calls == ["GET /agents", "GET /agents?cursor=%26%2F%C3%BC"]
        assert [agent["session"] for agent in call.printed["agents"]] == ["a", "b"]
        assert call.printed["totals"] == sums
        assert call.said == []

    def test_the_same_as_json(self) -> None:
        call = Call(
            "--list", "--format", "json", answers=(page(listed("a", last_prompt_at="2026-11-26T13:00:00+01:00")),)
        )
        document = msgspec.json.decode(call.world.written)
        assert document["agents"] == [listed("a", last_prompt_at="2026-11-26T12:00:00.000Z")]

    def test_filters_are_the_workers(self) -> None:
        answers = (page(cursor="c"), page())
        call = Call("--list", "--owner", "ann/ü", "--state=busy", answers=answers)
        query = "owner=ann%2F%C3%BC&state=busy"
        assert call.calls == [f"GET /agents?{query}", f"GET /agents?{query}&cursor=c"]

    def test_the_owner_of_the_environment_filters_nothing(self) -> None:
        assert Call("--list", answers=(page(),), environ={**ONCE, "OPEN_AGENT_OWNER": "bob"}).calls == ["GET /agents"]

    def test_every_page_gets_the_token(self) -> None:
        environ = {**ONCE, "CF_WORKER_TOKEN": TOKEN, "CF_ACCESS_CLIENT_ID": "i", "CF_ACCESS_CLIENT_SECRET": "s"}
        call = Call("--list", answers=(page(cursor="c"), page()), environ=environ)
        headers = {"authorization": f"Bearer {TOKEN}", "cf-access-client-id": "i", "cf-access-client-secret": "s"}
        assert [request.headers for request in call.script.requests] == [headers, headers]

    def test_an_empty_list_is_an_empty_document(self) -> None:
        assert Call("--list", answers=(page(),)).printed == {"agents": [], "totals": totals([])}

    def test_no_capability_of_a_later_worker_is_printed(self) -> None:
        call = Call(
            "--list", answers=(page(listed("a", abort="/control/abort/a?cap=x", labels={"b": "c"}), abort="/x"),)
        )
        assert call.printed["agents"] == [yaml.safe_load(yaml.safe_dump(listed("a"))) | _times(call)]
        assert b"abort" not in call.world.written

    def test_a_terminal_gets_a_table(self) -> None:
        call = Call("--list", answers=(page(listed("a")),), width=30)
        assert call.world.written == b"SESSION  OWNER  STATE  AGE\na        ann    ready  0 s\n1 agent, 1 running\n"
        assert call.said == []

    def test_a_terminal_gets_a_document_that_is_asked_for(self) -> None:
        for format_ in ("yaml", "json"):
            assert Call("--list", "--format", format_, answers=(page(),), width=30).printed["agents"] == []

    def test_ages_are_by_the_workers_clock(self) -> None:
        answer = json({"agents": [listed("a")], "totals": totals([])}, date="Thu, 26 Nov 2026 12:00:07 GMT")
        assert " 7 s " in Call("--list", answers=(answer,), width=80).world.written.decode()

    def test_a_worker_without_a_clock_has_the_programs(self) -> None:
        assert " 0 s " in Call("--list", answers=(page(listed("a")),), width=80).world.written.decode()

    def test_colours_are_by_the_environment(self) -> None:
        shown = [
            Call("--list", answers=(page(listed("a")),), width=80, environ={**ONCE, **more}).world.written
            for more in ({"TERM": "xterm"}, {"TERM": "xterm", "NO_COLOR": "1"}, {"TERM": "dumb"})
        ]
        assert [b"\x1b" in each for each in shown] == [True, False, False]

    @pytest.mark.parametrize("answer", NO_ROUTE)
    def test_a_worker_without_a_list_is_named_with_the_cure(self, answer: Response) -> None:
        call = Call("--list", answers=(answer,))
        assert (call.code, call.world.written) == (Exit.RUNTIME, b"")
        (line,) = call.said
        assert line == (
            f"list: the Worker has no list of agents (HTTP {answer.status}); "
            "update it with `orch-executor-cf-worker --deploy worker.yaml`"
        )

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (RequestError("connection refused"), "list: connection refused"),
            (error(500, message="the disk is full"), "list: HTTP 500: the disk is full"),
            (error(400, message="the cursor is invalid"), "list: HTTP 400: the cursor is invalid"),
            (error(401, "unauthorized"), "list: the Worker requires a token (HTTP 401); set CF_WORKER_TOKEN"),
            (error(403, "forbidden"), "list: the Worker refuses the token (HTTP 403); set CF_WORKER_TOKEN"),
            (Response(302), "list: the Worker redirects (HTTP 302)"),
            (Response(200, b"<html>"), "with a web page"),
            (Response(200, b"{}"), "is not a list of agents"),
            (Response(200, b"\xff"), "is not a list of agents"),
            (Response(204), "is not a list of agents"),
            (json([]), "is not a list of agents"),
            (page(cursor=""), "is not a list of agents"),
            (page(cursor="x" * 8193), "is not a list of agents"),
            (page(cursor=1), "is not a list of agents"),
            (page(totals={}), "is not a list of agents"),
            (page(listed("a") | {"session": None}), "is not a list of agents"),
            (page(listed("a", answered=-1)), "is not a list of agents"),
            (page(listed("a", answered=2**53)), "is not a list of agents"),
            (page(listed("a", started_at="yesterday")), "is not a list of agents"),
            (page(listed("a", started_at="2026-11-26T12:00:00")), "is not a list of agents"),
            (page(listed("a", started_at="0001-01-01T00:00:00+23:59")), "is not a list of agents"),
            (page(listed("a", stopped_at="9999-12-31T23:59:59-23:59")), "is not a list of agents"),
        ],
    )
    def test_what_is_not_a_list_is_70(self, answer: Response | RequestError, words: str) -> None:
        call = Call("--list", answers=(answer,))
        assert (call.code, call.world.written) == (Exit.RUNTIME, b"")
        assert words in call.said[-1]

    @pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS)
    def test_who_answers_instead_of_the_worker_is_named(self, front: Front) -> None:
        body = front.reply.body
        answer = Response(front.reply.status, body, front.reply.headers, URL)
        assert Call("--list", answers=(answer,)).said[-1].startswith(f"list: {front.words}")

    def test_a_page_is_asked_for_again(self) -> None:
        environ = {"CF_WORKER_URL": URL}
        call = Call("--list", answers=(RequestError("timed out"), error(503), page()), environ=environ)
        assert call.code == Exit.OK
        assert call.said == ["list attempt 1/3: timed out", "list attempt 2/3: HTTP 503: no"]

    def test_a_list_that_fails_midway_prints_nothing(self) -> None:
        call = Call("--list", answers=(page(listed("a"), cursor="c"), RequestError("timed out")))
        assert (call.code, call.world.written) == (Exit.RUNTIME, b"")

    def test_nothing_is_asked_for_a_closed_stdout(self) -> None:
        world = FakeWorld(environ=ONCE, closed=FULL)
        assert cli.run(["--list"], world) == Exit.RUNTIME
        assert world.order == ["writable", "error"]

    def test_secrets_do_not_come_back(self) -> None:
        agent = listed(f"a{TOKEN}", owner=TOKEN, agent=TOKEN, state=TOKEN, cause=f"x {TOKEN} https://ann:pw@h")
        for width in (None, 200):
            call = Call("--list", answers=(page(agent),), environ={**ONCE, "CF_WORKER_TOKEN": TOKEN}, width=width)
            assert b"a***" in call.world.written
            assert b"hush" not in call.world.written
            assert b"pw" not in call.world.written

    @pytest.mark.parametrize("arguments", [["--format", "json"], ["--format", "yaml"], []])
    def test_what_a_terminal_would_obey_is_not_passed_on(self, arguments: list[str]) -> None:
        odd = "\x1b[2J\x9b2J\x7f\n\u2028\u202e"
        agent = listed(odd, owner=odd, agent=odd, state=odd, cause=odd)
        call = Call("--list", *arguments, answers=(page(agent),), width=200)
        assert all(line.isprintable() for line in call.world.written.decode().split("\n"))
        if arguments:
            assert call.printed["agents"][0]["session"] == odd


def _times(call: Call) -> dict[str, Any]:
    """Return the times that YAML reads as times."""
    return {"started_at": call.printed["agents"][0]["started_at"]}


COUNTS = ListTotals(agents=0, running=0, answered=0, failed=0, input_tokens=0, output_tokens=0)


def _page(cursor: str, size: int = 100, found: list[ListedAgent] | None = None) -> AgentPage:
    return AgentPage(found or [], COUNTS, cursor, size, None)


class TestCollected:
    def test_a_page_that_comes_twice_ends_it(self) -> None:
        cursors = iter(["a", "b", "a"])
        with pytest.raises(WorkerError, match=r"^list: the Worker sends a page twice"):
            agents.collected(lambda _: _page(next(cursors)))

    def test_a_list_without_end_is_given_up(self) -> None:
        asked: list[str] = []

        def page_at(cursor: str) -> AgentPage:
            asked.append(cursor)
            return _page(str(len(asked)))

        with pytest.raises(WorkerError, match=r"longer than 1000 pages or 16 MiB; list fewer agents with --owner"):
            agents.collected(page_at)
        assert len(asked) == agents.MAX_PAGES

    def test_a_list_that_would_fill_memory_is_given_up(self) -> None:
        asked: list[str] = []

        def page_at(cursor: str) -> AgentPage:
            asked.append(cursor)
            return _page(str(len(asked)), size=1 << 20)

        with pytest.raises(WorkerError, match=r"16 MiB"):
            agents.collected(page_at)
        assert len(asked) == 17

    def test_the_longest_list_is_one_of_the_pages_that_are_read(self) -> None:
        numbers = iter(range(1, agents.MAX_PAGES + 1))
        agent = msgspec.convert(listed("a"), ListedAgent)

        def page_at(_: str) -> AgentPage:
            number = next(numbers)
            return _page("" if number == agents.MAX_PAGES else str(number), found=[agent])

        assert len(agents.collected(page_at).agents.agents) == agents.MAX_PAGES


ONE_AGENT = (page(listed("a")),)
MIXED = page(
    *(listed(f"a{number}") for number in range(8)),
    *(listed(f"b{number}", owner="bob") for number in range(4)),
    *(listed(f"c{number}", owner="cyd", state="stopped") for number in range(9)),
)


class TestAbortAll:
    def test_it_names_the_owners_and_asks_first(self) -> None:
        call = Call("--abort", "--all", answers=(MIXED, json({"stopped": ["x"] * 12})), typed="y\n")
        assert call.code == Exit.OK
        assert call.calls == ["GET /agents", "POST /control/abort"]
        assert call.said[:2] == ["owners: ann (8), bob (4)", f"stop 12 agents of {URL}? [y/N]"]
        assert call.world.written == b""

    @pytest.mark.parametrize("typed", ["y\n", "Y\n", "yes\n", " YES \n", "y"])
    def test_yes_is_yes(self, typed: str) -> None:
        call = Call("--abort", "--all", answers=(*ONE_AGENT, json({"stopped": ["a"]})), typed=typed)
        assert call.code == Exit.OK
        assert call.said[1:] == [f"stop 1 agent of {URL}? [y/N]", f"1 agent of {URL} was stopped"]

    @pytest.mark.parametrize("typed", ["", "\n", "n\n", "no\n", "yy\n", "ye\n", "yes please\n", "ja\n", "\x1b[A\n"])
    def test_anything_else_is_no(self, typed: str) -> None:
        call = Call("--abort", "--all", answers=ONE_AGENT, typed=typed)
        assert (call.code, call.calls) == (Exit.USAGE, ["GET /agents"])
        assert call.said[-1] == "not confirmed; nothing was stopped"

    def test_without_a_terminal_there_is_no_question(self) -> None:
        call = Call("--abort", "--all")
        assert (call.code, call.calls) == (Exit.USAGE, [])
        assert call.said == ["stopping all agents must be confirmed, and stdin or stderr is not a terminal; pass --yes"]

    def test_yes_replaces_the_list_and_the_answer(self) -> None:
        call = Call("--abort", "--all", "--yes", answers=(json({"stopped": ["a", "b"]}),))
        assert (call.code, call.calls) == (Exit.OK, ["POST /control/abort"])
        assert call.said == [f"2 agents of {URL} were stopped"]

    def test_without_running_agents_there_is_no_question(self) -> None:
        answer = page(listed("a", state="stopped"))
        call = Call("--abort", "--all", answers=(answer,), typed="y")
        assert (call.code, call.calls) == (Exit.OK, ["GET /agents"])
        assert call.said == [f"no agent of {URL} is running; nothing was stopped"]

    def test_where_none_ran_that_is_said(self) -> None:
        call = Call("--abort", "--all", "--yes", answers=(json({"stopped": []}),))
        assert (call.code, call.said) == (Exit.OK, [f"no agent of {URL} is running; nothing was stopped"])

    @pytest.mark.parametrize("answer", NO_ROUTE)
    def test_a_worker_without_a_list_is_asked_about_without_a_number(self, answer: Response) -> None:
        call = Call("--abort", "--all", answers=(answer, json({"stopped": ["a"]})), typed="y")
        assert call.code == Exit.OK
        assert call.said == [
            (
                f"the Worker has no list of agents (HTTP {answer.status}), so the number and the owners of its agents "
                "are unknown"
            ),
            f"stop all agents of {URL}? [y/N]",
            f"1 agent of {URL} was stopped",
        ]

    def test_a_list_that_fails_ends_it(self) -> None:
        call = Call("--abort", "--all", answers=(error(401),), typed="y")
        assert (call.code, call.calls) == (Exit.RUNTIME, ["GET /agents"])

    def test_every_request_gets_the_token(self) -> None:
        environ = {**ONCE, "CF_WORKER_TOKEN": TOKEN}
        call = Call("--abort", "--all", answers=(*ONE_AGENT, json({"stopped": []})), environ=environ, typed="y")
        assert [request.headers for request in call.script.requests] == [{"authorization": f"Bearer {TOKEN}"}] * 2

    @pytest.mark.parametrize(("given", "timeout_ms"), [("", 60_000), ("100", 60_000), ("90000", 90_000)])
    def test_it_has_time_for_many_agents(self, given: str, timeout_ms: int) -> None:
        environ = {**ONCE, "CF_WORKER_HEALTHCHECK_TIMEOUT_MS": given}
        call = Call("--abort", "--all", "--yes", answers=(json({"stopped": []}),), environ=environ)
        assert [request.timeout_ms for request in call.script.requests] == [timeout_ms]

    def test_those_that_could_not_be_stopped_are_named(self) -> None:
        answer = error(500, message="some", stopped=["a", "b"], failed=["c", f"\x1b{TOKEN}"])
        call = Call("--abort", "--all", "--yes", answers=(answer,), environ={**ONCE, "CF_WORKER_TOKEN": TOKEN})
        assert call.code == Exit.RUNTIME
        assert call.said == [
            "abort attempt 1/1: HTTP 500: some",
            f"abort: 2 agents of {URL} could not be stopped: c, \\x1b***; 2 were stopped; abort again",
        ]

    def test_another_attempt_may_stop_the_rest(self) -> None:
        answers = (error(500, stopped=["a"], failed=["b", "c"]), json({"stopped": ["b", "c"]}))
        call = Call("--abort", "--all", "--yes", answers=answers, environ={"CF_WORKER_URL": URL})
        assert call.code == Exit.OK
        assert call.said[-1] == f"3 agents of {URL} were stopped"

    def test_what_an_attempt_without_an_answer_stopped_is_not_counted(self) -> None:
        answers = (RequestError("timed out"), json({"stopped": ["a"]}))
        call = Call("--abort", "--all", "--yes", answers=answers, environ={"CF_WORKER_URL": URL})
        assert call.said[-1] == f"all agents of {URL} are stopped; at least 1 was running"
        resent = msgspec.structs.replace(json({"stopped": []}), resent=True)
        assert Call("--abort", "--all", "--yes", answers=(resent,)).said == [f"all agents of {URL} are stopped"]

    def test_a_last_attempt_without_an_answer_leaves_the_names_of_the_one_before(self) -> None:
        answers = (error(500, stopped=["a"], failed=["b"]), RequestError("timed out"))
        environ = {"CF_WORKER_URL": URL, "CF_WORKER_HEALTHCHECK_RETRIES": "2"}
        call = Call("--abort", "--all", "--yes", answers=answers, environ=environ)
        assert call.code == Exit.RUNTIME
        assert "1 agent of https://w.example/base could not be stopped: b; at least 1 was stopped" in call.said[-1]

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (RequestError("connection refused"), "abort: connection refused"),
            (error(503), "abort: HTTP 503"),
            (error(403, "forbidden"), "abort: the Worker refuses the token"),
            (error(404, "not_found"), "abort: the Worker has no POST /control/abort (HTTP 404); update it with"),
            (Response(200, b"OK"), "abort: the Worker's answer does not name the agents that it stopped"),
            (Response(500, b"<html>"), "with a web page"),
            (Response(204), "does not name the agents"),
        ],
    )
    def test_any_other_answer_is_70(self, answer: Response | RequestError, words: str) -> None:
        call = Call("--abort", "--all", "--yes", answers=(answer,))
        assert call.code == Exit.RUNTIME
        assert words in call.said[-1]

    def test_of_many_names_the_first_are_shown(self) -> None:
        answer = error(500, stopped=[], failed=[f"s{number}" for number in range(500)])
        line = Call("--abort", "--all", "--yes", answers=(answer,)).said[-1]
        assert "500 agents" in line
        assert "s18, s19 and 480 more; 0 were stopped" in line

    def test_an_owner_that_the_worker_does_not_know_is_named_so(self) -> None:
        call = Call("--abort", "--all", answers=(page(listed("a", owner=""), listed("b")),), typed="n")
        assert call.said[0] == "owners: unknown (1), ann (1)"

    def test_an_owner_steers_no_terminal(self) -> None:
        call = Call("--abort", "--all", answers=(page(listed("a", owner="\x1b[2J" + "x" * 500)),), typed="n")
        assert call.said[0].startswith("owners: \\x1b[2Jxxx")
        assert len(call.said[0]) < 150


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.just(listed("a")) | messages(ListedAgent),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["agents", "totals", "cursor", "session", "stopped", "failed", "error", "message"]),
            inner,
            max_size=4,
        )
    ),
).map(msgspec.json.encode)


@given(st.integers(100, 599), st.one_of(st.binary(max_size=60), ANY_JSON), st.sampled_from([None, 40]))
def test_any_answer_ends_with_a_list_or_a_line(status: int, body: bytes, width: int | None) -> None:
    for arguments in (["--list"], ["--abort", "--all", "--yes"]):
        world = FakeWorld(environ=ONCE, exchange=_always(Response(status, body)))
        world.width = width
        code = cli.run(arguments, world)
        assert code in {Exit.OK, Exit.RUNTIME}
        assert bool(world.written) == (code == Exit.OK and arguments == ["--list"])
        assert all(line.isprintable() for line in world.errors)
        assert all(char.isprintable() or char > "\uffff" for char in world.written.decode().replace("\n", ""))
        assert "the program failed" not in "".join(world.errors)


@settings(max_examples=50)
@given(messages(AgentList))
def test_any_list_is_printed_as_the_worker_sent_it(found: AgentList) -> None:
    body = msgspec.json.encode(found)
    for format_ in ("yaml", "json"):
        world = FakeWorld(environ=ONCE, exchange=_always(Response(200, body)))
        assert cli.run(["--list", "--format", format_], world) == Exit.OK
        printed = yaml.safe_load(world.written)
        assert printed["totals"] == msgspec.to_builtins(found.totals)
        names = ("session", "owner", "agent", "state", "answered", "output_tokens")
        for one, agent in zip(printed["agents"], found.agents, strict=True):
            assert {name: one[name] for name in names} == {name: getattr(agent, name) for name in names}


def _always(response: Response) -> Any:
    def exchange(_: Request) -> Response:
        return response

    return exchange


def test_the_time_of_a_list_is_the_workers() -> None:
    seen = AgentPage([], COUNTS, "", 0, STARTED)
    assert agents.collected(lambda _: seen).seen_at == STARTED
