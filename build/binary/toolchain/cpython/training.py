"""The work that CPython is optimised for: starts of a program that reads YAML, checks it, asks a server, prints YAML.

It stands by itself, so that a change to the program does not rebuild the interpreter.
"""

import http.server
import os
import subprocess
import sys
import threading
from typing import Annotated

# A start is what a user waits for, so starts are what is repeated.
STARTS = 30

DOCUMENT = """\
spec_version: v1
name: lead-engineer
image: example.com/acme/agent:1.4   # a comment
env: {LOG_LEVEL: debug, PORT: "8080", TEXT: 'it''s', ESCAPES: "a\\tb\\u00e9"}
labels: &labels
  team: edge
  tier: "1"
annotations:
  <<: *labels
  note: |
    two lines
    of text
  folded: >-
    one
    line
args: [--model, small, "--limit=10"]
resources:
  cpu: 2
  memory: 512Mi
  ratio: 0.5
  enabled: true
  none: ~
"""


def start(url: str) -> None:
    """Do once what the program does in one run."""
    import msgspec  # noqa: PLC0415  importing is part of a run
    import yaml  # noqa: PLC0415

    class Resources(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
        cpu: int
        memory: Annotated[str, msgspec.Meta(pattern="^[0-9]+[KMG]i$")]
        ratio: float = 1.0
        enabled: bool = False
        none: str | None = None

    class Spec(msgspec.Struct, omit_defaults=True):
        spec_version: str
        name: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
        image: str = ""
        env: dict[str, str] = {}
        labels: dict[str, str] = {}
        annotations: dict[str, str] = {}
        args: list[str] = []
        resources: Resources | None = None

    spec = msgspec.convert(yaml.load(DOCUMENT, yaml.SafeLoader), Spec)

    import httpx  # noqa: PLC0415

    with httpx.Client(transport=httpx.HTTPTransport(verify=False), timeout=5) as client:
        response = client.get(url, headers={"User-Agent": "training"})
        response.raise_for_status()
    yaml.dump(msgspec.to_builtins(spec), sys.stdout, Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=False)


class Health(http.server.BaseHTTPRequestHandler):
    """Answers as a healthy Worker does."""

    def do_GET(self) -> None:
        """Send a short JSON body."""
        body = b'{"ok":true}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the build's log short."""


def main() -> None:
    """Serve on a free port and start the program again and again."""
    if len(sys.argv) > 1:
        sys.path.append(os.environ["SITE"])
        start(sys.argv[1])
        return
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/health"
    for _ in range(STARTS):
        subprocess.run([sys.executable, __file__, url], check=True, stdout=subprocess.DEVNULL, env=os.environ)
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
    server.shutdown()


if __name__ == "__main__":
    main()
