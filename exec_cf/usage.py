"""The verbs, and the texts of `--help` and `--version`."""

from exec_cf._version import version

PROGRAM = "orch-executor-cf-worker"

VERSION = f"{PROGRAM} {version}\n"


class Verb:
    """One verb. *flag* is empty for a spawn; *reads* names the input document, and is empty if it reads none.

    *summary* is its line of `--help`; *options* are those that it accepts besides `--format`.
    """

    def __init__(self, name: str, reads: str, summary: str, options: tuple[str, ...] = (), flag: str = "") -> None:
        self.name = name
        self.flag = flag or ("" if name == "spawn" else f"--{name}")
        self.reads = reads
        self.summary = summary
        self.options = options

    @property
    def example(self) -> str:
        """An example command line."""
        if not self.flag:
            return f"{PROGRAM} < {self.reads}.yaml"
        return f"{PROGRAM} {self.flag} {self.reads}.yaml" if self.reads else f"{PROGRAM} {self.flag}"


VERBS = {
    verb.name: verb
    for verb in (
        Verb("spawn", "spec", "start an agent, get its handle"),
        Verb("validate", "spec", "list all problems of a spec"),
        Verb("status", "handle", "print the handle, updated", ("--wait",)),
        Verb("abort", "handle", "stop the agent", ("--all",)),
        Verb("teardown", "handle", "stop the agent, see it leave"),
        Verb("list", "", "show the agents of the Worker", ("--owner", "--state")),
        Verb("abort-all", "", "stop every agent of the Worker", ("--yes",), flag="--abort --all"),
        Verb("deploy", "worker", "deploy the Worker", ("--wait", "--dry-run")),
        Verb("undeploy", "worker", "delete the Worker", ("--dry-run", "--yes")),
        Verb("probe-version", "", "print the supported versions"),
    )
}

_LINES = "".join(f"  {verb.example:<46} {verb.summary}\n" for verb in VERBS.values())

HELP = f"""\
{PROGRAM}: the Cloudflare Worker backend of orch

{_LINES}Without a file, a verb reads stdin. Spawning a spec again returns its handle.

      --format json   print JSON, and each diagnostic as one JSON object
      --owner OWNER, --state STATE   with --list: only these agents
      --wait SECONDS  with --status, --deploy: how long to wait (default 0, 60)
      --dry-run       with --deploy, --undeploy: only say what would change
      --yes           with --undeploy, --abort --all: do not ask
  -h, --help          print this help; -V, --version prints the version

Exit codes: 0 success; the handle may have `status: failed`
           64 the call is at fault    65 the document is    70 it failed
CF_WORKER_URL and CF_WORKER_TOKEN say which Worker to use and how to log in.
"""

PRINTED = {"-h": HELP, "--help": HELP, "-V": VERSION, "--version": VERSION}
"""The text that each of these arguments prints before the program exits."""
