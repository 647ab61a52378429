"""Frames in order to whoever waits, and what a full channel does."""

import asyncio

import pytest

from ktorws.channels import ChannelOverflow, bounded, unlimited
from ktorws.close_reason import CloseReason
from ktorws.exceptions import (
    ChannelOverflowError,
    ClosedReceiveChannelError,
    ConnectionLostError,
)
from ktorws.frame import Frame
from ktorws.receive_channel import ReceiveChannel
from tests.mocking import begun


class Incoming(ReceiveChannel):
    """A channel that notes what it asks of its session."""

    def __init__(self, config=None):
        self.log = []
        super().__init__(
            asyncio.get_running_loop(),
            bounded() if config is None else config,
            pause=lambda: self.log.append("pause"),
            resume=lambda: self.log.append("resume"),
            on_overflow=self.log.append,
        )

    def put(self, *texts):
        frames = [Frame.Text(text) for text in texts]
        self.deliver(frames, sum(map(len, frames)))


def texts(frames):
    return [frame.read_text() for frame in frames]


async def receive_text(channel):
    return (await channel.receive()).read_text()


# Receiving.


async def test_frames_are_received_in_order():
    channel = Incoming()
    channel.put("one", "two")
    channel.put("three")
    assert [await receive_text(channel) for _ in range(3)] == ["one", "two", "three"]


async def test_a_receipt_ends_alike_by_every_step():
    channel = Incoming()
    channel.put("one", "two", "three")
    with pytest.raises(StopIteration) as first:
        channel.receive().send(None)
    with pytest.raises(StopIteration) as second:
        channel.receive().__await__().__next__()
    with pytest.raises(StopIteration) as third:
        next(iter(channel.receive_many().__await__()))
    assert first.value.value.read_text() == "one"
    assert second.value.value.read_text() == "two"
    assert texts(third.value.value) == ["three"]


async def test_receive_waits_for_a_frame():
    channel = Incoming()
    receiving = await begun(receive_text(channel))
    assert not receiving.done()
    channel.put("here")
    assert await receiving == "here"


async def test_receive_many_gives_all_frames_at_hand():
    channel = Incoming()
    channel.put("one", "two")
    channel.put("three")
    assert texts(await channel.receive_many()) == ["one", "two", "three"]
    assert channel.is_empty


async def test_receive_many_gives_as_many_as_wanted_and_leaves_the_rest():
    channel = Incoming()
    channel.put("one", "two", "three")
    assert texts(await channel.receive_many(2)) == ["one", "two"]
    assert texts(await channel.receive_many(2)) == ["three"]


async def test_receive_many_waits_only_while_there_is_none():
    channel = Incoming()
    receiving = await begun(channel.receive_many(5))
    assert not receiving.done()
    channel.put("one", "two")
    assert texts(await receiving) == ["one", "two"]


@pytest.mark.parametrize("limit", [0, -1])
async def test_receive_many_wants_at_least_one(limit):
    with pytest.raises(ValueError, match="limit"):
        await Incoming().receive_many(limit)


async def test_try_receive_never_waits():
    channel = Incoming()
    result = channel.try_receive()
    assert not result.is_success
    assert not result.is_closed
    channel.put("here")
    result = channel.try_receive()
    assert result.is_success
    assert result.value_or_none == Frame.Text("here")


async def test_receive_catching_gives_frames_and_then_the_end():
    channel = Incoming()
    channel.put("last")
    error = ConnectionLostError("lost")
    channel.end(error)
    assert (await channel.receive_catching()).value_or_none == Frame.Text("last")
    result = await channel.receive_catching()
    assert result.is_closed
    assert str(result.error) == "lost"


async def test_length_and_emptiness_are_of_this_moment():
    channel = Incoming()
    assert channel.is_empty
    assert len(channel) == 0
    assert channel  # there, even when empty
    channel.put("one", "two")
    assert not channel.is_empty
    assert len(channel) == 2


# The end.


async def test_what_arrived_is_received_before_the_end():
    channel = Incoming()
    channel.put("one", "two")
    channel.end(ClosedReceiveChannelError("closed"))
    assert not channel.is_closed_for_receive
    assert await receive_text(channel) == "one"
    assert await receive_text(channel) == "two"
    assert channel.is_closed_for_receive
    with pytest.raises(ClosedReceiveChannelError):
        await channel.receive()
    with pytest.raises(ClosedReceiveChannelError):
        await channel.receive_many()
    assert channel.try_receive().is_closed


async def test_the_end_wakes_everyone_who_waits():
    channel = Incoming()
    waiting = [await begun(channel.receive()) for _ in range(3)]
    channel.end(ConnectionLostError("lost"))
    for task in waiting:
        with pytest.raises(ConnectionLostError):
            await task


async def test_nothing_is_delivered_after_the_end():
    channel = Incoming()
    channel.end(ClosedReceiveChannelError())
    channel.put("late")
    assert channel.is_closed_for_receive


async def test_the_first_end_stays():
    channel = Incoming()
    channel.end(ConnectionLostError("first"))
    channel.end(ClosedReceiveChannelError("second"))
    with pytest.raises(ConnectionLostError):
        await channel.receive()


async def test_each_error_raised_is_a_fresh_copy_with_everything_in_it():
    channel = Incoming()
    error = ConnectionLostError("lost")
    error.close_reason = CloseReason(1006)
    error.__cause__ = OSError("reset")
    channel.end(error)
    raised = []
    for _ in range(3):
        with pytest.raises(ConnectionLostError) as caught:
            await channel.receive()
        raised.append(caught.value)
    assert len({id(one) for one in [error, *raised]}) == 4
    for one in raised:
        assert str(one) == "lost"
        assert one.close_reason == CloseReason(1006)
        assert one.__cause__ is error.__cause__
    assert error.__traceback__ is None


async def test_the_traceback_of_an_end_does_not_grow():
    channel = Incoming()
    channel.end(ConnectionLostError("lost"))
    lengths = set()
    for _ in range(5):
        with pytest.raises(ConnectionLostError) as caught:
            await channel.receive()
        lengths.add(len(caught.traceback))
    assert len(lengths) == 1


async def test_iterating_ends_quietly_after_a_good_end():
    channel = Incoming()
    channel.put("one", "two")
    channel.end(ClosedReceiveChannelError())
    assert [frame.read_text() async for frame in channel] == ["one", "two"]
    assert [frame async for frame in channel] == []


async def test_iterating_raises_a_loss_after_every_frame():
    channel = Incoming()
    channel.put("one", "two")
    channel.end(ConnectionLostError("lost"))
    assert [(await anext(channel)).read_text() for _ in range(2)] == ["one", "two"]
    with pytest.raises(ConnectionLostError):
        await anext(channel)


async def test_cancelling_the_channel_drops_what_waits():
    channel = Incoming()
    channel.put("one")
    channel.cancel()
    assert channel.is_closed_for_receive
    with pytest.raises(ClosedReceiveChannelError):
        await channel.receive()


async def test_cancelling_the_channel_wakes_everyone():
    channel = Incoming()
    waiting = [await begun(channel.receive()) for _ in range(2)]
    channel.cancel()
    for task in waiting:
        with pytest.raises(ClosedReceiveChannelError):
            await task


async def test_cancelling_the_channel_lets_the_session_read_on():
    channel = Incoming(bounded(1))
    channel.put("one")
    channel.cancel()
    assert channel.log == ["pause", "resume"]


# A callback for the reader that finds nothing more.


async def test_drained_is_told_at_once_when_nothing_waits():
    channel = Incoming()
    channel.when_drained(lambda: channel.log.append("drained"))
    assert channel.log == ["drained"]


async def test_drained_is_told_when_a_reader_asks_for_more():
    channel = Incoming()
    channel.put("one")
    channel.when_drained(lambda: channel.log.append("drained"))
    await channel.receive()
    assert channel.log == []
    await begun(channel.receive_catching())
    assert channel.log == ["drained"]


# A full channel.


async def test_a_full_channel_pauses_and_goes_on_when_half_is_free():
    channel = Incoming(bounded(4))
    channel.put("1", "2", "3")
    assert channel.log == []
    channel.put("4")
    assert channel.log == ["pause"]
    await channel.receive()
    assert channel.log == ["pause"]
    await channel.receive()
    assert channel.log == ["pause", "resume"]


async def test_the_bytes_of_a_channel_are_limited_too():
    channel = Incoming(bounded(100, max_bytes=10))
    channel.put("123456789")
    assert channel.log == []
    channel.put("0")
    assert channel.log == ["pause"]
    await channel.receive()
    assert channel.log == ["pause", "resume"]


async def test_bytes_that_were_received_make_room():
    channel = Incoming(bounded(100, max_bytes=10))
    for _ in range(20):
        channel.put("12345")
        await channel.receive()
        channel.put("1")
        channel.put("12345")
        await channel.receive()
        await channel.receive()
    assert channel.log == []


@pytest.mark.parametrize("way", ["receive", "receive_many", "try", "iterate"])
async def test_every_way_of_receiving_makes_room(way):
    channel = Incoming(bounded(2))
    channel.put("1", "2")
    assert channel.log == ["pause"]
    if way == "receive":
        await channel.receive()
    elif way == "receive_many":
        await channel.receive_many(1)
    elif way == "try":
        channel.try_receive()
    else:
        await anext(channel)
    assert channel.log == ["pause", "resume"]


async def test_one_frame_larger_than_the_channel_passes():
    channel = Incoming(bounded(4, max_bytes=10))
    channel.put("x" * 100)
    assert channel.log == ["pause"]
    assert await receive_text(channel) == "x" * 100
    assert channel.log == ["pause", "resume"]


async def test_a_read_that_overfills_the_channel_is_kept_whole():
    channel = Incoming(bounded(2))
    channel.put("1", "2", "3", "4", "5")
    assert channel.log == ["pause"]
    assert texts(await channel.receive_many(3)) == ["1", "2", "3"]
    assert channel.log == ["pause"]
    assert texts(await channel.receive_many(1)) == ["4"]
    assert channel.log == ["pause", "resume"]
    assert await receive_text(channel) == "5"


async def test_a_channel_that_reads_on_can_fill_again():
    channel = Incoming(bounded(2))
    for _ in range(3):
        channel.put("1", "2")
        await channel.receive_many()
    assert channel.log == ["pause", "resume"] * 3


async def test_the_smallest_channel_holds_one_frame():
    channel = Incoming(bounded(1))
    channel.put("1")
    assert channel.log == ["pause"]
    await channel.receive()
    assert channel.log == ["pause", "resume"]


async def test_an_unlimited_channel_takes_everything():
    channel = Incoming(unlimited())
    for _ in range(100):
        channel.put(*"x" * 100)
    assert channel.log == []
    assert len(channel) == 10_000


async def test_a_full_channel_set_to_close_is_not_an_overflow_yet():
    channel = Incoming(bounded(2, ChannelOverflow.CLOSE))
    channel.put("1")
    channel.put("2")
    assert channel.log == []
    channel.put("3")
    (error,) = channel.log
    assert isinstance(error, ChannelOverflowError)
    assert texts(await channel.receive_many()) == ["1", "2", "3"]


async def test_a_spilling_channel_drops_all_behind_what_found_it_full():
    channel = Incoming(bounded(2))
    channel.put("1", "2")
    channel.spill()
    assert channel.log == ["pause", "resume"]
    channel.put("3")
    assert channel.log == ["pause", "resume"]
    await channel.receive()
    channel.put("4")
    assert texts(await channel.receive_many()) == ["2"]


async def test_a_spilling_channel_set_to_close_does_not_overflow():
    channel = Incoming(bounded(1, ChannelOverflow.CLOSE))
    channel.spill()
    channel.put("1")
    channel.put("2")
    assert channel.log == []
    assert texts(await channel.receive_many()) == ["1"]
