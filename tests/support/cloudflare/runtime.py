"""An uploaded Worker on workerd: started once to check that it loads, and then served on its own port."""

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import workerd_config
from tests.support.process import Process, ServerError, free_port, listens
from tests.support.workerd import workerd_program
from tests.support.workerd_config import quoted

_CONFIG = """\
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "worker", worker = .worker),
    (name = "disk", disk = (path = {disk}, writable = true)),
    (name = "internet", network = (allow = ["public", "private", "local"], tlsOptions = (trustBrowserCas = true))),
  ],
  sockets = [(name = "http", address = {address}, {http}, service = "worker")],
);

{worker}"""
_MISSING = re.compile(r'referenced the class "([^"]+)", but no such Durable Object class is exported')
_UNCAUGHT = re.compile(r"service worker: (.+)")


class Code(NamedTuple):
    """The code to run: modules by name, and their bindings."""

    script: str
    main: str
    modules: Mapping[str, bytes]
    date: str
    flags: tuple[str, ...]
    bindings: tuple[Mapping[str, Any], ...]
    """Including the values of secrets."""


class LoadError(Exception):
    """The code does not load; the message is the runtime's."""


class Site:
    """The place of one Worker, with a port and a disk that all of its versions share."""

    def __init__(self, home: Path, keypair: tuple[str, str] | None = None) -> None:
        """Prepare the place; with *keypair*, a key and a chain as PEM texts, it is served over TLS."""
        self.home = home
        self.port = free_port()
        self._keypair = keypair
        self._process: Process | None = None
        self._running: Code | None = None

    def run(self, code: Code, classes: Iterable[str]) -> None:
        """Replace the running code with *code*."""
        if code == self._running:
            return
        self.stop()
        self._process = _start(self.home, self.port, code, classes, self._keypair)
        self._running = code

    def stop(self) -> None:
        """Stop the running code."""
        if self._process:
            self._process.stop()
        self._process = self._running = None

    def erase(self) -> None:
        """Stop the running code and delete its Durable Objects."""
        self.stop()
        shutil.rmtree(self.home, ignore_errors=True)


def missing_classes(scratch: Path, code: Code, classes: Iterable[str]) -> frozenset[str]:
    """Start *code* once and return those of *classes* that it does not export. Raises `LoadError`."""
    try:
        process = _start(scratch, free_port(), code, classes, None)
    except ServerError as error:
        log = str(error)
    else:
        process.stop()
        log = process.log.read_text(errors="replace")
    shutil.rmtree(scratch)
    # workerd may listen for a moment before it reports that the code does not load.
    if uncaught := _UNCAUGHT.search(log):
        raise LoadError(uncaught[1])
    return frozenset(_MISSING.findall(log))


def _start(home: Path, port: int, code: Code, classes: Iterable[str], keypair: tuple[str, str] | None) -> Process:
    (home / "state").mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(code.modules.values()):
        (home / f"module{number}").write_bytes(content)
    config = home / "workerd.capnp"
    config.write_text(_configuration(home, port, code, classes, keypair))
    process = Process([str(workerd_program()), "serve", str(config)], home / "workerd.log")
    process.wait_until(lambda: listens(port))
    return process


def _configuration(home: Path, port: int, code: Code, classes: Iterable[str], keypair: tuple[str, str] | None) -> str:
    http = "http = ()"
    if keypair:
        key, chain = map(quoted, keypair)
        http = f"https = (tlsOptions = (keypair = (privateKey = {key}, certificateChain = {chain})))"
    # The first module is the main one.
    names = sorted(enumerate(code.modules), key=lambda named: named[1] != code.main)
    worker = workerd_config.worker(
        modules=[workerd_config.module(name, f"module{number}") for number, name in names],
        date=code.date or "2021-11-02",
        flags=code.flags,
        bindings=map(_binding, code.bindings),
        namespaces=[workerd_config.namespace(name, f"{code.script}_{name}") for name in classes],
    )
    disk, address = quoted(str(home / "state")), quoted(f"127.0.0.1:{port}")
    return _CONFIG.format(disk=disk, address=address, http=http, worker=worker)


def _binding(binding: Mapping[str, Any]) -> str:
    if binding["type"] == "durable_object_namespace":
        return workerd_config.durable_object(binding["name"], binding["class_name"])
    return workerd_config.text(binding["name"], binding["text"])
