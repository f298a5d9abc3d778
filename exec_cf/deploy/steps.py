"""The steps of a deployment, and of its deletion.

Every step is idempotent, and one upload contains code, vars, secrets and migrations. So the next run completes one that
was interrupted at any point.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from exec_cf.deploy import live, refusals, upload
from exec_cf.deploy.api import Api, ApiError, NoAnswer
from exec_cf.deploy.fingerprint import MIN_KEY_CHARS
from exec_cf.deploy.live import Live
from exec_cf.deploy.messages import CONTROL_TOKEN, Deployed, Options
from exec_cf.deploy.plan import Plan
from exec_cf.deploy.remote import Account, Remote, Worker, accounts, token_status
from exec_cf.deploy.site import Site
from exec_cf.display import quoted, shell_word
from exec_cf.errors import Code, Diagnostic, Note, Refused, os_reason
from exec_cf.world import World

UPLOADS = 3
"""How often an upload is tried that gets no answer, or conflicts with another deployment."""

_UPLOAD_PAUSE_S = 2.0
_POLL_PAUSES_S = (0.5, 1.0, 2.0)

_MAX_LISTED = 5
"""How many accounts a refusal lists."""

_ADDRESS = "workers.dev address"
_CRONS = "cron triggers"

_CONFLICTING_DEPLOYMENT = frozenset({10035, 10057, 10079})
"""Codes of an upload that conflicts with another one."""


Confirm = Callable[[str], bool]
"""Asks the user a question, and returns whether the answer is yes. Raises `Refused` if there is nobody to ask."""


class Steps:
    """One run of a plan."""

    def __init__(self, plan: Plan, world: World, note: Note) -> None:
        self._plan = plan
        self._wanted = plan.wanted
        self._world = world
        self._note = note
        credentials = plan.credentials
        secrets = tuple(plan.wanted.secrets.values())
        self._api = Api(credentials.base, credentials.token, secrets, world.exchange, world.sleep, note)
        self._account = credentials.account

    def deploy(self, options: Options) -> Deployed:
        """Deploy the Worker and return what was done. Raises `Refused`."""
        try:
            return self._deployed(self._remote(), options)
        except (ApiError, NoAnswer) as error:
            raise self._refusal(error) from None

    def undeploy(self, options: Options, confirm: Confirm) -> None:
        """Stop the Worker's agents and delete it with their conversations. Raises `Refused`."""
        try:
            self._undeployed(self._remote(), options, confirm)
        except (ApiError, NoAnswer) as error:
            raise self._refusal(error) from None

    def _deployed(self, remote: Remote, options: Options) -> Deployed:
        current = remote.live()
        self._check_owner(remote, current)
        self._check_token_is_set(current)
        self._report_weak_token()
        changed = self._changes(current)
        removed = live.removals(current, self._wanted)
        if current is None:
            self._ensure_subdomain(remote, dry_run=options.dry_run)
        if options.dry_run:
            return self._dry_run_result(remote, current, [*changed, *map(_removed, removed)])
        if changed:
            self._upload(remote, current, changed)
        for name in removed:
            remote.remove_secret(name)
        worker, served = self._serve(remote)
        scheduled = self._schedule(remote, is_new=live.NEW in changed)
        changed += [*map(_removed, removed), *served, *scheduled]
        doubt = self._wait(self._site(worker), current, options.wait_s)
        status = "pending" if doubt else "ready"
        self._report_result(worker.url, changed, status, doubt)
        return self._result(worker.url, changed, status)

    def _undeployed(self, remote: Remote, options: Options, confirm: Confirm) -> None:
        name = self._plan.name
        current = remote.live()
        if current is None:
            self._report(Code.UNCHANGED, f"there is no Worker {name}; nothing was done")
            return
        self._check_owner(remote, current)
        worker = remote.worker()
        self._check_unused(worker)
        if options.dry_run:
            self._report(Code.STEP, f"would delete the Worker {name} with the conversations of all its agents")
            return
        question = f"Delete the Worker {name} of account {self._account} with the conversations of all its agents?"
        if not confirm(question):
            raise _refused(Code.UNCONFIRMED, "not confirmed; nothing was done")
        self._stop_agents(worker, current)
        remote.delete()
        self._report(Code.UNDEPLOYED, f"{name} is deleted, with the conversations of its agents")

    def _remote(self) -> Remote:
        self._account = self._account or self._only_account()
        return Remote(self._api, self._account, self._plan.name)

    def _only_account(self) -> str:
        try:
            found = accounts(self._api)
        except ApiError as error:
            if error.code not in refusals.NO_LIST_OF_ACCOUNTS:
                raise
            found = ()
        if len(found) == 1:
            return found[0].id
        message = "the token may not list its account"
        if found:
            message = f"the token gives access to several accounts: {_listed(found)}"
        raise _refused(Code.ACCOUNT, message, "set CLOUDFLARE_ACCOUNT_ID")

    def _site(self, worker: Worker) -> Site:
        return Site(worker.url, self._wanted.secrets.get(CONTROL_TOKEN, ""), self._world)

    # Checks

    def _check_owner(self, remote: Remote, current: Live | None) -> None:
        """Raise `Refused` if the live Worker is not this program's, or belongs to someone else."""
        plan = self._plan
        if current is None or plan.replace:
            return
        if not current.is_of(self._wanted.bundle):
            hint = "choose another name, or write replace: true to replace it"
            raise _refused(Code.TAKEN, f"the account has another Worker named {plan.name} ({current})", hint)
        if CONTROL_TOKEN not in self._wanted.secrets or CONTROL_TOKEN not in current.secrets or plan.rotate:
            return
        has_same_token = self._has_same_token(remote, current)
        if has_same_token is None:
            self._report(Code.STEP, "cannot check whether the Worker has the CONTROL_TOKEN of the document; continuing")
        elif not has_same_token:
            message = (
                f"the Worker {plan.name} has another CONTROL_TOKEN than the document; it may belong to someone else"
            )
            if plan.new_token_file:
                message = f"the Worker {plan.name} has a CONTROL_TOKEN, and {plan.new_token_file} is missing"
            hint = "supply its token, choose another name, or write rotate: true to replace the token"
            raise _refused(Code.TAKEN, message, hint)

    def _has_same_token(self, remote: Remote, current: Live) -> bool | None:
        """Return whether the Worker has the document's control token, or None if that cannot be determined."""
        ours = self._wanted.fingerprint.secrets.get(CONTROL_TOKEN)
        theirs = current.fingerprint.secrets.get(CONTROL_TOKEN) if current.fingerprint else None
        if ours and theirs:
            return ours == theirs
        if self._plan.new_token_file:
            return False
        worker = remote.worker()
        return self._site(worker).accepts_token() if worker.url else None

    def _check_token_is_set(self, current: Live | None) -> None:
        if (
            self._plan.open
            or CONTROL_TOKEN in self._wanted.secrets
            or (current is not None and CONTROL_TOKEN in current.secrets)
        ):
            return
        hint = "add CONTROL_TOKEN: {file: control.token, create: true} below secrets, or write open: true"
        message = "without a CONTROL_TOKEN, anyone may start and stop agents"
        raise Refused([Diagnostic(Code.MISSING, message, ("secrets",), hint)])

    def _report_weak_token(self) -> None:
        token = self._wanted.secrets.get(CONTROL_TOKEN, "")
        if 0 < len(token) < MIN_KEY_CHARS:
            message = f"has fewer than {MIN_KEY_CHARS} characters, so readers of a handle could guess it"
            self._note(Diagnostic(Code.WEAK, message, ("secrets", CONTROL_TOKEN), "replace it with a longer one"))

    def _check_unused(self, worker: Worker) -> None:
        others = sorted(worker.users - {self._plan.name})
        if others and not self._plan.replace:
            message = f"the Worker {self._plan.name} is in use by {', '.join(others)}"
            raise _refused(Code.TAKEN, message, "stop using it there first")

    # Changes

    def _changes(self, current: Live | None) -> list[str]:
        return live.changes(current, self._wanted, self._migrations(current))

    def _migrations(self, current: Live | None) -> dict[str, Any] | None:
        bundle = self._wanted.bundle
        is_ours = current is not None and current.is_of(bundle)
        tag = current.tag if current else None
        if is_ours and tag is None:
            return None  # it has the classes although it reports no migration
        try:
            return upload.migrations(bundle.migrations, tag, foreign=not is_ours)
        except ValueError:
            message = f"the Worker {self._plan.name} is at migration {tag}, which this program does not know"
            raise _refused(Code.TAKEN, message, "use the newer program") from None

    def _ensure_subdomain(self, remote: Remote, *, dry_run: bool) -> None:
        """Ensure that the account has a subdomain of workers.dev; without one the API refuses an upload, at its end."""
        has, wanted = remote.subdomain(), self._plan.subdomain
        if has and wanted and has != wanted:
            hint = "write that one: a change would move every Worker of the account"
            raise _refused(Code.API, f"the account's workers.dev subdomain is {has}, not {wanted}", hint)
        if not has and not wanted:
            raise _refused(Code.API, refusals.NO_SUBDOMAIN, refusals.SUBDOMAIN_CURE)
        if not has and not dry_run:
            self._report(Code.STEP, f"registering {wanted}.workers.dev, which may take minutes to propagate")
            remote.register(wanted)

    def _upload(self, remote: Remote, current: Live | None, changed: list[str]) -> None:
        """Upload until the new version is live. Raises `Refused`, `ApiError`, `NoAnswer`."""
        self._create_token_file()
        size = len(self._wanted.bundle.code) // 1024
        agents = "" if current is None else "; running agents restart within 5 minutes"
        self._report(Code.STEP, f"uploading {size} KiB: {', '.join(changed)}{agents}")
        for _ in range(UPLOADS - 1):
            pause_s = _UPLOAD_PAUSE_S
            try:
                return self._upload_once(remote, current)
            except NoAnswer as cause:
                pause_s = max(pause_s, cause.wait_s)
                self._report(Code.ATTEMPT, str(cause))
            except ApiError as error:
                if error.code not in _CONFLICTING_DEPLOYMENT:
                    raise
                self._report(Code.ATTEMPT, str(refusals.diagnostic(error)))
            self._world.sleep(pause_s)
            current = remote.live()
            self._check_owner(remote, current)
            if not self._changes(current):
                return None
        return self._upload_once(remote, current)

    def _upload_once(self, remote: Remote, current: Live | None) -> None:
        described = upload.metadata(self._wanted, self._migrations(current), self._plan.tags)
        remote.upload(upload.form(described, self._wanted.bundle.code))

    def _create_token_file(self) -> None:
        file = self._plan.new_token_file
        if not file:
            return
        try:
            self._world.create_secret(file, self._wanted.secrets[CONTROL_TOKEN].encode() + b"\n")
        except OSError as error:
            raise _uncreatable(file, error) from None
        self._report(Code.STEP, f"created {file} with a new control token")

    def _check_token_file(self) -> None:
        """Raise `Refused` if the token file that a deployment creates is known not to be creatable."""
        file = self._plan.new_token_file
        if not file:
            return
        try:
            self._world.check_creatable(file)
        except OSError as error:
            raise _uncreatable(file, error) from None

    def _serve(self, remote: Remote) -> tuple[Worker, list[str]]:
        """Serve the Worker on workers.dev, and return it with a list of the changes."""
        worker = remote.worker()
        if not worker.url:
            raise _refused(Code.API, refusals.NO_SUBDOMAIN, refusals.SUBDOMAIN_CURE)
        if worker.is_served:
            return worker, []
        remote.serve()
        return worker, [_ADDRESS]

    def _schedule(self, remote: Remote, *, is_new: bool) -> list[str]:
        if self._is_scheduled(remote, is_new=is_new):
            return []
        remote.schedule(self._wanted.bundle.crons)
        return [_CRONS]

    def _is_scheduled(self, remote: Remote, *, is_new: bool) -> bool:
        wanted = self._wanted.bundle.crons
        return not wanted or (not is_new and remote.crons() == set(wanted))

    def _stop_agents(self, worker: Worker, current: Live) -> None:
        """Stop the agents before their Worker is deleted, so that they leave the bus."""
        if not worker.url or (CONTROL_TOKEN in current.secrets and CONTROL_TOKEN not in self._wanted.secrets):
            return
        failure = self._site(worker).stop_agents()
        if failure:
            self._report(Code.STEP, f"its agents could not be stopped first: {failure}")

    def _wait(self, site: Site, current: Live | None, wait_s: float) -> str:
        """Wait until the Worker reports the right version and `auth`; return what it says after *wait_s* seconds."""
        secrets = (current.secrets if current else set()) - set(self._wanted.removed)
        auth = "token" if CONTROL_TOKEN in secrets | self._wanted.secrets.keys() else "none"
        deadline = self._world.monotonic() + wait_s
        polls = 0
        while doubt := site.unready(self._wanted.bundle.version, auth):
            if self._world.monotonic() >= deadline:
                return doubt
            if polls == len(_POLL_PAUSES_S):
                self._report(Code.STEP, f"waiting for {site.url}/health: {doubt}")
            self._world.sleep(_POLL_PAUSES_S[min(polls, len(_POLL_PAUSES_S) - 1)])
            polls += 1
        return ""

    # Output

    def _report(self, code: Code, message: str, hint: str = "") -> None:
        self._note(Diagnostic(code, message, hint=hint))

    def _dry_run_result(self, remote: Remote, current: Live | None, changed: list[str]) -> Deployed:
        self._check_token_file()
        url = ""
        if current is not None:
            worker = remote.worker()
            url = worker.url
            changed += [] if worker.is_served else [_ADDRESS]
            changed += [] if self._is_scheduled(remote, is_new=False) else [_CRONS]
        self._report(Code.STEP, f"would change: {', '.join(changed) or 'nothing'}")
        return self._result(url, changed, "planned")

    def _result(self, url: str, changed: list[str], status: str) -> Deployed:
        fields = {"worker": self._plan.name, "account": self._account, "url": url, "changed": changed, "status": status}
        return msgspec.convert({**fields, "version": self._wanted.bundle.version}, Deployed)

    def _report_result(self, url: str, changed: list[str], status: str, doubt: str) -> None:
        name, version = self._plan.name, self._wanted.bundle.version
        token = f" CF_WORKER_TOKEN={self._plan.token_export}" if self._plan.token_export else ""
        if doubt:
            hint = "run it again: it uploads nothing and keeps waiting"
            self._report(Code.NOT_READY, f"{url} does not report version {version} yet: {doubt}", hint)
        self._report(Code.USE, f"to use it: export CF_WORKER_URL={shell_word(url)}{token}")
        if changed:
            self._report(Code.DEPLOYED, f"{name} {version} is deployed and {status}; changed: {', '.join(changed)}")
        else:
            self._report(Code.UNCHANGED, f"{name} {version} is deployed already and {status}; nothing was changed")

    def _refusal(self, error: ApiError | NoAnswer) -> Refused:
        """Return the refusal for *error*. If it is about the token, first ask Cloudflare for the token's status."""
        if isinstance(error, NoAnswer):
            return Refused([refusals.no_answer(error, self._plan.credentials.base)])
        if not refusals.is_about_the_token(error):
            return Refused([refusals.diagnostic(error)])
        reason = f": {error.message}" if error.message else ""
        message = f"Cloudflare refuses the token for this account (code {error.code}{reason})"
        status = token_status(self._api, self._account)
        if status == "active":
            hint = f"give it the permission {refusals.PERMISSION} for this account"
            return _refused(Code.API, f"{message}; it is active", hint)
        if not status:
            hint = "check that it is the whole token, and may be used from this address, or create another"
            return _refused(Code.API, message, hint)
        return _refused(Code.API, f"{message}; it is {status}", "create another API token")


def _listed(found: Sequence[Account]) -> str:
    """Return the ids and names of the first accounts, and whether there are more."""
    named = [f"{account.id} {quoted(account.name)}" for account in found[:_MAX_LISTED]]
    return ", ".join(named) + (", and more" if len(found) > _MAX_LISTED else "")


def _removed(name: str) -> str:
    return f"secret {name} removed"


def _uncreatable(file: str, error: OSError) -> Refused:
    hint = "run it again, or name another file"
    return _refused(Code.UNREADABLE, f"{file} cannot be created: {os_reason(error)}", hint)


def _refused(code: Code, message: str, hint: str = "") -> Refused:
    return Refused([Diagnostic(code, message, hint=hint)])
