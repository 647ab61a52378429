"""The two channels of a session with extensions, which process the frames.

It knows that an extension can make a large frame of a small one, so that one read may
bring compressed messages for thousands of times its size. They wait as they were
received, and are processed when the channel has room for what comes of them.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ktorws.exceptions import (
    ChannelOverflowError,
    SessionCancelledError,
    WebSocketError,
)
from ktorws.frame import Frame
from ktorws.receive_channel import ReceiveChannel
from ktorws.send_channel import SendChannel

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from ktorws.channels import ChannelConfig
    from ktorws.extensions import WebSocketExtension
    from ktorws.frame import Sendable
    from ktorws.frame_connection import FrameConnection

#: Payload bytes processed in one step, hence how far a limit can be passed.
_STEP = 64 * 1024


class ExtendedReceiveChannel(ReceiveChannel):
    """Takes frames as they were received, gives what the extensions make of them.

    Frames wait unprocessed only while the channel is full, so that its reader never
    has to: whatever it takes makes room, and room is filled at once.

    Args:
        extensions: in the order of sending.
        violated: called with what an extension raised while the session was open.
    """

    __slots__ = ("_extensions", "_final", "_unprocessed", "_violated")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: ChannelConfig,
        *,
        pause: Callable[[], None],
        resume: Callable[[], None],
        on_overflow: Callable[[WebSocketError], None],
        extensions: Sequence[WebSocketExtension],
        violated: Callable[[WebSocketError], None],
    ) -> None:
        super().__init__(
            loop, config, pause=pause, resume=resume, on_overflow=on_overflow
        )
        self._extensions = tuple(reversed(extensions))
        self._violated = violated
        self._unprocessed: deque[Frame] = deque()
        self._final: WebSocketError | None = None  # comes behind what is unprocessed

    def deliver(self, frames: list[Frame], size: int) -> None:
        """Take frames, and process as many as there is room for."""
        if self._final is None:
            self._unprocessed.extend(frames)
            self._process()

    def end(self, error: WebSocketError) -> None:
        """No more frames: after those that wait, in either state, this is raised."""
        if isinstance(error, ChannelOverflowError | SessionCancelledError):
            self._unprocessed.clear()  # they do not fit, or are not wanted
        self._final = self._final or error
        self._process()

    def _go_on(self) -> None:
        self._resume_at = -1
        self._process()
        if not self._is_paused:
            self._resume()

    def _process(self) -> None:
        """Bring in what there is room for, and the end behind the last frame."""
        while self._unprocessed and not self._is_paused:
            if self._closed or self._spilt:  # the reader gets no more
                self._unprocessed.clear()
            else:
                self._process_some()
        if self._final is not None and not self._unprocessed:
            super().end(self._final)
            extensions, self._extensions = self._extensions, ()
            for extension in extensions:
                extension.session_ended()

    def _process_some(self) -> None:
        frames: list[Frame] = []
        size = 0
        failure = None
        while self._unprocessed and size < _STEP:
            frame = self._unprocessed.popleft()
            try:
                for extension in self._extensions:
                    frame = extension.process_incoming_frame(frame)
            except Exception as error:
                self._unprocessed.clear()
                failure = _as_ours(error)
                break
            frames.append(frame)
            size += len(frame)
        if frames:
            super().deliver(frames, size)
        if failure is not None:
            self._failed(failure)

    def _failed(self, failure: WebSocketError) -> None:
        if self._final is None:
            self._violated(failure)
        else:  # too late to tell the peer; the reader learns why there is no more
            failure.close_reason = self._final.close_reason
            self._final = failure


class ExtendedSendChannel(SendChannel):
    """Sends what the extensions make of frames; control frames pass them by.

    Args:
        extensions: in the order of sending.
    """

    __slots__ = ("_extensions", "_write_processed")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: ChannelConfig,
        *,
        write: Callable[[Sendable], None],
        connection: FrameConnection,
        close: Callable[[Frame.Close | None], bool],
        on_overflow: Callable[[WebSocketError], None],
        extensions: Sequence[WebSocketExtension],
    ) -> None:
        super().__init__(
            loop,
            config,
            write=self._process,
            connection=connection,
            close=close,
            on_overflow=on_overflow,
        )
        self._extensions = tuple(extensions)
        self._write_processed = write

    def _process(self, message: Sendable) -> None:
        frame = message
        if not isinstance(frame, Frame):
            frame = Frame.Text(frame) if isinstance(frame, str) else Frame.Binary(frame)
        if isinstance(frame, Frame.Text | Frame.Binary):
            for extension in self._extensions:
                frame = extension.process_outgoing_frame(frame)
            if self._closed:  # one of them called back and ended the session
                raise self._end.renewed()
        self._write_processed(frame)


def _as_ours(error: Exception) -> WebSocketError:
    """What an extension raised, as an error that can end a session."""
    if isinstance(error, WebSocketError):
        return error
    ours = WebSocketError("An extension failed")
    ours.__cause__ = error
    return ours
