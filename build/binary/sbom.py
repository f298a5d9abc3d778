"""Writes the CycloneDX bill of materials of the one-file program to stdout.

usage: sbom.py TOOLCHAIN REPORT PROGRAM VERSION

Everything in it is read from what the build used: the pinned sources, the packages in the toolchain, and the
freezer's report of the modules that it took in.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from email.parser import HeaderParser
from pathlib import Path
from xml.etree import ElementTree

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

NAME = "orch-executor-cf-worker"
SOURCES = Path(__file__).parent / "toolchain/sources.tsv"
WORKER_LOCK = Path(__file__).parents[2] / "worker/package-lock.json"
MACOS_COMPILER = Path(__file__).parents[2] / "requirements/macos.txt"

# SPDX expressions; the sources only have the text of their licences.
LICENSES = {
    "musl": "MIT",
    "zlib": "Zlib",
    "openssl": "Apache-2.0",
    "certifi": "MPL-2.0",
    "h11": "MIT",
    "httpcore": "BSD-3-Clause",
    "httpx": "BSD-3-Clause",
    "idna": "BSD-3-Clause",
    "msgspec": "BSD-3-Clause",
    "nuitka": "AGPL-3.0-only WITH Nuitka-runtime-exception",
    "pyyaml": "MIT",
    "ziglang": "MIT",
}


def _component(name: str, version: str, purl: PackageURL, sha256: str = "") -> Component:
    return Component(
        type=ComponentType.LIBRARY,
        name=name,
        version=version,
        bom_ref=str(purl),
        purl=purl,
        licenses=[LicenseExpression("Python-2.0" if name.startswith("python3.") else LICENSES[name])],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)] if sha256 else [],
    )


def for_macos(toolchain: Path) -> bool:
    """Return whether the toolchain builds for macOS, where the C library is the system's."""
    return (toolchain / "bin/clang").exists()


def system_components(toolchain: Path) -> Iterator[Component]:
    """Yield what was built from source, with the checksum of the source, and a compiler that adds its own code."""
    for line in SOURCES.read_text().splitlines():
        if line.startswith("#"):
            continue
        name, suite, file, sha256, _ = line.split("\t")
        if name == "musl" and for_macos(toolchain):
            continue
        version = re.sub(r"^.*_|\.orig\.tar\.\w+$", "", file)
        upstream = version.rpartition("+really")[2]
        purl = PackageURL("deb", "debian", name, version, {"arch": "source", "distro": suite})
        yield _component(name, upstream, purl, sha256)
    if for_macos(toolchain):
        name, version = re.findall(r"^(ziglang)==(\S+)", MACOS_COMPILER.read_text(), re.MULTILINE)[0]
        yield _component(name, version, PackageURL("pypi", None, name, version))


def python_components(toolchain: Path, report: Path) -> Iterator[Component]:
    """Yield the Python packages with frozen modules, and the freezer for the code that it adds."""
    taken = {module.get("name", "").partition(".")[0] for module in ElementTree.parse(report).iter("module")}  # noqa: S314
    (packages,) = toolchain.glob("usr/lib/python3.*/site-packages")
    for metadata in sorted([*packages.glob("*.dist-info/METADATA"), *packages.glob("*.egg-info/PKG-INFO")]):
        fields = HeaderParser().parsestr(metadata.read_text())
        name = fields["Name"].lower()
        if {"pyyaml": "yaml"}.get(name, name) in taken:
            yield _component(name, fields["Version"], PackageURL("pypi", None, name, fields["Version"]))
    version = _nuitka_version(report)
    yield _component("nuitka", version, PackageURL("pypi", None, "nuitka", version))


def worker_components() -> Iterator[Component]:
    """Yield the packages in the Worker's bundle, which the program contains."""
    for place, package in json.loads(WORKER_LOCK.read_text())["packages"].items():
        if not place or package.keys() & {"dev", "optional", "devOptional"}:
            continue
        scope, _, name = place.removeprefix("node_modules/").rpartition("/")
        purl = PackageURL("npm", scope or None, name, package["version"])
        yield Component(
            type=ComponentType.LIBRARY,
            group=scope or None,
            name=name,
            version=package["version"],
            bom_ref=str(purl),
            purl=purl,
            licenses=[LicenseExpression(package["license"])],
        )


def _nuitka_version(report: Path) -> str:
    return ElementTree.parse(report).getroot().attrib["nuitka_version"]  # noqa: S314


def bill(toolchain: Path, report: Path, program: Path, version: str) -> Bom:
    """Return the bill of materials; reproducible for a file."""
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    root = Component(
        type=ComponentType.APPLICATION,
        name=NAME,
        version=version,
        bom_ref=NAME,
        purl=PackageURL("pypi", None, NAME, version),
        licenses=[LicenseExpression("Apache-2.0")],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
    )
    made = Bom(
        components=[*system_components(toolchain), *python_components(toolchain, report), *worker_components()],
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"sha256:{digest}"),
    )
    made.metadata.timestamp = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", "0")), UTC)
    made.metadata.component = root
    made.register_dependency(root, list(made.components))
    return made


def main() -> None:
    """Print the bill."""
    toolchain, report, program = map(Path, sys.argv[1:4])
    text = JsonV1Dot6(bill(toolchain, report, program, sys.argv[4])).output_as_string(indent=2)
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
