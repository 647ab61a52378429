# ruff: noqa: SLF001  an engine and its peers know each other's insides
"""Sessions without a network: scripted peers, faults and time, for users' tests.

Only the wire is made up. Handshakes, frames, corking and pauses run through the same
code as `CIO`'s, so a session cannot tell the difference.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, ClassVar, Self

from ktorws.client_session import (
    ClientWebSocketSession,
    DefaultClientWebSocketSession,
    HttpClientCall,
)
from ktorws.engines._connection import new_session
from ktorws.engines._mock_clock import MockClock
from ktorws.engines._mock_wire import Wire
from ktorws.engines._peer import Peer, acceptance
from ktorws.engines._silence import WATCHING
from ktorws.engines.base import HttpClientEngine, Opening
from ktorws.exceptions import WebSocketError
from ktorws.handshake import ClientHandshake, refusal_octets
from ktorws.http_head import RequestParser, ResponseParser

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from ktorws.extensions import WebSocketExtension, WebSocketExtensionFactory
    from ktorws.ping_pong import Clock
    from ktorws.request import HttpRequest
    from ktorws.session import WebSocketSession

__all__ = ["MockClock", "MockEngine", "MockPeer"]


class MockEngine(HttpClientEngine):
    """An engine whose peers are scripts; an async context manager.

    A script is a coroutine function that plays the server of one session. It runs as
    a task for each session that is opened::

        async def script(peer):
            assert (await peer.receive()).read_text() == "Hello"
            peer.send("Hello to you")

        async with MockEngine(script) as engine, HttpClient(engine) as client:
            ...

    When the script returns, its peer goes on as a plain server: it answers pings and
    the closing handshake, and drops the rest. When the script raises, the connection
    is lost, and `close` raises that exception.

    Args:
        script: called with a `MockPeer`; by default a plain server.
        clock: what the sessions' pings and timeouts go by; by default the loop's.
    """

    name: ClassVar[str] = "MockEngine"
    capabilities: ClassVar[frozenset[str]] = WATCHING

    def __init__(
        self,
        script: Callable[[MockPeer], Awaitable[object]] | None = None,
        *,
        clock: MockClock | None = None,
    ) -> None:
        self._script = script
        self._clock = clock
        #: The peers so far, in the order in which their sessions were asked for.
        self.peers: list[MockPeer] = []

    def check(self, opening: Opening) -> None:
        """Refuse a socket: there is no network here."""
        if opening.sock is not None:
            raise ValueError("MockEngine cannot honour the option sock")

    async def open(self, opening: Opening) -> WebSocketSession:
        """A session with a new peer."""
        opening.stage = "waiting for the script to accept or refuse"
        peer = MockPeer(opening, self._clock)
        self.peers.append(peer)
        peer._task = asyncio.create_task(self._play(peer))
        try:
            return await peer._opened
        except asyncio.CancelledError:
            peer._task.cancel()
            peer._abandon()
            raise

    async def close(self) -> None:
        """End every script and connection.

        Raises:
            Exception: what a script raised; several come as an `ExceptionGroup`.
        """
        peers, self.peers = self.peers, []
        tasks = [peer._task for peer in peers]
        for peer, task in zip(peers, tasks, strict=True):
            task.cancel()
            peer._abandon()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for peer in peers:
            await peer.wait_closed()
        errors = [error for error in results if isinstance(error, Exception)]
        if len(errors) > 1:
            raise ExceptionGroup("Scripts of a MockEngine failed", errors)
        if errors:
            raise errors[0]

    def failures(self) -> list[Exception]:
        """What scripts have raised so far, and `close` would raise."""
        tasks = [p._task for p in self.peers if p._task.done()]
        errors = [task.exception() for task in tasks if not task.cancelled()]
        return [error for error in errors if isinstance(error, Exception)]

    @property
    def clock(self) -> Clock:
        """The clock given, or the running loop."""
        return super().clock if self._clock is None else self._clock

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close the engine."""
        await self.close()

    async def _play(self, peer: MockPeer) -> None:
        try:
            if self._script is not None:
                await self._script(peer)
        except Exception as error:
            peer.lose(error)
            raise
        await peer._serve()


class MockPeer(Peer):
    """The server of one session, in the hands of a script.

    The handshake is accepted when the script calls `accept`, first uses the session,
    or returns; until then the client waits.

    Frames are as on the wire: no extension touches them. What the client wrote in one
    loop iteration arrives at its end, but for the first frame.

    Attributes:
        request: what the client asks for.
        session: the client's session, once it is open.
    """

    _wire: Wire
    _task: asyncio.Task[None]

    def __init__(self, opening: Opening, clock: Clock | None) -> None:
        super().__init__(clock=clock)
        loop = asyncio.get_running_loop()
        self.request: HttpRequest = opening.request
        self.session: ClientWebSocketSession | None = None
        self._opening = opening
        self._opened: asyncio.Future[ClientWebSocketSession] = loop.create_future()
        self._handshake = ClientHandshake(
            opening.request, [make() for make in opening.config.extensions]
        )
        self._wire = Wire(loop, self.take, self.take_eof)

    # The handshake.

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
        """
        parser = RequestParser()
        parser.feed(self._handshake.octets())
        self.answer(
            acceptance(
                parser.request,
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
        """Answer with another status than 101: the client gets a `HandshakeError`."""
        self.answer(refusal_octets(status, reason, headers, body))

    def answer(self, octets: bytes) -> None:
        """Answer the handshake with any octets, all of its head in them."""
        if self._opened.done():
            raise RuntimeError("The handshake has been answered")
        parser = ResponseParser()
        try:
            parser.feed(octets)
            self.session = self._establish(parser)
        except WebSocketError as error:
            self._fail_to_open(error)
        else:
            self._opened.set_result(self.session)

    # Ends and faults.

    def lose(self, error: BaseException | None = None) -> None:
        """As `Peer.lose`; before the answer, the client gets no session at all."""
        if self._opened.done():
            super().lose(error)
            return
        try:
            ResponseParser().feed_eof()
        except WebSocketError as invalid:
            invalid.__cause__ = error
            self._fail_to_open(invalid)

    # How it works.

    def _ready(self) -> None:
        if not self._opened.done():
            self.accept()

    def _fail_to_open(self, error: WebSocketError) -> None:
        self._opened.set_exception(error)
        self._wire.abort()

    def _abandon(self) -> None:
        """End at once, whatever the state."""
        if not self._opened.done():
            self.lose()
        elif self.session is not None and not self.session.has_ended:
            self.session.cancel()
        self._wire.abort()

    def _establish(self, parser: ResponseParser) -> ClientWebSocketSession:
        response = parser.response
        negotiated = self._handshake.verify(response)
        opening = self._opening
        kind = ClientWebSocketSession if opening.raw else DefaultClientWebSocketSession
        session, connection = new_session(
            kind,
            asyncio.get_running_loop(),
            opening.config,
            negotiated,
            is_client=True,
            call=HttpClientCall(opening.request, response),
            clock=self._clock,
            capabilities=opening.request.capabilities,
        )
        connection.open(self._wire, session, parser.left_over)
        return session
