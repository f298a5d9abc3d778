"""The environment variables, one row each; the README's table is generated from these rows."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from exec_cf.display import quoted, truncated
from exec_cf.errors import Code, Diagnostic, InvalidValue, Note, Refused
from exec_cf.subjects import check_token
from exec_cf.urls import base_url, is_loopback, origin_of


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The values of the environment variables, in the units of `SETTINGS`."""

    url: str
    healthcheck: bool
    timeout_ms: int
    retries: int
    bootstrap: bool
    bootstrap_timeout_ms: int
    token: str
    access_client_id: str
    access_client_secret: str
    owner: str

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that are never shown, the longest first, since one may begin with another."""
        given = filter(None, (self.token, self.access_client_secret, self.access_client_id))
        return tuple(sorted(given, key=len, reverse=True))


class Setting(msgspec.Struct, frozen=True):
    """One variable. *parse* turns its text, never empty, into a value, or raises `InvalidValue`.

    A variable with a *cap* is a number, and one whose *default* is True is a switch. For these, the default replaces an
    invalid value and the cap a larger number, each with a diagnostic.
    """

    field: str
    name: str
    meaning: str
    default: Any
    parse: Callable[[str], Any] = str
    cap: int = 0


_SWITCH = {"0": False, "false": False, "off": False, "1": True, "true": True, "on": True}


def _token(text: str) -> str:
    check_token(text)
    return text


def bearer(text: str) -> str:
    """Return *text*, a bearer token. Raises `InvalidValue` if it cannot be sent in a header."""
    if not all("!" <= char <= "~" for char in text):
        raise InvalidValue("contains a character that cannot be sent in a header", "use printable ASCII without spaces")
    return text


SETTINGS: tuple[Setting, ...] = (
    Setting(
        "url",
        "CF_WORKER_URL",
        "base URL of the Worker; takes precedence over `cf-worker.script`, but a handle keeps its own Worker",
        "",
        base_url,
    ),
    Setting(
        "owner",
        "OPEN_AGENT_OWNER",
        "owner token of the subjects; takes precedence over the spec's `owner`",
        "",
        _token,
    ),
    Setting(
        "healthcheck",
        "CF_WORKER_HEALTHCHECK",
        "`0`, `false` or `off`: a spawn makes no network call and returns a `pending` handle",
        True,
    ),
    Setting(
        "timeout_ms",
        "CF_WORKER_HEALTHCHECK_TIMEOUT_MS",
        "timeout of each request except the start, in milliseconds; a minute or more for `--abort --all`",
        5000,
        cap=600_000,
    ),
    Setting(
        "retries",
        "CF_WORKER_HEALTHCHECK_RETRIES",
        "attempts for each request; also how often `--teardown` checks whether the agent is gone",
        3,
        cap=100,
    ),
    Setting(
        "bootstrap",
        "CF_WORKER_BOOTSTRAP",
        "`0`, `false` or `off`: no agent is started, and `ready` only means that the Worker is healthy",
        True,
    ),
    Setting(
        "bootstrap_timeout_ms",
        "CF_WORKER_BOOTSTRAP_TIMEOUT_MS",
        "timeout of each start (`POST <base>/agent/<session>`), in milliseconds",
        15_000,
        cap=600_000,
    ),
    Setting(
        "token",
        "CF_WORKER_TOKEN",
        "bearer token for a Worker with a `CONTROL_TOKEN`; only sent over https or to loopback",
        "",
        bearer,
    ),
    Setting(
        "access_client_id",
        "CF_ACCESS_CLIENT_ID",
        "id of a service token, for a Worker behind Cloudflare Access; goes with `CF_ACCESS_CLIENT_SECRET`",
        "",
        bearer,
    ),
    Setting(
        "access_client_secret",
        "CF_ACCESS_CLIENT_SECRET",
        "secret of that service token; both are sent over https or to loopback only",
        "",
        bearer,
    ),
)

_POSITIVE = re.compile("0*[1-9][0-9]*")
_MAX_DIGITS = 18


def read(environ: Mapping[str, str]) -> tuple[Settings, list[Diagnostic], list[Diagnostic]]:
    """Return the settings in *environ*, notes on values that were replaced, and problems. Empty counts as unset."""
    values: dict[str, Any] = {}
    notes: list[Diagnostic] = []
    problems: list[Diagnostic] = []
    for setting in SETTINGS:
        text = environ.get(setting.name, "")
        try:
            values[setting.field] = _value(setting, text, notes) if text else setting.default
        except InvalidValue as invalid:
            values[setting.field] = setting.default
            problems.append(Diagnostic(Code.ENVIRONMENT, f"{setting.name}: {invalid.message}", hint=invalid.hint))
    problems += _half_a_service_token(environ)
    return Settings(**values), notes, problems


def _half_a_service_token(environ: Mapping[str, str]) -> list[Diagnostic]:
    names = ("CF_ACCESS_CLIENT_ID", "CF_ACCESS_CLIENT_SECRET")
    given = [name for name in names if environ.get(name)]
    if len(given) != 1:
        return []
    (missing,) = {*names} - {*given}
    return [Diagnostic(Code.ENVIRONMENT, f"{given[0]} is set without {missing}", hint="set both or neither")]


@contextmanager
def applied(environ: Mapping[str, str], note: Note) -> Iterator[Settings]:
    """Yield the settings of *environ* to a block that reads a document; *note* gets their diagnostics afterwards.

    Raises `Refused` with every problem of the environment and of the `Refused` that the block raises, if any; then
    nothing is noted.
    """
    settings, notes, problems = read(environ)
    try:
        yield settings
    except Refused as refused:
        raise Refused([*problems, *refused.problems]) from None
    if problems:
        raise Refused(problems)
    for diagnostic in notes:
        note(diagnostic)


def of_worker(environ: Mapping[str, str], note: Note) -> Settings:
    """Return the settings for requests to the Worker of `CF_WORKER_URL`. Raises `Refused`, also if it is not set."""
    with applied(environ, note) as settings:
        if not environ.get("CF_WORKER_URL"):
            hint = "set it to the Worker's URL, like https://orch-cf-agent.ACCOUNT.workers.dev"
            raise Refused([Diagnostic(Code.ENVIRONMENT, "CF_WORKER_URL is not set", hint=hint)])
        problems = check_token_destination(settings.url, settings)
        if problems:
            raise Refused(problems)
    return settings


def _value(setting: Setting, text: str, notes: list[Diagnostic]) -> Any:
    if setting.default is True:
        return _switched(setting, text, notes)
    return _number(setting, text, notes) if setting.cap else setting.parse(text)


def _switched(setting: Setting, text: str, notes: list[Diagnostic]) -> bool:
    found = _SWITCH.get(text.strip().lower())
    if found is None:
        message = f"{setting.name}: {quoted(text)} is not one of {', '.join(_SWITCH)}"
        notes.append(Diagnostic(Code.SETTING, message, hint="using the default, on"))
    return found is not False


def _number(setting: Setting, text: str, notes: list[Diagnostic]) -> int:
    digits = text.strip()
    if not _POSITIVE.fullmatch(digits):
        message = f"{setting.name}: {quoted(text)} is not a positive integer"
        notes.append(Diagnostic(Code.SETTING, message, hint=f"using the default, {setting.default}"))
        return int(setting.default)
    number = int(digits[-_MAX_DIGITS:]) if len(digits.lstrip("0")) <= _MAX_DIGITS else setting.cap + 1
    if number > setting.cap:
        message = f"{setting.name}: {quoted(text)} exceeds the maximum"
        notes.append(Diagnostic(Code.SETTING, message, hint=f"using {setting.cap}"))
    return min(number, setting.cap)


def check_token_destination(base: str, settings: Settings) -> list[Diagnostic]:
    """Return a problem for each secret that is not meant for *base*, or would be sent to it unencrypted."""
    return [problem for name in _sent_secrets(settings) for problem in _destination_problems(name, base, settings)]


def _sent_secrets(settings: Settings) -> list[str]:
    """Return the variables whose secrets are sent to the Worker; one stands for both of a service token."""
    token = ["CF_WORKER_TOKEN"] if settings.token else []
    return [*token, "CF_ACCESS_CLIENT_SECRET"] if settings.access_client_secret else token


def _destination_problems(name: str, base: str, settings: Settings) -> list[Diagnostic]:
    if settings.url and origin_of(settings.url) != origin_of(base):
        message = f"{name} is for the Worker at CF_WORKER_URL, but this is {truncated(base)}"
        return [Diagnostic(Code.ENVIRONMENT, message, hint="set both for the Worker of the handle")]
    if not base.startswith("http:") or is_loopback(base):
        return []
    message = f"{name} would be sent unencrypted to {truncated(base)}"
    return [Diagnostic(Code.ENVIRONMENT, message, hint=f"use https, or unset {name}")]


def service_token(settings: Settings) -> dict[str, str]:
    """Return the headers that carry the service token of Cloudflare Access; none if it is not set."""
    if not settings.access_client_id:
        return {}
    return {
        "cf-access-client-id": settings.access_client_id,
        "cf-access-client-secret": settings.access_client_secret,
    }
