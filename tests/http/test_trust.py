"""Which certificates are trusted, and how many of them are read."""

import ssl
from pathlib import Path

import pytest

from exec_cf.http import trust
from exec_cf.http.model import RequestError
from exec_cf.http.trust import Store, Trust
from tests.support.certificates import Authority

BAD_BLOCK = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def subjects(context: ssl.SSLContext) -> int:
    """Return how many certificates have been read."""
    return len(context.get_ca_certs())


def unreadable(environ: dict[str, str], *stores: Store) -> str:
    with pytest.raises(RequestError) as error:
        Trust(environ, stores).context()
    return str(error.value)


@pytest.mark.parametrize("name", trust.VARIABLES)
def test_the_environment_wins_over_the_system(name: str, authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "system.pem").write_text("junk, which must not be read")
    named = {"SSL_CERT_FILE": str(authority.file), "SSL_CERT_DIR": str(authority.directory)}
    context = Trust({name: named[name]}, (Store(str(tmp_path / "system.pem")),)).context()
    assert subjects(context) == (name == "SSL_CERT_FILE")


def test_the_first_place_of_the_system_that_exists_counts(authority: Authority) -> None:
    stores = (Store("/nowhere/a.pem"), Store(str(authority.file)), Store("/nowhere/b.pem"))
    assert subjects(Trust({"SSL_CERT_FILE": ""}, stores).context()) == 1


def test_the_bundled_store_serves_where_the_system_has_none() -> None:
    assert subjects(Trust({}, (Store("/nowhere/a.pem", "/nowhere"),)).context()) > 100


def test_a_context_verifies_certificate_and_name_and_is_made_once(authority: Authority) -> None:
    trusted = Trust({"SSL_CERT_FILE": str(authority.file)})
    context = trusted.context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert trusted.context() is context


class TestHashedFolder:
    def test_nothing_is_read_before_it_is_needed(self, authority: Authority) -> None:
        store = Store(str(authority.file), str(authority.directory))
        assert subjects(Trust({}, (store,)).context()) == 0

    def test_the_file_is_read_once_where_the_folder_is_not_enough(self, authority: Authority) -> None:
        trusted = Trust({}, (Store(str(authority.file), str(authority.directory)),))
        trusted.context()
        assert (trusted.widen(), trusted.widen()) == (True, False)
        assert subjects(trusted.context()) == 1

    def test_a_folder_without_hashes_is_passed_over(self, authority: Authority, tmp_path: Path) -> None:
        trusted = Trust({}, (Store(str(authority.file), str(tmp_path)),))
        assert subjects(trusted.context()) == 1
        assert not trusted.widen()

    def test_what_the_environment_names_is_all_there_is(self, authority: Authority) -> None:
        trusted = Trust({"SSL_CERT_DIR": str(authority.directory)}, (Store(str(authority.file)),))
        trusted.context()
        assert not trusted.widen()


class TestUnreadable:
    def test_a_file_that_is_absent(self, tmp_path: Path) -> None:
        words = "the trust store cannot be read (SSL_CERT_FILE): no such file or directory"
        assert unreadable({"SSL_CERT_FILE": str(tmp_path / "absent")}) == words

    @pytest.mark.parametrize("text", ["", "junk"])
    def test_a_file_without_a_certificate(self, text: str, tmp_path: Path) -> None:
        (tmp_path / "store.pem").write_text(text)
        words = "the trust store cannot be read (of the system): OpenSSL says: no certificate or crl found"
        assert unreadable({}, Store(str(tmp_path / "store.pem"))) == words

    def test_a_file_with_one_bad_block(self, authority: Authority, tmp_path: Path) -> None:
        (tmp_path / "store.pem").write_text(authority.file.read_text() + BAD_BLOCK)
        message = unreadable({}, Store(str(tmp_path / "store.pem")))
        assert "OpenSSL says: " in message
        assert "no certificate" not in message

    def test_a_der_file(self, authority: Authority, tmp_path: Path) -> None:
        (tmp_path / "store.der").write_bytes(ssl.PEM_cert_to_DER_cert(authority.file.read_text()))
        assert "OpenSSL says: " in unreadable({"SSL_CERT_FILE": str(tmp_path / "store.der")})
