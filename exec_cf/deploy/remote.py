"""Reads and changes one Worker of one account through Cloudflare's API."""

from collections.abc import Sequence

import msgspec

from exec_cf import urls
from exec_cf.deploy import live, refusals
from exec_cf.deploy.api import Api, ApiError, NoAnswer, query
from exec_cf.deploy.live import Deployments, Live, Version
from exec_cf.deploy.upload import Form
from exec_cf.display import quoted_url
from exec_cf.errors import InvalidValue, Refused


class Account(msgspec.Struct, frozen=True):
    """An account that the token gives access to."""

    id: str
    name: str = ""


class _Subdomain(msgspec.Struct, frozen=True):
    enabled: bool | None = None
    previews_enabled: bool | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` if nothing could be sent to the URL."""
        if not self.url:
            return
        try:
            urls.base_url(self.url)
        except InvalidValue as invalid:
            raise ValueError(invalid.message) from None
        if self.url.startswith("http:") and not urls.is_loopback(self.url):
            raise ValueError(f"{quoted_url(self.url)} is not an https URL")


class _Named(msgspec.Struct, frozen=True):
    name: str = ""
    worker_name: str = ""
    queue_name: str = ""
    hostname: str = ""

    def __str__(self) -> str:
        return self.name or self.worker_name or self.queue_name or self.hostname


class _References(msgspec.Struct, frozen=True):
    dispatch_namespace_outbounds: tuple[_Named, ...] = ()
    domains: tuple[_Named, ...] = ()
    durable_objects: tuple[_Named, ...] = ()
    queues: tuple[_Named, ...] = ()
    workers: tuple[_Named, ...] = ()


class Worker(msgspec.Struct, frozen=True):
    """A Worker's address and dependents."""

    subdomain: _Subdomain = _Subdomain()
    references: _References = _References()

    @property
    def url(self) -> str:
        """Its URL on workers.dev, served or not; empty if the account has no subdomain."""
        return self.subdomain.url or ""

    @property
    def is_served(self) -> bool:
        """Whether it is served on workers.dev, without previews of other versions."""
        return self.subdomain.enabled is True and self.subdomain.previews_enabled is False

    @property
    def users(self) -> set[str]:
        """The names of what depends on it."""
        fields = self.references.__struct_fields__
        return {str(user) for field in fields for user in getattr(self.references, field) if str(user)}


class _Schedule(msgspec.Struct, frozen=True):
    cron: str


class _Schedules(msgspec.Struct, frozen=True):
    schedules: tuple[_Schedule, ...] = ()


class _AccountSubdomain(msgspec.Struct, frozen=True):
    subdomain: str | None = None


class _TokenStatus(msgspec.Struct, frozen=True):
    status: str


def accounts(api: Api) -> tuple[Account, ...]:
    """Return the accounts that the token gives access to. Raises `ApiError`, `NoAnswer`."""
    return api.get(query("/accounts", per_page="50"), tuple[Account, ...])


def token_status(api: Api, account: str) -> str:
    """Return the status of the token: `active`, `disabled`, `expired`, or an empty text if it is unknown."""
    # The first verifies tokens of users, the second tokens of the account.
    paths = ["/user/tokens/verify"] + ([f"/accounts/{account}/tokens/verify"] if account else [])
    for path in paths:
        try:
            return api.get(path, _TokenStatus).status
        except (ApiError, NoAnswer, Refused):
            continue
    return ""


class Remote:
    """The calls for one Worker. Each raises `ApiError` and `NoAnswer`."""

    def __init__(self, api: Api, account: str, name: str) -> None:
        self._api = api
        self._account = f"/accounts/{account}/workers"
        self._script = f"{self._account}/scripts/{name}"
        self._name = name

    def live(self) -> Live | None:
        """Return the live Worker, or None if there is none of that name."""
        try:
            shares = self._api.get(f"{self._script}/deployments", Deployments).shares
            if not shares:
                return live.EMPTY
            version = self._api.get(f"{self._script}/versions/{shares[0].version_id}", Version)
        except ApiError as error:
            if error.code in refusals.NO_WORKER:
                return None
            if error.code in refusals.NO_VERSION:
                return live.EMPTY
            raise
        return live.live(version, shares)

    def worker(self) -> Worker:
        """Return its address and dependents."""
        return self._api.get(f"{self._account}/workers/{self._name}", Worker)

    def subdomain(self) -> str:
        """Return the account's subdomain of workers.dev; empty if it has none."""
        try:
            return self._api.get(f"{self._account}/subdomain", _AccountSubdomain).subdomain or ""
        except ApiError as error:
            if error.code in refusals.NO_WORKER:
                return ""
            raise

    def register(self, subdomain: str) -> None:
        """Register a subdomain of workers.dev for the account, which has none."""
        try:
            self._api.send("PUT", f"{self._account}/subdomain", {"subdomain": subdomain})
        except ApiError:
            # An earlier attempt, whose answer was lost, may have registered it.
            if self.subdomain() != subdomain:
                raise

    def upload(self, form: Form) -> None:
        """Upload a new version and make it live. Without `excludeScript` the answer would include the code."""
        path = query(self._script, excludeScript="true", bindings_inherit="strict")
        self._api.upload(path, form.content_type, form.body)

    def serve(self) -> None:
        """Serve it on workers.dev. Previews would serve other versions with the same secrets."""
        self._api.send("POST", f"{self._script}/subdomain", {"enabled": True, "previews_enabled": False})

    def remove_secret(self, name: str) -> None:
        """Remove one existing secret."""
        try:
            self._api.send("DELETE", query(f"{self._script}/secrets/{name}", url_encoded="true"))
        except ApiError:
            now = self.live()
            if now and name in now.secrets:
                raise

    def crons(self) -> set[str]:
        """Return its cron triggers."""
        return {each.cron for each in self._api.get(f"{self._script}/schedules", _Schedules).schedules}

    def schedule(self, crons: Sequence[str]) -> None:
        """Replace its cron triggers."""
        self._api.send("PUT", f"{self._script}/schedules", [{"cron": cron} for cron in crons])

    def delete(self) -> None:
        """Delete it with its Durable Objects. Does nothing if it does not exist."""
        try:
            self._api.send("DELETE", query(self._script, force="true"))
        except ApiError as error:
            if error.code not in refusals.NO_WORKER:
                raise
