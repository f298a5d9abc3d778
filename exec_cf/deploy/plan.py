"""Turns a worker document, the environment and the files of secrets into a plan, before any call."""

from collections.abc import Mapping
from typing import Any

import msgspec

from exec_cf import urls
from exec_cf.decode import decode
from exec_cf.deploy import rules
from exec_cf.deploy.api import BASE, BASE_VARIABLE
from exec_cf.deploy.bundle import Bundle
from exec_cf.deploy.live import Wanted
from exec_cf.deploy.messages import CONTROL_TOKEN, SecretSource, TokenSource, WorkerDocument
from exec_cf.display import shell_word
from exec_cf.document import Document
from exec_cf.errors import Code, Diagnostic, InvalidValue, Path, Refused, os_reason
from exec_cf.rules import text
from exec_cf.settings import bearer
from exec_cf.world import World

_MAX_SHOWN_NAME_CHARS = 31


class Credentials(msgspec.Struct, frozen=True):
    """The API's base URL, the token and the account."""

    base: str
    token: str
    account: str
    """Empty if neither the environment nor the document names one."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that a deployment needs to know."""

    name: str
    tags: tuple[str, ...]
    subdomain: str
    credentials: Credentials
    wanted: Wanted
    new_token_file: str
    """The file to create for a new control token; empty if none is created."""
    token_export: str
    """A shell expression for the control token; empty if the document does not name it."""
    open: bool
    rotate: bool
    replace: bool


def credentials(document: Document, environ: Mapping[str, str]) -> Credentials:
    """Return the credentials for the API. Raises `Refused` with every problem of *environ*."""
    problems: list[Diagnostic] = []
    token = _api_token(environ, problems)
    account = environ.get("CLOUDFLARE_ACCOUNT_ID", "")
    if account and not rules.ACCOUNT_ID.fullmatch(account):
        message = "CLOUDFLARE_ACCOUNT_ID is not an account id"
        problems.append(Diagnostic(Code.ENVIRONMENT, message, hint="set it to the account's 32 hexadecimal digits"))
    base = environ.get(BASE_VARIABLE, "") or BASE
    try:
        base = urls.base_url(base)
        if base.startswith("http:") and not urls.is_loopback(base):
            raise InvalidValue("the token would be sent unencrypted", "")
    except InvalidValue as invalid:
        # The hints of `urls` are about the Worker's URL.
        message = f"{BASE_VARIABLE}: {invalid.message}"
        problems.append(Diagnostic(Code.ENVIRONMENT, message, hint=f"write it like {BASE}, or unset it"))
    if problems:
        raise Refused(problems)
    return Credentials(base, token, account or text(document.value, "account"))


def plan(document: Document, folder: str, world: World, bundle: Bundle, *, deploys: bool) -> Plan:
    """Return the plan of *document*; the files of its secrets are relative to *folder*.

    Deleting needs no secrets: with *deploys* false, secrets that cannot be read are no problem.
    Raises `Refused` with every problem of the document, of the files that it names and of the environment.
    """
    problems = list(document.problems)
    fields: dict[str, Any] = document.value if isinstance(document.value, dict) else {}
    described, found = decode(document, WorkerDocument)
    problems += found
    problems += map(document.locate, rules.broken(fields, bundle.name))
    api_credentials = Credentials("", "", "")
    try:
        api_credentials = credentials(document, world.environ)
    except Refused as refused:
        problems += refused.problems
    if described is None:
        raise Refused(problems)
    secrets = _Secrets(described, folder, world)
    if deploys:
        problems += map(document.locate, secrets.problems)
    if problems:
        raise Refused(problems)
    service, env = described.worker or bundle.name, described.env or ""
    variables = {} if described.vars is msgspec.UNSET else _named(described.vars)
    return Plan(
        name=rules.worker_name(fields, bundle.name),
        tags=(f"cf:service={service}", f"cf:environment={env}") if env else (),
        subdomain=described.subdomain or "",
        credentials=api_credentials,
        wanted=Wanted(bundle=bundle, vars=variables, secrets=secrets.values, removed=tuple(secrets.removed)),
        new_token_file=secrets.new_token_file,
        token_export=secrets.token_export,
        open=described.open is True,
        rotate=described.rotate is True,
        replace=described.replace is True,
    )


def _api_token(environ: Mapping[str, str], problems: list[Diagnostic]) -> str:
    token = environ.get("CLOUDFLARE_API_TOKEN", "")
    how = f"create an API token in Cloudflare's dashboard with the permission {_PERMISSIONS}"
    if not token:
        message = "CLOUDFLARE_API_TOKEN is not set"
        if environ.get("CLOUDFLARE_API_KEY"):
            message += ", and CLOUDFLARE_API_KEY is not used"
        problems.append(Diagnostic(Code.CREDENTIALS, message, hint=how))
    try:
        return bearer(token)
    except InvalidValue as invalid:
        problems.append(Diagnostic(Code.CREDENTIALS, f"CLOUDFLARE_API_TOKEN {invalid.message}", hint=how))
    return ""


_PERMISSIONS = "Workers Scripts: Edit (and Account Settings: Read, or set CLOUDFLARE_ACCOUNT_ID)"


def _named(struct: msgspec.Struct) -> dict[str, Any]:
    """Return the fields of *struct* that are set."""
    return {
        field: value for field in struct.__struct_fields__ if (value := getattr(struct, field)) is not msgspec.UNSET
    }


class _Secrets:
    """Reads the secrets that a document names, each on its own, so that all problems are reported at once."""

    def __init__(self, described: WorkerDocument, folder: str, world: World) -> None:
        self._folder = folder
        self._world = world
        self.values: dict[str, str] = {}
        self.removed: list[str] = []
        self.problems: list[Diagnostic] = []
        self.new_token_file = ""
        self.token_export = ""
        sources = {} if described.secrets is msgspec.UNSET else _named(described.secrets)
        for name, source in sources.items():
            if source is None:
                self.removed.append(name)
            elif not any(rules.broken_source(msgspec.to_builtins(source), ("secrets", name))):
                self._read(name, source, ("secrets", name))

    def _read(self, name: str, source: SecretSource, path: Path) -> None:
        if isinstance(source, TokenSource):
            self.token_export = f'"${source.env}"' if source.env else f'"$(cat {_operand(self._path(source))})"'
        try:
            self.values[name] = self._checked(name, self._value(source))
        except InvalidValue as invalid:
            code = Code.UNREADABLE if source.file else Code.ENVIRONMENT
            self.problems.append(Diagnostic(code, invalid.message, path, invalid.hint))

    def _value(self, source: SecretSource) -> str:
        if source.env:
            value = self._world.environ.get(source.env, "")
            if not value:
                variable = f"the variable {source.env}" if _may_be_shown(source.env) else "that variable"
                raise InvalidValue(f"{variable} is not set", "set it, or remove the secret")
            return value
        return self._file(source) if source.file else ""

    def _path(self, source: SecretSource) -> str:
        file = source.file or ""
        return file if file.startswith("/") or not self._folder else f"{self._folder}/{file}"

    def _file(self, source: SecretSource) -> str:
        file = self._path(source)
        try:
            data = self._world.read_secret(file, rules.MAX_VALUE_BYTES + len(b"\r\n"))
            value = data.decode()
        except FileNotFoundError as error:
            if not (isinstance(source, TokenSource) and source.create is True):
                raise _unreadable(file, error) from None
            self.new_token_file = file
            return self._world.random_token()
        except OSError as error:
            raise _unreadable(file, error) from None
        except UnicodeDecodeError:
            raise InvalidValue(f"{_shown(file)} is not UTF-8 text", "name the right file") from None
        return value.removesuffix("\n").removesuffix("\r")

    def _checked(self, name: str, value: str) -> str:
        if not value:
            raise InvalidValue("the secret is empty", "give it a value, or write null to remove it")
        try:
            length = len(value.encode())
        except UnicodeEncodeError:
            raise InvalidValue("the secret is not UTF-8 text", "name the right source") from None
        if length > rules.MAX_VALUE_BYTES:
            raise InvalidValue(f"the secret is longer than {rules.MAX_VALUE_BYTES} bytes", "name the right source")
        if name == "NATS_WS_URL":
            rules.check_bus_url(value)
        return bearer(value) if name == CONTROL_TOKEN else value


def _unreadable(file: str, error: OSError) -> InvalidValue:
    return InvalidValue(f"{_shown(file)} cannot be read: {os_reason(error)}", "name a file with the secret")


def _shown(file: str) -> str:
    return file if _may_be_shown(file.rpartition("/")[2]) else "that file"


def _may_be_shown(name: str) -> bool:
    """Return whether *name* is too short to be the secret itself, written where its source belongs."""
    return len(name) <= _MAX_SHOWN_NAME_CHARS


def _operand(path: str) -> str:
    """Return *path* as a word that no command takes for an option."""
    return shell_word(f"./{path}" if path.startswith("-") else path)
