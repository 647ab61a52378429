"""Cancelling the opening of a session at every stage leaves nothing behind."""

import asyncio

import pytest

from ktorws import CIO
from tests.certificates import client_context
from tests.network_fixtures import (
    SECURE,
    TRANSPORT,
    client,
    nothing_left,
    scheme_of,
    settled,
    tls_of,
)
from tests.scripted import scripted, silent_listener


async def cancelled(opening):
    """Cancel a task and see that it ends so."""
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening


async def test_while_a_name_is_looked_up(monkeypatch):
    asked = asyncio.Event()

    async def never(*_, **__):
        asked.set()
        await asyncio.Event().wait()

    async with nothing_left(), client() as c:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
        opening = asyncio.create_task(c.websocket_session("ws://slow.example/"))
        await asked.wait()
        await cancelled(opening)


async def test_while_it_connects():
    async with nothing_left(), silent_listener() as port, client() as c:
        opening = asyncio.create_task(c.websocket_session(f"ws://127.0.0.1:{port}/"))
        for _ in range(5):
            await asyncio.sleep(0.001)
        assert not opening.done()
        await cancelled(opening)


@TRANSPORT
async def test_while_tls_is_agreed_on(transport):
    met = asyncio.Event()

    async def script(peer):
        await peer.read(1)  # of the client's hello
        met.set()
        await peer.rest()

    async with nothing_left(), scripted(script) as server:
        engine = CIO(ssl=client_context(), transport=transport)
        async with client(engine) as c:
            opening = asyncio.create_task(c.websocket_session(server.url(scheme="wss")))
            await met.wait()
            await cancelled(opening)


@SECURE
@TRANSPORT
@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 101 Switch", b"HTTP/1.1 403 No\r\n\r\nshoo"]
)
async def test_while_the_answer_is_waited_for(answer, secure, transport):
    met = asyncio.Event()

    async def script(peer):
        await peer.head()
        await peer.send(answer)
        met.set()
        await peer.rest()

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport) as c:
            url = server.url(scheme=scheme_of(secure))
            opening = asyncio.create_task(c.websocket_session(url))
            await met.wait()
            await asyncio.sleep(0.001)
            await cancelled(opening)


@SECURE
@TRANSPORT
async def test_after_any_number_of_iterations(secure, transport):
    """Whatever stage that is: it opens, or it leaves nothing."""
    opened = 0

    async def script(peer):
        try:
            await peer.accept()
            await peer.rest()
        except (OSError, EOFError):
            pass

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        server.listener.get_loop().set_exception_handler(lambda *_: None)
        async with client(transport=transport) as c:
            url = server.url(scheme=scheme_of(secure))
            for iterations in range(60):
                opening = asyncio.create_task(c.websocket_session(url))
                for _ in range(iterations):
                    await asyncio.sleep(0)
                opening.cancel()
                try:
                    session = await opening
                except asyncio.CancelledError:
                    continue
                session.cancel()
                opened += 1
            await settled(lambda: not c._sessions)
    assert opened < 60
