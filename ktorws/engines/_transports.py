"""Whose transports carry the octets: ours, aiofastnet's or the event loop's."""

from __future__ import annotations

import functools
import importlib.util
import ssl as tls
import sys
from typing import TYPE_CHECKING, Any

from ktorws.engines._securing import secured

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Awaitable, Callable
    from types import ModuleType

    from ktorws._transport import SocketTransport
else:
    try:
        from ktorws._transport import SocketTransport
    except ModuleNotFoundError as error:  # nothing is compiled, or this is Windows
        if error.name != "ktorws._transport":
            raise
        SocketTransport = None

#: Seconds for what TLS exchanges behind the last frame. It also bounds the wait for
#: a peer that ended its side and takes nothing any more.
TLS_SHUTDOWN_TIMEOUT = 1.0

_OP_ENABLE_KTLS = 0x8  # Python 3.12 knows it by name

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
        inner: tls.SSLContext | None = None,
    ) -> None:
        """A transport for this socket and protocol; TLS if ``secure`` has ``ssl``.

        It will be good for TLS within TLS, where ``inner`` is that one's context.
        """
        ours = self._kind == AUTO and inner is None
        if ours and not secure and SocketTransport is not None:
            SocketTransport(loop, sock, protocol())
            return
        if ours and secure and (own := _own_tls(secure["ssl"])) is not None:
            under_tls = await secured(loop, sock, **secure, prepare=own.prepare)
            own.TlsTransport(loop, under_tls, protocol(), TLS_SHUTDOWN_TIMEOUT)
            return
        if secure:
            secure = {"ssl_shutdown_timeout": TLS_SHUTDOWN_TIMEOUT, **secure}
        fast = self._fast(secure.get("ssl"))
        if fast and (inner is None or self._fast(inner)):
            import aiofastnet  # noqa: PLC0415  an extra, loaded when it is used

            await aiofastnet.create_connection(loop, protocol, sock=sock, **secure)
        else:
            await loop.create_connection(protocol, sock=sock, **secure)

    async def hand_on(
        self,
        loop: asyncio.AbstractEventLoop,
        protocol: asyncio.BaseProtocol,
        transport: asyncio.Transport,
        secure: dict[str, Any],
    ) -> None:
        """Hand a transport on to this protocol; under TLS if ``secure`` has ``ssl``."""
        if secure:
            start: Callable[..., Awaitable[Any]] = loop.start_tls
            if type(transport).__module__.startswith(AIOFASTNET):
                import aiofastnet  # noqa: PLC0415

                start = functools.partial(aiofastnet.start_tls, loop)
            else:
                _make_abortable(transport)
            options = {"ssl_shutdown_timeout": TLS_SHUTDOWN_TIMEOUT, **secure}
            context = options.pop("ssl")
            transport = await start(transport, protocol, context, **options)
        else:
            transport.set_protocol(protocol)
        protocol.connection_made(transport)

    def _fast(self, context: tls.SSLContext | None) -> bool:
        if self._kind == ASYNCIO or not self._installed:
            return False
        if self._kind == AUTO and context is None:
            return False  # no faster without TLS, and 5 KB a connection
        # aiofastnet 1.2.0 makes sessions of its own, and crashes the interpreter when
        # Python has callbacks in the context.
        safe = context is None or (_is_usual(context) and not context.keylog_filename)
        if self._kind == AIOFASTNET and not safe:
            raise ValueError(
                "transport='aiofastnet' cannot use an SSLContext with "
                "keylog_filename (SSLKEYLOGFILE), a message callback, or methods or "
                "session classes of its own"
            )
        return safe


def _is_usual(context: tls.SSLContext) -> bool:
    """Whether its sessions are OpenSSL's, and no one has a say in how they are made.

    truststore's context, for one, is a front for another context, and what
    ``sslobject_class`` names may verify more.
    """
    return (
        type(context).__module__ == "ssl"  # also if `ssl.SSLContext` was replaced
        and {"wrap_socket", "wrap_bio"}.isdisjoint(vars(context))
        and context.sslsocket_class is tls.SSLSocket
        and context.sslobject_class is tls.SSLObject
        and not getattr(context, "_msg_callback", None)
    )


def _own_tls(context: tls.SSLContext) -> ModuleType | None:
    """Our TLS, where it can carry this context's sessions."""
    usual = _is_usual(context) and not context.options & _OP_ENABLE_KTLS
    return _tls() if usual else None


@functools.cache
def _tls() -> ModuleType | None:
    """Loaded when it is needed first, for it looks for OpenSSL."""
    try:
        from ktorws import _tls  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "ktorws._tls":
            raise
        return None
    return _tls if _tls.AVAILABLE else None


def _make_abortable(transport: asyncio.Transport) -> None:
    """Let TLS within this transport fail in good order.

    Before 3.11.8 and 3.12.2 asyncio calls its `SSLProtocol._abort` with an error that
    this does not take: a `TypeError` came instead of the error, and nothing closed.
    """
    sslproto = sys.modules.get(type(transport).__module__)
    abort = getattr(getattr(sslproto, "SSLProtocol", None), "_abort", None)
    if abort is not None and abort.__code__.co_argcount == 1:
        vars(transport)["_force_close"] = lambda _error: transport.abort()


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
