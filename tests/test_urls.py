"""The Worker's base URL, and where to POST to stop an agent."""

from ipaddress import IPv4Address, IPv6Address
from urllib.parse import unquote

import httpx
import idna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exec_cf import urls
from exec_cf.errors import InvalidValue

NUMBERS = ["127.1", "2130706433", "010.0.0.1", "0x7f.0.0.1", "0X7F000001", "256.1.1.1", "1.2.3.4.5", "a.1"]
"""Hosts that some programs read as an address, and others as a name."""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://h", "https://h"),
        ("https://h/", "https://h"),
        ("https://h///", "https://h"),
        ("https://h/base/", "https://h/base"),
        ("HTTP://H:8080/Base", "http://H:8080/Base"),
        ("HtTpS://h", "https://h"),
        ("http://127.0.0.1:1", "http://127.0.0.1:1"),
        ("http://127.0.0.1.", "http://127.0.0.1."),
        ("http://[::1]:65535/x", "http://[::1]:65535/x"),
        ("http://[::ffff:127.0.0.1]:8787", "http://[::ffff:127.0.0.1]:8787"),
        ("https://[64:ff9b::192.0.2.1]", "https://[64:ff9b::192.0.2.1]"),
        ("https://bücher.example", "https://bücher.example"),
        ("https://ΚΌΣΜΟΣ.example", "https://ΚΌΣΜΟΣ.example"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://xn--n3h.net", "https://xn--n3h.net"),
        ("https://my_app.xn--bcher-kva.example.", "https://my_app.xn--bcher-kva.example."),
        ("https://a_b.example/%20x", "https://a_b.example/%20x"),
    ],
)
def test_a_base(text: str, wanted: str) -> None:
    assert urls.base_url(text) == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("https://ann:hush@h", "credentials"),
        ("https://ann@h", "credentials"),
        ("https://h?x=1", "query"),
        ("https://h#x", "fragment"),
        ("https://h/../x", "the path has the segment .."),
        ("https://h/.%2e", "the path has the segment .%2e"),
        ("https://h\\x", "a backslash"),
        ("https:\\\\h", "a backslash"),
        ("https://h /", "a space"),
        (" https://h", "a space"),
        ("https://h\n", "U+000A"),
        ("https://h\u200b", "U+200B"),
        ("https://h:0", "not a port"),
        ("https://h:65536", "not a port"),
        ("https://h:x", "no valid host and port"),
        ("https://h:", "no valid host and port"),
        ("https://h:123456", "not a port"),
        ("https://:80", "no valid host and port"),
        ("https://", "no valid host and port"),
        ("https:///x", "no valid host and port"),
        ("https://[::1", "no valid host and port"),
        ("https://[::g]", "no valid host and port"),
        ("https://[1:2]", "not an IPv6 address"),
        ("https://h!", "not a valid host name"),
        ("https://a..b", "not a valid host name"),
        ("https://.a", "not a valid host name"),
        ("https://a..", "not a valid host name"),
        ("https://☃.example", "not a valid host name"),
        ("http://127\u30020\u30020\u30021", "another host to other programs"),
        ("http://127\uff0e0\uff0e0\uff0e1", "another host to other programs"),
        ("https://\u212a.example", "another host to other programs"),
        ("https://straße.example", "another host to other programs"),
        ("https://STRA\u1e9eE.example", "another host to other programs"),
        ("https://κόσμος.example", "another host to other programs"),
        ("https://example.ΚΌΣΜΟΣ", "another host to other programs"),
        ("ftp://h", "not an http(s) URL"),
        ("javascript:alert(1)", "not an http(s) URL"),
        ("//h", "not an http(s) URL"),
        ("h", "not an http(s) URL"),
        ("https:h", "not an http(s) URL"),
        ("https:/h", "not an http(s) URL"),
        ("", "not an http(s) URL"),
        *((f"http://{host}:8787", "not an IPv4 address") for host in NUMBERS),
    ],
)
def test_not_a_base(text: str, says: str) -> None:
    with pytest.raises(InvalidValue) as invalid:
        urls.base_url(text)
    assert says in invalid.value.message
    assert invalid.value.hint
    assert "hush" not in invalid.value.message + invalid.value.hint


@pytest.mark.parametrize(
    ("host", "hint"),
    [
        ("exämple..de", "write one dot between two labels"),
        ("ä.\u3002de", "write one dot between two labels"),
        (".ä", "write one dot between two labels"),
        ("ä..", "write one dot between two labels"),
        ("\u2603.example", "write it in its ASCII form (xn--…)"),
    ],
)
def test_how_to_write_an_internationalized_name(host: str, hint: str) -> None:
    with pytest.raises(InvalidValue) as invalid:
        urls.base_url(f"https://{host}")
    assert invalid.value.hint == hint


@pytest.mark.parametrize(
    ("endpoint", "wanted"),
    [
        ("/control/abort", "https://h/base/control/abort"),
        ("stop", "https://h/base/stop"),
        ("?stop", "https://h/base?stop"),
        ("/stop/{session}", "https://h/base/stop/s%2F1"),
        ("/x?s={session}", "https://h/base/x?s=s%2F1"),
        ("https://other/stop?a=b", "https://other/stop?a=b"),
        ("HTTP://other:1/{session}", "HTTP://other:1/s%2F1"),
        ("../stop", "https://h/stop"),
        ("/a/./b/%2E%2e/c?d/../e", "https://h/base/a/c?d/../e"),
        ("/../../../..", "https://h/"),
        ("/stop/.", "https://h/base/stop/"),
        ("https://other/a/../stop", "https://other/stop"),
    ],
)
def test_an_abort(endpoint: str, wanted: str) -> None:
    assert urls.abort_url("https://h/base", endpoint, "s/1") == wanted


@pytest.mark.parametrize(
    ("endpoint", "says"),
    [
        ("//evil/x", "names a host without a scheme"),
        ("\\\\evil", "a backslash"),
        ("/\\evil", "a backslash"),
        ("ftp://h", "not an http(s) URL"),
        ("javascript:x", "not an http(s) URL"),
        ("mailto:a@b", "not an http(s) URL"),
        ("https://ann:hush@h/", "credentials"),
        ("https://h/" + "x" * 9000, "longer than 8192"),
        ("{session}" * 9000, "longer than 8192"),
        ("/{session}" + "x" * 8183, "longer than 8192"),
        ("/a b", "a space"),
        ("/a\x00", "U+0000"),
        ("/a\r\nHost: x", "U+000D"),
        ("192.168.1.5:8787/stop", "not an http(s) URL"),
        ("http://127.1/stop", "not an IPv4 address"),
        ("https://", "no valid host and port"),
    ],
)
def test_not_an_abort(endpoint: str, says: str) -> None:
    with pytest.raises(InvalidValue) as invalid:
        urls.abort_url("https://h/base", endpoint, "s1")
    assert says in invalid.value.message
    assert "hush" not in invalid.value.message + invalid.value.hint


@pytest.mark.parametrize(
    "text",
    [
        *("https://h", "HTTP:x", "ftp://h", "javascript:x", "//h", "c://x", "localhost:8787", "192.168.1.5:8787"),
        *(
            "192.168.1.5",
            "192.168.1.5/base",
            "[::1]:8787",
            "[::1]/base",
            "1host:80/x",
            "my_host:80?x",
            "worker.example:8787",
            "bücher.example:80",
            "ann@h:1",
        ),
        *("https//h", "http;//h", "HTTPS//h/x", ":9000", ":9000/base", "1ann:hush@h:80", "ann:hush@h:80/x"),
        *("::1", "2001:db8::1", "fe80::1%eth0/x", "[fe80::1%25eth0]:8787", "[fe80::1%25eth0]/x"),
        *("worker.example.workers.dev", "worker.example.WORKERS.dev./base", "a.workers.dev?x"),
    ],
)
def test_what_is_meant_as_a_url(text: str) -> None:
    assert urls.is_url(text)


@pytest.mark.parametrize(
    "text",
    [
        *("worker/index.js", "./x", "/abs/x.ts", "x", "", "a b", "1:x", "1.2.3/x.js", "v1.2.3.4.js", "src/x.ts:80"),
        *("C:\\worker.js", "C:/my workers/x.js", "c:x.js", "src\\x.ts", "\\\\server\\share\\x.js", "..\\x.js"),
        *(
            "http/x.js",
            "https",
            "httpd//x.js",
            ":x",
            "/:80",
            "@scope/x.js",
            "@scope/x@1:2/y",
            "x/a.workers.dev",
            "[x]x.js",
        ),
    ],
)
def test_what_is_meant_as_a_path(text: str) -> None:
    assert not urls.is_url(text)


@pytest.mark.parametrize("text", ["192.168.1.5:8787", "192.168.1.5", "[::1]:8787", "worker.example:8787/base"])
def test_a_host_without_a_scheme_is_refused_with_the_url_it_means(text: str) -> None:
    with pytest.raises(InvalidValue) as invalid:
        urls.base_url(text)
    assert invalid.value.hint == f"write it like http://{text}"


@pytest.mark.parametrize("host", [*NUMBERS, "straße.example", "example.ΚΌΣΜΟΣ"])
def test_a_handle_may_have_any_host_that_was_ever_printed(host: str) -> None:
    assert urls.printed_base_url(f"http://{host}") == f"http://{host}"


@pytest.mark.parametrize("text", ["", "  ", "a\nb", "a\x00", "a\u202eb"])
def test_what_is_neither(text: str) -> None:
    with pytest.raises(InvalidValue):
        urls.check_script_path(text)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1", "http://127.8.9.1:80/x", "http://localhost", "http://LOCALHOST:1", "http://localhost./"),
        *("http://[::1]", "https://[::1]:8/x", "http://127.0.0.1.", "http://[::ffff:127.0.0.1]"),
        *("http://app.localhost", "http://a.b.LOCALHOST.:8787/x"),
        *("http://[0:0:0:0:0:0:0:1]", "http://[::0001]", "http://[::FFFF:7F08:901]", "http://[0:0::ffff:127.8.9.1]"),
    ],
)
def test_loopback(url: str) -> None:
    assert urls.is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://h", "http://127.0.0.1.example", "http://localhost.example", "http://127.0.0.1@h/", "http://[::2]"),
        *("http://1270.0.0.1", "http://notlocalhost", "nonsense", "http://10.0.0.1/localhost"),
    ],
)
def test_not_loopback(url: str) -> None:
    assert not urls.is_loopback(url)


@given(
    st.ip_addresses(network="::/64") | st.ip_addresses(network="::ffff:0:0/96") | st.ip_addresses(network="126.0.0.0/7")
)
def test_loopback_addresses_are_those_of_the_standard_library(address: IPv4Address | IPv6Address) -> None:
    mapped = getattr(address, "ipv4_mapped", None) or address
    for host in (str(address), address.exploded):
        url = f"http://[{host}]" if address.version == 6 else f"http://{host}"
        assert urls.is_loopback(url) == mapped.is_loopback


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://h/x", "https://h:443"),
        ("HTTP://H", "http://h:80"),
        ("http://h:080/", "http://h:80"),
        ("https://[::1]:8443", "https://::1:8443"),
    ],
)
def test_an_origin(url: str, wanted: str) -> None:
    assert urls.origin_of(url) == wanted


def test_another_scheme_port_or_host_is_another_origin() -> None:
    places = ["https://h", "http://h", "https://h:8443", "https://i", "https://h.example", "https://a@h"]
    assert len({urls.origin_of(url) for url in places}) == len(places)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("aZ09-._~", "aZ09-._~"), ("a/b", "a%2Fb"), ("ü", "%C3%BC"), ("%", "%25"), ("a b", "a%20b"), ("..", "..")],
)
def test_a_segment_of_a_path(text: str, wanted: str) -> None:
    assert urls.escaped(text) == wanted


def test_a_target_is_returned_unchanged() -> None:
    for text in ("https://h/{session}/control/abort", "HTTP://h:1/x?cap=1"):
        assert urls.target(text) == text
    with pytest.raises(InvalidValue, match="fragment"):
        urls.target("https://h/x#y")


URLS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["http://", "https://", "HTTP://", "http:/", "//", ""]),
        st.text(alphabet="ah.-_~1:[]@ü\\ ", max_size=8),
        st.sampled_from(["", ":1", ":65535", ":65536", ":x"]),
        st.text(alphabet="/ab%?#.@\\ é\n", max_size=8),
    ),
)


@given(
    st.sampled_from(["http://", "https://"]),
    st.text(alphabet="a1.-_~F0xüß\u0130\u212a\u2024\u3002\uff0e\u2170", min_size=1, max_size=8),
    st.sampled_from(["", ":1", ":080", ":65535"]),
    st.text(alphabet="/ab%2.;é~!$&'()*+,=:@|^{}\"<>`", max_size=8),
)
def test_the_client_goes_to_the_host_that_was_checked(scheme: str, host: str, port: str, path: str) -> None:
    try:
        base = urls.base_url(f"{scheme}{host}{port}/{path}")
    except InvalidValue:
        return
    url = httpx.URL(f"{base}/health")
    checked = urls.host_of(base)
    assert url.raw_host == (checked.encode() if checked.isascii() else idna.encode(checked))
    assert not (url.userinfo or url.query or url.fragment)


@given(URLS)
def test_an_accepted_base_is_a_fixed_point(text: str) -> None:
    try:
        base = urls.base_url(text)
    except InvalidValue:
        return
    assert urls.base_url(base) == base
    assert not base.endswith("/")
    assert base.startswith(("http://", "https://"))


@given(st.text(alphabet="/ab%?#.@\\ é\n:{}session", max_size=12), st.sampled_from(["https://h", "http://h:1/base"]))
def test_an_abort_stays_at_its_worker_unless_it_is_a_whole_url(endpoint: str, base: str) -> None:
    try:
        target = urls.abort_url(base, endpoint, "s")
    except InvalidValue:
        return
    assert urls.origin_of(target) == urls.origin_of(base)
    assert target.startswith(base) or ".." in endpoint
    assert urls.target(target) == target
    assert httpx.URL(target).path == httpx.URL(target).join("").path
    assert target.isprintable()


@given(st.text(max_size=12))
def test_a_segment_is_one_segment_and_reads_back(text: str) -> None:
    segment = urls.escaped(text)
    assert not set(segment) & set("/?#\\@: ")
    assert unquote(segment) == text
