"""DNS messages (RFC 1035): a query for the addresses of a name, and the addresses in the response."""

from __future__ import annotations

import os
import socket
import struct

_HEADER_BYTES = 12
_TYPES = {socket.AF_INET: 1, socket.AF_INET6: 28}
_SIZES = {socket.AF_INET: 4, socket.AF_INET6: 16}
_INTERNET = 1
_RECURSION_DESIRED = 0x0100
_RESPONSE, _AUTHORITATIVE, _TRUNCATED, _RECURSION_AVAILABLE = 0x8000, 0x0400, 0x0200, 0x0080
_CODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_NO_ERROR, _NO_SUCH_NAME = 0, 3


class LookupFailed(Exception):  # noqa: N818  reads as a sentence at every raise
    """A name cannot be resolved; the text says why."""


class Malformed(Exception):  # noqa: N818  reads as a sentence at every raise
    """The message is not a response to the query."""


class ServerFailed(Exception):  # noqa: N818  reads as a sentence at every raise
    """A name server gave no usable answer; the text says what it did."""


def question(name: str, family: socket.AddressFamily) -> bytes:
    """Return the question for the addresses of *name* in *family*."""
    labels = b"".join(bytes([len(label)]) + label for label in name.encode().split(b"."))
    return labels + struct.pack("!BHH", 0, _TYPES[family], _INTERNET)


def query(question: bytes) -> bytes:
    """Return a query with *question* and a random id."""
    return os.urandom(2) + struct.pack("!HHHHH", _RECURSION_DESIRED, 1, 0, 0, 0) + question


def is_truncated(message: bytes, query: bytes) -> bool:
    """Return whether *message* was cut to fit into a datagram. Raises `Malformed` unless it answers *query*."""
    return bool(_header(message, query)[0] & _TRUNCATED)


def addresses(message: bytes, query: bytes, family: socket.AddressFamily, host: str) -> list[str]:
    """Return the addresses in *message* from the server *host*, at least one.

    Raises `Malformed` unless it answers *query*, `ServerFailed` if the server failed, `LookupFailed` if the name has no
    address.
    """
    flags, answers = _header(message, query)
    code = flags & 0xF
    if code == _NO_SUCH_NAME:
        raise LookupFailed(f"no such name (NXDOMAIN from the server {host})")
    if code != _NO_ERROR:
        raise ServerFailed(f"the name server {host} failed ({_CODES.get(code, f'code {code}')})")
    if not answers and not flags & (_AUTHORITATIVE | _RECURSION_AVAILABLE):
        raise ServerFailed(f"the name server {host} only refers to others")
    found = _addresses(message, len(query), answers, family)
    if not found:
        raise LookupFailed(f"the name has no address (by the server {host})")
    return found


def truncated_addresses(message: bytes, query: bytes, family: socket.AddressFamily, host: str) -> list[str]:
    """Return the addresses in a truncated response, at least one. Raises `ServerFailed`."""
    try:
        found = _addresses(message, len(query), _header(message, query)[1], family)
    except Malformed:
        found = []
    if not found:
        raise ServerFailed(f"the name server {host} truncates its answer, and does not send it over TCP")
    return found


def _header(message: bytes, query: bytes) -> tuple[int, int]:
    """Return the flags and the number of answers of *message*. Raises `Malformed` unless it answers *query*."""
    if len(message) < _HEADER_BYTES or message[:2] != query[:2]:
        raise Malformed
    flags, questions, answers = struct.unpack_from("!HHH", message, 2)
    is_failure = flags & 0xF not in {_NO_ERROR, _NO_SUCH_NAME}
    if flags & _RESPONSE and is_failure and not questions:
        return flags, 0  # some servers leave out the question that they cannot or do not want to answer
    # Names are compared case-insensitively (RFC 4343); lower() changes nothing else in the query.
    is_same = questions == 1 and message[_HEADER_BYTES : len(query)].lower() == query[_HEADER_BYTES:].lower()
    if not flags & _RESPONSE or not is_same:
        raise Malformed
    return flags, answers


def _addresses(message: bytes, at: int, answers: int, family: socket.AddressFamily) -> list[str]:
    """Return the addresses among the *answers* that begin at *at*; other records, such as aliases, are skipped."""
    found = []
    try:
        for _ in range(answers):
            at = _skip_name(message, at)
            kind, space, _, size = struct.unpack_from("!HHIH", message, at)
            data = message[at + 10 : at + 10 + size]
            at += 10 + size
            if (kind, space, len(data)) == (_TYPES[family], _INTERNET, _SIZES[family]):
                found.append(socket.inet_ntop(family, data))
    except (struct.error, IndexError):
        raise Malformed from None
    return found


def _skip_name(message: bytes, at: int) -> int:
    """Return the offset after the name at *at*, which may end with a compression pointer."""
    while length := message[at]:
        if length >= 0xC0:
            return at + 2
        at += 1 + length
    return at + 1
