"""Write the README's two pictures of the page.

usage: python -m tests.page.shots FOLDER

The page is a Worker's own. The agents are made up and the clock stands still, so that a picture changes with the page
only.
"""

import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.sync_api import Route

from tests.support.chromium import MISSING, chromium, chromium_program
from tests.support.listing import FakeList, agent, time
from tests.support.visit import visit
from tests.support.workerd import Workerd

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
TOKEN = "a-control-token-of-more-than-32-characters"

# `system-ui` is the system's font, and there is no system here.
_FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include>/etc/fonts/fonts.conf</include>
  <match target="pattern">
    <edit name="family" mode="prepend" binding="strong"><string>Inter</string></edit>
  </match>
</fontconfig>
"""


def _ago(**units: float) -> str:
    return time(NOW - timedelta(**units))


AGENTS = [
    agent("migrations", "starting", owner="dmestas", agent="claude-code", started_at=_ago(seconds=20)),
    agent(
        "lead-engineer",
        "busy",
        agent="claude-code",
        started_at=_ago(minutes=12),
        last_prompt_at=_ago(seconds=20),
        answered=14,
        input_tokens=182340,
        output_tokens=40112,
    ),
    agent(
        "reviewer-2",
        agent="codex",
        started_at=_ago(minutes=12),
        last_prompt_at=_ago(minutes=4),
        answered=6,
        failed=1,
        input_tokens=51200,
        output_tokens=9340,
    ),
    agent(
        "docs",
        owner="dmestas",
        agent="gemini",
        started_at=_ago(minutes=95),
        last_prompt_at=_ago(minutes=31),
        answered=22,
        input_tokens=610455,
        output_tokens=88120,
    ),
    agent("echo-1", started_at=_ago(hours=5), last_prompt_at=_ago(hours=5), answered=1),
    agent(
        "nightly-triage",
        "stopped",
        owner="ops",
        agent="pi",
        started_at=_ago(hours=11),
        last_prompt_at=_ago(hours=10),
        answered=31,
        failed=2,
        input_tokens=1204998,
        output_tokens=130007,
        cause="it was not prompted for 8 hours",
        stopped_at=_ago(hours=2),
    ),
    agent(
        "bisect",
        "stopped",
        owner="ops",
        agent="codex",
        started_at=_ago(hours=21),
        last_prompt_at=_ago(hours=20),
        answered=9,
        input_tokens=98111,
        output_tokens=12090,
        cause="it was aborted",
        stopped_at=_ago(hours=20),
    ),
]
SHOTS: dict[str, dict[str, Any]] = {
    "agents.png": {"viewport": {"width": 1200, "height": 600}, "color_scheme": "light"},
    "agents-phone.png": {"viewport": {"width": 360, "height": 600}, "color_scheme": "dark"},
}


def take(program: str, folder: Path) -> None:
    """Write the pictures."""
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        fonts = home / "fonts.conf"
        fonts.write_text(_FONTS)
        variables = {"CONTROL_TOKEN": TOKEN}
        with (
            Workerd(home / "worker", variables) as worker,
            chromium(program, {"FONTCONFIG_FILE": str(fonts)}) as browser,
        ):
            version = worker.client().get("/health").json()["version"]
            for name, options in SHOTS.items():
                with visit(browser, worker.url, timezone_id="UTC", locale="en-GB", **options) as tab:
                    tab.page.clock.set_fixed_time(NOW)

                    def released(route: Route) -> None:
                        """Show a release: the version of other builds is long, and always another one."""
                        response = route.fetch()
                        route.fulfill(response=response, body=response.text().replace(version, "1.0.0"))

                    tab.page.route(f"{worker.url}/", released)
                    FakeList(tab, AGENTS, TOKEN)
                    tab.open()
                    tab.log_in(TOKEN)
                    tab.expect_sessions(*(each["session"] for each in AGENTS))
                    tab.page.screenshot(path=folder / name, animations="disabled")


def main(arguments: list[str]) -> int:
    """Write the pictures into the folder."""
    if len(arguments) != 1:
        sys.stderr.write(__doc__ or "")
        return 64
    program = chromium_program()
    if program is None:
        sys.stderr.write(f"{MISSING}\n")
        return 70
    take(program, Path(arguments[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
