"""`HttpClient`: features, the ways to open a session, and its end."""

import asyncio
import socket

import pytest

from ktorws import (
    CIO,
    CloseReason,
    ConnectError,
    DefaultRequest,
    Frame,
    HandshakeError,
    HttpClient,
    HttpClientEngine,
    HttpClientFeature,
    OpenTimeoutError,
    WebSockets,
)
from tests.network_fixtures import client, nothing_left, settled
from tests.octets import close, frame, mask
from tests.scripted import scripted, switching_protocols


async def echo(peer):
    """Echo messages and the Close frame."""
    await peer.accept()
    first = 0
    while first != 0x88:
        first, payload = await peer.frame()
        await peer.send(frame(first & 0xF, payload))


class Engine(HttpClientEngine):
    """Opens nothing."""

    name = "Test"

    def __init__(self):
        self.closed = 0

    async def open(self, opening):
        raise HandshakeError("no")

    async def close(self):
        self.closed += 1


# Features.


def test_installing_twice_adds_to_the_options():
    c = HttpClient().install(WebSockets, ping_interval=3.0, max_frame_size=100)
    c.install(WebSockets, max_frame_size=200)
    assert c.feature(WebSockets).ping_interval == 3.0
    assert c.feature(WebSockets).max_frame_size == 200


def test_install_gives_the_client():
    c = HttpClient()
    assert c.install(WebSockets) is c


async def test_installing_after_the_first_request_is_refused():
    c = client(Engine())
    with pytest.raises(HandshakeError):
        await c.websocket_session("ws://x/")
    with pytest.raises(RuntimeError, match="before the first request"):
        c.install(WebSockets)


def test_an_unknown_option_is_refused():
    with pytest.raises(TypeError, match="ping_intervall"):
        HttpClient().install(WebSockets, ping_intervall=3.0)


def test_an_option_out_of_range_changes_nothing():
    c = HttpClient().install(WebSockets, max_frame_size=100)
    with pytest.raises(ValueError, match="max_frame_size"):
        c.install(WebSockets, max_frame_size=0)
    assert c.feature(WebSockets).max_frame_size == 100


def test_seconds_and_milliseconds_together_are_refused():
    with pytest.raises(TypeError, match="timeout_millis"):
        HttpClient().install(WebSockets, timeout=1, timeout_millis=1000)


def test_an_options_place_is_by_name():
    with pytest.raises(TypeError, match="keyword"):
        HttpClient().install(WebSockets, 3.0)


@pytest.mark.parametrize("wrong", [object, dict, "WebSockets"])
def test_what_is_no_feature_is_refused(wrong):
    with pytest.raises(TypeError):
        HttpClient().install(wrong)
    with pytest.raises(TypeError):
        HttpClient(features=[wrong])


def test_features_may_be_given_ready_made():
    c = HttpClient(CIO, features=[WebSockets(max_frame_size=100)])
    assert c.feature(WebSockets).max_frame_size == 100


def test_a_feature_that_is_not_installed():
    c = HttpClient()
    assert c.feature_or_none(DefaultRequest) is None
    with pytest.raises(RuntimeError, match=r"install\(DefaultRequest\)"):
        c.feature(DefaultRequest)


async def test_sessions_need_the_feature():
    with pytest.raises(RuntimeError, match=r"install\(WebSockets\)"):
        await HttpClient().websocket_session("ws://127.0.0.1/")


# Engines.


async def test_an_engine_given_as_an_object_stays_open():
    engine = Engine()
    async with HttpClient(engine) as c:
        assert c.engine is engine
    assert engine.closed == 0


async def test_an_engine_given_as_a_class_is_the_clients():
    async with HttpClient(Engine) as c:
        engine = c.engine
    assert engine.closed == 1


def test_the_default_engine_is_cio():
    assert isinstance(HttpClient().engine, CIO)


@pytest.mark.parametrize("wrong", ["CIO", object(), object, WebSockets])
def test_what_is_no_engine_is_refused(wrong):
    with pytest.raises(TypeError, match="Not an engine"):
        HttpClient(wrong)


# Ways to open a session.


async def test_by_url():
    async with (
        scripted(echo) as server,
        client() as c,
        c.ws(server.url("/x")) as session,
    ):
        await session.send("Hello")
        assert await session.incoming.receive() == Frame.Text("Hello")


async def test_by_parts():
    async with scripted(echo) as server, client() as c:
        parts = {"host": "127.0.0.1", "port": server.port, "path": "/x?y=1"}
        async with c.ws(method="GET", **parts, params={"z": 2}) as session:
            assert session.call.request.target == "/x?y=1&z=2"


async def test_by_the_request_block():
    def configure(request):
        request.host, request.port, request.path = "127.0.0.1", server.port, "/b"
        request.headers["X-Block"] = "1"

    async with scripted(echo) as server, client() as c:
        async with c.ws(request=configure) as session:
            assert session.call.request.headers["X-Block"] == "1"


@pytest.mark.parametrize("name", ["ws", "websocket", "ws_raw", "websocket_raw"])
async def test_a_block_gets_the_session_and_gives_its_result(name):
    async def block(session):
        await session.send(b"1")
        return await session.incoming.receive()

    async with nothing_left(), scripted(echo) as server, client() as c:
        result = await getattr(c, name)(server.url(), block=block)
        assert result == Frame.Binary(b"1")


async def test_a_session_without_a_block_is_the_callers_to_close():
    async with scripted(echo) as server, client() as c:
        session = await c.websocket_session(server.url())
        assert session.is_active
        await session.close(CloseReason(4000, "mine"))
        assert session.has_ended
        assert await session.close_reason == CloseReason(4000, "mine")


async def test_a_raw_session_without_a_block():
    async with scripted(echo) as server, client() as c:
        session = await c.websocket_raw_session(server.url())
        await session.send(Frame.Text("a", fin=False))
        assert (await session.incoming.receive()).data == b"a"
        await session.close()


async def test_a_context_is_entered_once():
    async with scripted(echo) as server, client() as c:
        context = c.ws(server.url())
        async with context:
            pass
        with pytest.raises(RuntimeError, match="once"):
            await context.__aenter__()


async def test_a_block_is_awaited_and_a_context_entered():
    async def block(session):
        pass

    async with client() as c:
        with pytest.raises(TypeError, match="await the call"):
            await c.ws("ws://127.0.0.1/", block=block).__aenter__()
        with pytest.raises(TypeError, match="async with"):
            await c.ws("ws://127.0.0.1/")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"url": "http://x/"}, ValueError),
        ({"url": "ws://x/", "host": "y"}, TypeError),
        ({"host": "x", "method": "POST"}, ValueError),
        ({"host": "x", "port": 65536}, ValueError),
        ({"host": "x", "headers": {"X": "a\r\nY: b"}}, ValueError),
        ({"host": "x", "headers": {"X\r\nY": "a"}}, ValueError),
        ({"host": "x", "path": "/a b"}, ValueError),
        ({"host": "x\r\n"}, ValueError),
        ({"host": "x", "subprotocols": ["a,b"]}, ValueError),
        ({"host": "x", "subprotocols": "chat"}, TypeError),
        ({"host": "x", "hostt": "y"}, TypeError),
    ],
)
async def test_a_request_that_is_no_good_is_refused_before_it_is_sent(options, error):
    async with client(Engine()) as c:
        with pytest.raises(error):
            await c.websocket_session(**options)


async def test_nothing_is_opened_before_the_context_is_entered():
    async with scripted(echo) as server, client() as c:
        c.ws(server.url())
        await asyncio.sleep(0)
        assert server.connections == 0


# How a block ends.


async def test_the_end_of_a_block_closes_with_1000():
    closes = []

    async def script(peer):
        await peer.accept()
        closes.append(await peer.frame())
        await peer.send(close(1000))
        await peer.close()

    async with scripted(script) as server, client() as c, c.ws(server.url()):
        pass
    assert closes == [(0x88, b"\x03\xe8")]


@pytest.mark.parametrize("name", ["ws", "ws_raw"])
async def test_an_exception_ends_a_block_with_1011_and_without_its_text(name):
    closes = []

    async def script(peer):
        await peer.accept()
        closes.append(await peer.frame())
        await peer.send(close(1011))
        await peer.close()

    error = LookupError("secret")
    async with scripted(script) as server, client() as c:
        with pytest.raises(LookupError) as caught:
            async with getattr(c, name)(server.url()):
                raise error
    assert caught.value is error
    assert closes == [(0x88, b"\x03\xf3")]


async def test_a_cancelled_block_ends_at_once_and_tells_the_peer():
    closes = []

    async def script(peer):
        await peer.accept()
        closes.append(await peer.frame())
        await peer.rest()

    async def use():
        async with c.ws(server.url()) as session:
            inside.set()
            await session.incoming.receive()

    inside = asyncio.Event()
    async with nothing_left(), scripted(script) as server, client() as c:
        task = asyncio.create_task(use())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await settled(lambda: closes)
    assert closes == [(0x88, b"\x03\xe8")]


# The client's end.


@pytest.mark.parametrize("raw", [False, True])
async def test_closing_the_client_closes_its_sessions_with_1001(raw):
    closes = []

    async def script(peer):
        await peer.accept()
        closes.append(await peer.frame())
        await peer.send(frame(8, closes[-1][1]))
        await peer.close()

    async with nothing_left(), scripted(script) as server:
        c = client()
        open_ = c.websocket_raw_session if raw else c.websocket_session
        sessions = [await open_(server.url()) for _ in range(3)]
        await c.close()
        assert all(session.has_ended for session in sessions)
    assert closes == [(0x88, b"\x03\xe9")] * 3


async def test_closing_the_client_waits_for_a_silent_peer_no_longer_than_agreed():
    async def script(peer):
        await peer.accept()
        await peer.hold()

    async with nothing_left(), scripted(script) as server:
        c = client(close_timeout=0.05)
        session = await c.websocket_session(server.url())
        await c.close()
        assert session.has_ended


async def test_a_closed_client_opens_nothing():
    async with scripted(echo) as server:
        c = client()
        await c.close()
        await c.close()
        with pytest.raises(RuntimeError, match="closed"):
            await c.websocket_session(server.url())
        assert server.connections == 0


async def test_a_session_that_opens_while_the_client_closes_is_not_given_out():
    asked, answer = asyncio.Event(), asyncio.Event()

    async def script(peer):
        request = await peer.head()
        asked.set()
        await answer.wait()
        await peer.send(switching_protocols(request))
        await peer.rest()

    async with nothing_left(), scripted(script) as server:
        c = client()
        opening = asyncio.create_task(c.websocket_session(server.url()))
        await asked.wait()
        await c.close()
        answer.set()
        with pytest.raises(RuntimeError, match="closed"):
            await opening


async def test_a_session_that_ended_is_forgotten():
    async with scripted(echo) as server, client() as c:
        async with c.ws(server.url()):
            assert len(c._sessions) == 1
        assert not c._sessions


# A ready-made socket.


async def test_a_ready_made_socket_serves_one_attempt_only():
    async def script(peer):
        await peer.head()
        await peer.send(
            b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
        )
        await peer.rest()

    async with nothing_left(), scripted(script) as server, client() as c:
        sock = socket.create_connection(("127.0.0.1", server.port))
        with pytest.raises(ConnectError, match="first attempt"):
            await c.websocket_session(server.url(), sock=sock)
        await settled(lambda: sock.fileno() == -1)


# Messages of every length form.


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 1_000_000])
async def test_messages_of_every_length_form_go_there_and_back(size):
    text, data = "x" * size, mask(bytes(size))
    async with (
        scripted(echo) as server,
        client() as c,
        c.ws(server.url()) as session,
    ):
        await session.send(text)
        await session.send(data)
        assert (await session.incoming.receive()).read_text() == text
        assert (await session.incoming.receive()).read_bytes() == data


async def test_open_timeout_holds_for_features_too():
    class Slow(HttpClientFeature):
        async def prepare(self, request):
            await asyncio.Event().wait()

    c = client(Engine(), open_timeout=0.01).install(Slow)
    with pytest.raises(OpenTimeoutError, match="preparing the request"):
        await c.websocket_session("ws://x/")
