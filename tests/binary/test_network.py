"""Names, certificates, proxies and redirects: what the libraries inside do for an ordinary program, they do here."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import trustme

from tests.binary.conftest import Health, is_ready, run
from tests.binary.peers import Proxy, Redirects
from tests.binary.places import Root
from tests.support.name_server import AAAA, A, NameServer, Reply
from tests.support.serving import serving

SYSTEM_PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
DNS_ADDRESS = "127.0.0.77"
NAME = "worker.example.test"
IDNA_NAME = "wörker.example.test"
ENCODED_NAME = "xn--wrker-jua.example.test"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Return a certificate authority that nobody trusts yet."""
    return trustme.CA()


@pytest.fixture(scope="module")
def https_port(authority: trustme.CA) -> Iterator[int]:
    """Return the port of a healthy Worker over TLS."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Health)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", NAME, IDNA_NAME).configure_cert(context)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with serving(server):
        yield server.server_port


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    """Return a file that holds the authority's certificate."""
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@pytest.fixture
def root(program: Path, tmp_path: Path, is_root: None) -> Root:  # noqa: ARG001  it skips
    """Return a root that holds only the program."""
    return Root(tmp_path / "root", program)


def test_https_with_a_trusted_file(program: Path, https_port: int, bundle: Path) -> None:
    assert is_ready(run([program], f"https://127.0.0.1:{https_port}", {"SSL_CERT_FILE": str(bundle)}))


def test_https_with_a_trusted_folder(program: Path, https_port: int, bundle: Path, tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    hashed = ["openssl", "x509", "-noout", "-hash", "-in", str(bundle)]
    name = subprocess.run(hashed, check=True, capture_output=True, text=True).stdout.strip()
    shutil.copy(bundle, folder / f"{name}.0")
    assert is_ready(run([program], f"https://127.0.0.1:{https_port}", {"SSL_CERT_DIR": str(folder)}))


def test_https_with_the_systems_store(root: Root, https_port: int, bundle: Path) -> None:
    root.write("etc/ssl/certs/ca-certificates.crt", bundle.read_text())
    assert is_ready(run(root.call(), f"https://127.0.0.1:{https_port}", SYSTEM_PATH))


def test_https_with_the_bundled_store_where_the_system_has_none(program: Path, root: Root, https_port: int) -> None:
    done = run(root.call(), f"https://127.0.0.1:{https_port}", SYSTEM_PATH)
    assert "status: failed" in done.stdout
    assert "the certificate is not trusted: unable to get local issuer certificate" in done.stdout
    assert program.read_bytes().count(b"-----BEGIN CERTIFICATE-----") > 100


def test_a_name_from_etc_hosts(root: Root, health: str) -> None:
    root.write("etc/hosts", f"127.0.0.1 {NAME}\n")
    assert is_ready(run(root.call(), health.replace("127.0.0.1", NAME), SYSTEM_PATH))


def test_an_international_name_over_https(root: Root, https_port: int, bundle: Path) -> None:
    root.write("etc/hosts", f"127.0.0.1 {ENCODED_NAME}\n")
    root.write("ca.pem", bundle.read_text())
    done = run(root.call(), f"https://{IDNA_NAME}:{https_port}", {**SYSTEM_PATH, "SSL_CERT_FILE": "/ca.pem"})
    assert is_ready(done)


@pytest.mark.parametrize("truncated", [False, True], ids=["udp", "tcp"])
def test_a_name_from_a_name_server(root: Root, health: str, truncated: bool) -> None:
    zone = {(NAME, A): Reply(("127.0.0.1",), is_truncated=truncated), (NAME, AAAA): Reply()}
    with NameServer(zone, DNS_ADDRESS, 53) as server:
        root.write("etc/resolv.conf", f"nameserver {server.address}\n")
        assert is_ready(run(root.call(), health.replace("127.0.0.1", NAME), SYSTEM_PATH))


def test_an_unknown_name(root: Root) -> None:
    with NameServer({}, DNS_ADDRESS, 53) as server:
        root.write("etc/resolv.conf", f"nameserver {server.address}\n")
        done = run(root.call(), f"http://{NAME}", SYSTEM_PATH)
    assert "status: failed" in done.stdout
    assert f"the name {NAME} was not found" in done.stdout


def test_redirects(program: Path, health: str) -> None:
    with serving(Redirects(f"{health}/health")) as server:
        assert is_ready(run([program], f"http://127.0.0.1:{server.server_port}"))


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy(program: Path, health: str, https_port: int, bundle: Path, scheme: str) -> None:
    port = https_port if scheme == "https" else int(health.rpartition(":")[2])
    proxy = Proxy()
    with serving(proxy) as server:
        environ = {f"{scheme.upper()}_PROXY": f"http://127.0.0.1:{server.server_port}", "SSL_CERT_FILE": str(bundle)}
        assert is_ready(run([program], f"{scheme}://{NAME}:{port}", environ))
    assert proxy.asked == [f"CONNECT {NAME}:{port}" if scheme == "https" else f"GET http://{NAME}:{port}/health"]
