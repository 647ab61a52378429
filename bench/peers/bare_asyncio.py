"""A bare asyncio protocol: no WebSocket client at all, the least an echo can cost."""

import asyncio
import os

from bench.peers.base import Peer

REQUEST = (
    b"GET /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Echo(asyncio.BufferedProtocol):
    """Writes ready-made octets whenever so many have come back.

    Buffered: asyncio makes 256 KiB of new memory for every read of a plain one.
    """

    def __init__(self, octets, expected, left):
        self.octets, self.expected, self.left = octets, expected, left
        self.opened = asyncio.get_running_loop().create_future()
        self.done = asyncio.get_running_loop().create_future()
        self.head = b""
        self.buffer = memoryview(bytearray(256 * 1024))
        self.size = 0

    def connection_made(self, transport):
        self.transport = transport
        self.write = transport.write
        self.write(REQUEST)

    def get_buffer(self, _sizehint):
        return self.buffer

    def buffer_updated(self, nbytes):
        if self.head is not None:
            self.head += self.buffer[:nbytes]
            if self.head.endswith(b"\r\n\r\n"):
                self.head = None
                self.opened.set_result(None)
            return
        self.size += nbytes
        if self.size == self.expected:
            self.size = 0
            self.left -= 1
            if self.left:
                self.write(self.octets)
            else:
                self.done.set_result(None)


class BareAsyncio(Peer):
    """Can only echo; the frame is masked once, before it is measured."""

    async def echo(self, url, meter, *, count, message):
        size = len(message)
        width = 0 if size < 126 else 2 if size < 65536 else 8
        length = size if not width else 126 if width == 2 else 127
        octets = (
            bytes([0x82, 0x80 | length])
            + (size.to_bytes(width) if width else b"")
            + os.urandom(4)
            + message
        )
        host, port = url.split("/")[2].split(":")
        transport, protocol = await asyncio.get_running_loop().create_connection(
            lambda: Echo(octets, 2 + width + size, count), host, port, ssl=self.ssl
        )
        await protocol.opened
        with meter:
            transport.write(octets)
            await protocol.done
        transport.abort()
