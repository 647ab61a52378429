"""The accepting side: routes, handshakes, and the same sessions as a client's.

Small and strict; for tests, examples and small services. It is no web framework.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar, cast

from ktorws.close_reason import CloseReason
from ktorws.default_session import DefaultWebSocketSession
from ktorws.deferred import Deferred
from ktorws.engines._connection import new_session
from ktorws.engines._transports import TLS_SHUTDOWN_TIMEOUT
from ktorws.engines._upgrade import HeadReader
from ktorws.exceptions import (
    ChannelOverflowError,
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    ConnectionLostError,
    FrameTooBigError,
    ProtocolViolationError,
)
from ktorws.features.websockets import WebSockets
from ktorws.handshake import accept, check_request
from ktorws.http_head import RequestParser
from ktorws.http_message import RequestRefusedError, list_elements, refusal_octets
from ktorws.session import WebSocketSession

if TYPE_CHECKING:
    import socket
    import ssl as tls
    from collections.abc import Awaitable, Callable

    from ktorws.http_message import HttpRequestHead

logger = logging.getLogger(__name__)

#: What a handler runs into when it goes on after its client has left.
_CLIENT_LEFT = (
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    ConnectionLostError,
)
#: What it runs into when its client broke a rule or sent too much.
_CLIENT_AT_FAULT = (ProtocolViolationError, FrameTooBigError, ChannelOverflowError)

H = TypeVar("H", bound="Callable[..., Awaitable[object]]")


@dataclass(frozen=True, slots=True)
class ServerCall:
    """The handshake that led to a session.

    Attributes:
        request: what the client sent: method, path, params, headers.
        peer: the client's address, as the socket gives it.
    """

    request: HttpRequestHead
    peer: Any


class WebSocketServerSession(WebSocketSession):
    """A raw session of the accepting side."""

    @property
    def call(self) -> ServerCall:
        """The handshake that led to this session."""
        return cast("ServerCall", self._call)


class DefaultWebSocketServerSession(DefaultWebSocketSession, WebSocketServerSession):
    """A session of the accepting side; masking off, unmasked frames refused."""


class _Route(NamedTuple):
    handler: Callable[[Any], Awaitable[object]]
    protocol: str | None
    raw: bool


class WebSocketServer:
    """Accepts sessions; an async context manager that listens meanwhile.

    When a handler returns its session is closed with code 1000, when it raises with
    1011 and a log entry of level ERROR. The errors that say that the client has left,
    or was thrown out for what it did, are no errors of the handler.

    Args:
        host: the address to listen on.
        port: 0 for any that is free; see `port`.
        ssl: for ``wss``.
        sock: a bound socket to listen on, instead of host and port.
        unix_socket: a path to listen on, instead of host and port.
        websockets: how sessions behave; ``open_timeout`` limits the client's request.
    """

    def __init__(
        self,
        host: str | None = "127.0.0.1",
        port: int = 0,
        *,
        ssl: tls.SSLContext | None = None,
        sock: socket.socket | None = None,
        unix_socket: str | None = None,
        websockets: WebSockets | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._ssl = ssl
        self._sock = sock
        self._unix_socket = unix_socket
        self._config = (websockets or WebSockets()).config
        self._routes: dict[str, list[_Route]] = {}
        self._listener: asyncio.Server | None = None
        self._guests: set[_Guest] = set()
        self._closing = False

    def websocket(self, path: str, protocol: str | None = None) -> Callable[[H], H]:
        """A decorator: its coroutine function gets a `DefaultWebSocketServerSession`.

        Args:
            path: to be matched whole, percent-decoded.
            protocol: a subprotocol that the client must offer, or None for any.
        """
        return self._router(path, protocol, raw=False)

    def websocket_raw(self, path: str, protocol: str | None = None) -> Callable[[H], H]:
        """As `websocket`, for raw sessions: every frame, nothing answered for you."""
        return self._router(path, protocol, raw=True)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be had.
            RuntimeError: it listens already, or was closed.
        """
        if self._listener is not None:
            raise RuntimeError("The server was started before")
        loop = asyncio.get_running_loop()
        make = functools.partial(_make_reader, self, loop)
        options: dict[str, Any] = {"ssl": self._ssl}
        if self._ssl is not None:
            options["ssl_handshake_timeout"] = self._config.open_timeout
            options["ssl_shutdown_timeout"] = TLS_SHUTDOWN_TIMEOUT
        if self._unix_socket is not None:
            self._listener = await loop.create_unix_server(
                make, self._unix_socket, **options
            )
        elif self._sock is not None:
            self._listener = await loop.create_server(make, sock=self._sock, **options)
        else:
            self._listener = await loop.create_server(
                make, self._host, self._port, **options
            )

    @property
    def port(self) -> int:
        """The port that it listens on."""
        sockets = self._listener.sockets if self._listener is not None else ()
        address = sockets[0].getsockname() if sockets else None
        if not isinstance(address, tuple):  # a Unix socket's is a path
            raise RuntimeError("The server does not listen on a port")  # noqa: TRY004
        return cast("int", address[1])

    @property
    def sessions(self) -> list[WebSocketSession]:
        """Those that are open."""
        sessions = [g.session for g in self._guests if g.session is not None]
        return [session for session in sessions if not session.has_ended]

    async def close(self) -> None:
        """Accept nobody any more, and close every session with code 1001.

        Handlers that are not done after ``close_timeout`` are cancelled. Clients that
        have no session yet are refused, and get a second to take note.
        """
        self._closing = True
        if self._listener is not None:
            self._listener.close()
        await asyncio.gather(*(g.leave() for g in tuple(self._guests)))

    async def serve_forever(self) -> None:
        """Wait until cancelled; then close."""
        if self._listener is None:
            await self.start()
        try:
            await asyncio.Event().wait()
        finally:
            await self.close()

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close."""
        await self.close()

    def _router(
        self, path: str, protocol: str | None, *, raw: bool
    ) -> Callable[[H], H]:
        if not path.startswith("/"):
            raise ValueError(f"A path begins with a slash: {path!r}")

        def add(handler: H) -> H:
            self._routes.setdefault(path, []).append(_Route(handler, protocol, raw))
            return handler

        return add

    def _route(self, request: HttpRequestHead) -> _Route:
        routes = self._routes.get(request.path)
        if routes is None:
            raise RequestRefusedError(404, detail="There is nothing here")
        check_request(request)
        offered = list_elements(request.headers.getall("Sec-WebSocket-Protocol", []))
        for route in routes:
            if route.protocol is None or route.protocol in offered:
                return route
        raise RequestRefusedError(400, detail="None of the subprotocols is spoken here")


class _Guest:
    """One connection, from its first octet to its last."""

    def __init__(
        self, server: WebSocketServer, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.session: WebSocketSession | None = None
        self._server = server
        self._loop = loop
        self._config = server._config  # noqa: SLF001  one room
        self._parser = RequestParser()
        self._task: asyncio.Task[None] | None = None
        self._done = False
        self._over: Deferred[None] = Deferred(loop)  # where no session came of it
        self._timer = loop.call_later(self._config.open_timeout, self._too_slow)
        self.reader = HeadReader(self._parser, self._requested, self._failed)
        server._guests.add(self)  # noqa: SLF001
        if server._closing:  # noqa: SLF001  it had been accepted just before
            self._finish()

    async def leave(self) -> None:
        """End it, as gently as time allows."""
        if self._task is None:
            self._refuse(RequestRefusedError(503, detail="The server is going away"))
            await self._over
            return
        reason = CloseReason(CloseReason.Codes.GOING_AWAY, "Server is going down")
        await cast("WebSocketSession", self.session).close(reason)
        _, unfinished = await asyncio.wait(
            {self._task}, timeout=self._config.close_timeout
        )
        for task in unfinished:
            task.cancel()
            await asyncio.wait({task})

    def _requested(self) -> None:
        """The request's head is complete."""
        self._timer.cancel()
        request = self._parser.request
        server = self._server
        route = server._route(request)  # noqa: SLF001
        accepted = accept(
            request,
            subprotocols=() if route.protocol is None else (route.protocol,),
            # A raw session gets frames as they are on the wire.
            extensions=()
            if route.raw
            else [make() for make in self._config.extensions],
        )
        transport = cast("asyncio.Transport", self.reader.transport)
        session, connection = new_session(
            WebSocketServerSession if route.raw else DefaultWebSocketServerSession,
            self._loop,
            self._config,
            accepted.negotiated,
            is_client=False,
            call=ServerCall(request, transport.get_extra_info("peername")),
        )
        self.session = session
        self._done = True
        session.invoke_on_end(self._gone)
        transport.write(accepted.octets)
        self._task = self._loop.create_task(self._handle(route, session))
        connection.open(transport, session, self._parser.left_over)
        self.reader.release()

    async def _handle(self, route: _Route, session: WebSocketSession) -> None:
        try:
            async with session:
                await route.handler(session)
        except _CLIENT_LEFT as error:
            logger.debug("WebSocket handler ended with its session: %s", error)
        except Exception as error:
            if _ended_by(session, error):
                kind = type(error).__name__
                logger.info("WebSocket session failed: %s: %s", kind, error)
            else:
                logger.exception("WebSocket handler failed")
        finally:
            self._gone()

    def _failed(self, error: Exception | None) -> None:
        if self._done:
            self._finish()
        elif isinstance(error, RequestRefusedError):
            self._refuse(error)
        elif error is None or isinstance(error, OSError):
            self._finish()
        else:
            logger.error("WebSocket handshake failed", exc_info=error)
            self._refuse(RequestRefusedError(500))

    def _too_slow(self) -> None:
        self._refuse(RequestRefusedError(408))

    def _refuse(self, error: RequestRefusedError) -> None:
        if self._done:
            return
        transport = self.reader.transport
        if transport is None or transport.is_closing():
            self._finish()
            return
        self._done = True
        self._timer.cancel()
        self.reader.refuse(
            refusal_octets(error.status, error.reason, error.headers, error.detail)
        )

    def _finish(self) -> None:
        """No session came of it, and none will."""
        self._done = True
        self._timer.cancel()
        if self.reader.transport is not None:
            self.reader.transport.close()
        self.reader.unwanted = True
        self._server._guests.discard(self)  # noqa: SLF001
        self._over.complete(None)

    def _gone(self) -> None:
        """Forget it once both the connection and the handler are done."""
        session_ended = self.session is None or self.session.has_ended
        if session_ended and (self._task is None or self._task_is_over()):
            self._server._guests.discard(self)  # noqa: SLF001

    def _task_is_over(self) -> bool:
        task = cast("asyncio.Task[None]", self._task)
        return task.done() or task is asyncio.current_task()


def _ended_by(session: WebSocketSession, error: Exception) -> bool:
    """Whether the session's end was this error, and its client's fault."""
    failure = session._failure  # noqa: SLF001
    return (
        isinstance(error, _CLIENT_AT_FAULT)
        and type(error) is type(failure)
        and error.close_reason is failure.close_reason
    )


def _make_reader(
    server: WebSocketServer, loop: asyncio.AbstractEventLoop
) -> HeadReader:
    return _Guest(server, loop).reader
