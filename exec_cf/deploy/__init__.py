"""Deploys and deletes the Worker through Cloudflare's API; `deploy` and `undeploy` are the public functions.

No other verb loads this package.
"""

from exec_cf.deploy import bundle as bundles
from exec_cf.deploy.messages import Deployed, Options
from exec_cf.deploy.plan import plan
from exec_cf.deploy.steps import Confirm, Steps
from exec_cf.document import read
from exec_cf.errors import Note
from exec_cf.world import World

__all__ = ["Confirm", "Deployed", "Options", "deploy", "undeploy"]


def deploy(data: bytes, options: Options, world: World, note: Note) -> Deployed:
    """Deploy the Worker that the document *data* describes, and return what was done. Raises `Refused`."""
    planned = plan(read(data), options.folder, world, bundles.load(), deploys=True)
    return Steps(planned, world, note).deploy(options)


def undeploy(data: bytes, options: Options, world: World, note: Note, confirm: Confirm) -> None:
    """Delete the Worker that the document *data* describes if *confirm* agrees. Raises `Refused`."""
    planned = plan(read(data), options.folder, world, bundles.load(), deploys=False)
    Steps(planned, world, note).undeploy(options, confirm)
