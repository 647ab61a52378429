"""A session and its scripted peer in one step, and what tests often do with them."""

import asyncio
import contextlib

from ktorws.client import HttpClient
from ktorws.engines.mock import MockClock, MockEngine
from ktorws.features.websockets import WebSockets

URL = "ws://mock.test/"


async def ticks(number=20):
    """Let everything run that can."""
    for _ in range(number):
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def connected(*, raw=False, clock=None, **options):
    """A session, its peer, whose script does nothing, and the clock of both."""
    clock = clock or MockClock()

    async def script(peer):
        peer.accept(extensions=options.get("extensions", ()))
        await asyncio.Event().wait()

    async with MockEngine(script, clock=clock) as engine:
        client = HttpClient(engine).install(WebSockets, **options)
        opening = client.websocket_raw_session if raw else client.websocket_session
        session = await opening(URL)
        yield session, engine.peers[0], clock


def drained(peer):
    """All frames that the client has sent and nobody has looked at."""
    frames = []
    while (frame := peer.receive_or_none()) is not None:
        frames.append(frame)
    return frames


async def begun(coroutine):
    """A task that has run until it waits."""
    task = asyncio.ensure_future(coroutine)
    await ticks()
    return task
