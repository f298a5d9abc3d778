"""What the pages say of files, targets and options is so."""

from __future__ import annotations

import re
import subprocess

import pytest
from platforms import PLATFORMS

from tests.release.conftest import ROOT, targets

PAGES = [
    str(page.relative_to(ROOT))
    for pattern in ("*.md", "build/*.md", "docs/*.md", "worker/*.md", "tests/conformance/*.md")
    for page in sorted(ROOT.glob(pattern))
]


def read(page: str) -> str:
    return (ROOT / page).read_text()


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_script_and_link_leads_somewhere(page: str) -> None:
    text = read(page)
    folder = (ROOT / page).parent
    for link, anchor in re.findall(r"\]\((?!https:)([^)#]*)#?([^)]*)\)", text):
        target = folder / link if link else ROOT / page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), anchor
    for script in re.findall(r"build/[\w/]+\.(?:py|sh)", text):
        assert (ROOT / script).exists(), script


@pytest.mark.parametrize("page", PAGES)
def test_every_target_is_there(page: str) -> None:
    for called in re.findall(r"(?:^ *|`)make ([a-z -]+?)(?: *[`\n#]|  )", read(page), re.MULTILINE):
        assert set(called.split()) <= targets(), called


def test_the_installers_options_are_all_documented() -> None:
    usage = subprocess.run(["sh", ROOT / "install.sh", "--help"], text=True, capture_output=True, check=True).stdout
    table = re.findall(r"^\| `(--\w+ \w+)` \| `(\w+)` \|", read("docs/installing.md"), re.MULTILINE)
    assert re.findall(r"^  (--\w+ \w+) .*?\(.*?\$(INSTALL_\w+)\)$", usage, re.MULTILINE) == table


def test_the_platforms_are_all_named() -> None:
    for name in PLATFORMS:
        assert f"`{name}`" in read("docs/releasing.md")


def test_a_download_is_verified_as_signed_by_the_workflow_and_for_the_tag() -> None:
    identity = '--cert-identity "https://github.com/$REPOSITORY/.github/workflows/release.yml@refs/tags/v$VERSION"'
    assert identity in read("docs/installing.md")
    assert (ROOT / ".github/workflows/release.yml").exists()
    published = (ROOT / "build/release/verify_published.sh").read_text()
    assert '--cert-identity "$repository/.github/workflows/release.yml@refs/tags/v$version"' in published


def test_no_page_verifies_less() -> None:
    for page in ("README.md", *PAGES):
        for call in re.findall(r"gh attestation verify(?:.*\\\n)*.*", read(page)):
            assert "--cert-identity" in call, page


def test_compilers_are_not_called_pinned_while_apt_takes_those_of_the_day() -> None:
    assert "apt-get -qq install" in (ROOT / "build/binary/in_debian.sh").read_text()
    said = " ".join(read("SECURITY.md").split())
    assert "The C compiler, the linker and the system headers for Linux are not: they are Debian's at the time" in said


def test_the_versions_in_the_binary_are_those_that_are_pinned() -> None:
    pinned = (ROOT / "build/binary/toolchain/sources.tsv").read_text()
    files = {"CPython": "python3.13_", "OpenSSL": "openssl_", "musl": "musl_", "zlib": "zlib_1.3.dfsg+really"}
    for name, file in files.items():
        [version] = re.findall(rf"contains [^:]*?\b{name} ([\d.]+\d)", read("SECURITY.md"))
        assert f"{file}{version}.orig" in pinned, name
