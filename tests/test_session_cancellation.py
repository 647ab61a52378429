"""Calls on a session that are cancelled at random: nothing is lost, nobody hangs."""

import asyncio
import random

import pytest

from ktorws.channels import WebSocketChannelsConfig, bounded
from ktorws.exceptions import WebSocketError
from ktorws.frame import Frame
from tests.mocking import connected, drained, ticks

SEEDS = range(25)


def small_channels(choose):
    return WebSocketChannelsConfig(
        incoming=bounded(choose.choice([1, 2, 7])),
        outgoing=bounded(choose.choice([1, 2, 7])),
    )


async def some_time(choose):
    for _ in range(choose.choice([0, 0, 1, 2, 5])):
        await asyncio.sleep(0)


@pytest.mark.parametrize("seed", SEEDS)
async def test_cancelled_receives_lose_no_frame(seed):
    choose = random.Random(seed)
    received, tasks = [], []

    async def receive(session):
        if choose.random() < 0.5:
            frames = [await session.incoming.receive()]
        else:
            frames = await session.incoming.receive_many(choose.randint(1, 4))
        received.extend(int(frame.read_text()) for frame in frames)

    async with connected(channels=small_channels(choose)) as (session, peer, _clock):
        sent = 0
        while len(received) < 300:
            if sent < 300:
                number = min(choose.randint(0, 4), 300 - sent)
                peer.send(*(str(sent + i) for i in range(number)))
                sent += number
            tasks.append(asyncio.ensure_future(receive(session)))
            if choose.random() < 0.5:
                choose.choice(tasks).cancel()
            await some_time(choose)
        assert sorted(received) == list(range(300))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("seed", SEEDS)
async def test_cancelled_sends_and_flushes_lose_and_reorder_nothing(seed):
    choose = random.Random(seed)
    sent, tasks = [], []

    async def send(session, number):
        await session.send(str(number))
        sent.append(number)

    async with connected(channels=small_channels(choose)) as (session, peer, _clock):
        for number in range(300):
            tasks.append(asyncio.ensure_future(send(session, number)))
            if choose.random() < 0.3:
                tasks.append(asyncio.ensure_future(session.flush()))
            if choose.random() < 0.3:
                choose.choice([peer.stall, peer.resume])()
            if choose.random() < 0.4:
                choose.choice(tasks).cancel()
            await some_time(choose)
        peer.resume()
        await asyncio.gather(*tasks, return_exceptions=True)
        await session.flush()
        arrived = [int(frame.read_text()) for frame in drained(peer)]
        assert sorted(arrived) == sorted(sent)
        assert arrived == sent


@pytest.mark.parametrize("seed", SEEDS)
async def test_every_call_ends_when_the_session_does(seed):
    choose = random.Random(seed)
    tasks = []

    async def reason(session):
        await session.close_reason

    async with connected(channels=small_channels(choose)) as (session, peer, clock):
        ends = [
            session.cancel,
            peer.lose,
            peer.close,
            lambda: peer.lose(ConnectionResetError()),
            lambda: peer.send_octets(b"\x83\x00"),
            lambda: tasks.append(asyncio.ensure_future(session.close())),
            lambda: session.outgoing.try_send(Frame.Close()),
        ]
        calls = [
            session.incoming.receive,
            session.incoming.receive_many,
            lambda: session.send("text"),
            session.flush,
            lambda: reason(session),
            session.wait_closed,
        ]
        if choose.random() < 0.5:
            peer.stall()
        for _ in range(30):
            tasks.append(asyncio.ensure_future(choose.choice(calls)()))
            if choose.random() < 0.3:
                choose.choice(tasks).cancel()
            if choose.random() < 0.2:
                peer.send("text", Frame.Ping(b"?"))
            await some_time(choose)
        for end in choose.sample(ends, choose.randint(1, 3)):
            end()
            await some_time(choose)
        await clock.advance(30)
        assert session.has_ended
        assert all(task.done() for task in tasks)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        for error in errors:
            assert isinstance(error, WebSocketError | asyncio.CancelledError)
        assert clock.pending == 0


@pytest.mark.parametrize("seed", SEEDS)
async def test_cancelled_closes_close_the_session_all_the_same(seed):
    choose = random.Random(seed)
    async with connected(close_timeout=5) as (session, peer, clock):
        tasks = []
        for _ in range(10):
            tasks.append(asyncio.ensure_future(session.close()))
            await some_time(choose)
            choose.choice(tasks).cancel()
        await ticks()
        if choose.random() < 0.5:
            peer.close()
        await clock.advance(5)
        assert session.has_ended
        closes = [frame for frame in drained(peer) if isinstance(frame, Frame.Close)]
        assert len(closes) == 1
        await asyncio.gather(*tasks, return_exceptions=True)
