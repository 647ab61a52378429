"""What an ended session held is given back at once, not when garbage is collected.

A session and its connection refer to each other. Where a program has many objects the
collector comes by rarely; thousands of ended sessions then wait for it, and whatever
is large in one of them is held as often.
"""

import asyncio
import gc
import ssl
import weakref

import pytest
import websockets

from ktorws import CIO, HttpClient, WebSockets
from ktorws.deflate import WebSocketDeflateExtension
from tests.certificates import client_context, server_context
from tests.stress.harness import run


async def echo(connection):
    async for message in connection:
        await connection.send(message)


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_tls_buffers_and_deflate_windows_go_with_the_session(no_collector):
    async def main():
        engine = CIO(ssl=client_context(), transport="asyncio")
        extensions = [WebSocketDeflateExtension.install()]
        feature = WebSockets(extensions=extensions)
        async with (
            websockets.serve(echo, "127.0.0.1", 0, ssl=server_context()) as server,
            HttpClient(engine, features=[feature]) as http,
        ):
            port = server.sockets[0].getsockname()[1]
            async with http.ws(f"wss://127.0.0.1:{port}/") as session:
                await session.send("there and back")
                await session.incoming.receive()
                transport = session._connection._transport
                tls = weakref.ref(transport.get_extra_info("ssl_object"))
                assert isinstance(tls(), ssl.SSLObject)
                del transport
                deflate = session.extension(WebSocketDeflateExtension)
                assert deflate._deflater is not None
                assert deflate._inflater is not None
            await asyncio.sleep(0.1)  # the loop lets go of its handles
            assert tls() is None
            assert deflate._deflater is None
            assert deflate._inflater is None

    run(main(), "asyncio")
