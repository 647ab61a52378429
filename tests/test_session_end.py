"""Cancelling and flushing a session, leaving its block, and who hears of the end."""

import asyncio

import pytest

from ktorws.channels import WebSocketChannelsConfig, bounded
from ktorws.client import HttpClient
from ktorws.close_reason import CloseReason
from ktorws.engines.mock import MockEngine
from ktorws.exceptions import (
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    ConnectionLostError,
    SessionCancelledError,
)
from ktorws.features.websockets import WebSockets
from ktorws.frame import Frame
from tests.mocking import URL, begun, connected, drained, ticks

NORMAL = CloseReason(1000, "")


async def reason_of(session):
    return await session.close_reason


@pytest.mark.parametrize("raw", [True, False])
async def test_a_cancelled_session_ends_now(raw):
    async with connected(raw=raw) as (session, peer, clock):
        peer.send("unread")
        session.cancel()
        assert not session.is_active
        with pytest.raises(SessionCancelledError):
            await session.incoming.receive()
        with pytest.raises(SessionCancelledError):
            await session.send("late")
        with pytest.raises(SessionCancelledError):
            await session.flush()
        assert drained(peer) == [Frame.Close(NORMAL)]
        await clock.advance(1)
        assert session.has_ended
        assert clock.pending == 0


async def test_cancelling_a_session_wakes_everyone():
    channels = WebSocketChannelsConfig(outgoing=bounded(1))
    async with connected(channels=channels) as (session, peer, clock):
        peer.stall()
        await session.send("one")
        waiting = [
            await begun(session.incoming.receive()),
            await begun(session.send("two")),
            await begun(session.flush()),
        ]
        closing = await begun(reason_of(session))
        session.cancel()
        await clock.advance(1)
        for task in waiting:
            with pytest.raises(SessionCancelledError):
                await task
        assert await closing == NORMAL


async def test_cancelling_a_session_ends_a_close_that_waits():
    async with connected() as (session, _peer, clock):
        closing = await begun(session.close())
        session.cancel()
        await clock.advance(1)
        assert closing.done()
        await closing


async def test_a_cancelled_session_can_be_cancelled_again_and_closed():
    async with connected() as (session, _peer, clock):
        session.cancel()
        session.cancel()
        await clock.advance(1)
        await session.close()
        assert session.has_ended


async def test_flush_returns_when_everything_has_left():
    async with connected() as (session, peer, _clock):
        await session.flush()
        for number in range(5):
            await session.send(str(number))
        await session.flush()
        assert len(drained(peer)) == 5


async def test_flush_after_a_good_end_returns_at_once():
    async with connected() as (session, peer, _clock):
        peer.close()
        await session.wait_closed()
        await session.flush()


async def test_cancelling_flush_changes_nothing():
    async with connected() as (session, peer, _clock):
        peer.stall()
        await session.send("one")
        first, second = [await begun(session.flush()) for _ in range(2)]
        first.cancel()
        await ticks()
        assert not second.done()
        peer.resume()
        await second
        assert drained(peer) == [Frame.Text("one")]


async def test_flush_raises_the_failure_that_came_first():
    async with connected() as (session, peer, _clock):
        peer.stall()
        await session.send("one")
        flushing = await begun(session.flush())
        peer.lose(ConnectionResetError())
        with pytest.raises(ConnectionLostError):
            await flushing


async def test_the_end_is_called_back_and_waited_for():
    async with connected() as (session, peer, _clock):
        log = []
        session.invoke_on_end(lambda: log.append("ended"))
        waiting = await begun(session.wait_closed())
        peer.lose()
        await waiting
        assert log == ["ended"]
        session.invoke_on_end(lambda: log.append("late"))
        assert log == ["ended", "late"]


async def test_repr_shows_state_and_reason():
    async with connected() as (session, peer, _clock):
        assert repr(session) == "<DefaultClientWebSocketSession open>"
        await session.send(Frame.Close(CloseReason(4000, "bye")))
        reason = "CloseReason(reason=4000, message=bye)"
        assert repr(session) == f"<DefaultClientWebSocketSession closing {reason}>"
        peer.close()
        await session.wait_closed()
        assert repr(session) == f"<DefaultClientWebSocketSession ended {reason}>"


# The block.


async def test_leaving_the_block_closes_with_1000():
    async with connected() as (session, peer, _clock):

        async def block():
            async with session as entered:
                assert entered is session
                await session.send("one")

        running = await begun(block())
        assert drained(peer) == [Frame.Text("one"), Frame.Close(NORMAL)]
        assert not running.done()
        peer.close()
        await running
        assert session.has_ended
        assert await session.close_reason == NORMAL


async def test_leaving_the_block_drops_what_nobody_received():
    async with connected() as (session, peer, _clock):
        peer.send("unread")

        async def block():
            async with session:
                pass

        running = await begun(block())
        peer.close()
        await running
        with pytest.raises(ClosedReceiveChannelError):
            await session.incoming.receive()


async def test_an_exception_closes_with_1011_and_arrives_unchanged():
    error = ValueError("the password is hunter2")
    async with connected() as (session, peer, _clock):

        async def block():
            async with session:
                raise error

        running = await begun(block())
        assert drained(peer) == [Frame.Close(CloseReason(1011, ""))]
        peer.close()
        with pytest.raises(ValueError, match="hunter2") as caught:
            await running
        assert caught.value is error
        assert await session.close_reason == CloseReason(1011, "")


async def test_a_cancelled_block_says_1000_and_does_not_wait():
    async with connected() as (session, peer, clock):

        async def block():
            async with session:
                await asyncio.Event().wait()

        running = await begun(block())
        running.cancel()
        await ticks()
        assert running.cancelled()
        assert drained(peer) == [Frame.Close(NORMAL)]
        await clock.advance(1)
        assert session.has_ended
        assert clock.pending == 0


async def test_a_block_of_a_session_that_has_ended_just_ends():
    async with connected() as (session, peer, _clock):
        peer.lose()
        await session.wait_closed()
        async with session:
            pass


async def test_an_error_of_the_session_itself_leaves_the_block_unchanged():
    async with connected() as (session, peer, _clock):
        peer.lose(ConnectionResetError())
        with pytest.raises(ConnectionLostError):
            async with session:
                await session.incoming.receive()


async def test_the_block_form_gives_the_blocks_result():
    async def script(peer):
        async for frame in peer:
            peer.send(frame)

    async def talk(session):
        await session.send("echo")
        return (await session.incoming.receive()).read_text()

    async with MockEngine(script) as engine:
        client = HttpClient(engine).install(WebSockets)
        assert await client.ws(URL, block=talk) == "echo"


async def test_closing_the_client_says_1001_to_every_peer():
    async with MockEngine() as engine:
        client = HttpClient(engine).install(WebSockets)
        sessions = [await client.websocket_session(URL) for _ in range(3)]
        await client.close()
        for session in sessions:
            assert session.has_ended
            assert await session.close_reason == CloseReason(1001, "")


async def test_the_user_of_a_raw_session_answers_the_close_frame_himself():
    async with connected(raw=True) as (session, peer, _clock):
        peer.send(Frame.Close(CloseReason(4000, "bye")))
        assert await session.incoming.receive() == Frame.Close(CloseReason(4000, "bye"))
        await session.send(Frame.Close(CloseReason(4001, "so long")))
        assert await peer.receive() == Frame.Close(CloseReason(4001, "so long"))
        with pytest.raises(ClosedSendChannelError):
            await session.send(Frame.Close(NORMAL))
