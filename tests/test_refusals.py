"""Refusals reach a client that is still sending, and cost the server little."""

import asyncio
import contextlib
import socket
import time

import pytest

from ktorws.engines import _upgrade
from tests.network_fixtures import SECURE, nothing_left, settled
from tests.scripted import dialled
from tests.serving import made, request, tls_to

MEGABYTE = 1_000_000
GET = b"GET / HTTP/1.1\r\n"


def sent_and_then_read(port, octets):
    """A client that reads nothing before it has sent everything."""
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.settimeout(10)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
        sock.sendall(octets)
        time.sleep(0.2)  # a reset would have come by now
        answer = b""
        while piece := sock.recv(65536):
            answer += piece
        return answer


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (GET + b"X: " + b"x" * MEGABYTE, b"431"),
        (GET + b"X: x\r\n" * (MEGABYTE // 6), b"431"),
        (b"\x16\x03\x01\r\n" + bytes(MEGABYTE), b"400"),
        (request(path=b"/elsewhere") + bytes(MEGABYTE), b"404"),
        (request(b"Content-Length: 1000000", method=b"POST") + bytes(MEGABYTE), b"405"),
        (request(b"Content-Length: 1000000") + bytes(MEGABYTE), b"400"),
    ],
    ids=["long header", "many headers", "no HTTP", "frames", "body", "GET with body"],
)
async def test_a_client_that_reads_late_sees_the_refusal(octets, status):
    async with nothing_left(), made() as server:
        answer = await asyncio.to_thread(sent_and_then_read, server.port, octets)
        assert answer.startswith(b"HTTP/1.1 " + status + b" ")
        assert b"Connection: close\r\n" in answer
        await settled(lambda: not server._guests)


async def test_over_tls_a_client_that_is_still_sending_sees_the_refusal():
    async with nothing_left(), made(secure=True) as server:
        async with dialled(server.port, **tls_to(True)) as peer:
            await peer.send(GET + b"X: " + b"x" * MEGABYTE)
            assert (await peer.head()).startswith(b"HTTP/1.1 431 ")
            await peer.send(b"x" * MEGABYTE)
            assert b"HTTP head is too big" in await peer.rest()
        await settled(lambda: not server._guests)


async def test_the_connection_ends_as_soon_as_the_client_closes():
    async with nothing_left(), made() as server:
        async with dialled(server.port) as peer:
            await peer.send(request(path=b"/elsewhere"))
            assert (await peer.rest()).startswith(b"HTTP/1.1 404 ")
            assert len(server._guests) == 1
        began = time.monotonic()
        await settled(lambda: not server._guests)
        assert time.monotonic() - began < _upgrade.LINGER / 2


@SECURE
async def test_a_client_that_stays_is_left(secure, monkeypatch):
    monkeypatch.setattr(_upgrade, "LINGER", 0.05)
    async with nothing_left(), made(secure=secure) as server:
        async with dialled(server.port, **tls_to(secure)) as peer:
            await peer.send(request(path=b"/elsewhere"))
            await settled(lambda: server._guests)
            await settled(lambda: not server._guests)
            assert (await peer.rest()).endswith(b"There is nothing here")


async def test_a_client_that_goes_on_sending_is_left(monkeypatch):
    monkeypatch.setattr(_upgrade, "LINGER", 60)
    async with nothing_left(), made() as server:
        async with dialled(server.port) as peer:
            sent = 0
            with contextlib.suppress(OSError):
                while True:
                    await peer.send(b"x" * 65536)
                    sent += 65536
                    await asyncio.sleep(0)
            assert sent > _upgrade.LINGER_SIZE
        assert not server._guests


@SECURE
async def test_closing_waits_for_those_refused_but_not_for_long(secure):
    async with nothing_left():
        server = made(secure=secure)
        await server.start()
        async with dialled(server.port, **tls_to(secure)) as peer:
            await peer.send(request(path=b"/elsewhere"))
            assert (await peer.head()).startswith(b"HTTP/1.1 404 ")
            began = time.monotonic()
            await server.close()
            assert time.monotonic() - began < _upgrade.LINGER + 0.5
            assert not server._guests
            assert await peer.rest() == b"There is nothing here"


async def test_closing_needs_no_time_where_the_refused_close_too():
    async with nothing_left():
        server = made()
        await server.start()
        async with dialled(server.port) as peer:
            await settled(lambda: server._guests)
            closing = asyncio.create_task(server.close())
            assert (await peer.rest()).startswith(b"HTTP/1.1 503 ")
            await peer.close()
            async with asyncio.timeout(_upgrade.LINGER / 2):
                await closing


async def test_a_reset_after_the_refusal_leaves_nothing():
    async with nothing_left(), made() as server:
        async with dialled(server.port) as peer:
            await peer.send(request(path=b"/elsewhere"))
            await peer.head()
            peer.reset()
        await settled(lambda: not server._guests)
