"""Responses of what may be in front of a Worker, modelled on real ones."""

import json
from typing import NamedTuple

from tests.support.stub import Reply


class Front(NamedTuple):
    """An answer that is not the Worker's, the words for it, and whether a probe may get it too."""

    reply: Reply
    words: str


HTML = {"content-type": "text/html; charset=UTF-8"}
EDGE = {"server": "cloudflare", "cf-ray": "8f00c0ffee00beef-FRA"}
LOGIN = "https://team.cloudflareaccess.com/cdn-cgi/access/login/worker.example?kid=0f&redirect_url=%2Fhealth"
SECRET = "hush-hush"


def _page(title: str, body: str) -> bytes:
    head = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head>"
    return f"{head}\n<body>{body}<p>{SECRET}</p></body></html>".encode()


def _error_page(number: int, text: str) -> bytes:
    inside = f'<div id="cf-error-details"><h1><span>Error</span> <span>{number}</span></h1><h2>{text}</h2></div>'
    return _page(f"{text} | worker.example", inside)


def _problem(number: int, status: int, name: str) -> bytes:
    kind = f"https://developers.cloudflare.com/support/troubleshooting/errors/error-{number}/"
    fields = {"type": kind, "title": f"Error {number}", "status": status, "detail": SECRET, "instance": "8f00c0ffee"}
    return json.dumps({**fields, "error_code": number, "error_name": name, "cloudflare_error": True}).encode()


FRONTS: dict[str, Front] = {
    "a challenge": Front(
        Reply(403, _page("Just a moment...", "Enable JavaScript"), {**HTML, **EDGE, "cf-mitigated": "challenge"}),
        "HTTP 403 from Cloudflare, not from the Worker: a challenge",
    ),
    "a challenge without its header": Front(
        Reply(503, _page("Just a moment...", '<script src="/cdn-cgi/challenge-platform/x.js">'), {**HTML, **EDGE}),
        "HTTP 503 from Cloudflare, not from the Worker: a challenge",
    ),
    "a block": Front(
        Reply(403, _page("Attention Required!", "<h1>Sorry, you have been blocked</h1>"), {**HTML, **EDGE}),
        "HTTP 403 from Cloudflare, not from the Worker: its firewall blocks the request",
    ),
    "a rule of the firewall": Front(
        Reply(403, b"error code: 1020", {**EDGE, "content-type": "text/plain"}),
        "HTTP 403 from Cloudflare, not from the Worker: error 1020, a firewall rule of the zone denies",
    ),
    "no Worker at the address": Front(
        Reply(404, b"error code: 1042", {**EDGE, "content-type": "text/plain; charset=UTF-8"}),
        "HTTP 404 from Cloudflare, not from the Worker: error 1042, no Worker answers at this address",
    ),
    "a Worker that threw": Front(
        Reply(500, _error_page(1101, "Worker threw exception"), {**HTML, **EDGE}),
        "HTTP 500 from Cloudflare, not from the Worker: error 1101, the Worker threw an exception",
    ),
    "a tunnel that is down": Front(
        Reply(530, b"error code: 1033", {**EDGE, "content-type": "text/plain"}),
        "HTTP 530 from Cloudflare, not from the Worker: error 1033, the tunnel",
    ),
    "a rate limit as JSON": Front(
        Reply(429, _problem(1015, 429, "rate_limited"), {**EDGE, "content-type": "application/problem+json"}),
        "HTTP 429 from Cloudflare, not from the Worker: error 1015, a rate limit",
    ),
    "an origin that is down": Front(
        Reply(
            521, _page("521: Web server is down", '<span class="code-label">Error code 521</span>'), {**HTML, **EDGE}
        ),
        "HTTP 521 from Cloudflare, not from the Worker: error 521, the origin refuses connections",
    ),
    "an origin that is down, without a page": Front(
        Reply(522, b"", EDGE), "HTTP 522 from Cloudflare, not from the Worker: error 522, the origin does not answer"
    ),
    "an error that is not known here": Front(
        Reply(403, b"error code: 1299", EDGE), "HTTP 403 from Cloudflare, not from the Worker: error 1299, "
    ),
    "a login of Access": Front(
        Reply(302, b"", {**EDGE, "location": LOGIN}),
        "HTTP 302 from Cloudflare Access, not from the Worker: it asks for a login; set CF_ACCESS_CLIENT_ID",
    ),
    "a login of Access at the host itself": Front(
        Reply(302, b"", {**EDGE, "location": "/cdn-cgi/access/login/worker.example"}),
        "HTTP 302 from Cloudflare Access, not from the Worker: it asks for a login",
    ),
    "the login page of Access": Front(
        Reply(200, _page("Sign in", '<form action="https://team.cloudflareaccess.com/x">'), HTML),
        "HTTP 200 from Cloudflare Access, not from the Worker",
    ),
    "a refusal of Access": Front(
        Reply(403, _page("Forbidden", "Cloudflare Access: you do not have permission"), {**HTML, **EDGE}),
        "HTTP 403 from Cloudflare Access, not from the Worker",
    ),
    "a captive portal": Front(
        Reply(200, _page("Welcome to our hotel", "Log in"), HTML),
        "HTTP 200 with a web page, not from the Worker but from something in front of it",
    ),
    "a captive portal without a type": Front(
        Reply(200, _page("Welcome to our hotel", "Log in")), "HTTP 200 with a web page, not from the Worker"
    ),
    "a captive portal of a script alone": Front(
        Reply(200, b'<script>location = "http://portal.example/login"</script>'),
        "HTTP 200 with a web page, not from the Worker",
    ),
    "a captive portal in XHTML": Front(
        Reply(
            200, b'<?xml version="1.0"?>\n' + _page("Welcome to our hotel", "Log in"), {"content-type": "text/plain"}
        ),
        "HTTP 200 with a web page, not from the Worker",
    ),
    "a captive portal elsewhere": Front(
        Reply(302, b"", {"location": f"http://portal.example/login?{SECRET}"}),
        "HTTP 302: a redirect to another host, which is not followed",
    ),
    "a captive portal that says so": Front(
        Reply(511, _page("Login required", ""), HTML),
        "HTTP 511 from the network, not from the Worker: it requires a login",
    ),
    "a proxy in the path": Front(
        Reply(407, b"", {"proxy-authenticate": f"Basic realm={SECRET}"}),
        "HTTP 407 from the proxy, not from the Worker: it requires other credentials",
    ),
    "a page of some server": Front(
        Reply(502, b"<html><head><title>502 Bad Gateway</title></head><hr>nginx</html>", {"content-type": "text/html"}),
        "HTTP 502 with a web page, not from the Worker",
    ),
    "a page where a route should be": Front(
        Reply(404, b"<html><head><title>404 Not Found</title></head><hr>nginx</html>", {"content-type": "text/html"}),
        "HTTP 404 with a web page, not from the Worker",
    ),
}
"""Each known by its form, with the words that a user reads."""
