"""The steps of a deployment, and of taking one away.

Each can be repeated, and the Worker is never half there: one upload brings code, vars, secrets and migration. So a run
that was interrupted, wherever that was, is mended by the next one.
"""

from collections.abc import Callable
from typing import Protocol

import msgspec

from exec_cf import answers, urls
from exec_cf.deploy import live, refusals, upload
from exec_cf.deploy.api import Api, ApiError, NoAnswer, query
from exec_cf.deploy.live import Deployments, Live, Version
from exec_cf.deploy.messages import Deployed, Options
from exec_cf.deploy.plan import TOKEN, Plan
from exec_cf.errors import Code, Diagnostic, Refused
from exec_cf.http import Request, RequestError, Response
from exec_cf.world import World

UPLOADS = 3
"""How often an upload is tried that has no answer, or meets another deployment."""

_UPLOAD_PAUSE_S = 2.0
_POLL_PAUSES_S = (0.5, 1.0, 2.0)
_HEALTH_TIMEOUT_MS = 5_000
_MAX_SHOWN_ACCOUNTS = 50
_PROBED_SESSION = "deployment-check"
"""A session that nobody starts, to ask whether a token opens the routes."""


class Confirm(Protocol):
    """Asks the user whether to go on. Raises `Refused` when nobody can answer."""

    def __call__(self, question: str) -> bool:
        """Return the answer."""
        ...


class _Subdomain(msgspec.Struct, frozen=True):
    enabled: bool | None = None
    previews_enabled: bool | None = None
    url: str | None = None


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


class _Worker(msgspec.Struct, frozen=True):
    subdomain: _Subdomain = _Subdomain()
    references: _References = _References()

    @property
    def is_served(self) -> bool:
        """Whether it is on workers.dev, and other versions of it are not."""
        return self.subdomain.enabled is True and self.subdomain.previews_enabled is False


class _Account(msgspec.Struct, frozen=True):
    id: str
    name: str = ""


class _Schedule(msgspec.Struct, frozen=True):
    cron: str


class _Schedules(msgspec.Struct, frozen=True):
    schedules: tuple[_Schedule, ...] = ()


class _AccountSubdomain(msgspec.Struct, frozen=True):
    subdomain: str | None = None


class Steps:
    """One run: a plan, and the world in which it is carried out."""

    def __init__(self, plan: Plan, world: World, note: Callable[[Diagnostic], None]) -> None:
        self._plan = plan
        self._world = world
        self._note = note
        secrets = tuple(plan.wanted.secrets.values())
        opened = plan.credentials
        self._api = Api(opened.base, opened.token, secrets, world.exchange, world.sleep, note)
        self._account = opened.account

    def deploy(self, options: Options) -> Deployed:
        """Put the Worker in place and return what was done. Raises `Refused`."""
        try:
            return self._deployed(options)
        except (ApiError, NoAnswer) as error:
            raise self._refusal(error) from None

    def undeploy(self, options: Options, confirm: Confirm) -> None:
        """Stop the Worker's agents and delete it with all that they remember. Raises `Refused`."""
        try:
            self._undeployed(options, confirm)
        except (ApiError, NoAnswer) as error:
            raise self._refusal(error) from None

    def _deployed(self, options: Options) -> Deployed:
        plan = self._plan
        self._account = self._account or self._only_account()
        now = self._live()
        self._check_owner(now)
        self._check_token_is_set(now)
        changed = self._changes(now)
        removed = [f"secret {name} removed" for name in live.removals(now, plan.wanted)]
        if now is None:
            self._ensure_subdomain(dry_run=options.dry_run)
        if options.dry_run:
            url = "" if now is None else self._worker().subdomain.url or ""
            self._say(Code.STEP, f"would change: {', '.join([*changed, *removed]) or 'nothing'}")
            return self._printed(url, [*changed, *removed], "planned")
        if changed:
            self._upload(now, changed)
        self._remove_secrets(now)
        url, served = self._serve()
        changed += [*removed, *served, *self._schedule(is_new=live.NEW in changed)]
        status = "ready" if self._is_up(url, now, options.wait_s) else "pending"
        self._tell_outcome(url, changed, status)
        return self._printed(url, changed, status)

    def _printed(self, url: str, changed: list[str], status: str) -> Deployed:
        return msgspec.convert(
            {
                "worker": self._plan.name,
                "account": self._account,
                "url": url,
                "version": self._plan.wanted.bundle.version,
                "changed": changed,
                "status": status,
            },
            Deployed,
        )

    def _tell_outcome(self, url: str, changed: list[str], status: str) -> None:
        token = f" CF_WORKER_TOKEN={self._plan.token_export}" if self._plan.token_export else ""
        if status == "pending":
            message = f"{url} does not tell version {self._plan.wanted.bundle.version} yet"
            self._say(Code.NOT_READY, message, "run it again: it uploads nothing and waits on")
        self._say(Code.USE, f"to use it: export CF_WORKER_URL={url}{token}")
        name, version = self._plan.name, self._plan.wanted.bundle.version
        if changed:
            self._say(Code.DEPLOYED, f"{name} {version} is deployed and {status}; changed: {', '.join(changed)}")
        else:
            self._say(Code.UNCHANGED, f"{name} {version} is deployed already and {status}; nothing was changed")

    def _undeployed(self, options: Options, confirm: Confirm) -> None:
        plan = self._plan
        self._account = self._account or self._only_account()
        now = self._live()
        if now is None:
            self._say(Code.UNCHANGED, f"there is no Worker {plan.name}; nothing was done")
            return
        self._check_owner(now)
        worker = self._worker()
        self._check_unused(worker)
        if options.dry_run:
            self._say(Code.STEP, f"would delete the Worker {plan.name} with the conversations of all its agents")
            return
        question = f"Delete the Worker {plan.name} of account {self._account} with the conversations of all its agents?"
        if not confirm(question):
            raise Refused([Diagnostic(Code.UNCONFIRMED, "not confirmed; nothing was done")])
        self._stop_agents(worker.subdomain.url or "", now)
        try:
            self._api.send("DELETE", query(self._script(), force="true"))
        except ApiError as error:
            if error.code not in refusals.NO_WORKER:
                raise
        self._say(Code.UNDEPLOYED, f"{plan.name} is deleted, with the conversations of its agents")

    # What is there

    def _script(self, below: str = "") -> str:
        return f"/accounts/{self._account}/workers/scripts/{self._plan.name}{below}"

    def _only_account(self) -> str:
        accounts = self._api.get(query("/accounts", per_page="50"), tuple[_Account, ...])
        if len(accounts) == 1:
            return accounts[0].id
        hint = "set CLOUDFLARE_ACCOUNT_ID"
        if not accounts:
            message = "the token does not say which account it is for"
            raise Refused([Diagnostic(Code.ACCOUNT, message, hint=hint)])
        named = ", ".join(f'{account.id} "{account.name}"' for account in accounts[:_MAX_SHOWN_ACCOUNTS])
        raise Refused([Diagnostic(Code.ACCOUNT, f"the token opens {len(accounts)} accounts: {named}", hint=hint)])

    def _live(self) -> Live | None:
        """Return what runs, None when there is no Worker of that name."""
        try:
            shares = self._api.get(self._script("/deployments"), Deployments).shares
            if not shares:
                return live.EMPTY
            version = self._api.get(self._script(f"/versions/{shares[0].version_id}"), Version)
        except ApiError as error:
            if error.code in refusals.NO_WORKER:
                return None
            if error.code in refusals.NO_VERSION:
                return live.EMPTY
            raise
        return live.live(version, shares)

    def _worker(self) -> _Worker:
        return self._api.get(f"/accounts/{self._account}/workers/workers/{self._plan.name}", _Worker)

    # Whether it may be touched

    def _check_owner(self, now: Live | None) -> None:
        """Raise `Refused` when what runs is not this program's Worker, or is somebody else's."""
        plan = self._plan
        if now is None or plan.replace:
            return
        if not now.is_of(plan.wanted.bundle):
            message = f"the account has another Worker named {plan.name} ({now})"
            hint = "choose another name, or write replace: true to replace it"
            raise Refused([Diagnostic(Code.TAKEN, message, hint=hint)])
        if TOKEN in plan.wanted.secrets and TOKEN in now.secrets and not plan.rotate:
            self._check_token(now)

    def _check_token(self, now: Live) -> None:
        ours = self._plan.wanted.mark.secrets.get(TOKEN)
        theirs = now.mark.secrets.get(TOKEN) if now.mark else None
        same = ours == theirs if ours and theirs else self._opens()
        if same is None:
            message = "it could not be seen whether the Worker has the document's CONTROL_TOKEN; going on"
            self._say(Code.STEP, message)
        elif not same:
            message = f"the Worker {self._plan.name} has another CONTROL_TOKEN than the document: it may be somebody's"
            if self._plan.new_token_file:
                message = (
                    f"the Worker {self._plan.name} has a CONTROL_TOKEN, and {self._plan.new_token_file} is missing"
                )
            hint = "bring its token, choose another name, or write rotate: true to replace the token"
            raise Refused([Diagnostic(Code.TAKEN, message, hint=hint)])

    def _opens(self) -> bool | None:
        """Say whether the document's token opens the Worker's routes; None when that cannot be seen."""
        url = self._worker().subdomain.url
        if not url or self._plan.new_token_file:
            return False if self._plan.new_token_file else None
        try:
            response = self._ask("GET", f"{url}/agent/{_PROBED_SESSION}")
        except RequestError:
            return None
        return {200: True, 404: _is_json(response) or None, 401: False, 403: False}.get(response.status)

    def _check_token_is_set(self, now: Live | None) -> None:
        plan = self._plan
        if plan.open or TOKEN in plan.wanted.secrets or (now is not None and TOKEN in now.secrets):
            return
        hint = "add CONTROL_TOKEN: {file: control.token, create: true} below secrets, or write open: true"
        message = "without a CONTROL_TOKEN anybody may start and stop agents"
        raise Refused([Diagnostic(Code.MISSING, message, ("secrets",), hint)])

    def _check_unused(self, worker: _Worker) -> None:
        references = worker.references
        users = sorted({str(user) for field in references.__struct_fields__ for user in getattr(references, field)})
        others = [user for user in users if user and user != self._plan.name]
        if others and not self._plan.replace:
            message = f"the Worker {self._plan.name} is in use by {', '.join(others)}"
            raise Refused([Diagnostic(Code.TAKEN, message, hint="take it out of use there first")])

    # What is done

    def _changes(self, now: Live | None) -> list[str]:
        return live.changes(now, self._plan.wanted, self._migrations(now))

    def _migrations(self, now: Live | None) -> dict[str, object] | None:
        bundle = self._plan.wanted.bundle
        is_ours = now is not None and now.is_of(bundle)
        if is_ours and now is not None and now.tag is None:
            return None  # it says of no migration, and has the classes
        tag = now.tag if now else None
        try:
            return upload.migrations(bundle.migrations, tag, foreign=not is_ours)
        except ValueError:
            message = f"the Worker {self._plan.name} is at migration {tag}, which this program does not know"
            raise Refused([Diagnostic(Code.TAKEN, message, hint="use the newer program")]) from None

    def _ensure_subdomain(self, *, dry_run: bool) -> None:
        """See that the account has a name on workers.dev: an upload without one is refused after a megabyte."""
        path, wanted = f"/accounts/{self._account}/workers/subdomain", self._plan.subdomain
        try:
            there = self._api.get(path, _AccountSubdomain).subdomain
        except ApiError as error:
            if error.code not in refusals.NO_WORKER:
                raise
            there = None
        if there and wanted and there != wanted:
            message = f"the account's workers.dev subdomain is {there}, not {wanted}"
            hint = "write that one: another would move every Worker of the account"
            raise Refused([Diagnostic(Code.API, message, hint=hint)])
        if there:
            return
        if not wanted:
            raise Refused([Diagnostic(Code.API, refusals.NO_SUBDOMAIN, hint=refusals.SUBDOMAIN_CURE)])
        if not dry_run:
            self._say(Code.STEP, f"registering {wanted}.workers.dev, which may take minutes to be known")
            self._api.send("PUT", path, {"subdomain": wanted})

    def _upload(self, now: Live | None, changed: list[str]) -> None:
        """Upload until it is seen to be there. Raises `Refused`, `ApiError`, `NoAnswer`."""
        self._create_token_file()
        size = len(self._plan.wanted.bundle.code) // 1024
        agents = "" if now is None else "; agents that run are restarted within 5 minutes"
        self._say(Code.STEP, f"uploading {size} KiB: {', '.join(changed)}{agents}")
        for number in range(1, UPLOADS + 1):
            try:
                return self._upload_once(now)
            except NoAnswer as cause:
                if number == UPLOADS:
                    raise
                self._say(Code.ATTEMPT, str(cause))
            except ApiError as error:
                if error.code not in _MEETINGS or number == UPLOADS:
                    raise
                self._say(Code.ATTEMPT, str(refusals.diagnostic(error)))
            self._world.sleep(_UPLOAD_PAUSE_S)
            now = self._live()
            self._check_owner(now)
            if not self._changes(now):
                return None
        return None

    def _upload_once(self, now: Live | None) -> None:
        wanted = self._plan.wanted
        described = upload.metadata(wanted, self._migrations(now), self._plan.tags)
        form = upload.form(described, wanted.bundle.code)
        path = query(self._script(), excludeScript="true", bindings_inherit="strict")
        self._api.upload(path, form.content_type, form.body)

    def _create_token_file(self) -> None:
        file = self._plan.new_token_file
        if not file:
            return
        try:
            self._world.create_secret(file, self._plan.wanted.secrets[TOKEN].encode() + b"\n")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            message = f"{file} cannot be created: {reason}"
            raise Refused([Diagnostic(Code.UNREADABLE, message, hint="run it again, or name another file")]) from None
        self._say(Code.STEP, f"created {file} with a new control token")

    def _remove_secrets(self, now: Live | None) -> None:
        for name in live.removals(now, self._plan.wanted):
            self._api.send("DELETE", query(self._script(f"/secrets/{name}"), url_encoded="true"))

    def _serve(self) -> tuple[str, list[str]]:
        """Serve the Worker on workers.dev, and return its address and what that changed."""
        worker = self._worker()
        if not worker.subdomain.url:
            raise Refused([Diagnostic(Code.API, refusals.NO_SUBDOMAIN, hint=refusals.SUBDOMAIN_CURE)])
        if worker.is_served:
            return worker.subdomain.url, []
        # Previews would serve other versions with the same secrets.
        self._api.send("POST", self._script("/subdomain"), {"enabled": True, "previews_enabled": False})
        return worker.subdomain.url, ["workers.dev address"]

    def _schedule(self, *, is_new: bool) -> list[str]:
        wanted = set(self._plan.wanted.bundle.crons)
        if not wanted:
            return []
        path = self._script("/schedules")
        there = set() if is_new else {schedule.cron for schedule in self._api.get(path, _Schedules).schedules}
        if there == wanted:
            return []
        self._api.send("PUT", path, [{"cron": cron} for cron in self._plan.wanted.bundle.crons])
        return ["cron triggers"]

    def _stop_agents(self, url: str, now: Live) -> None:
        """Let the agents leave the bus, where their Worker can still tell them."""
        token = self._plan.wanted.secrets.get(TOKEN, "")
        if not url or (TOKEN in now.secrets and not token):
            return
        try:
            status = self._ask("POST", f"{url}/control/abort").status
        except RequestError as failed:
            self._say(Code.STEP, f"its agents could not be stopped first: {failed}")
            return
        if status != 200:
            self._say(Code.STEP, f"its agents could not be stopped first: HTTP {status}")

    # What answers

    def _is_up(self, url: str, now: Live | None, wait_s: float) -> bool:
        """Say whether the Worker tells its version and the due `auth` before *wait_s* seconds have passed."""
        secrets = (now.secrets if now else set()) - set(self._plan.wanted.removed) | self._plan.wanted.secrets.keys()
        auth = "token" if TOKEN in secrets else "none"
        deadline = self._world.monotonic() + wait_s
        polls = 0
        while not self._tells(url, auth):
            if self._world.monotonic() >= deadline:
                return False
            if polls == len(_POLL_PAUSES_S):
                self._say(Code.STEP, f"waiting for {url}/health")
            self._world.sleep(_POLL_PAUSES_S[min(polls, len(_POLL_PAUSES_S) - 1)])
            polls += 1
        return True

    def _tells(self, url: str, auth: str) -> bool:
        try:
            told = answers.health(self._ask("GET", f"{url}/health", with_token=False))
        except RequestError:
            return False
        return told is not None and (told.version, told.auth) == (self._plan.wanted.bundle.version, auth)

    def _ask(self, method: str, url: str, *, with_token: bool = True) -> Response:
        """Return what the Worker answers; a redirect may lead to a login page, and is not followed."""
        if url.startswith("http:") and not urls.is_loopback(url):
            raise RequestError("it is not served over https")
        token = self._plan.wanted.secrets.get(TOKEN, "") if with_token else ""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        request = Request(method=method, url=url, timeout_ms=_HEALTH_TIMEOUT_MS, headers=headers, read_body=True)
        return self._world.exchange(request)

    # What is said

    def _say(self, code: Code, message: str, hint: str = "") -> None:
        self._note(Diagnostic(code, message, hint=hint))

    def _refusal(self, error: ApiError | NoAnswer) -> Refused:
        if isinstance(error, ApiError) and refusals.is_about_the_token(error):
            return self._token_refusal(error)
        return refusals.refused(error)

    def _token_refusal(self, error: ApiError) -> Refused:
        """Return the refusal of a token, after one look at what is wrong with it."""
        status = self._token_status()
        known = f"Cloudflare refuses the token for this account (code {error.code})"
        if status == "active":
            hint = f"give it the permission {refusals.PERMISSION} for this account"
            return Refused([Diagnostic(Code.API, f"{known}; it is active", hint=hint)])
        is_it = f"it is {status}" if status else "it is not valid"
        return Refused([Diagnostic(Code.API, f"{known}; {is_it}", hint="create another API token")])

    def _token_status(self) -> str:
        paths = ["/user/tokens/verify"] + ([f"/accounts/{self._account}/tokens/verify"] if self._account else [])
        for path in paths:
            try:
                return self._api.get(path, _TokenStatus).status
            except (ApiError, NoAnswer):
                continue
        return ""


class _TokenStatus(msgspec.Struct, frozen=True):
    status: str


_MEETINGS = frozenset({10035, 10057, 10079})
"""Codes of an upload that met another one."""


def _is_json(response: Response) -> bool:
    try:
        msgspec.json.decode(response.body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
