"""The peer of these tests, by `websockets`; the path says how it behaves.

It prints its two ports, the second with TLS.
"""

import argparse
import asyncio
import contextlib
import logging
import socket
import ssl

import websockets

from tests.faults.messages import message
from tests.faults.soak_peer import half_close, unsent


async def echo(connection):
    async for got in connection:
        await connection.send(got)


async def deaf(connection, seconds):
    """Read nothing for so long, then echo."""
    transport = connection.transport
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    transport.pause_reading()
    await asyncio.sleep(float(seconds))
    transport.resume_reading()
    await echo(connection)


async def count(connection, number, pause):
    """So many messages with pauses, then Close."""
    for each in range(int(number)):
        await connection.send(message("far", each, 100))
        await asyncio.sleep(float(pause))


async def torn(connection, number):
    """So many messages, and half a frame; then nothing."""
    await count(connection, number, 0)
    connection.transport.write(b"\x82\x7f" + (1 << 20).to_bytes(8) + bytes(100_000))
    await asyncio.sleep(3600)


async def truncated(connection, number):
    """So many messages, then the end of TCP alone."""
    await count(connection, number, 0)
    while unsent(connection.transport):  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    half_close(connection.transport)
    await asyncio.sleep(3600)


BEHAVIOURS = {f.__name__: f for f in (echo, deaf, count, torn, truncated)}


async def converse(connection):
    _, name, *arguments = connection.request.path.split("/")
    with contextlib.suppress(websockets.ConnectionClosed):
        await BEHAVIOURS[name](connection, *arguments)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(parser.parse_args().certificate)
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    options = {"ping_interval": None, "compression": None}
    async with (
        websockets.serve(converse, "0.0.0.0", 0, **options) as plain,
        websockets.serve(converse, "0.0.0.0", 0, ssl=context, **options) as secure,
    ):
        ports = [s.sockets[0].getsockname()[1] for s in (plain, secure)]
        print(*ports, flush=True)  # noqa: T201
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main())
