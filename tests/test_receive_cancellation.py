"""Several receivers, some of whom give up: no frame is lost, nobody sleeps through."""

import asyncio
import random

import pytest

from ktorws.channels import bounded
from ktorws.exceptions import ClosedReceiveChannelError
from ktorws.frame import Frame
from ktorws.receive_channel import ReceiveChannel
from tests.mocking import begun, ticks


class Incoming(ReceiveChannel):
    def __init__(self, config=None):
        self.paused = False
        super().__init__(
            asyncio.get_running_loop(),
            bounded() if config is None else config,
            pause=self.pause,
            resume=self.resume,
            on_overflow=pytest.fail,
        )

    def pause(self):
        assert not self.paused
        self.paused = True

    def resume(self):
        assert self.paused
        self.paused = False

    def put(self, *texts):
        frames = [Frame.Text(text) for text in texts]
        self.deliver(frames, sum(map(len, frames)))


async def receive_text(channel):
    return (await channel.receive()).read_text()


async def test_each_frame_goes_to_the_one_that_has_waited_longest():
    channel = Incoming()
    waiting = [await begun(receive_text(channel)) for _ in range(3)]
    channel.put("one", "two")
    await ticks()
    assert [task.done() for task in waiting] == [True, True, False]
    channel.put("three")
    assert await asyncio.gather(*waiting) == ["one", "two", "three"]


async def test_a_frame_taken_by_a_newcomer_leaves_the_other_waiting():
    channel = Incoming()
    waiting = await begun(receive_text(channel))
    channel.put("one")
    assert await receive_text(channel) == "one"
    await ticks()
    assert not waiting.done()
    channel.put("two")
    assert await waiting == "two"


@pytest.mark.parametrize("method", ["receive", "receive_many", "receive_catching"])
async def test_cancelling_a_call_that_waits_loses_nothing(method):
    channel = Incoming()
    waiting = await begun(getattr(channel, method)())
    waiting.cancel()
    await ticks()
    assert waiting.cancelled()
    channel.put("one")
    assert await receive_text(channel) == "one"


@pytest.mark.parametrize("method", ["receive", "receive_many", "receive_catching"])
async def test_a_call_cancelled_when_its_frame_is_there_leaves_the_frame(method):
    channel = Incoming()
    waiting = await begun(getattr(channel, method)())
    channel.put("one")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await receive_text(channel) == "one"


async def test_a_call_cancelled_when_its_frame_is_there_wakes_the_next():
    channel = Incoming()
    first, second = [await begun(receive_text(channel)) for _ in range(2)]
    channel.put("one")
    first.cancel()
    assert await second == "one"
    assert first.cancelled()


async def test_a_call_cancelled_before_its_frame_comes_is_passed_over():
    channel = Incoming()
    first, second = [await begun(receive_text(channel)) for _ in range(2)]
    first.cancel()
    channel.put("one")
    assert await second == "one"
    assert first.cancelled()


async def test_a_call_cancelled_together_with_the_end_is_cancelled():
    channel = Incoming()
    waiting = await begun(channel.receive())
    channel.end(ClosedReceiveChannelError())
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_a_deadline_on_receive_loses_nothing():
    channel = Incoming()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(channel.receive(), 0.001)
    channel.put("one")
    assert await receive_text(channel) == "one"


@pytest.mark.parametrize("seed", range(50))
async def test_no_schedule_of_cancellations_loses_a_frame(seed):
    choose = random.Random(seed)
    channel = Incoming(bounded(choose.choice([1, 3, 8]), max_bytes=40))
    total = 200
    received, tasks = [], []
    sent = 0

    async def receiver():
        way = choose.randrange(4)
        if way == 0:
            frames = [await channel.receive()]
        elif way == 1:
            frames = await channel.receive_many(choose.choice([None, 1, 2]))
        elif way == 2:
            frames = [(await channel.receive_catching()).value_or_none]
        else:
            frames = [await anext(channel)]
        received.extend(int(frame.read_text()) for frame in frames)

    while len(received) < total:
        action = choose.randrange(4)
        if action == 0 and not channel.paused and sent < total:
            number = min(choose.randint(1, 5), total - sent)
            channel.put(*(str(sent + i) for i in range(number)))
            sent += number
        elif action == 1:
            tasks.append(asyncio.ensure_future(receiver()))
        elif action == 2 and tasks and choose.random() < 0.5:
            tasks.pop(choose.randrange(len(tasks))).cancel()
        else:
            await asyncio.sleep(0)
            tasks = [task for task in tasks if not task.done()]
    await ticks()
    assert sorted(received) == list(range(total))
    for task in tasks:
        task.cancel()
    await ticks()
    assert channel._readers == 0


@pytest.mark.parametrize("seed", range(20))
async def test_nobody_waits_while_there_is_a_frame(seed):
    choose = random.Random(seed)
    channel = Incoming()
    waiting = set()
    for _ in range(100):
        for _ in range(choose.randint(0, 3)):
            waiting.add(asyncio.ensure_future(channel.receive()))
        if choose.random() < 0.5:
            await asyncio.sleep(0)
        channel.put(*"x" * choose.randint(0, 3))
        for task in [task for task in waiting if choose.random() < 0.3]:
            task.cancel()
        await ticks(6)
        waiting = {task for task in waiting if not task.done()}
        assert not (waiting and len(channel))
    channel.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
