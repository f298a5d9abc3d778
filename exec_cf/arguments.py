"""Parses the command line."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import pairwise

import msgspec

from exec_cf.display import listed, quoted
from exec_cf.errors import Code, Diagnostic, InvalidValue, Refused
from exec_cf.states import LISTED
from exec_cf.subjects import check_printed_token
from exec_cf.usage import PRINTED, VERBS, Verb

FORMATS = ("yaml", "json")
MAX_WAIT_S = 3600.0
DEPLOY_WAIT_S = 60
"""Default of `--wait`: a new address usually answers within seconds, but a new subdomain can take minutes."""


class Call(msgspec.Struct, frozen=True):
    """A parsed command line.

    *file* is empty for stdin; *format*, *owner* and *state* are empty if they were not given.
    """

    verb: Verb
    file: str = ""
    format: str = ""
    wait_s: float = 0.0
    dry_run: bool = False
    is_confirmed: bool = False
    owner: str = ""
    state: str = ""

    @property
    def as_json(self) -> bool:
        """Whether documents are printed as JSON."""
        return self.format == "json"


def wants_json(arguments: Sequence[str]) -> bool:
    """Return whether *arguments* ask for JSON, even if they are invalid otherwise."""
    return "--format=json" in arguments or ("--format", "json") in pairwise(arguments)


def parse(arguments: Sequence[str]) -> Call:
    """Return *arguments* parsed. Raises `Refused`."""
    rest = list(arguments)
    verbs: list[Verb] = []
    files: list[str] = []
    options: dict[str, str] = {}
    while rest:
        argument = rest.pop(0)
        flag, equals, value = argument.partition("=")
        if flag in _FLAGS and not equals:
            verbs.append(_FLAGS[flag])
        elif flag in _SWITCHES and not equals:
            options[flag] = ""
        elif flag in _OPTIONS:
            options[flag] = value if equals else _next(flag, rest)
        elif argument in PRINTED:
            raise _wrong(f"{argument} cannot be combined with other arguments", "remove them")
        elif flag in _FLAGS:
            raise _wrong(f"{flag} takes no value after =", f"write {flag} FILE" if _FLAGS[flag].reads else "remove it")
        elif flag in _SWITCHES:
            raise _wrong(f"{flag} takes no value", f"write {flag}")
        elif not argument and verbs:
            raise _wrong("the file name is empty", "name a file, or - for stdin")
        elif argument.startswith("-") and argument != "-":
            raise _wrong(f"unknown argument {quoted(argument)}", _nearest(flag))
        else:
            files.append(argument)
    return _call(verbs, files, options)


_ALL = "--all"
_FLAGS = {verb.flag: verb for verb in VERBS.values() if verb.flag and _ALL not in verb.flag}
_OPTIONS = ("--format", "--wait", "--owner", "--state")
_SWITCHES = (_ALL, "--dry-run", "--yes")
_DECIMAL = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def _next(flag: str, rest: list[str]) -> str:
    if not rest:
        raise _wrong(f"{flag} needs a value", "see --help")
    return rest.pop(0)


def _call(verbs: list[Verb], files: list[str], options: dict[str, str]) -> Call:
    verb = verbs[0] if verbs else VERBS["spawn"]
    if len(set(verbs)) > 1:
        raise _wrong(f"{verbs[0].flag} and {verbs[1].flag} cannot be combined", "make two calls")
    if verb.name == "abort" and options.pop(_ALL, None) is not None:
        verb = VERBS["abort-all"]
    if files and not verb.flag:
        raise _wrong(f"unknown argument {quoted(files[0])}", "see --help; the SpawnSpec goes to stdin")
    if len(files) > (1 if verb.reads else 0):
        raise _wrong(f"unexpected argument {quoted(files[-1])}", f"write `{verb.example}`")
    for option in options:
        if option != "--format" and option not in verb.options:
            takers = listed(other.flag for other in VERBS.values() if option in other.options)
            raise _wrong(f"{option} is only valid with {takers}", "remove it")
    file = "" if files == ["-"] else "".join(files)
    return Call(
        verb,
        file,
        format=_one_of("--format", "format", FORMATS, options),
        wait_s=_seconds(options, DEPLOY_WAIT_S if verb.name == "deploy" else 0),
        dry_run="--dry-run" in options,
        is_confirmed="--yes" in options,
        owner=_owner(options),
        state=_one_of("--state", "state", LISTED, options),
    )


def _one_of(option: str, kind: str, known: Sequence[str], options: dict[str, str]) -> str:
    """Return the value of *option*, which must be one of *known*; empty if it was not given."""
    chosen = options.get(option)
    if chosen is not None and chosen not in known:
        raise _wrong(f"{option}: {quoted(chosen)} is not a {kind}", f"write {listed(known, 'or')}")
    return chosen or ""


def _owner(options: dict[str, str]) -> str:
    owner = options.get("--owner")
    if owner is None:
        return ""
    try:
        check_printed_token(owner)
    except InvalidValue as invalid:
        raise _wrong(f"--owner: {invalid.message}", invalid.hint) from None
    return owner


def _seconds(options: dict[str, str], default: int) -> float:
    text = options.get("--wait", str(default))
    if not _DECIMAL.fullmatch(text) or float(text) > MAX_WAIT_S:
        raise _wrong(f"--wait: {quoted(text)} is out of range", f"write a number of seconds from 0 to {MAX_WAIT_S:.0f}")
    return float(text)


def _nearest(flag: str) -> str:
    flags = [verb.flag for verb in VERBS.values()]
    long = [name for name in (*flags, *_OPTIONS, *_SWITCHES, *PRINTED) if name.startswith("--")]
    near = get_close_matches(flag.lower(), long, 1, 0.75) if len(flag) > len("--") else []
    return f"did you mean {near[0]}?" if near else "see --help; the SpawnSpec goes to stdin"


def _wrong(message: str, hint: str) -> Refused:
    return Refused([Diagnostic(Code.ARGUMENT, message, hint=hint)])
