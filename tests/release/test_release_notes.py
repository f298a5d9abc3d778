import pytest
from release_notes import notes

CHANGELOG = """\
# Changelog

## 1.2.3 (2026-11-22)

- New: this.

## 1.2.2

## 1.2.1

- Old.
"""


@pytest.mark.parametrize(("version", "text"), [("1.2.3", "- New: this."), ("1.2.1", "- Old.")])
def test_the_notes_are_the_section_of_the_version(version: str, text: str) -> None:
    assert notes(CHANGELOG, version) == text


@pytest.mark.parametrize("version", ["1.2.2", "1.2", "2.0.0"])
def test_a_release_without_notes_is_refused(version: str) -> None:
    with pytest.raises(SystemExit, match=f"says nothing of {version}"):
        notes(CHANGELOG, version)
