"""How a session ends, on every path: wire, `close_reason`, and what raises what."""

import pytest

from ktorws.channels import ChannelOverflow, WebSocketChannelsConfig, bounded
from ktorws.close_reason import CloseReason
from ktorws.exceptions import (
    ChannelOverflowError,
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    ConnectionLostError,
    FrameTooBigError,
    InvalidTextError,
    ProtocolViolationError,
    SessionCancelledError,
    WebSocketError,
)
from ktorws.frame import Frame
from tests.mocking import begun, connected, drained, ticks

LOST = CloseReason(1006, "Connection was closed without close frame")
NORMAL = CloseReason(1000, "")


async def assert_ended(session, peer, *, wire, reason, receive, send):
    """Hold the whole outcome against what it should be."""
    await ticks()
    assert drained(peer) == ([] if wire is None else [Frame.Close(wire)])
    assert await session.close_reason == reason
    with pytest.raises(WebSocketError) as caught:
        await session.incoming.receive()
    assert type(caught.value) is receive
    assert caught.value.close_reason == reason
    with pytest.raises(WebSocketError) as caught:
        await session.send("late")
    assert type(caught.value) is send
    assert caught.value.close_reason == reason


async def test_local_close():
    async with connected() as (session, peer, _clock):
        await begun(session.close(CloseReason(4000, "bye")))
        peer.close()
        await assert_ended(
            session,
            peer,
            wire=CloseReason(4000, "bye"),
            reason=CloseReason(4000, "bye"),
            receive=ClosedReceiveChannelError,
            send=ClosedSendChannelError,
        )


async def test_local_empty_close_frame():
    async with connected() as (session, peer, _clock):
        await session.send(Frame.Close())
        peer.close()
        await ticks()
        await assert_ended(
            session,
            peer,
            wire=CloseReason(1005),
            reason=CloseReason(1005, ""),
            receive=ClosedReceiveChannelError,
            send=ClosedSendChannelError,
        )


async def test_close_of_the_peer():
    async with connected() as (session, peer, _clock):
        peer.close(CloseReason(4001, "theirs"))
        await assert_ended(
            session,
            peer,
            wire=CloseReason(4001, "theirs"),
            reason=CloseReason(4001, "theirs"),
            receive=ClosedReceiveChannelError,
            send=ClosedSendChannelError,
        )


@pytest.mark.parametrize("error", [None, ConnectionResetError("reset")])
async def test_lost_connection(error):
    async with connected() as (session, peer, _clock):
        peer.lose(error)
        await assert_ended(
            session,
            peer,
            wire=None,
            reason=LOST,
            receive=ConnectionLostError,
            send=ConnectionLostError,
        )


async def test_loss_behind_a_local_close_is_an_end_in_good_order():
    async with connected() as (session, peer, _clock):
        await session.send(Frame.Close(CloseReason(4000)))
        peer.lose()
        await assert_ended(
            session,
            peer,
            wire=CloseReason(4000),
            reason=CloseReason(4000),
            receive=ClosedReceiveChannelError,
            send=ClosedSendChannelError,
        )


async def test_cancellation():
    async with connected() as (session, peer, _clock):
        session.cancel()
        await assert_ended(
            session,
            peer,
            wire=NORMAL,
            reason=NORMAL,
            receive=SessionCancelledError,
            send=SessionCancelledError,
        )


VIOLATIONS = [
    (b"\x83\x00", ProtocolViolationError, 1002),
    (b"\xc1\x00", ProtocolViolationError, 1002),
    (b"\x81\x80\x00\x00\x00\x00", ProtocolViolationError, 1002),
    (b"\x80\x00", ProtocolViolationError, 1002),
    (b"\x88\x01x", ProtocolViolationError, 1002),
    (b"\x88\x02\x03\xee", ProtocolViolationError, 1002),
    (b"\x81\x02\xc3\x28", InvalidTextError, 1007),
    (b"\x88\x03\x03\xe8\xff", InvalidTextError, 1007),
    (b"\x82\x7f\x3f" + b"\xff" * 7, FrameTooBigError, 1009),
]


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize(("octets", "error", "code"), VIOLATIONS)
async def test_violation(octets, error, code, raw):
    async with connected(raw=raw) as (session, peer, _clock):
        receiving = await begun(session.incoming.receive())
        peer.send_octets(octets)
        with pytest.raises(error):
            await receiving
        (close,) = drained(peer)
        assert close.read_reason().code == code
        if not raw:
            assert await session.close_reason == close.read_reason()
        with pytest.raises(error) as caught:
            await session.send("late")
        assert caught.value.close_reason == close.read_reason()
        assert str(caught.value).startswith(close.read_reason().message)


async def test_a_violation_waits_for_the_reader_of_what_came_before():
    async with connected() as (session, peer, _clock):
        peer.send_octets(b"\x81\x03one\x83\x00")
        await ticks()
        assert await session.incoming.receive() == Frame.Text("one")
        await session.send("answer to one")
        with pytest.raises(ProtocolViolationError):
            await session.incoming.receive()
        answer, close = drained(peer)
        assert answer == Frame.Text("answer to one")
        assert close.read_reason().code == 1002


async def test_a_violation_does_not_wait_for_the_reader_for_ever():
    async with connected() as (session, peer, clock):
        peer.send_octets(b"\x81\x03one\x83\x00")
        await clock.advance(0.999)
        assert session.is_active
        await clock.advance(0.001)
        assert not session.is_active
        assert (await session.close_reason).code == 1002
        assert await session.incoming.receive() == Frame.Text("one")
        with pytest.raises(ProtocolViolationError):
            await session.incoming.receive()


async def test_what_comes_behind_a_violation_does_not_count():
    async with connected() as (session, peer, _clock):
        peer.send_octets(b"\x81\x03one\x83\x00\x81\x03two")
        peer.send("three", Frame.Ping(b"?"))
        peer.close()
        assert await session.incoming.receive() == Frame.Text("one")
        with pytest.raises(ProtocolViolationError):
            await session.incoming.receive()


@pytest.mark.parametrize("before", [b"", b"\x81\x03one"])
async def test_a_violation_followed_by_the_end_is_still_a_violation(before):
    async with connected() as (session, peer, _clock):
        peer.send_octets(before + b"\x83\x00")
        peer.lose()
        await ticks()
        assert (await session.close_reason).code == 1002
        if before:
            assert await session.incoming.receive() == Frame.Text("one")
        with pytest.raises(ProtocolViolationError) as caught:
            await session.incoming.receive()
        assert caught.value.close_reason.code == 1002


async def test_a_violation_ends_tcp_without_waiting_for_the_peer():
    async with connected() as (session, peer, clock):
        peer.send_octets(b"\x83\x00")
        await clock.advance(1)
        assert session.has_ended
        assert clock.pending == 0


async def test_a_violation_while_the_peer_takes_nothing():
    async with connected() as (session, peer, clock):
        peer.stall()
        await session.send("waits")
        peer.send_octets(b"\x83\x00")
        await clock.advance(1)
        assert session.has_ended
        assert (await session.close_reason).code == 1002


async def test_a_violation_while_closing_keeps_the_local_reason():
    async with connected() as (session, peer, _clock):
        await session.send(Frame.Close(CloseReason(4000)))
        peer.send_octets(b"\x83\x00")
        with pytest.raises(ProtocolViolationError) as caught:
            await session.incoming.receive()
        assert caught.value.close_reason == CloseReason(4000)
        assert await session.close_reason == CloseReason(4000)
        assert drained(peer) == [Frame.Close(CloseReason(4000))]


async def test_a_long_reason_is_cut_to_what_a_close_frame_can_carry():
    async with connected() as (session, peer, _clock):
        session.failed(ProtocolViolationError("é" * 100))
        (close,) = drained(peer)
        assert close.read_reason() == CloseReason(1002, "é" * 61)


async def test_overflow_of_incoming():
    channels = WebSocketChannelsConfig(incoming=bounded(2, ChannelOverflow.CLOSE))
    async with connected(channels=channels) as (session, peer, _clock):
        peer.send("one", "two")
        assert session.is_active
        peer.send("three")
        assert not session.is_active
        texts = [(await session.incoming.receive()).read_text() for _ in range(3)]
        assert texts == ["one", "two", "three"]
        await assert_ended(
            session,
            peer,
            wire=CloseReason(1008, "The incoming channel is full"),
            reason=CloseReason(1008, "The incoming channel is full"),
            receive=ChannelOverflowError,
            send=ChannelOverflowError,
        )


async def test_overflow_of_outgoing():
    channels = WebSocketChannelsConfig(outgoing=bounded(1, ChannelOverflow.CLOSE))
    async with connected(channels=channels) as (session, peer, _clock):
        peer.stall()
        await session.send("one")
        with pytest.raises(ChannelOverflowError) as caught:
            await session.send("two")
        assert caught.value.close_reason.code == 1008
        peer.resume()
        await ticks()
        assert drained(peer)[0] == Frame.Text("one")
        assert (await session.close_reason).code == 1008


async def test_the_reason_can_be_awaited_any_number_of_times():
    async with connected() as (session, peer, _clock):
        assert not session.close_reason.is_completed
        waiting = [await begun(reason_of(session)) for _ in range(3)]
        peer.lose()
        for task in waiting:
            assert await task == LOST
        assert await session.close_reason == LOST


async def reason_of(session):
    return await session.close_reason


async def test_iterating_ends_quietly_after_a_close_frame_from_either_side():
    async with connected() as (session, peer, _clock):
        peer.send("one")
        peer.close(CloseReason(1011, "crashed"))
        assert [f.read_text() async for f in session.incoming] == ["one"]


async def test_iterating_raises_a_loss_after_every_frame():
    async with connected() as (session, peer, _clock):
        peer.send("one", "two")
        peer.lose(ConnectionResetError())
        await ticks()
        assert (await anext(session.incoming)).read_text() == "one"
        assert (await anext(session.incoming)).read_text() == "two"
        with pytest.raises(ConnectionLostError):
            await anext(session.incoming)


async def test_a_loss_wakes_everyone():
    channels = WebSocketChannelsConfig(outgoing=bounded(1))
    async with connected(channels=channels) as (session, peer, _clock):
        peer.stall()
        await session.send("one")
        waiting = [
            await begun(call)
            for call in (
                session.incoming.receive(),
                session.incoming.receive_many(),
                session.send("two"),
                session.send("three"),
                session.flush(),
            )
        ]
        peer.lose(ConnectionResetError())
        for task in waiting:
            with pytest.raises(ConnectionLostError) as caught:
                await task
            assert caught.value.close_reason == LOST


async def test_a_loss_wakes_a_close_that_waits():
    async with connected() as (session, peer, _clock):
        peer.stall()
        closing = await begun(session.close())
        peer.lose(ConnectionResetError())
        await closing
        assert await session.close_reason == NORMAL


async def test_the_traceback_of_a_failure_does_not_grow():
    async with connected() as (session, peer, _clock):
        peer.lose()
        await session.wait_closed()
        for call in (session.incoming.receive, session.flush, lambda: session.send("")):
            lengths = set()
            for _ in range(3):
                with pytest.raises(ConnectionLostError) as caught:
                    await call()
                lengths.add(len(caught.traceback))
            assert len(lengths) == 1
