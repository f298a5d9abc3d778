"""The agents that answer with a language model, against servers that speak the APIs of both providers."""

import asyncio
import json
import re
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import gateway as fake_gateway
from tests.support import openrouter as fake
from tests.support import web as fake_web
from tests.support.caller import Caller, Frame, Stream, text_of
from tests.support.gateway import Gateway
from tests.support.nats import NatsServer
from tests.support.openrouter import KEY, PROVIDER_TEXT, OpenRouter, Play, variables
from tests.support.openrouter_request import Assistant, ToolResult, User
from tests.support.web import Page, Web
from tests.support.workerd import Workerd

pytestmark = pytest.mark.anyio

ABORTED = {"type": "status", "data": "aborted"}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    """Return a running AI Gateway."""
    with fake_gateway.gateway() as server:
        yield server


@pytest.fixture(scope="module")
def providers(provider: OpenRouter, gateway: Gateway) -> tuple[OpenRouter, Gateway]:
    """Return both."""
    return provider, gateway


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    """Return a server in the place of all public hosts."""
    with fake_web.web() as server:
        yield server


@pytest.fixture(scope="module")
def worker(
    bus: NatsServer, provider: OpenRouter, gateway: Gateway, web: Web, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workerd]:
    """Return a running Worker with a key for each provider, which reaches the web server."""
    home = tmp_path_factory.mktemp("worker")
    keys = {"AI_GATEWAY_BASE_URL": gateway.base_url, "AI_GATEWAY_API_KEY": fake_gateway.KEY}
    with Workerd(home, variables(bus, provider) | keys, web=web.port) as server:
        yield server


@dataclass(frozen=True)
class Scene:
    """A session, a caller on the bus, and the providers behind the Worker."""

    session: str
    caller: Caller
    provider: OpenRouter
    gateway: Gateway
    worker: Workerd
    #: Vars and secrets of a Worker with OpenRouter.
    variables: dict[str, str]
    #: Starts a Worker that differs in these vars, and stops it after the test.
    vary: Callable[[dict[str, str]], Workerd]

    def start(self, agent: str = "pi", env: dict[str, str] | None = None, **variables: str) -> dict[str, Any]:
        """Start the agent, with other vars on a Worker of its own; return what the start answered."""
        worker = self.vary(variables) if variables else self.worker
        with worker.client() as http:
            answer = http.post(f"/agent/{self.session}", json={"agent": agent, "env": env or {}})
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body

    def abort(self) -> list[str]:
        """Stop the agent and return the sessions that were stopped."""
        with self.worker.client() as http:
            stopped: list[str] = http.post(f"/control/abort/{self.session}").json()["stopped"]
        return stopped

    async def answer(self, agent: dict[str, Any], prompt: str = "hello") -> list[Frame]:
        """Prompt the agent and return its stream."""
        return await self.caller.prompt(agent["subjects"]["prompt"], prompt)

    async def signal(self, agent: dict[str, Any], verb: str, body: bytes = b"") -> None:
        """Publish a control signal."""
        await self.caller.nats.publish(agent["subjects"]["signal"].replace(">", verb, 1), body)

    def will(self, *plays: Play) -> None:
        """Script what the provider answers."""
        self.provider.will(*plays)

    def request(self) -> fake.Request:
        """Return the next request that the provider was sent."""
        return self.provider.request()


@pytest.fixture
async def scene(
    bus: NatsServer, session: str, providers: tuple[OpenRouter, Gateway], worker: Workerd, tmp_path: Path
) -> AsyncIterator[Scene]:
    """Return a scene; at its end nothing secret was logged, and the providers were asked rightly."""
    workers = [worker]
    provider, gateway = providers

    def vary(others: dict[str, str]) -> Workerd:
        workers.append(Workerd(tmp_path, {**variables(bus, provider), **others}).start())
        return workers[-1]

    try:
        async with Caller.connected(bus.url) as caller:
            scene = Scene(session, caller, provider, gateway, worker, variables(bus, provider), vary)
            yield scene
        scene.abort()
    finally:
        for other in workers[1:]:
            other.stop()
    for each in workers:
        for unwanted in (KEY, PROVIDER_TEXT, fake_gateway.GATEWAY_TEXT, "Uncaught", "exception"):
            assert unwanted not in each.log
    provider.settle()
    gateway.settle()


async def until_text(stream: Stream) -> None:
    """Read a stream up to its first text."""
    while (await stream.next()).json["type"] != "response":
        pass


def events(frames: list[Frame]) -> list[tuple[str, Any]]:
    """Return type and data of the chunks between ack and terminator, tool statuses decoded."""
    assert frames[0].json == {"type": "status", "data": "ack"}
    assert frames[-1].is_terminator
    return [event(frame.json) for frame in frames[1:-1]]


def event(chunk: dict[str, Any]) -> tuple[str, Any]:
    """Return what a chunk says."""
    data = chunk["data"]
    if chunk["type"] == "status" and data.startswith("tool_"):
        kind, _, rest = data.partition(":")
        return kind, json.loads(rest)
    return chunk["type"], data


def error_of(frames: list[Frame]) -> tuple[str | None, dict[str, Any]]:
    """Return code and body of the error frame that ends a stream."""
    assert frames[-1].is_terminator
    return frames[-2].error_code, frames[-2].json


class TestText:
    """Text is streamed to the caller."""

    async def test_is_passed_on_as_it_comes(self, scene: Scene) -> None:
        """The first words arrive while the provider still holds back the last."""
        released = threading.Event()
        scene.will(fake.say_when(released, "first ", "second"))
        agent = scene.start()
        stream = await scene.caller.send(agent["subjects"]["prompt"], b"hello")
        assert (await stream.next()).json["data"] == "ack"
        assert (await stream.next()).json == {"type": "response", "data": "first "}
        released.set()
        assert text_of(await stream.rest()) == "second"

    async def test_keeps_every_character(self, scene: Scene) -> None:
        """Characters outside ASCII and white space survive both streams."""
        text = " ünïcode \N{SNOWMAN} \N{GRINNING FACE}\n\n\ttab\u2028"
        scene.will(fake.say(*text))
        assert text_of(await scene.answer(scene.start())) == text


class TestTools:
    """The tool loop."""

    async def test_results_go_back_to_the_model(self, scene: Scene) -> None:
        """A call is shown, run and shown again, in this order, and the model reads its result."""
        todos = {"todos": [{"content": "look", "status": "pending"}]}
        scene.will(fake.call("todo_write", todos, text="Let me plan."), fake.say("Done."))
        frames = await scene.answer(scene.start())
        result = "The list is written: 1 pending, 0 in_progress, 0 completed."
        assert events(frames) == [
            ("response", "Let me plan."),
            ("tool_use", {"id": "call_1", "name": "todo_write", "input": todos}),
            ("tool_result", {"tool_use_id": "call_1", "output": result, "is_error": False}),
            ("response", "\n\nDone."),
        ]
        assert {tool.function.name for tool in scene.request().body.tools} == {
            "ask_user_question",
            "todo_write",
            "web_fetch",
        }
        assert scene.request().texts(ToolResult) == [result]

    async def test_a_question_is_a_query_to_the_caller(self, scene: Scene) -> None:
        """The stream stays open, asks the question, and continues with the answer."""
        asked = {"question": "Which colour?", "options": ["red", "blue"]}
        scene.will(fake.call("ask_user_question", asked), fake.say("Blue it is."))
        stream = await scene.caller.send(scene.start()["subjects"]["prompt"], b"paint it")
        opening = [await stream.next() for _ in range(3)]
        kind, query = event(opening[2].json)
        assert event(opening[1].json)[0] == "tool_use"
        assert (kind, query["prompt"]) == ("query", "Which colour?\n1. red\n2. blue")
        await scene.caller.nats.publish(query["reply_subject"], b"blue")
        rest = await stream.rest()
        assert event(rest[0].json)[1]["output"] == "blue"
        assert text_of(rest) == "Blue it is."
        scene.request()
        assert scene.request().texts(ToolResult) == ["blue"]

    async def test_the_model_learns_that_a_question_was_not_answered(self, scene: Scene) -> None:
        """If the caller stays silent, the turn continues without the answer."""
        scene.will(fake.call("ask_user_question", {"question": "Well?"}), fake.say("Then without."))
        frames = await scene.answer(scene.start(AGENT_QUERY_LIMIT_S="1"))
        [result] = [data for kind, data in events(frames) if kind == "tool_result"]
        assert result["is_error"]
        assert "did not answer" in result["output"]
        assert text_of(frames) == "Then without."

    async def test_several_calls_run_one_after_the_other(self, scene: Scene) -> None:
        """Two calls of one step both get their results, in order."""
        empty: dict[str, object] = {"todos": []}
        wanted = fake.calls(("todo_write", empty, "call_1"), ("todo_write", empty, "call_2"))
        scene.will(wanted, fake.say("Done."))
        results = [d for kind, d in events(await scene.answer(scene.start())) if kind == "tool_result"]
        assert [result["tool_use_id"] for result in results] == ["call_1", "call_2"]

    async def test_two_questions_are_asked_one_after_the_other(self, scene: Scene) -> None:
        """The caller is asked the second question of a step once it has answered the first."""
        tool = "ask_user_question"
        wanted = fake.calls((tool, {"question": "One?"}, "call_1"), (tool, {"question": "Two?"}, "call_2"))
        scene.will(wanted, fake.say("Thanks."))
        stream = await scene.caller.send(scene.start()["subjects"]["prompt"], b"hello")
        while (chunk := (await stream.next()).json)["type"] != "query":
            pass
        # The announcement of the second call may still come.
        later = []
        with pytest.raises(TimeoutError):
            while True:
                later.append((await stream.next(0.5)).json["type"])
        assert "query" not in later
        await scene.caller.nats.publish(chunk["data"]["reply_subject"], b"first")
        while (chunk := (await stream.next()).json)["type"] != "query":
            pass
        await scene.caller.nats.publish(chunk["data"]["reply_subject"], b"second")
        assert text_of(await stream.rest()) == "Thanks."
        scene.request()
        assert scene.request().texts(ToolResult) == ["first", "second"]

    @pytest.mark.parametrize(
        "play",
        [
            pytest.param(fake.call("rm_rf", {}), id="an unknown tool"),
            pytest.param(fake.call("web_fetch", {"uri": 7}), id="a wrong input"),
            pytest.param(fake.call("web_fetch", '{"url'), id="half an input"),
        ],
    )
    async def test_a_call_that_fits_no_tool_is_reported_to_the_model(self, play: Play, scene: Scene) -> None:
        """The model may correct itself."""
        scene.will(play, fake.say("Sorry."))
        frames = await scene.answer(scene.start())
        [result] = [data for kind, data in events(frames) if kind == "tool_result"]
        output = "the tool could not run this call"
        assert result == {"tool_use_id": "call_1", "output": output, "is_error": True}
        assert text_of(frames) == "Sorry."

    async def test_the_last_step_must_answer(self, scene: Scene) -> None:
        """In the last call that the step limit allows, the model may not use tools."""
        scene.will(fake.call("todo_write", {"todos": []}), fake.say("All I know."))
        frames = await scene.answer(scene.start(AGENT_STEP_LIMIT="2"))
        assert text_of(frames) == "All I know."
        assert [scene.request().body.tool_choice for _ in range(2)] == ["auto", "none"]

    async def test_the_step_limit_ends_a_model_that_goes_on(self, scene: Scene) -> None:
        """A model that still calls tools gets an error that names the limit."""
        play = fake.call("todo_write", {"todos": []})
        scene.will(play, play)
        code, body = error_of(await scene.answer(scene.start(AGENT_STEP_LIMIT="2")))
        assert (code, body["error"]) == ("500", "model_error")
        assert "AGENT_STEP_LIMIT" in body["message"]

    async def test_a_time_limit_of_0_means_no_limit(self, scene: Scene) -> None:
        """Neither a turn nor a question is ended by the clock."""
        released = threading.Event()
        scene.will(fake.call("ask_user_question", {"question": "Well?"}), fake.say_when(released, "well ", "done"))
        agent = scene.start(AGENT_TURN_LIMIT_S="0", AGENT_QUERY_LIMIT_S="0")
        stream = await scene.caller.send(agent["subjects"]["prompt"], b"hello")
        while (chunk := (await stream.next()).json)["type"] != "query":
            pass
        assert await stream.silent()
        await scene.caller.nats.publish(chunk["data"]["reply_subject"], b"yes")
        released.set()
        assert text_of(await stream.rest()) == "well done"

    async def test_half_a_character_does_not_reach_the_provider(self, scene: Scene) -> None:
        """A JSON prompt or answer may contain one; providers refuse it."""
        scene.will(fake.call("ask_user_question", {"question": "Well?"}), fake.say("fine"), fake.say("again"))
        agent = scene.start()
        half = b'{"prompt": "a \\ud83d"}'
        stream = await scene.caller.send(agent["subjects"]["prompt"], half)
        while (chunk := (await stream.next()).json)["type"] != "query":
            pass
        await scene.caller.nats.publish(chunk["data"]["reply_subject"], half)
        assert text_of(await stream.rest()) == "fine"
        assert text_of(await scene.answer(agent, "again")) == "again"

    async def test_a_large_call_fits_a_narrow_bus(self, scene: Scene, tmp_path: Path) -> None:
        """A status chunk is cut to what fits into one message, in bytes, and the turn continues."""
        todos = {"todos": [{"content": "\N{GRINNING FACE}\x01" * 125, "status": "pending"}] * 12}
        scene.will(fake.call("todo_write", todos), fake.say("Done."))
        with (
            NatsServer(tmp_path / "narrow", {"max_payload": 4096}) as bus,
            Workerd(tmp_path / "on-it", variables(bus, scene.provider)) as worker,
            worker.client() as http,
        ):
            agent = http.post(f"/agent/{scene.session}", json={"agent": "pi"}).json()
            async with Caller.connected(bus.url) as caller:
                frames = await caller.prompt(agent["subjects"]["prompt"], "plan")
        assert [kind for kind, _ in events(frames)] == ["tool_use", "tool_result", "response"]
        assert events(frames)[0][1]["input"]["_truncated"]

    @pytest.mark.parametrize("limit", [2048, 4096])
    async def test_a_long_error_fits_a_narrow_bus(self, scene: Scene, tmp_path: Path, limit: int) -> None:
        """Even with a very long model name in the message the stream ends, and the next prompt is answered."""
        scene.will(fake.fail(404), fake.say("still here"))
        env = {"OPEN_AGENT_MODEL_ID": "\N{SNOWMAN}" * 5000}
        with (
            NatsServer(tmp_path / "narrow", {"max_payload": limit}) as bus,
            Workerd(tmp_path / "on-it", variables(bus, scene.provider)) as worker,
            worker.client() as http,
        ):
            agent = http.post(f"/agent/{scene.session}", json={"agent": "pi", "env": env}).json()
            async with Caller.connected(bus.url) as caller:
                code, body = error_of(await caller.prompt(agent["subjects"]["prompt"], "hello"))
                assert (code, body["error"]) == ("500", "model_error")
                assert text_of(await caller.prompt(agent["subjects"]["prompt"], "again")) == "still here"

    async def test_a_bus_without_inboxes_costs_the_question_alone(self, scene: Scene, tmp_path: Path) -> None:
        """A user that may not subscribe to inboxes gets no answer, and is not asked; the agent stays up."""
        denied = {"user": "agent", "password": "a", "permissions": {"subscribe": {"deny": ["_INBOX.>"]}}}
        users = [denied, {"user": "caller", "password": "c"}]
        scene.will(fake.call("ask_user_question", {"question": "Well?"}), fake.say("Then without."), fake.say("on"))
        with NatsServer(tmp_path / "strict", {"authorization": {"users": users}}) as bus:
            own = variables(bus, scene.provider) | {
                "NATS_WS_URL": bus.ws_url.replace("://", "://agent:a@"),
            }
            with Workerd(tmp_path / "in-it", own) as worker, worker.client() as http:
                agent = http.post(f"/agent/{scene.session}", json={"agent": "pi"}).json()
                async with Caller.connected(bus.url.replace("://", "://caller:c@")) as caller:
                    frames = await caller.prompt(agent["subjects"]["prompt"], "ask")
                    assert text_of(frames) == "Then without."
                    assert not any(frame.json["type"] == "query" for frame in frames if frame.data)
                    assert "bus denied" in worker.log
                    assert http.get(f"/agent/{scene.session}").json()["state"] == "ready"
                    assert text_of(await caller.prompt(agent["subjects"]["prompt"], "go")) == "on"


class TestWebFetch:
    """Pages fetched by the real Worker. The unit tests have more of them, and more refusals."""

    async def test_gives_the_model_the_text_of_a_page(self, scene: Scene, web: Web) -> None:
        """HTML arrives as text, behind a redirect to another public host, marked as untrusted."""
        web.pages["old.example.com/a?b=c"] = fake_web.redirect("http://www.example.com/new")
        web.pages["www.example.com/new"] = Page("<h1>News</h1><script>x()</script><p>Caf\u00e9 <b>opens</b>".encode())
        output = await self.fetch(scene, "http://old.example.com/a?b=c")
        before, marker, inside = re.split(r"<(untrusted-[0-9a-f-]{36})>\n", output)
        assert "status 200" in before
        assert "example.com" not in before
        assert inside == f"Address: http://www.example.com/new\n\nNews\nCaf\u00e9 opens\n</{marker}>"

    async def test_leaves_the_rest_of_a_large_page(self, scene: Scene, web: Web) -> None:
        """The model is given a bounded number of characters."""
        web.pages["www.example.com/large"] = Page(b"x" * 5_000_000, type="text/plain")
        output = await self.fetch(scene, "http://www.example.com/large")
        assert "[cut: the first 50000 of 524288 characters]" in output
        assert len(output) < 51_000

    @pytest.mark.parametrize(
        "page", [Page(b"\x89PNG", type="image/png"), fake_web.redirect("http://old.example.com/x")]
    )
    async def test_says_why_there_is_no_text(self, page: Page, scene: Scene, web: Web) -> None:
        """The model learns that a page is an image, or a circle of redirects."""
        web.pages["old.example.com/x"] = page
        output = await self.fetch(scene, "http://old.example.com/x", fails=True)
        assert "not text" in output or "redirects" in output

    @pytest.mark.parametrize(
        "url",
        [
            "http://127.0.0.1:{port}/",
            "http://localhost:{port}/",
            "http://2130706433:{port}/",
            "http://0x7f.1:{port}/",
            "http://[::ffff:127.0.0.1]:{port}/",
            "http://localhost.localdomain:{port}/",
            "http://api.default.svc:{port}/",
            "http://app.test:{port}/",
            "http://127.0.0.1.nip.io:{port}/",
            "http://user@www.example.com:{port}/",
            "file:///etc/passwd",
        ],
    )
    async def test_refuses_what_is_not_public(self, url: str, scene: Scene, web: Web) -> None:
        """Not even a connection is made, neither directly nor after a redirect."""
        with closing(socket.create_server(("127.0.0.1", 0))) as listener:
            listener.setblocking(False)
            address = url.format(port=listener.getsockname()[1])
            web.pages["old.example.com/in"] = fake_web.redirect(address)
            web.asked.clear()
            for start in (address, "http://old.example.com/in"):
                assert "fetched" in await self.fetch(scene, start, fails=True)
            assert web.asked == ["old.example.com/in"]
            with pytest.raises(BlockingIOError):
                listener.accept()

    async def fetch(self, scene: Scene, url: str, *, fails: bool = False) -> str:
        """Let the model call web_fetch and return the result that it is given."""
        scene.will(fake.call("web_fetch", {"url": url}), fake.say("Read."))
        agent = scene.start()
        frames = await scene.answer(agent)
        assert text_of(frames) == "Read."
        [result] = [data for kind, data in events(frames) if kind == "tool_result"]
        assert result["is_error"] is fails
        scene.request()
        [output] = scene.request().texts(ToolResult)
        assert output is not None
        scene.abort()
        return output


class TestSignals:
    """What ends a turn also ends the provider's stream."""

    async def test_interrupt(self, scene: Scene) -> None:
        """The stream ends with `aborted`, the request to the provider is dropped, and the next prompt is answered."""
        scene.will(fake.hang("par"), fake.say("next"))
        agent = scene.start()
        stream = await scene.caller.send(agent["subjects"]["prompt"], b"long")
        await until_text(stream)
        await scene.signal(agent, "interrupt")
        rest = await stream.rest()
        assert [frame.json for frame in rest[:-1]] == [ABORTED]
        assert scene.request().dropped.wait(10)
        assert text_of(await scene.answer(agent)) == "next"
        assert scene.request().texts(User) == ["hello"]

    async def test_interrupt_before_the_first_byte(self, scene: Scene) -> None:
        """The request is dropped at once, even if the provider has sent nothing yet."""
        scene.will(fake.silence())
        agent = scene.start()
        stream = await scene.caller.send(agent["subjects"]["prompt"], b"long")
        await stream.next()
        request = scene.request()
        await scene.signal(agent, "interrupt")
        assert [frame.json for frame in (await stream.rest())[:-1]] == [ABORTED]
        assert request.dropped.wait(10)

    async def test_interrupt_during_a_question(self, scene: Scene) -> None:
        """A turn that waits for its caller can be interrupted, and the model is not called again."""
        scene.will(fake.call("ask_user_question", {"question": "Well?"}))
        agent = scene.start()
        stream = await scene.caller.send(agent["subjects"]["prompt"], b"long")
        while (await stream.next()).json["type"] != "query":
            pass
        await scene.signal(agent, "interrupt")
        assert [frame.json for frame in (await stream.rest())[:-1]] == [ABORTED]

    async def test_redirect(self, scene: Scene) -> None:
        """The old stream ends, and the new prompt is answered on its reply subject."""
        scene.will(fake.hang("par"), fake.say("new"))
        agent = scene.start()
        old = await scene.caller.send(agent["subjects"]["prompt"], b"long")
        await until_text(old)
        new = await scene.caller.listen()
        body = json.dumps({"prompt": "instead", "reply": new.subject}).encode()
        await scene.signal(agent, "redirect", body)
        assert [frame.json for frame in (await old.rest())[:-1]] == [ABORTED]
        assert text_of(await new.rest()) == "new"
        assert scene.request().dropped.wait(10)
        assert scene.request().texts(User) == ["instead"]

    async def test_abort(self, scene: Scene) -> None:
        """An abort drops the request, so that nobody pays for the rest."""
        scene.will(fake.hang("par"))
        agent = scene.start()
        stream = await scene.caller.send(agent["subjects"]["prompt"], b"long")
        await until_text(stream)
        assert scene.abort() == [agent["session"]]
        assert (await stream.rest())[0].json == ABORTED
        assert scene.request().dropped.wait(10)


FAILURES = [
    pytest.param(fake.fail(401), "500", "refused_key", "OPENROUTER_API_KEY", id="401"),
    pytest.param(fake.fail(402), "500", "refused_key", "credit", id="402"),
    pytest.param(fake.fail(403), "500", "refused_key", "OPENROUTER_API_KEY", id="403"),
    pytest.param(fake.fail(404), "500", "model_error", "OPEN_AGENT_MODEL_ID", id="404"),
    pytest.param(fake.fail(400), "500", "model_error", "OPEN_AGENT_MODEL_ID", id="400"),
    pytest.param(fake.fail(429), "429", "rate_limited", "try again later", id="429"),
    pytest.param(fake.fail(429, retry_after=7), "429", "rate_limited", "in 7 s", id="429 with a time"),
    pytest.param(fake.fail_in_stream(429, "par"), "429", "rate_limited", "try again", id="429 in the stream"),
    pytest.param(fake.fail(200, error={"code": 429}), "429", "rate_limited", "try again", id="429 in a body"),
    pytest.param(
        fake.fail(200, 7, error={"code": 429}), "429", "rate_limited", "in 7 s", id="429 in a body with a time"
    ),
    pytest.param(fake.fail(200, error={"code": "402"}), "500", "refused_key", "credit", id="402 in a body"),
    pytest.param(fake.fail(200, error={"code": 401}), "500", "refused_key", "OPENROUTER_API_KEY", id="401 in a body"),
    pytest.param(
        fake.fail(200, error={"type": "rate_limit_error"}), "429", "rate_limited", "again", id="a type in a body"
    ),
    pytest.param(fake.fail(200, error={"code": 7}), "500", "model_error", "broke off", id="no status in a body"),
    pytest.param(fake.fail_in_stream("rate_limit_exceeded"), "429", "rate_limited", "try again", id="429 by name"),
    pytest.param(fake.fail_in_stream(None, "par"), "500", "model_error", "broke off", id="an error without a code"),
    pytest.param(fake.fail_in_stream(8, status="UNAVAILABLE"), "500", "model_error", "(503)", id="503 by name"),
    pytest.param(fake.fail_in_stream(502, "par"), "500", "model_error", "(502)", id="502 in the stream"),
    pytest.param(fake.malformed("par"), "500", "model_error", "malformed", id="no JSON"),
    pytest.param(fake.not_an_api(), "500", "model_error", "OPENROUTER_BASE_URL", id="a web page"),
    pytest.param(fake.break_off("par"), "500", "model_error", "broke off", id="no finish reason"),
    pytest.param(fake.cut("par"), "500", "model_error", "broke off", id="a cut connection"),
    pytest.param(fake.say(), "500", "model_error", "without a word", id="an empty answer"),
    pytest.param(fake.say("par", finish="length"), "500", "model_error", "output limit", id="a cut answer"),
    pytest.param(fake.say("par", finish="content_filter"), "500", "model_error", "content filter", id="a filter"),
]


class TestFailures:
    """Every failure is an error frame that says what to do, and the agent stays up."""

    @pytest.mark.parametrize(("play", "code", "error", "words"), FAILURES)
    async def test_of_the_provider(self, play: Play, code: str, error: str, words: str, scene: Scene) -> None:
        """The frame has our code and words, none of the provider's text, and the next prompt is answered."""
        scene.will(play, fake.say("still here"))
        agent = scene.start()
        frames = await scene.answer(agent)
        got, body = error_of(frames)
        assert (got, body["error"]) == (code, error)
        assert words in body["message"]
        for frame in frames:
            said = frame.data.decode() + json.dumps(frame.headers)
            assert PROVIDER_TEXT not in said
            assert KEY not in said
        assert text_of(await scene.answer(agent, "again")) == "still here"

    async def test_a_rate_limit_says_when_to_return(self, scene: Scene) -> None:
        """`Retry-After` is passed on to the caller."""
        scene.will(fake.fail(429, retry_after=7))
        _, body = error_of(await scene.answer(scene.start()))
        assert body["retry_after_s"] == 7

    async def test_a_failing_provider_is_tried_once_more(self, scene: Scene) -> None:
        """After a 502 the call is made again, and the turn succeeds."""
        scene.will(fake.fail(502), fake.say("recovered"))
        assert text_of(await scene.answer(scene.start())) == "recovered"

    @pytest.mark.parametrize("play", [fake.hang("par"), fake.silence()], ids=["midway", "from the start"])
    async def test_a_model_that_hangs(self, play: Play, scene: Scene) -> None:
        """The time limit ends the turn and the provider's stream."""
        scene.will(play)
        code, body = error_of(await scene.answer(scene.start(AGENT_TURN_LIMIT_S="1")))
        assert (code, body["error"]) == ("500", "model_timeout")
        assert "AGENT_TURN_LIMIT_S" in body["message"]
        assert scene.request().dropped.wait(10)

    async def test_of_the_key(self, scene: Scene) -> None:
        """Only the provider knows that a key is wrong; the frame names the secret, on each prompt."""
        agent = scene.start(OPENROUTER_API_KEY="sk-wrong")
        for _ in range(2):
            _, body = error_of(await scene.answer(agent))
            assert body["error"] == "refused_key"
            assert "OPENROUTER_API_KEY" in body["message"]
            assert "sk-wrong" not in body["message"]

    @pytest.mark.parametrize(
        ("variables", "env", "name"),
        [
            ({"OPENROUTER_API_KEY": ""}, {}, "OPENROUTER_API_KEY"),
            ({"AI_GATEWAY_API_KEY": ""}, {"OPEN_AGENT_PROVIDER": "gateway"}, "AI_GATEWAY_API_KEY"),
        ],
    )
    async def test_of_a_key_that_is_not_there(
        self, variables: dict[str, str], env: dict[str, str], name: str, scene: Scene
    ) -> None:
        """The agent starts and stays up, and answers each prompt with the name of the missing secret."""
        agent = scene.start(env=env, **variables)
        for _ in range(2):
            code, body = error_of(await scene.answer(agent))
            assert (code, body["error"]) == ("500", "missing_key")
            assert name in body["message"]

    @pytest.mark.parametrize(
        ("variables", "env", "refusal", "words"),
        [
            ({}, {"OPEN_AGENT_PROVIDER": "acme"}, (400, "bad_request"), "OPEN_AGENT_PROVIDER"),
            ({"OPENROUTER_BASE_URL": "localhost"}, {}, (500, "internal"), "OPENROUTER_BASE_URL"),
            ({"AGENT_STEP_LIMIT": "many"}, {}, (500, "internal"), "AGENT_STEP_LIMIT"),
        ],
        ids=["provider", "base URL", "limit"],
    )
    async def test_of_the_settings(
        self, variables: dict[str, str], env: dict[str, str], refusal: tuple[int, str], words: str, scene: Scene
    ) -> None:
        """An agent that could not answer any prompt does not start, and the wrong setting is named."""
        worker = scene.vary(variables)
        with worker.client() as http:
            answer = http.post(f"/agent/{scene.session}", json={"agent": "pi", "env": env})
            assert (answer.status_code, answer.json()["error"]) == refusal
            assert words in answer.json()["message"]
            assert http.get(f"/agent/{scene.session}").status_code == 404
        assert scene.session not in [s["metadata"]["session"] for s in await scene.caller.services()]


class TestChoice:
    """Which model answers."""

    async def test_the_session_wins_over_the_worker(self, scene: Scene) -> None:
        """`OPEN_AGENT_MODEL_ID` of the start's env comes first, the var second."""
        scene.will(fake.say("ok"))
        agent = scene.start(env={"OPEN_AGENT_MODEL_ID": "acme/one"}, OPEN_AGENT_MODEL_ID="acme/two")
        await scene.answer(agent)
        assert scene.request().body.model == "acme/one"

    async def test_the_worker_names_a_model(self, scene: Scene) -> None:
        """The var applies to a session that names no model."""
        scene.will(fake.say("ok"))
        await scene.answer(scene.start(OPEN_AGENT_MODEL_ID="acme/two"))
        assert scene.request().body.model == "acme/two"

    @pytest.mark.parametrize(
        ("agent", "model"),
        [
            ("claude-code", "~anthropic/claude-sonnet-latest"),
            ("codex", "~openai/gpt-latest"),
            ("gemini", "~google/gemini-pro-latest"),
            ("pi", "~anthropic/claude-sonnet-latest"),
        ],
    )
    async def test_a_harness_has_a_family(self, agent: str, model: str, scene: Scene) -> None:
        """If nobody names a model, the harness selects one."""
        scene.will(fake.say("ok"))
        await scene.answer(scene.start(agent))
        assert scene.request().body.model == model


ROUTER, GATEWAY = "openrouter", "gateway"
#: What the rows below say before they end.
PART = "par"
COMPLETE = None
BROKEN, CUT, FILTERED, NO_CALL = "broke off", "output limit", "content filter", "announced a tool call"
TODO: tuple[str, dict[str, object]] = ("todo_write", {"todos": []})


def openrouter_ends(verdict: str | None, *words: str | None) -> list[Any]:
    """Return a row per word by which OpenRouter ends a call."""
    return [pytest.param(ROUTER, fake.say(PART, finish=word), verdict, id=f"openrouter {word}") for word in words]


def gateway_ends(verdict: str | None, *reasons: tuple[str, str | None]) -> list[Any]:
    """Return a row per unified and raw word by which the gateway ends a call."""
    return [
        pytest.param(
            GATEWAY,
            fake_gateway.parts(*fake_gateway.text(PART), fake_gateway.ended(unified, raw)),
            verdict,
            id=f"gateway {unified} {raw}",
        )
        for unified, raw in reasons
    ]


def gateway_streams(verdict: str | None, **streams: tuple[object, ...]) -> list[Any]:
    """Return a row per stream of the gateway."""
    return [
        pytest.param(GATEWAY, fake_gateway.parts(*parts), verdict, id=f"gateway {name}")
        for name, parts in streams.items()
    ]


def openrouter_streams(verdict: str | None, **streams: tuple[dict[str, object], ...]) -> list[Any]:
    """Return a row per stream of OpenRouter."""
    return [
        pytest.param(ROUTER, fake.events(*events), verdict, id=f"openrouter {name}") for name, events in streams.items()
    ]


SAID = fake_gateway.text(PART)
STOPPED = fake_gateway.ended("stop")
ENDINGS = [
    *openrouter_ends(COMPLETE, "stop", "STOP", "end_turn", "stop_sequence", "eos", "COMPLETE"),
    *openrouter_ends(CUT, "length", "max_tokens", "MAX_TOKENS", "model_length", "model_context_window_exceeded"),
    *openrouter_ends(FILTERED, "content_filter", "SAFETY", "RECITATION", "sensitive", "refusal"),
    *openrouter_ends(NO_CALL, "tool_calls", "function_call", "tool_use"),
    *openrouter_ends(BROKEN, "error", "insufficient_system_resource", "network_error", "abort", "OTHER", "unknown"),
    *openrouter_ends(BROKEN, "a_word_of_tomorrow", "", None),
    *openrouter_streams(
        COMPLETE,
        the_reason_with_the_text=(fake.delta("stop", content=PART),),
        an_empty_choice_list=({"choices": []}, fake.delta(content=PART), fake.delta("stop")),
        no_delta=(fake.delta(content=PART), {"choices": [{"finish_reason": "stop"}]}),
        nulls=(
            {**fake.delta(content=None, reasoning=None, tool_calls=None, annotations=None), "usage": None},
            {"choices": [{"index": None, "delta": {"content": PART}, "finish_reason": None, "logprobs": None}]},
            {"choices": [{"delta": None, "finish_reason": "stop"}]},
        ),
        nothing_optional=({"choices": [{"delta": {"content": PART}}]}, {"choices": [{"finish_reason": "stop"}]}),
        a_citation=(
            fake.delta(content=PART),
            fake.delta(annotations=[{"type": "url_citation", "url_citation": {"url": "https://example.com/"}}]),
            fake.delta("stop"),
        ),
        reasoning=(fake.delta(reasoning=PROVIDER_TEXT), fake.delta(content=PART), fake.delta("stop")),
        fields_of_tomorrow=({**fake.delta(content=PART), "new": {}}, fake.delta("stop", new=[1])),
        the_reason_in_between=(fake.delta("stop", content=PART), fake.delta(content="")),
    ),
    *openrouter_streams(
        BROKEN,
        no_reason=(fake.delta(content=PART),),
        nothing_but_done=(),
        an_error_after_a_stop=(fake.delta("stop", content=PART), fake.delta("error")),
    ),
    pytest.param(ROUTER, fake.events(fake.delta("stop", content=PART), done=False), COMPLETE, id="openrouter no DONE"),
    pytest.param(ROUTER, fake.break_off(PART), BROKEN, id="openrouter no finish and no DONE"),
    pytest.param(ROUTER, fake.cut(PART), BROKEN, id="openrouter a cut connection"),
    pytest.param(
        ROUTER, fake.calls((*TODO, "c1"), text=PART, finish="error"), BROKEN, id="openrouter error after call"
    ),
    pytest.param(ROUTER, fake.calls((*TODO, "c1"), text=PART, finish=None), BROKEN, id="openrouter cut after call"),
    pytest.param(ROUTER, fake.calls((*TODO, "c1"), text=PART, finish="length"), CUT, id="openrouter length after call"),
    *gateway_ends(COMPLETE, ("stop", "stop"), ("stop", None), ("stop", "end_turn"), ("stop", "anything")),
    *gateway_ends(COMPLETE, ("other", "eos"), ("other", "stop_sequence")),
    *gateway_ends(CUT, ("length", "max_tokens"), ("length", None), ("other", "max_output_tokens")),
    *gateway_ends(FILTERED, ("content-filter", "refusal"), ("content-filter", None), ("other", "SAFETY")),
    *gateway_ends(NO_CALL, ("tool-calls", "tool_use"), ("tool-calls", None)),
    *gateway_ends(BROKEN, ("error", "error"), ("error", None), ("interrupted", None), ("other", None)),
    *gateway_ends(BROKEN, ("other", "compaction"), ("unknown", None), ("tomorrow", "stop")),
    *gateway_streams(
        COMPLETE,
        every_part=(
            fake_gateway.METADATA,
            fake_gateway.PING,
            fake_gateway.RAW,
            *fake_gateway.REASONING,
            *SAID,
            fake_gateway.SOURCE,
            {**STOPPED, "providerMetadata": {"gateway": {"cost": "0.1"}}},
        ),
        text_in_two_blocks=(
            *fake_gateway.text("p"),
            *fake_gateway.text("ar", block="1"),
            STOPPED,
        ),
    ),
    *gateway_streams(
        BROKEN,
        no_finish=SAID,
        nothing=(),
        no_reason=(*SAID, {"type": "finish", "usage": fake_gateway.USAGE}),
        a_null_reason=(*SAID, fake_gateway.finish(None)),
        a_reason_without_words=(*SAID, fake_gateway.finish({})),
        an_error_part=(*SAID, {"type": "error", "error": fake_gateway.GATEWAY_TEXT}, STOPPED),
        an_empty_error_part=(*SAID, {"type": "error", "error": {}}, STOPPED),
        an_error_without_a_value=(*SAID, {"type": "error"}, STOPPED),
    ),
    pytest.param(GATEWAY, fake_gateway.parts(*SAID, STOPPED, done=False), COMPLETE, id="gateway no DONE"),
    pytest.param(GATEWAY, fake_gateway.cut(*SAID), BROKEN, id="gateway a cut connection"),
]


class TestEndings:
    """An answer is complete, or its stream ends with an error and nothing of it is remembered."""

    @pytest.mark.parametrize(("name", "play", "verdict"), ENDINGS)
    async def test_every_ending(self, name: str, play: Any, verdict: str | None, scene: Scene) -> None:
        """The verdict is in the frames, and in what the next call is sent."""
        fake_provider: Any = {ROUTER: scene.provider, GATEWAY: scene.gateway}[name]
        fake_provider.will(play, {ROUTER: fake, GATEWAY: fake_gateway}[name].say("next"))
        agent = scene.start(env={"OPEN_AGENT_PROVIDER": name})
        frames = await scene.answer(agent)
        assert text_of(frames) in (PART, "")
        if verdict is COMPLETE:
            assert events(frames)[-1][0] == "response"
            assert text_of(frames) == PART
        else:
            code, body = error_of(frames)
            assert (code, body["error"]) == ("500", "model_error")
            assert verdict in body["message"]
        assert text_of(await scene.answer(agent, "again")) == "next"
        fake_provider.request()
        assert said(fake_provider.request()) == ([PART] if verdict is COMPLETE else [])

    @pytest.mark.parametrize(
        "piece",
        ["", " ", "\n\n", "\u200b\ufeff", "\u00a0\u3000"],
        ids=["empty", "a space", "lines", "no width", "wide"],
    )
    @pytest.mark.parametrize("name", [ROUTER, GATEWAY])
    async def test_a_blank_answer_is_an_error(self, name: str, piece: str, scene: Scene) -> None:
        """It is an error, and no later call is sent it: some providers would refuse them all."""
        modules: dict[str, Any] = {ROUTER: fake, GATEWAY: fake_gateway}
        servers: dict[str, Any] = {ROUTER: scene.provider, GATEWAY: scene.gateway}
        servers[name].will(modules[name].say(piece), modules[name].say("next"))
        agent = scene.start(env={"OPEN_AGENT_PROVIDER": name})
        _, body = error_of(await scene.answer(agent))
        assert "without a word" in body["message"]
        assert text_of(await scene.answer(agent, "again")) == "next"
        servers[name].request()
        assert said(servers[name].request()) == []

    async def test_a_blank_text_before_a_call_is_not_sent_back(self, scene: Scene) -> None:
        """Models often begin a tool call with a line feed, which some providers refuse to be sent."""
        scene.will(fake.call(*TODO, text="\n\n"), fake.say("Done."))
        assert text_of(await scene.answer(scene.start())).strip() == "Done."
        scene.gateway.will(fake_gateway.call(*TODO, *fake_gateway.text("\n\n")), fake_gateway.say("Done."))
        scene.abort()
        frames = await scene.answer(scene.start(env={"OPEN_AGENT_PROVIDER": GATEWAY}))
        assert text_of(frames).strip() == "Done."

    async def test_a_blank_prompt_is_refused(self, scene: Scene) -> None:
        """It costs no call."""
        code, body = error_of(await scene.answer(scene.start(), " \n"))
        assert (code, body["error"]) == ("400", "bad_request")

    @pytest.mark.parametrize("name", [ROUTER, GATEWAY])
    async def test_a_character_that_comes_in_two_halves_is_not_cut(self, name: str, scene: Scene) -> None:
        """No chunk has half of it, and none of it is lost."""
        halves = ("a\ud83d", "\ude00b", "\ud83d", "\ude00")
        modules: dict[str, Any] = {ROUTER: fake, GATEWAY: fake_gateway}
        servers: dict[str, Any] = {ROUTER: scene.provider, GATEWAY: scene.gateway}
        servers[name].will(modules[name].say(*halves))
        frames = await scene.answer(scene.start(env={"OPEN_AGENT_PROVIDER": name}))
        chunks = [data for _, data in events(frames)]
        assert ascii(chunks) == ascii(["a", "\N{GRINNING FACE}b", "\N{GRINNING FACE}"])

    async def test_half_a_character_of_a_model_is_replaced(self, scene: Scene) -> None:
        """In a text and in the input of a tool."""
        scene.will(fake.call("todo_write", '{"todos": [], "x": "\\ud83d"}', text="a\ud83d"), fake.say("b\udc00"))
        frames = await scene.answer(scene.start())
        assert ascii(text_of(frames)) == ascii("a\ufffd\n\nb\ufffd")
        for frame in frames:
            assert b"\\ud8" not in frame.data
            assert b"\\udc" not in frame.data


def said(request: Any) -> list[str]:
    """Return what the answers in the history of a call were."""
    if isinstance(request, fake.Request):
        return [text for text in request.texts(Assistant) if text]
    texts: list[str] = request.texts(fake_gateway.Assistant)
    return texts


def refusals(status: int) -> list[Any]:
    """Return the ways in which each provider refuses a request with a status, before the model has said anything."""
    message = {"message": fake_gateway.GATEWAY_TEXT}
    error = {"type": "error", "error": {**message, "statusCode": status}}
    nested = {"type": "error", "error": {"error": {**message, "code": str(status)}}}
    return [
        pytest.param(ROUTER, fake.fail(status), id=f"openrouter {status}"),
        pytest.param(ROUTER, fake.fail(200, error={"code": status}), id=f"openrouter {status} in a body"),
        pytest.param(ROUTER, fake.fail_in_stream(status), id=f"openrouter {status} in the stream"),
        pytest.param(ROUTER, fake.fail_in_stream(str(status)), id=f"openrouter {status} in digits"),
        pytest.param(ROUTER, fake.events({"error": {"code": status}}), id=f"openrouter {status} without a message"),
        pytest.param(GATEWAY, fake_gateway.fail(status, "invalid_request_error"), id=f"gateway {status}"),
        pytest.param(GATEWAY, fake_gateway.parts(fake_gateway.PING, error), id=f"gateway {status} in the stream"),
        pytest.param(GATEWAY, fake_gateway.parts(*fake_gateway.text()[:1], nested), id=f"gateway {status} nested"),
    ]


class TestRefusals:
    """A session does not get stuck on its own history."""

    @pytest.mark.parametrize(("name", "play"), [*refusals(400), *refusals(413), *refusals(422)])
    async def test_half_of_the_history_is_tried_once(self, name: str, play: Any, scene: Scene) -> None:
        """The caller notices nothing, and the answer is remembered."""
        servers: dict[str, Any] = {ROUTER: scene.provider, GATEWAY: scene.gateway}
        say: Any = {ROUTER: fake, GATEWAY: fake_gateway}[name].say
        servers[name].will(say("one"), say("two"), play, say("three"), say("four"))
        agent = scene.start(env={"OPEN_AGENT_PROVIDER": name})
        for prompt, answer in (("1", "one"), ("2", "two"), ("3", "three"), ("4", "four")):
            assert text_of(await scene.answer(agent, prompt)) == answer
        requests = [servers[name].request() for _ in range(5)]
        assert [said(request) for request in requests] == [
            [],
            ["one"],
            ["one", "two"],
            ["two"],
            ["one", "two", "three"],
        ]

    @pytest.mark.parametrize(("name", "play"), [*refusals(400), *refusals(413), *refusals(422)])
    async def test_a_second_refusal_says_what_cures(self, name: str, play: Any, scene: Scene) -> None:
        """There is no third call, and without a history no second one."""
        servers: dict[str, Any] = {ROUTER: scene.provider, GATEWAY: scene.gateway}
        say: Any = {ROUTER: fake, GATEWAY: fake_gateway}[name].say
        servers[name].will(play, say("one"), play, play)
        agent = scene.start(env={"OPEN_AGENT_PROVIDER": name})
        for prompt, refused in (("1", True), ("2", False), ("3", True)):
            frames = await scene.answer(agent, prompt)
            if refused:
                _, body = error_of(frames)
                assert body["error"] == "model_error"
                assert re.search(r"abort .*start", body["message"])
                assert "AGENT_HISTORY_LIMIT" in body["message"]

    async def test_a_text_that_was_read_is_not_said_again(self, scene: Scene) -> None:
        """A refusal after the first word ends the turn."""
        scene.will(fake.say("one"), fake.fail_in_stream(400, PART))
        agent = scene.start()
        await scene.answer(agent, "1")
        frames = await scene.answer(agent, "2")
        assert text_of(frames) == PART
        assert error_of(frames)[1]["error"] == "model_error"

    async def test_a_later_call_of_a_turn_is_shortened_too(self, scene: Scene) -> None:
        """No tool runs twice, and the rest of the turn stays short."""
        scene.will(fake.say("one"), fake.call(*TODO), fake.fail(413), fake.call(*TODO, "call_2"), fake.say("two"))
        agent = scene.start()
        await scene.answer(agent, "1")
        frames = await scene.answer(agent, "2")
        assert [kind for kind, _ in events(frames)] == ["tool_use", "tool_result"] * 2 + ["response"]
        requests = [scene.request() for _ in range(5)]
        assert [request.texts(User) for request in requests] == [["1"], ["1", "2"], ["1", "2"], ["2"], ["2"]]

    async def test_a_long_history_is_halved_by_its_size(self, scene: Scene) -> None:
        """A long answer counts for more than a short one."""
        long = "\N{CJK UNIFIED IDEOGRAPH-6F22}" * 49_000
        answers = [long, "short", long, "short"]
        scene.will(*(fake.say(answer) for answer in answers), fake.fail(400), fake.say("done"))
        agent = scene.start()
        for answer in answers:
            assert text_of(await scene.answer(agent, "go")) == answer
        assert text_of(await scene.answer(agent, "go")) == "done"
        requests = [scene.request() for _ in range(6)]
        assert said(requests[4]) == answers
        assert said(requests[5]) == [long, "short"] or said(requests[5]) == ["short"]

    async def test_a_blank_message_of_an_earlier_version_is_left_out(self, scene: Scene, tmp_path: Path) -> None:
        """It may still be on disk; its turn is left out, and the others are not."""
        scene.will(fake.say("one"), fake.say("two"), fake.say("three"))
        with Workerd(tmp_path / "own", scene.variables) as worker, worker.client() as http:
            subject = http.post(f"/agent/{scene.session}", json={"agent": "pi"}).json()["subjects"]["prompt"]
            for prompt in ("1", "2"):
                await scene.caller.prompt(subject, prompt)
            await asyncio.sleep(0.5)
            worker.kill()
            worker.alter("AgentSession", "UPDATE message SET content = ' ' WHERE content = 'two'")
            worker.start()
            http.post(f"/agent/{scene.session}", json={"agent": "pi"})
            assert text_of(await scene.caller.prompt(subject, "3")) == "three"
        requests = [scene.request() for _ in range(3)]
        assert (requests[2].texts(User), said(requests[2])) == (["1", "3"], ["one"])


class TestGateway:
    """The AI Gateway, chosen by the session."""

    async def test_answers(self, scene: Scene) -> None:
        """Text streams through it, and a later turn sends the earlier one."""
        scene.gateway.will(fake_gateway.say("one", "two"), fake_gateway.say("three"))
        agent = self.start(scene)
        assert text_of(await scene.answer(agent, "1")) == "onetwo"
        assert text_of(await scene.answer(agent, "2")) == "three"
        scene.gateway.request()
        assert said(scene.gateway.request()) == ["onetwo"]

    async def test_uses_tools(self, scene: Scene) -> None:
        """Calls and results are shown, and go back to the model."""
        scene.gateway.will(fake_gateway.call(*TODO, *fake_gateway.text("Plan.")), fake_gateway.say("Done."))
        frames = await scene.answer(self.start(scene))
        assert [kind for kind, _ in events(frames)] == ["response", "tool_use", "tool_result", "response"]

    @pytest.mark.parametrize(
        ("play", "expected"),
        [
            pytest.param(fake_gateway.fail(429, retry_after=5), ("429", "rate_limited", "in 5 s"), id="429"),
            pytest.param(fake_gateway.fail(404), ("500", "model_error", "OPEN_AGENT_MODEL_ID"), id="404"),
            pytest.param(fake_gateway.fail(402), ("500", "refused_key", "AI_GATEWAY_API_KEY"), id="402"),
            pytest.param(
                fake_gateway.fail(200, "rate_limit_exceeded", 5), ("429", "rate_limited", "in 5 s"), id="429 in a body"
            ),
            pytest.param(
                fake_gateway.parts({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}),
                ("500", "model_error", "(503)"),
                id="503 by name in the stream",
            ),
            pytest.param(
                fake_gateway.parts(*SAID, {"type": "error", "error": {"statusCode": 429, "message": "x"}}),
                ("429", "rate_limited", "later"),
                id="429 in the stream",
            ),
        ],
    )
    async def test_fails_in_our_words(self, play: Any, expected: tuple[str, str, str], scene: Scene) -> None:
        """Its errors are mapped as OpenRouter's are."""
        scene.gateway.will(play)
        frames = await scene.answer(self.start(scene))
        code, body = error_of(frames)
        assert (code, body["error"]) == expected[:2]
        assert expected[2] in body["message"]
        assert fake_gateway.GATEWAY_TEXT not in frames[-2].data.decode()

    async def test_a_wrong_key_is_named(self, scene: Scene) -> None:
        """Only the gateway knows that it is wrong."""
        variables = {"AI_GATEWAY_BASE_URL": scene.gateway.base_url, "AI_GATEWAY_API_KEY": "wrong"}
        agent = scene.start(env={"OPEN_AGENT_PROVIDER": GATEWAY}, **variables)
        code, body = error_of(await scene.answer(agent))
        assert (code, body["error"]) == ("500", "refused_key")
        assert "AI_GATEWAY_API_KEY" in body["message"]

    def start(self, scene: Scene) -> dict[str, Any]:
        """Start an agent that calls a model through the gateway."""
        return scene.start(env={"OPEN_AGENT_PROVIDER": GATEWAY})


class TestHistory:
    """What a later turn knows of earlier ones."""

    async def test_a_turn_knows_the_turns_before(self, scene: Scene) -> None:
        """Prompts and answers come back, oldest first; what failed does not."""
        scene.will(fake.say("one"), fake.fail(404), fake.say("three"))
        agent = scene.start()
        for prompt in ("1", "2", "3"):
            await scene.answer(agent, prompt)
        requests = [scene.request() for _ in range(3)]
        assert requests[2].texts(User) == ["1", "3"]
        assert requests[2].texts(Assistant) == ["one"]

    async def test_the_history_limit(self, scene: Scene) -> None:
        """Only the newest messages are sent, and they begin with a prompt."""
        scene.will(*(fake.say(f"a{n}") for n in range(4)))
        agent = scene.start(AGENT_HISTORY_LIMIT="3")
        for prompt in range(4):
            await scene.answer(agent, f"p{prompt}")
        last = [scene.request() for _ in range(4)][3]
        assert last.texts(User) == ["p2", "p3"]
        assert last.texts(Assistant) == ["a2"]

    async def test_no_history(self, scene: Scene) -> None:
        """0 makes every prompt the first."""
        scene.will(fake.say("a"), fake.say("b"))
        agent = scene.start(AGENT_HISTORY_LIMIT="0")
        await scene.answer(agent, "1")
        await scene.answer(agent, "2")
        scene.request()
        assert scene.request().texts(User) == ["2"]
