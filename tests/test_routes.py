"""The Worker's routes."""

import pytest

from exec_cf import routes


def test_the_routes() -> None:
    assert routes.health("https://h/b") == "https://h/b/health"
    assert routes.agent("https://h/b", "s/1") == "https://h/b/agent/s%2F1"
    assert routes.abort("https://h/b", "s/1") == "https://h/b/control/abort/s%2F1"
    assert routes.abort_all("https://h/b") == "https://h/b/control/abort"


@pytest.mark.parametrize(
    "url",
    [
        "https://h/b/control/abort",
        "HTTPS://H/b/control/abort",
        "https://h:443/b/control/abort",
        "https://h/b/%63ontrol/abort",
    ],
)
def test_every_spelling_of_the_abort_for_all_is_known(url: str) -> None:
    assert routes.aborts_all("https://h/b", url)


@pytest.mark.parametrize(
    "url",
    [
        *("", "https://h/control/abort", "https://h/b/control/abort/s", "https://h/b/control/abort?cap=x"),
        *("http://h/b/control/abort", "https://h/b/control%2Fabort", "https://h/b/Control/abort"),
    ],
)
def test_nothing_else_is_the_abort_for_all(url: str) -> None:
    assert not routes.aborts_all("https://h/b", url)


@pytest.mark.parametrize("url", ["https://h/b/control/abort/s%2F1", "HTTPS://H:443/b/control/abort/s%2f1?cap=x&y"])
def test_the_abort_of_a_session_is_known_with_any_query(url: str) -> None:
    assert routes.aborts_only("https://h/b", "s/1", url)


@pytest.mark.parametrize(
    "url",
    [
        *("", "https://h/b/control/abort", "https://h/b/control/abort/s", "https://h/b/control/abort/s/1"),
        *("https://i/b/control/abort/s%2F1", "https://h/control/abort/s%2F1", "https://h/b/control/abort/s%2F1/x"),
    ],
)
def test_any_other_url_is_not_the_abort_of_the_session(url: str) -> None:
    assert not routes.aborts_only("https://h/b", "s/1", url)
