"""One program on every engine; `tests/browser` runs it on `Js`."""

import contextlib

import pytest
import websockets

from ktorws import CIO, AioHttp, Js
from ktorws.server import WebSocketServer
from tests.conversation import PATH, check


async def echo(session):
    async for message in session.incoming:
        await session.send(message)


async def echo_theirs(connection):
    async for message in connection:
        with contextlib.suppress(websockets.ConnectionClosed):
            await connection.send(message)


ENGINE = pytest.mark.parametrize(
    "engine", [None, CIO, AioHttp], ids=["default", "CIO", "AioHttp"]
)


@ENGINE
async def test_the_conversation_is_held_with_our_server(engine):
    server = WebSocketServer()
    server.websocket(PATH)(echo)
    async with server:
        await check("127.0.0.1", server.port, engine)


@ENGINE
async def test_the_conversation_is_held_with_a_server_that_is_not_ours(engine):
    async with websockets.serve(echo_theirs, "127.0.0.1", 0) as server:
        await check("127.0.0.1", server.sockets[0].getsockname()[1], engine)


def test_js_says_where_it_works_and_what_to_use_instead():
    with pytest.raises(RuntimeError, match=r"Js is for Pyodide.* use CIO here"):
        Js()
