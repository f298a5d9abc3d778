"""Calls to Cloudflare's API: the response envelope, rate limits and retries.

Sources disagree on the HTTP statuses, so the error codes in the envelope decide. Text from a gateway and a web page
from a firewall count as no answer, and nothing of them is shown.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import msgspec

from exec_cf import edge
from exec_cf.display import truncated
from exec_cf.errors import Code, Diagnostic, Note, Refused
from exec_cf.http import Request, RequestError, Response

BASE = "https://api.cloudflare.com/client/v4"

BASE_VARIABLE = "CLOUDFLARE_API_BASE_URL"
"""The environment variable that replaces `BASE`."""

READ_TIMEOUT_MS = 30_000
UPLOAD_TIMEOUT_MS = 120_000

RATE_LIMITED_ATTEMPTS = 3
"""How often a call is made that Cloudflare answers with a rate limit."""

MAX_ANSWER_BYTES = 1024 * 1024

MAX_WAIT_S = 60
"""Longest wait that Cloudflare may ask for, in seconds."""

_PAUSES_S = (1.0, 3.0)
"""Seconds between the attempts at a call that gets no answer."""

_RATE_PAUSE_S = 10.0
_MAX_MESSAGE_CHARS = 300
_MIN_LINE_CHARS = 8

T = TypeVar("T")


class ApiError(Exception):
    """Cloudflare refuses the call; *code* is that of its first error, or 0."""

    def __init__(self, code: int, message: str, status: int) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status


class RateLimited(ApiError):  # noqa: N818  reads as a sentence at every raise
    """A rate limit was hit, and nothing was done; Cloudflare asks to wait *wait_s* seconds."""

    def __init__(self, wait_s: float, message: str) -> None:
        super().__init__(971, message, 429)
        self.wait_s = wait_s


class NoAnswer(Exception):  # noqa: N818  reads as a sentence at every raise
    """There was no answer, so the call may have taken effect; the text is the cause.

    *wait_s* is how many seconds the peer asks to wait before the next attempt. With *is_foreign*, something other than
    Cloudflare's API answered.
    """

    def __init__(self, cause: str, *, wait_s: float = 0.0, is_foreign: bool = False) -> None:
        super().__init__(cause)
        self.wait_s = wait_s
        self.is_foreign = is_foreign


class _Problem(msgspec.Struct, frozen=True):
    code: int = 0
    message: str = ""


class _Envelope(msgspec.Struct, frozen=True):
    success: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    errors: tuple[_Problem, ...] | None = None


class Api(msgspec.Struct, frozen=True):
    """Makes the calls. The token and *secrets* never appear in a message."""

    base: str
    token: str
    secrets: tuple[str, ...]
    exchange: Callable[[Request], Response]
    sleep: Callable[[float], None]
    note: Note

    def get(self, path: str, kind: type[T]) -> T:
        """Return the result of a GET as *kind*. Raises `ApiError`, `NoAnswer`, and `Refused` if it does not fit."""
        try:
            return msgspec.json.decode(self._with_retries("GET", path), type=kind)
        except (msgspec.DecodeError, ValueError) as error:
            message = self._redacted(f"Cloudflare's API returned an unexpected answer to GET {path}: {error}")
            raise Refused([Diagnostic(Code.API, message, hint="use a newer release, or report this")]) from None

    def send(self, method: str, path: str, body: Any = None) -> None:
        """Make an idempotent call. Raises `ApiError`, `NoAnswer`."""
        self._with_retries(method, path, b"" if body is None else msgspec.json.encode(body), "application/json")

    def upload(self, path: str, content_type: str, body: bytes) -> None:
        """Send *body* without retries. Raises `ApiError`, `NoAnswer`."""
        self._rate_limited("PUT", path, body, content_type, UPLOAD_TIMEOUT_MS)

    def _with_retries(self, method: str, path: str, body: bytes = b"", content_type: str = "") -> msgspec.Raw:
        for pause_s in _PAUSES_S:
            try:
                return self._rate_limited(method, path, body, content_type, READ_TIMEOUT_MS)
            except NoAnswer as cause:
                self.note(Diagnostic(Code.ATTEMPT, str(cause)))
                asked_s = cause.wait_s
            self.sleep(max(pause_s, asked_s))
        return self._rate_limited(method, path, body, content_type, READ_TIMEOUT_MS)

    def _rate_limited(self, method: str, path: str, body: bytes, content_type: str, timeout_ms: int) -> msgspec.Raw:
        """Return the result of one call, repeated only if it was rate limited."""
        for _ in range(RATE_LIMITED_ATTEMPTS - 1):
            try:
                return self._call(method, path, body, content_type, timeout_ms)
            except RateLimited as limited:
                if limited.wait_s > MAX_WAIT_S:
                    raise
                message = f"Cloudflare asks to wait {limited.wait_s:.0f} s (code {limited.code})"
                self.note(Diagnostic(Code.ATTEMPT, message))
                self.sleep(limited.wait_s)
        return self._call(method, path, body, content_type, timeout_ms)

    def _call(self, method: str, path: str, body: bytes, content_type: str, timeout_ms: int) -> msgspec.Raw:
        headers = {"authorization": f"Bearer {self.token}"}
        if body:
            headers["content-type"] = content_type
        request = Request(
            method=method,
            url=self.base + path,
            timeout_ms=timeout_ms,
            headers=headers,
            body=body,
            read_body=True,
            body_limit=MAX_ANSWER_BYTES,
        )
        call = f"{method} {path.partition('?')[0]}"
        try:
            response = self.exchange(request)
        except RequestError as failed:
            raise NoAnswer(self._redacted(f"{call}: {failed}")) from None
        return self._result_of(response, call)

    def _result_of(self, response: Response, call: str) -> msgspec.Raw:
        status = response.status
        if status == 204:
            return msgspec.Raw(b"null")
        try:
            envelope = msgspec.json.decode(response.body, type=_Envelope)
        except (msgspec.DecodeError, ValueError, RecursionError):
            envelope = None
        if status == 429:
            problem = _first(envelope.errors if envelope else None)
            raise RateLimited(_wait_s(response), self._redacted(problem.message))
        if envelope is None or status >= 500:
            raise self._no_answer(response, envelope, call)
        if envelope.success:
            return envelope.result
        problem = _first(envelope.errors)
        raise ApiError(problem.code, self._redacted(problem.message), status)

    def _no_answer(self, response: Response, envelope: _Envelope | None, call: str) -> NoAnswer:
        if envelope is None:
            what = edge.instead_of_api(response)
        else:
            problem = _first(envelope.errors)
            what = f"{problem.message} (code {problem.code})"
        asked_s = (response.retry_after_s or 0.0) if response.status == 503 else 0.0
        too_long = f"; it asks to wait {asked_s:.0f} s" if asked_s > MAX_WAIT_S else ""
        cause = self._redacted(f"{call}: HTTP {response.status}: {what}") + too_long
        return NoAnswer(cause, wait_s=0.0 if too_long else asked_s, is_foreign=envelope is None)

    def _redacted(self, text: str) -> str:
        return truncated(self._masked(text), _MAX_MESSAGE_CHARS)

    def _masked(self, text: str) -> str:
        """Return *text* without the token, the secrets, and the long lines of secrets with several lines."""
        lines = [line for secret in self.secrets for line in secret.splitlines() if len(line) >= _MIN_LINE_CHARS]
        for secret in (self.token, *self.secrets, *lines):
            text = text.replace(secret, "***")
        return text


def _first(errors: Iterable[_Problem] | None) -> _Problem:
    return next(iter(errors or ()), _Problem())


def _wait_s(response: Response) -> float:
    asked = response.retry_after_s
    return _RATE_PAUSE_S if asked is None else asked


def query(path: str, **values: str) -> str:
    """Return *path* with a query; the values must not need escaping."""
    return f"{path}?{'&'.join(f'{name}={value}' for name, value in values.items())}"
