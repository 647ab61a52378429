"""Callers who pass nonsense: nothing of it is sent, and the session stays whole."""

import array
import asyncio
import ctypes
import mmap

import pytest

from ktorws import (
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    CloseReason,
    Frame,
    HttpClient,
    WebSockets,
)
from ktorws.engines.mock import MockEngine
from tests.mocking import URL, connected, drained, ticks

INJECTED = ["\r", "\n", "\r\n", "\0", "\r\nX-Injected: yes\r\n\r\n", "\x0b", "\x7f"]
PARTS = {
    "a header's name": lambda bad: {"headers": {f"X{bad}Y": "z"}},
    "a header's value": lambda bad: {"headers": {"X": f"y{bad}z"}},
    "a header's value, at its end": lambda bad: {"headers": [("X", f"y{bad}")]},
    "a cookie": lambda bad: {"headers": {"Cookie": f"a=b{bad}"}},
    "an origin": lambda bad: {"headers": {"Origin": f"http://a{bad}"}},
    "a Host": lambda bad: {"headers": {"Host": f"a{bad}b"}},
    "a subprotocol": lambda bad: {"subprotocols": [f"chat{bad}"]},
    "a subprotocol in a header": lambda bad: {
        "headers": {"Sec-WebSocket-Protocol": f"chat{bad}x"}
    },
    "a path": lambda bad: {"host": "mock.test", "path": f"/a{bad}b"},
    "a query": lambda bad: {"host": "mock.test", "path": f"/a?b={bad}c"},
    "a host": lambda bad: {"host": f"mock{bad}.test", "path": "/"},
    "a method": lambda bad: {"method": f"GET{bad}"},
    "a URL's path": lambda bad: {"url": f"ws://mock.test/a{bad}b"},
    "a URL's host": lambda bad: {"url": f"ws://mock{bad}.test/"},
    "a URL's port": lambda bad: {"url": f"ws://mock.test:80{bad}/"},
    "a URL's user": lambda bad: {"url": f"ws://a{bad}@mock.test/"},
    "a builder's header": lambda bad: {
        "request": lambda builder: builder.headers.add("X", f"a{bad}b")
    },
    "a builder's path": lambda bad: {
        "request": lambda builder: setattr(builder, "path", f"/a{bad}b")
    },
}


@pytest.mark.parametrize("bad", INJECTED, ids=repr)
@pytest.mark.parametrize("part", PARTS)
async def test_no_control_character_reaches_the_wire(part, bad):
    options = PARTS[part](bad)
    if "host" not in options:
        options = {"url": URL, **options}
    async with MockEngine() as engine, HttpClient(engine) as client:
        client.install(WebSockets, open_timeout=1)
        try:
            session = await client.websocket_session(**options)
        except (ValueError, TypeError):
            assert not engine.peers
            return
        # Percent-encoded or dropped, as a URL's parts may be: nothing was injected.
        request = session.call.request
        lines = [request.target, request.host, *request.headers, *request.subprotocols]
        lines += request.headers.values()
        assert not any(ord(c) < 32 or ord(c) == 127 for line in lines for c in line)
        assert "X-Injected" not in request.headers
        session.cancel()


NONSENSE = [
    {"url": 5},
    {"url": b"ws://mock.test/"},
    {"url": object()},
    {"url": "ftp://mock.test/"},
    {"url": "ws://"},
    {"url": "ws://mock.test:99999/"},
    {"url": URL, "host": "other.test"},
    {"host": 5},
    {"host": "mock.test", "port": "80"},
    {"host": "mock.test", "port": 65536},
    {"host": "mock.test", "port": -1},
    {"host": "mock.test", "port": True},
    {"host": "mock.test", "port": 80.0},
    {"host": "mock.test", "path": b"/"},
    {"host": "mock.test", "path": 5},
    {"url": URL, "method": "POST"},
    {"url": URL, "method": None},
    {"url": URL, "headers": 5},
    {"url": URL, "headers": {"X": 5}},
    {"url": URL, "headers": {"X": None}},
    {"url": URL, "headers": {"X": b"y"}},
    {"url": URL, "headers": {5: "x"}},
    {"url": URL, "headers": {"": "x"}},
    {"url": URL, "headers": {"X": "\u20ac"}},
    {"url": URL, "headers": {"X": "\ud800"}},
    {"url": URL, "headers": {"Content-Length": "5"}},
    {"url": URL, "headers": {"Transfer-Encoding": "chunked"}},
    {"url": URL, "headers": {"Sec-WebSocket-Key": "x"}},
    {"url": URL, "headers": [("Host", "a"), ("host", "b")]},
    {"url": URL, "subprotocols": "chat"},
    {"url": URL, "subprotocols": [5]},
    {"url": URL, "subprotocols": ["a", "a"]},
    {"url": URL, "subprotocols": [""]},
    {"url": URL, "subprotocols": 5},
    {"url": URL, "params": 5},
    {"url": URL, "params": {"a": object()}},
    {"url": URL, "request": 5},
]


@pytest.mark.parametrize("options", NONSENSE, ids=str)
async def test_a_request_of_nonsense_is_the_callers_mistake(options):
    async with MockEngine() as engine, HttpClient(engine) as client:
        client.install(WebSockets, open_timeout=1)
        with pytest.raises((TypeError, ValueError)):
            await client.websocket_session(**options)
        assert not engine.peers


UNSENDABLE = [
    *(None, 5, 5.0, [], {}, (), object(), Frame, Frame.Text, type, [b"x"]),
    *("\ud800", "ok\udfff", CloseReason(1000, "")),
]


@pytest.mark.parametrize("value", UNSENDABLE, ids=ascii)
async def test_what_cannot_be_sent_leaves_the_session_as_it_was(value):
    async with connected() as (session, peer, _):
        for send in (session.send, session.outgoing.send):
            with pytest.raises((TypeError, ValueError)):
                await send(value)
        with pytest.raises((TypeError, ValueError)):
            session.outgoing.try_send(value)
        await session.send("still here")
        await session.send(b"and here")
        await ticks()
        assert [f.data for f in drained(peer)] == [b"still here", b"and here"]


@pytest.mark.parametrize(
    "attempt",
    [
        lambda s: s.close("bye"),
        lambda s: s.close(1000),
        lambda s: s.close(None),
        lambda s: s.close(CloseReason(1006)),
        lambda s: s.close(CloseReason(0)),
        lambda s: s.close(CloseReason(2999)),
        lambda s: s.incoming.receive_many(0),
        lambda s: s.incoming.receive_many(-1),
        lambda s: s.incoming.receive_many("all"),
        lambda s: _set(s, "ping_interval", "often"),
        lambda s: _set(s, "ping_interval", True),
        lambda s: _set(s, "timeout", 0),
        lambda s: _set(s, "timeout", -1),
        lambda s: _set(s, "timeout", None),
        lambda s: _set(s, "timeout", float("nan")),
        lambda s: _set(s, "max_frame_size", 0),
        lambda s: _set(s, "max_frame_size", -1),
        lambda s: _set(s, "max_frame_size", "big"),
        lambda s: _set(s, "max_frame_size", None),
        lambda s: _set(s, "max_frame_size", 1 << 80),
    ],
)
async def test_a_wrong_argument_changes_nothing(attempt):
    async with connected() as (session, peer, _):
        before = session.ping_interval, session.timeout, session.max_frame_size
        with pytest.raises((TypeError, ValueError, OverflowError)):
            await attempt(session)
        after = session.ping_interval, session.timeout, session.max_frame_size
        assert after == before
        peer.send("hello")
        assert (await session.incoming.receive()).data == b"hello"
        await session.send("still here")
        await ticks()
        assert [f.data for f in drained(peer)] == [b"still here"]


async def _set(session, name, value):
    setattr(session, name, value)


async def test_a_closed_session_answers_every_call():
    async with connected() as (session, peer, _):
        peer.close()
        await session.wait_closed()
        for _ in range(2):
            with pytest.raises(ClosedReceiveChannelError):
                await session.incoming.receive()
            with pytest.raises(ClosedReceiveChannelError):
                await session.incoming.receive_many()
            for message in ("x", b"x", Frame.Ping(), Frame.Close()):
                with pytest.raises(ClosedSendChannelError):
                    await session.send(message)
            assert not session.outgoing.try_send("x").is_success
            assert not session.incoming.try_receive().is_success
            assert [frame async for frame in session.incoming] == []
            await session.flush()
            await session.close()
            await session.close_exceptionally(ValueError())
            session.outgoing.close()
            session.incoming.cancel()
            session.cancel()
            session.ping_interval = 1
            session.timeout = 1
            session.max_frame_size = 5
        async with session:
            pass
        assert (await session.close_reason).code == 1000


async def test_a_closed_client_opens_nothing():
    async with MockEngine() as engine:
        client = HttpClient(engine).install(WebSockets)
        late = client.ws(URL)
        await client.close()
        await client.close()
        with pytest.raises(RuntimeError, match="closed"):
            client.ws(URL)
        with pytest.raises(RuntimeError, match="closed"):
            async with late:
                pass
        assert not engine.peers


# Buffers that change while they are sent.


@pytest.mark.parametrize("size", [1, 125, 126, 70_000, 1_000_000])
@pytest.mark.parametrize("wrap", [lambda b: b, memoryview, Frame.Binary, Frame.Ping])
async def test_a_buffer_changed_after_sending_changes_nothing_sent(size, wrap):
    if wrap is Frame.Ping and size > 125:
        pytest.skip("no ping is so large")
    async with connected() as (session, peer, _):
        for _ in range(3):  # the first is written at once, the others are gathered
            buffer = bytearray(b"a" * size)
            message = wrap(buffer)
            await session.send(message)
            buffer[:] = b"b" * size
            if isinstance(message, memoryview):
                message.release()
            buffer.clear()  # would raise if somebody still held it
        await session.flush()
        await ticks(200)
        assert [f.data for f in drained(peer)] == [b"a" * size] * 3


async def test_a_buffer_resized_while_its_sender_waits_breaks_nothing():
    async with connected() as (session, peer, _):
        peer.stall()
        while session._connection.is_writable:
            await session.send(bytes(64 * 1024))
        while session.outgoing.try_send(bytes(64 * 1024)).is_success:
            pass
        buffer = bytearray(b"a" * 1000)
        sender = asyncio.ensure_future(session.send(buffer))
        await ticks()
        assert not sender.done()
        buffer[:] = b"b" * 10
        peer.resume()
        for _ in range(500):
            await ticks()
            frames = drained(peer)
            if sender.done() and frames and len(frames[-1]) < 64 * 1024:
                break
        await sender
        assert frames[-1].data in {b"a" * 1000, b"b" * 10}


class _Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_uint16), ("y", ctypes.c_uint16))


def _mapped():
    mapped = mmap.mmap(-1, 4)
    mapped.write(b"mmap")
    return mapped


BUFFERS = {
    "every second byte": lambda: memoryview(b"abcdef")[::2],
    "backwards": lambda: memoryview(b"abcdef")[::-1],
    "two dimensions": lambda: memoryview(b"abcdef").cast("B", (2, 3)),
    "two dimensions, cut": lambda: memoryview(b"abcdef").cast("B", (2, 3))[1:],
    "an array": lambda: array.array("I", [1, 2, 3]),
    "every second item": lambda: memoryview(array.array("I", [1, 2, 3, 4]))[::2],
    "doubles": lambda: memoryview(array.array("d", [1.0, 2.0])),
    "a structure": lambda: _Point(1, 2),
    "ctypes": lambda: (ctypes.c_char * 3)(b"a", b"b", b"c"),
    "mmap": _mapped,
    "nothing": lambda: memoryview(b""),
    "nothing, strided": lambda: memoryview(b"abc")[3::2],
    "a subclass of bytes": lambda: type("B", (bytes,), {})(b"abc"),
}


@pytest.mark.parametrize("name", BUFFERS)
async def test_any_buffer_is_sent_as_its_bytes_or_refused(name):
    value = BUFFERS[name]()
    whole = memoryview(value).tobytes()
    async with connected() as (session, peer, _):
        for make in (lambda v: v, Frame.Binary):
            try:
                await session.send(make(value))
            except (TypeError, ValueError, BufferError):
                # Only what is in pieces may be refused.
                assert not memoryview(value).c_contiguous
                continue
            await ticks()
            assert [f.data for f in drained(peer)] == [whole]
        await session.send("still here")
        await ticks()
        assert [f.data for f in drained(peer)] == [b"still here"]


async def test_a_released_view_is_refused():
    view = memoryview(b"abc")
    view.release()
    async with connected() as (session, peer, _):
        with pytest.raises((ValueError, TypeError, BufferError)):
            await session.send(view)
        await session.send("still here")
        await ticks()
        assert [f.data for f in drained(peer)] == [b"still here"]


async def test_a_subclass_of_str_is_sent_as_what_it_is():
    class Lying(str):
        __slots__ = ()

        def __len__(self):
            return 1_000_000

        def encode(self, *_):
            return b"\xff"

    async with connected() as (session, peer, _):
        await session.send(Lying("abc"))
        await ticks()
        assert [f.data for f in drained(peer)] == [b"abc"]


@pytest.mark.parametrize("name", ["data", "fin", "rsv1", "frame_type", "anything"])
def test_frames_cannot_be_changed(name):
    with pytest.raises(AttributeError):
        setattr(Frame.Text("x"), name, 1)
