"""A session on a transport that keeps nothing: our own code alone, without sockets.

What stands here is run by the micro-benchmarks and by the instruction counts.
"""

import asyncio
import contextlib

from ktorws import WebSockets
from ktorws.client_session import DefaultClientWebSocketSession
from ktorws.engines._connection import new_session
from ktorws.handshake import Negotiated

#: Messages between two rests of the event loop; fewer than a channel holds.
BATCH = 900


class Nowhere(asyncio.Transport):
    """Takes octets, and forgets them."""

    def __init__(self):
        super().__init__()
        self.written = 0

    def set_protocol(self, protocol):
        self.protocol = protocol

    def write(self, data):
        self.written += len(data)

    def is_closing(self):
        return False

    def get_write_buffer_size(self):
        return 0

    def pause_reading(self):
        raise AssertionError("the channel should have had room")

    def abort(self):
        self.protocol.connection_lost(None)


@contextlib.asynccontextmanager
async def opened(**options):
    """A client's session, its connection and its transport."""
    session, connection = new_session(
        DefaultClientWebSocketSession,
        asyncio.get_running_loop(),
        WebSockets(**options).config,
        Negotiated(),
        is_client=True,
        call=None,
    )
    transport = Nowhere()
    connection.open(transport, session, b"")
    try:
        yield session, connection, transport
    finally:
        transport.abort()


def feed(connection, octets):
    """What a transport does when octets have arrived."""
    view = memoryview(octets)
    while view:
        buffer = connection.get_buffer(-1)
        size = min(len(buffer), len(view))
        buffer[:size] = view[:size]
        connection.buffer_updated(size)
        view = view[size:]


def frames(payload, number=BATCH, *, opcode=1):
    """So many unmasked frames in one piece."""
    size = len(payload)
    assert size < 65536
    head = bytes([0x80 | opcode, size] if size < 126 else [0x80 | opcode, 126])
    if size >= 126:
        head += size.to_bytes(2, "big")
    return (head + payload) * number


async def receive_texts(opening, batches, payload=b"x" * 64):
    """``await receive()`` and ``read_text()``, message by message."""
    session, connection, _ = opening
    octets = frames(payload)
    receive = session.incoming.receive
    for _ in range(batches):
        feed(connection, octets)
        for _ in range(BATCH):
            (await receive()).read_text()


async def receive_binaries(opening, batches, payload=b"x" * 64):
    """``await receive()`` and the frame's data."""
    session, connection, _ = opening
    octets = frames(payload, opcode=2)
    receive = session.incoming.receive
    for _ in range(batches):
        feed(connection, octets)
        for _ in range(BATCH):
            (await receive()).data  # noqa: B018


async def receive_many(opening, batches, payload=b"x" * 64):
    """``await receive_many()``, then each text."""
    session, connection, _ = opening
    octets = frames(payload)
    for _ in range(batches):
        feed(connection, octets)
        left = BATCH
        while left:
            got = await session.incoming.receive_many()
            left -= len(got)
            for frame in got:
                frame.read_text()


async def send_texts(opening, batches, message="x" * 64):
    """``await send(text)`` in one go, then a rest for the loop."""
    session, _, _ = opening
    send = session.send
    for _ in range(batches):
        for _ in range(BATCH):
            await send(message)
        await asyncio.sleep(0)


async def echo(opening, batches, payload=b"x" * 256):
    """One message arrives, its reader wakes and answers it; one loop turn each."""
    session, connection, _ = opening
    octets = frames(payload, 1, opcode=2)
    loop = asyncio.get_running_loop()
    receive, send = session.incoming.receive, session.send
    for _ in range(batches * BATCH):
        loop.call_soon(feed, connection, octets)
        await send((await receive()).data)


async def pings(opening, batches):
    """Pings arrive, and are answered."""
    _, connection, _ = opening
    octets = frames(b"12345678", opcode=9)
    for _ in range(batches):
        feed(connection, octets)
        await asyncio.sleep(0)


async def open_sessions(_, batches):
    """Sessions without a handshake: made, opened and ended."""
    for _ in range(batches * BATCH):
        async with opened():
            pass
