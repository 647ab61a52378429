"""How a session that fails ends over TLS, where no side can half-close.

A peer that is still sending must see our Close frame, not a reset. One that broke a
rule is left when it falls silent, and any after `LINGER` seconds.
"""

import asyncio
import contextlib
import time

import pytest

from ktorws import (
    ClosedReceiveChannelError,
    ConnectionLostError,
    FrameTooBigError,
    WebSocketChannelsConfig,
    WebSocketError,
    bounded,
    unlimited,
)
from ktorws.engines._connection import SILENCE
from ktorws.session import LINGER
from tests.certificates import server_context
from tests.hostile.tls_by_hand import TlsByHand
from tests.network_fixtures import TRANSPORT, client, nothing_left, settled
from tests.octets import BINARY, KEY, TEXT, close, frame
from tests.scripted import dialled, scripted, switching_protocols
from tests.serving import BYE, made, tls_to

MEBIBYTE = 1 << 20
TOO_BIG = (32 * MEBIBYTE).to_bytes(8, "big")
SOON = LINGER / 2


async def still_sending(peer, header):
    """Send a frame of which the header is too much already; give what is answered."""
    await peer.send(header)
    for _ in range(32):
        await peer.send(bytes(MEBIBYTE))
        await asyncio.sleep(0.002)  # time in which a reset can arrive
    return await peer.frame()


async def test_a_client_that_sends_too_much_sees_why():
    sessions = []
    async with nothing_left(), made(secure=True, sessions=sessions) as server:
        async with dialled(server.port, **tls_to(True)) as peer:
            await peer.ask(b"/echo")
            first, payload = await still_sending(peer, b"\x82\xff" + TOO_BIG + KEY)
            assert (first, payload[:2]) == (0x88, b"\x03\xf1")
        await settled(lambda: not server._guests)
        assert sessions[0].has_ended


@TRANSPORT
async def test_a_server_that_sends_too_much_sees_why(transport):
    async def script(peer):
        await peer.accept()
        first, payload = await still_sending(peer, b"\x82\x7f" + TOO_BIG)
        assert (first, payload[:2]) == (0x88, b"\x03\xf1")

    async with nothing_left():
        async with scripted(script, ssl=server_context()) as server:
            async with client(transport=transport) as c:
                session = await c.websocket_session(server.url(scheme="wss"))
                with pytest.raises(FrameTooBigError):
                    await session.incoming.receive()
                await session.wait_closed()


@TRANSPORT
async def test_a_server_that_falls_silent_is_left_soon(transport):
    ends = []

    async def script(peer):
        await peer.accept(then=b"\x83\x00")
        assert (await peer.frame())[1][:2] == b"\x03\xea"
        ends.append(await peer.rest())  # TLS tells of the end; a reset would raise

    async with nothing_left():
        async with scripted(script, ssl=server_context()) as server:
            async with client(transport=transport) as c:
                began = time.monotonic()
                session = await c.websocket_session(server.url(scheme="wss"))
                await session.incoming.receive_catching()
                await session.wait_closed()
                assert SILENCE <= time.monotonic() - began < LINGER
    assert ends == [b""]


async def test_a_client_that_falls_silent_is_left_soon():
    async with nothing_left(), made(secure=True) as server:
        async with dialled(server.port, **tls_to(True)) as peer:
            await peer.ask(b"/echo", then=b"\x83\x80" + KEY)
            began = time.monotonic()
            assert (await peer.frame())[1][:2] == b"\x03\xea"
            (session,) = server.sessions
            assert await peer.rest() == b""
            assert SILENCE / 2 < time.monotonic() - began < LINGER
            await settled(lambda: session.has_ended and not server._guests)


async def test_a_client_that_never_stops_sending_is_left_after_a_while():
    async with nothing_left(), made(secure=True) as server:
        async with dialled(server.port, **tls_to(True)) as peer:
            await peer.ask(b"/echo", then=b"\x83\x80" + KEY)
            began = time.monotonic()
            with contextlib.suppress(OSError):
                while True:
                    await peer.send(frame(BINARY, bytes(1000), key=KEY))
                    await asyncio.sleep(0.001)
            assert SOON < time.monotonic() - began < LINGER + 0.5
        assert server.sessions == []


async def test_a_client_that_answers_the_close_frame_is_left_at_once():
    sessions = []
    async with nothing_left(), made(secure=True, sessions=sessions) as server:
        async with dialled(server.port, **tls_to(True)) as peer:
            await peer.ask(b"/raw")
            await settled(lambda: sessions)
            sessions[0].cancel()
            assert await peer.frame() == (0x88, b"\x03\xe8")
            began = time.monotonic()
            await peer.send(frame(TEXT, b"late", key=KEY) + BYE)
            assert await peer.rest() == b""
            assert time.monotonic() - began < SOON


@TRANSPORT
async def test_a_server_that_answers_the_close_frame_is_left_at_once(transport):
    async def script(peer):
        await peer.accept()
        assert await peer.frame() == (0x88, b"\x03\xe8")
        await peer.send(frame(TEXT, b"late") + close(1000))
        assert await peer.rest() == b""

    async with nothing_left():
        async with scripted(script, ssl=server_context()) as server:
            async with client(transport=transport) as c:
                session = await c.websocket_session(server.url(scheme="wss"))
                session.cancel()
                async with asyncio.timeout(SOON):
                    await session.wait_closed()


async def test_an_end_in_good_order_takes_no_time():
    async with nothing_left(), made(secure=True) as server:
        async with dialled(server.port, **tls_to(True)) as peer:
            await peer.ask(b"/echo")
            (session,) = server.sessions
            async with asyncio.timeout(SOON):
                await peer.send(BYE)
                assert await peer.rest() == close(1000)
                await peer.close()
                await session.wait_closed()
            with pytest.raises(ClosedReceiveChannelError):
                await session.incoming.receive()


# What came before the end is received, although nobody read on when the end came.

NUMBERED = range(3000)  # more than a channel holds, and a read, and TLS in a pause


def sending_numbers_then(ending):
    """A peer that says them in records of their own, and ends; TCP ends with TLS."""

    async def script(peer):
        tls = TlsByHand(peer, server_context(), server_side=True)
        await tls.handshake()
        octets = [tls.sealed(switching_protocols(await tls.head()))]
        octets += [
            tls.sealed(frame(BINARY, number.to_bytes(4) + bytes(100)))
            for number in NUMBERED
        ]
        octets += [tls.sealed(close(1000))] if "Close" in ending else []
        octets += [tls.goodbye()] if "close_notify" in ending else []
        await peer.send(b"".join(octets))
        peer.half_close()
        await peer.rest()

    return script


@TRANSPORT
@pytest.mark.parametrize("ending", ["FIN", "close_notify", "Close and close_notify"])
@pytest.mark.parametrize("incoming", [bounded(), bounded(10), unlimited()])
async def test_nothing_is_lost_before_an_end_that_comes_in_a_pause(
    transport, ending, incoming
):
    channels = WebSocketChannelsConfig(incoming=incoming)
    heard = []
    async with nothing_left():
        async with scripted(sending_numbers_then(ending)) as server:
            async with client(transport=transport, channels=channels) as c:
                session = await c.websocket_session(server.url(scheme="wss"))
                await asyncio.sleep(0.05)  # all is there, or here, and so is the end
                with pytest.raises(WebSocketError) as end:
                    while True:
                        heard.append(await session.incoming.receive())
                        if len(heard) % 100 == 0:
                            await asyncio.sleep(0)
                await session.wait_closed()
    assert [int.from_bytes(each.data[:4]) for each in heard] == list(NUMBERED)
    good = "Close" in ending
    assert type(end.value) is (
        ClosedReceiveChannelError if good else ConnectionLostError
    )


@TRANSPORT
async def test_a_session_that_is_cancelled_in_a_pause_ends_at_once(transport):
    async def script(peer):
        await peer.accept(then=frame(BINARY, bytes(100)) * 3000)
        assert await peer.frame() == (0x88, b"\x03\xe8")
        await peer.send(close(1000))
        assert await peer.rest() == b""

    async with nothing_left():
        async with scripted(script, ssl=server_context()) as server:
            async with client(transport=transport) as c:
                session = await c.websocket_session(server.url(scheme="wss"))
                await settled(lambda: session._connection.deafness > 0)
                session.cancel()
                async with asyncio.timeout(SOON):
                    await session.wait_closed()
