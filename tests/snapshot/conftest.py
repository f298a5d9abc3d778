"""The scripts under test, found as they find each other."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "build/binary/snapshot"))
