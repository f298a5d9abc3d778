"""Files that hold secrets."""

import errno
import os
import stat


def read_secret(file: str, limit: int) -> bytes:
    """Return the content of *file*: at most *limit* + 1 bytes. Raises `OSError`, also if it is not a regular file."""
    # Opening a pipe would block otherwise.
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return opened.read(limit + 1)


def check_creatable(file: str) -> None:
    """Raise `OSError` if it is known in advance that `create_secret` cannot create *file*; nothing is changed."""
    if os.path.lexists(file):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
    folder = os.path.dirname(file) or os.curdir  # noqa: PTH120  as below
    if not stat.S_ISDIR(os.stat(folder).st_mode):  # noqa: PTH116  as below
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"the folder {folder} is not writable")


def create_secret(file: str, data: bytes) -> None:
    """Create *file* with *data*, readable by its owner only, where the file system knows owners.

    Readers find all of *data* or no file; where the file system has no links, they may find an empty file for a moment.
    Raises `OSError`: `FileExistsError` if anything exists there, even a dangling link.
    """
    scratch = f"{file}.{os.getpid()}.new"
    descriptor = _create(scratch)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            _restrict(descriptor)
            opened.write(data)
            opened.flush()
            os.fsync(descriptor)
        _publish(scratch, file)
    finally:
        if os.path.lexists(scratch):
            os.unlink(scratch)  # noqa: PTH108  pathlib is not loaded otherwise


def _create(file: str) -> int:
    """Create *file*, which must not exist, and return a descriptor for writing."""
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _restrict(descriptor: int) -> None:
    """Let only the owner read and write, whatever the umask."""
    try:
        os.fchmod(descriptor, 0o600)
    except PermissionError:
        return  # a file system without modes


def _publish(scratch: str, file: str) -> None:
    """Give *scratch* the name *file*, which must not exist."""
    try:
        # Unlike a rename, a link never replaces a file.
        os.link(scratch, file)
    except FileExistsError:
        raise
    except OSError:  # FAT and some network file systems have no links, and report that in many ways
        os.close(_create(file))
        try:
            os.replace(scratch, file)  # noqa: PTH105  as above
        except BaseException:
            os.unlink(file)  # noqa: PTH108  as above
            raise
