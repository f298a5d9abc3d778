"""The configuration of the system's resolver."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exec_cf.http.resolv_conf import Configuration, parse


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Configuration()),
        ("nameserver 192.0.2.1\nnameserver 2001:db8::1", Configuration((("192.0.2.1", 53), ("2001:db8::1", 53)))),
        ("nameserver 192.0.2.1 # first\n; nameserver 192.0.2.2\n", Configuration((("192.0.2.1", 53),))),
        ("nameserver\nnameserver ns.example\nnameserver fe80::1%eth0", Configuration((("fe80::1%eth0", 53),))),
        ("".join(f"nameserver 192.0.2.{n}\n" for n in range(5)),
         Configuration(tuple((f"192.0.2.{n}", 53) for n in range(3)))),
        ("search a.example b.example.\n", Configuration(search=("a.example", "b.example"))),
        ("search a.example\ndomain b.example\n", Configuration(search=("b.example",))),
        ("domain b.example\nsearch a.example c.example\n", Configuration(search=("a.example", "c.example"))),
        ("options ndots:5 timeout:1 attempts:9\n", Configuration(ndots=5, timeout_s=1, attempts=5)),
        ("options ndots:99 timeout:99\noptions rotate ndots:x\n", Configuration(timeout_s=30)),
    ],
)  # fmt: skip
def test_the_configuration(text: str, wanted: Configuration) -> None:
    assert parse(text) == wanted


@given(st.text())
def test_any_text_is_a_configuration(text: str) -> None:
    assert parse(text).servers
