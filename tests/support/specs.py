"""SpawnSpecs as texts, and the documents of the contract's worked example."""

EXAMPLE_SPEC = b"""\
spec_version: v1
name: lead-engineer
agent: claude-code
session: lead-engineer
owner: dmestas
cf-worker:
  script: https://orch-cf-agent.example.workers.dev
  abort_endpoint: /control/abort
"""

EXAMPLE_HANDLE = b"""\
spec_version: v1
name: lead-engineer
agent: claude-code
session: lead-engineer
created_at: 2026-05-24T15:30:00.000Z
executor: cf-worker
id: https://orch-cf-agent.example.workers.dev
bus:
  prompt: agents.prompt.open-agent.dmestas.lead-engineer
  status: agents.status.open-agent.dmestas.lead-engineer
  hb: agents.hb.open-agent.dmestas.lead-engineer
  signal: orch.signal.>.open-agent.dmestas.lead-engineer
abort:
  kind: http-post
  target: https://orch-cf-agent.example.workers.dev/control/abort
status: ready
"""


def spec(script: str = "http://127.0.0.1:8787", *more: str, block: str = "") -> bytes:
    """Return a spec for the Worker at *script*, with the lines *more* beside, and *block* inside its block."""
    lines = [
        "name: lead",
        "agent: echo",
        *more,
        "cf-worker:",
        f"  script: {script}",
        *([f"  {block}"] if block else []),
    ]
    return ("\n".join(lines) + "\n").encode()


LARGE = spec(
    "https://h/" + "😀" * 2045,
    f"session: {'😀' * 63}",
    f"owner: {'😀' * 63}",
    block=f"abort_endpoint: /{'😀' * 2047}",
)
"""A spec whose handle is about as large as one can be, and larger than a pipe holds."""
