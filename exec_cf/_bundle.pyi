"""What `build/worker/embed.py` writes: the Worker that the program carries."""

from typing import Any

VERSION: str
SHA256: str
"""Of the code as it runs."""
COMPRESSED: bytes
SETTINGS: dict[str, Any]
"""What `worker/wrangler.toml` says."""
