"""Which certificates are trusted."""

import ssl
from pathlib import Path

import pytest

from exec_cf import trust
from tests.support.certificates import Authority


@pytest.mark.parametrize(
    ("environ", "existing", "wanted"),
    [
        ({}, set(trust.SYSTEM_FILES), (trust.SYSTEM_FILES[0], "")),
        ({}, {trust.SYSTEM_FILES[-1]}, (trust.SYSTEM_FILES[-1], "")),
        ({}, set(), ("", "")),
        ({"SSL_CERT_FILE": "/a"}, set(trust.SYSTEM_FILES), ("/a", "")),
        ({"SSL_CERT_DIR": "/d"}, set(trust.SYSTEM_FILES), ("", "/d")),
        ({"SSL_CERT_FILE": "/a", "SSL_CERT_DIR": "/d"}, set(), ("/a", "/d")),
        ({"SSL_CERT_FILE": ""}, {trust.SYSTEM_FILES[0]}, (trust.SYSTEM_FILES[0], "")),
    ],
)
def test_the_environment_wins_over_the_system(
    environ: dict[str, str], existing: set[str], wanted: tuple[str, str]
) -> None:
    assert trust.source(environ, existing.__contains__) == wanted


def test_a_context_verifies_certificate_and_name(tmp_path: Path) -> None:
    context = trust.context({"SSL_CERT_FILE": str(Authority(tmp_path).file)})
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert len(context.get_ca_certs()) == 1


def test_what_cannot_be_read_raises(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        trust.context({"SSL_CERT_FILE": str(tmp_path / "absent")})
