"""The proxy for a URL from the environment, with the variables and forms of NO_PROXY that curl and Go support."""

from __future__ import annotations

import socket
from collections.abc import Mapping

import httpx

from exec_cf.errors import InvalidValue
from exec_cf.http.addresses import is_port, literal

_PORTS = {"http": 80, "https": 443}


def proxy_for(url: httpx.URL, environ: Mapping[str, str]) -> httpx.Proxy | None:
    """Return the proxy for *url*, or None.

    Raises `InvalidValue` if the variable is not the URL of a supported proxy; its value, which may contain a password,
    is not shown.
    """
    name = variable(url.scheme, environ) or variable("all", environ)
    if not name or _bypassed(url, environ):
        return None
    text = environ[name]
    if text.lower().startswith("socks"):
        raise InvalidValue(f"{name}: a SOCKS proxy is not supported", "name an http:// one")
    try:
        proxy = httpx.Proxy(text if "://" in text else f"http://{text}")
    except (httpx.InvalidURL, ValueError):
        raise _invalid(name) from None
    if _is_misread(text, proxy):
        raise _invalid(name)
    return proxy


def _is_misread(text: str, proxy: httpx.Proxy) -> bool:
    """Return whether *text* was misparsed, as when a password was taken for a port or path, or a scheme for a host."""
    if "://" not in text and ":/" in text:
        return True
    return not proxy.url.raw_host or not is_port(proxy.url.port) or ("@" in text and not proxy.auth)


def variable(key: str, environ: Mapping[str, str]) -> str:
    """Return the name of the variable for *key*, or an empty text; lower case takes precedence, even if empty."""
    lower = f"{key}_proxy"
    name = lower if lower in environ else lower.upper()
    if name == "HTTP_PROXY" and "REQUEST_METHOD" in environ:
        return ""  # under CGI, clients can set it with a header
    return name if environ.get(name) else ""


def _bypassed(url: httpx.URL, environ: Mapping[str, str]) -> bool:
    host = url.raw_host.decode("ascii").strip("[]").removesuffix(".").lower()
    host = _plain_address(host) or host
    port = url.port or _PORTS[url.scheme]
    listed = environ.get(variable("no", environ), "")
    return any(_matches(entry, host, port) for entry in listed.lower().replace(",", " ").split())


def _matches(entry: str, host: str, port: int) -> bool:
    """Return whether *entry* of NO_PROXY, which is `*`, a network, or a name or address, matches *host* and *port*."""
    if entry == "*":
        return True
    if "/" in entry:
        return _is_within(host, entry)
    name, listed_port = _split(entry)
    if listed_port not in {"", str(port)}:
        return False
    if ":" in name:
        return _plain_address(name) == host
    domain = _ascii(name.removeprefix("*").removeprefix(".").removesuffix("."))
    return bool(domain) and (host == domain or host.endswith(f".{domain}"))


def _split(entry: str) -> tuple[str, str]:
    """Return the name or address in *entry*, without brackets, and its port; empty if there is none."""
    if entry.startswith("["):
        address, _, rest = entry[1:].partition("]")
        return address, rest.removeprefix(":")
    if entry.count(":") > 1:
        return entry, ""  # an IPv6 address
    name, _, port = entry.partition(":")
    return name, port


def _is_within(host: str, network: str) -> bool:
    base, _, bits = network.replace("[", "").replace("]", "").partition("/")
    for family, size in ((socket.AF_INET, 32), (socket.AF_INET6, 128)):
        try:
            differing = _number(family, host) ^ _number(family, base)
        except OSError:
            continue
        return bits.isascii() and bits.isdigit() and int(bits) <= size and differing >> (size - int(bits)) == 0
    return False


def _number(family: socket.AddressFamily, address: str) -> int:
    return int.from_bytes(socket.inet_pton(family, address), "big")


def _plain_address(host: str) -> str:
    """Return *host* in its shortest form if it is an address (a mapped IPv6 address as IPv4), otherwise empty."""
    return literal(host).removeprefix("::ffff:")


def _ascii(domain: str) -> str:
    """Return *domain* in the ASCII form that DNS uses, or unchanged if it is not a name."""
    if domain.isascii():
        return domain
    try:
        return httpx.URL(scheme="http", host=domain).raw_host.decode("ascii")
    except (httpx.InvalidURL, ValueError):
        return domain


def _invalid(name: str) -> InvalidValue:
    return InvalidValue(f"{name} is not the URL of a proxy", "write it like http://proxy.example:3128")
