"""The Worker's routes as URLs below its base URL; the counterpart of `worker/src/routes.ts`."""

from exec_cf import urls

DEFAULT_ABORT = "/control/abort"
"""The path that stops every agent of a Worker."""


def agents(base: str, **query: str) -> str:
    """Return the URL where a GET returns a page of the list of agents; *query* is `owner`, `state` and `cursor`."""
    given = "&".join(f"{name}={urls.escaped(value)}" for name, value in query.items() if value)
    return f"{base}/agents?{given}" if given else f"{base}/agents"


def health(base: str) -> str:
    """Return the URL where a GET is answered with 2xx while the Worker is up."""
    return f"{base}/health"


def agent(base: str, session: str) -> str:
    """Return the URL where a POST starts the agent of *session*, and a GET returns its state."""
    return f"{base}/agent/{urls.escaped(session)}"


def abort(base: str, session: str) -> str:
    """Return the URL where a POST stops the agent of *session* and no other."""
    return f"{base}{DEFAULT_ABORT}/{urls.escaped(session)}"


def abort_all(base: str) -> str:
    """Return the URL where a POST stops every agent of the Worker."""
    return base + DEFAULT_ABORT


def aborts_only(base: str, session: str, url: str) -> bool:
    """Return whether *url* is the route that stops *session* alone, with or without a capability."""
    return bool(url) and urls.equivalent(url.partition("?")[0], abort(base, session))


def aborts_all(base: str, url: str) -> bool:
    """Return whether *url* is the route that stops every agent."""
    return bool(url) and urls.equivalent(url, abort_all(base))
