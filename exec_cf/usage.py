"""What the program says of itself, and what it can be asked."""

from exec_cf._version import version

PROGRAM = "orch-executor-cf-worker"

VERSION = f"{PROGRAM} {version}\n"


class Verb:
    """One thing to ask for. *flag* is empty for the spawn, *reads* names its input, empty where it takes none.

    *options* are those that it takes besides `--format`.
    """

    def __init__(self, name: str, reads: str, does: str, options: tuple[str, ...] = ()) -> None:
        self.name = name
        self.flag = "" if name == "spawn" else f"--{name}"
        self.reads = reads
        self.does = does
        self.options = options

    @property
    def example(self) -> str:
        """A call, as a user would type it."""
        if not self.flag:
            return f"{PROGRAM} < {self.reads}.yaml"
        return f"{PROGRAM} {self.flag} {self.reads}.yaml" if self.reads else f"{PROGRAM} {self.flag}"


VERBS = {
    verb.name: verb
    for verb in (
        Verb("spawn", "spec", "start an agent, get its handle"),
        Verb("validate", "spec", "list a spec's problems"),
        Verb("status", "handle", "print the handle as it is now", ("--wait",)),
        Verb("abort", "handle", "stop the agent"),
        Verb("teardown", "handle", "stop the agent, see it gone"),
        Verb("deploy", "worker", "put the Worker in place", ("--wait", "--dry-run")),
        Verb("undeploy", "worker", "delete the Worker", ("--dry-run", "--yes")),
        Verb("probe-version", "", "print what is spoken here"),
    )
}

_LINES = "".join(f"  {verb.example:<46} {verb.does}\n" for verb in VERBS.values())

HELP = f"""\
{PROGRAM}: the Cloudflare Worker backend of orch

Reads a SpawnSpec on stdin, starts an open-agent on the Worker that it names,
and prints the agent's WorkerHandle on stdout.

{_LINES}Without a file a verb reads stdin. Every verb can be repeated.

      --format json   print JSON, and one JSON object a diagnostic (yaml)
      --wait SECONDS  with --status and --deploy: until it is ready (0 and 60)
      --dry-run       with --deploy and --undeploy: only say what would change
      --yes           with --undeploy: do not ask
  -h, --help          print this help; -V, --version prints the version

Exit: 0 done; a handle may say `failed`    65 the document is at fault
      64 the call is at fault              70 it could not be done
CF_WORKER_URL names the Worker, CF_WORKER_TOKEN opens it; the README has all.
"""

PRINTED = {"-h": HELP, "--help": HELP, "-V": VERSION, "--version": VERSION}
"""The arguments that print a text and end."""
