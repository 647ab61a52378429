"""`ktorws.testing`: scripts over real sockets, servers, and what is left behind."""

import asyncio
import contextlib
import subprocess
import sys

import pytest

from ktorws import (
    CIO,
    CloseReason,
    ConnectionLostError,
    Frame,
    HandshakeError,
    HttpClient,
    InvalidHandshakeError,
    InvalidTextError,
    ProtocolViolationError,
    WebSockets,
)
from ktorws.handshake import RequestRefusedError
from ktorws.server import WebSocketServer
from ktorws.testing import (
    MockEngine,
    echo_server,
    local_server,
    nothing_left,
    scripted_client,
    scripted_server,
)
from tests.certificates import client_context
from tests.network_fixtures import SECURE, client, tls_of
from tests.octets import BINARY, TEXT, frame

# One script, over whatever carries it.


async def over_a_mock(script, use, **options):
    async with MockEngine(script) as engine, HttpClient(engine) as c:
        return await use(c.install(WebSockets, **options), "ws://mock.test/")


async def over_sockets(script, use, **options):
    async with nothing_left(), scripted_server(script) as server:
        async with client(**options) as c:
            return await use(c, server.url())


async def over_tls(script, use, **options):
    async with nothing_left(), scripted_server(script, **tls_of(True)) as server:
        async with client(**options) as c:
            return await use(c, server.url())


ANYWHERE = pytest.mark.parametrize("played", [over_a_mock, over_sockets, over_tls])


@ANYWHERE
async def test_a_script_receives_and_sends_frames(played):
    async def script(peer):
        async for each in peer:
            peer.send(each, "and", b"more")

    async def use(c, url):
        async with c.ws(url) as session:
            await session.send("Hello")
            assert await session.incoming.receive() == Frame.Text("Hello")
            assert await session.incoming.receive() == Frame.Text("and")
            assert await session.incoming.receive() == Frame.Binary(b"more")
        assert await session.close_reason == CloseReason(1000, "")

    await played(script, use)


@ANYWHERE
async def test_a_script_sees_the_request_and_chooses(played):
    async def script(peer):
        assert peer.request.target == "/chat?room=7"
        assert peer.request.headers["X-Token"] == "secret"
        peer.accept(subprotocol="chat", headers={"X-Served-By": "script"})

    async def use(c, url):
        opening = c.ws(
            f"{url}chat?room=7", headers={"X-Token": "secret"}, subprotocols=["chat"]
        )
        async with opening as session:
            assert session.subprotocol == "chat"
            assert session.call.response.headers["X-Served-By"] == "script"

    await played(script, use)


@ANYWHERE
async def test_a_script_refuses(played):
    async def script(peer):
        peer.refuse(403, headers={"X-Why": "no"}, body="Go away")

    async def use(c, url):
        with pytest.raises(HandshakeError) as caught:
            await c.websocket_session(url)
        assert caught.value.response.status == 403
        assert caught.value.response.headers["X-Why"] == "no"
        assert caught.value.response.body == b"Go away"

    await played(script, use)


@ANYWHERE
async def test_a_script_answers_in_octets(played):
    async def script(peer):
        peer.answer(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")

    async def use(c, url):
        with pytest.raises(InvalidHandshakeError, match="Upgrade"):
            await c.websocket_session(url)

    await played(script, use)


@ANYWHERE
async def test_a_script_closes(played):
    async def script(peer):
        peer.send("last")
        peer.close(CloseReason(4001, "enough"))
        assert await peer.receive() == Frame.Close(CloseReason(4001, "enough"))

    async def use(c, url):
        session = await c.websocket_session(url)
        assert [f.read_text() async for f in session.incoming] == ["last"]
        assert await session.close_reason == CloseReason(4001, "enough")
        await session.wait_closed()

    await played(script, use)


@ANYWHERE
async def test_a_script_loses_the_connection_behind_what_it_sent(played):
    async def script(peer):
        peer.send("last words")
        peer.lose()

    async def use(c, url):
        session = await c.websocket_session(url)
        assert await session.incoming.receive() == Frame.Text("last words")
        with pytest.raises(ConnectionLostError):
            await session.incoming.receive()
        await session.wait_closed()

    await played(script, use)


@ANYWHERE
async def test_a_script_resets_the_connection(played):
    async def script(peer):
        await peer.receive()
        peer.lose(ConnectionResetError("reset"))

    async def use(c, url):
        session = await c.websocket_session(url)
        await session.send("now")
        with pytest.raises(ConnectionLostError):
            await session.incoming.receive()
        await session.wait_closed()

    await played(script, use)


@ANYWHERE
async def test_a_script_truncates_a_message(played):
    async def script(peer):
        peer.send("whole")
        peer.truncate("not whole", after=5)

    async def use(c, url):
        session = await c.websocket_session(url)
        assert await session.incoming.receive() == Frame.Text("whole")
        with pytest.raises(ConnectionLostError):
            await session.incoming.receive()

    await played(script, use)


@ANYWHERE
async def test_a_script_breaks_the_protocol(played):
    async def script(peer):
        peer.send_octets(b"\x81\x01\xff")
        async for _ in peer:
            pass

    async def use(c, url):
        session = await c.websocket_session(url)
        with pytest.raises(InvalidTextError):
            await session.incoming.receive()

    await played(script, use)


@ANYWHERE
async def test_a_stalled_script_holds_the_sender_up(played):
    stalled, go_on = asyncio.Event(), asyncio.Event()
    received = []

    async def script(peer):
        peer.stall()
        stalled.set()
        await go_on.wait()
        peer.resume()
        async for each in peer:
            received.append(each.data)

    async def use(c, url):
        async with c.ws(url) as session:
            await stalled.wait()
            number = 0
            while session._connection.is_writable:
                await session.send(number.to_bytes(4, "big") * 1000)
                number += 1
            go_on.set()
        assert received == [n.to_bytes(4, "big") * 1000 for n in range(number)]

    await played(script, use)


@ANYWHERE
async def test_flush_waits_for_a_reader_and_fails_with_the_connection(played):
    async def script(peer):
        with pytest.raises(ConnectionLostError):
            while True:
                peer.send(bytes(64 * 1024))
                await peer.flush()

    async def use(c, url):
        session = await c.websocket_session(url)
        await session.incoming.receive()
        session.cancel()
        await session.wait_closed()

    await played(script, use, close_timeout=0.1)


@ANYWHERE
async def test_a_failing_script_loses_the_connection_and_is_heard_of(played):
    async def script(peer):
        await peer.receive()
        raise LookupError("not what I expected")

    async def use(c, url):
        session = await c.websocket_session(url)
        await session.send("surprise")
        with pytest.raises(ConnectionLostError):
            await session.incoming.receive()

    with pytest.raises(LookupError, match="not what I expected"):
        await played(script, use)


# What is different over real sockets.


async def test_several_failing_scripts_come_as_a_group():
    async def script(peer):
        peer.accept()
        raise LookupError(peer.request.target)

    with pytest.raises(ExceptionGroup) as caught:
        async with scripted_server(script) as server, client() as c:
            for path in ("/one", "/two"):
                session = await c.websocket_session(server.url(path))
                await session.wait_closed()
    assert [error.args for error in caught.value.exceptions] == [("/one",), ("/two",)]


async def test_an_error_in_the_block_comes_before_those_of_scripts():
    async def script(peer):
        await peer.receive()

    with pytest.raises(ZeroDivisionError):
        async with nothing_left(), scripted_server(script) as server, client() as c:
            await c.websocket_session(server.url())
            raise ZeroDivisionError


@SECURE
async def test_a_script_whose_client_gives_up_is_cancelled(secure):
    cancelled = []

    async def script(peer):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(peer)
            raise

    async with nothing_left(), scripted_server(script, **tls_of(secure)) as server:
        async with client(open_timeout=0.1) as c:
            with pytest.raises(TimeoutError):
                await c.websocket_session(server.url())
    assert cancelled == server.peers


async def test_frames_of_one_step_and_the_answer_are_one_packet():
    async def script(peer):
        peer.accept()
        peer.send("one", "two")
        peer.send("three")

    async with scripted_server(script) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(
            b"GET / HTTP/1.1\r\nHost: a\r\n"
            b"Upgrade: websocket\r\nConnection: upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            b"Sec-WebSocket-Version: 13\r\n\r\n"
        )
        octets = await reader.read(4096)
        writer.close()
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in octets  # RFC 6455 §1.3
    texts = (frame(TEXT, text) for text in (b"one", b"two", b"three"))
    assert octets.partition(b"\r\n\r\n")[2] == b"".join(texts)


async def test_a_request_for_no_session_can_be_refused_and_not_accepted():
    async def script(peer):
        assert peer.request.path == "/health"
        with pytest.raises(RequestRefusedError):
            peer.accept()
        peer.refuse(404)

    async with scripted_server(script) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 404 ")
        writer.close()


async def test_what_is_no_request_is_turned_away():
    async def script(peer):
        raise AssertionError(peer.request)

    async with nothing_left(), scripted_server(script) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"EHLO example.org\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()


# A client by hand.


@SECURE
async def test_a_client_by_hand_talks_to_a_server(secure):
    async with nothing_left(), echo_server(**tls_of(secure)) as server:
        async with scripted_client(server.url(), ssl=client_context()) as peer:
            answer = await peer.ask(headers={"X-A": "b"}, then=b"")
            assert answer.status == 101
            peer.send("Hello", b"\x00")
            assert await peer.receive() == Frame.Text("Hello")
            assert await peer.receive() == Frame.Binary(b"\x00")
            peer.close()
            assert isinstance(await peer.receive(), Frame.Close)


async def test_a_client_by_hand_sends_frames_behind_its_request():
    async with echo_server() as server, scripted_client(server.url()) as peer:
        masked = frame(BINARY, b"early", key=b"\x01\x02\x03\x04")
        await peer.ask(then=masked)
        assert await peer.receive() == Frame.Binary(b"early")


async def test_a_client_by_hand_breaks_the_rules():
    async with echo_server() as server, scripted_client(server.url()) as peer:
        await peer.ask()
        peer.send_octets(frame(TEXT, b"not masked"))
        assert (await peer.receive()).read_reason().code == 1002


async def test_a_client_by_hand_reads_a_refusal():
    async with echo_server() as server:
        async with scripted_client(server.url("/nothing")) as peer:
            assert (await peer.ask()).status == 404
        async with scripted_client(server.url()) as peer:
            peer.send_octets(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await peer.response()).status == 400


@pytest.mark.parametrize(
    ("octets", "error"),
    [(b"", ConnectionLostError), (b"220 ready\r\n", InvalidHandshakeError)],
)
async def test_a_client_by_hand_gets_no_answer(octets, error):
    async def answer(_, writer):
        writer.write(octets)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with scripted_client(f"ws://127.0.0.1:{port}/") as peer:
            with pytest.raises(error):
                await peer.ask()


async def test_a_client_by_hand_says_where_nobody_listens():
    async with echo_server() as server:
        url = server.url()
    with pytest.raises(ConnectionRefusedError):
        async with scripted_client(url):
            pass


# Servers.


@SECURE
async def test_an_echo_server_echoes(secure):
    async with echo_server(path="/echo", **tls_of(secure)) as server, client() as c:
        assert isinstance(server, WebSocketServer)
        async with c.ws(server.url("/echo")) as session:
            await session.send("Hello")
            assert await session.incoming.receive() == Frame.Text("Hello")


async def test_a_handlers_server_takes_options_and_more_handlers():
    async def greet(session):
        await session.send(f"Hello {session.call.request.params['name']}")

    async def count(session):
        await session.send(str(len(await session.incoming.receive())))

    options = WebSockets(max_frame_size=10)
    server = local_server(greet, path="/greet", websockets=options)
    server.websocket("/count")(count)
    async with server, client() as c:
        async with c.ws(server.url("/greet?name=you")) as session:
            assert (await session.incoming.receive()).read_text() == "Hello you"
        async with c.ws(server.url("/count")) as session:
            await session.send("12345678901")
            assert (await session.close_reason).code == 1009


# What is left.


async def test_nothing_left_names_a_task():
    with pytest.raises(AssertionError, match="forever"):
        async with nothing_left(patience=0.01):
            task = asyncio.create_task(asyncio.Event().wait(), name="forever")
    task.cancel()


async def test_nothing_left_counts_sockets():
    async with echo_server() as server:
        session = None
        with pytest.raises(AssertionError, match="2 sockets"):
            async with nothing_left(patience=0.05):
                c = HttpClient(CIO).install(WebSockets)
                session = await c.websocket_session(server.url())
        session.cancel()
        await session.wait_closed()


async def test_nothing_left_waits_for_what_ends_by_itself():
    async with nothing_left():
        asyncio.create_task(asyncio.sleep(0.02))  # noqa: RUF006


# MockEngine.


async def test_failures_of_scripts_are_known_before_the_engine_closes():
    async def script(peer):
        await peer.receive()
        raise LookupError("unexpected")

    engine = MockEngine(script)
    c = HttpClient(engine).install(WebSockets)
    session = await c.websocket_session("ws://mock.test/")
    assert engine.failures() == []
    await session.send("surprise")
    await session.wait_closed()
    assert [str(error) for error in engine.failures()] == ["unexpected"]
    with pytest.raises(LookupError):
        await engine.close()


async def test_a_mocked_peer_notices_frames_that_break_the_protocol():
    async def script(peer):
        with pytest.raises(ProtocolViolationError):
            await peer.receive()

    async with MockEngine(script) as engine:
        c = HttpClient(engine).install(WebSockets)
        async with c.ws("ws://mock.test/") as session:
            session.masking = False
            await session.send("naked")


def test_importing_needs_no_pytest():
    code = "import sys, ktorws.testing; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
