"""TLS agreed on over a connected socket, by Python's own `ssl`."""

from __future__ import annotations

import socket
import ssl as tls
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

#: Bytes of a failed handshake that are read and dropped at most, and at once.
_UNREAD, _READ = 256 * 1024, 16 * 1024


async def secured(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    ssl: tls.SSLContext,
    server_hostname: str,
    prepare: Callable[[tls.SSLSocket], None],
) -> tls.SSLSocket:
    """The socket under TLS; the given one is void from now on.

    It is closed by an error, and where this is cancelled.

    Args:
        loop: waits for the socket.
        sock: is connected, and does not block.
        ssl: what to verify, and how.
        server_hostname: whom to ask for, and to expect.
        prepare: called before the handshake.

    Raises:
        OSError: the peer, or its certificate, will not do; `ConnectionResetError`
            without a message where the peer ended the connection.
        ValueError: the context and the host name do not fit.
    """
    try:
        sock.getpeername()
    except OSError as error:  # it is reset: `wrap_socket` would leave it open
        sock.close()
        raise ConnectionResetError from error
    secure = ssl.wrap_socket(
        sock, server_hostname=server_hostname, do_handshake_on_connect=False
    )
    try:
        prepare(secure)
        while True:
            try:
                secure.do_handshake()
            except tls.SSLWantReadError:
                await _ready(loop, secure, loop.add_reader, loop.remove_reader)
            except tls.SSLWantWriteError:
                await _ready(loop, secure, loop.add_writer, loop.remove_writer)
            else:
                return secure
    except tls.SSLError as error:
        _drop_unread(secure)
        secure.close()
        if isinstance(error, tls.SSLEOFError):
            raise ConnectionResetError from error
        raise
    except BaseException:
        secure.close()
        raise


def _drop_unread(sock: socket.socket) -> None:
    """Let the peer see the alert: closing with unread octets would reset."""
    try:
        for _ in range(_UNREAD // _READ):
            if not socket.socket.recv(sock, _READ):
                return
    except OSError:  # that was all
        pass


async def _ready(
    loop: asyncio.AbstractEventLoop,
    sock: socket.socket,
    watch: Callable[..., Any],
    leave: Callable[[int], Any],
) -> None:
    """Wait until the socket has something, or takes something."""
    ready = loop.create_future()
    watch(sock.fileno(), _complete, ready)
    try:
        await ready
    finally:
        leave(sock.fileno())


def _complete(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)
