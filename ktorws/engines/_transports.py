"""Whose transports carry the octets: the event loop's, or aiofastnet's where safe."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncio
    import socket
    import ssl as tls
    from collections.abc import Callable

#: Seconds for what TLS exchanges behind the last frame. It also bounds the wait for
#: a peer that ended its side and takes nothing any more.
TLS_SHUTDOWN_TIMEOUT = 1.0

AUTO = "auto"
ASYNCIO = "asyncio"
AIOFASTNET = "aiofastnet"


class Transports:
    """Makes transports over connected sockets.

    Args:
        kind: ``"auto"``, ``"asyncio"`` or ``"aiofastnet"``.
    """

    def __init__(self, kind: str) -> None:
        if kind not in (AUTO, ASYNCIO, AIOFASTNET):
            raise ValueError(
                f"transport must be 'auto', 'asyncio' or 'aiofastnet', not {kind!r}"
            )
        installed = importlib.util.find_spec(AIOFASTNET) is not None
        if kind == AIOFASTNET and not installed:
            raise ModuleNotFoundError(
                "transport='aiofastnet' needs ktorws[fast]", name=AIOFASTNET
            )
        self._kind = kind
        self._installed = installed

    async def connect(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: Callable[[], asyncio.BaseProtocol],
        sock: socket.socket,
        secure: dict[str, Any],
    ) -> None:
        """A transport for this socket and protocol; TLS if ``secure`` has ``ssl``."""
        if secure:
            secure = {"ssl_shutdown_timeout": TLS_SHUTDOWN_TIMEOUT, **secure}
        if self._fast(secure.get("ssl")):
            import aiofastnet  # noqa: PLC0415  an extra, loaded when it is used

            await aiofastnet.create_connection(loop, protocol, sock=sock, **secure)
        else:
            await loop.create_connection(protocol, sock=sock, **secure)

    def _fast(self, context: tls.SSLContext | None) -> bool:
        if self._kind == ASYNCIO or not self._installed:
            return False
        # aiofastnet 1.2.0 drives OpenSSL itself, and crashes the interpreter when
        # Python has callbacks of its own in the context.
        safe = context is None or not (
            context.keylog_filename or getattr(context, "_msg_callback", None)
        )
        if self._kind == AIOFASTNET and not safe:
            raise ValueError(
                "transport='aiofastnet' cannot use an SSLContext with "
                "keylog_filename (SSLKEYLOGFILE) or a message callback"
            )
        return safe


def send_no_more(transport: asyncio.Transport) -> None:
    """Half-close; where the peer has reset the connection already, that is the end."""
    try:
        transport.write_eof()
    except OSError:
        transport.abort()


def give_up(transport: asyncio.Transport) -> None:
    """Close at once, but tell a TLS peer of the end if the socket takes that now."""
    if not transport.is_closing():  # asyncio's TLS: after two close() no abort() works
        transport.close()
    transport.abort()


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
