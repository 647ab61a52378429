# ruff: noqa: SLF001  an engine and its peers know each other's insides
"""Sessions without a network: scripted peers, faults and time, for users' tests.

Only the wire is made up. Handshakes, frames, corking and pauses run through the same
code as `CIO`'s, so a session cannot tell the difference.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, ClassVar, Self

from ktorws.client_session import (
    ClientWebSocketSession,
    DefaultClientWebSocketSession,
    HttpClientCall,
)
from ktorws.close_reason import CloseReason
from ktorws.engines._connection import new_session
from ktorws.engines._mock_clock import MockClock
from ktorws.engines._mock_wire import Wire
from ktorws.engines.base import HttpClientEngine, Opening
from ktorws.exceptions import ConnectionLostError, WebSocketError
from ktorws.frame import Frame, FrameDecoder, FrameEncoder
from ktorws.handshake import ClientHandshake, accept, refusal_octets
from ktorws.http_head import RequestParser, ResponseParser

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from ktorws.extensions import WebSocketExtension, WebSocketExtensionFactory
    from ktorws.frame import Sendable
    from ktorws.ping_pong import Clock
    from ktorws.request import HttpRequest
    from ktorws.session import WebSocketSession

__all__ = ["MockClock", "MockEngine", "MockPeer"]

_ANY_SIZE = 2**31 - 1
_ALL_RESERVED = 0x70
_NORMAL = CloseReason(CloseReason.Codes.NORMAL, "")


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


class MockPeer:
    """The server of one session, in the hands of a script.

    The handshake is accepted when the script calls `accept`, first uses the session,
    or returns; until then the client waits.

    Frames are as on the wire: no extension touches them. What the client wrote in one
    loop iteration arrives at its end, but for the first frame.

    Attributes:
        request: what the client asks for.
        session: the client's session, once it is open.
    """

    _task: asyncio.Task[None]

    def __init__(self, opening: Opening, clock: Clock | None) -> None:
        loop = asyncio.get_running_loop()
        self.request: HttpRequest = opening.request
        self.session: ClientWebSocketSession | None = None
        self._opening = opening
        self._opened: asyncio.Future[ClientWebSocketSession] = loop.create_future()
        self._handshake = ClientHandshake(
            opening.request, [make() for make in opening.config.extensions]
        )
        self._wire = Wire(loop, self._take, self._end_of_octets)
        self._clock = clock
        self._decoder = FrameDecoder(
            masked=True, max_frame_size=_ANY_SIZE, reserved=_ALL_RESERVED
        )
        self._encoder = FrameEncoder(masking=False)
        self._frames: deque[Frame] = deque()
        self._ended = False  # the client sends no more
        self._arrival = asyncio.Event()
        self._close_sent = False
        self._close_received: Frame.Close | None = None

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
        if self._opened.done():
            raise RuntimeError("The handshake has been answered")
        more = dict(headers or {})
        if subprotocol is not None:
            more["Sec-WebSocket-Protocol"] = subprotocol
        parser = RequestParser()
        parser.feed(self._handshake.octets())
        made = [make() for make in extensions]
        octets = accept(parser.request, extensions=made, headers=more).octets
        self._answer(octets)

    def refuse(
        self,
        status: int,
        reason: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | str = b"",
    ) -> None:
        """Answer with another status than 101: the client gets a `HandshakeError`."""
        if self._opened.done():
            raise RuntimeError("The handshake has been answered")
        self._answer(refusal_octets(status, reason, headers, body))

    # Frames.

    def send(self, *messages: Sendable) -> None:
        """Send frames, a str as text, a bytes-like object as binary, in one packet.

        A Close frame is only that: nothing else happens.
        """
        self.send_octets(b"".join(map(self._encoder.encode, messages)))

    def send_octets(self, octets: bytes) -> None:
        """Send anything, also what breaks the protocol."""
        self._ready()
        self._wire.send(octets)

    async def receive(self) -> Frame:
        """The next frame that the client sent, control frames included.

        Raises:
            ConnectionLostError: the client has closed the connection.
            ProtocolViolationError: what the client sent is no frame of a client.
        """
        while (frame := self.receive_or_none()) is None:
            if self._decoder.error is not None:
                raise self._decoder.error.renewed()
            if self._ended:
                raise ConnectionLostError("The client has closed the connection")
            self._arrival.clear()
            await self._arrival.wait()
        return frame

    def receive_or_none(self) -> Frame | None:
        """The next frame if it is here already; never waits."""
        self._ready()
        return self._frames.popleft() if self._frames else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        """The next frame; ends with a Close frame or the connection."""
        try:
            frame = await self.receive()
        except ConnectionLostError:
            raise StopAsyncIteration from None
        if isinstance(frame, Frame.Close):
            raise StopAsyncIteration
        return frame

    # Ends and faults.

    def close(self, reason: CloseReason | None = _NORMAL) -> None:
        """Send a Close frame, without a code for None.

        The connection ends once the client has sent its own.
        """
        self.send(Frame.Close(reason))
        self._close_sent = True
        self._end_if_closed()

    def lose(self, error: BaseException | None = None) -> None:
        """End the connection without a Close frame.

        Without an error the client finds the end behind all that was sent. With one
        the connection is reset: what the client has not read is gone.
        """
        if not self._opened.done():
            try:
                ResponseParser().feed_eof()
            except WebSocketError as invalid:
                invalid.__cause__ = error
                self._fail_to_open(invalid)
        elif error is None:
            self._wire.send_eof()
        else:
            self._wire.break_(error)

    def stall(self) -> None:
        """Take nothing more: what the client sends waits on its side."""
        self._ready()
        self._wire.pause_writing()

    def resume(self) -> None:
        """Take what has waited, and go on."""
        self._wire.resume_writing()

    @property
    def unread(self) -> int:
        """How many octets the client has not read since it stopped reading."""
        return self._wire.unread

    # Time.

    async def sleep(self, seconds: float) -> None:
        """Wait by the sessions' clock."""
        if self._clock is None:
            await asyncio.sleep(seconds)
            return
        woken = asyncio.Event()
        timer = self._clock.call_later(seconds, woken.set)
        try:
            await woken.wait()
        finally:
            timer.cancel()

    async def wait_closed(self) -> None:
        """Wait, answering nothing, until the connection is gone."""
        self._ready()
        await self._wire.gone.wait()

    # How it works.

    def _ready(self) -> None:
        if not self._opened.done():
            self.accept()

    def _answer(self, octets: bytes) -> None:
        parser = ResponseParser()
        try:
            parser.feed(octets)
            self.session = self._establish(parser)
        except WebSocketError as error:
            self._fail_to_open(error)
        else:
            self._opened.set_result(self.session)

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
        )
        connection.open(self._wire, session, parser.left_over)
        return session

    def _take(self, octets: bytes) -> None:
        for frame in self._decoder.decode(octets):
            self._frames.append(frame)
            if isinstance(frame, Frame.Close):
                self._close_received = frame
        self._arrival.set()
        self._end_if_closed()

    def _end_of_octets(self) -> None:
        self._ended = True
        self._arrival.set()

    def _end_if_closed(self) -> None:
        if self._close_sent and self._close_received is not None:
            self._wire.send_eof()

    async def _serve(self) -> None:
        """Be a plain server from now on."""
        try:
            while self._close_received is None:
                frame = await self.receive()
                if isinstance(frame, Frame.Ping):
                    self.send(Frame.Pong(frame.data))
            if not self._close_sent:
                self.send(Frame.Close(self._close_received.data))
        except WebSocketError:
            pass  # the client is gone, or sends what is no frame
        self._wire.send_eof()
