"""What a deployment leaves on the Worker, so that the next one knows whether there is anything to do.

Every upload restarts every agent, and a secret cannot be read back. So a var holds a digest of the code and one of each
secret. Those of secrets are keyed with the control token: who may read the Worker's settings learns nothing from them,
and cannot try values against them.
"""

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256

import msgspec

from exec_cf.deploy.bundle import Bundle

VAR = "DEPLOYMENT"
KEY = "CONTROL_TOKEN"

MIN_KEY_CHARS = 32
"""Characters of a control token that nobody can guess."""

_FORMAT = "1"
_DIGITS = 32


class Fingerprint(msgspec.Struct, frozen=True):
    """The release, a digest of its code, and one of each secret that was named, by name.

    Without a control token to key them with there are none of secrets.
    """

    version: str
    code: str
    secrets: Mapping[str, str] = {}

    def __str__(self) -> str:
        """Return the text of the var."""
        return " ".join([_FORMAT, self.version, self.code, *(f"{name}={mac}" for name, mac in self.secrets.items())])


def parse(text: str) -> Fingerprint | None:
    """Return what the var says; None when it is not one of this program's."""
    match text.split(" "):
        case [form, version, code, *secrets] if form == _FORMAT:
            pairs = (secret.partition("=") for secret in secrets)
            return Fingerprint(version, code, {name: mac for name, _, mac in pairs})
    return None


def of(bundle: Bundle, secrets: Mapping[str, str]) -> Fingerprint:
    """Return the fingerprint of *bundle* with *secrets*, those that are named, by name."""
    code = sha256(bundle.code)
    code.update(msgspec.json.encode([bundle.observability, bundle.migrations], order="sorted"))
    key = secrets.get(KEY, "")
    is_usable = len(key) >= MIN_KEY_CHARS
    macs = {name: _mac(key, name, value) for name, value in sorted(secrets.items())} if is_usable else {}
    return Fingerprint(bundle.version, code.hexdigest()[:_DIGITS], macs)


def _mac(key: str, name: str, value: str) -> str:
    """Return a digest that is another for the same value of another secret."""
    return hmac.new(key.encode(), json.dumps([name, value]).encode(), sha256).hexdigest()[:_DIGITS]
