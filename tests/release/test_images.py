"""The images of both Linux platforms, pushed to a registry of this machine under one name: `make test-release`."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.release.conftest import PROGRAM, ROOT, VERSION, package
from tests.release.test_executable import elf
from tests.support.process import Process, free_port, listens

pytestmark = pytest.mark.slow

CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}", tls: {{certificate: {certificate}, key: {key}}}}}
"""
INDEX = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """Run a registry, and yield its address and the authority that vouches for it."""
    if not (shutil.which("docker-registry") and shutil.which("buildah")):
        pytest.skip("needs Debian's packages docker-registry and buildah")
    folder = tmp_path / "registry"
    folder.mkdir()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    issued.cert_chain_pems[0].write_to_path(str(folder / "certificate.pem"))
    port = free_port()
    config = CONFIG.format(folder=folder, port=port, certificate=folder / "certificate.pem", key=folder / "key.pem")
    (folder / "config.yml").write_text(config)
    server = Process(["docker-registry", "serve", str(folder / "config.yml")], folder / "log")
    server.wait_until(lambda: listens(port))
    yield f"127.0.0.1:{port}", folder / "authority.pem"
    server.stop()


@pytest.fixture
def archives(release: Path, binary: Path, tmp_path: Path) -> Path:
    """Return a folder with the archives of both platforms; the other machine's program is a head without a body."""
    other = tmp_path / PROGRAM
    other.write_bytes(elf(183))
    shutil.copy(f"{binary}.cdx.json", f"{other}.cdx.json")
    return package(other, VERSION, "linux-aarch64", release)


def test_a_machine_is_given_the_image_of_its_platform(registry: tuple[str, Path], archives: Path) -> None:
    address, authority = registry
    environ = {**os.environ, "SSL_CERT_FILE": str(authority), "REGISTRY_USER": "me", "REGISTRY_TOKEN": "secret"}
    image = f"{address}/owner/{PROGRAM}"
    for command in (["images.sh", VERSION, archives], ["publish_images.sh", image, VERSION, archives]):
        script = [str(ROOT / "build/release" / str(command[0])), *map(str, command[1:])]
        done = subprocess.run(script, env=environ, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "secret" not in done.stdout + done.stderr
    # The last one's, for `>> "$GITHUB_OUTPUT"`: the digest that is attested is the one that machines ask for.
    digest = done.stdout.removeprefix("digest=").rstrip("\n")
    assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
    for tag in (VERSION, "latest"):
        asked = urllib.request.Request(
            f"https://{address}/v2/owner/{PROGRAM}/manifests/{tag}", headers={"Accept": INDEX}
        )
        trusting = ssl.create_default_context(cafile=str(authority))
        with urllib.request.urlopen(asked, context=trusting) as answer:
            index = answer.read()
        assert f"sha256:{hashlib.sha256(index).hexdigest()}" == digest
        platforms = [entry["platform"] for entry in json.loads(index)["manifests"]]
        assert sorted((each["os"], each["architecture"]) for each in platforms) == [
            ("linux", "amd64"),
            ("linux", "arm64"),
        ]


def test_an_image_is_the_same_each_time(archives: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not shutil.which("buildah"):
        pytest.skip("needs Debian's package buildah")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    seen = set()
    for _ in range(2):
        subprocess.run([ROOT / "build/release/images.sh", VERSION, archives], check=True, stdout=subprocess.DEVNULL)
        image = archives / f"{PROGRAM}-{VERSION}-linux-x86_64.oci.tar"
        index = subprocess.run(["tar", "-xOf", image, "index.json"], check=True, stdout=subprocess.PIPE).stdout
        seen.add(json.loads(index)["manifests"][0]["digest"])
    assert len(seen) == 1
