"""Pings of a session, by a clock that moves only when told to."""

import asyncio
from datetime import timedelta

import pytest

from ktorws.channels import WebSocketChannelsConfig, bounded
from ktorws.close_reason import CloseReason
from ktorws.exceptions import PingTimeoutError
from ktorws.frame import Frame
from tests.mocking import begun, connected, drained, ticks

TIMED_OUT = CloseReason(1011, "Ping timeout")


def pings_to(peer):
    return [frame for frame in drained(peer) if isinstance(frame, Frame.Ping)]


def answer_pings(peer):
    for ping in pings_to(peer):
        peer.send(Frame.Pong(ping.data))


async def test_pings_are_off_by_default():
    async with connected() as (session, peer, clock):
        assert session.ping_interval is None
        assert session.ping_interval_millis == 0
        assert session.timeout == 15
        assert session.timeout_millis == 15_000
        await clock.advance(100_000)
        assert drained(peer) == []
        assert clock.pending == 0


async def test_pings_go_out_as_configured():
    async with connected(ping_interval_millis=15_000, timeout_millis=5_000) as (
        session,
        peer,
        clock,
    ):
        assert session.ping_interval == 15
        assert session.ping_interval_millis == 15_000
        assert session.timeout == 5
        assert session.timeout_millis == 5_000
        await clock.advance(14.999)
        assert pings_to(peer) == []
        await clock.advance(0.001)
        (ping,) = pings_to(peer)
        await clock.advance(4)
        peer.send(Frame.Pong(ping.data))
        await clock.advance(14.999)
        assert pings_to(peer) == []
        await clock.advance(0.001)
        assert len(pings_to(peer)) == 1


async def test_a_peer_that_answers_is_kept_for_ever():
    async with connected(ping_interval=1, timeout=1) as (session, peer, clock):
        for _ in range(100):
            await clock.advance(1)
            answer_pings(peer)
        assert session.is_active


async def test_a_missing_pong_ends_the_session():
    async with connected(ping_interval=10, timeout=5) as (session, peer, clock):
        await clock.advance(14.999)
        assert session.is_active
        drained(peer)
        await clock.advance(0.001 + 1e-6)
        assert await session.close_reason == TIMED_OUT
        assert drained(peer) == [Frame.Close(TIMED_OUT)]
        with pytest.raises(PingTimeoutError) as caught:
            await session.incoming.receive()
        assert str(caught.value) == "Ping timeout"
        assert caught.value.close_reason == TIMED_OUT
        for call in (session.send("late"), session.flush(), anext(session.incoming)):
            with pytest.raises(PingTimeoutError):
                await call
        await clock.advance(1)
        assert session.has_ended
        assert clock.pending == 0


async def test_a_missing_pong_is_a_timeout_and_a_lost_connection():
    assert issubclass(PingTimeoutError, TimeoutError)
    assert issubclass(PingTimeoutError, ConnectionError)


async def test_a_black_hole_wakes_everyone():
    channels = WebSocketChannelsConfig(outgoing=bounded(1))
    async with connected(ping_interval=10, timeout=5, channels=channels) as (
        session,
        peer,
        clock,
    ):
        peer.stall()
        await session.send("one")
        waiting = [
            await begun(call)
            for call in (
                session.incoming.receive(),
                session.send("two"),
                session.flush(),
            )
        ]
        closed = await begun(session.wait_closed())
        await clock.advance(15.1)
        assert session.close_reason.get_completed() == TIMED_OUT
        await clock.advance(1)
        for task in waiting:
            assert task.done()
            with pytest.raises(PingTimeoutError):
                await task
        assert closed.done()
        assert clock.pending == 0


async def test_what_arrived_before_a_ping_timeout_is_delivered():
    async with connected(ping_interval=10, timeout=5) as (session, peer, clock):
        peer.send("one")
        await clock.advance(16)
        assert await session.incoming.receive() == Frame.Text("one")
        with pytest.raises(PingTimeoutError):
            await session.incoming.receive()


async def test_data_is_not_a_pong():
    async with connected(ping_interval=10, timeout=5) as (session, peer, clock):
        for _ in range(16):
            await clock.advance(1)
            peer.send("data", Frame.Ping(b"?"), Frame.Pong(b"unasked"))
        assert not session.is_active


async def test_a_ping_goes_out_before_senders_that_wait():
    channels = WebSocketChannelsConfig(outgoing=bounded(1))
    async with connected(ping_interval=10, channels=channels) as (session, peer, clock):
        peer.stall()
        await session.send("one")
        waiting = await begun(session.send("two"))
        await clock.advance(10)
        peer.resume()
        await waiting
        await session.flush()
        one, ping, two = drained(peer)
        assert (one, two) == (Frame.Text("one"), Frame.Text("two"))
        assert isinstance(ping, Frame.Ping)


# Changes on a live session.


async def test_changing_the_interval_keeps_the_timeout_and_begins_anew():
    async with connected(ping_interval=10, timeout=5) as (session, peer, clock):
        await clock.advance(9)
        session.ping_interval = 20
        assert session.timeout == 5
        await clock.advance(19.999)
        assert pings_to(peer) == []
        await clock.advance(0.001)
        assert len(pings_to(peer)) == 1
        await clock.advance(5.1)
        assert not session.is_active


async def test_changing_the_timeout_keeps_the_interval_and_begins_anew():
    async with connected(ping_interval=10, timeout=5) as (session, peer, clock):
        await clock.advance(14)
        assert len(pings_to(peer)) == 1
        session.timeout = 1
        assert session.ping_interval == 10
        await clock.advance(9.999)
        assert session.is_active
        assert pings_to(peer) == []
        await clock.advance(0.002)
        assert len(pings_to(peer)) == 1
        await clock.advance(1.1)
        assert not session.is_active


async def test_pings_can_be_turned_on_later():
    async with connected() as (session, peer, clock):
        session.ping_interval_millis = 500
        await clock.advance(0.5)
        assert len(pings_to(peer)) == 1
        await clock.advance(14.9)
        assert session.is_active
        await clock.advance(0.2)
        assert not session.is_active


@pytest.mark.parametrize("off", [None, 0, -1, timedelta(0)])
async def test_pings_can_be_turned_off(off):
    async with connected(ping_interval=10) as (session, peer, clock):
        await clock.advance(12)
        session.ping_interval = off
        assert session.ping_interval is None
        assert session.ping_interval_millis == 0
        drained(peer)
        await clock.advance(1000)
        assert drained(peer) == []
        assert session.is_active
        assert clock.pending == 0


async def test_durations_can_be_timedeltas():
    async with connected(
        ping_interval=timedelta(seconds=10), timeout=timedelta(seconds=5)
    ) as (session, _peer, _clock):
        assert session.ping_interval_millis == 10_000
        assert session.timeout_millis == 5_000
        session.ping_interval = timedelta(milliseconds=1500)
        session.timeout = timedelta(milliseconds=2500)
        assert session.ping_interval == 1.5
        assert session.timeout == 2.5
        session.timeout_millis = 100
        assert session.timeout == 0.1


@pytest.mark.parametrize("value", [0, -1, float("nan"), timedelta(0)])
async def test_a_timeout_must_be_above_zero(value):
    async with connected(timeout=5) as (session, _peer, _clock):
        with pytest.raises(ValueError, match="timeout"):
            session.timeout = value
        assert session.timeout == 5


async def test_a_session_that_is_closing_does_not_ping():
    async with connected(ping_interval=1, timeout=1) as (session, peer, clock):
        await session.send(Frame.Close())
        session.ping_interval = 0.5
        session.timeout = 0.5
        await clock.advance(5)
        assert pings_to(peer) == []
        assert await session.close_reason == CloseReason(1005, "")


async def test_latency_is_the_last_round_trip():
    async with connected(ping_interval=10) as (session, peer, clock):
        assert session.latency is None
        await clock.advance(10.125)
        answer_pings(peer)
        assert session.latency == pytest.approx(0.125)


async def test_a_raw_session_does_not_ping():
    async with connected(raw=True, ping_interval=1, timeout=1) as (_, peer, clock):
        await clock.advance(100)
        assert drained(peer) == []


# Time that is not the peer's fault.


async def test_a_reader_that_sleeps_does_not_cost_the_session():
    channels = WebSocketChannelsConfig(incoming=bounded(2))
    async with connected(ping_interval=10, timeout=5, channels=channels) as (
        session,
        peer,
        clock,
    ):
        peer.send("one", "two")  # from here on reading is paused
        await clock.advance(10)
        (ping,) = pings_to(peer)
        peer.send("three", Frame.Pong(ping.data))
        await clock.advance(1000)
        assert session.is_active
        texts = [(await session.incoming.receive()).read_text() for _ in range(3)]
        assert texts == ["one", "two", "three"]
        await clock.advance(9)
        assert session.is_active
        await clock.advance(1)
        assert len(pings_to(peer)) == 1


async def test_a_dead_peer_is_found_once_the_reader_wakes():
    channels = WebSocketChannelsConfig(incoming=bounded(2))
    async with connected(ping_interval=10, timeout=5, channels=channels) as (
        session,
        peer,
        clock,
    ):
        peer.send("one", "two")
        await clock.advance(1000)
        assert session.is_active
        await session.incoming.receive_many()
        await clock.advance(4.9)
        assert session.is_active
        await clock.advance(1)
        assert await session.close_reason == TIMED_OUT


async def test_a_loop_that_stood_still_does_not_cost_the_session():
    async with connected(ping_interval=10, timeout=5) as (session, peer, clock):
        await clock.advance(11)
        (ping,) = pings_to(peer)
        asyncio.get_running_loop().call_soon(peer.send, Frame.Pong(ping.data))
        await clock.jump(3600)
        await ticks()
        assert session.is_active
        await clock.advance(9)
        assert session.is_active


async def test_a_dead_peer_is_found_after_the_loop_stood_still():
    async with connected(ping_interval=10, timeout=5) as (session, _peer, clock):
        await clock.advance(11)
        await clock.jump(3600)
        assert session.is_active
        await clock.advance(5)
        assert await session.close_reason == TIMED_OUT
