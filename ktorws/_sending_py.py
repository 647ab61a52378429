"""The way out of `_sending.pyx` in plain Python: the same promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from ktorws.frame import Frame

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from ktorws.frame import FrameEncoder, Sendable

_CloseFrame = Frame.Close


@final
class Cork:
    """Hands frames to a transport: two in a row at once, what follows together.

    What is written in one iteration of the loop behind two frames goes out at its
    end, or when ``limit`` is reached. So who answers each message with one never
    makes the loop come round again. A read begins anew, as an iteration does.

    Args:
        loop: whose iterations these are; in debug mode, where it finds calls from
            another thread, only the first frame goes out at once.
        encoder: makes octets of frames.
        limit: bytes that are gathered before they are written.
    """

    __slots__ = (
        "_again",
        "_debug",
        "_encoder",
        "_limit",
        "_limit_reached",
        "_loop",
        "_octets_to",
        "is_full",
        "is_gathering",
    )

    _octets_to: Callable[[bytes], object]
    _limit_reached: Callable[[], object]

    def __init__(
        self, loop: asyncio.AbstractEventLoop, encoder: FrameEncoder, limit: int
    ) -> None:
        self._loop = loop
        self._encoder = encoder
        self._limit = limit
        self._debug = loop.get_debug()
        self._again = self._debug  # the next write follows another
        self.is_full = False  # the transport takes no more
        self.is_gathering = False  # two frames went out, or none may

    def open(
        self, transport: asyncio.WriteTransport, limit_reached: Callable[[], object]
    ) -> None:
        """From now on give octets to this transport; tell who asks of a full limit."""
        self._octets_to = transport.write
        self._limit_reached = limit_reached

    def write(self, message: Sendable) -> None:
        """Encode one frame behind those before it, and send it soon."""
        if self.is_gathering:
            if self._encoder.append(message) >= self._limit:
                self._limit_reached()
                self.write_gathered()
            return
        octets = self._encoder.encode(message)
        if self._again:
            self._loop.call_soon(self._iteration_ended)
            self.is_gathering = True
        self._again = True
        self._octets_to(octets)

    def write_gathered(self) -> None:
        """Send what was gathered, if the transport takes it."""
        if not self.is_full and self._encoder.pending:
            self._octets_to(self._encoder.take())

    def begin_anew(self) -> None:
        """Frames that were gathered stay so; else the next one follows no other."""
        self._again = self._debug

    def pause(self) -> None:
        """The transport takes no more: gather."""
        self.is_full = self.is_gathering = True

    def close(self) -> None:
        """Give nothing to the transport any more, and forget it."""
        self.pause()
        self._octets_to = self._limit_reached = _ignore

    def _iteration_ended(self) -> None:
        if not self.is_full:
            self.is_gathering = False
            self._again = self._debug
            self.write_gathered()


def _ignore(*_: object) -> None:
    pass


class FrameSender:
    """Sends at once what may leave at once.

    Who is to wait, and what becomes of a Close frame, is a subclass's affair: it
    defines ``_send_held(frame)``, a coroutine function, for these and for all that is
    sent while ``_held`` is set.

    Args:
        write: takes a frame that may leave.
    """

    __slots__ = ("_held", "_write")

    _send_held: Callable[[Sendable], Awaitable[None]]

    def __init__(self, write: Callable[[Sendable], None]) -> None:
        self._held = False
        self._write = write

    async def send(self, frame: Sendable) -> None:
        """Send a frame, a str as text or a bytes-like object as binary.

        Suspends while there is no room, and now and then to let other tasks run; the
        frame is sent after that or, if the call is cancelled or fails, not at all.
        A Close frame begins the closing handshake and waits for nothing.

        Raises:
            ClosedSendChannelError: a Close frame was sent or received.
            WebSocketError: a failure ended the session: this is it.
            ChannelOverflowError: no room, and the channel is set to CLOSE.
            TypeError: not something that can be sent.
            ValueError: not allowed now, or text that is not UTF-8.
        """
        if self._held or frame.__class__ is _CloseFrame:
            await self._send_held(frame)
        else:
            self._write(frame)
