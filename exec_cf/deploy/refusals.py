"""Turns Cloudflare's error codes into diagnostics with a hint."""

from typing import NamedTuple

from exec_cf.deploy.api import BASE, BASE_VARIABLE, ApiError, NoAnswer, RateLimited
from exec_cf.errors import Code, Diagnostic

AUTHENTICATION = frozenset({10000, 10001, 9109, 9106, 10023})
"""The token is invalid, or lacks a permission."""

NO_WORKER = frozenset({10007, 10090})
"""There is no Worker of that name."""

NO_LIST_OF_ACCOUNTS = frozenset({1001})
"""A token that an account owns may not list accounts."""

NO_VERSION = frozenset({10222, 10071})
"""There is a Worker of that name, without any version."""

NO_SUBDOMAIN = "the account has no workers.dev subdomain"
SUBDOMAIN_CURE = "write subdomain: NAME to register one, or register it in the dashboard under Workers"
PERMISSION = "Workers Scripts: Edit"


class Meaning(NamedTuple):
    """What a code means, and what to do."""

    message: str
    hint: str


_REPORT = "please report this"
_AGAIN = "run it again"

_DELETED = Meaning("the Worker was deleted in the meantime", _AGAIN)

MEANINGS: dict[int, Meaning] = {
    **dict.fromkeys(NO_WORKER | NO_VERSION, _DELETED),
    6003: Meaning(
        "Cloudflare does not accept CLOUDFLARE_API_TOKEN as a token",
        "set it to an API token, without quotes; the Global API Key is not one",
    ),
    7003: Meaning("Cloudflare does not know the account", "set CLOUDFLARE_ACCOUNT_ID to its 32 hexadecimal digits"),
    10016: Meaning("Cloudflare refuses the Worker's name", "choose another"),
    10021: Meaning("Cloudflare cannot load the Worker", _REPORT),
    10027: Meaning("the Worker is too large for this account", _REPORT),
    10031: Meaning("that subdomain is taken", "write another subdomain"),
    10036: Meaning("that subdomain is taken", "write another subdomain"),
    10034: Meaning("the e-mail address of the account is not verified", "verify it in the dashboard, and run it again"),
    10035: Meaning("another deployment of this Worker is running", _AGAIN),
    10037: Meaning("the account has reached its limit of Workers", "delete one, or use another account"),
    10054: Meaning("a var or secret is too large", "shorten it"),
    10055: Meaning("the Worker has too many vars and secrets", "remove some"),
    10057: Meaning("a secret to keep does not exist", "name it in the document"),
    10061: Meaning("a class of the Worker has no namespace", _REPORT),
    10063: Meaning(NO_SUBDOMAIN, SUBDOMAIN_CURE),
    10064: Meaning(
        "the existing Worker is in use, or has objects of a class that this one lacks", "choose another name"
    ),
    10070: Meaning("the migrations do not fit the existing Worker", "choose another name"),
    10074: Meaning("the migrations do not fit the existing Worker", "choose another name"),
    10079: Meaning("another deployment of this Worker is running", _AGAIN),
    10097: Meaning("the account's plan does not allow the Worker's Durable Objects", _REPORT),
    10211: Meaning("Cloudflare does not accept the migration", _REPORT),
    10214: Meaning("the Worker's latest version is not the live one", _AGAIN),
    10215: Meaning("the Worker's latest version is not the live one", _AGAIN),
    10353: Meaning("Cloudflare has blocked the account from deploying", "ask Cloudflare's support"),
}
"""Only codes are matched, since texts and HTTP statuses change."""


def no_answer(error: NoAnswer, base: str) -> Diagnostic:
    """Return the diagnostic for *error*; *base* is the API's base URL, which the user may have set."""
    hint = "let requests to it pass, and run it again" if error.is_foreign else _AGAIN
    hint = hint if base == BASE else f"check {BASE_VARIABLE}, or run it again"
    return Diagnostic(Code.API, f"Cloudflare's API does not answer: {error}", hint=hint)


def diagnostic(error: ApiError) -> Diagnostic:
    """Return the diagnostic for *error*, with its code and a hint."""
    if isinstance(error, RateLimited):
        message = f"Cloudflare asks to wait {error.wait_s:.0f} s (code {error.code})"
        return Diagnostic(Code.API, message, hint="wait, and run it again")
    unknown = Meaning("Cloudflare refuses", "see its message" if error.message else _AGAIN)
    meaning = MEANINGS.get(error.code, unknown)
    number = f"code {error.code}" if error.code else f"HTTP {error.status}"
    details = f": {error.message}" if error.message else ""
    return Diagnostic(Code.API, f"{meaning.message} ({number}){details}", hint=meaning.hint)


def is_about_the_token(error: ApiError) -> bool:
    """Return whether *error* is about the token rather than the request."""
    return error.code in AUTHENTICATION or (error.code not in MEANINGS and error.status in {401, 403})
