"""The soak's peer, by `websockets`: talks, checks, and ends sessions as it is told.

The path is ``/KEY/SEED/END/SECONDS``; after so many seconds it ends the session in
that way if it is one of `ENDS`. It prints its two ports, then a line of JSON for each
session that ended, and reads a line with the key of each that ended on the other side.
"""

import argparse
import asyncio
import collections
import contextlib
import fcntl
import json
import logging
import os
import random
import socket
import ssl
import struct
import sys
import termios
import time

import websockets

from tests.faults.messages import Ledger, message

SIZES = (0, 10, *[60] * 12, *[200] * 8, *[1000] * 6, 5000, 70_000)
PAUSE = 1.5  # seconds between messages, on average
gone = collections.defaultdict(asyncio.Event)  # by session


def pieces(whole, chance):
    """A message cut in two or three."""
    cut = chance.randrange(len(whole) + 1)
    return [whole[:cut], whole[cut:], *([whole[:0]] if chance.random() < 0.3 else [])]


class Talk:
    """One session from this side."""

    def __init__(self, connection):
        _, self.key, seed, self.end, seconds = connection.request.path.split("/")
        self.connection = connection
        self.chance = random.Random(f"peer {seed}")
        self.until = time.monotonic() + float(seconds)
        self.heard = Ledger(f"c{self.key}")
        self.sent = 0
        self.pongs = 0
        self.stalls = 0

    async def run(self):
        async with asyncio.TaskGroup() as group:
            speaking = group.create_task(self.speak())
            with contextlib.suppress(websockets.ConnectionClosed):
                async for got in self.connection:
                    self.heard.take(got)
            await self.connection.wait_closed()
            speaking.cancel()
        self.report()
        gone.pop(self.key, None)

    async def speak(self):
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                pause = self.chance.expovariate(1 / PAUSE)
                if self.end in ENDS:
                    pause = min(pause, max(self.until - time.monotonic(), 0))
                await asyncio.sleep(pause)
                if self.end in ENDS and time.monotonic() >= self.until:
                    await self.drained()
                    await ENDS[self.end](self)
                    return
                await self.burst()

    async def burst(self):
        for _ in range(self.chance.choice((1, 1, 1, 2, 5))):
            whole = message(f"p{self.key}", self.sent, self.chance.choice(SIZES))
            if self.chance.random() < 0.1:
                parts = pieces(whole, self.chance)
                await self.connection.send(parts)
            else:
                await self.connection.send(whole)
            self.sent += 1
        luck = self.chance.random()
        if luck < 0.02:
            await (await self.connection.ping())
            self.pongs += 1
        elif luck < 0.04:
            self.stalls += 1
            self.connection.transport.pause_reading()
            await asyncio.sleep(self.chance.uniform(0.2, 1.5))
            self.connection.transport.resume_reading()

    async def drained(self):
        """Wait until the other system has all that was sent."""
        while unsent(self.connection.transport):  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    def report(self):
        line = {
            "key": self.key,
            "sent": self.sent,
            "heard": self.heard.count,
            "problem": self.heard.problem,
            "pongs": self.pongs,
            "stalls": self.stalls,
            "close_code": self.connection.close_code,
        }
        print(json.dumps(line), flush=True)  # noqa: T201


async def close(talk):
    await talk.connection.close(1000, "enough")


async def close_4000(talk):
    await talk.connection.close(4000, "of its own")


async def close_empty(talk):
    talk.connection.protocol.send_close()
    talk.connection.send_data()
    await talk.connection.wait_closed()


async def fin(talk):
    half_close(talk.connection.transport)


def unsent(transport):
    """How many octets have not arrived; TLS does not count those below it.

    What has not arrived when a reset follows, our system throws away.
    """
    tls = getattr(transport, "_ssl_protocol", None)
    below = tls and tls._transport
    size = below.get_write_buffer_size() if below else 0
    sock = transport.get_extra_info("socket")
    if sock.fileno() >= 0:
        size += struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))[0]
    return size + transport.get_write_buffer_size()


def half_close(transport):
    """The end of TCP without Close, and without close_notify where there is TLS."""
    number = os.dup(transport.get_extra_info("socket").fileno())
    with contextlib.suppress(OSError), socket.socket(fileno=number) as sock:
        sock.shutdown(socket.SHUT_WR)


async def fin_in_frame(talk):
    await _part_of_a_frame(talk)
    await fin(talk)


async def rst(talk):
    transport = talk.connection.transport
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def rst_in_frame(talk):
    await _part_of_a_frame(talk)
    await rst(talk)


async def _part_of_a_frame(talk):
    talk.connection.transport.write(b"\x82\x7e\x10\x00" + bytes(100))
    await talk.drained()


async def violate(talk):
    talk.connection.transport.write(b"\x83\x00")


async def silent(talk):
    """Answer nothing until we are told that the other side has gone.

    It may take long where it is starved of time, and TCP may not say it: what it
    sent waits for us to read.
    """
    talk.connection.transport.pause_reading()
    await gone[talk.key].wait()
    talk.connection.transport.abort()


ENDS = {
    f"peer_{f.__name__}": f
    for f in (
        *(close, close_4000, close_empty, fin, fin_in_frame),
        *(rst, rst_in_frame, violate, silent),
    )
}


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(parser.parse_args().certificate)
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    options = {"ping_interval": None, "open_timeout": 30, "backlog": 1024}

    async def converse(connection):
        await Talk(connection).run()

    async with (
        websockets.serve(converse, "127.0.0.1", 0, **options) as plain,
        websockets.serve(converse, "127.0.0.1", 0, ssl=context, **options) as secure,
    ):
        ports = [s.sockets[0].getsockname()[1] for s in (plain, secure)]
        print(*ports, flush=True)  # noqa: T201
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
        async for line in reader:  # until the other process ends
            gone[line.decode().strip()].set()


if __name__ == "__main__":
    asyncio.run(main())
