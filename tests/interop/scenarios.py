"""The conversations that every foreign server must be able to hold with us.

Each takes a client and ``url(path)``. The servers have these paths; some servers have
no words for some of it, as `catalogue` says:

* ``/echo`` echoes messages; speaks the subprotocol ``echo``;
* ``/fragments`` sends a text and a binary message in three fragments each;
* ``/ping`` pings with ``payload`` and, after the pong, sends ``pong``;
* ``/bye`` closes with code 4001 and ``server says bye``;
* ``/report`` takes note of the client's Close frame, ``/reported`` sends the note;
* ``/numbers`` takes a number and sends as many texts, numbered, then ``end``;
* ``/count`` takes numbered texts until ``end`` and sends how many were in order.
"""

import asyncio
import os

import pytest

from ktorws import ClosedReceiveChannelError, CloseReason, Frame
from tests.network_fixtures import settled

PATIENCE = 20  # seconds for a conversation
BIG = 20 * 1024 * 1024
MANY = 100_000


async def text(client, url):
    async with client.ws(url("/echo")) as session:
        await session.send("Grüße, Ktor! 😀")
        assert await session.incoming.receive() == Frame.Text("Grüße, Ktor! 😀")


async def binary(client, url):
    async with client.ws(url("/echo")) as session:
        await session.send(bytes(range(256)))
        assert await session.incoming.receive() == Frame.Binary(bytes(range(256)))


async def hundred_kilobytes(client, url):
    # Such as compresses well, and such as does not at all.
    for data in (b"0123456789" * 10_000, os.urandom(100_000)):
        async with client.ws(url("/echo")) as session:
            for _ in range(3):
                await session.send(data)
                assert (await session.incoming.receive()).read_bytes() == data


async def empty(client, url):
    async with client.ws(url("/echo")) as session:
        await session.send("")
        await session.send(b"")
        assert await session.incoming.receive() == Frame.Text("")
        assert await session.incoming.receive() == Frame.Binary(b"")


async def fragments_from_us(client, url):
    async with client.ws(url("/echo")) as session:
        for kind in (Frame.Text, Frame.Binary):
            await session.send(kind(b"one, ", fin=False))
            await session.send(kind(b"", fin=False))
            await session.send(kind(b"two"))
            assert await session.incoming.receive() == kind(b"one, two")


async def ping_between_fragments_from_us(client, url):
    async with client.ws(url("/echo")) as session:
        for kind in (Frame.Text, Frame.Binary):
            await session.send(kind(b"one, ", fin=False))
            await session.send(Frame.Ping(b"between"))
            await session.send(kind(b"two"))
            assert await session.incoming.receive() == kind(b"one, two")


async def fragments_from_them(client, url):
    async with client.ws(url("/fragments")) as session:
        assert await session.incoming.receive() == Frame.Text("one, two, drei €")
        assert await session.incoming.receive() == Frame.Binary(b"\x00\x01\x02")


async def raw_fragments_from_them(client, url):
    async with client.ws_raw(url("/fragments")) as session:
        for expected in ("one, two, drei €".encode(), b"\x00\x01\x02"):
            frames = [await session.incoming.receive()]
            while not frames[-1].fin:
                frames.append(await session.incoming.receive())
            assert len(frames) >= 3  # some end with an empty one
            assert b"".join(frame.data for frame in frames) == expected


async def ping_from_us(client, url):
    async with client.ws_raw(url("/echo")) as session:
        await session.send(Frame.Ping(b"payload"))
        assert await session.incoming.receive() == Frame.Pong(b"payload")


async def pings_by_the_clock(client, url):
    async with client.ws(url("/echo")) as session:
        session.ping_interval_millis = 10
        session.timeout_millis = 5_000
        await settled(lambda: session.latency is not None)
        assert 0 < session.latency < 5
        await session.send("still there")
        assert await session.incoming.receive() == Frame.Text("still there")


async def ping_from_them(client, url):
    async with client.ws(url("/ping")) as session:
        assert await session.incoming.receive() == Frame.Text("pong")


async def _close(client, url):
    session = await client.websocket_session(url("/report"))
    await session.close(CloseReason(4000, "schöne Grüße"))
    assert await session.close_reason == CloseReason(4000, "schöne Grüße")


async def _reported(client, url):
    async with client.ws(url("/reported")) as session:
        return (await session.incoming.receive()).read_text()


async def close_from_us(client, url):
    await _close(client, url)
    assert await _reported(client, url)


async def close_from_us_with_a_code(client, url):
    await _close(client, url)
    assert (await _reported(client, url)).split()[0] == "4000"


async def close_from_us_with_a_reason(client, url):
    await _close(client, url)
    assert await _reported(client, url) == "4000 schöne Grüße"


async def close_from_them(client, url):
    async with client.ws(url("/bye")) as session:
        with pytest.raises(ClosedReceiveChannelError) as caught:
            await session.incoming.receive()
        assert caught.value.close_reason == CloseReason(4001, "server says bye")
        assert await session.close_reason == CloseReason(4001, "server says bye")


async def subprotocol(client, url):
    async with client.ws(url("/echo"), subprotocols=["other", "echo"]) as session:
        assert session.subprotocol == "echo"


async def no_subprotocol(client, url):
    async with client.ws(url("/echo")) as session:
        assert session.subprotocol is None


async def utf8_of_all_lengths(client, url):
    texts = ["aé€😀"[n % 4] + "x€é😀"[n % 3] * n for n in range(300)]
    async with client.ws(url("/echo")) as session:
        for sent in texts:
            await session.send(sent)
        received = [(await session.incoming.receive()).read_text() for _ in texts]
    assert received == texts


async def a_big_message(client, url):
    async with client.ws(url("/echo")) as session:
        await session.send("é" * (BIG // 2))
        assert (await session.incoming.receive()).read_text() == "é" * (BIG // 2)


async def a_big_message_in_fragments(client, url):
    part = bytes(range(256)) * 4096
    async with client.ws(url("/echo")) as session:
        for number in range(20):
            await session.send(Frame.Binary(part, fin=number == 19))
        assert (await session.incoming.receive()).read_bytes() == part * 20


async def many_frames_from_them(client, url):
    async with client.ws(url("/numbers")) as session:
        many = url.many // 10 if session.extensions else url.many
        await session.send(str(many))
        for number in range(many):
            assert (await session.incoming.receive()).read_text() == str(number)
        assert await session.incoming.receive() == Frame.Text("end")


async def many_frames_from_us(client, url):
    async with client.ws(url("/count")) as session:
        many = url.many // 10 if session.extensions else url.many
        for number in range(many):
            await session.send(str(number))
        await session.send("end")
        assert await session.incoming.receive() == Frame.Text(str(many))


LIGHT = [
    text,
    binary,
    hundred_kilobytes,
    empty,
    fragments_from_us,
    ping_between_fragments_from_us,
    fragments_from_them,
    raw_fragments_from_them,
    ping_from_us,
    pings_by_the_clock,
    ping_from_them,
    close_from_us,
    close_from_us_with_a_code,
    close_from_us_with_a_reason,
    close_from_them,
    subprotocol,
    no_subprotocol,
    utf8_of_all_lengths,
]
HEAVY = [
    a_big_message,
    many_frames_from_them,
    many_frames_from_us,
]


class Urls:
    """Where a server's paths are, and how many frames are many for it."""

    def __init__(self, server, *, secure):
        self._server = server
        self._secure = secure
        self.many = MANY // 20 if server.peer.slow else MANY

    def __call__(self, path):
        return self._server.url(path, secure=self._secure)


async def hold(scenario, server, client, *, secure):
    """Hold one conversation."""
    async with asyncio.timeout(PATIENCE), client:
        await scenario(client, Urls(server, secure=secure))
