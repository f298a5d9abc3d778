import pytest
from version import of_tag, semver

from tests.release.conftest import script


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("1.2.3", "1.2.3"),
        ("1.2.3.dev4+g0123abc", "1.2.3-dev.4+g0123abc"),
        ("1.2.3.dev4+g0123abc.d20261122", "1.2.3-dev.4+g0123abc.d20261122"),
        ("0.1.dev0", "0.1.0-dev.0"),
        ("1.2.3rc1", "1.2.3-rc.1"),
        ("1.2.3rc1.dev2", "1.2.3-rc.1.dev.2"),
    ],
)
def test_semver_orders_as_the_python_version_does(version: str, wanted: str) -> None:
    assert semver(version) == wanted


def test_a_release_tag_is_the_version_of_its_tree() -> None:
    assert of_tag("v1.2.3", "1.2.3") == "1.2.3"


@pytest.mark.parametrize("tag", ["1.2.3", "v1.2", "v1.2.3-rc.1", "v01.2.3", "v1.2.3\n", "v1.2.3;id", "main", ""])
def test_anything_but_a_release_tag_is_refused(tag: str) -> None:
    with pytest.raises(SystemExit, match="is not a release tag"):
        of_tag(tag, "1.2.3")


@pytest.mark.parametrize("version", ["1.2.4", "1.2.4.dev1+g0123abc", "1.2.3.dev0+g0123abc.d20261122"])
def test_a_tree_that_is_not_the_tagged_one_is_refused(version: str) -> None:
    with pytest.raises(SystemExit, match="check out the tag"):
        of_tag("v1.2.3", version)


def test_the_version_can_be_forced() -> None:
    done = script("version.py", env={"SETUPTOOLS_SCM_PRETEND_VERSION": "9.8.7", "PATH": "/usr/bin:/bin"})
    assert done.stdout == "9.8.7\n", done.stderr
