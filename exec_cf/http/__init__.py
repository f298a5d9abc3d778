"""HTTP for the rest of the program: one connection a call, over whatever network there is.

`Network` is the door. httpx and all that touches a socket lie behind it and load at the first request: they are most
of the start of the program, and `--version`, `--validate` and a refused spec need none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from exec_cf._version import version
from exec_cf.http.model import MAX_BODY_BYTES, SECRET_HEADERS, Request, RequestError, Response

if TYPE_CHECKING:
    from exec_cf.http.exchange import Exchanger

__all__ = ["MAX_BODY_BYTES", "SECRET_HEADERS", "USER_AGENT", "Network", "Request", "RequestError", "Response"]

USER_AGENT = f"orch-executor-cf-worker/{version}"


class Network:
    """The network as one run of the program uses it: its exchanges share their connections and one TLS context.

    *environ* names the proxies and the trust store. Not for several threads at once.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._exchanger: Exchanger | None = None

    def exchange(self, request: Request) -> Response:
        """Return the response to *request*. Raises `RequestError` when there is none, or not within its limit."""
        try:
            return self._loaded().exchange(request)
        except MemoryError:
            raise RequestError("out of memory") from None

    def close(self) -> None:
        """Close the connections that were kept."""
        if self._exchanger:
            self._exchanger.close()

    def _loaded(self) -> Exchanger:
        if self._exchanger is None:
            try:
                from exec_cf.http.exchange import Exchanger  # noqa: PLC0415  httpx: half of a spawn
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001  a library that is broken in whatever way
                raise RequestError(f"the HTTP library cannot be loaded: {type(error).__name__}: {error}") from None
            self._exchanger = Exchanger(self._environ, USER_AGENT)
        return self._exchanger
