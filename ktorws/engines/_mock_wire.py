"""A transport that leads to a mock's methods instead of a network.

To the client's `Connection` it is an asyncio transport with no buffer of its own.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable


class Wire(asyncio.Transport):
    """The transport of a client's connection that leads to a peer's methods."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        take: Callable[[bytes], None],
        take_eof: Callable[[], None],
    ) -> None:
        super().__init__()
        self._loop = loop
        self._take = take
        self._take_eof = take_eof
        self._protocol: asyncio.BufferedProtocol | None = None
        self._inbox = bytearray()
        self._eof_sent = False
        self._reading = True
        self._stalled = False
        self._closing = False
        self._written_eof = False
        self._room = asyncio.Event()  # the client has read everything
        self.gone = asyncio.Event()

    # What the peer calls.

    @property
    def unread(self) -> int:
        return len(self._inbox)

    def send(self, octets: bytes) -> None:
        if not (self._eof_sent or self._closing):
            self._inbox += octets
            self._deliver()

    async def flush(self) -> None:
        while self._inbox and not self._closing:
            self._room.clear()
            await self._room.wait()

    def send_eof(self) -> None:
        self._eof_sent = True
        self._deliver()

    def break_(self, error: BaseException) -> None:
        if not isinstance(error, Exception):
            error = ConnectionResetError(str(error))
        self._inbox.clear()
        self._end(error)

    def stall(self) -> None:
        if not (self._stalled or self._closing):
            self._stalled = True
            if self._protocol is not None:
                self._protocol.pause_writing()

    def resume(self) -> None:
        if self._stalled and not self._closing:
            self._stalled = False
            if self._protocol is not None:
                self._protocol.resume_writing()
            if self._written_eof:
                self._take_eof()

    # What the connection calls.

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = cast("asyncio.BufferedProtocol", protocol)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return cast("asyncio.BaseProtocol", self._protocol)

    def write(self, data: Any) -> None:  # noqa: ANN401  any buffer
        if not (self._closing or self._written_eof):
            self._take(bytes(data))

    def get_write_buffer_size(self) -> int:
        return 0  # while stalled nothing comes here

    def set_write_buffer_limits(
        self, high: int | None = None, low: int | None = None
    ) -> None:
        pass  # no buffer, no limits

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        if not self._written_eof:
            self._written_eof = True
            if not self._stalled:
                self._take_eof()

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self._loop.call_soon(self._deliver)

    def close(self) -> None:
        self._end(None)

    def abort(self) -> None:
        self._end(None)

    # How it works.

    def _deliver(self) -> None:
        """Give the client what it will read, as a loop does."""
        protocol = self._protocol
        while protocol is not None and self.is_reading():
            if self._inbox:
                window = cast("memoryview", protocol.get_buffer(-1))
                size = min(len(window), len(self._inbox))
                window[:size] = self._inbox[:size]
                del self._inbox[:size]
                self._receive(protocol, size)
                continue
            self._room.set()
            if self._eof_sent and not protocol.eof_received():
                self._end(None)
            break

    def _receive(self, protocol: asyncio.BufferedProtocol, size: int) -> None:
        try:
            protocol.buffer_updated(size)
        except Exception as error:
            # A bug on the client's side must not end up in the script.
            self._loop.call_exception_handler(
                {"message": "protocol.buffer_updated() failed", "exception": error}
            )
            self._end(error)

    def _end(self, error: Exception | None) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._lost, error)

    def _lost(self, error: Exception | None) -> None:
        self._take_eof()
        self._room.set()
        self.gone.set()
        if self._protocol is not None:
            self._protocol.connection_lost(error)
