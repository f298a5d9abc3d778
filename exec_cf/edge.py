"""Recognizes responses that do not come from the Worker but from something in front of it.

The Worker answers with JSON; its errors have the fields `error` and `message`. Cloudflare Access, a challenge or block
of Cloudflare's firewall, an error page of its edge, a proxy and a captive portal mostly answer with HTML pages. Nothing
of their text is shown except the number of an error.
"""

import re
from typing import Any
from urllib.parse import SplitResult, urlsplit

import msgspec

from exec_cf.http import Response

_HTML = ("text/html", "application/xhtml+xml")
_HTML_BEGINNING = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:!--|\?xml\b|(?:!doctype\s+html|html|head|body|title|meta|script|style|iframe|h1|div)\b)",
    re.IGNORECASE,
)
"""How a page begins that has no media type (WHATWG MIME Sniffing, section 7.1)."""

_ERROR_NUMBER = re.compile(rb"\berror(?:\s+code)?:?\s*(?:<[^>]{0,99}>\s*){0,5}(1[0-9]{3}|5[0-9]{2})\b", re.IGNORECASE)
_BLOCKED = re.compile(rb"you have been blocked|cf-error-details", re.IGNORECASE)
_CHALLENGE = re.compile(rb"/cdn-cgi/challenge-platform/|<title>just a moment", re.IGNORECASE)
_ACCESS = re.compile(rb"cloudflareaccess\.com|cloudflare access|/cdn-cgi/access/", re.IGNORECASE)
_ACCESS_PATH = "/cdn-cgi/access/"
_ACCESS_DOMAIN = ".cloudflareaccess.com"

_MEANINGS = {
    1000: "the DNS record points to an address of Cloudflare itself",
    1001: "Cloudflare cannot resolve the host name",
    1003: "the URL has an IP address as its host; use the name",
    1006: "the owner of the zone bans the address of this machine",
    1009: "the owner of the zone bans the country of this machine",
    1010: "the owner of the zone bans clients of this kind; skip the Browser Integrity Check for the Worker",
    1012: "the owner of the zone bans the address of this machine",
    1015: "a rate limit of the zone or of the Workers plan was hit",
    1016: "Cloudflare cannot resolve the name of the origin",
    1018: "Cloudflare does not know the host",
    1019: "the Worker calls itself in a loop",
    1020: "a firewall rule of the zone denies the request",
    1027: "the Workers plan allows no more requests today",
    1033: "the tunnel behind the host is not connected",
    1042: "no Worker answers at this address of workers.dev, or one called another of its own zone; check that the URL "
    "is right and the Worker deployed",
    1101: "the Worker threw an exception; `wrangler tail` shows it",
    1102: "the Worker used more CPU time or memory than it may",
    520: "the origin gave no valid response",
    521: "the origin refuses connections",
    522: "the origin does not answer",
    523: "the origin cannot be reached",
    524: "the origin answered too late",
    525: "the TLS handshake with the origin failed",
    526: "the certificate of the origin is not valid",
    530: "Cloudflare could not reach the origin",
}
"""What the numbers of Cloudflare's error pages mean: those that a user of a Worker can encounter."""

_NOT_THE_WORKER = "not from the Worker"


def intermediary(response: Response, *, sends_service_token: bool, is_foreign: bool = False) -> str:
    """Return who answered instead of the Worker and what to do about it, or an empty text if nothing indicates that.

    With *is_foreign*, the URL is outside the Worker's origin, so a web page or a redirect to another host may be right.
    """
    who = (
        _access(response, sends_service_token)
        or _challenge(response)
        or _error_page(response)
        or _network(response)
        or _block(response)
        or _proxy(response)
    )
    if who:
        return f"HTTP {response.status} from {who}"
    return "" if is_foreign else _page(response) or _foreign_redirect(response)


def instead_of_api(response: Response) -> str:
    """Return a description of *response*, which does not have the format of Cloudflare's API."""
    number = _error_number(response)
    if number:
        return f"error {number} of Cloudflare's edge"
    if _challenge(response):
        return "a challenge, which only a browser can pass"
    if _is_page(response):
        return "a web page, such as that of a login, a proxy or a firewall"
    if 300 <= response.status < 400:
        return "a redirect, perhaps to a login"
    return "not in the API's format" if response.body else "an empty body"


def _page(response: Response) -> str:
    """Return the description of a web page, which the Worker never sends; empty for any other response."""
    if not _is_page(response):
        return ""
    cure = "open the URL in a browser to see what it is"
    who = "a login, a captive portal, a proxy or a firewall"
    return (
        f"HTTP {response.status} with a web page, {_NOT_THE_WORKER} but from something in front of it ({who}); {cure}"
    )


def _foreign_redirect(response: Response) -> str:
    """Return the description of a redirect to another host; empty for any other response."""
    host, own = _host(response.headers.get("location", "")), _host(response.url)
    if not 300 <= response.status < 400 or not host or host == own:
        return ""
    cure = "use the Worker's final URL, or log in with a browser if this is a captive portal"
    return f"HTTP {response.status}: a redirect to another host, which is not followed; {cure}"


def _is_page(response: Response) -> bool:
    """Return whether *response* is a web page."""
    return response.media_type in _HTML or (
        response.media_type in {"", "text/plain"} and bool(_HTML_BEGINNING.match(response.body))
    )


def is_workers_own(response: Response) -> bool:
    """Return whether *response* has the form of an error from the Worker."""
    body = _json(response)
    return isinstance(body.get("error"), str) and "error_code" not in body


def _json(response: Response) -> dict[str, Any]:
    try:
        body = msgspec.json.decode(response.body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _access(response: Response, sends_service_token: bool) -> str:
    if not _is_access(response):
        return ""
    asks = "it asks for a login; set CF_ACCESS_CLIENT_ID and CF_ACCESS_CLIENT_SECRET to a service token that it admits"
    refuses = (
        "it does not admit the service token of CF_ACCESS_CLIENT_ID; "
        "add the token to a policy of the application with the action Service Auth"
    )
    return f"Cloudflare Access, {_NOT_THE_WORKER}: {refuses if sends_service_token else asks}"


def _is_access(response: Response) -> bool:
    headers = response.headers
    location = _split(headers.get("location", ""))
    if location.path.startswith(_ACCESS_PATH) or (location.hostname or "").endswith(_ACCESS_DOMAIN):
        return 300 <= response.status < 400
    if headers.get("www-authenticate", "").lower().startswith("cloudflare-access") or "cf-access-domain" in headers:
        return True
    return _is_page(response) and bool(_ACCESS.search(response.body))


def _challenge(response: Response) -> str:
    has_header = response.headers.get("cf-mitigated", "").lower() == "challenge"
    if not has_header and not (_is_page(response) and _CHALLENGE.search(response.body)):
        return ""
    cure = "exempt the Worker from challenges with a WAF rule that skips them"
    return f"Cloudflare, {_NOT_THE_WORKER}: a challenge, which only a browser can pass; {cure}"


def _error_page(response: Response) -> str:
    number = _error_number(response)
    if not number:
        return ""
    return f"Cloudflare, {_NOT_THE_WORKER}: error {number}, {_MEANINGS.get(number, 'listed in its documentation')}"


def _error_number(response: Response) -> int:
    """Return the number of Cloudflare's error in *response*, or 0; it comes as JSON, as plain text or in a page."""
    if response.status < 400:
        return 0
    body = _json(response)
    if body:
        number = body.get("error_code")
        return number if isinstance(number, int) and _is_number(number) and "error" not in body else 0
    found = _ERROR_NUMBER.search(response.body)
    if found and _is_number(int(found[1])):
        return int(found[1])
    return response.status if _is_cloudflare(response) and 520 <= response.status <= 530 else 0


def _is_number(number: int) -> bool:
    return 1000 <= number < 1300 or 520 <= number <= 530


def _network(response: Response) -> str:
    if response.status == 407:
        cure = "in the variable that names it, write user:password@ before its host"
        return f"the proxy, {_NOT_THE_WORKER}: it requires other credentials; {cure}"
    if response.status == 511:
        return f"the network, {_NOT_THE_WORKER}: it requires a login; open any page in a browser"
    return ""


def _block(response: Response) -> str:
    has_header = "cf-mitigated" in response.headers
    if not has_header and not (
        _is_page(response) and response.status >= 400 and _is_cloudflare(response) and _BLOCKED.search(response.body)
    ):
        return ""
    cure = "allow this machine's requests with a WAF rule"
    return f"Cloudflare, {_NOT_THE_WORKER}: its firewall blocks the request; {cure}"


def _is_cloudflare(response: Response) -> bool:
    return response.headers.get("server", "").lower() == "cloudflare" or "cf-ray" in response.headers


def _proxy(response: Response) -> str:
    if not response.proxied or response.status < 400 or is_workers_own(response):
        return ""
    cure = "ask its operator, or list the Worker's host in NO_PROXY"
    return f"the proxy of the environment or a server behind it, {_NOT_THE_WORKER}; {cure}"


def _host(url: str) -> str:
    return (_split(url).hostname or "").removesuffix(".")


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.hostname  # noqa: B018  raises for some that urlsplit lets pass
    except ValueError:
        return urlsplit("http://invalid")
    return parts
