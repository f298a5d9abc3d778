"""The command line to a call."""

import pytest

from exec_cf.arguments import parse, wants_json
from exec_cf.errors import Exit, Refused
from exec_cf.usage import VERBS, Verb


@pytest.mark.parametrize("verb", [verb for verb in VERBS.values() if verb.reads and verb.flag])
def test_a_verb_reads_a_file_or_stdin(verb: Verb) -> None:
    name = verb.flag
    assert parse([name, "some.yaml"]).file == "some.yaml"
    assert parse([name]).file == ""
    assert parse([name, "-"]).file == ""
    assert parse(["some.yaml", name]).file == "some.yaml"


def test_no_argument_is_a_spawn() -> None:
    call = parse([])
    assert (call.verb.name, call.as_json, call.wait_s) == ("spawn", False, 0)


@pytest.mark.parametrize("arguments", [["--format", "json"], ["--format=json"], ["--status", "--format=json", "f"]])
def test_json_is_asked_for_in_two_spellings(arguments: list[str]) -> None:
    assert parse(arguments).as_json
    assert wants_json(arguments)


def test_the_wait_is_in_seconds() -> None:
    assert parse(["--status", "--wait", "2.5"]).wait_s == 2.5
    assert parse(["--wait=30", "--status"]).wait_s == 30


@pytest.mark.parametrize(
    ("arguments", "format_"), [([], ""), (["--format", "yaml"], "yaml"), (["--format=json"], "json")]
)
def test_a_format_that_was_not_given_is_known(arguments: list[str], format_: str) -> None:
    assert parse(["--list", *arguments]).format == format_


def test_a_list_has_filters() -> None:
    call = parse(["--list", "--owner", "ünï-☃", "--state=busy"])
    assert (call.owner, call.state) == ("ünï-☃", "busy")
    assert (parse(["--list"]).owner, parse(["--list"]).state) == ("", "")


@pytest.mark.parametrize("arguments", [["--abort", "--all"], ["--all", "--abort"], ["--abort", "--all", "--all"]])
def test_all_makes_another_verb_of_abort(arguments: list[str]) -> None:
    assert parse(arguments).verb is VERBS["abort-all"]
    assert parse(["--yes", *arguments]).is_confirmed
    assert not parse(arguments).is_confirmed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--abort", "--all", "h.yaml"], 'unexpected argument "h.yaml"; write `orch-executor-cf-worker --abort --all`'),
        (["--abort", "--all", "-"], 'unexpected argument "-"'),
        (["--abort", "--all", "--wait", "1"], "--wait is only valid with"),
        (["--abort", "--all=x"], "--all takes no value"),
        (["--abort --all"], "unknown argument"),
        (["--abort-all"], "did you mean --abort --all?"),
        (["--all"], "--all is only valid with --abort; remove it"),
        (["--teardown", "--all"], "--all is only valid with --abort"),
        (["--abort", "--all", "--list"], "--abort and --list cannot be combined"),
        (["--abort", "--yes"], "--yes is only valid with --abort --all and --undeploy; remove it"),
        (["--list", "--yes"], "--yes is only valid with"),
        (["--list", "file"], 'unexpected argument "file"; write `orch-executor-cf-worker --list`'),
        (["--list=x"], "--list takes no value after =; remove it"),
        (["--status", "--owner", "a"], "--owner is only valid with --list"),
        (["--list", "--owner"], "--owner needs a value"),
        (["--list", "--owner", ""], "--owner: is empty"),
        (["--list", "--owner=a.b"], '--owner: "a.b" is not a valid NATS subject token: it contains "."; write "a-b"'),
        (["--list", "--state", "idle"], '--state: "idle" is not a state; write starting, ready, busy or stopped'),
        (["--list", "--state="], "write starting, ready, busy or stopped"),
        (["--list", "--state", "unknown"], "is not a state"),
        (["--sttus"], 'unknown argument "--sttus"; did you mean --status?'),
        (["--Version"], "did you mean --version?"),
        (["--wiat=3"], "did you mean --wait?"),
        (["-x"], "see --help"),
        (["--spawn"], 'unknown argument "--spawn"; see --help; the SpawnSpec goes to stdin'),
        (["--teardwon"], "did you mean --teardown?"),
        (["spec.yaml"], "the SpawnSpec goes to stdin"),
        ([""], 'unknown argument ""'),
        (["--status=file"], "write --status FILE"),
        (["--status", ""], "the file name is empty"),
        (["--status", "--abort"], "--status and --abort cannot be combined"),
        (["--status", "a", "b"], 'unexpected argument "b"'),
        (["--probe-version", "a"], 'unexpected argument "a"'),
        (["--format"], "--format needs a value"),
        (["--format", "xml"], "write yaml or json"),
        (["--status", "--wait", "-1"], "is out of range"),
        (["--status", "--wait", "1e3"], "is out of range"),
        (["--status", "--wait", "99999"], "is out of range"),
        (["--status", "--wait", "\u0663"], "is out of range"),
        (["--abort", "--wait", "1"], "--wait is only valid with --status and --deploy"),
        (["--status", "--help"], "--help cannot be combined with other arguments"),
    ],
)
def test_a_wrong_call_is_refused_with_a_cure(arguments: list[str], words: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(arguments)
    assert words in str(refused.value)
    assert refused.value.exit_code == Exit.USAGE
