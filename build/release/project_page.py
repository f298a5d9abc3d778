"""The README for a package index, where relative links into the repository would be broken."""

import os
import re
from pathlib import Path

_RELATIVE_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)(?:\./)?([^)\s]+)(?=\))")


def absolute_links(text: str, folder: str) -> str:
    """Return Markdown *text* with relative links made absolute below *folder*, a URL."""
    return _RELATIVE_LINK.sub(lambda link: f"{folder}/{link[1]}", text)


def repository() -> str:
    """Return the URL of the project's repository, or an empty text if it is unknown."""
    server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    return f"{server}/{name}" if server and name else ""


def project_page(root: Path, version: str) -> str:
    """Return the README of the tree at *root*, with links to the files of the release's tag."""
    text = (root / "README.md").read_text()
    return absolute_links(text, f"{repository()}/blob/v{version}") if repository() else text
