"""What the program says of itself."""

from exec_cf._version import version

PROGRAM = "orch-executor-cf-worker"

VERSION = f"{PROGRAM} {version}\n"

HELP = f"""\
{PROGRAM}: the Cloudflare Worker backend of orch

Reads a SpawnSpec (YAML) on stdin, starts an open-agent on the Worker that it
names, and prints the agent's WorkerHandle (YAML) on stdout.

  {PROGRAM} < spec.yaml

  -h, --help       print this help
  -V, --version    print the version

Exit: 0 a handle was printed, also one with `status: failed`
      64 the call or its environment is at fault
      65 the SpawnSpec is at fault
      70 no handle could be delivered

CF_WORKER_URL names the Worker, CF_WORKER_TOKEN opens it. All variables, the
contract and examples: the README.
"""

PRINTED = {"-h": HELP, "--help": HELP, "-V": VERSION, "--version": VERSION}
"""The arguments that print a text and end."""
