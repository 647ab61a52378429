"""`HttpTimeout` against servers that say nothing, and the engines that honour it."""

import asyncio
import contextlib
import math
from datetime import timedelta

import pytest
import websockets

from ktorws import (
    CIO,
    CloseReason,
    ConnectError,
    Frame,
    HttpClientEngine,
    HttpTimeout,
    MockClock,
    MockEngine,
    OpenTimeoutError,
    SocketTimeoutError,
)
from tests.mocking import URL, ticks
from tests.network_fixtures import SECURE, client, nothing_left, scheme_of, tls_of
from tests.octets import close, frame
from tests.scripted import scripted, silent_listener, switching_protocols

LONG = 60_000  # milliseconds; never waited for


# Connecting.


@pytest.mark.parametrize(
    "options", [{"connect_timeout": 0.1}, {"connect_timeout_millis": 100}]
)
async def test_the_connect_timeout_wins_over_the_engines(options):
    async with nothing_left(), silent_listener() as port:
        async with client(CIO(connect_timeout=20)) as c:
            c.install(HttpTimeout, **options)
            with pytest.raises(ConnectError, match=r"after 0\.1 s"):
                await c.websocket_session(host="127.0.0.1", port=port)


async def test_no_connect_timeout_leaves_it_to_the_opening():
    async with nothing_left(), silent_listener() as port:
        c = client(CIO(connect_timeout=0.05), open_timeout=0.3)
        c.install(HttpTimeout, connect_timeout=math.inf)
        with pytest.raises(OpenTimeoutError, match="while connecting"):
            await c.websocket_session(host="127.0.0.1", port=port)


async def test_one_request_can_have_its_own_limits():
    async with nothing_left(), silent_listener() as port, client() as c:
        c.install(HttpTimeout, connect_timeout_millis=LONG)
        with pytest.raises(ConnectError, match=r"after 0\.1 s"):
            await c.websocket_session(
                host="127.0.0.1",
                port=port,
                request=lambda r: r.capabilities.update(connect_timeout=0.1),
            )


# The answer.


async def test_the_request_timeout_is_for_the_answer():
    async def script(peer):
        await peer.rest()

    async with nothing_left(), scripted(script) as server, client() as c:
        c.install(HttpTimeout, request_timeout_millis=100)
        with pytest.raises(OpenTimeoutError, match=r"No answer .* within 0\.1 s"):
            await c.websocket_session(server.url())


async def test_the_request_timeout_does_not_limit_a_session():
    async def late(connection):
        await asyncio.sleep(0.3)
        await connection.send("late")

    async with websockets.serve(late, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with client() as c:
            c.install(HttpTimeout, request_timeout=0.2)
            async with c.ws(host="127.0.0.1", port=port) as session:
                assert (await session.incoming.receive()).read_text() == "late"


async def test_every_redirect_has_the_request_timeout_for_itself():
    async def script(peer):
        request = await peer.head()
        await asyncio.sleep(0.25)
        if request.startswith(b"GET /3 "):
            await peer.send(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
        else:
            to = int(request.split(b" ")[1][1:]) + 1
            await peer.send(
                b"HTTP/1.1 302 Go\r\nLocation: /%d\r\nContent-Length: 0\r\n\r\n" % to
            )
        with contextlib.suppress(OSError):
            await peer.rest()

    async with scripted(script) as server, client() as c:
        c.install(HttpTimeout, request_timeout=0.8)
        with pytest.raises(Exception, match="404"):
            await c.websocket_session(server.url("/0"))


# Silence.


@SECURE
@pytest.mark.parametrize("raw", [False, True], ids=["default", "raw"])
async def test_a_silent_peer_is_given_up(secure, raw):
    told = []

    async def script(peer):
        await peer.accept(then=frame(1, b"Hello"))
        told.append(await peer.frame())
        await peer.rest()

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client() as c:
            c.install(HttpTimeout, socket_timeout_millis=200)
            opening = c.websocket_raw_session if raw else c.websocket_session
            session = await opening(server.url(scheme=scheme_of(secure)))
            assert (await session.incoming.receive()).read_text() == "Hello"
            with pytest.raises(SocketTimeoutError, match=r"for 0\.2 s") as caught:
                await session.incoming.receive()
            await session.wait_closed()
    assert caught.value.close_reason.code == CloseReason.Codes.INTERNAL_ERROR
    assert told[0][0] == 0x88
    assert told[0][1][:2] == (1011).to_bytes(2, "big")


@pytest.mark.parametrize("transport", ["auto", "asyncio", "aiofastnet"])
async def test_pings_of_a_server_that_is_not_ours_keep_a_session(transport):
    async def quiet(connection):
        await asyncio.sleep(0.9)
        await connection.send("still here")

    async with websockets.serve(quiet, "127.0.0.1", 0, ping_interval=0.1) as server:
        port = server.sockets[0].getsockname()[1]
        async with client(transport=transport) as c:
            c.install(HttpTimeout, socket_timeout=0.6)
            async with c.ws(host="127.0.0.1", port=port) as session:
                assert (await session.incoming.receive()).read_text() == "still here"


async def test_our_own_pings_keep_a_session():
    async def quiet(connection):
        await asyncio.sleep(0.9)
        await connection.send("still here")

    async with websockets.serve(quiet, "127.0.0.1", 0, ping_interval=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with client(ping_interval=0.1) as c:
            c.install(HttpTimeout, socket_timeout=0.6)
            async with c.ws(host="127.0.0.1", port=port) as session:
                assert (await session.incoming.receive()).read_text() == "still here"


async def test_octets_that_are_no_whole_frame_yet_are_no_silence():
    async def script(peer):
        await peer.accept()
        for octet in frame(1, b"slowly"):
            await asyncio.sleep(0.1)
            await peer.send(bytes([octet]))
        assert (await peer.frame())[0] == 0x88
        await peer.send(close(1000))

    async with scripted(script) as server, client() as c:
        c.install(HttpTimeout, socket_timeout=0.6)
        async with c.ws(server.url()) as session:
            assert (await session.incoming.receive()).read_text() == "slowly"


async def test_a_server_that_never_answers_the_request_is_given_up():
    async def script(peer):
        await peer.head()
        await peer.rest()

    async with nothing_left(), scripted(script) as server, client() as c:
        c.install(HttpTimeout, socket_timeout_millis=100)
        with pytest.raises(SocketTimeoutError):
            await c.websocket_session(server.url())


async def test_an_answer_that_comes_slowly_is_no_silence():
    async def script(peer):
        request = await peer.head()
        answer = switching_protocols(request)
        for start in range(0, len(answer), 20):
            await peer.send(answer[start : start + 20])
            await asyncio.sleep(0.1)
        assert (await peer.frame())[0] == 0x88
        await peer.send(close(1000))

    async with scripted(script) as server, client() as c:
        c.install(HttpTimeout, socket_timeout=0.4)
        async with c.ws(server.url()):
            pass


async def test_time_in_which_we_read_nothing_is_not_the_peers_silence():
    async with MockEngine(clock=MockClock()) as engine, client(engine) as c:
        clock = engine._clock
        c.install(HttpTimeout, socket_timeout=8)
        session = await c.websocket_session(URL)
        (peer,) = engine.peers
        peer.send(*["x"] * 2000)  # more than the channel holds
        await ticks()
        await clock.advance(100)
        assert session.is_active
        for _ in range(2000):
            await session.incoming.receive()
        await clock.advance(9)
        assert not session.is_active
        with pytest.raises(SocketTimeoutError):
            await session.incoming.receive()


async def test_a_session_that_closes_has_its_own_deadline():
    async def script(peer):
        peer.accept()
        await asyncio.Event().wait()

    async with MockEngine(script, clock=MockClock()) as engine:
        async with client(engine, close_timeout=30) as c:
            clock = engine._clock
            c.install(HttpTimeout, socket_timeout=8)
            session = await c.websocket_session(URL)
            await session.send(Frame.Close())
            await clock.advance(29)
            assert not session.has_ended
            await clock.advance(1)
            assert session.has_ended
            assert clock.pending == 0


async def test_no_timer_is_left_behind():
    async with MockEngine(clock=MockClock()) as engine, client(engine) as c:
        c.install(HttpTimeout, socket_timeout=8)
        async with c.ws(URL):
            assert engine._clock.pending == 1
        await ticks()
        assert engine._clock.pending == 0


async def test_without_the_feature_nothing_listens():
    async with MockEngine(clock=MockClock()) as engine, client(engine) as c:
        async with c.ws(URL) as session:
            assert engine._clock.pending == 0
            assert type(session._connection).__name__ == "Connection"


# What an engine cannot do, and values that are no good.


@pytest.mark.parametrize(
    "option", ["connect_timeout", "connect_timeout_millis", "socket_timeout"]
)
async def test_an_engine_that_cannot_do_it_refuses_it_by_name(option):
    class Plain(HttpClientEngine):
        name = "Plain"

        async def open(self, opening):
            raise AssertionError("it was to be refused")

    c = client(Plain()).install(HttpTimeout, **{option: 1000})
    name = option.removesuffix("_millis")
    with pytest.raises(ValueError, match=f"Plain cannot honour the option {name}"):
        await c.websocket_session(URL)


async def test_the_mock_refuses_to_time_a_connection_that_it_does_not_make():
    async with MockEngine() as engine, client(engine) as c:
        c.install(HttpTimeout, connect_timeout=1)
        with pytest.raises(ValueError, match="MockEngine cannot honour the option con"):
            await c.websocket_session(URL)


async def test_a_capability_that_nobody_has_is_refused():
    async with client() as c:
        with pytest.raises(ValueError, match="CIO cannot honour the option conect"):
            await c.websocket_session(
                URL, request=lambda r: r.capabilities.update(conect=1)
            )


@pytest.mark.parametrize("name", ["request", "connect", "socket"])
def test_limits_that_are_no_good_are_refused_when_installed(name):
    for value in (0, -1, math.nan, timedelta(0)):
        with pytest.raises(ValueError, match=f"{name}_timeout must be above 0"):
            client().install(HttpTimeout, **{f"{name}_timeout": value})
    with pytest.raises(ValueError, match=f"{name}_timeout must be above 0"):
        client().install(HttpTimeout, **{f"{name}_timeout_millis": 0})
    with pytest.raises(TypeError, match="not both"):
        client().install(
            HttpTimeout, **{f"{name}_timeout": 1, f"{name}_timeout_millis": 1000}
        )
    with pytest.raises(TypeError, match="seconds"):
        client().install(HttpTimeout, **{f"{name}_timeout": "1"})
