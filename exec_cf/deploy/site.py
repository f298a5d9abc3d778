"""The deployed Worker at its own address: is it up, does it accept our token, stop its agents."""

import msgspec

from exec_cf import answers, settings, urls
from exec_cf.http import Request, RequestError, Response
from exec_cf.world import World

_TIMEOUT_MS = 5_000
_PROBED_SESSION = "deployment-check"
"""A session that nobody starts; asking for it shows whether a token is accepted."""


class Site:
    """The Worker at *url*. A redirect may lead to a login page, and is not followed."""

    def __init__(self, url: str, token: str, world: World) -> None:
        self.url = url
        self._token = token
        self._world = world

    def reports(self, version: str, auth: str) -> bool:
        """Say whether `/health` reports that version and that kind of authentication."""
        try:
            said = answers.health(self._ask("GET", "/health", with_token=False))
        except RequestError:
            return False
        return said is not None and (said.version, said.auth) == (version, auth)

    def accepts_token(self) -> bool | None:
        """Say whether the routes accept the token; None when that cannot be found out."""
        try:
            response = self._ask("GET", f"/agent/{_PROBED_SESSION}")
        except RequestError:
            return None
        return {200: True, 404: _is_json(response) or None, 401: False, 403: False}.get(response.status)

    def stop_agents(self) -> str:
        """Let all agents leave the bus, and return why that failed, empty when it did not."""
        try:
            status = self._ask("POST", "/control/abort").status
        except RequestError as failed:
            return str(failed)
        return "" if status == 200 else f"HTTP {status}"

    def _ask(self, method: str, path: str, *, with_token: bool = True) -> Response:
        if self.url.startswith("http:") and not urls.is_loopback(self.url):
            raise RequestError("it is not served over https")
        headers = {"authorization": f"Bearer {self._token}"} if with_token and self._token else {}
        headers |= self._service_token()
        request = Request(method=method, url=self.url + path, timeout_ms=_TIMEOUT_MS, headers=headers, read_body=True)
        return self._world.exchange(request)

    def _service_token(self) -> dict[str, str]:
        """Return the headers that Cloudflare Access lets pass, if the environment has them for this very address."""
        current, _, _ = settings.read(self._world.environ)
        if not current.access_client_id or urls.origin_of(current.url) != urls.origin_of(self.url):
            return {}
        return {
            "cf-access-client-id": current.access_client_id,
            "cf-access-client-secret": current.access_client_secret,
        }


def _is_json(response: Response) -> bool:
    try:
        msgspec.json.decode(response.body)
    except (msgspec.DecodeError, ValueError, RecursionError):
        return False
    return True
