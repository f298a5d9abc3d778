"""HTTP for the rest of the program, over one connection for each call of the program.

`Network` is the entry point. It loads httpx and everything that uses sockets at the first request, since they take most
of the start-up time, and `--version`, `--validate` and a refused spec do not need them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from exec_cf._version import version
from exec_cf.http.model import MAX_BODY_BYTES, Request, RequestError, Response
from exec_cf.usage import PROGRAM

if TYPE_CHECKING:
    from exec_cf.http.exchange import Exchanger

__all__ = ["MAX_BODY_BYTES", "USER_AGENT", "Network", "Request", "RequestError", "Response"]

USER_AGENT = f"{PROGRAM}/{version}"


class Network:
    """Makes the HTTP exchanges of one run of the program, which share connections and one TLS context.

    *environ* configures the proxies and the trust store. Not thread-safe.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._exchanger: Exchanger | None = None

    def exchange(self, request: Request) -> Response:
        """Return the response to *request*. Raises `RequestError` if there is none within its timeout."""
        try:
            return self._loaded().exchange(request)
        except MemoryError:
            raise RequestError("out of memory") from None

    def close(self) -> None:
        """Close all idle connections."""
        if self._exchanger:
            self._exchanger.close()

    def _loaded(self) -> Exchanger:
        if self._exchanger is None:
            try:
                from exec_cf.http.exchange import Exchanger  # noqa: PLC0415  httpx: half of a spawn
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001  a broken library may raise anything
                raise RequestError(f"the HTTP library cannot be loaded: {type(error).__name__}: {error}") from None
            self._exchanger = Exchanger(self._environ, USER_AGENT)
        return self._exchanger
