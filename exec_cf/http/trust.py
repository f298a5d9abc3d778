"""The trusted certificates: the system's, since that is where operators add their company's own."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from typing import NamedTuple

import certifi

from exec_cf.errors import os_reason
from exec_cf.http.model import RequestError


class Store(NamedTuple):
    """A file of certificates, and a folder of certificates named by hash, as OpenSSL expects them."""

    file: str = ""
    folder: str = ""


SYSTEM_STORES = (
    Store("/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/certs"),  # Debian, Ubuntu, Arch, Alpine
    Store("/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/directory-hash"),  # Fedora, RHEL
    Store("/etc/ssl/ca-bundle.pem", "/etc/ssl/certs"),  # openSUSE
    Store("/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),  # RHEL
    Store("/etc/ssl/cert.pem"),  # macOS, Alpine, FreeBSD
)

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

_HASHED = re.compile(r"[0-9a-f]{8}\.[0-9]+")

_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
"""Codes of X509_verify_cert(3) that another trust store could solve."""

_NOT_YET_VALID, _EXPIRED = 9, 10


class Trust:
    """The TLS context of all connections, created when first needed.

    If the system also has its certificates in a hashed folder, OpenSSL is given the folder and reads only the ones that
    it needs; loading the whole file takes about 6 ms. The file may have more, since certificates can be appended by
    hand, so it is loaded if the folder was not sufficient: see `widen`.
    """

    def __init__(self, environ: Mapping[str, str], stores: tuple[Store, ...] | None = None) -> None:
        self._named = Store(*(environ.get(name, "") for name in VARIABLES))
        self._stores = SYSTEM_STORES if stores is None else stores
        self._context: ssl.SSLContext | None = None
        self._unread = ""

    def context(self) -> ssl.SSLContext:
        """Return the context. Raises `RequestError` if the trust store cannot be read."""
        if self._context is None:
            self._context = self._new_context()
        return self._context

    def widen(self) -> bool:
        """Also load the file, and return whether it was not loaded before."""
        if not self._unread:
            return False
        self._load(self.context(), Store(file=self._unread))
        self._unread = ""
        return True

    def _new_context(self) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if any(self._named):
            self._load(made, self._named)
            return made
        # Loading pathlib takes longer than a handshake.
        store = next((store for store in self._stores if os.path.isfile(store.file)), None)  # noqa: PTH113  as above
        if store is None:
            made.load_verify_locations(cadata=certifi.contents())
        elif _is_hashed(store.folder):
            self._load(made, Store(folder=store.folder))
            self._unread = store.file
        else:
            self._load(made, Store(file=store.file))
        return made

    def _load(self, context: ssl.SSLContext, store: Store) -> None:
        try:
            context.load_verify_locations(cafile=store.file or None, capath=store.folder or None)
        except ssl.SSLError as error:
            raise self._unreadable(f"OpenSSL says: {_words(error)}") from None
        except OSError as error:
            raise self._unreadable(os_reason(error)) from None

    def _unreadable(self, reason: str) -> RequestError:
        names = [name for name, value in zip(VARIABLES, self._named, strict=True) if value]
        return RequestError(f"the trust store cannot be read ({' and '.join(names) or 'of the system'}): {reason}")


def _is_hashed(folder: str) -> bool:
    try:
        return bool(folder) and any(map(_HASHED.fullmatch, os.listdir(folder)))  # noqa: PTH208  as above
    except OSError:
        return False


def _words(error: ssl.SSLError) -> str:
    """Return OpenSSL's description of an error, which comes from its own tables, never from a peer."""
    unnamed = _SOURCE.sub("", str(error)).rpartition("]")[2]
    return (error.reason or unnamed or "unknown").replace("_", " ").strip().lower()


_SOURCE = re.compile(r" \(_ssl\.c:[0-9]+\)$")


def _failure(error: ssl.SSLError) -> str:
    if not ssl.RAND_status():
        return "this system gives no random numbers"
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return "the peer closed the connection during the handshake"
    return _words(error)


def cause(error: ssl.SSLError) -> str:
    """Return why TLS failed, and what to do about it if possible."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS failed: {_failure(error)}"
    cure = ""
    if error.verify_code in _UNKNOWN_ISSUER:
        cure = "; SSL_CERT_FILE names another trust store"
    elif error.verify_code == _NOT_YET_VALID:
        cure = "; is the clock of this machine right?"
    return f"the certificate is not trusted: {error.verify_message}{cure}"
