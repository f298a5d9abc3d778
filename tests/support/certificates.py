"""TLS for tests: a private certificate authority, and server contexts with its certificates."""

import ssl
import subprocess
from pathlib import Path

import trustme


class Authority:
    """A certificate authority, with its certificate as a file and as a directory of hashed names."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(self.file))
        self.directory = folder / "authorities"
        self.directory.mkdir()
        (self.directory / f"{_subject_hash(self.file)}.0").write_bytes(self._authority.cert_pem.bytes())

    def keypair(self, *names: str) -> tuple[str, str]:
        """Return a key and a certificate chain for *names*, as PEM texts."""
        issued = self._authority.issue_cert(*names)
        chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
        return issued.private_key_pem.bytes().decode(), chain.decode()

    def server(self, *names: str) -> ssl.SSLContext:
        """Return a server's context with a certificate for *names*."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*names).configure_cert(context)
        return context


def _subject_hash(certificate: Path) -> str:
    """Return the name that OpenSSL looks for in a directory of certificates."""
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(certificate)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
