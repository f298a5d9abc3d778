"""Requests to the deployed Worker itself: whether it is up and accepts our token, and stopping its agents."""

import msgspec

from exec_cf import answers, edge, routes, settings, urls
from exec_cf.client import STOP_ALL_TIMEOUT_MS
from exec_cf.display import truncated
from exec_cf.http import Request, RequestError, Response
from exec_cf.world import World

_TIMEOUT_MS = 5_000
_PROBED_SESSION = "deployment-check"
"""A session that is never started; asking for its state shows whether the token is accepted."""


class Site:
    """The Worker at *url*. Redirects are not followed, since they may lead to a login page."""

    def __init__(self, url: str, token: str, world: World) -> None:
        self.url = url
        self._token = token
        self._world = world

    def unready(self, version: str, auth: str) -> str:
        """Return what `/health` answers instead of *version* and *auth*; empty if it reports both."""
        try:
            response = self._ask("GET", routes.health(self.url), with_token=False)
        except RequestError as failed:
            return str(failed)
        health = answers.health(response)
        if health is None:
            return self._intermediary(response) or f"HTTP {response.status}, not from this program's Worker"
        if health.version != version:
            return f"it reports version {truncated(health.version)}"
        return "" if health.auth == auth else f"it reports auth {truncated(health.auth)}, not {auth}"

    def accepts_token(self) -> bool | None:
        """Return whether the routes accept the token, or None if that cannot be determined."""
        try:
            response = self._ask("GET", routes.agent(self.url, _PROBED_SESSION))
        except RequestError:
            return None
        if response.status in {401, 403}:
            return False if edge.is_workers_own(response) else None
        return True if response.status in {200, 404} and _is_json(response) else None

    def stop_agents(self) -> str:
        """Stop all agents so that they leave the bus. Return the cause of a failure, or an empty text."""
        try:
            response = self._ask("POST", routes.abort_all(self.url), timeout_ms=STOP_ALL_TIMEOUT_MS)
        except RequestError as failed:
            return str(failed)
        return self._intermediary(response) or ("" if response.status == 200 else f"HTTP {response.status}")

    def _intermediary(self, response: Response) -> str:
        """Return who answered instead of the Worker, if that is known."""
        return edge.intermediary(response, sends_service_token=bool(self._service_token()))

    def _ask(self, method: str, url: str, *, with_token: bool = True, timeout_ms: int = _TIMEOUT_MS) -> Response:
        headers = {"authorization": f"Bearer {self._token}"} if with_token and self._token else {}
        headers |= self._service_token()
        request = Request(method=method, url=url, timeout_ms=timeout_ms, headers=headers, read_body=True)
        return self._world.exchange(request)

    def _service_token(self) -> dict[str, str]:
        """Return the headers that Cloudflare Access lets pass, if the environment has them for this very address."""
        current, _, _ = settings.read(self._world.environ)
        is_own = bool(current.url) and urls.origin_of(current.url) == urls.origin_of(self.url)
        return settings.service_token(current) if is_own else {}


def _is_json(response: Response) -> bool:
    try:
        msgspec.json.decode(response.body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return True
