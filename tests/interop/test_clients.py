"""Clients that are not ours, and our server."""

import asyncio

import aiohttp
import pytest
import websockets
from websockets.asyncio.client import connect

from ktorws import CloseReason, Frame, WebSockets
from ktorws.server import WebSocketServer
from tests.certificates import client_context
from tests.network_fixtures import SECURE, scheme_of, settled, tls_of

pytestmark = pytest.mark.interop

BIG = 20 * 1024 * 1024
MANY = 20_000


class Ours(WebSocketServer):
    """Our server, and the reasons for which its sessions were closed."""

    def __init__(self, secure):
        super().__init__(
            websockets=WebSockets(max_frame_size=1 << 25), **tls_of(secure)
        )
        self.reasons = []
        self.scheme = scheme_of(secure)
        self.tls = client_context() if secure else None
        self.websocket("/echo")(self.echo)
        self.websocket("/spoken", protocol="echo")(self.echo)
        self.websocket("/fragments")(self.fragments)
        self.websocket("/bye")(self.bye)
        self.websocket_raw("/ping")(self.ping)

    def url(self, path):
        return f"{self.scheme}://localhost:{self.port}{path}"

    async def echo(self, session):
        async for message in session.incoming:
            await session.send(message)
        self.reasons.append(await session.close_reason)

    async def fragments(self, session):
        for part in ("one, ", "two, "):
            await session.send(Frame.Text(part, fin=False))
        await session.send(Frame.Text("three"))
        await session.incoming.receive()

    async def bye(self, session):
        await session.close(CloseReason(4001, "server says bye"))

    async def ping(self, session):
        await session.send(Frame.Ping(b"payload"))
        pong = await session.incoming.receive()
        await session.send(f"{type(pong).__name__} {pong.data.decode()}")
        await session.incoming.receive()


def by_websockets(server, path, **options):
    options.setdefault("compression", None)
    return connect(server.url(path), ssl=server.tls, max_size=None, **options)


@SECURE
async def test_websockets_messages(secure):
    async with Ours(secure) as server, by_websockets(server, "/echo") as ws:
        for message in ("Grüße 😀", bytes(range(256)), "", b""):
            await ws.send(message)
            assert await ws.recv() == message


@SECURE
async def test_websockets_fragments(secure):
    async with Ours(secure) as server:
        async with by_websockets(server, "/echo") as ws:
            await ws.send(["one, ", "", "two"])
            assert await ws.recv() == "one, two"
        async with by_websockets(server, "/fragments") as ws:
            parts = [part async for part in ws.recv_streaming()]
            assert parts == ["one, ", "two, ", "three"]


@SECURE
async def test_websockets_pings(secure):
    async with Ours(secure) as server:
        async with by_websockets(server, "/echo") as ws:
            await asyncio.wait_for(await ws.ping("payload"), 5)
        async with by_websockets(server, "/ping") as ws:
            assert await ws.recv() == "PongFrame payload"


@SECURE
async def test_websockets_closes(secure):
    async with Ours(secure) as server:
        async with by_websockets(server, "/echo") as ws:
            await ws.close(4000, "schöne Grüße")
        await settled(lambda: server.reasons)
        assert server.reasons == [CloseReason(4000, "schöne Grüße")]
        async with by_websockets(server, "/bye") as ws:
            with pytest.raises(websockets.ConnectionClosedError):
                await ws.recv()
            assert (ws.close_code, ws.close_reason) == (4001, "server says bye")


@SECURE
async def test_websockets_subprotocols(secure):
    async with Ours(secure) as server:
        offer = {"subprotocols": ["other", "echo"]}
        async with by_websockets(server, "/spoken", **offer) as ws:
            assert ws.subprotocol == "echo"
        with pytest.raises(websockets.InvalidStatus) as caught:
            await by_websockets(server, "/spoken")
        assert caught.value.response.status_code == 400


@SECURE
async def test_websockets_offers_of_compression_are_declined(secure):
    async with Ours(secure) as server:
        async with by_websockets(server, "/echo", compression="deflate") as ws:
            await ws.send("plain")
            assert await ws.recv() == "plain"


@SECURE
async def test_websockets_much_of_it(secure):
    data = bytes(range(256)) * (BIG // 256)
    async with Ours(secure) as server, by_websockets(server, "/echo") as ws:
        await ws.send(data)
        assert await ws.recv() == data

        async def send():
            for number in range(MANY):
                await ws.send(str(number))

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            for number in range(MANY):
                assert await ws.recv() == str(number)


def by_aiohttp(server, client, path, **options):
    return client.ws_connect(
        server.url(path), ssl=server.tls or True, max_msg_size=0, **options
    )


@SECURE
async def test_aiohttp_messages(secure):
    async with Ours(secure) as server, aiohttp.ClientSession() as client:
        async with by_aiohttp(server, client, "/echo") as ws:
            await ws.send_str("Grüße 😀")
            assert await ws.receive_str() == "Grüße 😀"
            await ws.send_bytes(b"")
            assert await ws.receive_bytes() == b""
            data = bytes(range(256)) * (BIG // 256)
            await ws.send_bytes(data)
            assert await ws.receive_bytes() == data
        async with by_aiohttp(server, client, "/fragments") as ws:
            assert await ws.receive_str() == "one, two, three"


@SECURE
async def test_aiohttp_pings(secure):
    async with Ours(secure) as server, aiohttp.ClientSession() as client:
        async with by_aiohttp(server, client, "/echo", autoping=False) as ws:
            await ws.ping(b"payload")
            message = await ws.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"payload")
        async with by_aiohttp(server, client, "/ping") as ws:
            assert await ws.receive_str() == "PongFrame payload"


@SECURE
async def test_aiohttp_closes(secure):
    async with Ours(secure) as server, aiohttp.ClientSession() as client:
        async with by_aiohttp(server, client, "/echo") as ws:
            await ws.close(code=4000, message="schöne Grüße".encode())
        await settled(lambda: server.reasons)
        assert server.reasons == [CloseReason(4000, "schöne Grüße")]
        async with by_aiohttp(server, client, "/bye") as ws:
            message = await ws.receive()
            assert (message.data, message.extra) == (4001, "server says bye")


@SECURE
async def test_aiohttp_subprotocols(secure):
    async with Ours(secure) as server, aiohttp.ClientSession() as client:
        offer = {"protocols": ["other", "echo"]}
        async with by_aiohttp(server, client, "/spoken", **offer) as ws:
            assert ws.protocol == "echo"
