"""What runs inside Pyodide: each function is one test of `Js`, against `far`.

Nothing of pytest is here. ``far`` has the addresses that `far.Far.serving` gives.
"""

import asyncio
import gc
import os

import js

from ktorws import (
    CIO,
    CODEC,
    ChannelOverflow,
    ChannelOverflowError,
    ClosedReceiveChannelError,
    CloseReason,
    ConnectError,
    ConnectionLostError,
    DefaultClientWebSocketSession,
    Frame,
    FrameTooBigError,
    HttpClient,
    Js,
    OpenTimeoutError,
    ProtocolViolationError,
    Reconnect,
    UnsupportedFrameTypeError,
    WebSocketChannelsConfig,
    WebSocketDeflateExtension,
    WebSocketError,
    WebSockets,
    bounded,
    unlimited,
)
from ktorws.engines.js import JsConnection

NUMBERS = 5000  # more than a channel holds
BLOCKS = 400  # more than both ends and what is between them hold
BLOCK = os.urandom(64 * 1024)  # deflate must not make it small


def client(**options):
    return HttpClient().install(WebSockets, **options)


async def raised(kind, awaitable):
    """The error of this kind that awaiting raises."""
    try:
        got = await awaitable
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} awaited, not {got!r}")


async def refused(kind, function, *arguments):
    """The text of the error that calling raises."""

    async def call():
        return function(*arguments)

    return str(await raised(kind, call()))


async def the_client_picks_js_by_itself(far):
    made = HttpClient()
    assert type(made.engine) is Js
    assert CODEC == "python"
    assert "use Js" in await refused(RuntimeError, CIO)


async def text_and_octets_go_and_come_unchanged(far):
    texts = ["", "Grüße, 世界 🙂", "\x00\r\n", "ä" * 100_000]
    octets = [b"", bytes(range(256)), bytearray(b"abc"), memoryview(bytes(2**20))]
    async with client().ws(far["echo"]) as session:
        assert isinstance(session, DefaultClientWebSocketSession)
        for text in texts:
            await session.send(text)
            await session.send(Frame.Text(text.encode()))
            assert await session.incoming.receive() == Frame.Text(text)
            assert await session.incoming.receive() == Frame.Text(text)
        for data in octets:
            await session.send(data)
            assert await session.incoming.receive() == Frame.Binary(data)


async def a_secure_server_is_spoken_to(far):
    async with client().wss(far["secure"]) as session:
        assert session.call.request.secure
        await session.send("Hello")
        assert (await session.incoming.receive()).read_text() == "Hello"


async def a_url_that_the_browser_does_not_take_is_a_connect_error(far):
    opening = client().websocket_session("ws://[fe80::1%25lo]:1/")
    error = await raised(ConnectError, opening)
    assert str(error).endswith(": SyntaxError"), error


async def a_subprotocol_is_agreed_on_and_little_else_is_told(far):
    url = f"{far['base']}/chat"
    async with client().ws(url, subprotocols=["other", "chat"]) as session:
        response = session.call.response
        assert session.subprotocol == "chat"
        assert session.extensions == []
        assert response.status == 101
        assert response.headers["Sec-WebSocket-Protocol"] == "chat"
        # The browser's own offer, which our server takes.
        assert "permessage-deflate" in response.headers["Sec-WebSocket-Extensions"]
        assert set(response.headers) == {
            "Sec-WebSocket-Protocol",
            "Sec-WebSocket-Extensions",
        }
        await session.send("Hello" * 100)
        assert (await session.incoming.receive()).read_text() == "Hello" * 100


async def frames_and_close_in_the_packet_of_the_answer_are_not_lost(far):
    async with client() as made:
        for _ in range(10):
            session = await made.websocket_session(far["at_once"])
            await session.wait_closed()  # the reader comes late
            texts = [frame.read_text() async for frame in session.incoming]
            assert texts == ["0", "1", "2"]
            assert await session.close_reason == CloseReason(4001, "that was all")
            error = await raised(ClosedReceiveChannelError, session.incoming.receive())
            assert error.close_reason.code == 4001


async def a_connection_that_is_cut_is_a_loss_behind_what_arrived(far):
    session = await client().websocket_session(far["cut"])
    for number in range(3):
        assert (await session.incoming.receive()).read_text() == str(number)
    await raised(ConnectionLostError, session.incoming.receive())
    assert (await session.close_reason).code == CloseReason.Codes.CLOSED_ABNORMALLY


async def a_lost_session_is_followed_by_another_behind_a_gap(far):
    gaps, received = [], []
    async with client().install(Reconnect, initial=0.01) as c:
        async for connection in c.ws_reconnecting(far["cut"]):
            async with connection as (session, gap):
                gaps.append(gap)
                if len(gaps) == 3:
                    break
                async for frame in session.incoming:
                    received.append(frame)
    assert gaps[0] is None
    assert all(isinstance(gap.cause, ConnectionLostError) for gap in gaps[1:])
    assert received[: len(received) // 2] == received[len(received) // 2 :] != []


async def a_close_code_that_nobody_may_send_is_no_close(far):
    session = await client().websocket_session(far["odd_close"])
    error = await raised(WebSocketError, session.incoming.receive())
    # Chromium tells the code, and Node's ws refuses it itself.
    assert type(error) in {ProtocolViolationError, ConnectionLostError}, error
    await session.wait_closed()


async def codes_that_a_program_may_use_arrive_and_the_others_as_none(far):
    url = f"{far['base']}/raw"
    reasons = [
        CloseReason(1000, "bye"),
        CloseReason(4001, "Grüße"),
        CloseReason(1001, "away"),
        CloseReason(1011, ""),
    ]
    for reason in reasons:
        session = await client().websocket_session(url)
        await session.close(reason)
        assert session.has_ended
        assert await session.close_reason == reason
    async with client().ws(url) as session:
        await session.send(Frame.Close())
    session = await client().websocket_session(url)
    session.cancel()
    await session.wait_closed()


async def what_keeps_a_browser_from_connecting_is_a_connect_error(far):
    refused_path = f"{far['base']}/nothing/here?token=secret"
    for url in (refused_path, far["dead"], far["moved"], "ws://127.0.0.1:6000/"):
        error = await raised(ConnectError, client().websocket_session(url))
        reached = url.removeprefix("ws://").partition("/")[0]
        told = f"Failed while waiting for the browser to reach {reached}: "
        assert str(error).startswith(told), error
        assert "secret" not in str(error)
    opening = client().websocket_session(far["echo"], subprotocols=["unknown"])
    await raised(ConnectError, opening)


async def a_server_that_never_answers_is_left_after_the_open_timeout(far):
    opening = client(open_timeout=0.2).websocket_session(far["silent"])
    error = await raised(OpenTimeoutError, opening)
    assert "timed out while waiting for the browser" in str(error)


async def a_cancelled_opening_closes_its_socket(far):
    opening = asyncio.ensure_future(client().websocket_session(far["silent"]))
    await asyncio.sleep(0.2)
    opening.cancel()
    await raised(asyncio.CancelledError, opening)


async def what_a_browser_cannot_do_is_refused_by_name(far):
    narrow = WebSocketChannelsConfig(incoming=bounded(5))
    deflate = [WebSocketDeflateExtension.install()]
    cases = [
        ("ping_interval", {"ping_interval": 15}, {}),
        ("ping_interval", {"ping_interval_millis": 15_000}, {}),
        ("extensions", {"extensions": deflate}, {}),
        ("channels", {"channels": narrow}, {}),
        ("headers (Authorization, X-A)", {}, {"Authorization": "secret", "X-A": "b"}),
    ]
    for name, options, headers in cases:
        made = client(**options)
        opening = made.websocket_session(far["echo"], headers=headers)
        error = await raised(ValueError, opening)
        assert str(error).startswith(f"Js cannot honour {name}"), error
        assert "secret" not in str(error)
    error = await raised(ValueError, client().websocket_raw_session(far["echo"]))
    assert "a raw session" in str(error)
    opening = client().websocket_session(far["echo"], sock=object())
    assert "sock" in str(await raised(ValueError, opening))


async def an_open_session_refuses_it_as_well(far):
    async with client().ws(far["echo"]) as session:
        for name, value in (("ping_interval", 5), ("masking", False)):
            assert name in await refused(ValueError, setattr, session, name, value)
        session.ping_interval = None
        session.masking = True
        frames = [
            Frame.Ping(b""),
            Frame.Pong(b""),
            Frame.Text("begin", fin=False),
            Frame.Binary(b"", rsv1=True),
        ]
        for frame in frames:
            await raised(UnsupportedFrameTypeError, session.send(frame))
        await raised(ValueError, session.send("\ud800"))
        await raised(ValueError, session.send(Frame.Text(b"\xff")))
        await raised(TypeError, session.send(5))
        await session.send("still here")
        assert (await session.incoming.receive()).read_text() == "still here"
        assert session.latency is None


async def a_message_over_the_limit_ends_the_session_behind_what_was_there(far):
    url = f"{far['base']}/numbers?n=3"
    session = await client(max_frame_size=1000).websocket_session(url)
    assert session.max_frame_size == 1000
    for number in range(3):
        assert (await session.incoming.receive()).read_text() == str(number)
    error = await raised(FrameTooBigError, session.incoming.receive())
    assert error.frame_size == 2000
    assert (await session.close_reason).code == CloseReason.Codes.TOO_BIG
    await session.wait_closed()


async def a_reader_that_sleeps_loses_nothing(far):
    url = f"{far['base']}/numbers?n={NUMBERS}"
    for channels in (None, WebSocketChannelsConfig(incoming=unlimited())):
        async with client(channels=channels).ws(url) as session:
            while len(session.incoming) <= NUMBERS:  # noqa: ASYNC110  nobody tells
                await asyncio.sleep(0.01)
            for number in range(NUMBERS):
                assert (await session.incoming.receive()).read_text() == str(number)


async def a_channel_that_closes_keeps_its_limit(far):
    url = f"{far['base']}/numbers?n={NUMBERS}"
    channels = WebSocketChannelsConfig(incoming=bounded(10, ChannelOverflow.CLOSE))
    session = await client(channels=channels).websocket_session(url)
    await session.wait_closed()
    for number in range(len(session.incoming)):
        assert (await session.incoming.receive()).read_text() == str(number)
    await raised(ChannelOverflowError, session.incoming.receive())


async def a_slow_peer_stops_the_sender(far):
    channels = WebSocketChannelsConfig(outgoing=bounded(8, max_bytes=2**20))
    made = client(channels=channels)
    session = await made.websocket_session(f"{far['base']}/deaf")
    sent = 0

    async def send():
        nonlocal sent
        for _ in range(BLOCKS):
            await session.send(BLOCK)
            sent += 1
        await session.send(b"end")

    sending = asyncio.ensure_future(send())
    before = -1
    while sent > before:
        before = sent
        await asyncio.sleep(0.3)
    assert 0 < sent < BLOCKS
    assert session._connection.backlog_bytes < 2 * 2**20
    async with made.ws(f"{far['base']}/release"):
        pass
    await sending
    await session.flush()
    assert session._connection.backlog_bytes == 0
    total = BLOCKS * len(BLOCK) + len(b"end")
    assert (await session.incoming.receive()).read_text() == str(total)
    await session.close()


async def a_sender_that_never_waits_lets_others_run(far):
    turns = 0

    async def count():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with client().ws(far["echo"]) as session:
        counting = asyncio.ensure_future(count())
        for _ in range(4000):
            await session.send(bytes(100))
        counting.cancel()
        assert turns >= 3


async def nothing_is_left_of_sessions(far):
    async with client() as made:
        for _ in range(20):
            async with made.ws(far["echo"]) as session:
                await session.send("Hello")
                await session.incoming.receive()
        del session
        for _ in range(5):
            await raised(ConnectError, made.websocket_session(far["dead"]))
        tasks = asyncio.all_tasks()
    await asyncio.sleep(0.1)
    gc.collect()
    left = [each for each in gc.get_objects() if isinstance(each, JsConnection)]
    assert not left, left
    assert asyncio.all_tasks() == tasks


async def a_place_without_a_websocket_is_told(far):
    constructor = js.WebSocket
    js.globalThis.WebSocket = None
    try:
        text = await refused(RuntimeError, HttpClient)
    finally:
        js.globalThis.WebSocket = constructor
    assert "There is no WebSocket here" in text
