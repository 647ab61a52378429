"""Servers within the test's own process, on a free port of the loopback interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktorws.server import DefaultWebSocketServerSession, WebSocketServer

if TYPE_CHECKING:
    import ssl as tls
    from collections.abc import Awaitable, Callable

    from ktorws.features.websockets import WebSockets


class LocalServer(WebSocketServer):
    """A `WebSocketServer` that knows its URL; made by `local_server`."""

    def url(self, path: str = "/") -> str:
        """The address of a path, to be asked for."""
        scheme = "ws" if self._ssl is None else "wss"
        return f"{scheme}://{self._host}:{self.port}{path}"


def local_server(
    handler: Callable[[DefaultWebSocketServerSession], Awaitable[object]],
    *,
    path: str = "/",
    ssl: tls.SSLContext | None = None,
    websockets: WebSockets | None = None,
) -> LocalServer:
    """A server for ``async with``, whose sessions go to one handler.

    Its ``@server.websocket("/path")`` adds others.

    Args:
        handler: gets each session, which is closed when it returns.
        path: where.
        ssl: for ``wss``.
        websockets: how sessions behave, extensions included.
    """
    server = LocalServer(ssl=ssl, websockets=websockets)
    server.websocket(path)(handler)
    return server


def echo_server(
    *,
    path: str = "/",
    ssl: tls.SSLContext | None = None,
    websockets: WebSockets | None = None,
) -> LocalServer:
    """A server for ``async with`` that sends back every message; see `local_server`."""
    return local_server(_echo, path=path, ssl=ssl, websockets=websockets)


async def _echo(session: DefaultWebSocketServerSession) -> None:
    async for message in session.incoming:
        await session.send(message)
