"""The servers of the tests: see `support/process.py`."""

import os
import subprocess
import sys
import time
from pathlib import Path

STARTS_TWO = """
import sys, time
from pathlib import Path
from tests.support.process import Process
log = Path(sys.argv[1])
print(Process(["sleep", "100"], log).pid)
print(Process(["sh", "-c", "sleep 100 & wait"], log).pid, flush=True)
time.sleep(100)
"""


def _is_left(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_they_end_with_tests_that_are_killed(tmp_path: Path) -> None:
    argv = [sys.executable, "-c", STARTS_TWO, str(tmp_path / "log")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        groups = [int(tests.stdout.readline()) for _ in range(2)]
        assert [_is_left(group) for group in groups] == [True, True]
        tests.kill()
    deadline = time.monotonic() + 10
    while any(_is_left(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [_is_left(group) for group in groups] == [False, False]
