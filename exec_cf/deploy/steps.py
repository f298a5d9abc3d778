"""The steps of a deployment, and of taking one away.

Each step can be repeated, and one upload carries code, vars, secrets and migrations. So a run that was interrupted,
wherever that was, is completed by the next one.
"""

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from exec_cf.deploy import live, refusals, remote, upload
from exec_cf.deploy.api import Api, ApiError, NoAnswer
from exec_cf.deploy.live import Live
from exec_cf.deploy.messages import Deployed, Options
from exec_cf.deploy.plan import TOKEN, Plan
from exec_cf.deploy.remote import Remote, Worker
from exec_cf.deploy.site import Site
from exec_cf.errors import Code, Diagnostic, Refused
from exec_cf.world import World

UPLOADS = 3
"""How often an upload is tried that has no answer, or meets another deployment."""

_UPLOAD_PAUSE_S = 2.0
_POLL_PAUSES_S = (0.5, 1.0, 2.0)

_MEETINGS = frozenset({10035, 10057, 10079})
"""Codes of an upload that met another one."""


class Confirm(Protocol):
    """Asks the user whether to go on. Raises `Refused` when nobody can answer."""

    def __call__(self, question: str) -> bool:
        """Return the answer."""
        ...


class Steps:
    """One run: a plan, and the world in which it is carried out."""

    def __init__(self, plan: Plan, world: World, note: Callable[[Diagnostic], None]) -> None:
        self._plan = plan
        self._wanted = plan.wanted
        self._world = world
        self._note = note
        opened = plan.credentials
        secrets = tuple(plan.wanted.secrets.values())
        self._api = Api(opened.base, opened.token, secrets, world.exchange, world.sleep, note)
        self._account = opened.account

    def deploy(self, options: Options) -> Deployed:
        """Put the Worker in place and return what was done. Raises `Refused`."""
        try:
            return self._deployed(self._remote(), options)
        except (ApiError, NoAnswer) as error:
            raise self._refusal(error) from None

    def undeploy(self, options: Options, confirm: Confirm) -> None:
        """Stop the Worker's agents and delete it with all that they remember. Raises `Refused`."""
        try:
            self._undeployed(self._remote(), options, confirm)
        except (ApiError, NoAnswer) as error:
            raise self._refusal(error) from None

    def _deployed(self, there: Remote, options: Options) -> Deployed:
        now = there.live()
        self._check_owner(there, now)
        self._check_token_is_set(now)
        changed = self._changes(now)
        removed = live.removals(now, self._wanted)
        if now is None:
            self._ensure_subdomain(there, dry_run=options.dry_run)
        if options.dry_run:
            url = "" if now is None else there.worker().url
            return self._planned(url, [*changed, *map(_removed, removed)])
        if changed:
            self._upload(there, now, changed)
        for name in removed:
            there.remove_secret(name)
        worker, served = self._serve(there)
        scheduled = self._schedule(there, is_new=live.NEW in changed)
        changed += [*map(_removed, removed), *served, *scheduled]
        status = "ready" if self._is_up(self._site(worker), now, options.wait_s) else "pending"
        self._report(worker.url, changed, status)
        return self._printed(worker.url, changed, status)

    def _undeployed(self, there: Remote, options: Options, confirm: Confirm) -> None:
        name = self._plan.name
        now = there.live()
        if now is None:
            self._say(Code.UNCHANGED, f"there is no Worker {name}; nothing was done")
            return
        self._check_owner(there, now)
        worker = there.worker()
        self._check_unused(worker)
        if options.dry_run:
            self._say(Code.STEP, f"would delete the Worker {name} with the conversations of all its agents")
            return
        question = f"Delete the Worker {name} of account {self._account} with the conversations of all its agents?"
        if not confirm(question):
            raise _refused(Code.UNCONFIRMED, "not confirmed; nothing was done")
        self._stop_agents(worker, now)
        there.delete()
        self._say(Code.UNDEPLOYED, f"{name} is deleted, with the conversations of its agents")

    def _remote(self) -> Remote:
        self._account = self._account or self._only_account()
        return Remote(self._api, self._account, self._plan.name)

    def _only_account(self) -> str:
        found = remote.accounts(self._api)
        if len(found) == 1:
            return found[0].id
        message = "the token does not show which account it is for"
        if found:
            named = ", ".join(f'{account.id} "{account.name}"' for account in found)
            message = f"the token gives access to {len(found)} accounts: {named}"
        raise _refused(Code.ACCOUNT, message, "set CLOUDFLARE_ACCOUNT_ID")

    def _site(self, worker: Worker) -> Site:
        return Site(worker.url, self._wanted.secrets.get(TOKEN, ""), self._world)

    # Whether it may be touched

    def _check_owner(self, there: Remote, now: Live | None) -> None:
        """Raise `Refused` when what runs is not this program's Worker, or is somebody else's."""
        plan = self._plan
        if now is None or plan.replace:
            return
        if not now.is_of(self._wanted.bundle):
            hint = "choose another name, or write replace: true to replace it"
            raise _refused(Code.TAKEN, f"the account has another Worker named {plan.name} ({now})", hint)
        if TOKEN not in self._wanted.secrets or TOKEN not in now.secrets or plan.rotate:
            return
        has_same_token = self._has_same_token(there, now)
        if has_same_token is None:
            self._say(Code.STEP, "cannot check whether the Worker has the CONTROL_TOKEN of the document; continuing")
        elif not has_same_token:
            message = f"the Worker {plan.name} has another CONTROL_TOKEN than the document: it may be somebody else's"
            if plan.new_token_file:
                message = f"the Worker {plan.name} has a CONTROL_TOKEN, and {plan.new_token_file} is missing"
            hint = "bring its token, choose another name, or write rotate: true to replace the token"
            raise _refused(Code.TAKEN, message, hint)

    def _has_same_token(self, there: Remote, now: Live) -> bool | None:
        """Say whether the Worker has the document's control token; None when that cannot be found out."""
        if self._plan.new_token_file:
            return False
        ours = self._wanted.mark.secrets.get(TOKEN)
        theirs = now.mark.secrets.get(TOKEN) if now.mark else None
        if ours and theirs:
            return ours == theirs
        worker = there.worker()
        return self._site(worker).accepts_token() if worker.url else None

    def _check_token_is_set(self, now: Live | None) -> None:
        if self._plan.open or TOKEN in self._wanted.secrets or (now is not None and TOKEN in now.secrets):
            return
        hint = "add CONTROL_TOKEN: {file: control.token, create: true} below secrets, or write open: true"
        message = "without a CONTROL_TOKEN anybody may start and stop agents"
        raise Refused([Diagnostic(Code.MISSING, message, ("secrets",), hint)])

    def _check_unused(self, worker: Worker) -> None:
        others = sorted(worker.users - {self._plan.name})
        if others and not self._plan.replace:
            message = f"the Worker {self._plan.name} is in use by {', '.join(others)}"
            raise _refused(Code.TAKEN, message, "take it out of use there first")

    # What is done

    def _changes(self, now: Live | None) -> list[str]:
        return live.changes(now, self._wanted, self._migrations(now))

    def _migrations(self, now: Live | None) -> dict[str, Any] | None:
        bundle = self._wanted.bundle
        is_ours = now is not None and now.is_of(bundle)
        tag = now.tag if now else None
        if is_ours and tag is None:
            return None  # it reports no migration, yet has the classes
        try:
            return upload.migrations(bundle.migrations, tag, foreign=not is_ours)
        except ValueError:
            message = f"the Worker {self._plan.name} is at migration {tag}, which this program does not know"
            raise _refused(Code.TAKEN, message, "use the newer program") from None

    def _ensure_subdomain(self, there: Remote, *, dry_run: bool) -> None:
        """See that the account has a name on workers.dev: an upload without one is refused after a megabyte."""
        has, wanted = there.subdomain(), self._plan.subdomain
        if has and wanted and has != wanted:
            hint = "write that one: another would move every Worker of the account"
            raise _refused(Code.API, f"the account's workers.dev subdomain is {has}, not {wanted}", hint)
        if not has and not wanted:
            raise _refused(Code.API, refusals.NO_SUBDOMAIN, refusals.SUBDOMAIN_CURE)
        if not has and not dry_run:
            self._say(Code.STEP, f"registering {wanted}.workers.dev, which may take minutes to be known")
            there.register(wanted)

    def _upload(self, there: Remote, now: Live | None, changed: list[str]) -> None:
        """Upload until the new version is live. Raises `Refused`, `ApiError`, `NoAnswer`."""
        self._create_token_file()
        size = len(self._wanted.bundle.code) // 1024
        agents = "" if now is None else "; agents that run are restarted within 5 minutes"
        self._say(Code.STEP, f"uploading {size} KiB: {', '.join(changed)}{agents}")
        for _ in range(UPLOADS - 1):
            try:
                return self._upload_once(there, now)
            except NoAnswer as cause:
                self._say(Code.ATTEMPT, str(cause))
            except ApiError as error:
                if error.code not in _MEETINGS:
                    raise
                self._say(Code.ATTEMPT, str(refusals.diagnostic(error)))
            self._world.sleep(_UPLOAD_PAUSE_S)
            now = there.live()
            self._check_owner(there, now)
            if not self._changes(now):
                return None
        return self._upload_once(there, now)

    def _upload_once(self, there: Remote, now: Live | None) -> None:
        described = upload.metadata(self._wanted, self._migrations(now), self._plan.tags)
        there.upload(upload.form(described, self._wanted.bundle.code))

    def _create_token_file(self) -> None:
        file = self._plan.new_token_file
        if not file:
            return
        try:
            self._world.create_secret(file, self._wanted.secrets[TOKEN].encode() + b"\n")
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            hint = "run it again, or name another file"
            raise _refused(Code.UNREADABLE, f"{file} cannot be created: {reason}", hint) from None
        self._say(Code.STEP, f"created {file} with a new control token")

    def _serve(self, there: Remote) -> tuple[Worker, list[str]]:
        """Serve the Worker on workers.dev, and return it with what that changed."""
        worker = there.worker()
        if not worker.url:
            raise _refused(Code.API, refusals.NO_SUBDOMAIN, refusals.SUBDOMAIN_CURE)
        if worker.is_served:
            return worker, []
        there.serve()
        return worker, ["workers.dev address"]

    def _schedule(self, there: Remote, *, is_new: bool) -> list[str]:
        wanted = self._wanted.bundle.crons
        if not wanted or (not is_new and there.crons() == set(wanted)):
            return []
        there.schedule(wanted)
        return ["cron triggers"]

    def _stop_agents(self, worker: Worker, now: Live) -> None:
        """Stop the agents while their Worker still exists, so that they leave the bus."""
        if not worker.url or (TOKEN in now.secrets and TOKEN not in self._wanted.secrets):
            return
        failure = self._site(worker).stop_agents()
        if failure:
            self._say(Code.STEP, f"its agents could not be stopped first: {failure}")

    def _is_up(self, site: Site, now: Live | None, wait_s: float) -> bool:
        """Say whether the Worker reports the version and `auth` that it should have, within *wait_s* seconds."""
        kept = (now.secrets if now else set()) - set(self._wanted.removed)
        auth = "token" if TOKEN in kept | self._wanted.secrets.keys() else "none"
        deadline = self._world.monotonic() + wait_s
        polls = 0
        while not site.reports(self._wanted.bundle.version, auth):
            if self._world.monotonic() >= deadline:
                return False
            if polls == len(_POLL_PAUSES_S):
                self._say(Code.STEP, f"waiting for {site.url}/health")
            self._world.sleep(_POLL_PAUSES_S[min(polls, len(_POLL_PAUSES_S) - 1)])
            polls += 1
        return True

    # What is said

    def _say(self, code: Code, message: str, hint: str = "") -> None:
        self._note(Diagnostic(code, message, hint=hint))

    def _planned(self, url: str, changed: list[str]) -> Deployed:
        self._say(Code.STEP, f"would change: {', '.join(changed) or 'nothing'}")
        return self._printed(url, changed, "planned")

    def _printed(self, url: str, changed: list[str], status: str) -> Deployed:
        fields = {"worker": self._plan.name, "account": self._account, "url": url, "changed": changed, "status": status}
        return msgspec.convert({**fields, "version": self._wanted.bundle.version}, Deployed)

    def _report(self, url: str, changed: list[str], status: str) -> None:
        name, version = self._plan.name, self._wanted.bundle.version
        token = f" CF_WORKER_TOKEN={self._plan.token_export}" if self._plan.token_export else ""
        if status == "pending":
            hint = "run it again: it uploads nothing and keeps waiting"
            self._say(Code.NOT_READY, f"{url} does not report version {version} yet", hint)
        self._say(Code.USE, f"to use it: export CF_WORKER_URL={url}{token}")
        if changed:
            self._say(Code.DEPLOYED, f"{name} {version} is deployed and {status}; changed: {', '.join(changed)}")
        else:
            self._say(Code.UNCHANGED, f"{name} {version} is deployed already and {status}; nothing was changed")

    def _refusal(self, error: ApiError | NoAnswer) -> Refused:
        """Return the refusal that *error* leads to; if it is about the token, after checking what is wrong with it."""
        if isinstance(error, NoAnswer) or not refusals.is_about_the_token(error):
            return Refused([refusals.diagnostic(error)])
        message = f"Cloudflare refuses the token for this account (code {error.code})"
        status = remote.token_status(self._api, self._account)
        if status == "active":
            hint = f"give it the permission {refusals.PERMISSION} for this account"
            return _refused(Code.API, f"{message}; it is active", hint)
        return _refused(Code.API, f"{message}; it is {status or 'not valid'}", "create another API token")


def _removed(name: str) -> str:
    return f"secret {name} removed"


def _refused(code: Code, message: str, hint: str = "") -> Refused:
    return Refused([Diagnostic(code, message, hint=hint)])
