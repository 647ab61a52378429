"""Two hundred sessions of every kind of traffic, and of ends, on one loop."""

import asyncio
import random
import time

import pytest

from ktorws import CloseReason, Frame, WebSocketError
from tests.stress.harness import SHORT, client, run

SESSIONS = 200
SECONDS = 5 if SHORT else 20
SIZES = (0, 10, 300, 70_000)

pytestmark = pytest.mark.timeout(120)


async def send(session, chance):
    """Messages of every kind; some sessions are ended from here."""
    for _ in range(chance.randint(20, 300)):
        data = bytes(chance.choice(SIZES))
        match chance.randrange(4):
            case 0:
                await session.send(data.decode())
            case 1:
                await session.send(data)
            case 2:
                await session.send(Frame.Binary(data, fin=False))
                await session.send(Frame.Ping(b"between"))
                await session.send(Frame.by_type(2, data))
            case _:
                await session.send(Frame.Ping(b"p"))
        await asyncio.sleep(chance.choice((0, 0.001, 0.02)))
    match chance.randrange(4):
        case 0:
            session.cancel()
        case 1:
            await session.close(CloseReason(1000, "enough"))
        case 2:
            await session.flush()


async def receive(session, chance, numbers):
    async for frame in session.incoming:
        numbers.append(int(frame.data[:8]))
        if chance.random() < 0.05:
            await asyncio.sleep(chance.random() * 0.02)


async def talk(http, url, chance, heard):
    """One session from its opening to whatever its end is."""
    numbers = []
    ends = []
    async with http.ws(url) as session:
        for work in asyncio.as_completed(
            [send(session, chance), receive(session, chance, numbers)]
        ):
            try:
                await work
            except WebSocketError as error:
                ends.append(type(error).__name__)
    assert session.close_reason.is_completed
    # What arrived before the end is all there, once, in order.
    assert numbers == list(range(len(numbers)))
    heard["messages"] += len(numbers)
    heard["sessions"] += 1
    for end in ends or ["quiet"]:
        heard[end] = heard.get(end, 0) + 1


def test_mixed_traffic_loses_nothing_and_fails_only_in_typed_ways(
    loop, peer, authority, transport
):
    heard = {"sessions": 0, "messages": 0}

    async def keep_talking(http, index, until):
        chance = random.Random(index)
        while time.monotonic() < until:
            url = peer.url(f"mixed/{chance.randrange(10**6)}")
            await talk(http, url, chance, heard)

    async def main():
        until = time.monotonic() + SECONDS
        async with (
            client(
                transport=transport,
                authority=authority,
                ping_interval=0.1,
                timeout=20,
                open_timeout=30,
            ) as http,
            asyncio.TaskGroup() as group,
        ):
            for index in range(SESSIONS):
                group.create_task(keep_talking(http, index, until))

    run(main(), loop)
    print(f"\n    {loop}: {heard}", end="")  # noqa: T201
    assert heard["sessions"] >= SESSIONS
    assert {"quiet", "ConnectionLostError"} <= heard.keys()
