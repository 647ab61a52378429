"""The server over real sockets: routes, handshakes, sessions and its end."""

import asyncio
import contextlib
import logging
import socket

import pytest

from ktorws import ClosedReceiveChannelError, CloseReason, Frame, WebSockets
from ktorws.server import (
    DefaultWebSocketServerSession,
    WebSocketServer,
    WebSocketServerSession,
    _make_reader,
)
from tests.certificates import client_context, server_context
from tests.network_fixtures import SECURE, nothing_left, settled
from tests.octets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    TEXT,
    close,
    frame,
)
from tests.scripted import UPGRADE_REQUEST, dialled

# RFC 6455 §1.3
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
UNMASKED = b"\x81\x05Hello"
MASKED = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"  # RFC 6455 §5.7
BYE = close(1000, key=KEY)


def made(*, secure=False, sessions=None, **options):
    """A server with the routes that most tests use, and what its handlers saw."""
    tls = {"ssl": server_context()} if secure else {}
    server = WebSocketServer(websockets=WebSockets(**options), **tls)
    seen = [] if sessions is None else sessions

    @server.websocket("/echo")
    async def echo(session):
        seen.append(session)
        async for message in session.incoming:
            await session.send(message)

    @server.websocket_raw("/raw")
    async def raw(session):
        seen.append(session)
        async for each in session.incoming:
            await session.send(each)

    return server


def tls_to(secure):
    return {"ssl": client_context()} if secure else {}


async def answer_to(octets, **options):
    """All that comes back for these octets, until the server ends the connection."""
    async with nothing_left(), made(**options) as server:
        async with dialled(server.port) as peer:
            await peer.send(octets)
            return await peer.rest()


def request(
    *lines, method=b"GET", path=b"/echo", version=b"HTTP/1.1", without=b"nothing"
):
    """The usual request with other lines."""
    head = UPGRADE_REQUEST % (path, b"".join(line + b"\r\n" for line in lines))
    head = head.replace(b"GET ", method + b" ", 1).replace(b"HTTP/1.1", version, 1)
    kept = [line for line in head.split(b"\r\n") if not line.startswith(without)]
    return b"\r\n".join(kept)


# Handshakes.


@SECURE
async def test_the_answer_is_that_of_the_rfc(secure):
    async with nothing_left(), made(secure=secure) as server:
        async with dialled(server.port, **tls_to(secure)) as peer:
            head = await peer.ask(b"/echo")
            assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
            for line in (b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n", ACCEPT):
                assert line in head
            assert b"Sec-WebSocket-Protocol" not in head
            await peer.send(BYE)
            assert await peer.rest() == close(1000)


async def test_frames_in_the_packet_of_the_request_are_answered():
    async with made() as server, dialled(server.port) as peer:
        await peer.ask(b"/echo", then=MASKED)
        assert await peer.read(7) == UNMASKED
        await peer.send(BYE)
        assert await peer.rest() == close(1000)


async def test_a_request_in_single_octets_is_understood():
    async with made() as server, dialled(server.port) as peer:
        for octet in request() + MASKED:
            await peer.send(bytes([octet]))
            await asyncio.sleep(0)
        assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
        assert await peer.read(7) == UNMASKED


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (request(path=b"/elsewhere"), b"404 Not Found"),
        (request(method=b"POST"), b"405 Method Not Allowed"),
        (request(version=b"HTTP/1.0"), b"400 Bad Request"),
        (request().replace(b"\r\n", b"\n"), b"400 Bad Request"),
        (request(without=b"Host"), b"400 Bad Request"),
        (request(b"Host: other"), b"400 Bad Request"),
        (request(without=b"Upgrade"), b"400 Bad Request"),
        (request(without=b"Connection"), b"400 Bad Request"),
        (request(without=b"Sec-WebSocket-Key"), b"400 Bad Request"),
        (request(b"Sec-WebSocket-Key: again"), b"400 Bad Request"),
        (request().replace(b"dGhl", b"----"), b"400 Bad Request"),
        (request(b"Content-Length: 3"), b"400 Bad Request"),
        (request(b"Transfer-Encoding: chunked"), b"400 Bad Request"),
        (request(b"Sec-WebSocket-Extensions: ;"), b"400 Bad Request"),
        (request(without=b"Sec-WebSocket-Version"), b"426 Upgrade Required"),
        (request().replace(b"on: 13", b"on: 12"), b"426 Upgrade Required"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", b"400 Bad Request"),
        (b"GET /" + b"x" * 70_000, b"431 Request Header Fields Too Large"),
        (request(b"X: " + b"x" * 70_000), b"431 Request Header Fields Too Large"),
        (request(*[b"X: x"] * 200), b"431 Request Header Fields Too Large"),
    ],
)
async def test_a_bad_request_is_told_so(octets, status):
    answer = await answer_to(octets)
    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert b"Connection: close\r\n" in answer or status.startswith(b"426")


async def test_a_wrong_version_is_told_the_right_one():
    answer = await answer_to(request().replace(b"on: 13", b"on: 12"))
    assert b"Sec-WebSocket-Version: 13\r\n" in answer


async def test_the_allowed_method_is_told():
    assert b"Allow: GET\r\n" in await answer_to(request(method=b"POST"))


async def test_a_client_that_sends_nothing_is_left_after_open_timeout():
    answer = await answer_to(b"", open_timeout=0.05)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_a_dripping_client_does_not_stretch_open_timeout():
    async with nothing_left(), made(open_timeout=0.05) as server:
        async with dialled(server.port) as peer:
            drip = asyncio.create_task(peer.rest())
            await peer.send(b"GET /")
            while not drip.done():
                with contextlib.suppress(OSError):
                    await peer.send(b"x")
                await asyncio.sleep(0.005)
            assert (await drip).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.parametrize("sent", [b"", b"GET /ec"])
async def test_a_client_that_leaves_before_it_asked_leaves_nothing(sent):
    async with nothing_left(), made() as server:
        async with dialled(server.port) as peer:
            await peer.send(sent)
            await settled(lambda: len(server._guests) == 1)
            peer.reset()
        await settled(lambda: not server._guests)


async def test_an_error_in_the_handshake_is_a_500_and_logged(caplog, monkeypatch):
    def broken(*_):
        raise LookupError("broken")

    monkeypatch.setattr(WebSocketServer, "_route", broken)
    answer = await answer_to(request())
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"broken" not in answer
    assert "handshake failed" in caplog.text


# Routes.


async def test_a_path_is_matched_whole_and_decoded():
    server = WebSocketServer()

    @server.websocket("/grüße an/alle")
    async def handler(session):
        await session.send(session.call.request.params["name"])

    async with server, dialled(server.port) as peer:
        await peer.ask(b"/gr%C3%BC%C3%9Fe%20an/alle?name=x%26y")
        assert await peer.frame() == (0x81, b"x&y")


def test_a_path_without_slash_is_refused():
    with pytest.raises(ValueError, match="slash"):
        WebSocketServer().websocket("echo")


def with_subprotocols():
    server = WebSocketServer()

    @server.websocket("/", protocol="chat")
    async def chat(session):
        await session.send("chat")

    @server.websocket("/", protocol="superchat")
    async def superchat(session):
        await session.send(session.subprotocol)

    return server


async def test_a_route_is_chosen_by_subprotocol():
    async with with_subprotocols() as server, dialled(server.port) as peer:
        head = await peer.ask(headers=b"Sec-WebSocket-Protocol: x, superchat\r\n")
        assert b"Sec-WebSocket-Protocol: superchat\r\n" in head
        assert await peer.frame() == (0x81, b"superchat")


@pytest.mark.parametrize("offer", [b"", b"Sec-WebSocket-Protocol: x, y\r\n"])
async def test_a_client_without_the_subprotocol_is_refused(offer):
    async with with_subprotocols() as server, dialled(server.port) as peer:
        head = await peer.ask(headers=offer)
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_route_without_subprotocol_answers_none():
    async with made() as server, dialled(server.port) as peer:
        head = await peer.ask(b"/echo", headers=b"Sec-WebSocket-Protocol: chat\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Sec-WebSocket-Protocol" not in head


# Sessions.


async def test_a_handler_gets_a_default_session():
    sessions = []
    async with made(sessions=sessions) as server, dialled(server.port) as peer:
        await peer.ask(b"/echo", headers=b"X-Mine: 1\r\n")
        await settled(lambda: sessions)
        (session,) = sessions
        assert type(session) is DefaultWebSocketServerSession
        assert not session.masking
        assert session.call.request.headers["x-mine"] == "1"
        assert session.call.peer[0] == "127.0.0.1"


async def test_a_raw_handler_gets_every_frame_and_answers_itself():
    sessions = []
    async with made(sessions=sessions) as server, dialled(server.port) as peer:
        await peer.ask(b"/raw")
        await peer.send(
            frame(TEXT, b"Hel", fin=False, key=KEY)
            + frame(PING, b"?", key=KEY)
            + frame(CONTINUATION, b"lo", key=KEY)
        )
        assert await peer.frame() == (TEXT, b"Hel")
        assert await peer.frame() == (0x80 | PING, b"?")
        assert await peer.frame() == (0x80 | CONTINUATION, b"lo")
        assert type(sessions[0]) is WebSocketServerSession


async def test_a_ping_is_answered():
    async with made() as server, dialled(server.port) as peer:
        await peer.ask(b"/echo")
        await peer.send(frame(PING, b"payload", key=KEY))
        assert await peer.frame() == (0x80 | PONG, b"payload")


async def test_fragments_are_one_message():
    async with made() as server, dialled(server.port) as peer:
        await peer.ask(b"/echo")
        await peer.send(
            frame(BINARY, b"\x00", fin=False, key=KEY)
            + frame(PING, b"", key=KEY)
            + frame(CONTINUATION, b"\x01", key=KEY)
        )
        assert await peer.frame() == (0x80 | PONG, b"")
        assert await peer.frame() == (0x80 | BINARY, b"\x00\x01")


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (close(1000, b"bye", key=KEY), close(1000, b"bye")),
        (close(4321, key=KEY), close(4321)),
        (frame(CLOSE, key=KEY), frame(CLOSE)),
    ],
)
async def test_a_close_frame_is_answered_with_the_same_and_tcp_is_closed(sent, answer):
    async with nothing_left(), made() as server, dialled(server.port) as peer:
        await peer.ask(b"/echo")
        await peer.send(sent)
        assert await peer.rest() == answer


async def test_the_sessions_are_listed_while_they_are_open():
    async with made() as server:
        assert server.sessions == []
        async with dialled(server.port) as peer:
            await peer.ask(b"/echo")
            (session,) = server.sessions
            assert session.is_active
            await peer.send(BYE)
            await peer.rest()
        await settled(lambda: server.sessions == [])


async def test_a_session_that_ended_is_not_listed_while_its_handler_goes_on():
    server = WebSocketServer()
    go_on = asyncio.Event()

    @server.websocket("/")
    async def handler(session):
        await session.wait_closed()
        await go_on.wait()

    async with server, dialled(server.port) as peer:
        await peer.ask()
        (session,) = server.sessions
        peer.reset()
        await session.wait_closed()
        assert server.sessions == []
        go_on.set()


# How handlers end.


def with_handler(handler, **options):
    server = WebSocketServer(websockets=WebSockets(**options))
    server.websocket("/")(handler)
    return server


async def test_a_handler_that_returns_closes_with_1000():
    async def handler(session):
        await session.send("bye")

    async with nothing_left(), with_handler(handler) as server:
        async with dialled(server.port) as peer:
            await peer.ask()
            assert await peer.read(5 + 4) == b"\x81\x03bye" + close(1000)
            await peer.send(BYE)
            assert await peer.rest() == b""


async def test_a_handler_that_raises_closes_with_1011_and_is_logged(caplog):
    async def handler(session):
        raise LookupError("secret")

    async with nothing_left(), with_handler(handler) as server:
        async with dialled(server.port) as peer:
            await peer.ask()
            assert await peer.read(4) == close(1011)
            await peer.send(close(1011, key=KEY))
            assert await peer.rest() == b""
        await settled(lambda: "secret" in caplog.text)
    (record,) = [r for r in caplog.records if r.name == "ktorws.server"]
    assert record.levelno == logging.ERROR


async def test_a_handler_whose_client_left_in_good_order_is_no_error(caplog):
    errors = []

    async def handler(session):
        try:
            while True:
                await session.incoming.receive()
        except ClosedReceiveChannelError as error:
            errors.append(error)
            raise

    async with nothing_left(), with_handler(handler) as server:
        async with dialled(server.port) as peer:
            await peer.ask()
            await peer.send(BYE)
            assert await peer.rest() == close(1000)
        await settled(lambda: errors and not server._guests)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


# Violations: what the peer reads, octet by octet.


@SECURE
@pytest.mark.parametrize(
    ("octets", "code", "text"),
    [
        (UNMASKED, 1002, b"Frames from a client must be masked"),
        (b"\x83\x80" + KEY, 1002, None),
        (b"\xc1\x80" + KEY, 1002, None),
        (b"\x09\x80" + KEY, 1002, None),
        (frame(CONTINUATION, b"x", key=KEY), 1002, None),
        (frame(CLOSE, b"x", key=KEY), 1002, None),
        (close(1005, key=KEY), 1002, None),
        (frame(TEXT, b"\xff", key=KEY), 1007, None),
        (frame(TEXT, b"a\xff", key=KEY)[:8], 1007, None),
        (close(1000, b"\xff", key=KEY), 1007, None),
        (b"\x82\xff" + b"\x00" * 4 + b"\xff" * 4 + KEY, 1009, None),
        (b"\x82\xff" + b"\xff" * 8 + KEY, 1002, None),
    ],
)
async def test_after_a_violation_the_peer_gets_a_close_frame_and_the_end(
    octets, code, text, secure
):
    async with nothing_left(), made(secure=secure) as server:
        async with dialled(server.port, **tls_to(secure)) as peer:
            await peer.ask(b"/echo", then=MASKED + octets)
            assert await peer.read(7) == UNMASKED
            first, payload = await peer.frame()
            assert first == 0x88
            assert payload[:2] == code.to_bytes(2, "big")
            assert payload[2:] == text if text else payload[2:].decode()
            assert await peer.rest() == b""


async def test_what_follows_a_violation_does_not_reset_the_connection():
    """Octets that were not read would reset it, and might undo the Close frame."""
    async with nothing_left(), made() as server, dialled(server.port) as peer:
        await peer.ask(b"/echo")
        await peer.send(b"\x83\x80" + KEY + bytes(100_000))
        first, payload = await peer.frame()
        assert (first, payload[:2]) == (0x88, b"\x03\xea")
        assert await peer.rest() == b""


# The server's end.


@SECURE
async def test_closing_says_1001_to_everyone(secure):
    async with nothing_left():
        server = made(secure=secure)
        await server.start()
        async with contextlib.AsyncExitStack() as stack:
            peers = [
                await stack.enter_async_context(dialled(server.port, **tls_to(secure)))
                for _ in range(3)
            ]
            for peer in peers:
                await peer.ask(b"/echo")
            closing = asyncio.create_task(server.close())
            for peer in peers:
                assert await peer.frame() == (0x88, b"\x03\xe9Server is going down")
                await peer.send(close(1001, key=KEY))
                assert await peer.rest() == b""
                await peer.close()
            await closing
        assert server.sessions == []


async def test_closing_refuses_those_who_have_not_asked_yet():
    async with nothing_left():
        server = made()
        await server.start()
        async with dialled(server.port) as peer:
            await settled(lambda: server._guests)
            await server.close()
            assert (await peer.head()).startswith(b"HTTP/1.1 503 ")


class Abortable(asyncio.Transport):
    aborted = False

    def abort(self):
        self.aborted = True


async def test_a_connection_accepted_just_before_closing_is_turned_away():
    """The loop makes its protocol and its transport some iterations later."""
    server = made()
    await server.start()
    early = _make_reader(server, asyncio.get_running_loop())
    await server.close()
    late = _make_reader(server, asyncio.get_running_loop())
    assert not server._guests
    for reader in (early, late):
        transport = Abortable()
        reader.connection_made(transport)
        assert transport.aborted


async def test_nobody_in_the_middle_of_tls_is_served_after_closing():
    async with nothing_left():
        server = made(secure=True, open_timeout=2.0)
        await server.start()
        sock = socket.create_connection(("127.0.0.1", server.port))
        sock.setblocking(False)
        await settled(lambda: server._guests)
        await server.close()
        with contextlib.suppress(OSError, EOFError):
            reader, writer = await asyncio.open_connection(
                sock=sock, ssl=client_context(), server_hostname="localhost"
            )
            writer.write(request())
            answer = await asyncio.wait_for(reader.read(12), 5)
            writer.close()
            assert answer[:12] != b"HTTP/1.1 101"
        assert server.sessions == []
        sock.close()


async def test_closing_waits_for_a_handler_no_longer_than_close_timeout():
    ended = []

    async def handler(session):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async with nothing_left():
        server = with_handler(handler, close_timeout=0.05)
        await server.start()
        async with dialled(server.port) as peer:
            await peer.ask()
            closing = asyncio.create_task(server.close())
            assert await peer.frame() == (0x88, b"\x03\xe9Server is going down")
            await peer.send(close(1001, key=KEY))
            await closing
        assert ended == ["cancelled"]


async def test_closing_leaves_a_silent_client_after_close_timeout():
    async with nothing_left():
        server = made(close_timeout=0.05)
        await server.start()
        async with dialled(server.port) as peer:
            await peer.ask(b"/echo")
            await server.close()
            assert await peer.frame() == (0x88, b"\x03\xe9Server is going down")


async def test_a_closed_server_accepts_nobody_and_starts_no_more():
    server = made()
    async with server:
        port = server.port
    with pytest.raises(OSError, match=r"."):
        await asyncio.open_connection("127.0.0.1", port)
    with pytest.raises(RuntimeError):
        await server.start()


async def test_serving_forever_ends_with_the_task():
    async with nothing_left():
        server = made()
        task = asyncio.create_task(server.serve_forever())
        await settled(lambda: server._listener is not None)
        async with dialled(server.port) as peer:
            await peer.ask(b"/echo")
            task.cancel()
            assert await peer.frame() == (0x88, b"\x03\xe9Server is going down")
            await peer.send(close(1001, key=KEY))
            assert await peer.rest() == b""
        with pytest.raises(asyncio.CancelledError):
            await task


# Where it listens.


async def test_a_unix_socket(tmp_path):
    path = str(tmp_path / "socket")
    server = WebSocketServer(unix_socket=path)

    @server.websocket("/")
    async def handler(session):
        await session.send("hi")

    async with nothing_left(), server:
        with pytest.raises(RuntimeError, match="port"):
            _ = server.port
        async with dialled(None, path=path) as peer:
            await peer.ask()
            assert await peer.frame() == (0x81, b"hi")


async def test_a_bound_socket():
    sock = socket.create_server(("127.0.0.1", 0))
    server = WebSocketServer(sock=sock)
    server.websocket("/")(lambda session: session.send("hi"))
    async with nothing_left(), server:
        assert server.port == sock.getsockname()[1]
        async with dialled(server.port) as peer:
            await peer.ask()
            assert await peer.frame() == (0x81, b"hi")


async def test_a_port_that_is_taken():
    async with made() as first:
        with pytest.raises(OSError, match=r"."):
            await WebSocketServer(port=first.port).start()


async def test_there_is_no_port_before_the_start():
    with pytest.raises(RuntimeError, match="port"):
        _ = WebSocketServer().port


async def test_a_handler_sees_the_reason_of_the_client():
    reasons = []

    async def handler(session):
        reasons.append(await session.close_reason)

    async with with_handler(handler) as server, dialled(server.port) as peer:
        await peer.ask()
        await peer.send(close(4000, b"why", key=KEY))
        assert await peer.rest() == close(4000, b"why")
        await settled(lambda: reasons)
    assert reasons == [CloseReason(4000, "why")]
    assert isinstance(Frame.Close(reasons[0]), Frame.Close)
