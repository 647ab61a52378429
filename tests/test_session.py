"""Raw sessions: every frame is the user's; the closing handshake, step by step."""

import asyncio

import pytest

from ktorws.channels import WebSocketChannelsConfig, bounded
from ktorws.close_reason import CloseReason
from ktorws.exceptions import (
    ClosedReceiveChannelError,
    ClosedSendChannelError,
)
from ktorws.frame import Frame
from tests.mocking import begun, connected, drained, ticks

NORMAL = CloseReason(1000, "")


async def test_every_frame_is_delivered_and_none_is_answered():
    async with connected(raw=True) as (session, peer, _clock):
        frames = [
            Frame.Ping(b"there?"),
            Frame.Pong(b"yes"),
            Frame.Text("He", fin=False),
            Frame.Ping(b"between"),
            Frame.by_type(1, b"llo"),
        ]
        peer.send(*frames[:2])
        peer.send_octets(b"\x01\x02He\x89\x07between\x80\x03llo")
        received = [await session.incoming.receive() for _ in range(5)]
        assert [frame.data for frame in received] == [frame.data for frame in frames]
        assert [frame.fin for frame in received] == [True, True, False, True, True]
        assert drained(peer) == []


async def test_a_close_frame_is_delivered_and_not_answered():
    async with connected(raw=True) as (session, peer, _clock):
        peer.send("last", Frame.Close(CloseReason(4000, "bye")))
        assert await session.incoming.receive() == Frame.Text("last")
        assert await session.incoming.receive() == Frame.Close(CloseReason(4000, "bye"))
        with pytest.raises(ClosedReceiveChannelError) as caught:
            await session.incoming.receive()
        assert caught.value.close_reason == CloseReason(4000, "bye")
        assert drained(peer) == []


async def test_a_close_frame_of_the_peer_can_be_answered_by_hand():
    async with connected(raw=True) as (session, peer, _clock):
        peer.close(CloseReason(4000, "bye"))
        await session.close(CloseReason(4001, "answer"))
        assert drained(peer) == [Frame.Close(CloseReason(4001, "answer"))]
        assert session.has_ended


async def test_after_the_peers_close_frame_no_data_can_be_sent():
    async with connected(raw=True) as (session, peer, _clock):
        peer.send(Frame.Close(CloseReason(4000, "bye")))
        with pytest.raises(ClosedSendChannelError) as caught:
            await session.send("late")
        assert caught.value.close_reason == CloseReason(4000, "bye")
        assert not session.is_active


async def test_frames_behind_a_close_frame_are_dropped():
    async with connected(raw=True) as (session, peer, _clock):
        peer.send(Frame.Close(NORMAL), "same packet")
        peer.send("next packet")
        assert await session.incoming.receive_many() == [Frame.Close(NORMAL)]
        assert session.incoming.is_closed_for_receive


@pytest.mark.parametrize("raw", [True, False])
async def test_closing_sends_what_was_sent_before_and_then_a_close_frame(raw):
    async with connected(raw=raw) as (session, peer, _clock):
        await session.send("one")
        await session.send(b"two")
        closing = await begun(session.close(CloseReason(4000, "bye")))
        assert drained(peer) == [
            Frame.Text("one"),
            Frame.Binary(b"two"),
            Frame.Close(CloseReason(4000, "bye")),
        ]
        assert not closing.done()
        peer.close(NORMAL)
        await closing
        assert session.has_ended


@pytest.mark.parametrize("raw", [True, False])
async def test_a_client_waits_for_the_server_to_close_tcp(raw):
    async with connected(raw=raw) as (session, peer, _clock):
        closing = await begun(session.close())
        peer.send(Frame.Close(NORMAL))
        await ticks()
        assert not closing.done()
        peer.lose()
        await closing


@pytest.mark.parametrize("raw", [True, False])
async def test_a_peer_that_never_answers_is_left_after_close_timeout(raw):
    async with connected(raw=raw, close_timeout=7) as (session, _peer, clock):
        closing = await begun(session.close())
        await clock.advance(6.999)
        assert not closing.done()
        await clock.advance(0.001)
        assert closing.done()
        assert session.has_ended
        assert clock.pending == 0


async def test_a_peer_that_answers_but_never_closes_tcp_is_left_too():
    async with connected(close_timeout=7) as (session, peer, clock):
        closing = await begun(session.close())
        peer.send(Frame.Close(NORMAL))
        await clock.advance(7)
        assert closing.done()


async def test_a_peer_that_takes_nothing_is_left_after_close_timeout():
    async with connected(close_timeout=7) as (session, peer, clock):
        peer.stall()
        await session.send("one")
        closing = await begun(session.close())
        await clock.advance(6.999)
        assert not closing.done()
        await clock.advance(0.001)
        assert closing.done()
        assert session.has_ended


async def test_a_close_behind_a_slow_peer_goes_out_in_order():
    async with connected() as (session, peer, _clock):
        peer.stall()
        await session.send("one")
        closing = await begun(session.close())
        peer.resume()
        await ticks()
        assert drained(peer) == [Frame.Text("one"), Frame.Close(NORMAL)]
        peer.close()
        await closing


@pytest.mark.parametrize("raw", [True, False])
async def test_closing_twice_sends_one_close_frame(raw):
    async with connected(raw=raw) as (session, peer, _clock):
        first = await begun(session.close(CloseReason(4000, "first")))
        second = await begun(session.close(CloseReason(4001, "second")))
        assert drained(peer) == [Frame.Close(CloseReason(4000, "first"))]
        assert not second.done()
        peer.close()
        await asyncio.gather(first, second)
        await session.close(CloseReason(4002, "third"))
        assert drained(peer) == []


async def test_many_can_close_at_once():
    async with connected() as (session, peer, _clock):
        closing = asyncio.gather(*(session.close() for _ in range(10)))
        await ticks()
        assert drained(peer) == [Frame.Close(NORMAL)]
        peer.close()
        await closing


@pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65535])
async def test_a_code_that_must_not_be_sent_is_refused(code):
    async with connected() as (session, peer, _clock):
        with pytest.raises(ValueError, match=str(code)):
            await session.close(CloseReason(code))
        assert session.is_active
        assert drained(peer) == []


async def test_closing_wants_a_reason():
    async with connected() as (session, _peer, _clock):
        with pytest.raises(TypeError, match="CloseReason"):
            await session.close(1000)
        assert session.is_active


async def test_closing_without_a_status_sends_an_empty_close_frame():
    async with connected() as (session, peer, _clock):
        await begun(session.close(CloseReason(1005)))
        assert drained(peer) == [Frame.Close()]
        assert (await session.close_reason).code == 1005


async def test_cancelling_close_leaves_the_session_closing_by_itself():
    async with connected() as (session, peer, _clock):
        closing = await begun(session.close(CloseReason(4000)))
        closing.cancel()
        await ticks()
        assert closing.cancelled()
        assert not session.is_active
        peer.close()
        await session.wait_closed()
        assert await session.close_reason == CloseReason(4000)


async def test_a_deadline_on_close_leaves_close_timeout_in_charge():
    async with connected(close_timeout=7) as (session, _peer, clock):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.close(), 0.001)
        assert not session.has_ended
        await clock.advance(7)
        assert session.has_ended


async def test_closing_completes_although_nobody_reads():
    channels = WebSocketChannelsConfig(incoming=bounded(2))
    async with connected(channels=channels) as (session, peer, _clock):
        peer.send("one", "two")
        peer.send("three")
        assert peer.unread > 0
        closing = await begun(session.close())
        peer.send("four")
        peer.close()
        await closing
        texts = [frame.read_text() async for frame in session.incoming]
        assert texts == ["one", "two"]


async def test_frames_that_arrive_while_closing_are_delivered_while_there_is_room():
    async with connected() as (session, peer, _clock):
        closing = await begun(session.close())
        peer.send("late")
        peer.close()
        await closing
        assert [frame.read_text() async for frame in session.incoming] == ["late"]


async def test_sending_a_close_frame_waits_for_nothing_and_reading_goes_on():
    channels = WebSocketChannelsConfig(incoming=bounded(2))
    async with connected(channels=channels) as (session, peer, _clock):
        peer.send("1", "2")
        peer.send("3", "4")
        peer.send("5")
        await session.send(Frame.Close(CloseReason(4000)))
        assert not session.has_ended
        peer.close()
        texts = [frame.read_text() async for frame in session.incoming]
        assert texts == ["1", "2", "3", "4", "5"]
        await ticks()
        assert session.has_ended


async def test_a_close_frame_that_was_sent_runs_into_close_timeout_too():
    async with connected(close_timeout=7) as (session, _peer, clock):
        await session.send(Frame.Close())
        await clock.advance(7)
        assert session.has_ended


async def test_after_closing_nothing_can_be_sent():
    async with connected() as (session, peer, _clock):
        await session.send(Frame.Close(CloseReason(4000, "bye")))
        for late in ("late", Frame.Ping(), Frame.Close()):
            with pytest.raises(ClosedSendChannelError) as caught:
                await session.send(late)
            assert caught.value.close_reason == CloseReason(4000, "bye")
        assert session.outgoing.is_closed_for_send
        assert drained(peer) == [Frame.Close(CloseReason(4000, "bye"))]


async def test_closing_wakes_a_sender_that_waits():
    channels = WebSocketChannelsConfig(outgoing=bounded(1))
    async with connected(channels=channels) as (session, peer, _clock):
        peer.stall()
        await session.send("one")
        waiting = await begun(session.send("two"))
        await begun(session.close())
        with pytest.raises(ClosedSendChannelError):
            await waiting


async def test_the_outgoing_channels_close_is_the_sessions():
    async with connected() as (session, peer, _clock):
        session.outgoing.close()
        assert drained(peer) == [Frame.Close(NORMAL)]
        assert await session.close_reason == NORMAL


async def test_the_outgoing_channel_closed_with_a_cause_says_1011():
    async with connected() as (session, peer, _clock):
        session.outgoing.close(RuntimeError("secret"))
        assert drained(peer) == [Frame.Close(CloseReason(1011, ""))]
        assert await session.close_reason == CloseReason(1011, "")


@pytest.mark.parametrize(
    ("error", "code"),
    [(RuntimeError("secret"), 1011), (asyncio.CancelledError(), 1000)],
)
async def test_closing_exceptionally_tells_the_peer_no_secrets(error, code):
    async with connected() as (session, peer, _clock):
        closing = await begun(session.close_exceptionally(error))
        assert drained(peer) == [Frame.Close(CloseReason(code, ""))]
        peer.close()
        await closing
