"""What is left out of the frozen program, and what modules carry and stays."""

from __future__ import annotations

import marshal
import subprocess
import sys
from pathlib import Path

import pytest
import unused

from tests.snapshot.conftest import ROOT

SOURCE = f'"""Words."""\n\nVERSION = "1"\nDATA = {bytes(range(256)) * 20!r}\nNAMES = {{"a": "b"}}\n'
CODE = marshal.dumps(compile(SOURCE, "carried.py", "exec"))
LOADER = f"""\
    "first", NULL, NULL, &entry_first, &module_owner_first, 0, 300, NUITKA_BYTECODE_FLAG
    "package.carried", NULL, NULL, &entry, NULL, &module_owner_carried, 14, {len(CODE)}, NUITKA_BYTECODE_FLAG
"""


def test_the_code_of_a_module_that_carries_data_stays_whole() -> None:
    blob = b"x" * 5000 + CODE + b"y" * 5000
    left = unused.pieces(blob, [(unused.carried_data(SOURCE), unused.code_size(LOADER, "package.carried"))])
    before, after = left
    kept = blob[len(before) : len(blob) - len(after)]
    assert blob == before + kept + after
    assert CODE in kept
    assert len(kept) < len(CODE) + 2000


def test_without_such_a_module_all_is_unused() -> None:
    assert unused.pieces(b"blob", []) == [b"blob"]


@pytest.mark.parametrize("module", ["package.other", "carried", "package"])
def test_a_module_that_the_freezer_does_not_name_is_refused(module: str) -> None:
    with pytest.raises(SystemExit, match=f"names {module} 0 times"):
        unused.code_size(LOADER, module)


def test_data_that_is_not_there_is_refused() -> None:
    with pytest.raises(SystemExit, match="not in its code"):
        unused.pieces(b"blob", [(b"data", 10)])


def test_the_pieces_are_written(tmp_path: Path) -> None:
    (tmp_path / "build/blobs").mkdir(parents=True)
    (tmp_path / "build/__loader.c").write_text(LOADER)
    (tmp_path / "build/blobs/__constant.bin").write_bytes(b"x" * 5000 + CODE + b"y" * 5000)
    (tmp_path / "carried.py").write_text(SOURCE)
    script = ROOT / "build/binary/snapshot/unused.py"
    command: list[str | Path] = [
        sys.executable,
        script,
        tmp_path / "build",
        tmp_path / "out",
        f"package.carried={tmp_path}/carried.py",
    ]
    subprocess.run(command, check=True)
    first, last = ((tmp_path / "out" / name).read_bytes() for name in "01")
    assert set(first) == {ord("x")}
    assert set(last) == {ord("y")}
