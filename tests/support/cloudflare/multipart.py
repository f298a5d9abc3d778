"""`multipart/form-data` (RFC 7578), read strictly."""

import re
from typing import NamedTuple


class MalformedForm(Exception):  # noqa: N818  it names what it says
    """The body is not a form as its content type declares."""


class Part(NamedTuple):
    """One part; *type* is None if it has none."""

    name: str
    filename: str | None
    type: str | None
    content: bytes


_BOUNDARY = re.compile(r'multipart/form-data;\s*boundary="?([0-9A-Za-z\'()+_,./:=? -]{1,70})"?')
_DISPOSITION = re.compile(r'form-data; name="([^"\r\n]+)"(?:; filename="([^"\r\n]+)")?')


def parse(content_type: str, body: bytes) -> list[Part]:
    """Return the parts of *body*, at least one. Raises `MalformedForm`."""
    found = _BOUNDARY.fullmatch(content_type)
    if not found:
        raise MalformedForm(f"no usable boundary in {content_type!r}")
    delimiter = b"--" + found[1].encode()
    if not body.startswith(delimiter + b"\r\n"):
        raise MalformedForm("the body does not begin with its boundary")
    if not body.rstrip(b"\r\n").endswith(b"\r\n" + delimiter + b"--"):
        raise MalformedForm("the body does not end with its boundary")
    inner = body[len(delimiter) + 2 : body.rindex(b"\r\n" + delimiter + b"--")]
    return [_part(raw) for raw in inner.split(b"\r\n" + delimiter + b"\r\n")]


def _part(raw: bytes) -> Part:
    head, blank, content = raw.partition(b"\r\n\r\n")
    if not blank:
        raise MalformedForm("a part has no blank line behind its headers")
    headers = {}
    for line in head.decode().split("\r\n"):
        name, _, value = line.partition(": ")
        headers[name.lower()] = value
    disposition = _DISPOSITION.fullmatch(headers.get("content-disposition", ""))
    if not disposition:
        raise MalformedForm(f"Content-Disposition is {headers.get('content-disposition')!r}")
    if extra := headers.keys() - {"content-disposition", "content-type"}:
        raise MalformedForm(f"a part has the headers {extra}")
    return Part(disposition[1], disposition[2], headers.get("content-type"), content)
