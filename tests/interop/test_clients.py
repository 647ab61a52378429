"""Clients in Python that are not ours, and our server."""

import asyncio

import aiohttp
import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from ktorws import CloseReason
from tests.interop.ours import Ours
from tests.network_fixtures import SECURE, settled

pytestmark = pytest.mark.interop

BIG = 20 * 1024 * 1024
MANY = 10_000

DEFLATE = pytest.mark.parametrize("deflate", [False, True], ids=["raw", "deflate"])
BY_WEBSOCKETS = pytest.mark.peer("client websockets")
BY_AIOHTTP = pytest.mark.peer("client aiohttp")


def ours(secure, deflate):
    return Ours(secure=secure, deflate=deflate)


def by_websockets(server, path, deflate=False, **options):
    options["compression"] = "deflate" if deflate else None
    return connect(server.url(path), ssl=server.tls, max_size=None, **options)


@BY_WEBSOCKETS
@DEFLATE
@SECURE
async def test_websockets_messages(secure, deflate):
    async with (
        ours(secure, deflate) as server,
        by_websockets(server, "/echo", deflate) as ws,
    ):
        assert bool(ws.protocol.extensions) is deflate
        assert not deflate or ws.protocol.extensions[0].name == "permessage-deflate"
        for message in ("Grüße 😀", bytes(range(256)), "", b"", "x" * 100_000):
            await ws.send(message)
            assert await ws.recv() == message


@BY_WEBSOCKETS
@DEFLATE
@SECURE
async def test_websockets_fragments(secure, deflate):
    async with ours(secure, deflate) as server:
        async with by_websockets(server, "/echo", deflate) as ws:
            await ws.send(["one, ", "", "two"])
            assert await ws.recv() == "one, two"
        async with by_websockets(server, "/fragments", deflate) as ws:
            parts = [part async for part in ws.recv_streaming()]
            assert parts == ["one, ", "two, ", "drei €"]
            assert await ws.recv() == b"\x00\x01\x02"


@BY_WEBSOCKETS
@DEFLATE
@SECURE
async def test_websockets_pings(secure, deflate):
    async with ours(secure, deflate) as server:
        async with by_websockets(server, "/echo", deflate) as ws:
            await asyncio.wait_for(await ws.ping("payload"), 5)
        async with by_websockets(server, "/ping", deflate) as ws:
            assert await ws.recv() == "PongFrame payload"


@BY_WEBSOCKETS
@DEFLATE
@SECURE
async def test_websockets_closes(secure, deflate):
    async with ours(secure, deflate) as server:
        async with by_websockets(server, "/echo", deflate) as ws:
            await ws.close(4000, "schöne Grüße")
        await settled(lambda: server.reasons)
        assert server.reasons == [CloseReason(4000, "schöne Grüße")]
        async with by_websockets(server, "/bye", deflate) as ws:
            with pytest.raises(websockets.ConnectionClosedError):
                await ws.recv()
            assert (ws.close_code, ws.close_reason) == (4001, "server says bye")


@BY_WEBSOCKETS
@DEFLATE
@SECURE
async def test_websockets_subprotocols(secure, deflate):
    async with ours(secure, deflate) as server:
        offer = {"subprotocols": ["other", "echo"]}
        async with by_websockets(server, "/spoken", **offer) as ws:
            assert ws.subprotocol == "echo"
        with pytest.raises(websockets.InvalidStatus) as caught:
            await by_websockets(server, "/spoken", deflate)
        assert caught.value.response.status_code == 400


@SECURE
async def test_websockets_offers_of_compression_are_declined(secure):
    async with Ours(secure=secure, deflate=False) as server:
        async with by_websockets(server, "/echo", deflate=True) as ws:
            assert not ws.protocol.extensions
            await ws.send("plain")
            assert await ws.recv() == "plain"


@pytest.mark.parametrize("own", [8, 9, 12, 15])
@pytest.mark.parametrize("theirs", [9, 12, 15])
@pytest.mark.parametrize("takeover", [True, False])
async def test_websockets_offers_of_every_window(own, theirs, takeover):
    factory = ClientPerMessageDeflateFactory(
        server_no_context_takeover=not takeover,
        client_no_context_takeover=not takeover,
        server_max_window_bits=own,
        client_max_window_bits=theirs,
    )
    async with Ours(secure=False, deflate=True) as server:
        async with by_websockets(server, "/echo", extensions=[factory]) as ws:
            (agreed,) = ws.protocol.extensions
            assert agreed.remote_max_window_bits == own
            assert agreed.local_max_window_bits == theirs
            for text in ("again " * n for n in (1, 7, 100, 100, 20_000)):
                await ws.send(text)
                assert await ws.recv() == text


@BY_WEBSOCKETS
@DEFLATE
@SECURE
async def test_websockets_much_of_it(secure, deflate):
    data = bytes(range(256)) * (BIG // 256)
    async with (
        ours(secure, deflate) as server,
        by_websockets(server, "/echo", deflate) as ws,
    ):
        await ws.send(data)
        assert await ws.recv() == data

        async def send():
            for number in range(MANY):
                await ws.send(str(number))

        async with asyncio.TaskGroup() as group:
            group.create_task(send())
            for number in range(MANY):
                assert await ws.recv() == str(number)


def by_aiohttp(server, client, path, deflate=False, **options):
    return client.ws_connect(
        server.url(path),
        ssl=server.tls or True,
        max_msg_size=0,
        compress=15 if deflate else 0,
        **options,
    )


@BY_AIOHTTP
@DEFLATE
@SECURE
async def test_aiohttp_messages(secure, deflate):
    async with (
        ours(secure, deflate) as server,
        aiohttp.ClientSession() as client,
    ):
        async with by_aiohttp(server, client, "/echo", deflate) as ws:
            assert bool(ws.compress) is deflate
            await ws.send_str("Grüße 😀")
            assert await ws.receive_str() == "Grüße 😀"
            await ws.send_bytes(b"")
            assert await ws.receive_bytes() == b""
            data = bytes(range(256)) * (BIG // 256)
            await ws.send_bytes(data)
            assert await ws.receive_bytes() == data
        async with by_aiohttp(server, client, "/fragments", deflate) as ws:
            assert await ws.receive_str() == "one, two, drei €"
            assert await ws.receive_bytes() == b"\x00\x01\x02"


@BY_AIOHTTP
@DEFLATE
@SECURE
async def test_aiohttp_pings(secure, deflate):
    async with (
        ours(secure, deflate) as server,
        aiohttp.ClientSession() as client,
    ):
        async with by_aiohttp(server, client, "/echo", deflate, autoping=False) as ws:
            await ws.ping(b"payload")
            message = await ws.receive()
            assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"payload")
        async with by_aiohttp(server, client, "/ping", deflate) as ws:
            assert await ws.receive_str() == "PongFrame payload"


@BY_AIOHTTP
@DEFLATE
@SECURE
async def test_aiohttp_closes(secure, deflate):
    async with (
        ours(secure, deflate) as server,
        aiohttp.ClientSession() as client,
    ):
        async with by_aiohttp(server, client, "/echo", deflate) as ws:
            await ws.close(code=4000, message="schöne Grüße".encode())
        await settled(lambda: server.reasons)
        assert server.reasons == [CloseReason(4000, "schöne Grüße")]
        async with by_aiohttp(server, client, "/bye", deflate) as ws:
            message = await ws.receive()
            assert (message.data, message.extra) == (4001, "server says bye")


@BY_AIOHTTP
@DEFLATE
@SECURE
async def test_aiohttp_subprotocols(secure, deflate):
    async with (
        ours(secure, deflate) as server,
        aiohttp.ClientSession() as client,
    ):
        offer = {"protocols": ["other", "echo"]}
        async with by_aiohttp(server, client, "/spoken", deflate, **offer) as ws:
            assert ws.protocol == "echo"
