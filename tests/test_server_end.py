"""Where the server listens, and how it ends."""

import asyncio
import contextlib
import socket

import pytest

from ktorws.server import (
    WebSocketServer,
    _make_reader,
)
from tests.certificates import client_context
from tests.network_fixtures import SECURE, nothing_left, settled
from tests.octets import (
    KEY,
    close,
)
from tests.scripted import dialled
from tests.serving import made, request, tls_to, with_handler

# Its end.


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
