"""The ways into the bus: password, token, nkey, credentials, TLS, and what a refusal says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import trustme

from tests.support.caller import Caller, text_of
from tests.support.nats import NatsServer
from tests.support.operator import Operator, new_key, public, seed_of
from tests.support.workerd import WORKER, Workerd, own_connections

PASSWORD = "s3cr3t-p@ss/w:rd%"
USER = {"authorization": {"user": "agent", "password": PASSWORD}}
TOKEN = {"authorization": {"token": PASSWORD}}


def start(
    home: Path, settings: Mapping[str, Any], variables: Mapping[str, str], ca: str | None = None
) -> tuple[httpx.Response, str]:
    """Start an agent on a bus of its own; return the answer and the Worker's log.

    `@` in NATS_WS_URL stands for the bus, with what is before it as its user info.
    """
    with NatsServer(home / "nats", settings) as bus:
        scheme, _, place = bus.ws_url.partition("://")
        filled = {"NATS_WS_URL": "@", **variables}
        if filled["NATS_WS_URL"].endswith("@"):
            info = filled["NATS_WS_URL"].removesuffix("@")
            filled["NATS_WS_URL"] = f"{scheme}://{info}@{place}" if info else f"{scheme}://{place}"
        with Workerd(home / "worker", filled, ca) as worker, worker.client() as client:
            return client.post("/agent/a"), worker.log


@pytest.mark.parametrize(
    ("settings", "variables"),
    [
        (USER, {"NATS_WS_URL": f"agent:{quote(PASSWORD, safe='')}@"}),
        (TOKEN, {"NATS_WS_URL": f"{quote(PASSWORD, safe='')}@"}),
        (TOKEN, {"NATS_TOKEN": f"{PASSWORD}\n"}),
        (TOKEN, {"NATS_WS_URL": "ignored@", "NATS_TOKEN": PASSWORD}),
    ],
    ids=["password in the URL", "token in the URL", "token", "a secret wins over the URL"],
)
def test_passwords_and_tokens_let_the_agent_in(
    tmp_path: Path, settings: Mapping[str, Any], variables: Mapping[str, str]
) -> None:
    """Percent-encoded in the URL, or in a secret of their own."""
    response, log = start(tmp_path, settings, variables)
    assert response.status_code == 201
    assert PASSWORD not in response.text + log


def test_an_nkey_seed_lets_the_agent_in(tmp_path: Path) -> None:
    """The seed signs what the server asks; it is never shown."""
    key = new_key("user")
    settings = {"authorization": {"users": [{"nkey": public(key)}]}}
    response, log = start(tmp_path, settings, {"NATS_NKEY_SEED": seed_of(key)})
    assert response.status_code == 201
    assert seed_of(key) not in response.text + log


def test_credentials_let_the_agent_in(tmp_path: Path) -> None:
    """The text of a credentials file, on a server with an operator."""
    operator = Operator()
    credentials = operator.credentials()
    response, log = start(tmp_path, operator.server_settings(), {"NATS_CREDS": credentials})
    assert response.status_code == 201
    secrets = [line for line in credentials.splitlines() if line and not line.startswith("-")]
    assert len(secrets) == 2
    assert not [secret for secret in secrets if secret in response.text + log]


@pytest.mark.parametrize(
    ("settings", "variables"),
    [
        (USER, {"NATS_WS_URL": "agent:wr0ng-p4ss@"}),
        (TOKEN, {"NATS_TOKEN": "wr0ng-p4ss"}),
        (USER, {}),
        (Operator().server_settings(), {"NATS_CREDS": Operator().credentials()}),
    ],
    ids=["password", "token", "none", "credentials of another operator"],
)
def test_refused_credentials_are_a_cause(
    tmp_path: Path, settings: Mapping[str, Any], variables: Mapping[str, str]
) -> None:
    """The start fails with a sentence about credentials that shows none of them."""
    response, log = start(tmp_path, settings, variables)
    assert (response.status_code, response.json()["error"]) == (503, "bus_unavailable")
    assert "credentials" in response.json()["message"]
    assert "wr0ng" not in response.text + log


@own_connections
def test_a_bus_that_is_full_is_a_cause(tmp_path: Path) -> None:
    """The message points at connections, not at a wrong password."""
    with (
        NatsServer(tmp_path / "nats", {"max_connections": 1}) as bus,
        Workerd(tmp_path / "worker", {"NATS_WS_URL": bus.ws_url}) as worker,
        worker.client() as client,
    ):
        assert client.post("/agent/a").status_code == 201
        response = client.post("/agent/b")
    assert (response.status_code, response.json()["error"]) == (503, "bus_unavailable")
    assert "accepts no more connections" in response.json()["message"]


@pytest.mark.parametrize("subject", ["agents.prompt.>", "agents.status.>", "orch.signal.>", "$SRV.>"])
def test_a_user_that_may_not_subscribe_is_a_cause(tmp_path: Path, subject: str) -> None:
    """A registration that the bus accepts only in part fails the start."""
    user = {"user": "agent", "password": PASSWORD, "permissions": {"subscribe": {"deny": [subject]}}}
    settings = {"authorization": {"users": [user]}}
    response, log = start(tmp_path, settings, {"NATS_WS_URL": f"agent:{quote(PASSWORD, safe='')}@"})
    assert (response.status_code, response.json()["error"]) == (503, "bus_unavailable")
    assert "may subscribe" in response.json()["message"]
    assert "bus denied" in log


@pytest.mark.anyio
async def test_the_permissions_that_the_readme_asks_for_are_enough(tmp_path: Path) -> None:
    """With these permissions and no others, an agent can be found and prompted."""
    listen = ["agents.*.open-agent.>", "orch.signal.>", "$SRV.>", "_INBOX.>"]
    speak = ["agents.hb.open-agent.>", "_INBOX.>"]
    assert all(f"`{subject}`" in (WORKER / "README.md").read_text() for subject in listen + speak[:1])
    permissions = {"subscribe": {"allow": listen}, "publish": {"allow": speak}}
    users = [
        {"user": "agent", "password": PASSWORD, "permissions": permissions},
        {"user": "caller", "password": "c"},
    ]
    with NatsServer(tmp_path / "nats", {"authorization": {"users": users}}) as bus:
        url = bus.ws_url.replace("://", f"://agent:{quote(PASSWORD, safe='')}@")
        with Workerd(tmp_path / "worker", {"NATS_WS_URL": url}) as worker, worker.client() as client:
            started = client.post("/agent/a").json()
            async with Caller.connected(bus.url.replace("://", "://caller:c@")) as caller:
                assert [service["id"] for service in await caller.services()] == [started["instance_id"]]
                assert text_of(await caller.prompt(started["subjects"]["prompt"], "hello")) == "hello"


@pytest.mark.parametrize(
    ("name", "variables"),
    [
        ("NATS_WS_URL", {"NATS_WS_URL": ""}),
        ("NATS_WS_URL", {"NATS_WS_URL": "br0ken"}),
        ("NATS_WS_URL", {"NATS_WS_URL": "nats://br0ken:4222"}),
        ("NATS_WS_URL", {"NATS_WS_URL": "ws://br0ken.invalid"}),
        ("NATS_NKEY_SEED", {"NATS_NKEY_SEED": "SUbr0ken"}),
        ("NATS_CREDS", {"NATS_CREDS": "br0ken"}),
    ],
)
def test_a_secret_that_cannot_be_used_is_named(tmp_path: Path, name: str, variables: Mapping[str, str]) -> None:
    """The start fails with the name of the secret, without its text."""
    response, log = start(tmp_path, {}, variables)
    assert (response.status_code, response.json()["error"]) == (503, "bus_unavailable")
    assert name in response.json()["message"]
    assert "br0ken" not in response.text + log


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    """Return a certificate authority of this module."""
    return trustme.CA()


@pytest.fixture
def tls(ca: trustme.CA, tmp_path: Path) -> dict[str, Any]:
    """Return the settings of a bus that speaks TLS on its WebSocket port."""
    certificate = ca.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    files = {"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}
    return {"websocket": {"tls": files}}


def test_wss_with_a_trusted_certificate(tmp_path: Path, tls: dict[str, Any], ca: trustme.CA) -> None:
    """The connection is made over TLS."""
    response, _ = start(tmp_path, tls, {}, ca.cert_pem.bytes().decode())
    assert response.status_code == 201


def test_wss_with_another_certificate_is_refused(tmp_path: Path, tls: dict[str, Any]) -> None:
    """A certificate that cannot be verified ends the attempt."""
    response, _ = start(tmp_path, tls, {}, trustme.CA().cert_pem.bytes().decode())
    assert (response.status_code, response.json()["error"]) == (503, "bus_unavailable")
