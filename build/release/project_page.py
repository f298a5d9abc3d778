"""The README as a package index shows it, where a link into the repository would lead nowhere."""

import os
import re
from pathlib import Path

_RELATIVE_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)(?:\./)?([^)\s]+)(?=\))")


def absolute_links(text: str, folder: str) -> str:
    """Return Markdown *text* with its relative links led to *folder*, a URL."""
    return _RELATIVE_LINK.sub(lambda link: f"{folder}/{link[1]}", text)


def repository() -> str:
    """Return the URL of the project's repository as the release knows it, or nothing."""
    server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    return f"{server}/{name}" if server and name else ""


def project_page(root: Path, version: str) -> str:
    """Return the README of the tree at *root*, with its links led to the release's own files."""
    text = (root / "README.md").read_text()
    return absolute_links(text, f"{repository()}/blob/v{version}") if repository() else text
