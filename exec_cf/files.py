"""Files that hold secrets."""

import errno
import os
import stat


def read_secret(file: str, limit: int) -> bytes:
    """Return *file* to its end, or one byte more than *limit*. Raises `OSError`, also when it is not a regular file."""
    # A pipe would be waited for.
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return opened.read(limit + 1)


def create_secret(file: str, data: bytes) -> None:
    """Create *file* with *data*, whole or not at all, readable by its owner alone.

    Raises `OSError`: `FileExistsError` when anything is there, also a link that leads nowhere.
    """
    scratch = f"{file}.{os.getpid()}.new"
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(data)
            opened.flush()
            os.fsync(descriptor)
        # Unlike a rename it replaces nothing.
        os.link(scratch, file)
    finally:
        os.unlink(scratch)  # noqa: PTH108  pathlib is not loaded otherwise
