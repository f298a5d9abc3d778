"""The client of a Worker: check its health, start an agent, ask for its state, stop it, list and stop all agents."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from exec_cf import answers, edge, routes, urls
from exec_cf._version import version
from exec_cf.answers import MAX_CAUSE_CHARS, AgentPage, Answer, NoRouteError, SessionState, Started, WorkerError
from exec_cf.display import truncated
from exec_cf.errors import Code, Diagnostic, Note, Refused
from exec_cf.http import Request, RequestError, Response
from exec_cf.plan import Plan, start_body
from exec_cf.settings import Settings, service_token
from exec_cf.usage import VERBS
from exec_cf.world import World

PAUSE_S = 0.25
"""Seconds between attempts."""

MAX_LIST_BYTES = 1 << 20
"""Longest response with many agents, in bytes; a page of 100 agents has about 30 kB."""

STOP_ALL_TIMEOUT_MS = 60_000
"""Shortest timeout of a request to stop all agents, of which each may take seconds."""

T = TypeVar("T")


class Stopped(msgspec.Struct, frozen=True):
    """What became of all agents of a Worker."""

    stopped: list[str]
    failed: list[str]
    maybe_more: bool
    """Whether an attempt without a response may have stopped more."""


class Client:
    """Talks to the Worker at *base*. Each failed attempt is reported to *note* as it happens."""

    def __init__(self, base: str, settings: Settings, world: World, note: Note) -> None:
        self.base = base
        self.settings = settings
        self.note = note
        self._world = world

    def pause(self) -> None:
        """Wait for the pause between attempts."""
        self._world.sleep(PAUSE_S)

    def probe(self) -> None:
        """Return once `GET <base>/health` is answered with 2xx, and report a Worker that is an older release.

        Raises `WorkerError` with the last cause if every attempt fails.
        """
        statuses: list[int] = []

        def judge(response: Response) -> Response:
            statuses.append(response.status)
            return self._healthy(response)

        request = Request(
            method="GET",
            url=routes.health(self.base),
            timeout_ms=self.settings.timeout_ms,
            headers=self._service_token(self.base),
        )
        try:
            response, _ = self._attempt("healthcheck", request, judge)
        except WorkerError as error:
            raise WorkerError(str(error), is_absent=statuses[-1:] == [404]) from None
        health = answers.health(response)
        if health and health.is_older:
            message = f"the Worker is release {truncated(health.version)}, this program is {version}"
            self.note(Diagnostic(Code.OLDER, message, hint=f"update it with `{VERBS['deploy'].example}`"))

    def start(self, plan: Plan) -> Started:
        """Start the agent, or find it running with the same settings.

        If the Worker does not serve the route, that is reported and its health is taken as a started agent. Raises
        `WorkerError` if the Worker refuses, fails, or starts another agent than the one of *plan*.
        """
        request = Request(
            method="POST",
            url=routes.agent(self.base, plan.session),
            timeout_ms=self.settings.bootstrap_timeout_ms,
            headers={"content-type": "application/json", **self._credentials(self.base)},
            body=start_body(plan),
            read_body=True,
        )
        try:
            answer, attempts = self._ask("start", request)
        except WorkerError as error:
            raise WorkerError(str(error), maybe_started=True) from None
        try:
            return answer.started(plan, maybe_started=attempts > 1 or answer.resent)
        except NoRouteError as missing:
            self.note(no_route("POST /agent/<session>", missing))
            return Started()

    def status(self, plan: Plan) -> SessionState:
        """Return the state of the plan's session.

        Raises `NoRouteError` if the Worker cannot report it, and `WorkerError` if the request fails, or if the session
        runs another agent than the one of *plan*.
        """
        request = Request(
            method="GET",
            url=routes.agent(self.base, plan.session),
            timeout_ms=self.settings.timeout_ms,
            headers=self._credentials(self.base),
            read_body=True,
        )
        answer, _ = self._ask("status", request)
        return answer.session_state(plan)

    def stop(self, url: str, *, with_token: bool) -> None:
        """Post to *url* to stop an agent. Send the token only to URLs that this program or the Worker made.

        Raises `WorkerError` if the Worker cannot be reached or refuses, `NoRouteError` if it does not serve *url*.
        """
        request = Request(
            method="POST",
            url=url,
            timeout_ms=self.settings.timeout_ms,
            headers=self._credentials(url) if with_token else {},
            read_body=True,
        )
        answer, _ = self._ask("abort", request)
        answer.check_stopped()

    def agent_page(self, owner: str, state: str, cursor: str) -> AgentPage:
        """Return a page of the list of agents. Empty *owner* and *state* stand for any.

        Raises `NoRouteError` if the Worker has no list, `WorkerError` if the request fails.
        """
        request = Request(
            method="GET",
            url=routes.agents(self.base, owner=owner, state=state, cursor=cursor),
            timeout_ms=self.settings.timeout_ms,
            headers=self._credentials(self.base),
            read_body=True,
            body_limit=MAX_LIST_BYTES,
        )
        answer, _ = self._ask("list", request)
        return answer.agent_page()

    def stop_all(self) -> Stopped:
        """Stop every agent of the Worker.

        Raises `NoRouteError` if the Worker does not serve the route, and `WorkerError` if the request fails.
        """
        request = Request(
            method="POST",
            url=routes.abort_all(self.base),
            timeout_ms=max(self.settings.timeout_ms, STOP_ALL_TIMEOUT_MS),
            headers=self._credentials(self.base),
            read_body=True,
            body_limit=MAX_LIST_BYTES,
        )
        tally = _Tally(self.settings)
        try:
            resent, attempts = self._attempt("abort", request, tally.add)
        except WorkerError:
            if not tally.failed:
                raise
            resent, attempts = False, self.settings.retries
        return Stopped([*tally.stopped], tally.failed, maybe_more=resent or attempts > tally.answered)

    def _credentials(self, url: str) -> dict[str, str]:
        """Return the headers with the secrets that the Worker may see; *url* is its own, or one that it named."""
        token = self.settings.token
        return {**({"authorization": f"Bearer {token}"} if token else {}), **self._service_token(url)}

    def _service_token(self, url: str) -> dict[str, str]:
        """Return the headers for Cloudflare Access; none if they are not set, or for another origin."""
        return service_token(self.settings) if self._is_own(url) else {}

    def _is_own(self, url: str) -> bool:
        return urls.origin_of(url) == urls.origin_of(self.base)

    def _healthy(self, response: Response) -> Response:
        """Return *response* if a healthy Worker sent it: a 2xx that is not a web page. Raises `RequestError`."""
        problem = edge.intermediary(response, sends_service_token=bool(self.settings.access_client_id))
        if problem or not 200 <= response.status < 300:
            raise _RefusalError(problem or f"HTTP {response.status}", response)
        return response

    def _ask(self, verb: str, request: Request) -> tuple[Answer, int]:
        """Return the first answer that is not worth retrying, and the number of attempts."""

        def judge(response: Response) -> Answer:
            answer = Answer(verb, response, self.settings, is_foreign=not self._is_own(request.url))
            if answer.is_retryable:
                raise _RefusalError(answer.problem, response)
            return answer

        return self._attempt(verb, request, judge)

    def _attempt(self, verb: str, request: Request, judge: Callable[[Response], T]) -> tuple[T, int]:
        """Return what *judge* returns for the response, and the number of attempts.

        Honours `Retry-After` between attempts if it does not exceed the request's timeout. Raises `WorkerError` if
        every attempt fails.
        """
        limit = self.settings.retries
        cause = ""
        pause_s = PAUSE_S
        for number in range(1, limit + 1):
            if number > 1:
                self._world.sleep(pause_s)
            try:
                return judge(self._world.exchange(request)), number
            except RequestError as error:
                asked_s = error.retry_after_s if isinstance(error, _RefusalError) else 0.0
                fits = asked_s * 1000 <= request.timeout_ms
                pause_s = max(PAUSE_S, asked_s) if fits else PAUSE_S
                cause = truncated(str(error), MAX_CAUSE_CHARS)
                cause += "" if fits else f"; it asks to wait {asked_s:.0f} seconds"
                self.note(Diagnostic(Code.ATTEMPT, f"{verb} attempt {number}/{limit}: {cause}"))
        raise WorkerError(f"{verb}: {cause}" if limit == 1 else f"{verb}: {cause} (after {limit} attempts)")


@contextmanager
def or_refuse() -> Iterator[None]:
    """Turn a `WorkerError` of the block into a `Refused`."""
    try:
        yield
    except WorkerError as error:
        raise Refused([Diagnostic(Code.WORKER, str(error))]) from None


def no_route(route: str, missing: NoRouteError) -> Diagnostic:
    """Return the diagnostic about a Worker that does not serve *route*."""
    return Diagnostic(Code.NO_ROUTE, f"the Worker has no {route} (HTTP {missing}); ready only means that it is healthy")


class _RefusalError(RequestError):
    """A response that is worth retrying; the text says why it is not acceptable."""

    def __init__(self, cause: str, response: Response) -> None:
        super().__init__(cause)
        self.retry_after_s = (response.retry_after_s or 0.0) if response.status in {429, 503} else 0.0


class _Tally:
    """What several attempts to stop all agents did."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.stopped: dict[str, None] = {}
        self.failed: list[str] = []
        self.answered = 0

    def add(self, response: Response) -> bool:
        """Count the response to an attempt, and return whether that was sent twice. Raises `RequestError`."""
        answer = Answer("abort", response, self._settings)
        found = answer.stopped_some() if answer.is_retryable else answer.stopped_all()
        if found:
            self.answered += 1
            self.stopped |= dict.fromkeys(found.stopped)
            self.failed = found.failed
        if answer.is_retryable:
            raise _RefusalError(answer.problem, response)
        return answer.resent
