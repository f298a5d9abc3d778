"""DNS messages; `test_dns` has them sent."""

import socket

from hypothesis import given
from hypothesis import strategies as st

from exec_cf.http.dns_messages import LookupFailed, Malformed, ServerFailed, addresses, query, question

V4 = socket.AF_INET


@given(st.binary(max_size=200), st.booleans())
def test_any_message_is_read_or_passed_over(junk: bytes, is_an_answer: bool) -> None:
    asked = query(question("worker.example", V4))
    message = asked[:2] + b"\x81\x80" + asked[4:6] + junk[:6].ljust(6, b"\0") + asked[12:] + junk[6:]
    try:
        found = addresses(message if is_an_answer else junk, asked, V4, "192.0.2.1")
    except (LookupFailed, Malformed, ServerFailed):
        return
    assert found
