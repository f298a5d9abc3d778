"""Which proxy the environment names for a URL."""

import httpx
import pytest

from exec_cf.errors import InvalidValue
from exec_cf.http.proxies import proxy_for

HTTP = "http://worker.example/health"
HTTPS = "https://worker.example:8443/health"


def proxy(url: str, **environ: str) -> str:
    found = proxy_for(httpx.URL(url), environ)
    return found.url.host if found else ""


@pytest.mark.parametrize(
    ("url", "environ", "wanted"),
    [
        (HTTP, {}, ""),
        (HTTP, {"HTTP_PROXY": "http://a:1"}, "a"),
        (HTTP, {"HTTP_PROXY": "a:1"}, "a"),
        (HTTP, {"HTTP_PROXY": "http://a:1", "http_proxy": "http://b:1"}, "b"),
        (HTTP, {"HTTP_PROXY": "http://a:1", "http_proxy": ""}, ""),
        (HTTP, {"HTTP_PROXY": "http://a:1", "ALL_PROXY": "http://b:1"}, "a"),
        (HTTP, {"HTTP_PROXY": "", "ALL_PROXY": "http://b:1"}, "b"),
        (HTTP, {"HTTPS_PROXY": "http://a:1", "all_proxy": "http://b:1"}, "b"),
        (HTTPS, {"HTTPS_PROXY": "http://a:1", "HTTP_PROXY": "http://b:1"}, "a"),
        (HTTP, {"HTTP_PROXY": "http://a:1", "REQUEST_METHOD": "GET"}, ""),
        (HTTP, {"http_proxy": "http://a:1", "REQUEST_METHOD": "GET"}, "a"),
        (HTTP, {"http_proxy": "https://user:p%40ss@a:1/"}, "a"),
    ],
)
def test_the_variable_of_the_scheme_wins_and_lower_case(url: str, environ: dict[str, str], wanted: str) -> None:
    assert proxy(url, **environ) == wanted


@pytest.mark.parametrize(
    ("url", "listed", "bypassed"),
    [
        (HTTP, "worker.example", True),
        (HTTP, "x, WORKER.example", True),
        (HTTP, ".example", True),
        (HTTP, "example", True),
        (HTTP, "*", True),
        (HTTP, "ample", False),
        (HTTP, "", False),
        (HTTPS, "worker.example:8443", True),
        (HTTPS, "worker.example:443", False),
        ("http://[fd00::1]:80/", "::1,fd00::1", True),
        ("http://[fd00::1]:8080/", "[fd00::1]", True),
        ("http://[fd00::1]/", "::1,fd00::/8", True),
        ("http://[fd00::1]/", "[fd00::]/8", True),
        ("http://[fd00::1]/", "FD00:0::1", True),
        ("http://[fd00::1]/", "[fd00::1]:80", True),
        ("http://[fd00::1]/", "[fd00::1]:81", False),
        ("http://[fe00::1]/", "fd00::/8", False),
        ("http://10.1.2.3/", "10.0.0.0/8", True),
        ("http://11.1.2.3/", "10.0.0.0/8", False),
        ("http://10.1.2.3/", "10.1.2.3", True),
        ("http://worker.example/", "10.0.0.0/8", False),
        ("http://[::ffff:10.1.2.3]/", "10.0.0.0/8", True),
        ("http://[::ffff:a01:203]/", "10.1.2.3", True),
        ("http://10.1.2.3/", "::ffff:10.1.2.3", True),
        ("http://10.1.2.3/", "[::1", False),
        ("http://a.bücher.example/", "bücher.example", True),
        ("http://xn--bcher-kva.example/", "*.BÜCHER.example", True),
        ("http://worker.example/", "\ufffd\udcff.example", False),
        (HTTP, "*.example", True),
        (HTTP, "*.worker.example", True),
        ("http://otherworker.example/", "*.worker.example", False),
        (HTTP, "worker.example:80", True),
        (HTTP, "x worker.example", True),
        (HTTP, "worker.example.", True),
        ("http://worker.example./", "worker.example", True),
        ("https://worker.example/", "worker.example:443", True),
        ("https://worker.example/", "worker.example:80", False),
    ],
)
@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
def test_no_proxy_lists_hosts_and_domains(url: str, listed: str, bypassed: bool, name: str) -> None:
    assert (proxy(url, ALL_PROXY="http://a:1", **{name: listed}) == "") is bypassed


def test_a_socks_proxy_is_not_spoken_with() -> None:
    with pytest.raises(InvalidValue) as invalid:
        proxy(HTTP, ALL_PROXY="socks5h://user:hush@h:1")
    assert (invalid.value.message, invalid.value.hint) == (
        "ALL_PROXY: a SOCKS proxy is not supported",
        "name an http:// one",
    )


@pytest.mark.parametrize(
    "text",
    [
        "http://user:hush/x@h:1",
        "http://user:12/hush@h:1",
        "http://user:12#hush@h:1",
        "http://",
        "http://h:hush",
        "hush://h",
        "http://h:99999",
        "http://h:0",
        "http:/h:1",
        "user:/hush@h:1",
        "http://[hush]",
        "http://h\n:1",
        "\udcff",
    ],
)
def test_an_invalid_proxy_url_is_named_but_not_shown(text: str) -> None:
    with pytest.raises(InvalidValue) as invalid:
        proxy(HTTP, ALL_PROXY=text)
    assert invalid.value.message == "ALL_PROXY is not the URL of a proxy"
    assert "hush" not in invalid.value.hint
