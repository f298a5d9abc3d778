"""The configuration of the system's resolver; see resolv.conf(5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from exec_cf.http.addresses import literal

FILE = "/etc/resolv.conf"
PORT = 53

_MAX_SERVERS = 3
_MAX_NDOTS = 15
_MAX_TIMEOUT_S = 30
_MAX_ATTEMPTS = 5


class Configuration(NamedTuple):
    """The content of the file."""

    servers: tuple[tuple[str, int], ...] = (("127.0.0.1", PORT),)
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout_s: int = 5
    attempts: int = 2


def parse(text: str) -> Configuration:
    """Return the configuration in *text*, a `resolv.conf`; unknown lines and options are ignored."""
    servers: list[tuple[str, int]] = []
    search: tuple[str, ...] = ()
    options: dict[str, str] = {}
    for line in text.splitlines():
        keyword, *values = line.split("#")[0].split(";")[0].split() or [""]
        if keyword == "nameserver" and values and literal(values[0].partition("%")[0]) and len(servers) < _MAX_SERVERS:
            servers.append((values[0], PORT))
        elif keyword == "search":
            search = tuple(domain.strip(".") for domain in values)
        elif keyword == "domain":
            search = tuple(domain.strip(".") for domain in values[:1])
        elif keyword == "options":
            options.update(value.partition(":")[::2] for value in values)
    plain = Configuration()
    return Configuration(
        servers=tuple(servers) or plain.servers,
        search=search,
        ndots=_number(options, "ndots", plain.ndots, 0, _MAX_NDOTS),
        timeout_s=_number(options, "timeout", plain.timeout_s, 1, _MAX_TIMEOUT_S),
        attempts=_number(options, "attempts", plain.attempts, 1, _MAX_ATTEMPTS),
    )


def read() -> Configuration:
    """Return the configuration of this system; the default if there is none."""
    try:
        with open(FILE, encoding="utf-8", errors="replace") as file:  # noqa: PTH123  pathlib is slow to load
            return parse(file.read())
    except OSError:
        return parse("")


def _number(options: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = options.get(name, "")
    return min(max(int(text[:6]), least), most) if text.isascii() and text.isdigit() else default
