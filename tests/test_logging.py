"""What is told of handshakes and sessions, and what is never told."""

import asyncio
import logging

import pytest
import websockets

from ktorws import (
    Auth,
    BearerTokens,
    ConnectError,
    Frame,
    HandshakeError,
    HttpClientEngine,
    HttpCookies,
    Logging,
    LogLevel,
    MockEngine,
    WebSocketDeflateExtension,
    bearer,
)
from tests.mocking import URL
from tests.network_fixtures import client, settled
from tests.octets import close, frame
from tests.scripted import free_port, scripted, switching_protocols

SECRET = "s3cret-t0ken"
NAME = "ktorws.HttpClient"


@pytest.fixture
def told(caplog):
    """The messages so far, at any time."""
    caplog.set_level(logging.INFO, NAME)
    return lambda: [r.getMessage() for r in caplog.records if r.name == NAME]


async def serve(peer):
    await peer.accept(headers=b"X-Server: yes\r\n", then=frame(1, b"Hello"))
    assert await peer.frame() == (0x81, b"Hi")
    assert (await peer.frame())[0] == 0x88
    await peer.send(close(1000))


async def talk(c, url, **options):
    async with c.ws(url, **options) as session:
        await session.incoming.receive()
        await session.send("Hi")


async def conversation(level, told, path="/x"):
    """What is told of one at this level, with its port replaced."""
    async with scripted(serve) as server, client() as c:
        c.install(Logging, level=level)
        await talk(c, server.url(path), headers={"X-Client": "yes"})
        await settled(lambda: level is LogLevel.NONE or "CLOSED" in told()[-1])
        return [line.replace(str(server.port), "PORT") for line in told()]


REQUEST = "[1] REQUEST: ws://127.0.0.1:PORT/x"
RESPONSE = "[1] RESPONSE: 101 Switching Protocols"
FRAMES = [
    "[1] << TEXT, 5 bytes: 'Hello'",
    "[1] >> TEXT, 2 bytes: 'Hi'",
    "[1] >> CLOSE, 2 bytes: CloseReason(code=1000, message='')",
    "[1] << CLOSE, 2 bytes: CloseReason(code=1000, message='')",
]


async def test_info_tells_of_handshakes_and_of_ends(told):
    request, response, end = await conversation(LogLevel.INFO, told)
    assert (request, response) == (REQUEST, RESPONSE)
    assert end == "[1] CLOSED: CloseReason(code=1000, message='')"


async def test_headers_tells_of_headers_too(told):
    request, response, _ = await conversation(LogLevel.HEADERS, told)
    assert request == f"{REQUEST}\n-> X-Client: yes"
    assert response.startswith(f"{RESPONSE}\n-> Upgrade: websocket\n")
    assert response.endswith("\n-> X-Server: yes")


async def test_body_tells_of_every_frame_also_the_early_ones_and_of_no_header(told):
    messages = await conversation(LogLevel.BODY, told)
    assert messages[:-1] == [REQUEST, RESPONSE, *FRAMES]


async def test_all_tells_of_all(told):
    messages = await conversation(LogLevel.ALL, told)
    assert f"{REQUEST}\n-> X-Client: yes" in messages
    assert set(FRAMES) <= set(messages)


async def test_none_tells_nothing(told):
    assert await conversation(LogLevel.NONE, told) == []


async def test_pings_and_what_a_server_that_is_not_ours_sends_are_seen(told):
    async def ping(connection):
        await (await connection.ping(b"p1ng"))
        await connection.send(b"\x00\xff" * 10)
        await connection.close(1001, "bye")

    async with websockets.serve(ping, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        async with client() as c:
            c.install(Logging, level=LogLevel.BODY, max_payload=4)
            async with c.ws(host="127.0.0.1", port=port) as session:
                assert len(await session.incoming.receive()) == 20
            await settled(lambda: "CLOSED" in told()[-1])
    assert [
        message[4:] for message in told() if "<<" in message or ">>" in message
    ] == [
        "<< PING, 4 bytes: b'p1ng'",
        ">> PONG, 4 bytes: b'p1ng'",
        "<< BINARY, 20 bytes: b'\\x00\\xff\\x00\\xff'…",
        "<< CLOSE, 5 bytes: CloseReason(code=1001, message='bye')",
        ">> CLOSE, 5 bytes: CloseReason(code=1001, message='bye')",
    ]


@pytest.mark.parametrize("raw", [False, True], ids=["default", "raw"])
async def test_payloads_are_cut_and_cannot_forge_a_line(told, raw):
    async with MockEngine() as engine, client(engine) as c:
        c.install(Logging, level=LogLevel.BODY, max_payload=5)
        opening = c.websocket_raw_session if raw else c.websocket_session
        session = await opening(URL)
        await session.send("a\nb\u20acdefgh")
        await session.send(bytearray(b"12345"))
        await session.send(Frame.Text("part", fin=False))
        session.cancel()
    sent = [message for message in told() if ">>" in message]
    assert sent[:3] == [
        "[1] >> TEXT, 11 bytes: 'a\\nb\u20acd'…",
        "[1] >> BINARY, 5 bytes: b'12345'",
        "[1] >> TEXT, 4 bytes, to be continued: b'part'",
    ]


async def test_frames_that_were_compressed_are_told_as_they_are_on_the_wire(told):
    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with client(extensions=[WebSocketDeflateExtension.install()]) as c:
            c.install(Logging, level=LogLevel.BODY)
            async with c.ws(host="127.0.0.1", port=port) as session:
                await session.send("x" * 1000)
                assert len(await session.incoming.receive()) == 1000
    (sent,) = [message for message in told() if ">> TEXT" in message]
    assert ", RSV1: b" in sent
    assert "1000 bytes" not in sent


async def test_no_peer_can_forge_a_line(told):
    async def script(peer):
        request = await peer.head()
        await peer.send(switching_protocols(request, b"X-Tab: a\tb\r\n"))
        await peer.send(close(1000, b"bye\n[9] REQUEST: forged"))
        assert (await peer.frame())[0] == 0x88

    async with scripted(script) as server, client() as c:
        c.install(Logging, level=LogLevel.ALL)
        async with c.ws(server.url()) as session:
            await session.close_reason
        await settled(lambda: "CLOSED" in told()[-1])
    assert told()[-1].endswith("message='bye\\n[9] REQUEST: forged')")
    assert "-> X-Tab: a\\tb" in told()[1]
    assert not [
        line for text in told() for line in text.split("\n") if "[9]" in line[:3]
    ]


# What is never told.


async def test_secrets_are_masked(told):
    async def script(peer):
        request = await peer.head()
        if b"Bearer fresh" in request:
            lines = b"Set-Cookie: a=%s\r\nX-Key: %s\r\n" % ((SECRET.encode(),) * 2)
            await peer.send(switching_protocols(request, lines))
        elif request.startswith(b"GET /a"):
            await peer.send(
                b"HTTP/1.1 302 Go\r\nLocation: /b?ticket=%s\r\nSet-Cookie: b=%s\r\n"
                b"Content-Length: 0\r\n\r\n" % ((SECRET.encode(),) * 2)
            )
        else:
            await peer.send(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
        await peer.rest()

    headers = {"Cookie": SECRET, "Proxy-Authorization": SECRET, "x-KEY": SECRET}
    async with scripted(script) as server, client() as c:
        c.install(
            Logging,
            level=LogLevel.ALL,
            sanitize_header=lambda name: name.lower() == "x-key",
        )
        c.install(HttpCookies)
        provider = bearer(
            load_tokens=lambda: BearerTokens(SECRET),
            refresh_tokens=lambda old: BearerTokens(f"fresh-{SECRET}"),
        )
        c.install(Auth, providers=[provider])
        url = server.url(f"/a?{SECRET}&token={SECRET}")
        session = await c.websocket_session(url, headers=headers, params={"k": SECRET})
        session.cancel()
        await settled(lambda: "CLOSED" in told()[-1])
    text = "\n".join(told())
    assert SECRET not in text
    assert "[1] REQUEST: ws://127.0.0.1" in text
    assert "/a?***&token=***&k=***" in text
    assert "-> Location: /b?ticket=***" in text
    assert text.count("-> Authorization: ***") == 3
    assert text.count("-> Set-Cookie: ***") == 2
    assert "-> x-KEY: ***" in text
    assert "-> Proxy-Authorization: ***" in text


# What is told of failures.


async def test_every_attempt_is_told_whatever_the_order_of_installation(told):
    async def script(peer):
        request = await peer.head()
        if b"Bearer fresh" in request:
            await peer.send(switching_protocols(request))
        else:
            await peer.send(b"HTTP/1.1 401 No\r\nContent-Length: 9\r\n\r\nWho's it?")
        await peer.rest()

    async with scripted(script) as server, client() as c:
        c.install(Logging, level=LogLevel.BODY)
        provider = bearer(
            load_tokens=lambda: BearerTokens("stale"),
            refresh_tokens=lambda old: BearerTokens("fresh"),
        )
        c.install(Auth, providers=[provider])
        session = await c.websocket_session(server.url())
        session.cancel()
    assert [message.partition("ws://")[0] for message in told()[:5]] == [
        "[1] REQUEST: ",
        "[1] RESPONSE: 401 No",
        '[1] BODY: b"Who\'s it?"',
        "[2] REQUEST: ",
        "[2] RESPONSE: 101 Switching Protocols",
    ]


async def test_a_failure_is_told_and_raised(told):
    async with client() as c:
        c.install(Logging)
        with pytest.raises(ConnectError):
            await c.websocket_session(host="127.0.0.1", port=free_port())
    assert told()[1].startswith("[1] FAILED: ConnectError: ")


async def test_a_cancelled_opening_is_told_too(told):
    asked = asyncio.Event()

    async def script(peer):
        await peer.head()
        asked.set()
        await peer.rest()

    async with scripted(script) as server, client() as c:
        c.install(Logging)
        opening = asyncio.ensure_future(c.websocket_session(server.url()))
        await asked.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
    assert told()[1].startswith("[1] FAILED: CancelledError")


async def test_requests_can_be_left_out(told):
    async with MockEngine() as engine, client(engine) as c:
        c.install(Logging, filter=lambda request: request.target != "/health")
        for path in ("/health", "/feed"):
            async with c.ws(f"ws://mock.test{path}"):
                pass
    assert [m.partition("\n")[0] for m in told() if "REQUEST" in m] == [
        "[1] REQUEST: ws://mock.test/feed"
    ]


async def test_a_logger_of_ones_own_is_told(caplog):
    caplog.set_level(logging.INFO, "mine")
    async with MockEngine(refusing) as engine, client(engine) as c:
        c.install(Logging, logger=logging.getLogger("mine"))
        with pytest.raises(HandshakeError):
            await c.websocket_session(URL)
    assert {record.name for record in caplog.records} == {"mine"}


async def refusing(peer):
    peer.refuse(503, body="busy")


async def test_an_engine_that_cannot_show_frames_refuses_the_levels_that_tell_them():
    class Plain(HttpClientEngine):
        name = "Plain"

        async def open(self, opening):
            raise ConnectError("as always")

    for level, error in [(LogLevel.BODY, ValueError), (LogLevel.HEADERS, ConnectError)]:
        c = client(Plain()).install(Logging, level=level)
        with pytest.raises(error):
            await c.websocket_session(URL)


async def test_without_body_no_frame_is_looked_at():
    for level, name in [(LogLevel.HEADERS, "Connection"), (LogLevel.ALL, "Tapped")]:
        async with MockEngine() as engine, client(engine) as c:
            c.install(Logging, level=level)
            async with c.ws(URL) as session:
                assert type(session._connection).__name__.startswith(name)


def test_options_that_are_no_good_are_refused_when_installed():
    with pytest.raises(TypeError, match="LogLevel"):
        client().install(Logging, level="ALL")
    with pytest.raises(ValueError, match="max_payload"):
        client().install(Logging, max_payload=-1)
    with pytest.raises(TypeError, match="levle"):
        client().install(Logging, levle=LogLevel.ALL)
