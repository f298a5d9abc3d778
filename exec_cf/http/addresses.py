"""IP addresses as text."""

from __future__ import annotations

import socket

LOOPBACK = ("::1", "127.0.0.1")


def literal(host: str) -> str:
    """Return the IP address that *host* is, in canonical form; empty if *host* is a name.

    Short and numeric forms of IPv4 (`127.1`) are read as by the C library.
    """
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_ntop(family, socket.inet_pton(family, host))
        except (OSError, ValueError):
            continue
    if not host[:1].isdigit():
        return ""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, ValueError):
        return ""


def family_of(address: str) -> socket.AddressFamily:
    """Return the address family of *address*."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def is_loopback(address: str) -> bool:
    """Return whether *address*, in the system's notation, is a loopback address."""
    return address == "::1" or address.removeprefix("::ffff:").startswith("127.")


def is_port(port: int | None) -> bool:
    """Return whether *port* can be connected to; None stands for that of the scheme."""
    return port is None or 1 <= port <= 65535


def endpoint(address: str, port: int) -> str:
    """Return *address* and *port* in the notation of URLs."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
