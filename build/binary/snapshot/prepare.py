"""Prepares the program for its snapshot, and continues from it.

`prepare` runs once, at build time; its memory is written into the executable. `run` is the first function of every
process that starts from the snapshot.
"""

# mypy: ignore-errors

import functools
import gc
import importlib
import logging
import os
import posix
import random
import socket
import sys
import threading
import time

from exec_cf import __main__ as program

SPEC = """\
spec_version: v1
name: lead-engineer
agent: echo
session: lead
owner: ann
labels: {{team: edge}}
env: {{OPEN_AGENT_MODEL_ID: m}}
cf-worker:
  script: http://127.0.0.1:{port}/base
"""
STARTED = b"""\
{"state": "ready", "agent": "echo", "abort": "/control/abort/lead", "subjects": {
"prompt": "agents.prompt.open-agent.ann.lead", "status": "agents.status.open-agent.ann.lead",
"hb": "agents.hb.open-agent.ann.lead", "signal": "orch.signal.>.open-agent.ann.lead"}}"""


class Ended(BaseException):
    """The program would have ended its process."""


def prepare() -> None:
    """Import all frozen modules, which stdin names, and run the program once."""
    gc.disable()
    # Close what the build has left open; 3 is for the snapshot.
    os.closerange(4, 1024)
    if failed := [problem for name in _read(0).decode().split() if (problem := _not_imported(name))]:
        sys.exit("\n".join(["These modules cannot be imported; freeze.sh must leave them out:", *failed]))
    _rehearse()
    _forget()


def run(arguments: list[str], environ: list[bytes]) -> None:
    """Restore the state that belongs to this process, and run the program."""
    variables = os.environ._data
    for entry in environ:
        name, equals, value = entry.partition(b"=")
        if equals:
            variables.setdefault(name, value)
    posix.environ.update(variables)
    sys.argv[:] = sys.orig_argv[:] = arguments
    # The module's shared generator would be in the same state in every process.
    random.seed()
    time.tzset()
    logging._startTime = time.time_ns()
    threading.main_thread()._native_id = threading.get_native_id()
    program.main()


def _not_imported(name: str) -> str:
    """Import a module, since its code will not be in the file. Return the error, or an empty text."""
    try:
        importlib.import_module(name)
    except ImportError as error:
        return f"{name}: {error}"
    return ""


def _rehearse() -> None:
    """Spawn an agent on a healthy Worker, so that lazily created objects exist and the bytecode is specialised.

    Only over http, since TLS would request random bytes and keep the state of its generator.
    """
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    # A process instead of a thread, since threads are scheduled differently each time.
    if not (child := os.fork()):
        try:
            _serve(server)
        finally:
            os._exit(1)
    server.close()
    code, handle = _run_once(SPEC.format(port=port).encode())
    os.kill(child, 9)
    os.waitpid(child, 0)
    if code != 0 or b"status: ready" not in handle:
        sys.exit("the program cannot spawn before its snapshot is taken: it printed the lines above")


def _serve(server: socket.socket) -> None:
    """Answer every request of every connection, one connection after another, until this process is stopped."""
    while True:
        connection, _ = server.accept()
        while head := _request(connection):
            body = STARTED if head.startswith(b"POST") else b"{}"
            status = b"201 Created" if head.startswith(b"POST") else b"200 OK"
            connection.sendall(
                b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
                % (status, len(body), body)
            )
        connection.close()


def _request(connection: socket.socket) -> bytes:
    """Return the head of the next request, after reading its body; empty at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    size = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < size:
        body += connection.recv(65536)
    return head


def _run_once(document: bytes) -> tuple[int, bytes]:
    """Run the program on *document* as in its own process, and return its exit code and stdout."""
    reader, writer = os.pipe()
    os.write(writer, document)
    os.close(writer)
    os.dup2(reader, 0)
    os.close(reader)
    printed, writer = os.pipe()
    os.dup2(writer, 1)
    os.close(writer)
    leave, os._exit = os._exit, _end
    sys.argv[:] = ["orch-executor-cf-worker"]
    code = 0
    try:
        program.main()
    except Ended as ended:
        (code,) = ended.args
    finally:
        os._exit = leave
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    output = _read(printed)
    os.close(printed)
    return code, output


def _end(code: int) -> None:
    raise Ended(code)


def _read(descriptor: int) -> bytes:
    data = b""
    while chunk := os.read(descriptor, 65536):
        data += chunk
    return data


def _forget() -> None:
    """Remove everything that belongs to this process or to the rehearsal."""
    for thing in gc.get_objects():
        if isinstance(thing, functools._lru_cache_wrapper):
            thing.cache_clear()
    for variables in (os.environ._data, posix.environ):
        variables.clear()
    for words in (sys.argv, sys.orig_argv, sys.path):
        words.clear()
    logging._startTime = 0
    threading.main_thread()._native_id = 0
    # Last, since it also empties the interpreter's free lists.
    gc.collect()
