"""Default sessions: whole messages only, pongs at once, the peer's Close answered."""

import pytest

from ktorws.channels import WebSocketChannelsConfig, bounded, unlimited
from ktorws.close_reason import CloseReason
from ktorws.exceptions import FrameTooBigError, ProtocolViolationError
from ktorws.frame import Frame
from tests.mocking import begun, connected, drained, ticks

NORMAL = CloseReason(1000, "")


async def test_fragments_are_delivered_as_one_message():
    async with connected() as (session, peer, _clock):
        peer.send_octets(b"\x02\x01a\x00\x00\x00\x01b\x80\x01c")
        assert await session.incoming.receive() == Frame.Binary(b"abc")


async def test_control_frames_between_fragments_are_no_part_of_the_message():
    async with connected() as (session, peer, _clock):
        peer.send_octets(b"\x01\x02He\x89\x01?\x8a\x01!\x80\x03llo")
        assert await session.incoming.receive() == Frame.Text("Hello")
        assert session.incoming.is_empty
        assert drained(peer) == [Frame.Pong(b"?")]


async def test_fragments_can_be_sent():
    async with connected() as (session, peer, _clock):
        await session.send(Frame.Text("He", fin=False))
        await session.send(Frame.Ping(b"between"))
        await session.send(Frame.Text("llo", fin=True))
        await session.flush()
        first, ping, last = drained(peer)
        assert (first.data, first.fin) == (b"He", False)
        assert ping == Frame.Ping(b"between")
        assert (last.data, last.fin) == (b"llo", True)


async def test_control_frames_are_never_seen_by_the_user():
    async with connected() as (session, peer, _clock):
        peer.send(Frame.Ping(b"1"), "one", Frame.Pong(b"2"), "two")
        peer.close()
        assert [f.read_text() async for f in session.incoming] == ["one", "two"]


# Pongs.


async def test_each_ping_gets_one_pong_in_order():
    async with connected() as (session, peer, _clock):
        for number in range(5):
            peer.send(Frame.Ping(b"%d" % number))
        peer.send(Frame.Ping(b"5"), Frame.Ping(b""), "text", Frame.Ping(b"x" * 125))
        await ticks()
        assert [frame.data for frame in drained(peer)] == [
            *(b"%d" % number for number in range(6)),
            b"",
            b"x" * 125,
        ]
        assert session.is_active


async def test_a_ping_is_answered_whatever_data_waits_before_it():
    channels = WebSocketChannelsConfig(incoming=bounded(2))
    async with connected(channels=channels) as (session, peer, _clock):
        peer.send("one", "two", "three", Frame.Ping(b"?"))
        await ticks()
        assert len(session.incoming) == 3
        assert drained(peer) == [Frame.Pong(b"?")]


async def test_a_pong_nobody_asked_for_changes_nothing():
    async with connected() as (session, peer, _clock):
        peer.send(Frame.Pong(b"unasked"), "text")
        assert await session.incoming.receive() == Frame.Text("text")
        assert session.latency is None


async def test_an_owed_pong_goes_out_before_senders_that_wait():
    channels = WebSocketChannelsConfig(outgoing=bounded(1))
    async with connected(channels=channels) as (session, peer, _clock):
        peer.stall()
        await session.send("one")
        waiting = await begun(session.send("two"))
        peer.send(Frame.Ping(b"?"))
        peer.resume()
        await waiting
        await session.flush()
        assert drained(peer) == [Frame.Text("one"), Frame.Pong(b"?"), Frame.Text("two")]


async def test_of_a_flood_of_pings_only_the_newest_is_answered():
    async with connected() as (session, peer, _clock):
        peer.stall()
        for number in range(10_000):
            peer.send(Frame.Ping(b"%d" % number))
        assert session._connection.backlog_bytes < 1000
        peer.resume()
        await ticks()
        assert drained(peer) == [Frame.Pong(b"9999")]


async def test_an_owed_pong_is_not_sent_behind_a_close_frame():
    async with connected() as (session, peer, _clock):
        peer.stall()
        peer.send(Frame.Ping(b"?"))
        closing = await begun(session.close())
        peer.send(Frame.Ping(b"!"))
        peer.resume()
        await ticks()
        assert drained(peer) == [Frame.Close(NORMAL)]
        peer.close()
        await closing


async def test_no_ping_is_answered_behind_a_close_frame():
    async with connected() as (session, peer, _clock):
        closing = await begun(session.close())
        peer.send(Frame.Ping(b"?"))
        peer.close()
        await closing
        assert drained(peer) == [Frame.Close(NORMAL)]


# The peer's Close frame.


async def test_the_peers_close_is_answered_with_its_code_and_text():
    async with connected() as (session, peer, _clock):
        peer.send("last")
        peer.send(Frame.Close(CloseReason(4000, "bye")))
        await ticks()
        assert drained(peer) == [Frame.Close(CloseReason(4000, "bye"))]
        assert await session.close_reason == CloseReason(4000, "bye")
        assert await session.incoming.receive() == Frame.Text("last")


async def test_frames_sent_before_are_in_front_of_the_answer():
    async with connected() as (session, peer, _clock):
        peer.stall()
        await session.send("one")
        peer.send(Frame.Close(NORMAL))
        peer.resume()
        await ticks()
        assert drained(peer) == [Frame.Text("one"), Frame.Close(NORMAL)]


async def test_an_empty_close_is_answered_by_an_empty_close_and_reported_as_1005():
    async with connected() as (session, peer, _clock):
        peer.close(None)
        assert await session.close_reason == CloseReason(1005, "")
        await session.wait_closed()
        assert drained(peer) == [Frame.Close()]


async def test_the_local_close_reason_wins():
    async with connected() as (session, peer, _clock):
        closing = await begun(session.close(CloseReason(4000, "ours")))
        peer.close(CloseReason(4001, "theirs"))
        await closing
        assert await session.close_reason == CloseReason(4000, "ours")


async def test_when_both_close_at_once_each_sends_one_close_frame():
    async with connected() as (session, peer, _clock):
        peer.stall()
        closing = await begun(session.close(CloseReason(4000, "ours")))
        peer.close(CloseReason(4001, "theirs"))
        peer.resume()
        await closing
        assert drained(peer) == [Frame.Close(CloseReason(4000, "ours"))]


async def test_data_behind_the_peers_close_is_dropped():
    async with connected() as (session, peer, _clock):
        peer.send("one", Frame.Close(NORMAL), "two")
        peer.send("three", Frame.Ping(b"?"))
        assert [f.read_text() async for f in session.incoming] == ["one"]
        assert drained(peer) == [Frame.Close(NORMAL)]


@pytest.mark.parametrize(
    "octets", [b"\x83\x00", b"\x81\xff", b"\x88\x01x", b"\xff" * 100]
)
async def test_violations_behind_the_peers_close_are_ignored(octets):
    async with connected() as (session, peer, _clock):
        peer.send_octets(b"\x88\x02\x03\xe8" + octets)
        peer.send_octets(octets)
        await ticks()
        peer.lose()
        await session.wait_closed()
        assert await session.close_reason == NORMAL
        assert drained(peer) == [Frame.Close(NORMAL)]
        assert [frame async for frame in session.incoming] == []


async def test_the_answer_to_close_does_not_wait_for_a_reader():
    channels = WebSocketChannelsConfig(incoming=bounded(2))
    async with connected(channels=channels) as (session, peer, _clock):
        peer.send("one", "two", "three", Frame.Close(NORMAL))
        await ticks()
        assert drained(peer) == [Frame.Close(NORMAL)]
        texts = [frame.read_text() async for frame in session.incoming]
        assert texts == ["one", "two", "three"]


async def test_a_peer_that_closed_but_keeps_tcp_open_is_left_after_close_timeout():
    async with connected(close_timeout=7) as (session, peer, clock):
        peer.send(Frame.Close(NORMAL))
        await clock.advance(6.999)
        assert not session.has_ended
        await clock.advance(0.001)
        assert session.has_ended


# Limits and numbers.


async def test_a_frame_over_the_limit_ends_the_session_with_1009():
    async with connected(max_frame_size=10) as (session, peer, _clock):
        peer.send("0123456789")
        assert await session.incoming.receive() == Frame.Text("0123456789")
        peer.send("0123456789a")
        with pytest.raises(FrameTooBigError) as caught:
            await session.incoming.receive()
        assert caught.value.frame_size == 11
        assert caught.value.close_reason.code == 1009


async def test_a_message_over_the_limit_ends_the_session_with_1009():
    async with connected(max_frame_size=10) as (session, peer, _clock):
        peer.send_octets(b"\x01\x0601234\x35\x80\x05abcde")
        with pytest.raises(FrameTooBigError):
            await session.incoming.receive()
        (close,) = drained(peer)
        assert close.read_reason().code == 1009


async def test_the_limit_of_a_live_session_can_be_changed():
    async with connected(max_frame_size=10) as (session, peer, _clock):
        session.max_frame_size = 20
        assert session.max_frame_size == 20
        peer.send("x" * 20)
        assert await session.incoming.receive() == Frame.Text("x" * 20)
        session.max_frame_size = 5
        peer.send("x" * 6)
        with pytest.raises(FrameTooBigError):
            await session.incoming.receive()


@pytest.mark.parametrize("size", [0, -1])
async def test_a_limit_below_one_is_refused(size):
    async with connected() as (session, _peer, _clock):
        with pytest.raises(ValueError, match="max_frame_size"):
            session.max_frame_size = size


async def test_masking_is_on_and_can_be_looked_at():
    async with connected() as (session, _peer, _clock):
        assert session.masking is True
        session.masking = False
        assert session.masking is False


# Order.


@pytest.mark.parametrize("incoming", [bounded(7), bounded(), unlimited()])
async def test_nothing_is_lost_and_all_is_in_order(incoming):
    channels = WebSocketChannelsConfig(incoming=incoming)
    async with connected(channels=channels) as (session, peer, _clock):
        for number in range(0, 5000, 5):
            peer.send(*map(str, range(number, number + 5)))
        peer.close()
        texts = [frame.read_text() async for frame in session.incoming]
        assert texts == list(map(str, range(5000)))


async def test_a_violation_is_raised_after_what_came_before_it():
    async with connected() as (session, peer, _clock):
        peer.send_octets(b"\x81\x03one\x81\x03two\x83\x00")
        assert await session.incoming.receive() == Frame.Text("one")
        assert await session.incoming.receive() == Frame.Text("two")
        with pytest.raises(ProtocolViolationError):
            await session.incoming.receive()
