"""Builds the multipart form of an upload."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import msgspec

from exec_cf.deploy import fingerprint
from exec_cf.deploy.bundle import MAIN_MODULE, Migration
from exec_cf.deploy.live import Wanted
from exec_cf.usage import PROGRAM


class Form(msgspec.Struct, frozen=True):
    """A body and its Content-Type."""

    content_type: str
    body: bytes


def metadata(wanted: Wanted, migrations: Mapping[str, Any] | None = None, tags: Sequence[str] = ()) -> dict[str, Any]:
    """Return the metadata of an upload. Secrets that it omits keep their values; vars that it omits are removed."""
    bundle = wanted.bundle
    texts = {**wanted.vars, fingerprint.VAR: str(wanted.fingerprint)}
    made: dict[str, Any] = {
        "main_module": MAIN_MODULE,
        "compatibility_date": bundle.compatibility_date,
        "compatibility_flags": list(bundle.compatibility_flags),
        "bindings": [
            *({"name": name, "type": "plain_text", "text": text} for name, text in texts.items()),
            *({"name": name, "type": "secret_text", "text": text} for name, text in wanted.secrets.items()),
            *(
                {"name": name, "type": "durable_object_namespace", "class_name": kind}
                for name, kind in bundle.namespaces.items()
            ),
        ],
        "keep_bindings": ["secret_text", "secret_key"],
        "annotations": {"workers/tag": bundle.version[:100], "workers/message": f"{PROGRAM} {bundle.version}"},
    }
    if bundle.observability:
        made["observability"] = _observability(bundle.observability)
    if migrations:
        made["migrations"] = migrations
    if tags:
        made["tags"] = list(tags)
    return made


def migrations(known: Sequence[Migration], tag: str | None, *, foreign: bool = False) -> dict[str, Any] | None:
    """Return the migrations that a Worker at *tag* still needs, or None.

    A *foreign* Worker may be at an unknown tag, and needs all of *known*. Raises `ValueError` if any other Worker is at
    a tag that is not in *known*.
    """
    tags = [migration.tag for migration in known]
    if tag is not None and tag not in tags and not foreign:
        raise ValueError(tag)
    missing = known[tags.index(tag) + 1 :] if tag in tags else known
    if not missing:
        return None
    steps = [{"new_sqlite_classes": list(migration.new_sqlite_classes)} for migration in missing]
    old = {} if tag is None else {"old_tag": tag}
    return {**old, "new_tag": tags[-1], "steps": steps}


def form(described: Mapping[str, Any], code: bytes) -> Form:
    """Return the form of an upload (RFC 7578)."""
    head = msgspec.json.encode(described)
    boundary = _boundary(head + code)
    parts = [
        (b'form-data; name="metadata"', b"application/json", head),
        (
            f'form-data; name="{MAIN_MODULE}"; filename="{MAIN_MODULE}"'.encode(),
            b"application/javascript+module",
            code,
        ),
    ]
    body = b"".join(
        b"--%b\r\nContent-Disposition: %b\r\nContent-Type: %b\r\n\r\n%b\r\n" % (boundary, *part) for part in parts
    )
    return Form(f"multipart/form-data; boundary={boundary.decode()}", body + b"--%b--\r\n" % boundary)


def _observability(setting: Mapping[str, Any]) -> dict[str, Any]:
    """Return *setting* with the field that wrangler omits but the API's schema requires."""
    if "logs" not in setting:
        return dict(setting)
    return {**setting, "logs": {"enabled": setting["enabled"], **setting["logs"]}}


def _boundary(content: bytes) -> bytes:
    """Return a boundary that does not occur in *content*."""
    boundary = sha256(content).hexdigest().encode()
    while boundary in content:
        boundary = sha256(boundary).hexdigest().encode()
    return boundary
