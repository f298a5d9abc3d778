"""A tab with the Worker's page, watched for whatever a page of its own origin alone would not do."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Request, expect

#: How the browser logs a request that failed, which is no fault of the page.
_FAILED = "Failed to load resource: "
#: How often time is let pass for one look of the page.
MAX_FORWARDS = 100
# The page may not run code made of text; what a test evaluates, the debugger runs.
_WATCH = """
addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sourceFile }) =>
  console.error("CSP", violatedDirective, blockedURI, sourceFile));
"""


class Visit:
    """One tab in a browser without cookies and storage."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        """Open a tab for the Worker at `url`, whose clock goes only when the test lets it."""
        self.url = url
        self.page: Page = context.new_page()
        self.faults: list[str] = []
        """Messages on the console, exceptions, and requests to elsewhere."""
        self.requests: list[Request] = []
        self.page.add_init_script(_WATCH)
        self.page.on("console", self._note_message)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", self._note_request)
        start = datetime.now(UTC)
        self.page.clock.install(time=start)
        self.page.clock.pause_at(start + timedelta(seconds=1))

    def open(self) -> None:
        """Open the page."""
        self.page.goto(self.url)

    def log_in(self, token: str) -> None:
        """Enter a token."""
        self.page.get_by_label("Token of this Worker").fill(token)
        self.page.get_by_role("button", name="Show agents").click()

    def wait_for_a_look(self) -> None:
        """Let the time pass until the page looks at the agents again."""
        before = len(self.requests)
        with self.page.expect_response(lambda response: "/agents" in response.url):
            # While the page still reads its last answer, it has no timer that this would fire.
            for _ in range(MAX_FORWARDS):
                self.page.clock.fast_forward(10_000)
                self.page.wait_for_timeout(50)
                if len(self.requests) > before:
                    break

    def let_time_pass(self, duration_ms: int) -> None:
        """Let time pass, and every request that the page then sends arrive."""
        self.page.clock.fast_forward(duration_ms)
        self.page.evaluate("fetch('/health').then((response) => response.status)")

    def row(self, session: str) -> Locator:
        """Return the row of a session."""
        header = self.page.get_by_role("rowheader", name=session, exact=True)
        return self.page.get_by_role("row").filter(has=header)

    def sessions(self) -> list[str]:
        """Return the sessions in the table, in order."""
        return self.page.get_by_role("rowheader").all_inner_texts()

    def expect_sessions(self, *sessions: str) -> None:
        """Wait until the table has these rows."""
        expect(self.page.get_by_role("rowheader")).to_have_text(list(sessions))

    def _note_message(self, message: ConsoleMessage) -> None:
        if not message.text.startswith(_FAILED):
            self.faults.append(f"{message.type}: {message.text}")

    def _note_request(self, request: Request) -> None:
        self.requests.append(request)
        if urlsplit(request.url).netloc != urlsplit(self.url).netloc and not request.url.startswith("data:"):
            self.faults.append(f"a request to {request.url}")


@contextmanager
def visit(browser: Browser, url: str, **options: Any) -> Iterator[Visit]:
    """Open a tab for a block, which must end without a fault; `options` are those of the browser's context."""
    context = browser.new_context(**options)
    try:
        made = Visit(context, url)
        yield made
        assert made.faults == []
    finally:
        context.close()
