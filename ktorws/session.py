"""One interface for every session: sending, receiving and the closing handshake.

This is the raw session: each frame is the user's, nothing is answered for him.
`default_session` adds what most want. Neither knows what a socket is: they stand on
a `FrameConnection`, which an engine or the server provides.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from ktorws.close_reason import CloseReason
from ktorws.closing import LOST, NORMAL, lost, reason_for, reason_of
from ktorws.deferred import Deferred
from ktorws.exceptions import (
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    SessionCancelledError,
    WebSocketConverterNotFoundError,
    WebSocketError,
)
from ktorws.extended_channels import ExtendedReceiveChannel, ExtendedSendChannel
from ktorws.frame import Frame
from ktorws.receive_channel import ReceiveChannel
from ktorws.send_channel import SendChannel
from ktorws.serialization import deserialize
from ktorws.session_statistics import WithStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from types import TracebackType

    from ktorws.extensions import WebSocketExtension
    from ktorws.frame import Sendable
    from ktorws.frame_connection import FrameConnection
    from ktorws.serialization import WebSocketContentConverter
    from ktorws.session_config import SessionConfig

T = TypeVar("T")
E = TypeVar("E", bound="WebSocketExtension")

#: Seconds that a failed or abandoned connection may take to send its Close frame.
LINGER = 1.0


class WebSocketSession(WithStatistics):
    """A session, open from the moment it exists; an async context manager.

    Leaving the block closes the session: code 1000 after a normal end, 1011 without
    a message after an exception, which arrives unchanged.

    Attributes:
        incoming: the frames that arrive.
        outgoing: takes the frames to send.
        subprotocol: the one that was agreed on, or None.
        extensions: those that were agreed on.
    """

    def __init__(
        self,
        connection: FrameConnection,
        config: SessionConfig,
        *,
        call: object = None,
        subprotocol: str | None = None,
        extensions: Sequence[WebSocketExtension] = (),
    ) -> None:
        loop = connection.loop
        self._connection = connection
        self._config = config
        self._call = call
        self.subprotocol = subprotocol
        self.extensions = list(extensions)
        receiving: Callable[..., ReceiveChannel] = ReceiveChannel
        sending: Callable[..., SendChannel] = SendChannel
        if extensions:
            receiving = partial(
                ExtendedReceiveChannel, extensions=extensions, violated=self.violated
            )
            sending = partial(ExtendedSendChannel, extensions=extensions)
        self.incoming = receiving(
            loop,
            config.channels.incoming,
            pause=connection.pause_reading,
            resume=connection.resume_reading,
            on_overflow=self.failed,
        )
        self.outgoing = sending(
            loop,
            config.channels.outgoing,
            write=connection.write,
            connection=connection,
            close=self._send_close,
            on_overflow=self.failed,
        )
        self.send = self.outgoing.send  # type: ignore[method-assign]
        self._reason: Deferred[CloseReason] = Deferred(loop)
        self._ended: Deferred[None] = Deferred(loop)
        self._close_sent = False
        self._close_received = False
        self._failure: WebSocketError | None = None
        self._violation: WebSocketError | None = None
        self._grace: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        for extension in self.extensions:
            extension.session_opened(self)

    # What the user calls.

    @property
    def masking(self) -> bool:
        """Whether the payloads of outgoing frames are masked; a client's must be."""
        return self._connection.masking

    @masking.setter
    def masking(self, value: bool) -> None:
        self._connection.masking = value

    @property
    def max_frame_size(self) -> int:
        """The limit in bytes of an incoming frame, and of a message in fragments."""
        return self._connection.max_frame_size

    @max_frame_size.setter
    def max_frame_size(self, value: int) -> None:
        self._connection.max_frame_size = value

    @property
    def is_active(self) -> bool:
        """Whether frames can still be sent."""
        return not self.outgoing.is_closed_for_send

    def send(self, frame: Sendable) -> Coroutine[Any, Any, None]:
        """Send a frame, a str as text or a bytes-like object as binary.

        The same as ``outgoing.send(frame)``, which tells what it raises and what
        cancelling it does.
        """
        return self.outgoing.send(frame)

    async def flush(self) -> None:
        """Wait until everything sent before has left for the network.

        That is: this process holds none of it any more, except what a TLS layer
        keeps. It says nothing of what the peer got. Returns at once when the session
        has ended in good order. Cancelling it changes nothing.

        Raises:
            WebSocketError: the failure that ended the session first.
        """
        if not self._ended.is_completed:
            await self._connection.flush()
        if self._failure is not None:
            raise self._failure.renewed()

    async def close(self, reason: CloseReason = NORMAL) -> None:
        """Close the session: all that was sent, a Close frame, the peer's answer, TCP.

        Takes ``close_timeout`` seconds at most; then the connection is dropped. What
        arrives meanwhile is still delivered to ``incoming`` until a frame finds no
        room there, and dropped from that one on, so that frames nobody reads cannot
        hold up the end, and what is received has no gaps; to go on reading at leisure,
        send a `Frame.Close` instead. Calling it again waits for the same end.
        Cancelling it leaves the session closing by itself.

        Raises:
            ValueError: the reason's code must not be sent (RFC 6455 §7.4).
        """
        if not isinstance(reason, CloseReason):
            raise TypeError(f"close() takes a CloseReason, not {type(reason).__name__}")
        frame = Frame.Close(reason)
        self._fail_for_violation()  # of the peer's, where one is still to be told
        self._send_close(frame)
        self.incoming.spill()
        await self._ended

    async def close_exceptionally(self, error: BaseException) -> None:
        """Close after an error: code 1011 without a message, which may hold secrets.

        As in Ktor, a cancellation is a normal end: code 1000.
        """
        cancelled = isinstance(error, asyncio.CancelledError)
        await self.close(
            NORMAL if cancelled else CloseReason(CloseReason.Codes.INTERNAL_ERROR, "")
        )

    @property
    def has_ended(self) -> bool:
        """Whether the session has ended and its connection is gone."""
        return self._ended.is_completed

    async def wait_closed(self) -> None:
        """Wait until the session has ended and its connection is gone."""
        await self._ended

    def invoke_on_end(self, callback: Callable[[], None]) -> None:
        """Call back once the connection is gone; at once where it is already."""
        self._ended.invoke_on_completion(callback)

    def cancel(self) -> None:
        """End the session now: a Close frame if it can still go out, no waiting.

        Frames that wait to be received are dropped. Every call that waits on the
        session raises `SessionCancelledError`.
        """
        self._fail(SessionCancelledError("The session was cancelled"), NORMAL)
        self.incoming.cancel()

    def extension(self, kind: type[E]) -> E:
        """The agreed extension of this class.

        Raises:
            RuntimeError: there is none.
        """
        found = self.extension_or_none(kind)
        if found is None:
            raise RuntimeError(f"Extension {kind.__name__} not found")
        return found

    def extension_or_none(self, kind: type[E]) -> E | None:
        """The agreed extension of this class, or None."""
        return next((e for e in self.extensions if isinstance(e, kind)), None)

    async def send_serialized(self, value: object) -> None:
        """Send a value as the ``content_converter`` writes it.

        Raises:
            WebSocketConverterNotFoundError: none is configured.
        """
        await self.send(await self._converter().serialize(value))

    async def receive_deserialized(self, kind: type[T]) -> T:
        """The next frame as a value of this type.

        Raises:
            WebSocketConverterNotFoundError: none is configured; no frame is consumed.
            WebSocketDeserializeError: it is not such a value; carries the frame.
            WebSocketError: as ``incoming.receive()``.
        """
        converter = self._converter()
        frame = await self.incoming.receive()
        return await deserialize(converter, frame, kind)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close; frames that nobody received are dropped."""
        self.incoming.cancel()
        if error is None or isinstance(error, Exception):
            await (self.close() if error is None else self.close_exceptionally(error))
        else:  # the task is cancelled or the program ends: no time to wait
            self._send_close(Frame.Close(NORMAL))
            self._hurry()

    def __repr__(self) -> str:
        """Its class, state and close reason."""
        state = "ended" if self.has_ended else "open" if self.is_active else "closing"
        reason = f" {self._reason.get_completed()}" if self._reason.is_completed else ""
        return f"<{type(self).__name__} {state}{reason}>"

    # What the connection calls.

    def frames_received(self, frames: list[Frame], size: int) -> None:
        """Take what one read brought; a raw session delivers all up to a Close."""
        if self._close_received:
            return
        for index, frame in enumerate(frames):
            if isinstance(frame, Frame.Close):
                self.incoming.deliver(frames[: index + 1], size)
                self._closed_by_peer(frame)
                return
        self.incoming.deliver(frames, size)

    def violated(self, error: WebSocketError) -> None:
        """The peer broke a rule: nothing after that counts.

        What came before does, and may still be answered: the session fails when its
        reader asks for more than that, or after `LINGER` seconds.
        """
        if self._close_received or self._violation is not None:
            return  # what comes after a Close frame is not judged
        self._violation = error
        self.incoming.when_drained(self._fail_for_violation)
        if self._failure is None:
            clock = self._connection.clock
            self._grace = clock.call_later(LINGER, self._fail_for_violation)

    def failed(self, error: WebSocketError) -> None:
        """End the session at once, telling the peer why."""
        self._fail(error, reason_for(error))

    def writing_paused(self) -> None:
        """The connection takes no more: senders wait."""
        self.outgoing.pause()

    def writing_resumed(self) -> None:
        """The connection takes frames again."""
        self.outgoing.resume()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone: this completes everything."""
        if self._ended.is_completed:
            return
        if not (self._close_sent or self._close_received or self._failure):
            self._failure = self._violation or lost(error)
        if not self._reason.is_completed:
            violation = self._violation
            self._reason.complete(LOST if violation is None else reason_for(violation))
        self._shut()
        for timer in (self._deadline, self._grace):
            if timer is not None:
                timer.cancel()
        self._ended.complete(None)

    # How it works.

    def _converter(self) -> WebSocketContentConverter:
        if self._config.content_converter is None:
            raise WebSocketConverterNotFoundError(
                "No converter was found for websocket: set content_converter"
            )
        return self._config.content_converter

    def _send_close(self, frame: Frame.Close | None) -> bool:
        """Begin the closing handshake, or do our part of it; False when it is done."""
        if self._close_sent or self._ended.is_completed:
            return False
        frame = Frame.Close(NORMAL) if frame is None else frame
        self._close_sent = True
        self._reason.complete(reason_of(frame))
        self._shut_outgoing()
        self._connection.write(frame)
        self._set_deadline(self._config.close_timeout)
        if self._close_received:
            self._handshake_done()
        return True

    def _closed_by_peer(self, frame: Frame.Close) -> None:
        self._close_received = True
        self._reason.complete(reason_of(frame))
        self._shut()
        if self._close_sent:
            self._handshake_done()

    def _handshake_done(self) -> None:
        # RFC 6455 §7.1.1: the server closes TCP first; a client waits for that.
        if not self._connection.is_client:
            self._connection.end(linger=False)
            if self._connection.is_writable:  # else a backlog is still to leave
                self._set_deadline(min(self._config.close_timeout, LINGER))

    def _fail_for_violation(self) -> None:
        if self._violation is not None:
            self.failed(self._violation)

    def _fail(self, error: WebSocketError, reason: CloseReason) -> None:
        """End everything with this error; the peer gets the reason."""
        if self._failure is not None or self._ended.is_completed:
            return
        self._failure = error
        self._send_close(Frame.Close(reason))
        self._shut()
        self._hurry()

    def _shut(self) -> None:
        """Nothing more will be received or sent."""
        self.incoming.end(self._end(ClosedReceiveChannelError))
        self._shut_outgoing()

    def _shut_outgoing(self) -> None:
        self.outgoing.end(self._end(ClosedSendChannelError))

    def _end(self, kind: type[WebSocketError]) -> WebSocketError:
        """What a channel raises: the failure, or this kind after a close in order."""
        reason = self._reason.get_completed()
        error = self._failure or kind(f"The session was closed: {reason}")
        error.close_reason = reason
        return error

    def _hurry(self) -> None:
        """Close TCP now; what was written gets a moment to leave."""
        if not self._ended.is_completed:
            self._connection.end(linger=not self._close_received)
            self._set_deadline(min(self._config.close_timeout, LINGER))

    def _set_deadline(self, delay: float) -> None:
        """From then on the connection is not waited for."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self._connection.clock.call_later(
            delay, self._connection.abort
        )
