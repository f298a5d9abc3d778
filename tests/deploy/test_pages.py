"""What the pages about deploying and the bus say is true."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
import yaml
from jsonschema import Draft202012Validator

from exec_cf.deploy.messages import Deployed, WorkerDocument
from exec_cf.deploy.plan import plan
from exec_cf.document import read
from tests.deploy.documents import carried
from tests.deploy.test_plan import BUNDLE, ENVIRON, TOKEN
from tests.support.caller import Caller, text_of
from tests.support.nats import PROGRAM
from tests.support.process import Process, free_port, listens
from tests.support.workerd import ROOT, Workerd
from tests.support.world import FakeWorld

DEPLOYING = (ROOT / "docs" / "deploying.md").read_text()
BUS = (ROOT / "docs" / "bus.md").read_text()
PASSWORDS = {"WORKER_PASSWORD": "hush", "ANN_PASSWORD": "hush-too", "BUS_TOKEN": "s3cr3t"}


def planned(text: str) -> Any:
    """Return the plan of a document on a page."""
    world = FakeWorld(environ={**ENVIRON, "NATS_WS_URL": "wss://bus.example"})
    world.files = dict.fromkeys(("control.token", "agents.creds"), TOKEN.encode())
    return plan(read(text.encode()), "", world, BUNDLE, deploys=True)


@pytest.mark.parametrize(
    "text",
    [*re.findall(r"```yaml\n(worker:.*?)```", DEPLOYING, re.DOTALL)[:1], (ROOT / "examples/worker.yaml").read_text()],
)
def test_documents_on_the_page_are_good(text: str) -> None:
    assert planned(text).wanted.secrets["CONTROL_TOKEN"] == TOKEN
    schema = yaml.safe_load((ROOT / "schemas" / "worker.v1.json").read_text())
    assert Draft202012Validator(schema).is_valid(yaml.safe_load(text))


def test_the_default_name_is_that_of_the_worker() -> None:
    name = carried().name
    described = WorkerDocument.__annotations__["worker"]
    assert f"Absent means {name}." in str(described)
    assert f"worker: {name} " in DEPLOYING


def test_what_is_printed_has_the_fields_of_the_page() -> None:
    [text] = re.findall(r"  ```yaml\n(  worker:.*?)  ```", DEPLOYING, re.DOTALL)
    assert list(yaml.safe_load(text)) == list(Deployed.__struct_fields__)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Run nats-server on the configuration of the page; return its WebSocket port, its port, and its authority."""
    home = tmp_path_factory.mktemp("nats")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(str(home / "privkey.pem"))
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(str(home / "fullchain.pem"), append=True)
    [text] = re.findall(r"<!-- begin server.*?```text\n(.*?)```", BUS, re.DOTALL)
    port, ws_port = free_port(), free_port()
    text = text.replace("port: 443\n", f"port: {ws_port}, host: 127.0.0.1\n").replace("port: 4222\n", f"port: {port}\n")
    text = text.replace("/etc/letsencrypt/live/nats.example.org", str(home))
    (home / "nats.conf").write_text("host: 127.0.0.1\n" + text)
    process = Process([str(PROGRAM), "--config", str(home / "nats.conf")], home / "nats.log", env=PASSWORDS)
    process.wait_until(lambda: listens(port) and listens(ws_port))
    yield ws_port, port, authority.cert_pem.bytes().decode()
    process.stop()


@pytest.mark.anyio
async def test_an_agent_of_the_owner_lives_on_that_bus(server: Any, tmp_path: Path) -> None:
    """With the permissions of the page, and no more; one of another owner cannot start."""
    ws_port, port, authority = server
    variables = {"NATS_WS_URL": f"wss://worker:{PASSWORDS['WORKER_PASSWORD']}@127.0.0.1:{ws_port}"}
    with Workerd(tmp_path / "worker", variables, ca=authority) as worker, worker.client() as http:
        started = http.post("/agent/one", json={"owner": "ann"})
        assert started.status_code == 201, started.text
        async with Caller.connected(f"nats://ann:{PASSWORDS['ANN_PASSWORD']}@127.0.0.1:{port}") as caller:
            assert text_of(await caller.prompt(started.json()["subjects"]["prompt"], "hello")) == "hello"
            assert [service["metadata"]["owner"] for service in await caller.services()] == ["ann"]
        refused = http.post("/agent/two", json={"owner": "bob"})
        assert refused.status_code == 503, refused.text
        assert "may subscribe" in refused.json()["message"]


@pytest.mark.parametrize("login", [{}, {"NATS_TOKEN": PASSWORDS["BUS_TOKEN"]}])
def test_the_bus_of_a_laptop_wants_its_token(login: Mapping[str, str], tmp_path: Path) -> None:
    [text] = re.findall(r"nats.conf <<'END'\n(.*?)END", BUS, re.DOTALL)
    ws_port, port = free_port(), free_port()
    (tmp_path / "nats.conf").write_text(
        f"host: 127.0.0.1\nport: {port}\n" + text.replace("port: 8080", f"port: {ws_port}")
    )
    process = Process([str(PROGRAM), "--config", str(tmp_path / "nats.conf")], tmp_path / "nats.log", env=PASSWORDS)
    process.wait_until(lambda: listens(ws_port))
    try:
        variables = {"NATS_WS_URL": f"ws://127.0.0.1:{ws_port}", **login}
        with Workerd(tmp_path / "worker", variables) as worker:
            started = httpx.post(f"{worker.url}/agent/one", timeout=30, trust_env=False)
    finally:
        process.stop()
    assert started.status_code == (201 if login else 503), started.text
