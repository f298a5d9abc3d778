"""The module that `build/generate/bundle.py` writes: the Worker's bundle."""

from typing import Any

VERSION: str
SHA256: str
"""The digest of the uncompressed code."""
COMPRESSED: bytes
SETTINGS: dict[str, Any]
"""The settings in `worker/wrangler.toml`."""
