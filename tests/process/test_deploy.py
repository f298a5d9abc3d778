"""Deploying by the program as a process: with real files, through TLS and a proxy, interrupted, and twice at a time."""

import os
import signal
import stat
import threading
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.caller import Caller, text_of
from tests.support.certificates import Authority
from tests.support.cloudflare import ACCOUNT, TOKEN, Account, Cloudflare
from tests.support.cloudflare.contract import Understood
from tests.support.cloudflare.server import dripping, refused, unheard
from tests.support.http_proxy import Proxy
from tests.support.manners import targets
from tests.support.nats import NatsServer
from tests.support.program import Ended, Program, Running, handle
from tests.support.specs import spec
from tests.support.terminal import Terminal
from tests.support.workerd import WORKER

NAME = "orch-cf-agent"
HOST = f"{NAME}.acme.workers.dev"
DOCUMENT = """\
vars:
  OPEN_AGENT_OWNER: ann
secrets:
  NATS_WS_URL: {env: BUS}
  CONTROL_TOKEN: {file: control.token, create: true}
"""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Cloudflare]:
    """Return the stand-in."""
    with Cloudflare(tmp_path / "cloudflare") as server:
        yield server


@pytest.fixture
def document(program: Program) -> Path:
    """Return a document in the program's folder."""
    file = program.home / "worker.yaml"
    file.write_text(DOCUMENT)
    return file


def environ(api: Cloudflare, bus: str = "ws://127.0.0.1:1") -> Mapping[str, str]:
    """Return the environment of somebody who deploys."""
    return {
        "CLOUDFLARE_API_BASE_URL": api.url,
        "CLOUDFLARE_API_TOKEN": TOKEN,
        "CLOUDFLARE_ACCOUNT_ID": ACCOUNT,
        "BUS": bus,
    }


def deployed(program: Program, api: Cloudflare, **more: Any) -> dict[str, Any]:
    """Deploy, which has to succeed, and return the document that was printed."""
    ended = program.run(b"", "--deploy", "worker.yaml", env=environ(api, **more))
    assert ended.code == 0, ended
    printed: dict[str, Any] = yaml.safe_load(ended.out)
    assert printed["status"] == "ready", ended
    return printed


def control_token(program: Program) -> str:
    """Return the token in the file that was created, and check that it is its owner's alone."""
    file = program.home / "control.token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    token = file.read_text()
    assert token.endswith("\n")
    assert len(token) == 65
    return token.strip()


def opens(url: str, token: str) -> bool:
    """Say whether the token opens the Worker's routes."""
    headers = {"authorization": f"Bearer {token}"}
    return httpx.get(f"{url}/agent/nobody", headers=headers, trust_env=False).status_code == 404


@pytest.mark.anyio
@pytest.mark.usefixtures("document")
async def test_from_nothing_to_an_agent_and_back(program: Program, api: Cloudflare, tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats") as bus:
        url = deployed(program, api, bus=bus.ws_url)["url"]
        token = control_token(program)
        spawned = handle(program.run(spec(url), env={"CF_WORKER_TOKEN": token}))
        assert spawned["status"] == "ready", spawned
        async with Caller.connected(bus.url) as caller:
            assert text_of(await caller.prompt(spawned["bus"]["prompt"], "hello")) == "hello"
            ended = program.run(b"", "--undeploy", "worker.yaml", "--yes", env=environ(api))
            assert (ended.code, ended.out) == (0, b""), ended
            assert await caller.services() == []
    assert api.account.scripts == {}


def killed(program: Program, api: Cloudflare, call: int, is_taken: bool, *arguments: str) -> None:
    """Run the program and kill it while it waits for the answer to one of its calls, counted from 1.

    With *is_taken* false the call gets lost too.
    """
    running = threading.Event()
    started: list[Running] = []
    came = []

    def watch(asked: Understood) -> None:
        came.append(asked)
        if len(came) == call:
            running.wait()
            started[0].child.kill()
            started[0].child.wait()
            if not is_taken:
                api.treat(asked.operation.id, unheard)

    api.watch = watch
    with program.start(*arguments, env=environ(api)) as process:
        started.append(process)
        running.set()
        assert process.end().code == -signal.SIGKILL
    api.watch = lambda _: None


CRONS = tomllib.loads((WORKER / "wrangler.toml").read_text()).get("triggers", {}).get("crons", [])
FIRST = ["deployments", "subdomain", "upload", "worker", "serve", *["schedule"] * bool(CRONS)]
CHANGED = ["deployments", "version", "upload", "remove secret", "worker", *["schedules"] * bool(CRONS)]
DELETION = ["deployments", "version", "worker", "delete"]
taken_or_not = pytest.mark.parametrize("is_taken", [True, False], ids=["taken", "not taken"])


@pytest.mark.usefixtures("document")
@taken_or_not
@pytest.mark.parametrize("call", range(1, len(FIRST) + 1), ids=FIRST)
def test_killed_at_any_call_the_next_run_ends_in_the_same_state(
    program: Program, api: Cloudflare, call: int, is_taken: bool
) -> None:
    killed(program, api, call, is_taken, "--deploy", "worker.yaml")
    url = deployed(program, api)["url"]
    assert opens(url, control_token(program))
    assert deployed(program, api)["changed"] == []
    assert [entry.name for entry in program.home.iterdir() if "token" in entry.name] == ["control.token"]
    script = api.account.script(NAME)
    assert [schedule["cron"] for schedule in script.schedules] == CRONS
    assert (list(api.account.scripts), script.enabled, script.previews_enabled) == ([NAME], True, False)


@taken_or_not
@pytest.mark.parametrize("call", range(1, len(CHANGED) + 1), ids=CHANGED)
def test_killed_at_any_call_of_a_change(
    program: Program, api: Cloudflare, document: Path, call: int, is_taken: bool
) -> None:
    deployed(program, api)
    document.write_text(DOCUMENT.replace("ann", "bob").replace("{env: BUS}", "null"))
    killed(program, api, call, is_taken, "--deploy", "worker.yaml")
    deployed(program, api)
    assert deployed(program, api)["changed"] == []
    bindings = {binding["name"]: binding for binding in api.account.script(NAME).latest.code.bindings}
    assert bindings["OPEN_AGENT_OWNER"]["text"] == "bob"
    assert "CONTROL_TOKEN" in bindings
    assert "NATS_WS_URL" not in bindings


@pytest.mark.usefixtures("document")
@taken_or_not
@pytest.mark.parametrize("call", range(1, len(DELETION) + 1), ids=DELETION)
def test_killed_at_any_call_of_a_deletion(program: Program, api: Cloudflare, call: int, is_taken: bool) -> None:
    deployed(program, api)
    killed(program, api, call, is_taken, "--undeploy", "worker.yaml", "--yes")
    assert program.run(b"", "--undeploy", "worker.yaml", "--yes", env=environ(api)).code == 0
    assert api.account.scripts == {}


@pytest.mark.usefixtures("document")
def test_two_at_a_time_end_in_one_state(program: Program, api: Cloudflare) -> None:
    """Whoever comes second may be refused with its cure; nothing is half there."""
    ended: list[Ended] = []

    def deploy() -> None:
        ended.append(program.run(b"", "--deploy", "worker.yaml", env=environ(api)))

    threads = [threading.Thread(target=deploy) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 in {each.code for each in ended}, ended
    assert all(each.code == 0 or "run it again" in each.err or "control.token" in each.err for each in ended), ended
    printed = deployed(program, api)
    assert printed["changed"] == []
    assert opens(printed["url"], control_token(program))


def test_no_two_tokens_are_alike(program: Program, api: Cloudflare) -> None:
    api.treat("put-script", *[refused(10021)] * 2)
    for name in ("one", "two"):
        document = f"secrets: {{CONTROL_TOKEN: {{file: {name}.token, create: true}}}}"
        assert program.run(document.encode(), "--deploy", env=environ(api)).code == 70
    tokens = [(program.home / f"{name}.token").read_text() for name in ("one", "two")]
    assert tokens[0] != tokens[1]
    assert len(set(tokens[0])) > 8


@pytest.mark.usefixtures("document")
def test_by_name_through_a_proxy_and_tls(
    program: Program, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """As in life: the API and the Worker by their names, the proxy and the authority of the environment."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    account = Account(tmp_path / "acme")
    account.keypair = authority.keypair(HOST)
    with Cloudflare(tmp_path, account, tls=authority.server("api.cloudflare.com")) as api:
        api.address = lambda _account, script: f"https://{script.name}.acme.workers.dev"

        def lead(target: str) -> int:
            return {
                "api.cloudflare.com:443": lambda: api.port,
                f"{HOST}:443": lambda: account.script(NAME).site.port,
            }[target]()

        with Proxy(lead) as proxy:
            own = {name: value for name, value in environ(api).items() if name != "CLOUDFLARE_API_BASE_URL"}
            env = {**own, "HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": str(authority.file)}
            ended = program.run(b"", "--deploy", "worker.yaml", env=env)
            assert ended.code == 0, ended
            printed = yaml.safe_load(ended.out)
            assert (printed["url"], printed["status"]) == (f"https://{HOST}", "ready"), ended
        assert set(targets(proxy.heads)) == {"CONNECT api.cloudflare.com:443", f"CONNECT {HOST}:443"}


@pytest.mark.usefixtures("document")
def test_a_slow_answer_is_waited_for(program: Program, api: Cloudflare) -> None:
    api.treat("list-deployments", dripping(0.01))
    deployed(program, api)


def test_a_secret_file_that_is_a_pipe_does_not_hold_the_program(program: Program, api: Cloudflare) -> None:
    os.mkfifo(program.home / "control.token")
    ended = program.run(DOCUMENT.encode(), "--deploy", env=environ(api))
    assert ended.code == 64
    assert "control.token cannot be read: not a regular file" in ended.err


def test_no_secret_is_shown(program: Program, api: Cloudflare, document: Path) -> None:
    """Neither printed nor in a refusal that repeats it, nor on the command line."""
    bus = "wss://ann:hush-hush@bus.example"
    api.treat("put-script", refused(10021, f"cannot load {bus} {TOKEN}"))
    for arguments in ([], ["--format", "json"]):
        ended = program.run(b"", "--deploy", str(document), *arguments, env=environ(api, bus))
        token = control_token(program)
        shown = ended.out.decode() + ended.err
        assert not [secret for secret in ("hush-hush", TOKEN, token) if secret in shown], shown


@pytest.mark.usefixtures("document")
@pytest.mark.parametrize(("typed", "is_gone"), [(b"yes\n", True), (b"no\n", False), (b"\n", False)])
def test_at_a_terminal_a_deletion_is_asked_about(
    program: Program, api: Cloudflare, typed: bytes, is_gone: bool
) -> None:
    deployed(program, api)
    with Terminal(program, "--undeploy", "worker.yaml", env=environ(api)) as terminal:
        terminal.wait_for("Type yes to continue:")
        terminal.type(typed)
        code = terminal.end()
    assert (api.account.scripts == {}) is is_gone
    assert code == (0 if is_gone else 64), terminal.written


@pytest.mark.usefixtures("document")
def test_the_worker_logs_no_secret(program: Program, api: Cloudflare) -> None:
    deployed(program, api, bus="wss://ann:hush-hush@127.0.0.1:1")
    log = (api.account.script(NAME).site.home / "workerd.log").read_text()
    assert not [secret for secret in ("hush-hush", control_token(program)) if secret in log]
