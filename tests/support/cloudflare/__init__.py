"""A strict stand-in for Cloudflare's API.

It refuses what the API's schemas do not allow, keeps what it is sent, and runs it on workerd. What it does not know it
does not answer: a client that asks for anything else fails its test.
"""

from tests.support.cloudflare.account import ACCOUNT, TOKEN, Account, ApiError
from tests.support.cloudflare.server import Call, Cloudflare, Reply

__all__ = ["ACCOUNT", "TOKEN", "Account", "ApiError", "Call", "Cloudflare", "Reply"]
