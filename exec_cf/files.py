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


def create_secret(file: str, data: bytes) -> None:
    """Create *file* with *data* atomically, readable by its owner only.

    Raises `OSError`: `FileExistsError` if anything exists there, even a dangling link.
    """
    scratch = f"{file}.{os.getpid()}.new"
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            os.fchmod(descriptor, 0o600)  # whatever the umask
            opened.write(data)
            opened.flush()
            os.fsync(descriptor)
        # Unlike a rename, a link never replaces a file.
        os.link(scratch, file)
    finally:
        os.unlink(scratch)  # noqa: PTH108  pathlib is not loaded otherwise
