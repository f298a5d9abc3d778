"""No release loses an agent: any call restores its alarm, and so does the cron trigger."""

import time
from pathlib import Path

import pytest

from tests.conformance.test_faults import revived, start
from tests.support.caller import Caller
from tests.support.nats import NatsServer
from tests.support.workerd import Workerd, own_connections

pytestmark = own_connections

# A release whose agents cannot set their alarm, from which the platform then turns away.
BROKEN = """\
export { default, Registry } from "bundle.js";
import { AgentSession as Good } from "bundle.js";
export class AgentSession extends Good {
  constructor(ctx, env) {
    ctx.storage.setAlarm = async () => { throw new Error("no alarm"); };
    super(ctx, env);
  }
  async alarm() {
    console.log("alarm begins");
    await super.alarm();
    console.log("alarm ends");
  }
}
"""


@pytest.fixture
def worker(bus: NatsServer, tmp_path: Path) -> Workerd:
    """Return a Worker that a test starts, breaks and stops."""
    return Workerd(tmp_path / "worker", {"NATS_WS_URL": bus.ws_url})


def lose_alarm(worker: Workerd, remembered: bool = False) -> None:
    """Start the Worker again with no alarm left for its agents; they may still believe in the one that never came."""
    worker.kill()
    worker.lose_alarms("AgentSession")
    overdue = "UPDATE _cf_METADATA SET value = CAST(value AS INTEGER) - 60000000000"
    worker.alter("AgentSession", overdue if remembered else "DELETE FROM _cf_METADATA")
    worker.start()


@pytest.mark.anyio
async def test_the_cron_trigger_brings_back_what_lost_its_alarm(bus: NatsServer, worker: Workerd) -> None:
    """Nobody asks for the agent; it is back, and has an alarm again."""
    with worker as running:
        subjects = [start(running, f"lost-{n}")["subjects"]["prompt"] for n in range(60)]
        lose_alarm(running)
        running.trigger_cron()
        async with Caller.connected(bus.url) as caller:
            for subject in subjects:
                await revived(caller, subject)
        assert running.alarms("AgentSession") == 60


# A release in which some objects fail, and some hang.
POISONED = """\
export { default, Hub, Registry } from "bundle.js";
import { AgentSession as Good } from "bundle.js";
export class AgentSession extends Good {
  async look() {
    if (this.ctx.id.name.startsWith("fails")) throw new Error("poisoned");
    if (this.ctx.id.name.startsWith("hangs")) await new Promise(() => setTimeout(() => {}, 60_000));
    return super.look();
  }
}
"""


@pytest.mark.anyio
async def test_agents_that_cannot_be_woken_keep_no_other_asleep(bus: NatsServer, worker: Workerd) -> None:
    """More of them than one call of the Registry wakes; the good one comes after all of them."""
    with worker as running:
        for number in range(45):
            start(running, f"fails-{number:02}")
        start(running, "hangs")
        subject = start(running, "well")["subjects"]["prompt"]
        running.patch = POISONED
        lose_alarm(running)
        running.trigger_cron()
        async with Caller.connected(bus.url) as caller:
            await revived(caller, subject)


def test_the_cron_trigger_leaves_alone_what_is_alive(worker: Workerd) -> None:
    """What has shown itself within a minute is not called; an entry without an agent is forgotten."""
    worker.patch = """\
export { default, Registry } from "bundle.js";
import { AgentSession as Good } from "bundle.js";
export class AgentSession extends Good {
  look() { console.log("touched"); return super.look(); }
}
"""
    with worker as running:
        start(running, "alive")
        running.trigger_cron()
        assert running.log.count("touched") == 0
        running.kill()
        running.alter("AgentSession", "DELETE FROM _cf_KV")
        running.start()
        running.trigger_cron()
        assert running.log.count("touched") == 1
        assert running.stored("Registry", 'SELECT key FROM "_cf_KV"') == []


@pytest.mark.parametrize("remembered", [False, True])
@pytest.mark.parametrize("touch", ["GET", "POST"])
def test_whoever_touches_an_agent_arms_it(worker: Workerd, touch: str, remembered: bool) -> None:
    """A handle that says ready is no promise for an agent that the next crash would lose."""
    with worker as running:
        start(running, "armed")
        lose_alarm(running, remembered)
        assert running.alarms("AgentSession") == 0
        with running.client() as client:
            assert client.request(touch, "/agent/armed").status_code == 200
        deadline = time.monotonic() + 5
        while running.alarms("AgentSession") == 0:
            assert time.monotonic() < deadline, "no alarm is set"
            time.sleep(0.05)


def test_an_alarm_that_cannot_be_set_again_fails(worker: Workerd) -> None:
    """The platform tries a failed alarm again; one that succeeded without a successor would be the last."""
    with worker as running:
        start(running, "failing")
        running.kill()
        running.patch = BROKEN
        running.start()
        deadline = time.monotonic() + 60
        while running.log.count("alarm begins") < 2:
            assert time.monotonic() < deadline, "the alarm is not tried again"
            time.sleep(0.2)
        assert running.log.count("alarm ends") == 0
