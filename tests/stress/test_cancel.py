"""Cancelling anything at any moment loses no frame, doubles none, leaves nothing."""

import asyncio
import random

import pytest

from ktorws import ClosedReceiveChannelError, ClosedSendChannelError
from tests.stress.harness import client, run, times

SEED = 20
ROUNDS = 2_000
ITERATIONS = 31  # cancelled after 0 to 30 turns of the loop
PATIENCE = 8  # the most that a random moment is away, in turns of the loop
CANCELLED = object()
CLOSED = object()

pytestmark = pytest.mark.timeout(120)


async def cut(waiting, turns):
    """What a wait gives that is cancelled after so many turns of the loop."""
    task = asyncio.ensure_future(waiting)
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        return CANCELLED
    except (ClosedReceiveChannelError, ClosedSendChannelError):
        return CLOSED


async def following(channel):
    async for frame in channel:
        return frame
    return CLOSED


async def many(channel):
    return await channel.receive_many(3)


RECEIVING = {
    "receive": lambda channel: channel.receive(),
    "receive_many": many,
    "async_for": following,
}


@pytest.mark.parametrize("way", RECEIVING)
def test_cancelled_receivers_lose_no_frame_and_double_none(
    loop, peer, authority, transport, way
):
    count = times(ROUNDS)
    chance = random.Random(SEED)
    cancelled = 0
    numbers = []

    async def main():
        nonlocal cancelled
        async with client(transport=transport, authority=authority) as http:
            session = await http.websocket_session(peer.url(f"trickle/{count}/{SEED}"))
            while True:
                turns = chance.randrange(PATIENCE)
                got = await cut(RECEIVING[way](session.incoming), turns)
                if got is CLOSED:
                    break
                if got is CANCELLED:
                    cancelled += 1
                else:
                    frames = got if isinstance(got, list) else [got]
                    numbers.extend(int(frame.data) for frame in frames)
            await session.close()

    run(main(), loop)
    assert numbers == list(range(count))
    assert cancelled > count // 10


def test_cancelled_receivers_among_others_lose_no_frame_and_double_none(
    loop, peer, authority, transport
):
    count = times(ROUNDS)
    numbers = []

    async def receiver(session, chance):
        while True:
            got = await cut(session.incoming.receive(), chance.randrange(PATIENCE))
            if got is CLOSED:
                break
            if got is not CANCELLED:
                numbers.append(int(got.data))

    async def main():
        async with client(transport=transport, authority=authority) as http:
            session = await http.websocket_session(peer.url(f"trickle/{count}/{SEED}"))
            receivers = (receiver(session, random.Random(seed)) for seed in range(4))
            await asyncio.gather(*receivers)
            await session.close()

    run(main(), loop)
    assert sorted(numbers) == list(range(count))


async def report(session):
    """The numbers that came to the peer, in its order."""
    await session.send("report")
    answer = (await session.incoming.receive()).read_text()
    return [int(number) for number in answer.split()]


def test_a_cancelled_send_has_not_sent_and_one_that_returned_has(
    loop, peer, authority, transport
):
    sent = []
    cancelled = []

    async def sender(session, first, chance):
        for number in range(first, first + times(ROUNDS) // 4):
            message = f"{number}:{'x' * chance.choice((1, 300, 40_000, 200_000))}"
            turns = chance.choice((0, 1, 2, 3, 5, 8, 1000))
            got = await cut(session.send(message), turns)
            (sent if got is None else cancelled).append(number)

    async def main():
        async with client(transport=transport, authority=authority) as http:
            session = await http.websocket_session(peer.url(f"tally/{SEED}"))
            senders = (
                sender(session, index * 1_000_000, random.Random(index))
                for index in range(4)
            )
            await asyncio.gather(*senders)
            came = await report(session)
            await session.close()
            return came

    came = run(main(), loop)
    assert sorted(came) == sorted(sent)
    for index in range(4):  # each sender's own in its order
        own = [number for number in came if number // 1_000_000 == index]
        assert own == sorted(own)
    assert len(cancelled) > times(ROUNDS) // 10


def test_cancelled_flushes_lose_nothing_and_the_last_one_returns(
    loop, peer, authority, transport
):
    count = times(ROUNDS)
    chance = random.Random(SEED)

    async def main():
        async with client(transport=transport, authority=authority) as http:
            session = await http.websocket_session(peer.url(f"tally/{SEED}"))
            for number in range(count):
                size = chance.choice((1, 300, 20_000))
                await session.send(f"{number}:{'x' * size}")
                await cut(session.flush(), chance.randrange(PATIENCE))
            async with asyncio.timeout(20):
                await session.flush()
            came = await report(session)
            await session.close()
            return came

    assert run(main(), loop) == list(range(count))


@pytest.mark.parametrize("full", [False, True], ids=["idle", "full"])
def test_a_cancelled_close_goes_on_by_itself(loop, peer, authority, transport, full):
    async def main():
        async with client(transport=transport, authority=authority) as http:
            for turns in range(1, ITERATIONS):  # before, it has not begun
                session = await http.websocket_session(peer.url(f"tally/{SEED}"))
                while (
                    full and session.outgoing.try_send("0:" + 30_000 * "x").is_success
                ):
                    pass
                waiting = asyncio.create_task(following(session.incoming))
                await cut(session.close(), turns)
                assert (await session.close_reason).code == 1000
                await session.wait_closed()
                assert await waiting is CLOSED

    run(main(), loop)


def test_a_cancelled_block_leaves_nothing(loop, peer, authority, transport):
    async def talk(http):
        async with http.ws(peer.url("echo")) as session:
            while True:
                await session.send("ping")
                assert (await session.incoming.receive()).read_text() == "ping"

    async def main():
        chance = random.Random(SEED)
        async with client(transport=transport, authority=authority) as http:
            for _ in range(times(ROUNDS // 10)):
                task = asyncio.create_task(talk(http))
                await asyncio.sleep(chance.random() * 0.01)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

    run(main(), loop)
