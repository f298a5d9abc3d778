"""The hosts of URLs: IPv6 literals and internationalized names.

A host that two programs could interpret differently is refused, never normalized.
"""

import ipaddress
import re
import unicodedata

import idna

from exec_cf.display import quoted_url
from exec_cf.errors import InvalidValue

_IDEOGRAPHIC_STOP = "\u3002"
"""IDNA treats it as a dot."""

_DOTS = re.compile(f"[.{_IDEOGRAPHIC_STOP}\uff0e\uff61]")
"""What IDNA treats as a dot."""


def check(host: str) -> None:
    """Raise `InvalidValue` unless *host*, as written in a URL, is an IPv6 address or a name that IDNA can encode."""
    if host.startswith("["):
        _check_ipv6(host)
    else:
        _check_idn(host)


def _check_ipv6(host: str) -> None:
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        raise InvalidValue(f"{quoted_url(host)} is not an IPv6 address", "write it like [::1]") from None


def _check_idn(host: str) -> None:
    if "" in _DOTS.split(host.removesuffix(".")):
        raise InvalidValue(f"{quoted_url(host)} is not a valid host name", "write one dot between two labels")
    try:
        idna.encode(host.lower())
    except UnicodeError as error:
        raise InvalidValue(
            f"{quoted_url(host)} is not a valid host name: {error}", "write it in its ASCII form (xn--…)"
        ) from None
    if _IDEOGRAPHIC_STOP in host or unicodedata.normalize("NFKC", host) != host:
        raise InvalidValue(
            f"{quoted_url(host)} means another host to other programs", "write it in its ASCII form (xn--…)"
        )
