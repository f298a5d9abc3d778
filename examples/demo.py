"""The main job, for real: a bus, a Worker on workerd, two spawns, a prompt, an abort.

Run it with `make demo`. Everything binds to 127.0.0.1 and is stopped again at the end.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
import nats
import yaml
from synadia_ai.agents import Agents, ResponseChunk

from tests.support.nats import NatsServer
from tests.support.workerd import Workerd

EXAMPLES = Path(__file__).parent
PROMPT = "Is anybody out there?"


def main() -> None:
    """Start the servers, run the demo, stop the servers."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with NatsServer(home / "nats") as bus, Workerd(home / "worker", {"NATS_WS_URL": bus.ws_url}) as worker:
            print(f"# A bus on {bus.url} and a Worker on {worker.url}")
            spawn("lead-engineer.yaml", worker.url)
            asyncio.run(scene(spawn("echo.yaml", worker.url), bus.url))


def spawn(example: str, url: str) -> dict[str, Any]:
    """Pipe an example through the program, show both documents, return the handle."""
    spec = (EXAMPLES / example).read_text()
    print(f"\n$ CF_WORKER_URL={url} orch-executor-cf-worker < examples/{example}")
    done = subprocess.run(
        [sys.executable, "-m", "exec_cf"],
        input=spec,
        env={**os.environ, "CF_WORKER_URL": url},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    print(f"# the spec\n{spec}\n# the handle\n{done.stdout}", end="", flush=True)
    handle: dict[str, Any] = yaml.safe_load(done.stdout)
    if handle["status"] != "ready":
        raise SystemExit(f"{example}: {handle['message']}")
    return handle


async def scene(handle: dict[str, Any], bus_url: str) -> None:
    """Find the agent on the bus, prompt it, stop it, and look for it again."""
    bus = await nats.connect(bus_url)
    agents = Agents(nc=bus)
    try:
        agent = await found(agents, handle)
        print(f"\n# On the bus, as the agent protocol's client discovers it: {handle['bus']['prompt']}")
        print(f"> {PROMPT}")
        answer = [part async for part in agent.prompt(PROMPT)]
        print(f"< {''.join(part.text for part in answer if isinstance(part, ResponseChunk))}")
        print(f"\n$ curl -X POST {handle['abort']['target']}")
        print(httpx.post(handle["abort"]["target"]).raise_for_status().text)
        gone = await found(agents, handle) is None
        print("# Gone from the bus." if gone else "# Still on the bus!")
        if not gone:
            raise SystemExit("the agent outlived its abort")
    finally:
        await agents.close()
        await bus.close()


async def found(agents: Agents, handle: dict[str, Any]) -> Any:
    """Return the agent of the handle, or None if it is not on the bus."""
    wanted = handle["bus"]["prompt"]
    return next((agent for agent in await agents.discover() if agent.prompt_subject == wanted), None)


if __name__ == "__main__":
    main()
