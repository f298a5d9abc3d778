"""The Worker's base URL, and the URLs below it.

A URL that two programs could interpret differently is refused, never normalized.
"""

import re

from exec_cf.display import quoted_url, truncated
from exec_cf.errors import InvalidValue

LOCAL_BASE = "http://127.0.0.1:8787"
"""Where `wrangler dev` listens."""

MAX_URL_BYTES = 8192
"""Longest base URL or endpoint, in bytes; servers refuse longer ones."""

_MAX_TARGET_BYTES = 3 * MAX_URL_BYTES
"""Longest base URL with a path below it, in bytes."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_HTTP = re.compile(
    r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?(?P<fragment>#.*)?",
    re.IGNORECASE | re.DOTALL,
)
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(:(?P<port>[0-9]+))?")
_ASCII_HOST = re.compile(r"[A-Za-z0-9._~-]+")
_HOST_AND_PORT = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^/\\?#:\s\[\]]+):[0-9]+([/?#].*)?", re.DOTALL)
_DRIVE = re.compile(r"[A-Za-z]:(?!//)")
_NUMERIC = re.compile(r"(.*\.)?([0-9]+|0[Xx][0-9A-Fa-f]*)\.?")
_BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE}")
_LOOPBACK = re.compile(
    rf"(?=127\.){_IPV4.pattern}"
    # IPv6 addresses, which are known to be valid: ::1, and the mapped ones of IPv4
    rf"|[0:]*:0{{0,3}}1|[0:]*:ffff:((?=127\.){_IPV4.pattern}|7f[0-9a-f]{{2}}:[0-9a-f]{{1,4}})"
)
_BARE_ADDRESS = re.compile(rf"({_IPV4.pattern}|\[[0-9A-Fa-f:.]+\])([/?#].*)?", re.DOTALL)
_MISSPELLED = re.compile(
    r"""(
        https?[^/a-z0-9]?//                                       # a URL without its colon
        | (:[0-9]+                                                # a port of this machine
        | [^/?\#\s]+@[^/?\#@\s]*:[0-9]+                           # a host and port after credentials
        | \[[^\]/?\#]*\] (:[0-9]+)?                               # an address in brackets, with a zone
        | (?=[^/?\#]*:[^/?\#]*:) [0-9A-F:.]+ (%[^/?\#]*)?         # an IPv6 address without brackets
        | [^/?\#\s]+\.workers\.dev\.?                             # the name of a Worker
        ) ([/?\#]|\Z)
    )""",
    re.IGNORECASE | re.VERBOSE,
)
_DEVIATING = frozenset("ßς")
"""Letters that IDNA 2003 replaces and IDNA 2008 keeps; a capital sigma at the end of a name becomes the second."""

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def is_url(text: str) -> bool:
    """Return whether *text* is meant as a URL, with any scheme or none (`//host`, `host:8787`)."""
    if _HOST_AND_PORT.fullmatch(text) or _BARE_ADDRESS.fullmatch(text) or _MISSPELLED.match(text):
        return True
    return bool(_SCHEME.match(text) and not _DRIVE.match(text)) or text.startswith("//")


def base_url(text: str) -> str:
    """Return *text* as a Worker's base: an http(s) URL without a trailing slash, its scheme in lower case.

    Raises `InvalidValue` if it is not an http(s) URL, if it has credentials, a query, a fragment or an invalid host or
    port, or if programs would disagree about its host.
    """
    base = printed_base_url(text)
    _check_new_host(base)
    return base


def printed_base_url(text: str) -> str:
    """Return *text*, from a handle, as `base_url` does, but accept what any release so far could have printed."""
    parts = _http_url(text)
    for name in ("query", "fragment"):
        if parts[name]:
            raise InvalidValue(f"the base URL has a {name}", "remove it")
    _check_segments(parts["path"])
    return f"{parts['scheme'].lower()}://{parts['authority']}{parts['path'].rstrip('/')}"


def _check_new_host(url: str) -> None:
    """Raise `InvalidValue` for an empty label, and for a number or a name that only some programs read as this host."""
    host = host_of(url)
    if host.startswith(".") or ".." in host:
        raise InvalidValue(f"{quoted_url(host)} is not a valid host name", "write one dot between two labels")
    if ":" not in host and _NUMERIC.fullmatch(host) and not _IPV4.fullmatch(host.removesuffix(".")):
        raise InvalidValue(f"{quoted_url(host)} is not an IPv4 address", "write it like 192.0.2.1")
    if not _DEVIATING.isdisjoint(host):
        raise InvalidValue(
            f"{quoted_url(host)} means another host to other programs", "write it in its ASCII form (xn--…)"
        )


def check_script_path(text: str) -> None:
    """Raise `InvalidValue` unless *text* could be the path of a script."""
    if not text.strip() or not all(map(str.isprintable, text)):
        raise InvalidValue(
            f"{quoted_url(text)} is neither a URL nor a path",
            "write the Worker's URL, like https://…workers.dev",
        )


def abort_url(base: str, endpoint: str, session: str) -> str:
    """Return the URL that stops *session*: *endpoint* if it is a URL, otherwise *endpoint* as a path below *base*.

    `{session}` in *endpoint* is replaced, a fragment is dropped, and the segments `.` and `..` are resolved as HTTP
    clients do. Raises `InvalidValue` if *endpoint* is invalid or programs could interpret it differently.
    """
    endpoint = _filled(endpoint.partition("#")[0], session)
    if _SCHEME.match(endpoint) or _HOST_AND_PORT.fullmatch(endpoint):
        url = target(_resolved(endpoint))
        _check_new_host(url)
        return url
    _check_characters(endpoint)
    if endpoint.startswith("//"):
        raise InvalidValue(
            f"{quoted_url(endpoint)} names a host without a scheme", "write the full URL, or a single leading slash"
        )
    separator = "" if endpoint.startswith(("/", "?")) or not endpoint else "/"
    return target(_resolved(base + separator + endpoint))


def below(base: str, path: str) -> str:
    """Return the URL of *path*, which begins with a slash, below *base*. Raises `InvalidValue`."""
    if path.startswith("//"):
        raise InvalidValue(f"{quoted_url(path)} names a host without a scheme", "write a single leading slash")
    return target(base + path)


def target(text: str) -> str:
    """Return *text* if it is an absolute http(s) URL that can be requested unchanged. Raises `InvalidValue`."""
    parts = _http_url(text, _MAX_TARGET_BYTES)
    if parts["fragment"]:
        raise InvalidValue("the URL has a fragment", "remove it")
    _check_segments(parts["path"])
    return text


def _filled(endpoint: str, session: str) -> str:
    marks = endpoint.count(_SESSION)
    if len(endpoint.encode(errors="surrogatepass")) + marks * len(escaped(session)) > MAX_URL_BYTES:
        raise InvalidValue(f"the URL is longer than {MAX_URL_BYTES} bytes", "shorten it")
    return endpoint.replace(_SESSION, escaped(session))


_SESSION = "{session}"


def _resolved(url: str) -> str:
    """Return *url* with the dots of its path resolved (RFC 3986, section 5.2.4)."""
    parts = _HTTP.fullmatch(url)
    if not parts or not any(map(_dots, parts["path"].split("/"))):
        return url
    first, *segments = parts["path"].split("/")
    kept: list[str] = []
    for segment in segments:
        if _dots(segment) == "..":
            del kept[-1:]
        elif not _dots(segment):
            kept.append(segment)
    if _dots(segments[-1]):
        kept.append("")
    return url[: parts.start("path")] + "/".join([first, *kept]) + url[parts.end("path") :]


def _dots(segment: str) -> str:
    """Return `.` or `..` if *segment* is a spelling of it, otherwise an empty text."""
    spelled = segment.lower().replace("%2e", ".")
    return spelled if spelled in {".", ".."} else ""


def _check_segments(path: str) -> None:
    for segment in path.split("/"):
        if _dots(segment):
            raise InvalidValue(f"the path has the segment {segment}", "write the path it leads to")


def is_loopback(url: str) -> bool:
    """Return whether the host of *url*, an http(s) URL, is a loopback host."""
    host = host_of(url).removesuffix(".")
    return is_localhost(host) or bool(_LOOPBACK.fullmatch(host))


def is_localhost(name: str) -> bool:
    """Return whether *name*, in lower case and without a trailing dot, is this machine's own (RFC 6761)."""
    return name == "localhost" or name.endswith(".localhost")


def host_of(url: str) -> str:
    """Return the host of *url*, an http(s) URL, in lower case and without brackets."""
    authority = _AUTHORITY.fullmatch(_authority(url))
    return authority["host"].strip("[]").lower() if authority else ""


def _authority(url: str) -> str:
    parts = _HTTP.fullmatch(url)
    return parts["authority"] if parts else ""


def origin_of(url: str) -> str:
    """Return the origin of *url*, an http(s) URL, in a normalized form for comparison."""
    scheme = url.partition(":")[0].lower()
    authority = _AUTHORITY.fullmatch(_authority(url))
    port = (authority and authority["port"]) or {"http": "80", "https": "443"}.get(scheme, "")
    return f"{scheme}://{host_of(url)}:{int(port) if port else ''}"


def equivalent(one: str, other: str) -> bool:
    """Return whether two http(s) URLs are equivalent (RFC 3986, section 6.2)."""
    return _normalized(one) == _normalized(other)


def _normalized(url: str) -> tuple[str, str, str]:
    parts = _HTTP.fullmatch(url)
    path = _ESCAPE.sub(_unescaped_if_unreserved, parts["path"]) if parts else ""
    return origin_of(url), path or "/", (parts and parts["query"]) or ""


_ESCAPE = re.compile("%([0-9A-Fa-f]{2})")


def _unescaped_if_unreserved(escape: re.Match[str]) -> str:
    byte = int(escape[1], 16)
    return chr(byte) if byte in _UNRESERVED else escape[0].upper()


def is_http_url(text: str) -> bool:
    """Return whether *text* has the form of an http(s) URL."""
    return bool(_HTTP.fullmatch(text))


def escaped(text: str) -> str:
    """Return *text* percent-encoded as a path segment."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode())


def _http_url(text: str, limit: int = MAX_URL_BYTES) -> re.Match[str]:
    if len(text.encode(errors="surrogatepass")) > limit:
        raise InvalidValue(f"the URL is longer than {limit} bytes", "shorten it")
    _check_characters(text)
    parts = _HTTP.fullmatch(text)
    if not parts:
        is_bare = "@" not in text and (_HOST_AND_PORT.fullmatch(text) or _BARE_ADDRESS.fullmatch(text))
        like = truncated(f"http://{text}") if is_bare else "https://worker.example.workers.dev"
        raise InvalidValue(f"{quoted_url(text)} is not an http(s) URL", f"write it like {like}")
    if "@" in parts["authority"]:
        raise InvalidValue(
            "the URL contains credentials", "remove everything before the @; a token goes into CF_WORKER_TOKEN"
        )
    authority = _AUTHORITY.fullmatch(parts["authority"])
    if not authority:
        raise InvalidValue(f"{quoted_url(text)} has no valid host and port", "write it like https://host:8443/path")
    _check_host(authority["host"])
    port = authority["port"]
    if port is not None and not (len(port) <= 5 and 1 <= int(port) <= 65535):
        raise InvalidValue(f"{quoted_url(port)} is not a port", "write a number from 1 to 65535")
    return parts


def _check_characters(text: str) -> None:
    for char in text:
        if char in "\\ " or not char.isprintable():
            what = "a backslash" if char == "\\" else "a space" if char == " " else f"U+{ord(char):04X}"
            raise InvalidValue(f"{quoted_url(text)} contains {what}", "remove it, or percent-encode it")


def _check_host(host: str) -> None:
    """Raise `InvalidValue` unless *host* is a name or an address. ASCII names go to DNS as they are."""
    if _ASCII_HOST.fullmatch(host):
        return
    if host.isascii() and not host.startswith("["):
        raise InvalidValue(f"{quoted_url(host)} is not a valid host name", "write a name or an address")
    from exec_cf import url_hosts  # noqa: PLC0415  idna and ipaddress: 5 % of the time to refuse a spec

    url_hosts.check(host)
