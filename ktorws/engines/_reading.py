"""How the reading of a transport pauses without a loss, whatever its TLS holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ktorws.engines._transports import AIOFASTNET

if TYPE_CHECKING:
    import asyncio


class Reading(Protocol):
    """What pauses and resumes the reading of a transport; often the transport."""

    def pause_reading(self) -> None:
        """Deliver no more."""

    def resume_reading(self) -> None:
        """Deliver again, now or in the next turn of the loop."""


def reading_of(
    loop: asyncio.AbstractEventLoop, transport: asyncio.Transport
) -> Reading:
    """What loses nothing when the peer ends its side, or resets it, in a pause.

    TLS reads on in a pause, holds what came, and forgets it when the end comes.
    """
    if type(transport).__module__.startswith(AIOFASTNET):
        if hasattr(transport, "_do_read"):  # over TLS
            return _AiofastnetReading(loop, transport)
    elif hasattr(transport, "set_read_buffer_limits"):  # over TLS
        return _TlsReading(loop, transport)
    return transport


class _TlsReading:
    """Of asyncio's and uvloop's TLS: in a pause, TCP pauses behind the first octet.

    It is to go on only when all that is held was delivered, in the turn after that in
    which reading resumes; and outside of a pause the limit would stop it for good
    within a record.
    """

    __slots__ = ("_loop", "_paused", "_transport")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._paused = False

    def pause_reading(self) -> None:
        self._paused = True
        self._transport.pause_reading()
        self._limit(1)

    def resume_reading(self) -> None:
        self._paused = False
        self._transport.resume_reading()
        self._loop.call_soon(self._resume_tcp)

    def _resume_tcp(self) -> None:
        if not self._paused:
            self._limit(None)

    def _limit(self, high: int | None) -> None:
        if self._transport.get_protocol() is not None:  # else the connection is gone
            self._transport.set_read_buffer_limits(high)  # type: ignore[attr-defined]


class _AiofastnetReading:
    """Of aiofastnet 1.2.0's TLS: what it holds is to be read before its socket.

    When it resumes it reads the socket, and forgets the octets that it holds where
    the socket has no more, or has ended.
    """

    __slots__ = ("_loop", "_paused", "_transport")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport
    ) -> None:
        self._loop = loop
        self._transport = transport
        self._paused = False

    def pause_reading(self) -> None:
        self._paused = True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if self._paused or self._transport.is_closing():
            return
        self._transport.resume_reading()
        try:
            self._transport._do_read()  # type: ignore[attr-defined]  # noqa: SLF001
        except Exception:  # the loop's handler would not end the connection
            self._transport.abort()
