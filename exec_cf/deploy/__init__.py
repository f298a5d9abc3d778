"""Deploying the Worker over Cloudflare's API; `deploy` and `undeploy` are the door.

Nothing here is loaded by any other verb.
"""

from collections.abc import Callable

from exec_cf.deploy import bundle as bundles
from exec_cf.deploy.messages import Deployed, Options
from exec_cf.deploy.plan import plan
from exec_cf.deploy.steps import Confirm, Steps
from exec_cf.document import read
from exec_cf.errors import Diagnostic
from exec_cf.world import World

__all__ = ["Confirm", "Deployed", "Note", "Options", "deploy", "undeploy"]

Note = Callable[[Diagnostic], None]


def deploy(data: bytes, options: Options, world: World, note: Note) -> Deployed:
    """Put in place what the document *data* describes. Raises `Refused`."""
    planned = plan(read(data), options.folder, world, bundles.load(), deploys=True)
    return Steps(planned, world, note).deploy(options)


def undeploy(data: bytes, options: Options, world: World, note: Note, confirm: Confirm) -> None:
    """Delete what the document *data* describes, once *confirm* says so. Raises `Refused`."""
    planned = plan(read(data), options.folder, world, bundles.load(), deploys=False)
    Steps(planned, world, note).undeploy(options, confirm)
