"""A worker document, the environment and secret files, to a plan or to everything that is wrong with them."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from exec_cf.deploy.bundle import Bundle, Migration
from exec_cf.deploy.messages import Secrets, Vars, WorkerDocument
from exec_cf.deploy.plan import Plan, plan
from exec_cf.document import read
from exec_cf.errors import Exit, Refused
from exec_cf.messages import SpawnSpec
from tests.support.strategies import messages
from tests.support.workerd import WORKER
from tests.support.world import FakeWorld

TOKEN = "c0ffee" * 8
ENVIRON = {"CLOUDFLARE_API_TOKEN": "api-token", "CLOUDFLARE_ACCOUNT_ID": "a" * 32, "BUS": "wss://bus.example"}
BUNDLE = Bundle(
    version="1.2.3",
    code=b"export default {};",
    name="orch-cf-agent",
    compatibility_date="2026-11-01",
    compatibility_flags=(),
    namespaces={"SESSIONS": "AgentSession", "REGISTRY": "Registry"},
    migrations=(Migration("v1", ("AgentSession", "Registry")),),
    observability={"enabled": True, "logs": {"invocation_logs": False}},
    crons=(),
)
WHOLE = """\
worker: agents
env: staging
account: 0123456789abcdef0123456789abcdef
subdomain: acme
vars:
  OPEN_AGENT_OWNER: ann
secrets:
  NATS_WS_URL: {env: BUS}
  CONTROL_TOKEN: {file: control.token}
  NATS_TOKEN: null
"""


def planned(text: str, environ: Mapping[str, str] = ENVIRON, **files: bytes) -> Plan:
    """Return the plan of a document; *files* by their names without an ending."""
    world = FakeWorld(environ=environ)
    world.files = {"control.token": TOKEN.encode() + b"\n", **files}
    return plan(read(text.encode()), "", world, BUNDLE, deploys=True)


def refusal(text: str, environ: Mapping[str, str] = ENVIRON, **files: bytes) -> Refused:
    """Return why a document is refused."""
    with pytest.raises(Refused) as refused:
        planned(text, environ, **files)
    return refused.value


def test_a_whole_document() -> None:
    made = planned(WHOLE)
    assert made.name == "agents-staging"
    assert made.tags == ("cf:service=agents", "cf:environment=staging")
    assert made.subdomain == "acme"
    assert made.wanted.vars == {"OPEN_AGENT_OWNER": "ann"}
    assert made.wanted.secrets == {"NATS_WS_URL": "wss://bus.example", "CONTROL_TOKEN": TOKEN}
    assert made.wanted.removed == ("NATS_TOKEN",)


def test_the_environment_wins_over_the_documents_account() -> None:
    assert planned(WHOLE).credentials.account == "a" * 32
    environ = {name: value for name, value in ENVIRON.items() if name != "CLOUDFLARE_ACCOUNT_ID"}
    assert planned(WHOLE, environ).credentials.account == "0123456789abcdef0123456789abcdef"


def test_an_almost_empty_document_is_enough() -> None:
    made = planned("vars: {}")
    assert (made.name, made.tags, made.wanted.secrets) == ("orch-cf-agent", (), {})


def test_a_file_lies_beside_the_document() -> None:
    world = FakeWorld(environ=ENVIRON)
    world.files = {"deep/control.token": TOKEN.encode(), "/etc/bus": b"wss://bus.example\r\n"}
    text = "secrets: {CONTROL_TOKEN: {file: control.token}, NATS_WS_URL: {file: /etc/bus}}"
    made = plan(read(text.encode()), "deep", world, BUNDLE, deploys=True)
    assert made.wanted.secrets == {"CONTROL_TOKEN": TOKEN, "NATS_WS_URL": "wss://bus.example"}
    assert made.token_export == '"$(cat deep/control.token)"'


@pytest.mark.parametrize(
    ("source", "export"),
    [
        ("{env: TOKEN}", '"$TOKEN"'),
        ("{file: my token's}", "\"$(cat 'my token'\\''s')\""),
    ],
)
def test_the_token_is_exported_as_a_shell_reads_it(source: str, export: str) -> None:
    world = FakeWorld(environ={**ENVIRON, "TOKEN": TOKEN})
    world.files = {"my token's": TOKEN.encode()}
    made = plan(read(f"secrets: {{CONTROL_TOKEN: {source}}}".encode()), "", world, BUNDLE, deploys=True)
    assert made.token_export == export


def test_only_a_missing_file_is_created() -> None:
    made = planned("secrets: {CONTROL_TOKEN: {file: new.token, create: true}}")
    assert made.new_token_file == "new.token"
    assert len(made.wanted.secrets["CONTROL_TOKEN"]) == 64
    assert planned("secrets: {CONTROL_TOKEN: {file: control.token, create: true}}").new_token_file == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("worker: Agents", 'line 1, column 9: worker: "Agents" is not a DNS label'),
        ("env: a.b", '"a.b" is not a DNS label'),
        (f"worker: {'a' * 60}\nenv: staging", "line 2, column 6: env: the Worker's name is 68 characters long"),
        ("account: abc", '"abc" is not an account id; write its 32 hexadecimal digits'),
        ("vars: {AGENT_STEP_LIMIT: 3}", 'expected text, got the number 3; write "3"'),
        ("vars: {OPEN_AGENT_OWNR: a}", "unknown field; did you mean OPEN_AGENT_OWNER?"),
        ("vars: {NATS_CREDS: a}", "vars.NATS_CREDS: unknown field"),
        (f"vars: {{OPEN_AGENT_MODEL_ID: {'m' * 5121}}}", "is longer than 5120 bytes"),
        ("vars: {OPEN_AGENT_OWNER: ''}", "is empty"),
        ("vars: {OPEN_AGENT_OWNER: a.b}", 'it contains "."; write "a-b"'),
        ("vars: {OPEN_AGENT_PROVIDER: acme}", "is not a provider of models; write openrouter or gateway"),
        ("vars: {OPENROUTER_BASE_URL: localhost}", "is not an http(s) URL"),
        ("vars: {AI_GATEWAY_BASE_URL: 'ftp://h'}", "is not an http(s) URL"),
        ("secrets: {NATS_TOKN: {env: BUS}}", "did you mean NATS_TOKEN?"),
        ("secrets: {NATS_TOKEN: {}}", "names no source; write {env: NAME} or {file: PATH}"),
        ("secrets: {NATS_TOKEN: {env: BUS, file: a}}", "names two sources"),
        ("secrets: {NATS_TOKEN: {file: a, create: true}}", "create: unknown field"),
        ("secrets: {CONTROL_TOKEN: {env: BUS, create: true}}", "needs a file to create"),
        ("secrets: {CONTROL_TOKEN: null}", "without it, anyone may start and stop agents"),
        ("secrets: {CONTROL_TOKEN: {file: control.token}}\nopen: true", "remove one of the two"),
        ("rotate: true", "the document names no CONTROL_TOKEN"),
        ("open: maybe", "expected true or false"),
        ("- a", "expected a mapping, got a list"),
    ],
)
def test_an_invalid_document_is_refused_with_a_hint(text: str, words: str) -> None:
    refused = refusal(text)
    assert words in str(refused)
    assert refused.exit_code == Exit.INPUT


EXAMPLES = json.loads((Path(__file__).parent.parent / "shared_rules.json").read_text())
"""The Worker's tests read it too: one rule on both sides."""

ACCEPTED = [
    *(("AGENT_TURN_LIMIT_S", text) for text in EXAMPLES["limits"]),
    *(("AGENTS_PER_HUB", text) for text in EXAMPLES["agents per hub"]),
    *(("OPEN_AGENT_PROVIDER", text) for text in EXAMPLES["providers"]),
    ("OPENROUTER_BASE_URL", " HTTP://127.0.0.1:8080/v1"),
]
REFUSED = [
    *(("AGENT_TURN_LIMIT_S", text) for text in EXAMPLES["no limits"]),
    *(("AGENTS_PER_HUB", text) for text in EXAMPLES["no agents per hub"]),
    *(("OPEN_AGENT_PROVIDER", text) for text in EXAMPLES["unknown providers"]),
    *(("OPENROUTER_BASE_URL", text) for text in ("localhost", "ftp://h", "https://", "https:/h", "//h")),
]


@pytest.mark.parametrize(("name", "text"), ACCEPTED)
def test_a_var_that_a_worker_accepts(name: str, text: str) -> None:
    assert planned(yaml.safe_dump({"vars": {name: text}})).wanted.vars == {name: text}


@pytest.mark.parametrize(("name", "text"), REFUSED)
def test_a_var_with_which_a_worker_starts_no_agent_is_refused(name: str, text: str) -> None:
    (problem,) = refusal(yaml.safe_dump({"vars": {name: text}})).problems
    assert problem.path == ("vars", name)
    assert problem.hint


def test_the_limits_are_those_of_the_worker() -> None:
    limits = re.findall(r"^  (AGENT_\w+): [\d_]+,", (WORKER / "src" / "limits.ts").read_text(), re.MULTILINE)
    assert limits
    for name in limits:
        assert refusal(f"vars: {{{name}: many}}").problems[0].path == ("vars", name)


@pytest.mark.parametrize("url", ["nats://h", "https://hush@h", "hush", "wss:", "wss://"])
def test_a_bus_that_a_worker_cannot_use_is_refused_and_not_shown(url: str) -> None:
    refused = refusal("secrets: {NATS_WS_URL: {env: BUS}}", {**ENVIRON, "BUS": url})
    assert "secrets.NATS_WS_URL: is not a ws:// or wss:// URL; write it like wss://" in str(refused)
    assert "hush" not in str(refused)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "secrets: {NATS_TOKEN: {env: NOBODY}}",
            "line 1, column 23: secrets.NATS_TOKEN: the variable NOBODY is not set",
        ),
        ("secrets: {NATS_TOKEN: {file: nobody}}", "nobody cannot be read: no such file or directory"),
        ("secrets: {NATS_TOKEN: {file: empty}}", "the secret is empty"),
        ("secrets: {NATS_TOKEN: {file: large}}", "the secret is longer than 5120 bytes"),
        ("secrets: {NATS_TOKEN: {file: binary}}", "binary is not UTF-8 text"),
        ("secrets: {CONTROL_TOKEN: {file: blank}}", "contains a character that cannot be sent in a header"),
    ],
)
def test_a_secret_that_cannot_be_read_is_reported(text: str, words: str) -> None:
    refused = refusal(text, empty=b"\n", large=b"x" * 5121, binary=b"\xff", blank=b"a b")
    assert words in str(refused)
    assert refused.exit_code == Exit.USAGE


@pytest.mark.parametrize("source", ["env", "file"])
def test_a_secret_in_the_place_of_its_source_is_not_shown(source: str) -> None:
    seed = "SU" + "A2" * 28
    refused = refusal(f"secrets: {{NATS_NKEY_SEED: {{{source}: {seed}}}}}")
    assert f"secrets.NATS_NKEY_SEED: that {'variable' if source == 'env' else 'file'}" in str(refused)
    assert seed not in str(refused)


@pytest.mark.parametrize(
    ("file", "word"), [("a.token", "a.token"), ("-n", "./-n"), ("a b", "'a b'"), ("-it's", "'./-it'\\''s'")]
)
def test_the_line_to_use_reads_any_file(file: str, word: str) -> None:
    document = yaml.safe_dump({"secrets": {"CONTROL_TOKEN": {"file": file}}})
    made = planned(document, ENVIRON, **{file: TOKEN.encode()})
    assert made.token_export == f'"$(cat {word})"'


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"CLOUDFLARE_API_TOKEN": ""}, "CLOUDFLARE_API_TOKEN is not set; create an API token"),
        ({"CLOUDFLARE_API_TOKEN": "", "CLOUDFLARE_API_KEY": "k"}, "and CLOUDFLARE_API_KEY is not used"),
        ({"CLOUDFLARE_API_TOKEN": "a b"}, "CLOUDFLARE_API_TOKEN contains a character that cannot be sent in a header"),
        ({"CLOUDFLARE_ACCOUNT_ID": "acme"}, "CLOUDFLARE_ACCOUNT_ID is not an account id"),
        (
            {"CLOUDFLARE_API_BASE_URL": "http://api.example"},
            "the token would be sent unencrypted; write it like https://api.cloudflare.com/client/v4",
        ),
        (
            {"CLOUDFLARE_API_BASE_URL": "api.example"},
            (
                'CLOUDFLARE_API_BASE_URL: "api.example" is not an http(s) URL; '
                "write it like https://api.cloudflare.com/client/v4"
            ),
        ),
        (
            {"CLOUDFLARE_API_BASE_URL": "https://ann:hush@api.example"},
            "the URL contains credentials; write it like https://api.cloudflare.com/client/v4",
        ),
    ],
)
def test_an_unusable_environment_is_reported(environ: dict[str, str], words: str) -> None:
    refused = refusal("vars: {}", {**ENVIRON, **environ})
    assert words in str(refused)
    assert refused.exit_code == Exit.USAGE


def test_all_problems_are_reported_at_once() -> None:
    refused = refusal("worker: A\nvars: {B: c}\nsecrets: {NATS_TOKEN: {}}", {})
    assert len(refused.problems) == 4


@pytest.mark.parametrize(
    "value", ["hush", "'hush'", "12345678", "true", "{env: 'hush hush'}", "[hush]", "{env: 12345678}"]
)
def test_a_secret_in_the_document_is_refused_and_not_shown(value: str) -> None:
    text = str(refusal(f"secrets: {{NATS_TOKEN: {value}}}"))
    assert "NATS_TOKEN" in text
    assert not [secret for secret in ("hush", "12345678", "true") if secret in text]


def test_the_names_are_those_of_the_worker() -> None:
    """Vars and secrets of the document are those that the Worker reads."""
    page = (WORKER / "README.md").read_text()
    secrets, _, variables = page.partition("\nVars")
    for kind, text in ((Secrets, secrets), (Vars, variables)):
        rows = [row for row in text.splitlines() if row.startswith("| `")]
        listed = {
            name
            for row in rows
            for name in row.split("|")[1].split("`")[1::2]
            if name.isupper() and name.isidentifier()
        }
        assert listed == set(kind.__struct_fields__), kind


@given(messages(WorkerDocument))
def test_any_document_ends_in_a_plan_or_a_refusal(document: WorkerDocument) -> None:
    ends_well(document)


@given(messages(SpawnSpec))
def test_any_other_document_is_refused(document: SpawnSpec) -> None:
    with pytest.raises(Refused):
        plan(read(as_yaml(document)), "", FakeWorld(environ=ENVIRON), BUNDLE, deploys=True)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_plan_or_a_refusal(data: bytes) -> None:
    try:
        plan(read(data), "", FakeWorld(environ=ENVIRON), BUNDLE, deploys=True)
    except Refused as refused:
        assert refused.exit_code in {Exit.INPUT, Exit.USAGE}


def ends_well(document: WorkerDocument) -> None:
    try:
        made = plan(read(as_yaml(document)), "", FakeWorld(environ=ENVIRON), BUNDLE, deploys=True)
    except Refused as refused:
        assert refused.exit_code in {Exit.INPUT, Exit.USAGE}
    else:
        assert made.name


def as_yaml(document: Any) -> bytes:
    """Return a document as somebody would write it."""
    return yaml.safe_dump(msgspec.to_builtins(document), allow_unicode=False).encode()
