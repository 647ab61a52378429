"""Our own engine: sessions over asyncio's transports, TCP, TLS or Unix sockets."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
import ssl as tls
import sys
from typing import TYPE_CHECKING, Any, ClassVar, cast

from ktorws.client_session import (
    ClientWebSocketSession,
    DefaultClientWebSocketSession,
    HttpClientCall,
)
from ktorws.engines._connection import new_session
from ktorws.engines._transports import Transports
from ktorws.engines._upgrade import HeadReader
from ktorws.engines.base import HttpClientEngine, Opening
from ktorws.exceptions import ConnectError, HandshakeError, InvalidHandshakeError
from ktorws.handshake import ClientHandshake
from ktorws.http_head import ResponseParser

if TYPE_CHECKING:
    from ktorws.http_message import HttpResponse
    from ktorws.session import WebSocketSession

_IN_A_BROWSER = sys.platform == "emscripten"

#: Seconds to wait for the rest of a refusal's body.
BODY_TIMEOUT = 1.0


class CIO(HttpClientEngine):
    """Coroutine-based I/O, as Ktor calls its own engine: asyncio or uvloop.

    Args:
        connect_timeout: seconds for name lookup and TCP (or Unix socket) connection,
            within the session's ``open_timeout``; None for no limit of its own.
        ssl: for ``wss``; used as it is given. By default the system's certificates,
            host names verified.
        server_hostname: the name to ask for (SNI) and to verify, where it is not the
            URL's host.
        local_address: ``(host, port)`` to connect from; port 0 for any.
        happy_eyeballs_delay: seconds before the next address is tried in parallel
            (RFC 8305); None to try one after the other.
        unix_socket: path of a Unix socket to connect to, whatever the URL's host.
        transport: ``"auto"`` takes aiofastnet's transports where they are installed
            and safe; ``"asyncio"`` the loop's own; ``"aiofastnet"`` insists.

    Raises:
        ValueError: an option's value is no good.
        ModuleNotFoundError: ``"aiofastnet"`` is not installed.
        RuntimeError: this is a browser.
    """

    name: ClassVar[str] = "CIO"

    def __init__(
        self,
        *,
        connect_timeout: float | None = 5.0,
        ssl: tls.SSLContext | None = None,
        server_hostname: str | None = None,
        local_address: tuple[str, int] | None = None,
        happy_eyeballs_delay: float | None = 0.25,
        unix_socket: str | None = None,
        transport: str = "auto",
    ) -> None:
        if _IN_A_BROWSER:
            raise RuntimeError("CIO needs sockets, and a browser has none: use Js")
        if connect_timeout is not None and not connect_timeout > 0:
            raise ValueError(f"connect_timeout must be above 0, not {connect_timeout}")
        if ssl is not None and not isinstance(ssl, tls.SSLContext):
            raise TypeError(f"ssl must be an SSLContext, not {type(ssl).__name__}")
        if unix_socket is not None and local_address is not None:
            raise ValueError("A Unix socket has no local_address")
        self._connect_timeout = connect_timeout
        self._ssl = ssl
        self._server_hostname = server_hostname
        self._local_address = local_address
        self._happy_eyeballs_delay = happy_eyeballs_delay
        self._unix_socket = unix_socket
        self._transports = Transports(transport)

    async def open(self, opening: Opening) -> WebSocketSession:
        """A session over a connection of its own."""
        loop = asyncio.get_running_loop()
        sock = opening.sock or await self._connect(opening)
        sock.setblocking(False)  # noqa: FBT003
        upgrade = _Upgrade(loop, opening)
        try:
            return await self._upgrade(loop, sock, upgrade)
        except BaseException:
            upgrade.abandon()
            if upgrade.reader.transport is None:
                sock.close()
            raise

    async def _connect(self, opening: Opening) -> socket.socket:
        opening.stage = f"connecting to {self._unix_socket or opening.request.host}"
        limit = asyncio.timeout(self._connect_timeout)
        try:
            async with limit:
                if self._unix_socket is not None:
                    return await _connect_unix(self._unix_socket)
                return await self._connect_tcp(opening)
        except (OSError, UnicodeError) as error:  # the latter for names beyond IDNA
            what, why = "Failed", f": {error}"
            if limit.expired():
                what, why = "Timed out", f", after {self._connect_timeout:g} s"
            raise ConnectError(f"{what} while {opening.stage}{why}") from error

    async def _connect_tcp(self, opening: Opening) -> socket.socket:
        import aiohappyeyeballs  # noqa: PLC0415  no dependency where Js serves

        request = opening.request
        opening.stage = f"looking up {request.host}"
        addresses = await _addresses(request.host, request.port)
        opening.stage = f"connecting to {request.host} port {request.port}"
        local = None
        if self._local_address is not None:
            local = await _addresses(*self._local_address)
        return await aiohappyeyeballs.start_connection(
            addresses,
            local_addr_infos=local,
            happy_eyeballs_delay=self._happy_eyeballs_delay,
        )

    async def _upgrade(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, upgrade: _Upgrade
    ) -> WebSocketSession:
        request = upgrade.opening.request
        secure: dict[str, Any] = {}
        if request.secure:
            upgrade.opening.stage = f"agreeing on TLS with {request.host}"
            secure["ssl"] = self._ssl or default_context()
            secure["server_hostname"] = self._server_hostname or request.host
        try:
            await self._transports.connect(loop, lambda: upgrade.reader, sock, secure)
            upgrade.opening.stage = f"waiting for the answer of {request.host}"
            return await upgrade.ask()
        except (OSError, tls.CertificateError) as error:
            if isinstance(error, ConnectError):
                raise
            raise ConnectError(
                f"Failed while {upgrade.opening.stage}: {error}"
            ) from error


class _Upgrade:
    """One handshake over one transport."""

    def __init__(self, loop: asyncio.AbstractEventLoop, opening: Opening) -> None:
        self.opening = opening
        self._loop = loop
        self._handshake = ClientHandshake(
            opening.request, [make() for make in opening.config.extensions]
        )
        self._parser = ResponseParser()
        self._session: asyncio.Future[WebSocketSession] = loop.create_future()
        self._body_timer: asyncio.TimerHandle | None = None
        self.reader = HeadReader(self._parser, self._progress, self._failed)

    async def ask(self) -> WebSocketSession:
        """Send the request and wait for what comes of it."""
        if self.reader.transport is not None:
            self.reader.transport.write(self._handshake.octets())
        session = await self._session
        self.reader.release()
        return session

    def abandon(self) -> None:
        """Leave nothing behind."""
        if self._body_timer is not None:
            self._body_timer.cancel()
        if self._session.done() and not self._session.cancelled():
            if self._session.exception() is None:
                self._session.result().cancel()
        else:
            self._session.cancel()
        if self.reader.transport is not None:
            self.reader.transport.abort()

    def _progress(self) -> None:
        """The response's head is complete, and maybe more."""
        if self._session.done():
            return
        response = self._parser.response
        if response.status == 101:  # noqa: PLR2004  Switching Protocols
            self._session.set_result(self._established(response))
        elif self._parser.complete:
            self._refused()
        elif self._body_timer is None:
            self._body_timer = self._loop.call_later(BODY_TIMEOUT, self._refused)

    def _established(self, response: HttpResponse) -> WebSocketSession:
        """From here on the octets are frames: the session takes the transport."""
        negotiated = self._handshake.verify(response)
        opening = self.opening
        kind = ClientWebSocketSession if opening.raw else DefaultClientWebSocketSession
        session, connection = new_session(
            kind,
            self._loop,
            opening.config,
            negotiated,
            is_client=True,
            call=HttpClientCall(opening.request, response),
        )
        connection.open(
            cast("asyncio.Transport", self.reader.transport),
            session,
            self._parser.left_over,
        )
        return session

    def _refused(self) -> None:
        """Raise what the response means, with as much of its body as came."""
        if self._session.done():
            return
        try:
            self._handshake.verify(self._parser.response)
        except HandshakeError as error:
            self._session.set_exception(error)

    def _failed(self, error: Exception | None) -> None:
        if self._session.done():
            return
        if error is None or isinstance(error, OSError):
            try:
                self._parser.feed_eof()
            except InvalidHandshakeError as invalid:
                invalid.__cause__ = error
                self._session.set_exception(invalid)
            else:
                self._refused()
        else:
            self._session.set_exception(error)


@functools.cache
def default_context() -> tls.SSLContext:
    """TLS with the system's certificates, made once: reading them takes long."""
    context = tls.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


async def _connect_unix(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003
        await asyncio.get_running_loop().sock_connect(sock, path)
    except BaseException:
        sock.close()
        raise
    return sock


async def _addresses(host: str, port: int) -> list[Any]:
    """The host's addresses; asks nobody where the host is one."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if not found:  # of a loop's or resolver's own; the system's raises
            raise OSError("No address was found") from None
        return found
    family, tail = (
        (socket.AF_INET, ()) if address.version == 4 else (socket.AF_INET6, (0, 0))  # noqa: PLR2004
    )
    if getattr(address, "scope_id", None):
        return socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, *tail))]
