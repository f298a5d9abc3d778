"""What neither a page elsewhere nor a defect in this one can do."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser, expect

from tests.support.listing import FakeList, agent
from tests.support.serving import serving
from tests.support.visit import Visit
from tests.support.workerd import Workerd


@pytest.mark.parametrize(
    ("directive", "attempt"),
    [
        ("require-trusted-types-for", "document.body.innerHTML = '<img src=x onerror=alert(1)>'"),
        ("require-trusted-types-for", "document.createElement('script').text = 'alert(1)'"),
        ("trusted-types", "trustedTypes.createPolicy('default', { createHTML: (text) => text })"),
        ("require-trusted-types-for", "document.body.setAttribute('onclick', 'alert(1)'); document.body.click()"),
        ("style-src-attr", "document.body.setAttribute('style', 'color: red')"),
        ("img-src", "new Image().src = 'http://elsewhere.example/'"),
        ("connect-src", "fetch('http://elsewhere.example/').catch(() => undefined)"),
        ("base-uri", "document.head.append(add('base', { href: 'http://elsewhere.example/' }))"),
        ("frame-src", "document.body.append(add('iframe', { src: 'http://elsewhere.example/' }))"),
        ("form-action", "document.body.appendChild(add('form', { action: 'http://elsewhere.example/' })).submit()"),
    ],
)
def test_the_browser_refuses_what_the_page_never_does(tab: Visit, directive: str, attempt: str) -> None:
    """As markup or a script that had got in would."""
    FakeList(tab, [agent("a")])
    tab.open()
    tab.expect_sessions("a")
    add = "const add = (name, fields) => Object.assign(document.createElement(name), fields);"
    with tab.page.expect_console_message(lambda message: message.text.startswith("CSP")) as refused:
        tab.page.evaluate(f"() => {{ {add} try {{ {attempt} }} catch {{}} }}")
    assert refused.value.text.split()[1] == directive
    assert tab.page.url == f"{tab.url}/"
    tab.faults.clear()


@pytest.fixture
def other_site(open_worker: Workerd) -> Iterator[str]:
    """Return the URL of a site that has the Worker's page in a frame."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(f"<iframe src='{open_worker.url}/'></iframe>".encode())

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        yield f"http://127.0.0.1:{server.server_port}/"


def test_no_page_can_put_this_one_into_a_frame(browser: Browser, other_site: str) -> None:
    """Nobody clicks on what they do not see."""
    page = browser.new_page()
    try:
        with page.expect_console_message(lambda message: "frame-ancestors" in message.text):
            page.goto(other_site)
        expect(page.frame_locator("iframe").get_by_role("heading", name="Agents")).to_have_count(0)
    finally:
        page.close()


def test_the_page_does_not_say_where_it_is(tab: Visit) -> None:
    """To other sites: its address is that of a Worker."""
    FakeList(tab, [])
    tab.open()
    expect(tab.page.get_by_text("No agents yet")).to_be_visible()
    assert all("referer" not in request.headers for request in tab.requests)
