"""Who may send, who waits, and in which order."""

import asyncio

import pytest

from ktorws.channels import ChannelOverflow, bounded, unlimited
from ktorws.close_reason import CloseReason
from ktorws.exceptions import (
    ChannelOverflowError,
    ClosedSendChannelError,
    ConnectionLostError,
)
from ktorws.frame import Frame
from tests.mocking import begun, ticks
from tests.sending import Outgoing

# Sending.


async def test_frames_are_written_in_order():
    channel = Outgoing()
    for text in ("one", "two", "three"):
        await channel.send(text)
    assert channel.written == ["one", "two", "three"]


async def test_sending_does_not_wait_while_there_is_room():
    channel = Outgoing()
    channel.send("one").close()  # a coroutine that never ran has sent nothing
    assert channel.written == []
    with pytest.raises(StopIteration):
        channel.send("one").send(None)
    assert channel.written == ["one"]


@pytest.mark.parametrize(
    "frame",
    ["text", b"bytes", Frame.Text("t"), Frame.Ping(b"p"), Frame.Text("", fin=False)],
)
async def test_whatever_can_be_sent_is_passed_on_as_it_is(frame):
    channel = Outgoing()
    await channel.send(frame)
    assert channel.try_send(frame).is_success
    assert channel.written == [frame, frame]


async def test_what_the_encoder_refuses_raises_and_leaves_the_channel_open():
    channel = Outgoing()
    channel.refuses = TypeError("not a frame")
    with pytest.raises(TypeError):
        await channel.send(7)
    with pytest.raises(TypeError):
        channel.try_send(7)
    channel.refuses = None
    await channel.send("fine")
    assert channel.written == ["fine"]


async def test_a_close_frame_begins_the_closing_handshake():
    channel = Outgoing()
    await channel.send(Frame.Close(CloseReason(4000)))
    assert channel.written == []
    assert channel.closed_with == [Frame.Close(CloseReason(4000))]


async def test_a_close_frame_waits_for_nothing():
    channel = Outgoing(bounded(1))
    channel.pause()
    await channel.send("one")
    await begun(channel.send("two"))
    await channel.send(Frame.Close(CloseReason(4000)))
    assert channel.try_send(Frame.Close(CloseReason(4001))).is_success
    assert len(channel.closed_with) == 2
    channel.end(ClosedSendChannelError())


async def test_closing_the_channel_begins_the_closing_handshake():
    channel = Outgoing()
    channel.close()
    channel.close(RuntimeError("secret"))
    assert channel.closed_with == [None, Frame.Close(CloseReason(1011))]


# The end.


async def test_nothing_can_be_sent_after_the_end():
    channel = Outgoing()
    error = ClosedSendChannelError("closed")
    error.close_reason = CloseReason(1000, "bye")
    channel.end(error)
    assert channel.is_closed_for_send
    for frame in ("late", Frame.Close()):
        with pytest.raises(ClosedSendChannelError) as caught:
            await channel.send(frame)
        assert caught.value.close_reason == CloseReason(1000, "bye")
        result = channel.try_send(frame)
        assert result.is_closed
        assert result.error.close_reason == CloseReason(1000, "bye")
    assert channel.written == channel.closed_with == []


async def test_the_end_wakes_everyone_who_waits():
    channel = Outgoing(bounded(1))
    channel.pause()
    await channel.send("one")
    waiting = [await begun(channel.send(str(i))) for i in range(3)]
    channel.end(ConnectionLostError("lost"))
    for task in waiting:
        with pytest.raises(ConnectionLostError):
            await task
    assert channel.written == ["one"]


async def test_the_first_end_stays():
    channel = Outgoing()
    channel.end(ConnectionLostError("first"))
    channel.end(ClosedSendChannelError("second"))
    with pytest.raises(ConnectionLostError):
        await channel.send("late")


async def test_each_error_raised_is_a_fresh_copy():
    channel = Outgoing()
    error = ConnectionLostError("lost")
    channel.end(error)
    raised = []
    for _ in range(3):
        with pytest.raises(ConnectionLostError) as caught:
            await channel.send("late")
        raised.append(caught.value)
    assert len({id(one) for one in [error, *raised]}) == 4
    assert error.__traceback__ is None


async def test_a_sender_that_gives_way_does_not_send_after_the_end():
    channel = Outgoing()
    channel.demand_turn()
    sending = asyncio.ensure_future(channel.send("late"))
    await asyncio.sleep(0)
    channel.end(ClosedSendChannelError())
    with pytest.raises(ClosedSendChannelError):
        await sending
    assert channel.written == []


# A connection that takes no more.


async def test_a_bounded_channel_takes_its_capacity_and_then_suspends():
    channel = Outgoing(bounded(2))
    channel.pause()
    await channel.send("one")
    await channel.send("two")
    third = await begun(channel.send("three"))
    assert not third.done()
    assert channel.written == ["one", "two"]
    channel.resume()
    await third
    assert channel.written == ["one", "two", "three"]


async def test_the_bytes_of_a_channel_are_limited_too():
    channel = Outgoing(bounded(100, max_bytes=10))
    channel.pause()
    await channel.send("12345")
    await channel.send("67890")
    third = await begun(channel.send("x"))
    assert not third.done()
    channel.resume()
    await third


async def test_one_frame_larger_than_the_channel_passes():
    channel = Outgoing(bounded(100, max_bytes=10))
    channel.pause()
    await channel.send("x" * 100)
    assert channel.written == ["x" * 100]


async def test_a_connection_with_room_is_not_a_backlog():
    channel = Outgoing(bounded(1))
    for _ in range(10):
        await channel.send("x")
    assert len(channel.written) == 10


async def test_an_unlimited_channel_never_suspends():
    channel = Outgoing(unlimited())
    channel.pause()
    for _ in range(5000):
        await channel.send("x" * 1000)
    assert len(channel.written) == 5000


async def test_a_full_channel_set_to_close_overflows():
    channel = Outgoing(bounded(1, ChannelOverflow.CLOSE))
    channel.pause()
    await channel.send("one")
    assert channel.overflowed == []
    with pytest.raises(ChannelOverflowError):
        await channel.send("two")
    assert len(channel.overflowed) == 1
    assert channel.written == ["one"]


async def test_try_send_fails_when_there_is_no_room():
    channel = Outgoing(bounded(1))
    channel.pause()
    assert channel.try_send("one").is_success
    result = channel.try_send("two")
    assert not result.is_success
    assert not result.is_closed
    channel.resume()
    assert channel.try_send("three").is_success
    assert channel.written == ["one", "three"]


async def test_try_send_does_not_overtake_those_who_wait():
    channel = Outgoing(bounded(1))
    channel.pause()
    await channel.send("one")
    waiting = await begun(channel.send("two"))
    channel.resume()
    assert not channel.try_send("three").is_success
    await waiting
    assert channel.written == ["one", "two"]


async def test_those_who_wait_send_in_the_order_in_which_they_came():
    channel = Outgoing(bounded(1))
    channel.pause()
    await channel.send("0")
    waiting = [await begun(channel.send(str(i))) for i in range(1, 6)]
    channel.resume()
    await asyncio.gather(*waiting)
    assert channel.written == list("012345")


async def test_a_newcomer_does_not_overtake_those_who_wait():
    channel = Outgoing(bounded(1))
    channel.pause()
    await channel.send("0")
    waiting = await begun(channel.send("1"))
    channel.resume()
    newcomer = asyncio.ensure_future(channel.send("2"))
    await asyncio.gather(waiting, newcomer)
    assert channel.written == ["0", "1", "2"]


async def test_a_resumed_connection_that_fills_again_admits_only_its_capacity():
    channel = Outgoing(bounded(2))
    channel.pause()
    waiting = [await begun(channel.send(str(i))) for i in range(8)]
    assert channel.written == ["0", "1"]
    for expected in ("0123", "012345", "01234567"):
        channel.pause_after = 1  # the first frame fills the connection again
        channel.resume()
        await ticks()
        assert "".join(channel.written) == expected
    await asyncio.gather(*waiting)


# Giving way.


async def test_a_sender_gives_way_once_when_told_to():
    channel = Outgoing()
    channel.demand_turn()
    log = []
    asyncio.get_running_loop().call_soon(log.append, "the rest of the loop")
    await channel.send("one")
    log.append("sent")
    assert log == ["the rest of the loop", "sent"]
    with pytest.raises(StopIteration):
        channel.send("two").send(None)
    assert channel.written == ["one", "two"]


async def test_frames_of_one_task_stay_in_order_across_turns():
    channel = Outgoing()
    for number in range(20):
        if number % 3 == 0:
            channel.demand_turn()
        await channel.send(number)
    assert channel.written == list(range(20))


async def test_a_sender_that_gives_way_is_not_overtaken():
    channel = Outgoing()
    channel.demand_turn()
    await asyncio.gather(*(channel.send(text) for text in ("one", "two", "three")))
    assert channel.written == ["one", "two", "three"]


async def test_giving_way_is_not_an_overflow():
    channel = Outgoing(bounded(1, ChannelOverflow.CLOSE))
    channel.demand_turn()
    await asyncio.gather(*(channel.send(text) for text in ("one", "two", "three")))
    assert channel.overflowed == []
    assert len(channel.written) == 3
