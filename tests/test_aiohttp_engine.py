"""The AioHttp engine over real sockets: its sessions, with servers of others too."""

import asyncio
import contextlib

import aiohttp
import pytest
import websockets
from aiohttp import web

from ktorws import (
    CIO,
    AioHttp,
    ClientWebSocketSession,
    ClosedReceiveChannelError,
    CloseReason,
    ConnectionLostError,
    DefaultClientWebSocketSession,
    Frame,
    HttpClient,
    PingTimeoutError,
    SessionCancelledError,
    WebSocketChannelsConfig,
    WebSocketDeflateExtension,
    WebSockets,
    bounded,
)
from tests.certificates import client_context, server_context
from tests.network_fixtures import (
    SECURE,
    client,
    nothing_left,
    scheme_of,
    settled,
    tls_of,
)
from tests.octets import BINARY, CONTINUATION, PING, TEXT, close, frame
from tests.scripted import scripted, switching_protocols
from tests.serving import made

HELLO = b"\x81\x05Hello"  # RFC 6455 §5.7
BLOCK = bytes(64 * 1024)
MUCH = 400  # blocks: more than any pair of sockets holds


def over_aiohttp(**options):
    return client(AioHttp(ssl=client_context()), **options)


async def end(peer):
    """The server's part of a closing handshake that the client begins."""
    first, payload = await peer.frame()
    assert first == 0x88
    await peer.send(frame(8, payload))


# One program, whatever the engine and the server.


@contextlib.asynccontextmanager
async def serving_ours(context):
    async with made(secure=context is not None) as server:
        yield server.port


@contextlib.asynccontextmanager
async def serving_websockets(context):
    async def echo(connection):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in connection:
                await connection.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0, ssl=context) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def serving_aiohttp(context, handler=None):
    async def echo(request):
        response = web.WebSocketResponse()
        await response.prepare(request)
        async for message in response:
            if message.type is aiohttp.WSMsgType.TEXT:
                await response.send_str(message.data)
            else:
                await response.send_bytes(message.data)
        return response

    app = web.Application()
    app.router.add_get("/{any:.*}", handler or echo)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


SERVERS = pytest.mark.parametrize(
    "serving",
    [serving_ours, serving_websockets, serving_aiohttp],
    ids=["ktorws", "websockets", "aiohttp"],
)


@SECURE
@SERVERS
@pytest.mark.parametrize("engine", [CIO, AioHttp])
async def test_the_page_s_conversation_is_one_program(engine, serving, secure):
    heard = []
    context = server_context() if secure else None
    made_engine = engine(ssl=client_context()) if secure else engine
    async with (
        nothing_left(),
        serving(context) as port,
        HttpClient(made_engine) as c,
    ):
        c.install(WebSockets, ping_interval_millis=15_000, timeout_millis=15_000)
        open_ = c.wss if secure else c.ws
        async with open_(
            method="GET", host="127.0.0.1", port=port, path="/echo"
        ) as session:
            await session.send("Hello, Text frame")
            await session.send(Frame.Text("Hello World"))
            await session.send(Frame.Binary(b"\x00\x01"))
            for _ in range(3):
                match await session.incoming.receive():
                    case Frame.Text() as received:
                        heard.append(received.read_text())
                    case Frame.Binary() as received:
                        heard.append(received.read_bytes())
    assert heard == ["Hello, Text frame", "Hello World", b"\x00\x01"]
    assert type(c.engine).name == engine.__name__
    assert type(session) is DefaultClientWebSocketSession
    assert await session.close_reason == CloseReason(CloseReason.Codes.NORMAL, "")


# Frames behind the handshake.


@SECURE
async def test_frames_in_the_packet_of_the_answer_arrive(secure):
    async def script(peer):
        await peer.accept(then=HELLO + frame(PING, b"?") + frame(BINARY, b"\x00"))
        assert await peer.frame() == (0x8A, b"?")
        await end(peer)

    async with (
        nothing_left(),
        scripted(script, **tls_of(secure)) as server,
        over_aiohttp() as c,
        c.ws(server.url(scheme=scheme_of(secure))) as session,
    ):
        assert await session.incoming.receive() == Frame.Text("Hello")
        assert await session.incoming.receive() == Frame.Binary(b"\x00")


@SECURE
async def test_an_answer_in_single_octets_is_understood(secure):
    async def script(peer):
        for octet in switching_protocols(await peer.head()) + HELLO:
            await peer.send(bytes([octet]))
            await asyncio.sleep(0)
        await end(peer)

    async with (
        scripted(script, **tls_of(secure)) as server,
        over_aiohttp() as c,
        c.ws(server.url(scheme=scheme_of(secure))) as session,
    ):
        assert await session.incoming.receive() == Frame.Text("Hello")


@contextlib.asynccontextmanager
async def slow_to_hand_over(gone):
    """A session of aiohttp's that waits for the end before it gives the answer."""
    trace = aiohttp.TraceConfig()

    async def wait(*_):
        await gone.wait()
        await asyncio.sleep(0.05)  # until aiohttp has seen the end

    trace.on_request_end.append(wait)
    connector = aiohttp.TCPConnector(ssl=client_context())
    async with aiohttp.ClientSession(
        connector=connector, trace_configs=[trace]
    ) as session:
        yield AioHttp(preconfigured=session)


@SECURE
async def test_what_came_before_an_end_that_aiohttp_saw_is_not_lost(secure):
    gone = asyncio.Event()

    async def script(peer):
        octets = frame(PING, b"?") + HELLO * 3 + close(1001, b"bye")
        await peer.accept(then=octets)
        await peer.close()
        gone.set()

    async with (
        nothing_left(),
        scripted(script, **tls_of(secure)) as server,
        slow_to_hand_over(gone) as engine,
        client(engine) as c,
    ):
        session = await c.websocket_session(server.url(scheme=scheme_of(secure)))
        assert [f.read_text() async for f in session.incoming] == ["Hello"] * 3
        assert await session.close_reason == CloseReason(1001, "bye")
        await session.wait_closed()


async def test_a_loss_that_aiohttp_saw_is_no_end():
    gone = asyncio.Event()

    async def script(peer):
        await peer.accept(then=HELLO)
        peer.reset()
        gone.set()

    async with (
        nothing_left(),
        scripted(script) as server,
        slow_to_hand_over(gone) as engine,
        client(engine) as c,
    ):
        session = await c.websocket_session(server.url())
        assert await session.incoming.receive() == Frame.Text("Hello")
        with pytest.raises(ConnectionLostError) as caught:
            await session.incoming.receive()
        assert isinstance(caught.value.__cause__, OSError)


# What sessions can, and a WebSocket of aiohttp's cannot.


async def test_a_raw_session_gives_every_frame_and_answers_nothing():
    async def script(peer):
        await peer.accept(
            then=frame(TEXT, b"Hel", fin=False)
            + frame(PING, b"?")
            + frame(CONTINUATION, b"lo")
        )
        assert await peer.frame() == (0x01, b"frag")
        await peer.send(close(1000))
        assert await peer.frame() == (0x88, b"\x03\xe8")

    async with (
        nothing_left(),
        scripted(script) as server,
        over_aiohttp() as c,
        c.ws_raw(server.url()) as session,
    ):
        assert type(session) is ClientWebSocketSession
        await session.send(Frame.Text("frag", fin=False))
        frames = [await session.incoming.receive() for _ in range(4)]
        assert [(f.fin, f.data) for f in frames] == [
            (False, b"Hel"),
            (True, b"?"),
            (True, b"lo"),
            (True, b"\x03\xe8"),
        ]


async def test_messages_are_compressed_with_a_server_of_aiohttp_s():
    extension = WebSocketDeflateExtension.install()
    text = "compress me " * 1000
    async with (
        nothing_left(),
        serving_aiohttp(None) as port,
        over_aiohttp(extensions=[extension]) as c,
        c.ws(host="127.0.0.1", port=port) as session,
    ):
        assert session.extension(WebSocketDeflateExtension)
        await session.send(text)
        assert (await session.incoming.receive()).read_text() == text


async def test_pings_measure_the_latency():
    async with (
        serving_websockets(None) as port,
        over_aiohttp(ping_interval=0.01) as c,
        c.ws(host="127.0.0.1", port=port) as session,
    ):
        await settled(lambda: session.latency is not None)
        assert 0 < session.latency < 5


async def test_a_peer_that_answers_no_ping_is_left():
    async def script(peer):
        await peer.accept()
        assert (await peer.frame())[0] == 0x89
        await peer.rest()

    async with nothing_left(), scripted(script) as server:
        async with over_aiohttp(ping_interval=0.01, timeout=0.1) as c:
            session = await c.websocket_session(server.url())
            with pytest.raises(PingTimeoutError):
                await session.incoming.receive()
            assert (await session.close_reason).code == 1011


# Pauses both ways.


@SECURE
async def test_a_slow_peer_suspends_the_sender(secure):
    go_on = asyncio.Event()
    received = []

    async def script(peer):
        await peer.accept()
        peer.stop_reading()
        await go_on.wait()
        peer.go_on_reading()
        for _ in range(MUCH):
            received.append((await peer.frame())[1])
        await end(peer)

    async with (
        nothing_left(),
        scripted(script, **tls_of(secure)) as server,
        over_aiohttp() as c,
        c.ws(server.url(scheme=scheme_of(secure))) as session,
    ):
        sent = []

        async def send():
            for number in range(MUCH):
                await session.send(number.to_bytes(2, "big") + BLOCK)
                sent.append(number)

        sender = asyncio.create_task(send())
        await stands_still(lambda: len(sent))
        assert not sender.done()
        go_on.set()
        await sender
    assert [int.from_bytes(p[:2], "big") for p in received] == list(range(MUCH))


@SECURE
async def test_a_slow_reader_stops_the_peer_and_loses_nothing(secure):
    sent = []

    async def script(peer):
        await peer.accept()
        for number in range(MUCH):
            await peer.send(frame(BINARY, number.to_bytes(2, "big") + BLOCK))
            sent.append(number)
        await end(peer)

    channels = WebSocketChannelsConfig(incoming=bounded(4))
    async with (
        nothing_left(),
        scripted(script, **tls_of(secure)) as server,
        over_aiohttp(channels=channels) as c,
        c.ws(server.url(scheme=scheme_of(secure))) as session,
    ):
        await stands_still(lambda: len(sent))
        assert len(sent) < MUCH
        assert len(session.incoming) < 10
        received = [await session.incoming.receive() for _ in range(MUCH)]
    assert [int.from_bytes(f.data[:2], "big") for f in received] == list(range(MUCH))


async def stands_still(value):
    """Wait until a value does not change any more."""
    last, since = None, 0
    while since < 20:
        await asyncio.sleep(0.01)
        last, since = (last, since + 1) if value() == last else (value(), 0)


# Ends.


@SECURE
@pytest.mark.parametrize("how", ["close", "lose", "reset"])
async def test_a_close_frame_is_told_from_a_lost_connection(how, secure):
    async def script(peer):
        await peer.accept(then=HELLO)
        if how == "close":
            await peer.send(close(4001, b"enough"))
            assert await peer.frame() == (0x88, b"\x0f\xa1enough")
        elif how == "lose":
            await peer.close()
        else:
            await peer.frame()
            peer.reset()

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with over_aiohttp() as c:
            session = await c.websocket_session(server.url(scheme=scheme_of(secure)))
            assert await session.incoming.receive() == Frame.Text("Hello")
            if how == "reset":
                await session.send("now")
            expected = ClosedReceiveChannelError if how == "close" else None
            with pytest.raises(expected or ConnectionLostError):
                await session.incoming.receive()
            code = (await session.close_reason).code
            assert code == (4001 if how == "close" else 1006)
            await session.wait_closed()


async def test_cancelling_a_receiver_loses_nothing():
    async with made() as server, over_aiohttp() as c:
        async with c.ws(host="127.0.0.1", port=server.port, path="/echo") as session:
            waiting = asyncio.create_task(session.incoming.receive())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await session.send("still here")
            assert (await session.incoming.receive()).read_text() == "still here"


async def test_a_cancelled_session_is_gone():
    async with nothing_left(), made() as server, over_aiohttp() as c:
        session = await c.websocket_session(f"ws://127.0.0.1:{server.port}/echo")
        waiting = asyncio.create_task(session.incoming.receive())
        await asyncio.sleep(0)
        session.cancel()
        with pytest.raises(SessionCancelledError):
            await waiting
        await session.wait_closed()
