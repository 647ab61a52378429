"""`client.ws_reconnecting` over real sockets, with servers that are not ours."""

import asyncio
import os
import time

import pytest

from ktorws import (
    CIO,
    AioHttp,
    ConnectError,
    HandshakeError,
    HandshakeLostError,
    Reconnect,
)
from tests.certificates import server_context
from tests.network_fixtures import TRANSPORT, client, nothing_left, settled
from tests.octets import close
from tests.scripted import free_port, scripted

forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="the server is forked")


async def consume(loop):
    """The gaps, until the loop ends."""
    gaps = []
    async for connection in loop:
        async with connection as (session, gap):
            gaps.append(gap)
            async for _ in session.incoming:
                pass
    return gaps


@pytest.fixture
def feed():
    pytest.importorskip("uvloop")
    from tests.stress.feeding import Feed

    with Feed() as feed:
        yield feed


@forking
@pytest.mark.parametrize("engine", [CIO, AioHttp])
async def test_each_restart_of_a_killed_server_is_a_gap_and_nothing_else_is_lost(
    feed, engine
):
    from tests.stress.feeding import restarted

    async with nothing_left():
        seed = time.time_ns() % 1000
        books, _ = await restarted(feed, 5, seed=seed, engine=engine)
        books.check(5)


@forking
async def test_a_401_is_final(feed):
    attempts = []
    await asyncio.to_thread(feed.start)
    async with nothing_left(), client() as c:
        with pytest.raises(HandshakeError) as caught:
            await consume(
                c.ws_reconnecting(feed.url("refused"), request=attempts.append)
            )
    assert caught.value.response.status == 401
    assert len(attempts) == 1


@TRANSPORT
async def test_a_certificate_that_nobody_vouches_for_is_final(transport):
    async def script(peer):
        await peer.rest()

    attempts = []
    async with nothing_left(), scripted(script, ssl=server_context()) as server:
        async with client(CIO(transport=transport)) as c:
            with pytest.raises(ConnectError, match="certificate"):
                await consume(
                    c.ws_reconnecting(server.url(scheme="wss"), request=attempts.append)
                )
    assert len(attempts) == 1


async def test_a_connection_that_ends_before_the_answer_is_tried_again():
    served = []

    async def script(peer):
        served.append(peer)
        match len(served):
            case 1:
                await peer.head()
                peer.reset()
            case 2:
                await peer.head()
                await peer.send(b"HTTP/1.1 101 Switch")
            case _:
                await peer.accept()
                await peer.send(close(1000))
                await peer.rest()

    async with nothing_left(), scripted(script) as server, client() as c:
        c.install(Reconnect, initial=0.001)
        assert await consume(c.ws_reconnecting(server.url())) == [None]
    assert len(served) == 3


async def test_a_lost_handshake_has_a_type_of_its_own_and_is_a_connection_error():
    async def script(peer):
        await peer.head()

    async with nothing_left(), scripted(script) as server, client() as c:
        with pytest.raises(HandshakeLostError, match="before it") as caught:
            await c.websocket_session(server.url())
    assert isinstance(caught.value, ConnectionError)


async def test_cancellation_while_it_waits_returns_at_once():
    async with nothing_left(), client() as c:
        c.install(Reconnect, initial=1000, maximum=1000)
        tried = asyncio.Event()
        loop = c.ws_reconnecting(
            f"ws://127.0.0.1:{free_port()}/", request=lambda _: tried.set()
        )
        task = asyncio.create_task(consume(loop))
        await tried.wait()
        await settled(lambda: c._pauses._waiting)
        begin = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - begin < 1
