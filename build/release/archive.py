"""Archives whose bytes depend on nothing but their members and `SOURCE_DATE_EPOCH`."""

import gzip
import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path


def source_date() -> int:
    """Return the timestamp for all files, in seconds since 1970: that of the commit, as `make` exports it."""
    return int(os.environ.get("SOURCE_DATE_EPOCH") or 315532800)


def write(output: Path, members: Mapping[str, Path], executable: str = "") -> None:
    """Write a `.tar.gz` of one folder named after *output*, with *members*: name in the folder to file."""
    folder = output.name.removesuffix(".tgz").removesuffix(".tar.gz")
    with (
        output.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=source_date()) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, source in sorted(members.items()):
            data = source.read_bytes()
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mtime = len(data), source_date()
            entry.mode = 0o755 if name == executable else 0o644
            tar.addfile(entry, io.BytesIO(data))
