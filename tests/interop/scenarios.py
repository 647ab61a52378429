"""The conversations that every foreign server must be able to hold with us.

Each takes a client and ``url(path)``. The servers have these paths:

* ``/echo`` echoes messages; speaks the subprotocol ``echo``;
* ``/fragments`` sends a text and a binary message in three fragments each;
* ``/ping`` pings with ``payload`` and, after the pong, sends ``pong``;
* ``/bye`` closes with code 4001 and ``server says bye``;
* ``/report`` takes note of the client's Close frame, ``/reported`` sends the note;
* ``/numbers`` takes a number and sends as many texts, numbered, then ``end``;
* ``/count`` takes numbered texts until ``end`` and sends how many were in order.
"""

import asyncio

import pytest

from ktorws import ClosedReceiveChannelError, CloseReason, Frame
from tests.network_fixtures import settled

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
            await session.send(Frame.Ping(b"between"))
            await session.send(kind(b"", fin=False))
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


async def close_from_us(client, url):
    session = await client.websocket_session(url("/report"))
    await session.close(CloseReason(4000, "schöne Grüße"))
    assert await session.close_reason == CloseReason(4000, "schöne Grüße")
    async with client.ws(url("/reported")) as other:
        assert await other.incoming.receive() == Frame.Text("4000 schöne Grüße")


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


async def big_messages(client, url):
    data = bytes(range(256)) * (BIG // 256)
    async with client.ws(url("/echo")) as session:
        await session.send(data)
        assert (await session.incoming.receive()).read_bytes() == data
        await session.send("é" * (BIG // 2))
        assert (await session.incoming.receive()).read_text() == "é" * (BIG // 2)


async def many_frames_from_them(client, url):
    async with client.ws(url("/numbers")) as session:
        await session.send(str(MANY))
        for number in range(MANY):
            assert (await session.incoming.receive()).read_text() == str(number)
        assert await session.incoming.receive() == Frame.Text("end")


async def many_frames_from_us(client, url):
    async with client.ws(url("/count")) as session:
        for number in range(MANY):
            await session.send(str(number))
        await session.send("end")
        assert await session.incoming.receive() == Frame.Text(str(MANY))


LIGHT = [
    text,
    binary,
    empty,
    fragments_from_us,
    fragments_from_them,
    raw_fragments_from_them,
    ping_from_us,
    pings_by_the_clock,
    ping_from_them,
    close_from_us,
    close_from_them,
    subprotocol,
    no_subprotocol,
    utf8_of_all_lengths,
]
HEAVY = [big_messages, many_frames_from_them, many_frames_from_us]


def _each(scenarios):
    return pytest.mark.parametrize("scenario", scenarios, ids=lambda s: s.__name__)


EVERY_LIGHT_SCENARIO = _each(LIGHT)
EVERY_HEAVY_SCENARIO = _each(HEAVY)


async def hold(scenario, server, client, *, secure):
    """Hold one conversation."""
    async with asyncio.timeout(25), client:
        await scenario(client, lambda path: server.url(path, secure=secure))
