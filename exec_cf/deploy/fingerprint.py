"""The fingerprint that a deployment leaves in a var of the Worker, so that the next one can tell what changed.

Every upload restarts every agent, and a secret cannot be read back. So the var has a digest of the code and of each
secret. The digests of secrets are keyed with the control token, so that someone who can read the Worker's settings
learns nothing from them and cannot test guesses.
"""

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from exec_cf.deploy.bundle import Bundle
from exec_cf.deploy.messages import CONTROL_TOKEN

VAR = "DEPLOYMENT"

MIN_KEY_CHARS = 32
"""Shortest control token that counts as impossible to guess, as for the Worker."""

_FORMAT = "1"
_DIGITS = 32


class Fingerprint(msgspec.Struct, frozen=True):
    """The release, the digest of its code, and the digests of the secrets that the document named, by name.

    Without a control token as their key, there are no digests of secrets.
    """

    version: str
    code: str
    secrets: Mapping[str, str] = {}

    def __str__(self) -> str:
        """Return the value of the var."""
        return " ".join([_FORMAT, self.version, self.code, *(f"{name}={mac}" for name, mac in self.secrets.items())])


def parse(text: str) -> Fingerprint | None:
    """Return the fingerprint in the value of the var, or None if this program did not write it."""
    match text.split(" "):
        case [form, version, code, *secrets] if form == _FORMAT:
            pairs = (secret.partition("=") for secret in secrets)
            return Fingerprint(version, code, {name: mac for name, _, mac in pairs})
    return None


def of(bundle: Bundle, secrets: Mapping[str, str]) -> Fingerprint:
    """Return the fingerprint of *bundle* with *secrets*, the named ones by name."""
    code = sha256(bundle.code)
    code.update(msgspec.json.encode([bundle.observability, bundle.migrations], order="sorted"))
    key = secrets.get(CONTROL_TOKEN, "")
    is_usable = len(key) >= MIN_KEY_CHARS
    macs = {name: _mac(key, name, value) for name, value in sorted(secrets.items())} if is_usable else {}
    return Fingerprint(bundle.version, code.hexdigest()[:_DIGITS], macs)


def _mac(key: str, name: str, value: str) -> str:
    """Return the keyed digest of a secret; it differs between secrets with the same value."""
    return hmac.new(key.encode(), json.dumps([name, value]).encode(), sha256).hexdigest()[:_DIGITS]
