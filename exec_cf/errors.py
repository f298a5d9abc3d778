"""Every way to refuse: exit codes, the catalogue of problems, and how a problem reads.

65 says that the document is at fault, 64 that the call or its environment is, 70 that we or the world are.
"""

import enum
from collections.abc import Iterable

import msgspec

from exec_cf.display import printable, truncated

Path = tuple[str | int, ...]


class Exit(enum.IntEnum):
    """The exit codes; every other code is reserved."""

    OK = 0
    USAGE = 64
    INPUT = 65
    RUNTIME = 70


EXIT_MEANING: dict[Exit, str] = {
    Exit.OK: "done; a spawn and `--status` have printed a handle, which may say `status: failed`",
    Exit.USAGE: "the call is at fault: an unknown argument, an empty stdin, an unusable environment variable",
    Exit.INPUT: "the document is at fault: not YAML, or it breaks the schema or a rule",
    Exit.RUNTIME: "not done: stdout is closed or full, the Worker does not stop the agent, or the program failed",
}


class Code(enum.Enum):
    """The stable name of each kind of diagnostic, with the exit code it leads to and what it means.

    One that leads to 0 tells something and ends nothing.
    """

    def __init__(self, slug: str, exit_code: Exit, meaning: str) -> None:
        self.slug = slug
        self.exit_code = exit_code
        self.meaning = meaning

    ARGUMENT = ("argument", Exit.USAGE, "an argument is unknown, or does not go with the others")
    EMPTY = ("empty", Exit.USAGE, "nothing came on stdin")
    UNREADABLE = ("unreadable", Exit.USAGE, "stdin or the named file cannot be read")
    ENVIRONMENT = ("environment", Exit.USAGE, "an environment variable holds what cannot be used")
    CREDENTIALS = ("credentials", Exit.USAGE, "no usable Cloudflare API token is set")
    ACCOUNT = ("account", Exit.USAGE, "the API token opens no account, or several")
    UNCONFIRMED = ("unconfirmed", Exit.USAGE, "a deletion was not confirmed")
    ENCODING = ("encoding", Exit.INPUT, "the input is not UTF-8 text, or holds a character that YAML forbids")
    LIMIT = ("limit", Exit.INPUT, "the input is larger, deeper or more repetitive than is read")
    SYNTAX = ("syntax", Exit.INPUT, "the input is not YAML")
    DOCUMENTS = ("documents", Exit.INPUT, "the input holds no document, or more than one")
    DUPLICATE = ("duplicate", Exit.INPUT, "a key stands twice in one mapping")
    TAG = ("tag", Exit.INPUT, "a tag is none of YAML's core schema, or does not fit its value")
    TYPE = ("type", Exit.INPUT, "a field holds another type than the schema says")
    MISSING = ("missing", Exit.INPUT, "a required field is absent")
    KEY = ("key", Exit.INPUT, "a key breaks its rule")
    UNKNOWN = ("unknown", Exit.INPUT, "a field that the schema does not have")
    VALUE = ("value", Exit.INPUT, "a field holds a value that its rule refuses")
    BLOCKS = ("blocks", Exit.INPUT, "not exactly one executor block, or one of another executor")
    FOREIGN = ("foreign", Exit.INPUT, "a handle that this program would not have printed")
    STDOUT = ("stdout", Exit.RUNTIME, "stdout is closed, full or otherwise not to be written")
    WORKER = ("worker", Exit.RUNTIME, "the Worker cannot be reached, or does not do what it is asked")
    API = ("api", Exit.RUNTIME, "Cloudflare's API refuses, or does not answer")
    TAKEN = ("taken", Exit.RUNTIME, "the Worker of that name belongs to somebody else, or is newer")
    INTERNAL = ("internal", Exit.RUNTIME, "the program itself failed; please report it")
    SETTING = ("setting", Exit.OK, "a variable is no number in range, its default or cap is taken")
    LOCAL = ("local", Exit.OK, "the script is a path, so the Worker is expected on this machine")
    NOT_SENT = ("kept", Exit.OK, "variables of the spec that stay on this machine")
    ATTEMPT = ("attempt", Exit.OK, "one attempt at the Worker failed")
    NO_ROUTE = ("no-route", Exit.OK, "the Worker lacks a route, its health has to do")
    NOT_READY = ("not-ready", Exit.OK, "the handle says `failed` or `pending`, and why")
    ROLLED_BACK = ("taken-back", Exit.OK, "an agent was stopped again, its handle could not be delivered")
    TERMINAL = ("terminal", Exit.OK, "the input is read from a terminal")
    STEP = ("step", Exit.OK, "a step of a deployment, and what it means for the agents")
    USE = ("use", Exit.OK, "the variables by which a spawn finds the deployed Worker")
    DEPLOYED = ("deployed", Exit.OK, "the Worker was deployed")
    UNCHANGED = ("unchanged", Exit.OK, "everything was in place already")
    UNDEPLOYED = ("undeployed", Exit.OK, "the Worker was deleted")
    SUMMARY = ("summary", Exit.OK, "how many problems there were")


class Diagnostic(msgspec.Struct, frozen=True):
    """One thing that is wrong, or one that the user should know.

    *line* and *column* count from 1; 0 means that the problem has no place in a document. *path* leads to the
    field. *hint* is the cure, an imperative without a full stop.
    """

    code: Code
    message: str
    path: Path = ()
    hint: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return the problem as one line: place, field, what is wrong, what to do."""
        place = f"line {self.line}, column {self.column}: " if self.line else ""
        field = f"{dotted(self.path)}: " if self.path else ""
        hint = f"; {self.hint}" if self.hint else ""
        return printable(f"{place}{field}{self.message}{hint}")


class Refused(Exception):  # noqa: N818  reads as a sentence at every raise
    """The call ends without a handle; *problems* says why, at least once."""

    def __init__(self, problems: Iterable[Diagnostic]) -> None:
        self.problems = tuple(sorted(set(problems), key=_reading_order))
        super().__init__("; ".join(map(str, self.problems)))

    @property
    def exit_code(self) -> Exit:
        """The exit code: 65 as soon as the document is at fault, since that is what its author can mend."""
        codes = {problem.code.exit_code for problem in self.problems}
        return Exit.INPUT if Exit.INPUT in codes else max(codes)


class InvalidValue(Exception):  # noqa: N818  reads as a sentence at every raise
    """A value cannot serve; *message* says why, *hint* what to write."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def dotted(path: Path) -> str:
    """Return *path* as people write it, fit to be shown: `env.PORT`, `outfit.accessories[1]`, `labels."a b"`."""
    steps = [f"[{step}]" if isinstance(step, int) else f".{_key(step)}" for step in path]
    return "".join(steps).removeprefix(".")


def _key(text: str) -> str:
    bare = text.isascii() and text.replace("-", "").replace("_", "").isalnum()
    return text if bare and len(text) <= _MAX_KEY_CHARS else f'"{truncated(text, _MAX_KEY_CHARS)}"'


_MAX_KEY_CHARS = 80


def _reading_order(problem: Diagnostic) -> tuple[int, int, str]:
    return problem.line, problem.column, str(problem)
