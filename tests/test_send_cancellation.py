"""Senders that give up: their frame is not sent, and nobody else is held up."""

import asyncio
import random

import pytest

from ktorws.channels import bounded
from ktorws.exceptions import ClosedSendChannelError
from tests.mocking import begun, ticks
from tests.sending import Outgoing


async def full_channel(capacity=1):
    channel = Outgoing(bounded(capacity))
    channel.pause()
    for number in range(capacity):
        await channel.send(f"first {number}")
    channel.written.clear()
    return channel


async def test_a_cancelled_sender_has_not_sent():
    channel = await full_channel()
    waiting = await begun(channel.send("one"))
    waiting.cancel()
    channel.resume()
    await ticks()
    assert waiting.cancelled()
    assert channel.written == []


async def test_a_sender_cancelled_when_its_turn_has_come_has_not_sent():
    channel = await full_channel()
    waiting = await begun(channel.send("one"))
    channel.resume()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert channel.written == []


async def test_a_sender_cancelled_when_its_turn_has_come_wakes_the_next():
    channel = await full_channel()
    first, second = [await begun(channel.send(text)) for text in ("one", "two")]
    channel.resume()
    first.cancel()
    await second
    assert first.cancelled()
    assert channel.written == ["two"]


async def test_a_cancelled_sender_in_the_middle_leaves_the_order():
    channel = await full_channel()
    waiting = [await begun(channel.send(text)) for text in "12345"]
    waiting[1].cancel()
    waiting[3].cancel()
    channel.resume()
    await ticks()
    assert channel.written == ["1", "3", "5"]


async def test_a_sender_cancelled_while_it_gives_way_has_not_sent():
    channel = Outgoing()
    channel.demand_turn()
    sending = asyncio.ensure_future(channel.send("one"))
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    assert channel.written == []
    await channel.send("two")
    assert channel.written == ["two"]


async def test_a_sender_cancelled_together_with_the_end_is_cancelled():
    channel = await full_channel()
    waiting = await begun(channel.send("one"))
    channel.end(ClosedSendChannelError())
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_deadline_on_send_keeps_the_channel_usable():
    channel = await full_channel()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(channel.send("late"), 0.001)
    channel.resume()
    await channel.send("fine")
    assert channel.written == ["fine"]


async def test_a_sender_whose_frame_is_refused_lets_the_next_go():
    channel = await full_channel()
    first, second = [await begun(channel.send(text)) for text in ("one", "two")]
    refusal = TypeError("no")

    def refuse_once(message, note=channel._write):
        channel._write = note
        raise refusal

    channel._write = refuse_once
    channel.resume()
    with pytest.raises(TypeError):
        await first
    await second
    assert channel.written == ["two"]


@pytest.mark.parametrize("seed", range(50))
async def test_no_schedule_of_cancellations_loses_or_reorders_a_frame(seed):
    choose = random.Random(seed)
    channel = Outgoing(bounded(choose.choice([1, 2, 5])))
    tasks, sent = {}, []
    paused = False

    async def sender(number):
        await channel.send(number)
        sent.append(number)

    for number in range(300):
        tasks[number] = asyncio.ensure_future(sender(number))
        if choose.random() < 0.2:
            paused = not paused
            if paused:
                channel.pause()
            else:
                channel.resume()
        if choose.random() < 0.1:
            channel.demand_turn()
        if choose.random() < 0.3:
            tasks[choose.choice(list(tasks))].cancel()
        for _ in range(choose.choice([0, 0, 1, 3])):
            await asyncio.sleep(0)
    channel.resume()
    await ticks(50)
    channel.resume()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    assert set(channel.written) == set(sent)
    assert len(channel.written) == len(sent)
    assert {n for n, task in tasks.items() if task.cancelled()} == set(
        range(300)
    ) - set(sent)
    assert not channel._senders


@pytest.mark.parametrize("seed", range(20))
async def test_senders_that_wait_go_in_order_whatever_the_pauses(seed):
    choose = random.Random(seed)
    channel = Outgoing(bounded(choose.choice([1, 2, 5])))
    tasks = []
    for number in range(200):
        tasks.append(asyncio.ensure_future(channel.send(number)))
        if choose.random() < 0.3:
            channel.pause()
        if choose.random() < 0.3:
            channel.resume()
        if choose.random() < 0.5:
            await asyncio.sleep(0)
    channel.resume()
    await asyncio.gather(*tasks)
    assert channel.written == list(range(200))
