"""An opening that is cancelled at any moment leaves neither task nor descriptor."""

import asyncio
import functools
import random

import pytest

from ktorws import HandshakeError, OpenTimeoutError
from tests.stress.harness import client, run, times

ROUNDS = 2_000
ITERATIONS = 31  # cancelled after 0 to 30 turns of the loop
LONGEST = 0.003  # seconds over TCP; some openings are done by then
LONGEST_TLS = 0.01

pytestmark = pytest.mark.timeout(120)


async def some_turns(number):
    for _ in range(number):
        await asyncio.sleep(0)


async def cut(http, url, moment):
    """Cancel an opening then; what is opened all the same is closed."""
    task = asyncio.create_task(http.websocket_session(url))
    await moment()
    task.cancel()
    try:
        session = await task
    except asyncio.CancelledError:
        return "cancelled"
    except HandshakeError:
        return "refused"
    await session.close()
    return "opened"


@pytest.mark.parametrize("path", ["echo", "refused"])
def test_cancelled_after_some_turns_of_the_loop(loop, peer, authority, transport, path):
    async def main():
        ends = set()
        async with client(transport=transport, authority=authority) as http:
            for _ in range(times(100)):
                for number in range(ITERATIONS):
                    moment = functools.partial(some_turns, number)
                    ends.add(await cut(http, peer.url(path), moment))
        return ends

    assert "cancelled" in run(main(), loop)


@pytest.mark.parametrize("path", ["echo", "refused"])
def test_cancelled_at_a_random_moment(loop, peer, authority, transport, path):
    chance = random.Random(path)
    longest = LONGEST if authority is None else LONGEST_TLS

    async def main():
        ends = set()
        async with client(transport=transport, authority=authority) as http:
            for _ in range(times(ROUNDS)):
                moment = functools.partial(asyncio.sleep, chance.random() * longest)
                ends.add(await cut(http, peer.url(path), moment))
        return ends

    assert "cancelled" in run(main(), loop)


def test_many_at_once_cancelled_at_random_moments(loop, peer, authority, transport):
    chance = random.Random(3)
    longest = 10 * (LONGEST if authority is None else LONGEST_TLS)

    async def main():
        async with client(transport=transport, authority=authority) as http:
            for _ in range(times(ROUNDS) // 20):
                moments = [
                    functools.partial(asyncio.sleep, chance.random() * longest)
                    for _ in range(20)
                ]
                openings = (cut(http, peer.url("echo"), moment) for moment in moments)
                await asyncio.gather(*openings)

    run(main(), loop)


def test_timing_out_at_any_moment(loop, peer, authority, transport):
    chance = random.Random(4)
    longest = LONGEST if authority is None else LONGEST_TLS

    async def main():
        for _ in range(times(ROUNDS // 4)):
            async with client(
                transport=transport,
                authority=authority,
                open_timeout=0.00001 + chance.random() * longest,
            ) as http:
                try:
                    session = await http.websocket_session(peer.url("echo"))
                except OpenTimeoutError:
                    continue
                await session.close()

    run(main(), loop)


def test_the_client_closed_while_sessions_open(loop, peer, authority, transport):
    async def opened(http):
        try:
            return await http.websocket_session(peer.url("echo"))
        except RuntimeError as error:
            assert str(error) == "The client is closed"  # noqa: PT017  one of two ends

    async def main():
        for number in range(ITERATIONS):
            http = client(transport=transport, authority=authority)
            openings = [asyncio.create_task(opened(http)) for _ in range(5)]
            await some_turns(number)
            if number % 3 == 0:
                await asyncio.sleep(number / 10_000)
            await http.close()
            await asyncio.gather(*openings)

    run(main(), loop)
