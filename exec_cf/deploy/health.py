"""What a Worker's `/health` says."""

import msgspec

from exec_cf.http import Response


class Health(msgspec.Struct, frozen=True):
    """An answer of this program's Worker; `auth` is `token`, `none` or `unusable`."""

    agent: str
    version: str = ""
    auth: str = ""


def read(response: Response) -> Health | None:
    """Return what *response* says, None when it is not from this program's Worker."""
    if response.status != 200:
        return None
    try:
        health = msgspec.json.decode(response.body, type=Health)
    except (msgspec.DecodeError, RecursionError):
        return None
    return health if health.agent == "open-agent" else None
