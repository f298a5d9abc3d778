"""Which proxy the environment names for a URL, its variables read as the standard library reads them."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

import httpx

from exec_cf.errors import InvalidValue


def chosen(url: httpx.URL, environ: Mapping[str, str]) -> httpx.Proxy | None:
    """Return the proxy that leads to *url*, None where none does.

    Raises `InvalidValue` when the variable that names it holds no URL of a proxy; its text, which may hold a password,
    is not repeated.
    """
    name = _variable(url.scheme, environ) or _variable("all", environ)
    if not name or _bypassed(url, environ):
        return None
    text = environ[name]
    try:
        proxy = httpx.Proxy(text if "://" in text else f"http://{text}")
    except (httpx.InvalidURL, ValueError):
        raise _invalid(name) from None
    if _is_misread(text, proxy):
        raise _invalid(name)
    return proxy


def _is_misread(text: str, proxy: httpx.Proxy) -> bool:
    """Say whether *proxy* cannot be meant: an @ outside of the credentials is a password's, taken for port or path."""
    return not proxy.url.host or (proxy.url.port or 0) > 65535 or ("@" in text and not proxy.auth)


def _variable(key: str, environ: Mapping[str, str]) -> str:
    """Return the name of the variable that is set for *key*, empty for none; lower case wins, also when empty."""
    lower = f"{key}_proxy"
    name = lower if lower in environ else lower.upper()
    if name == "HTTP_PROXY" and "REQUEST_METHOD" in environ:
        return ""  # a CGI server sets it from a header of whoever calls
    return name if environ.get(name) else ""


def _bypassed(url: httpx.URL, environ: Mapping[str, str]) -> bool:
    listed = {"no": environ.get(_variable("no", environ), "")}
    return any(proxy_bypass_environment(host, listed) for host in (url.netloc.decode(), url.host))


def _invalid(name: str) -> InvalidValue:
    return InvalidValue(f"{name} holds no URL of a proxy", "write it like http://proxy.example:3128")
