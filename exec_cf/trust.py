"""Which certificates are trusted: the system's, since that is where an operator adds a company's own."""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path

SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Alpine
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # RHEL
    "/etc/ssl/cert.pem",  # macOS, Alpine, FreeBSD
)


VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def source(environ: Mapping[str, str], exists: Callable[[str], bool]) -> tuple[str, str]:
    """Return the file and the directory to trust, both empty where the bundled store has to serve.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` win, as OpenSSL has it; then the first of the usual places that exists.
    """
    file, directory = (environ.get(name, "") for name in VARIABLES)
    if file or directory:
        return file, directory
    return next(filter(exists, SYSTEM_FILES), ""), ""


def context(environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return a client's TLS context. Raises `OSError` when what the environment names cannot be read."""
    file, directory = source(environ, lambda name: Path(name).is_file())
    if not file and not directory:
        return _bundled()
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(cafile=file or None, capath=directory or None)
    return made


def _bundled() -> ssl.SSLContext:
    import certifi

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(cadata=certifi.contents())
    return made
