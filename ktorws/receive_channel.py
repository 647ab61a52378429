"""The receiving end of a session: frames that wait for a reader, readers for a frame.

It knows how much may wait and whom to wake. What a full channel stops, and why no
more frames come, is the session's affair.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ktorws.channels import ChannelOverflow, ChannelResult
from ktorws.exceptions import (
    ChannelOverflowError,
    ClosedReceiveChannelError,
    WebSocketError,
)
from ktorws.frame_queue import FrameQueue

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable

    from ktorws.channels import ChannelConfig
    from ktorws.frame import Frame

_NOT_ENDED = ClosedReceiveChannelError()  # never raised


class ReceiveChannel(FrameQueue):
    """``session.incoming``: the frames that arrived, in order, each received once.

    Cancelling a call that waits leaves the channel as it was. Several tasks may
    receive from one channel; each frame goes to one of them.
    """

    __slots__ = (
        "_closed",
        "_config",
        "_drained",
        "_end",
        "_on_overflow",
        "_pause",
        "_resume",
        "_spilling",
        "_spilt",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: ChannelConfig,
        *,
        pause: Callable[[], None],
        resume: Callable[[], None],
        on_overflow: Callable[[WebSocketError], None],
    ) -> None:
        super().__init__(
            loop,
            sys.maxsize if config.capacity is None else config.capacity,
            sys.maxsize if config.max_bytes is None else config.max_bytes,
        )
        self._is_strict = config.on_overflow is ChannelOverflow.CLOSE
        self._config = config
        self._pause = pause
        self._resume = resume
        self._on_overflow = on_overflow
        self._spilling = False
        self._spilt = False  # something was dropped: so is all behind it
        self._drained: Callable[[], None] | None = None
        self._closed = False
        self._end: WebSocketError = _NOT_ENDED

    # What the user calls.

    @property
    def is_closed_for_receive(self) -> bool:
        """Whether no frame will ever come: the session ended and all were received."""
        return self._closed and not len(self)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to receive at this moment."""
        return not len(self)

    def __bool__(self) -> bool:
        """A channel is there even when it is empty."""
        return True

    async def batches(self, limit: int | None = None) -> AsyncIterator[list[Frame]]:
        """All frames, in the lists that `receive_many` gives; ends as a loop does."""
        while True:
            try:
                frames = await self.receive_many(limit)
            except ClosedReceiveChannelError:
                return
            yield frames

    async def receive_catching(self) -> ChannelResult[Frame]:
        """As `receive`, but the end of the channel is a result, not an error."""
        try:
            return ChannelResult(is_success=True, value_or_none=await self.receive())
        except WebSocketError as error:
            return ChannelResult(is_success=False, error=error)

    def try_receive(self) -> ChannelResult[Frame]:
        """A frame if there is one at hand; never waits."""
        frames = self._take(1)
        if frames:
            return ChannelResult(is_success=True, value_or_none=frames[0])
        return ChannelResult(
            is_success=False, error=self._error() if self._closed else None
        )

    def cancel(self) -> None:
        """Drop what waits and everything still to come; whoever waits is woken."""
        self._clear()
        self._finish(ClosedReceiveChannelError("The incoming channel was cancelled"))
        if self._is_paused:
            self._go_on()

    # What the session calls.

    def deliver(self, frames: list[Frame], size: int) -> None:
        """Take frames with so many payload bytes; never waits."""
        if self._spilling and self._is_full():
            self._spilt = True
        if not self._closed and not self._spilt and self._put(frames, size):
            self._filled()

    def end(self, error: WebSocketError) -> None:
        """No more frames: after those at hand, this error is raised."""
        self._finish(error)

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back when a reader finds nothing more; at once if one waits already."""
        if len(self):
            self._drained = callback
            self._must_look = True
        else:
            callback()

    def spill(self) -> None:
        """From now on do not stop reading: drop what finds no room, and all behind it.

        So what is received has no gaps.
        """
        self._spilling = self._must_look = True
        if self._is_paused:
            self._go_on()

    # How it works.

    def _look(self) -> None:
        """Before a reader waits: whether there is anything to wait for."""
        if self._drained is not None:
            drained, self._drained = self._drained, None
            drained()
        if self._closed and not len(self):
            raise self._error()
        self._must_look = self._spilling

    def _finish(self, error: WebSocketError) -> None:
        if self._closed:  # by `cancel`, when nobody knew the reason
            self._end.close_reason = self._end.close_reason or error.close_reason
            return
        self._closed = self._must_look = True
        self._end = error
        self._wake(self._readers)

    def _error(self) -> WebSocketError:
        return self._end.renewed()

    def _is_full(self) -> bool:
        """Whether a limit is reached, by exact count."""
        if self._size >= self._max_bytes:
            self._sizes()
        return len(self) >= self._capacity or self._size >= self._max_bytes

    def _filled(self) -> None:
        if self._spilling or not self._is_full():
            return
        if self._config.on_overflow is ChannelOverflow.CLOSE:
            if len(self) > self._capacity or self._size > self._max_bytes:
                self._on_overflow(ChannelOverflowError("The incoming channel is full"))
            return
        was_paused = self._is_paused
        self._resume_at = self._half()  # reading goes on when so few frames wait
        if not was_paused:
            self._pause()

    @property
    def _is_paused(self) -> bool:
        return self._resume_at >= 0

    def _half(self) -> int:
        """How many of the newest frames take up half of the room, or less."""
        most = min(len(self), self._capacity // 2)
        if self._size <= self._max_bytes / 2:
            return most
        size = 0
        for number, one in enumerate(reversed(self._sizes())):
            size += one
            if number == most or size > self._max_bytes / 2:
                return number
        return most

    def _go_on(self) -> None:
        """There is room: read again."""
        self._resume_at = -1
        self._resume()
