"""What the tests over real sockets share: variants, clients, and what is left."""

import asyncio
import time

import pytest

from ktorws import CIO, HttpClient, WebSockets
from ktorws.testing import nothing_left  # noqa: F401  for most of these tests
from tests.certificates import client_context, server_context

SECURE = pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
TRANSPORT = pytest.mark.parametrize("transport", ["auto", "asyncio", "aiofastnet"])

_PATIENCE = 5  # seconds until what closes by itself must have closed


def client(engine=None, *, follow_redirects=True, transport="auto", **options):
    """A client that trusts the tests' certificates."""
    if engine is None:
        engine = CIO(ssl=client_context(), transport=transport)
    made = HttpClient(engine, follow_redirects=follow_redirects)
    return made.install(WebSockets, **options)


def tls_of(secure):
    """The options of a server."""
    return {"ssl": server_context()} if secure else {}


def scheme_of(secure):
    return "wss" if secure else "ws"


async def settled(condition):
    """Wait until it holds; fail if it does not."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, "It never came to hold"
        await asyncio.sleep(0.001)
