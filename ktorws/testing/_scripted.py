# ruff: noqa: SLF001  a server and its peers know each other's insides
"""Scripts over real sockets, for both sides, with or without TLS."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self

from yarl import URL

from ktorws.engines._peer import Peer, acceptance
from ktorws.exceptions import ConnectionLostError, InvalidHandshakeError
from ktorws.handshake import ClientHandshake, refusal_octets
from ktorws.http_head import RequestParser, ResponseParser
from ktorws.http_message import RequestRefusedError
from ktorws.request import HttpRequestBuilder
from ktorws.testing._wire import SocketWire

if TYPE_CHECKING:
    import ssl as tls
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping

    from ktorws.extensions import WebSocketExtension, WebSocketExtensionFactory
    from ktorws.http_message import HttpRequestHead, HttpResponse

#: Seconds that scripts get to end when their server does.
GRACE = 1.0


class ScriptedPeer(Peer):
    """The server of one session over a real connection, in the hands of a script.

    As a `MockPeer`: the handshake is accepted when the script calls `accept`, first
    uses the session, or returns.

    Attributes:
        request: what the client sent.
    """

    def __init__(self, wire: SocketWire, request: HttpRequestHead) -> None:
        super().__init__()
        self._wire: SocketWire = wire
        self._answered = False
        self.request = request

    def accept(
        self,
        *,
        subprotocol: str | None = None,
        extensions: Iterable[WebSocketExtensionFactory[WebSocketExtension]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Open the session.

        Args:
            subprotocol: what to choose, whether it was offered or not.
            extensions: those that the server knows, to be negotiated.
            headers: more of them for the answer.

        Raises:
            RequestRefusedError: the request asks for no session.
        """
        self.answer(
            acceptance(
                self.request,
                subprotocol=subprotocol,
                extensions=extensions,
                headers=headers,
            )
        )

    def refuse(
        self,
        status: int,
        reason: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
    ) -> None:
        """Answer with another status than 101, and end the connection."""
        self.answer(refusal_octets(status, reason, headers, body))
        self._wire.send_eof()

    def answer(self, octets: bytes) -> None:
        """Answer the handshake with any octets; `send_octets` can send the rest."""
        if self._answered:
            raise RuntimeError("The handshake has been answered")
        self._answered = True
        self._wire.send(octets)

    def lose(self, error: BaseException | None = None) -> None:
        """As `Peer.lose`; an error resets the connection, whatever it says."""
        self._answered = True
        super().lose(error)

    def _ready(self) -> None:
        if not self._answered:
            self.accept()


class ScriptedClient(Peer):
    """The client of one session over a real connection, in the hands of a test."""

    def __init__(self, url: URL) -> None:
        super().__init__(is_client=True)
        self._url = url
        self._parser = ResponseParser()
        self._answer: HttpResponse | InvalidHandshakeError | None = None
        self._wire: SocketWire = SocketWire(self.take, self.take_eof)

    async def ask(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        subprotocols: Iterable[str] = (),
        then: bytes = b"",
    ) -> HttpResponse:
        """Ask for a session, and give the answer, which nobody judges.

        Args:
            headers: more of them for the request.
            subprotocols: what to offer.
            then: octets for the same packet, behind the request.

        Raises:
            ConnectionLostError: the server has ended the connection instead.
            InvalidHandshakeError: its answer is not HTTP.
        """
        builder = HttpRequestBuilder.of(
            self._url, scheme="ws", headers=headers, subprotocols=subprotocols
        )
        self.send_octets(ClientHandshake(builder.build()).octets() + then)
        return await self.response()

    async def response(self) -> HttpResponse:
        """Wait for the answer to a request, also one sent by `send_octets`."""
        while self._answer is None:
            if self._ended:
                raise ConnectionLostError("The server has closed the connection")
            await self._next_arrival()
        if isinstance(self._answer, InvalidHandshakeError):
            raise self._answer.renewed()
        return self._answer

    def take(self, octets: bytes) -> None:
        """Octets came: of the answer, then of frames."""
        if self._answer is not None:
            super().take(octets)
            return
        try:
            if self._parser.feed(octets):
                self._answer = self._parser.response
                super().take(self._parser.left_over)
        except InvalidHandshakeError as error:
            self._answer = error
            self.take_eof()

    def _ready(self) -> None:
        pass


class ScriptedServer:
    """Runs a script for each connection; made by `scripted_server`.

    Attributes:
        peers: those so far, in the order in which their requests came.
        port: where it listens.
    """

    port: int

    def __init__(
        self, script: Callable[[ScriptedPeer], Awaitable[object]], scheme: str
    ) -> None:
        self.peers: list[ScriptedPeer] = []
        self._script = script
        self._scheme = scheme
        self._host = "127.0.0.1"
        self._tasks: list[asyncio.Task[None]] = []
        self._wires: set[SocketWire] = set()
        self._listener: asyncio.Server | None = None

    def url(self, path: str = "/") -> str:
        """The address of a path, to be asked for."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{self._scheme}://{host}:{self.port}{path}"

    async def start(self, host: str, port: int, ssl: tls.SSLContext | None) -> Self:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._host = host
        self._listener = await loop.create_server(self._accepting, host, port, ssl=ssl)
        self.port = self._listener.sockets[0].getsockname()[1]
        return self

    async def close(self, *, grace: float = GRACE) -> None:
        """Listen no more; cancel the scripts that do not end within the grace.

        Raises:
            Exception: what a script raised; several come as an `ExceptionGroup`.
        """
        if self._listener is not None:
            self._listener.close()
        if self._tasks:
            _, unfinished = await asyncio.wait(self._tasks, timeout=grace)
            for task in unfinished:
                task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for wire in tuple(self._wires):
            wire.abort()
            await wire.gone.wait()
        errors = [error for error in results if isinstance(error, Exception)]
        if len(errors) > 1:
            raise ExceptionGroup("Scripts of a server failed", errors)
        if errors:
            raise errors[0]

    def _accepting(self) -> SocketWire:
        """A connection whose request is still to come."""
        parser = RequestParser()

        def take(octets: bytes) -> None:
            try:
                if parser.feed(octets):
                    self._begin(wire, parser)
            except RequestRefusedError:
                wire.abort()

        wire = SocketWire(take, lambda: self._ended(wire), self._wires.add)
        return wire

    def _begin(self, wire: SocketWire, parser: RequestParser) -> None:
        peer = ScriptedPeer(wire, parser.request)
        self.peers.append(peer)
        task = asyncio.create_task(self._play(peer))
        self._tasks.append(task)

        def take_eof() -> None:
            if not peer._answered:  # the client has given up: so does the script
                task.cancel()
            peer.take_eof()
            self._ended(wire)

        wire.take, wire.take_eof = peer.take, take_eof
        peer.take(parser.left_over)

    def _ended(self, wire: SocketWire) -> None:
        if wire.gone.is_set():
            self._wires.discard(wire)

    async def _play(self, peer: ScriptedPeer) -> None:
        try:
            await self._script(peer)
        except asyncio.CancelledError:
            peer._wire.abort()
            raise
        except Exception as error:
            peer.lose(error)
            raise
        await peer._serve()
        await peer._wire.gone.wait()


@contextlib.asynccontextmanager
async def scripted_server(
    script: Callable[[ScriptedPeer], Awaitable[object]],
    *,
    ssl: tls.SSLContext | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[ScriptedServer]:
    """A server over real sockets that follows a script, as a `MockEngine` does.

    When the script returns, its peer goes on as a plain server: it answers pings and
    the closing handshake. When it raises, the connection is reset, and leaving the
    block raises that exception. A script whose client gives up the handshake is
    cancelled; others get a second to end when the block does.

    Args:
        script: called with a `ScriptedPeer` for each request.
        ssl: for ``wss``.
        host: the address to listen on.
        port: 0 for any that is free.
    """
    server = ScriptedServer(script, "ws" if ssl is None else "wss")
    await server.start(host, port, ssl)
    try:
        yield server
    except BaseException:
        with contextlib.suppress(Exception):
            await server.close(grace=0)
        raise
    await server.close()


@contextlib.asynccontextmanager
async def scripted_client(
    url: str, *, ssl: tls.SSLContext | None = None
) -> AsyncIterator[ScriptedClient]:
    """A connection to a server, with nothing sent yet; for tests of servers.

    Args:
        url: ``ws`` or ``wss``, with a port where it is not the usual one.
        ssl: for ``wss``; the system's certificates by default.

    Raises:
        OSError: there is no connection.
    """
    target = URL(url)
    client = ScriptedClient(target)
    secure = (ssl or True) if target.scheme == "wss" else None
    host, port = target.host or "", target.port or 0
    await asyncio.get_running_loop().create_connection(
        lambda: client._wire, host, port, ssl=secure
    )
    try:
        yield client
    finally:
        client._wire.abort()
        await client._wire.gone.wait()
