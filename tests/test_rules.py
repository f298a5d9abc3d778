"""The rules of a SpawnSpec that its types cannot say, each by itself and all in one run."""

import json
from pathlib import Path

import pytest

from exec_cf import rules
from exec_cf.messages import EXECUTOR_BLOCKS, SPECS

GOOD: dict[str, object] = {"name": "lead", "agent": "echo", "cf-worker": {"script": "s"}}


def broken(**fields: object) -> list[str]:
    spec = GOOD | {name.replace("_", "-"): value for name, value in fields.items()}
    return [str(problem) for problem in rules.broken(spec)]


def test_a_good_spec_breaks_none() -> None:
    assert broken() == []


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a--b", "1a", "x" * 63])
def test_a_dns_label(name: str) -> None:
    assert broken(name=name) == []


@pytest.mark.parametrize(
    "name", ["", "-", "-a", "a-", "A", "a.b", "a_b", "a b", "a\n", "\na", "ü", "a\0", "x" * 64, "a-\n", "\u0663"]
)
def test_not_a_dns_label(name: str) -> None:
    (said,) = broken(name=name)
    assert said.startswith("name: ")
    assert "DNS label" in said


def test_a_long_name_is_reported_with_its_length() -> None:
    assert broken(name="x" * 70) == ["name: is 70 characters long; a DNS label has at most 63; shorten it to 63"]


@pytest.mark.parametrize("key", ["A", "_", "A1", "PATH", "_X_9"])
def test_a_variable_name(key: str) -> None:
    assert broken(env={key: "x"}) == []


EXAMPLES = json.loads((Path(__file__).parent / "shared_rules.json").read_text())
"""The Worker's tests read it too: one rule on both sides."""


def test_the_variables_of_an_agent_are_those_that_a_worker_accepts() -> None:
    assert list(rules.AGENT_VARIABLES) == EXAMPLES["variables"]
    assert broken(env=dict.fromkeys(rules.AGENT_VARIABLES, "x")) == []


@pytest.mark.parametrize("key", EXAMPLES["unknown variables"])
def test_a_variable_that_a_worker_refuses_is_refused(key: str) -> None:
    (said,) = broken(env={key: "hush"})
    assert said == (
        f"env.{key}: is not a variable that an agent reads; "
        "write OPEN_AGENT_PROVIDER, OPEN_AGENT_MODEL_ID or OPEN_AGENT_OWNER"
    )


@pytest.mark.parametrize("name", ["", " ", *EXAMPLES["providers"]])
def test_a_provider_that_a_worker_knows(name: str) -> None:
    assert broken(agent="pi", env={"OPEN_AGENT_PROVIDER": name}) == []


@pytest.mark.parametrize("name", EXAMPLES["unknown providers"])
def test_a_provider_that_a_worker_does_not_know_is_refused(name: str) -> None:
    (said,) = broken(agent="pi", env={"OPEN_AGENT_PROVIDER": name})
    assert said == "env.OPEN_AGENT_PROVIDER: is not a provider of models; write openrouter or gateway"
    assert broken(agent="echo", env={"OPEN_AGENT_PROVIDER": name}) == []


@pytest.mark.parametrize("key", ["", "a", "1A", "A-B", "A.B", "A B", "A=", "A\n", "Ä", "A\u0661"])
def test_not_a_variable_name(key: str) -> None:
    (said,) = broken(env={key: "x"})
    assert "is not a valid variable name" in said


@pytest.mark.parametrize(
    "outfit",
    [
        {"bundle": "b"},
        {"name": "n"},
        {"cut": "c"},
        {"accessories": ["a"]},
        {"name": "n", "cut": "c", "accessories": []},
        {"bundle": "b", "name": "", "accessories": None},
    ],
)
def test_an_outfit_has_one_form(outfit: dict[str, object]) -> None:
    assert broken(outfit=outfit) == []


@pytest.mark.parametrize("explicit", [{"name": "n"}, {"cut": "c"}, {"accessories": ["a"]}])
def test_an_outfit_cannot_have_both_forms(explicit: dict[str, object]) -> None:
    (said,) = broken(outfit={"bundle": "b", **explicit})
    assert said.startswith("outfit: has both the bundle and the explicit form")


@pytest.mark.parametrize("outfit", [{}, {"bundle": ""}, {"name": "", "accessories": []}])
def test_an_outfit_has_one_form_at_least(outfit: dict[str, object]) -> None:
    (said,) = broken(outfit=outfit)
    assert said.startswith("outfit: is empty")


def test_one_executor_block_and_it_is_ours() -> None:
    assert broken(tmux={})[0].startswith(
        "exactly one executor block is allowed, found tmux and cf-worker; keep only cf-worker"
    )
    assert "there is no executor block" in next(iter(rules.broken({}))).message
    assert broken(cf_worker=None)[0] == "cf-worker: is empty; add script, the Worker's URL"
    assert broken(cf_worker=None, tmux={}) == [
        "tmux: this program only handles cf-worker; send it to the tmux backend, or use a cf-worker block"
    ]


@pytest.mark.parametrize("version", SPECS)
def test_every_foreign_block_is_sent_elsewhere(version: str) -> None:
    for block in EXECUTOR_BLOCKS["v2" if version == "v2" else "v1"]:
        if block != "cf-worker":
            spec = {"spec_version": version, "name": "a", block: {}}
            assert any("this program only handles cf-worker" in str(problem) for problem in rules.broken(spec))


def test_an_empty_script_is_refused() -> None:
    assert broken(cf_worker={"script": ""})[0].startswith("cf-worker.script: is empty")


def test_the_required_fields_of_a_durable_object_are_not_empty() -> None:
    said = broken(cf_worker=None, cf_durable_object={"do_namespace": "", "do_id": ""})
    assert sum("is empty" in line for line in said) == 2


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_choices(version: str) -> None:
    for (block, field), allowed in rules.CHOICES["v2" if version == "v2" else "v1"].items():
        for value in (*allowed, ""):
            spec = GOOD | {"spec_version": version, block: {field: value}}
            assert not [p for p in rules.broken(spec) if p.path == (block, field)]
        (problem,) = [
            p
            for p in rules.broken(GOOD | {"spec_version": version, block: {field: "nonsense"}})
            if p.path == (block, field)
        ]
        assert "is not one of the allowed values" in problem.message
        assert allowed[-1] in problem.hint


def test_every_broken_rule_is_reported_in_one_run() -> None:
    said = broken(name="A", env={"a": "1", "b": "2"}, outfit={}, tmux={"role": "x"}, cf_worker={"script": ""})
    assert len(said) == 7


@pytest.mark.parametrize("wrong", [3, None, [], "text", True])
def test_wrong_types_are_left_to_the_decoding(wrong: object) -> None:
    assert not [p for p in rules.broken({**GOOD, "outfit": wrong, "env": wrong}) if p.path]
