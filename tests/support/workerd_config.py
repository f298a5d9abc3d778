"""Parts of a workerd configuration, in Cap'n Proto's text format."""

import json
from collections.abc import Iterable

_WORKER = """\
const worker :Workerd.Worker = (
  modules = [{modules}],
  compatibilityDate = {date},
  compatibilityFlags = [{flags}],
  bindings = [{bindings}],
  durableObjectNamespaces = [{namespaces}],
  durableObjectStorage = (localDisk = "disk"),
  globalOutbound = {outbound},
);
"""


def worker(
    *,
    modules: Iterable[str],
    date: str,
    flags: Iterable[str],
    bindings: Iterable[str],
    namespaces: Iterable[str],
    outbound: str = "internet",
) -> str:
    """Return the constant `worker`, with Durable Objects on the service `disk`; the first module is the main one."""
    return _WORKER.format(
        modules=", ".join(modules),
        date=quoted(date),
        flags=", ".join(map(quoted, flags)),
        bindings=", ".join(bindings),
        namespaces=", ".join(namespaces),
        outbound=quoted(outbound),
    )


def text(name: str, value: str) -> str:
    """Return the binding of a var or secret."""
    return f"(name = {quoted(name)}, text = {quoted(value)})"


def durable_object(name: str, kind: str) -> str:
    """Return the binding of a class of Durable Objects."""
    return f"(name = {quoted(name)}, durableObjectNamespace = {quoted(kind)})"


def namespace(kind: str, key: str) -> str:
    """Return the namespace of a class of Durable Objects; *key* tells it from those of other Workers."""
    return f"(className = {quoted(kind)}, uniqueKey = {quoted(key)}, enableSql = true)"


def module(name: str, file: str) -> str:
    """Return the module *name*, whose content is in *file*, below the folder of the configuration."""
    return f"(name = {quoted(name)}, esModule = embed {quoted(file)})"


def quoted(value: str) -> str:
    """Quote a text for Cap'n Proto; its escapes are those of JSON, but for non-ASCII characters."""
    return json.dumps(value, ensure_ascii=False)
