"""The README for a package index, where relative links into the repository would be broken."""

import os
import re
from pathlib import Path

_RELATIVE = r"(?![a-z]+:|#|/)(?:\./)?([^)\s]+)(?=\))"
_PICTURE = re.compile(rf"(!\[[^\]]*\]\(){_RELATIVE}")
_LINK = re.compile(rf"(?<=\]\(){_RELATIVE}")


def absolute_links(text: str, repository: str, tag: str) -> str:
    """Return Markdown *text* with its relative links made absolute, to files of *tag* in *repository*, a URL."""
    text = _PICTURE.sub(rf"\g<1>{repository}/raw/{tag}/\g<2>", text)
    return _LINK.sub(rf"{repository}/blob/{tag}/\g<1>", text)


def repository() -> str:
    """Return the URL of the project's repository, or an empty text if it is unknown."""
    server, name = os.environ.get("GITHUB_SERVER_URL"), os.environ.get("GITHUB_REPOSITORY")
    return f"{server}/{name}" if server and name else ""


def project_page(root: Path, version: str) -> str:
    """Return the README of the tree at *root*, with links to the files of the release's tag."""
    text = (root / "README.md").read_text()
    return absolute_links(text, repository(), f"v{version}") if repository() else text
