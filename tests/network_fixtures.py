"""What the tests over real sockets share: variants, clients, and what is left."""

import asyncio
import contextlib
import os
import stat
import time

import pytest

from ktorws import CIO, HttpClient, WebSockets
from tests.certificates import client_context, server_context

SECURE = pytest.mark.parametrize("secure", [False, True], ids=["plain", "tls"])
TRANSPORT = pytest.mark.parametrize("transport", ["asyncio", "aiofastnet"])

_DESCRIPTORS = next(
    (path for path in ("/proc/self/fd", "/dev/fd") if os.path.isdir(path)), None
)
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


def _sockets():
    """How many sockets are open; loops open other files when they like."""
    number = 0
    for name in os.listdir(_DESCRIPTORS) if _DESCRIPTORS else ():
        with contextlib.suppress(OSError):  # the folder's own is closed by now
            number += stat.S_ISSOCK(os.fstat(int(name)).st_mode)
    return number


async def settled(condition):
    """Wait until it holds; fail if it does not."""
    end = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < end, "It never came to hold"
        await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def nothing_left():
    """Fail unless every task and socket made within is gone after it."""
    tasks, sockets = asyncio.all_tasks(), _sockets()
    yield
    end = time.monotonic() + _PATIENCE
    while asyncio.all_tasks() - tasks or _sockets() > sockets:
        left = asyncio.all_tasks() - tasks, _sockets() - sockets
        assert time.monotonic() < end, f"Left behind, tasks and sockets: {left}"
        await asyncio.sleep(0.001)
