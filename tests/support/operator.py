"""A NATS operator with one account and one user, for tests with a credentials file."""

import base64
import hashlib
import json
import os
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import nkeys  # type: ignore[import-untyped]  # it has no types

PREFIXES = {
    "operator": nkeys.PREFIX_BYTE_OPERATOR,
    "account": nkeys.PREFIX_BYTE_ACCOUNT,
    "user": nkeys.PREFIX_BYTE_USER,
}


def new_key(kind: str) -> nkeys.KeyPair:
    """Return a fresh key pair of an operator, an account or a user."""
    return nkeys.from_seed(nkeys.encode_seed(os.urandom(32), PREFIXES[kind]))


def public(key: nkeys.KeyPair) -> str:
    """Return the public key as text."""
    text: str = key.public_key.decode()
    return text


def seed_of(key: nkeys.KeyPair) -> str:
    """Return the secret seed as text."""
    text: str = bytes(key.seed).decode()
    return text


class Operator:
    """Signs an account and its users."""

    def __init__(self) -> None:
        """Make operator and account."""
        self._operator = new_key("operator")
        self._account = new_key("account")

    def server_settings(self, **limited: int) -> dict[str, Any]:
        """Return the configuration of a server that trusts this operator, and limits the account, such as `subs=12`."""
        limits = dict.fromkeys(["subs", "conn", "leaf", "imports", "exports", "data", "payload"], -1) | limited
        account = {"type": "account", "version": 2, "limits": {**limits, "wildcards": True}}
        return {
            "operator": _jwt(self._operator, self._operator, "op", {"type": "operator", "version": 2}),
            "resolver": "MEMORY",
            "resolver_preload": {public(self._account): _jwt(self._operator, self._account, "acc", account)},
        }

    def credentials(self, expires_s: float | None = None, **limited: int) -> str:
        """Return the text of a new user's credentials file; the user may be limited, such as `subs=12`."""
        user = new_key("user")
        claims = {"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1, **limited}
        expiry = {} if expires_s is None else {"exp": int(time.time() + expires_s)}
        jwt = _jwt(self._account, user, "agent", claims, expiry)
        return (
            f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
            f"-----BEGIN USER NKEY SEED-----\n{seed_of(user)}\n------END USER NKEY SEED------\n"
        )


def _jwt(
    issuer: nkeys.KeyPair,
    subject: nkeys.KeyPair,
    name: str,
    claims: dict[str, Any],
    expiry: Mapping[str, int] = MappingProxyType({}),
) -> str:
    body: dict[str, Any] = {
        **expiry,
        "iat": int(time.time()),
        "iss": public(issuer),
        "name": name,
        "sub": public(subject),
        "nats": claims,
    }
    body["jti"] = base64.b32encode(hashlib.sha256(json.dumps(body).encode()).digest()).decode().rstrip("=")
    signed = f"{_b64({'typ': 'JWT', 'alg': 'ed25519-nkey'})}.{_b64(body)}"
    return f"{signed}.{base64.urlsafe_b64encode(issuer.sign(signed.encode())).decode().rstrip('=')}"


def _b64(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
