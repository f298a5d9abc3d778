"""Files that hold secrets: read with bounds, created whole and for their owner alone."""

import errno
import os
import stat
from pathlib import Path

import pytest

from exec_cf.files import check_creatable, create_secret, read_secret


def test_a_file_is_read_to_its_end_or_one_byte_beyond_the_limit(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b"12345")
    assert read_secret(str(file), 5) == b"12345"
    assert read_secret(str(file), 3) == b"1234"


def test_a_link_to_a_file_is_followed(tmp_path: Path) -> None:
    """Orchestrators mount secrets that way."""
    (tmp_path / "secret").write_bytes(b"hush")
    (tmp_path / "link").symlink_to(tmp_path / "secret")
    assert read_secret(str(tmp_path / "link"), 10) == b"hush"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        read_secret(str(tmp_path / "pipe"), 10)


@pytest.mark.parametrize("file", ["/dev/zero", "/"])
def test_anything_but_a_regular_file_is_refused(file: str) -> None:
    with pytest.raises(OSError, match=r"regular file|directory"):
        read_secret(file, 10)


@pytest.mark.parametrize("umask", [0, 0o777])
def test_a_created_file_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    file = tmp_path / "secret"
    before = os.umask(umask)
    try:
        create_secret(str(file), b"hush")
    finally:
        os.umask(before)
    assert file.read_bytes() == b"hush"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


@pytest.fixture(params=["links", "no links"])
def any_file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file system have links, or none, as FAT."""
    if request.param == "no links":
        monkeypatch.setattr(os, "link", no_link)


def no_link(source: str, target: str) -> None:
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM), source, None, target)


@pytest.mark.usefixtures("any_file_system")
def test_the_file_is_all_that_is_left(tmp_path: Path) -> None:
    create_secret(str(tmp_path / "secret"), b"hush")
    assert (tmp_path / "secret").read_bytes() == b"hush"
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["secret"]


def test_nothing_is_left_of_a_file_that_cannot_be_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("fsync", "replace"):
        with monkeypatch.context() as broken:
            broken.setattr(os, "link", no_link)
            broken.setattr(os, name, fail)
            with pytest.raises(OSError, match="No space left"):
                create_secret(str(tmp_path / "secret"), b"hush")
        assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_modes_is_good_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchmod", refuse)
    create_secret(str(tmp_path / "secret"), b"hush")
    assert (tmp_path / "secret").read_bytes() == b"hush"


@pytest.mark.usefixtures("any_file_system")
def test_nothing_is_overwritten_and_no_link_followed(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("there", "link"):
        with pytest.raises(FileExistsError):
            create_secret(str(tmp_path / name), b"new")
    assert (tmp_path / "there").read_bytes() == b"old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["link", "there"]


def test_a_folder_that_does_not_exist_is_reported(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        create_secret(str(tmp_path / "nowhere" / "secret"), b"hush")


def test_what_cannot_be_created_is_known_in_advance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_creatable(str(tmp_path / "secret"))
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        check_creatable(str(tmp_path / "link"))
    with pytest.raises(FileNotFoundError):
        check_creatable(str(tmp_path / "nowhere" / "secret"))
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        check_creatable(str(tmp_path / "file" / "secret"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(PermissionError, match=r"the folder \. is not writable"):
        check_creatable("secret")
