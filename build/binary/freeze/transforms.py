"""Changes to the sources of libraries as they are frozen. But for one, which says so, none changes what a library does.

Each must match exactly once, so that a new release of a library stops the build instead of leaving a change out.
The figure beside a group says how much longer a spawn takes without it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

# Module: the imports at its top, or in a function, that wait for the first use of what they import.
DEFERRED: dict[str, tuple[str, ...]] = {
    # inspect, which brings ast, dis and tokenize: 14 %.
    "httpcore._trace": ("import inspect",),
    # ssl, which plain http does not need: 25 %.
    "httpcore._backends.anyio": ("import ssl",),
    "httpcore._backends.base": ("import ssl",),
    "httpcore._backends.sync": ("import ssl",),
    "httpcore._backends.trio": ("import ssl",),
    "httpcore._models": ("import ssl",),
    "httpcore._ssl": ("import ssl", "import certifi"),
    "httpcore._sync.connection": ("import ssl",),
    "httpcore._sync.connection_pool": ("import ssl",),
    "httpcore._sync.http11": ("import ssl",),
    "httpcore._sync.http_proxy": ("import ssl",),
    "httpcore._sync.socks_proxy": ("import ssl",),
    "httpx._config": ("import ssl", "import certifi"),
    # urllib.request and http.cookiejar, which bring http.client and email, for proxies and cookies that nobody has
    # set: 27 %.
    "httpx._auth": ("from urllib.request import parse_http_list",),
    "httpx._models": ("import email.message", "import json as jsonlib"),
    "httpx._utils": ("from urllib.request import getproxies", "import ipaddress"),
    # What a GET of a named host without a form does not need: 6 %.
    "httpx._content": ("import inspect", "from json import dumps as json_dumps"),
    "httpx._multipart": ("import mimetypes", "from pathlib import Path"),
    "httpx._urlparse": ("import ipaddress",),
    "logging": ("import traceback",),
    "socket": ("import selectors",),
    "urllib.parse": ("import ipaddress",),
}

Change = tuple[str, str]

# Module: what stands there, and what is to stand there instead; done before the imports are deferred.
CHANGES: dict[str, tuple[Change, ...]] = {
    # dataclasses compiles the text of each method, for seven classes here: 15 %.
    "h11._events": (("from dataclasses import dataclass\n", "from plain_dataclass import dataclass\n"),),
    # The asynchronous half is not used: 10 %.
    "httpcore": (
        (
            """\
from ._async import (
    AsyncConnectionInterface,
    AsyncConnectionPool,
    AsyncHTTP2Connection,
    AsyncHTTP11Connection,
    AsyncHTTPConnection,
    AsyncHTTPProxy,
    AsyncSOCKSProxy,
)
""",
            "",
        ),
        ("from ._backends.mock import AsyncMockBackend, AsyncMockStream, MockBackend, MockStream\n", ""),
        ("    if not __name.startswith", "    if __name in __locals and not __name.startswith"),
    ),
    "httpcore._backends.sync": (
        ('info == "ssl_object" and isinstance', 'info == "ssl_object" and "ssl" in sys.modules and isinstance'),
    ),
    # The store is in the program, so that there is no file to name.
    "httpcore._ssl": (
        ("def default_ssl_context() -> ssl.SSLContext:", "def default_ssl_context():"),
        ("load_verify_locations(certifi.where())", "load_verify_locations(cadata=certifi.contents())"),
    ),
    "httpx._config": (("cafile=certifi.where()", "cadata=certifi.contents()"),),
    # A jar for cookies exists as soon as there is a cookie.
    "httpx._models": (
        ("import urllib.request\n", ""),
        ("from http.cookiejar import Cookie, CookieJar\n", ""),
        (
            "        if cookies is None or isinstance(cookies, dict):\n",
            "        if cookies is None:\n            return\n        from http.cookiejar import CookieJar\n\n"
            "        if isinstance(cookies, dict):\n",
        ),
        (
            "    def extract_cookies(self, response: Response) -> None:\n",
            """\
    def __getattr__(self, name):
        if name != "jar":
            raise AttributeError(name)
        from http.cookiejar import CookieJar

        self.jar = CookieJar()
        return self.jar

    def extract_cookies(self, response: Response) -> None:
        if "set-cookie" not in response.headers and "set-cookie2" not in response.headers:
            return
""",
        ),
        (
            "        urllib_request = self._CookieCompatRequest(request)\n        self.jar",
            '        if "jar" not in self.__dict__:\n            return\n'
            "        urllib_request = self._CookieCompatRequest(request)\n        self.jar",
        ),
        ("        cookie = Cookie(", "        from http.cookiejar import Cookie\n\n        cookie = Cookie("),
        ("    def __bool__(self) -> bool:\n        for _ in self.jar:",
         '    def __bool__(self) -> bool:\n        for _ in self.__dict__.get("jar", ()):'),
        # The class becomes a function that makes it; its body is indented deep enough for that.
        (
            "    class _CookieCompatRequest(urllib.request.Request):\n",
            "    def _CookieCompatRequest(self, request):\n     import urllib.request\n\n"
            "     class _CookieCompatRequest(urllib.request.Request):\n",
        ),
        (
            "    class _CookieCompatResponse:\n",
            "     return _CookieCompatRequest(request)\n\n    class _CookieCompatResponse:\n",
        ),
    ),
    "httpx._types": (("from http.cookiejar import CookieJar\n", 'CookieJar = "CookieJar"\n'),),
    "logging": (
        ("io, re, traceback, warnings, weakref,", "io, re, warnings, weakref,"),
        ("\nimport sys, os,", "\nimport traceback\nimport sys, os,"),
    ),
    # Expressions are compiled when the program is frozen: 16 %.
    "re._compiler": (
        (
            "def compile(p, flags=0):\n",
            """\
def compile(p, flags=0):
    from precompiled import compiled

    return compiled(p, flags) or _compile_now(p, flags)


def _compile_now(p, flags):
""",
        ),
    ),
    "socket": (("\nimport os, sys, io, selectors\n", "\nimport os, sys, io\nimport selectors\n"),),
    # On macOS the proxies of the system's settings would be read through a framework, which the program is not linked
    # with: there too, the variables alone count.
    "urllib.request": (
        ("if sys.platform == 'darwin':\n    from _scproxy", "if False:\n    from _scproxy"),
    ),
}  # fmt: skip

CHANGED = frozenset({*CHANGES, *DEFERRED})


class MismatchError(Exception):
    """A library's source is not what a change was written for."""


def transformed(module: str, source: str) -> str:
    """Return *source* with all changes for *module*; raises `MismatchError`."""
    for old, new in CHANGES.get(module, ()):
        if source.count(old) != 1:
            raise MismatchError(f"{module} holds {source.count(old)} times, instead of once: {old!r}")
        source = source.replace(old, new)
    for statement in DEFERRED.get(module, ()):
        source, count = re.subn(rf"(?m)^( *){re.escape(statement)}$", rf"\1{_deferral(statement)}", source)
        if count != 1:
            raise MismatchError(f"{module} holds {count} times, instead of once: {statement!r}")
    return source


def needed_by(module: str) -> Iterator[str]:
    """Yield the modules that *module* imports at first use, which no import statement shows any more."""
    for statement in DEFERRED.get(module, ()):
        yield statement.split()[1]
    if module in DEFERRED:
        yield "deferred"
    if module == "re._compiler":
        yield "precompiled"


def _deferral(statement: str) -> str:
    """Return the line that stands for *statement*."""
    words = statement.replace(",", "").split()
    name = words[1]
    if words[0] == "import":
        bound = words[-1] if "as" in words else name.partition(".")[0]
        return f"import deferred as _deferred; {bound} = _deferred.Module({name!r})"
    pairs = [(words[3], words[5])] if "as" in words else [(word, word) for word in words[3:]]
    calls = "; ".join(f"{bound} = _deferred.function({name!r}, {word!r})" for word, bound in pairs)
    return f"import deferred as _deferred; {calls}"
