"""What a script has in its hands: frames, octets and faults at one end of a wire."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Protocol, Self

from ktorws.close_reason import CloseReason
from ktorws.exceptions import ConnectionLostError, WebSocketError
from ktorws.frame import Frame, FrameDecoder, FrameEncoder
from ktorws.handshake import accept

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ktorws.extensions import WebSocketExtension, WebSocketExtensionFactory
    from ktorws.frame import Sendable
    from ktorws.http_message import HttpRequestHead
    from ktorws.ping_pong import Clock

_ANY_SIZE = 2**31 - 1
_ALL_RESERVED = 0x70
_NORMAL = CloseReason(CloseReason.Codes.NORMAL, "")


class PeersWire(Protocol):
    """What a peer stands on; it gives octets to `Peer.take` and `Peer.take_eof`."""

    gone: asyncio.Event

    @property
    def unread(self) -> int:
        """How many octets wait for the other side to read."""

    def send(self, octets: bytes) -> None:
        """Send, without waiting."""

    async def flush(self) -> None:
        """Wait until the other side has room again, or is gone."""

    def send_eof(self) -> None:
        """Send no more."""

    def break_(self, error: BaseException) -> None:
        """Reset the connection; what was not read is lost."""

    def stall(self) -> None:
        """Let what the other side sends wait on its side."""

    def resume(self) -> None:
        """Take it again."""


class Peer(ABC):
    """One end of a session, in the hands of a script.

    Frames are as on the wire: no extension touches them, and what breaks the protocol
    is sent as well. What is sent without waiting in between goes out in one packet.

    The common part of `MockPeer` and the peers of `ktorws.testing`: a script that
    sticks to it, and to ``accept`` and ``refuse``, runs over any of them.
    """

    _wire: PeersWire

    def __init__(self, *, is_client: bool = False, clock: Clock | None = None) -> None:
        self._clock = clock
        self._decoder = FrameDecoder(
            masked=not is_client, max_frame_size=_ANY_SIZE, reserved=_ALL_RESERVED
        )
        self._encoder = FrameEncoder(masking=is_client)
        self._frames: deque[Frame] = deque()
        self._ended = False  # the other side sends no more
        self._arrival = asyncio.Event()
        self._close_sent = False
        self._close_received: Frame.Close | None = None

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

    async def flush(self) -> None:
        """Wait until there is room for more: the other side has read most of it.

        Raises:
            ConnectionLostError: the connection is gone.
        """
        await asyncio.sleep(0)  # others have their turn, though there is room
        await self._wire.flush()
        if self._wire.gone.is_set():
            raise ConnectionLostError("The connection is gone")

    async def receive(self) -> Frame:
        """The next frame of the other side, control frames included.

        Raises:
            ConnectionLostError: the other side has ended the connection.
            ProtocolViolationError: what it sent is no frame.
        """
        while (frame := self.receive_or_none()) is None:
            if self._decoder.error is not None:
                raise self._decoder.error.renewed()
            if self._ended:
                raise ConnectionLostError("The client has closed the connection")
            await self._next_arrival()
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

        The connection ends once the other side has sent its own.
        """
        self.send(Frame.Close(reason))
        self._close_sent = True
        self._end_if_closed()

    def lose(self, error: BaseException | None = None) -> None:
        """End the connection without a Close frame.

        Without an error the other side finds the end behind all that was sent. With
        one the connection is reset: what has not been read is gone.
        """
        if error is None:
            self._wire.send_eof()
        else:
            self._wire.break_(error)

    def truncate(self, message: Sendable, *, after: int) -> None:
        """Send so many octets of a message's frame, and end the connection."""
        self.send_octets(self._encoder.encode(message)[:after])
        self.lose()

    def stall(self) -> None:
        """Take nothing more: what the other side sends waits there."""
        self._ready()
        self._wire.stall()

    def resume(self) -> None:
        """Take what has waited, and go on."""
        self._wire.resume()

    @property
    def unread(self) -> int:
        """How many octets wait here, for the other side has stopped reading."""
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

    # What the wire calls.

    def take(self, octets: bytes) -> None:
        """Octets came."""
        for frame in self._decoder.decode(octets):
            self._frames.append(frame)
            if isinstance(frame, Frame.Close):
                self._close_received = frame
        self._arrival.set()
        self._end_if_closed()

    def take_eof(self) -> None:
        """No more octets will come."""
        self._ended = True
        self._arrival.set()

    # How it works.

    @abstractmethod
    def _ready(self) -> None:
        """Frames are about to flow: do what has to come before them."""

    async def _next_arrival(self) -> None:
        self._arrival.clear()
        await self._arrival.wait()

    def _end_if_closed(self) -> None:
        if self._close_sent and self._close_received is not None:
            self._wire.send_eof()

    async def _serve(self) -> None:
        """Be a plain peer from now on: answer pings and the closing handshake."""
        try:
            while self._close_received is None:
                frame = await self.receive()
                if isinstance(frame, Frame.Ping):
                    self.send(Frame.Pong(frame.data))
            if not self._close_sent:
                self.send(Frame.Close(self._close_received.data))
        except WebSocketError:
            pass  # the other side is gone, or sends what is no frame
        self._wire.send_eof()


def acceptance(
    request: HttpRequestHead,
    *,
    subprotocol: str | None = None,
    extensions: Iterable[WebSocketExtensionFactory[WebSocketExtension]] = (),
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """The answer that opens a session, right or wrong as the script wants it."""
    more = dict(headers or {})
    if subprotocol is not None:
        more["Sec-WebSocket-Protocol"] = subprotocol
    made = [make() for make in extensions]
    return accept(request, extensions=made, headers=more).octets
