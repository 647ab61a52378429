"""Callbacks that call back, other loops, other threads."""

import asyncio
import contextlib

import pytest

from ktorws import (
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    CloseReason,
    ConnectionLostError,
    Frame,
    HttpClient,
    HttpClientFeature,
    SessionCancelledError,
    WebSocketExtension,
    WebSocketExtensionHeader,
    WebSockets,
)
from ktorws.deflate import WebSocketDeflateExtension
from ktorws.engines.mock import MockEngine
from tests.mocking import URL, connected, drained, ticks
from tests.network_fixtures import client
from tests.octets import BINARY, close, frame
from tests.scripted import scripted


def _held(coroutine, into):
    """Run a coroutine up to where it waits, as a callback that cannot await does."""
    into.append(asyncio.ensure_future(coroutine))


CALLS = {
    "cancel": lambda s, tasks: s.cancel(),
    "close": lambda s, tasks: s.outgoing.close(),
    "a Close frame": lambda s, tasks: s.outgoing.try_send(Frame.Close()),
    "close, awaited elsewhere": lambda s, tasks: _held(s.close(), tasks),
    "stop receiving": lambda s, tasks: s.incoming.cancel(),
}
CLOSING = ("cancel", "close", "a Close frame")


@pytest.mark.parametrize("call", CALLS)
async def test_compress_if_may_end_the_session(call):
    """What it was asked about cannot follow the Close frame (RFC 6455 §5.5.1)."""
    tasks, held = [], []

    def compress_if(frame):
        CALLS[call](held[0], tasks)
        return True

    seen = []

    async def script(peer):
        await peer.accept(headers=b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
        first = 0
        while first != 0x88:
            first, _ = await peer.frame()
            seen.append(first)
        await peer.send(close(1000))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                seen.append(await peer._reader.read(100))

    extensions = [WebSocketDeflateExtension.install(compress_if=compress_if)]
    async with scripted(script) as server:
        async with client(extensions=extensions) as c:
            session = await c.websocket_session(server.url())
            held.append(session)
            if call in CLOSING:
                with pytest.raises((ClosedSendChannelError, SessionCancelledError)):
                    await session.send("x" * 10)
            else:
                await session.send("x" * 10)
            async with asyncio.timeout(5):
                await session.close()
                await asyncio.gather(*tasks)
    assert seen[seen.index(0x88) + 1 :] in ([], [b""])


async def test_compress_if_may_send():
    """Its message goes first, whole; both can be inflated."""
    held, texts = [], []

    def compress_if(frame):
        if frame.data == b"outer":
            assert held[0].outgoing.try_send("inner").is_success
        return True

    extensions = [WebSocketDeflateExtension.install(compress_if=compress_if)]
    async with connected(extensions=extensions) as (session, peer, _):
        held.append(session)
        await session.send("outer")
        await session.send("outer")
        await ticks()
        inflater = WebSocketDeflateExtension()
        inflater.server_negotiation([WebSocketExtensionHeader("permessage-deflate")])
        for received in drained(peer):
            texts.append(inflater.process_incoming_frame(received).data)
    assert texts == [b"inner", b"outer"] * 2


HEADER = WebSocketExtensionHeader("x-calls-back")


class CallsBack(WebSocketExtension):
    """Calls something while it takes an incoming frame."""

    rsv1 = True
    call = None

    @property
    def protocols(self):
        return [HEADER]

    def client_negotiation(self, negotiated):
        return HEADER in negotiated

    def server_negotiation(self, requested):
        return [HEADER]

    def session_opened(self, session):
        self.session = session

    def process_outgoing_frame(self, frame):
        return frame

    def process_incoming_frame(self, frame):
        if CallsBack.call is not None:
            CallsBack.call(self.session)
        return frame


@pytest.mark.parametrize("call", CALLS)
async def test_an_extension_may_end_the_session_while_frames_arrive(call):
    tasks = []
    CallsBack.call = lambda session: CALLS[call](session, tasks)
    try:
        async with connected(extensions=[CallsBack.install()]) as (session, peer, _):
            peer.send("one", "two", "three")
            await ticks()
            peer.close()
            async with asyncio.timeout(5):
                await session.close()
                await asyncio.gather(*tasks)
            assert session.has_ended
    finally:
        CallsBack.call = None


class Hooked(HttpClientFeature):
    """Calls something when a session opens, and when it ends."""

    def __init__(self, *, opened, closed):
        self.session_opened = opened
        self.session_closed = closed


@pytest.mark.parametrize("call", CALLS)
async def test_a_features_hooks_may_end_the_session(call):
    tasks, ended = [], []

    def opened(session):
        CALLS[call](session, tasks)

    def closed(session):
        CALLS[call](session, tasks)
        ended.append(session)

    async with MockEngine() as engine:
        hooked = Hooked(opened=opened, closed=closed)
        async with HttpClient(engine, features=[hooked]) as c:
            c.install(WebSockets)
            async with asyncio.timeout(5):
                session = await c.websocket_session(URL)
                await session.close()
                await asyncio.gather(*tasks)
    assert ended == [session]


async def test_a_hook_that_raises_leaves_no_session_behind():
    def opened(session):
        raise KeyError("of the hook")

    async with MockEngine() as engine:
        hooked = Hooked(opened=opened, closed=lambda session: None)
        async with HttpClient(engine, features=[hooked]) as c:
            c.install(WebSockets)
            with pytest.raises(KeyError, match="of the hook"):
                await c.websocket_session(URL)
            assert not c._sessions


async def test_an_end_callback_may_call_everything():
    async with connected() as (session, peer, _):
        called = []

        def ended():
            session.cancel()
            session.outgoing.close()
            session.incoming.cancel()
            session.invoke_on_end(lambda: called.append("nested"))
            called.append("ended")

        session.invoke_on_end(ended)
        peer.lose()
        await session.wait_closed()
        with pytest.raises((ConnectionLostError, ClosedReceiveChannelError)):
            await session.incoming.receive()
    assert sorted(called) == ["ended", "nested"]


# Other loops and threads.


async def _raises_elsewhere(make):
    """What the call raises in a thread with an event loop of its own."""
    results = []

    def elsewhere():
        async def main():
            async with asyncio.timeout(5):
                await make()

        try:
            asyncio.run(main())
        except BaseException as error:
            results.append(error)

    await asyncio.to_thread(elsewhere)
    return results[0] if results else None


async def test_a_receiver_of_another_loop_is_refused():
    async with connected() as (session, peer, _):
        error = await _raises_elsewhere(session.incoming.receive)
        assert isinstance(error, RuntimeError)
        peer.send("hello")
        assert (await session.incoming.receive()).data == b"hello"


async def test_whoever_awaits_the_end_on_another_loop_is_refused():
    async with connected() as (session, peer, _):
        for make in (session.wait_closed, lambda: _awaited(session.close_reason)):
            assert isinstance(await _raises_elsewhere(make), RuntimeError)
        peer.close(CloseReason(1000, ""))
        await session.wait_closed()
        assert (await session.close_reason).code == 1000


async def _awaited(value):
    return await value


@pytest.mark.parametrize("large", [False, True])
async def test_debug_mode_refuses_a_sender_of_another_thread(large):
    """Nothing of its frame is sent, and the session goes on."""
    message = b"x" * (100_000 if large else 1)
    seen = []

    async def script(peer):
        await peer.accept()
        for _ in range(2):
            seen.append(await peer.frame())
        await peer.frame()
        await peer.send(frame(BINARY, b"") + close(1000))

    asyncio.get_running_loop().set_debug(True)
    async with scripted(script) as server, client(transport="asyncio") as c:
        async with c.ws(server.url()) as session:
            error = await _raises_elsewhere(lambda: session.send(message))
            assert isinstance(error, RuntimeError)
            await session.send("one")
            await session.send("two")
            await session.flush()
    assert seen == [(0x81, b"one"), (0x81, b"two")]


async def test_a_session_whose_loop_is_gone_hangs_nobody():
    def first():
        async def main():
            async def script(peer):
                await peer.accept()
                await peer.hold()

            opened.append(scripted(script))
            server = await opened[0].__aenter__()
            return await client().websocket_session(server.url())

        return runner.run(main())

    opened, results = [], []

    def elsewhere():
        session = first()
        runner.close()

        async def after():
            for make in (session.close, session.incoming.receive, session.flush):
                try:
                    async with asyncio.timeout(5):
                        await make()
                except TimeoutError:
                    results.append("hangs")
                except Exception as error:
                    results.append(type(error))

        asyncio.run(after())

    runner = asyncio.Runner()
    await asyncio.to_thread(elsewhere)
    assert "hangs" not in results
