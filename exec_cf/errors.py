"""Diagnostics: the exit codes, the catalogue, and the format of a diagnostic.

65 means that the document is at fault; 64, the call or its environment; 70, the program, the system or the Worker.
"""

import enum
import re
from collections.abc import Callable, Iterable

import msgspec

from exec_cf.display import printable, truncated

Path = tuple[str | int, ...]

_SECRET_FIELDS = frozenset({"env", "secrets"})


class Exit(enum.IntEnum):
    """The exit codes. There are no others."""

    OK = 0
    USAGE = 64
    INPUT = 65
    RUNTIME = 70


EXIT_MEANING: dict[Exit, str] = {
    Exit.OK: "success; a spawn and `--status` have printed a handle, possibly with `status: failed`",
    Exit.USAGE: "the call is at fault: an unknown argument, an empty stdin, an invalid environment variable",
    Exit.INPUT: "the document is at fault: it is not YAML, or it violates the schema or a rule",
    Exit.RUNTIME: "failed: stdout cannot be written, the Worker does not list or stop agents, or the program crashed",
}


class Code(enum.Enum):
    """The stable name of each kind of diagnostic, with the exit code it leads to and its meaning.

    A diagnostic with exit code 0 is informational: the call continues.
    """

    def __init__(self, slug: str, exit_code: Exit, meaning: str) -> None:
        self.slug = slug
        self.exit_code = exit_code
        self.meaning = meaning

    ARGUMENT = ("argument", Exit.USAGE, "an argument is unknown, or cannot be combined with the others")
    EMPTY = ("empty", Exit.USAGE, "stdin is empty")
    UNREADABLE = ("unreadable", Exit.USAGE, "stdin or the named file cannot be read")
    ENVIRONMENT = ("environment", Exit.USAGE, "an environment variable has an invalid value")
    CREDENTIALS = ("credentials", Exit.USAGE, "no usable Cloudflare API token is set")
    ACCOUNT = ("account", Exit.USAGE, "the API token gives access to no account, or to several")
    UNCONFIRMED = ("unconfirmed", Exit.USAGE, "a deletion, or stopping all agents, was not confirmed")
    ENCODING = ("encoding", Exit.INPUT, "the input is not UTF-8 text, or contains a character that YAML forbids")
    LIMIT = ("limit", Exit.INPUT, "the input is larger, deeper or more repetitive than the limits allow")
    SYNTAX = ("syntax", Exit.INPUT, "the input is not YAML")
    DOCUMENTS = ("documents", Exit.INPUT, "the input has no document, or more than one")
    DUPLICATE = ("duplicate", Exit.INPUT, "a key appears twice in a mapping")
    TAG = ("tag", Exit.INPUT, "a tag is not part of YAML's core schema, or does not match its value")
    TYPE = ("type", Exit.INPUT, "a field has the wrong type")
    MISSING = ("missing", Exit.INPUT, "a required field is missing")
    KEY = ("key", Exit.INPUT, "a key is invalid")
    UNKNOWN = ("unknown", Exit.INPUT, "a field is not in the schema")
    VALUE = ("value", Exit.INPUT, "a field has an invalid value")
    BLOCKS = ("blocks", Exit.INPUT, "there is not exactly one executor block, or it is for another executor")
    FOREIGN = ("foreign", Exit.INPUT, "the handle was not printed by this program")
    STDOUT = ("stdout", Exit.RUNTIME, "stdout is closed, full or otherwise not writable")
    WORKER = ("worker", Exit.RUNTIME, "the Worker cannot be reached, or refuses")
    API = ("api", Exit.RUNTIME, "Cloudflare's API refuses, or does not answer")
    TAKEN = (
        "taken",
        Exit.RUNTIME,
        "the Worker of that name belongs to someone else, is in use, or is newer than this program",
    )
    MEMORY = ("memory", Exit.RUNTIME, "there is too little memory")
    INTERNAL = ("internal", Exit.RUNTIME, "the program itself crashed; please report it")
    SETTING = ("setting", Exit.OK, "a variable is not a switch or a number in range; its default or maximum is used")
    LOCAL = ("local", Exit.OK, "the script is a path, so the Worker is expected on this machine")
    NOT_SENT = ("kept", Exit.OK, "some variables of the spec are not sent to the Worker")
    ATTEMPT = ("attempt", Exit.OK, "one attempt to reach the Worker failed")
    NO_ROUTE = ("no-route", Exit.OK, "the Worker lacks a route, and what that means for the call")
    OLDER = ("older", Exit.OK, "the Worker is an older release than this program")
    NOT_READY = ("not-ready", Exit.OK, "the handle has `status: failed` or `pending`, for this reason")
    ROLLED_BACK = (
        "taken-back",
        Exit.OK,
        "the handle could not be delivered: its agent was stopped, or may still be running",
    )
    OWNERS = ("owners", Exit.OK, "whose agents are about to be stopped")
    STOPPED = ("stopped", Exit.OK, "how many agents were stopped")
    TERMINAL = ("terminal", Exit.OK, "the input is read from the terminal")
    WEAK = ("weak", Exit.OK, "the control token is so short that it could be guessed")
    STEP = ("step", Exit.OK, "a step of a deployment, and what it means for the agents")
    USE = ("use", Exit.OK, "the variables that a spawn needs to use the deployed Worker")
    DEPLOYED = ("deployed", Exit.OK, "the Worker was deployed")
    UNCHANGED = ("unchanged", Exit.OK, "nothing had to be changed")
    UNDEPLOYED = ("undeployed", Exit.OK, "the Worker was deleted")
    SUMMARY = ("summary", Exit.OK, "the number of problems")


class Diagnostic(msgspec.Struct, frozen=True):
    """One thing that is wrong, or that the user should know.

    *line* and *column* count from 1, or are 0 if there is no position. *path* is the path of the field. *hint* says
    what to do, in the imperative and without a full stop.
    """

    code: Code
    message: str
    path: Path = ()
    hint: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Return the diagnostic as one line: place, field, what is wrong, what to do."""
        place = f"line {self.line}, column {self.column}: " if self.line else ""
        field = f"{dotted(self.path)}: " if self.path else ""
        hint = f"; {self.hint}" if self.hint else ""
        return printable(f"{place}{field}{self.message}{hint}")


Note = Callable[[Diagnostic], None]
"""Takes each diagnostic as it happens."""


class Refused(Exception):  # noqa: N818  reads as a sentence at every raise
    """The call fails because of *problems*, of which there is at least one."""

    def __init__(self, problems: Iterable[Diagnostic]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=lambda problem: (problem.line, problem.column)))
        super().__init__()

    def __str__(self) -> str:
        """Return the first few problems."""
        return "; ".join(map(str, self.problems[:10]))

    @property
    def exit_code(self) -> Exit:
        """The exit code: 65 whenever the document is at fault, since its author can fix that."""
        codes = {problem.code.exit_code for problem in self.problems}
        return Exit.INPUT if Exit.INPUT in codes else max(codes)


class InvalidValue(Exception):  # noqa: N818  reads as a sentence at every raise
    """A value is invalid; *message* says why, *hint* what to write instead."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def os_reason(error: OSError) -> str:
    """Return the system's description of *error* in lower case: `no such file or directory`."""
    return (error.strerror or str(error) or type(error).__name__).lower()


def is_secret(path: Path) -> bool:
    """Return whether the value at *path* may be a secret, so that diagnostics show only its name.

    At any depth, since people indent `env` wrongly or merge it from elsewhere, and in any case.
    """
    return any(isinstance(step, str) and step.lower() in _SECRET_FIELDS for step in path)


def dotted(path: Path) -> str:
    """Return *path* in printable dotted form: `env.PORT`, `outfit.accessories[1]`, `labels."a b"`."""
    names = [
        _name(step) if isinstance(step, str) and is_secret(path[:index]) else step for index, step in enumerate(path)
    ]
    steps = [f"[{name}]" if isinstance(name, int) else f".{_key(name)}" for name in names]
    return "".join(steps).removeprefix(".")


def _name(text: str) -> str:
    """Return the leading name in *text*; the rest may be a secret, as in `TOKEN=hunter2`, and so may a long name."""
    found = _NAME.match(text)
    name = found.group() if found else ""
    if len(name) > _MAX_NAME_CHARS:
        return "…"
    return text if name == text else f"{name}…"


_MAX_NAME_CHARS = 40
_NAME = re.compile(r"[\w-]*", re.ASCII)


def _key(text: str) -> str:
    bare = len(text) <= _MAX_KEY_CHARS and text.isascii() and text.replace("-", "").replace("_", "").isalnum()
    return text if bare else f'"{truncated(text, _MAX_KEY_CHARS)}"'


_MAX_KEY_CHARS = 80
