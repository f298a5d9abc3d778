"""The client of a Worker: is it up, start the agent, how is the agent, stop it."""

from collections.abc import Callable
from typing import TypeVar

from exec_cf import answers, routes
from exec_cf._version import version
from exec_cf.answers import MAX_CAUSE_CHARS, Answer, SessionState, Started, WorkerError
from exec_cf.display import truncated
from exec_cf.errors import Code, Diagnostic
from exec_cf.http import Request, RequestError, Response
from exec_cf.plan import Plan, start_body
from exec_cf.settings import Settings
from exec_cf.usage import VERBS
from exec_cf.world import World

PAUSE_S = 0.25
"""Seconds between two attempts."""

T = TypeVar("T")


class Client:
    """Talks to the Worker at *base*. Each failed attempt is reported to *note* as it happens."""

    def __init__(self, base: str, settings: Settings, world: World, note: Callable[[Diagnostic], None]) -> None:
        self.base = base
        self.settings = settings
        self.note = note
        self._world = world

    def pause(self) -> None:
        """Wait as long as between two attempts."""
        self._world.sleep(PAUSE_S)

    def probe(self) -> None:
        """Return as soon as `GET <base>/health` answers 2xx, and report a Worker of an earlier release.

        Raises `WorkerError` with the last cause when no attempt does.
        """
        statuses: list[int] = []

        def ask() -> Response:
            response = self._world.exchange(request)
            statuses.append(response.status)
            return _healthy(response)

        request = Request(method="GET", url=routes.health(self.base), timeout_ms=self.settings.timeout_ms)
        try:
            response, _ = self._attempt("healthcheck", ask)
        except WorkerError as error:
            raise WorkerError(str(error), is_absent=statuses[-1:] == [404]) from None
        health = answers.health(response)
        if health and health.is_older:
            message = f"the Worker is release {truncated(health.version)}, and this program {version}"
            self.note(Diagnostic(Code.OLDER, message, hint=f"update it with `{VERBS['deploy'].example}`"))

    def start(self, plan: Plan) -> Started:
        """Start the agent, or find it running with the same settings.

        A Worker without the route can only be judged by its health: that is reported, and counts as started.
        Raises `WorkerError` when the Worker refuses, fails, or starts something else than *plan* says.
        """
        request = Request(
            method="POST",
            url=routes.agent(self.base, plan.session),
            timeout_ms=self.settings.bootstrap_timeout_ms,
            headers={"content-type": "application/json", **self._authorization()},
            body=start_body(plan),
            read_body=True,
        )
        try:
            answer, attempts = self._ask("start", request)
        except WorkerError as error:
            raise WorkerError(str(error), maybe_started=True) from None
        if answer.lacks_route:
            self.note(no_route("POST /agent/<session>", answer.status))
            return Started()
        return answer.started(plan, maybe_started=attempts > 1)

    def status(self, plan: Plan) -> SessionState:
        """Return the state of the plan's session.

        Raises `NoRouteError` when the Worker cannot report it, and `WorkerError` when it cannot be asked, or when the
        session runs another agent than the one of *plan*.
        """
        request = Request(
            method="GET",
            url=routes.agent(self.base, plan.session),
            timeout_ms=self.settings.timeout_ms,
            headers=self._authorization(),
            read_body=True,
        )
        answer, _ = self._ask("status", request)
        return answer.session_state(plan)

    def stop(self, url: str, *, with_token: bool) -> None:
        """Post to *url* to stop an agent. The token only goes to a URL that this program or the Worker made.

        Raises `WorkerError` when the Worker cannot be reached or refuses, `NoRouteError` when it does not serve *url*.
        """
        request = Request(
            method="POST",
            url=url,
            timeout_ms=self.settings.timeout_ms,
            headers=self._authorization() if with_token else {},
            read_body=True,
        )
        answer, _ = self._ask("abort", request)
        answer.check_stopped()

    def _authorization(self) -> dict[str, str]:
        token = self.settings.token
        return {"authorization": f"Bearer {token}"} if token else {}

    def _ask(self, verb: str, request: Request) -> tuple[Answer, int]:
        """Return the first answer that is not worth another attempt, and the number of its attempt."""

        def ask() -> Answer:
            answer = Answer(verb, self._world.exchange(request), self.settings.token)
            if answer.may_pass:
                raise RequestError(answer.problem)
            return answer

        return self._attempt(verb, ask)

    def _attempt(self, verb: str, ask: Callable[[], T]) -> tuple[T, int]:
        """Return what *ask* returns, and after how many attempts. Raises `WorkerError` when every attempt fails."""
        limit = self.settings.retries
        cause = ""
        for number in range(1, limit + 1):
            if number > 1:
                self.pause()
            try:
                return ask(), number
            except RequestError as error:
                cause = truncated(str(error), MAX_CAUSE_CHARS)
                self.note(Diagnostic(Code.ATTEMPT, f"{verb} attempt {number}/{limit}: {cause}"))
        raise WorkerError(f"{verb}: {cause}" if limit == 1 else f"{verb}: {cause} (after {limit} attempts)")


def no_route(route: str, status: object) -> Diagnostic:
    """Return the diagnostic about a Worker that does not serve *route*."""
    return Diagnostic(Code.NO_ROUTE, f"the Worker has no {route} (HTTP {status}); ready only means that it is healthy")


def _healthy(response: Response) -> Response:
    if 200 <= response.status < 300:
        return response
    raise RequestError(f"HTTP {response.status}")
