"""What one system has and another lacks, where a test cannot do without it."""

from pathlib import Path

import pytest

needs_full_device = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs /dev/full, the device that takes nothing, which is Linux's"
)
