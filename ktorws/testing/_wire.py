"""A socket as a script's wire: packets, pauses, half-closes and resets."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, cast

from ktorws.engines._transports import send_no_more

if TYPE_CHECKING:
    from collections.abc import Callable

#: Seconds after the other side's end until this one ends as well.
LINGER = 1.0


def reset(transport: asyncio.WriteTransport) -> None:
    """End a connection with RST instead of FIN."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        # A copy: the loops' own stand-ins for sockets do not let everything through.
        with socket.fromfd(sock.fileno(), sock.family, sock.type) as same:
            linger = struct.pack("ii", 1, 0)
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    transport.abort()


class SocketWire(asyncio.Protocol):
    """What a `Peer` stands on, over TCP or TLS."""

    def __init__(
        self,
        take: Callable[[bytes], None],
        take_eof: Callable[[], None],
        made: Callable[[SocketWire], None] | None = None,
    ) -> None:
        self.take = take
        self.take_eof = take_eof
        self.gone = asyncio.Event()
        self._made = made
        self._loop = asyncio.get_running_loop()
        self._gathered = bytearray()
        self._room = asyncio.Event()
        self._room.set()
        self._eof_sent = False
        self._eof_received = False
        self._timer: asyncio.TimerHandle | None = None

    # What the peer calls.

    @property
    def unread(self) -> int:
        return len(self._gathered) + self._transport.get_write_buffer_size()

    def send(self, octets: bytes) -> None:
        if not self._gathered:
            self._loop.call_soon(self._write)
        self._gathered += octets

    async def flush(self) -> None:
        self._write()
        await self._room.wait()

    def send_eof(self) -> None:
        self._write()
        if self._eof_sent or self._transport.is_closing():
            return
        self._eof_sent = True
        if self._eof_received or not self._transport.can_write_eof():
            self._transport.close()
        else:
            send_no_more(self._transport)

    def break_(self, _error: BaseException) -> None:
        self._write()
        reset(self._transport)

    def stall(self) -> None:
        if not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        if not self._transport.is_closing():
            self._transport.resume_reading()

    def abort(self) -> None:
        self._transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self._made is not None:
            self._made(self)

    def data_received(self, data: bytes) -> None:
        self.take(data)

    def eof_received(self) -> bool:
        self._eof_received = True
        self.take_eof()
        half_open = self._transport.can_write_eof() and not self._eof_sent
        if half_open:
            self._timer = self._loop.call_later(LINGER, self._transport.close)
        return half_open

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, _error: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.gone.set()
        self.take_eof()
        self._room.set()

    # How it works.

    def _write(self) -> None:
        """Send as one packet what was gathered."""
        if self._gathered and not (self._eof_sent or self._transport.is_closing()):
            self._transport.write(bytes(self._gathered))
        self._gathered.clear()
