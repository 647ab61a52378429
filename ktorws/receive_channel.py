"""The receiving end of a session: frames that wait for a reader, readers for a frame.

It knows how much may wait and whom to wake. What a full channel stops, and why no
more frames come, is the session's affair.
"""

from __future__ import annotations

import math
import sys
from collections import deque
from typing import TYPE_CHECKING

from ktorws.arrival import Arrival
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


class ReceiveChannel(FrameQueue):
    """``session.incoming``: the frames that arrived, in order, each received once.

    Cancelling a call that waits leaves the channel as it was. Several tasks may
    receive from one channel; each frame goes to one of them.
    """

    __slots__ = (
        "_capacity",
        "_closed",
        "_config",
        "_drained",
        "_end",
        "_loop",
        "_max_bytes",
        "_on_overflow",
        "_pause",
        "_receivers",
        "_resume",
        "_size",
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
        super().__init__()
        self._loop = loop
        self._config = config
        self._capacity = math.inf if config.capacity is None else config.capacity
        self._max_bytes = math.inf if config.max_bytes is None else config.max_bytes
        self._pause = pause
        self._resume = resume
        self._on_overflow = on_overflow
        # At least the payload bytes in the queue: keeping it exact would cost every
        # receive() more than the frame itself.
        self._size = 0
        self._spilling = False
        self._spilt = False  # something was dropped: so is all behind it
        self._drained: Callable[[], None] | None = None
        self._closed = False
        self._end: WebSocketError = ClosedReceiveChannelError()
        self._receivers: deque[Arrival] = deque()

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

    async def receive_many(self, limit: int | None = None) -> list[Frame]:
        """All frames at hand in one list, at least one, at most ``limit``.

        Waits only while there is none. Raises as `receive` does.
        """
        if limit is None:
            limit = sys.maxsize
        elif limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        if not len(self):
            await self._arrival()
        return self._take(limit)

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
        self._size = 0
        self._finish(ClosedReceiveChannelError("The incoming channel was cancelled"))
        if self._is_paused:
            self._go_on()

    # What the session calls.

    def deliver(self, frames: list[Frame], size: int) -> None:
        """Take frames with so many payload bytes; never waits."""
        if self._take_in(frames, size) and self._receivers:
            self._wake(len(frames))

    def hand_over(self, frames: list[Frame], size: int) -> None:
        """As `deliver`, but one who waits goes on at once, within this call.

        For the last step of a callback of the loop's.
        """
        if self._take_in(frames, size) and self._receivers:
            if len(self._receivers) == 1:
                self._receivers.popleft().set_now()
            else:
                self._wake(len(frames))

    def end(self, error: WebSocketError) -> None:
        """No more frames: after those at hand, this error is raised."""
        self._finish(error)

    def when_drained(self, callback: Callable[[], None]) -> None:
        """Call back when a reader finds nothing more; at once if one waits already."""
        if len(self):
            self._drained = callback
        else:
            callback()

    def spill(self) -> None:
        """From now on do not stop reading: drop what finds no room, and all behind it.

        So what is received has no gaps.
        """
        self._spilling = True
        if self._is_paused:
            self._go_on()

    # How it works.

    def _take_in(self, frames: list[Frame], size: int) -> bool:
        """Queue them, and stop reading where a limit is reached; False: dropped."""
        if self._spilling and self._is_full():
            self._spilt = True
        if self._closed or self._spilt:
            return False
        self._size = self._size + size if len(self) else size
        self._put(frames)
        if len(self) >= self._capacity or self._size >= self._max_bytes:
            self._filled()
        return True

    async def _arrival(self) -> None:
        """Wait until there is a frame."""
        while not len(self):
            if self._drained is not None:
                drained, self._drained = self._drained, None
                drained()
            if self._closed:
                raise self._error()
            receiver = Arrival(self._loop)
            self._receivers.append(receiver)
            try:
                await receiver
            except BaseException:
                if receiver in self._receivers:
                    self._receivers.remove(receiver)
                elif len(self):  # woken, and then cancelled: it is another's turn
                    self._wake(1)
                raise

    async def _arrival_or_end(self) -> None:
        """As `_arrival`; the end in good order is that of ``async for`` too."""
        try:
            await self._arrival()
        except ClosedReceiveChannelError:
            raise StopAsyncIteration from None

    def _finish(self, error: WebSocketError) -> None:
        if self._closed:  # by `cancel`, when nobody knew the reason
            self._end.close_reason = self._end.close_reason or error.close_reason
            return
        self._closed = True
        self._end = error
        self._wake(len(self._receivers))

    def _wake(self, number: int) -> None:
        """Wake so many of those that wait, longest first."""
        receivers = self._receivers
        while receivers and number > 0:
            receiver = receivers.popleft()
            if not receiver.done():  # else it was cancelled
                receiver.set()
                number -= 1

    def _error(self) -> WebSocketError:
        return self._end.renewed()

    def _is_full(self) -> bool:
        """Whether a limit is reached, by exact count."""
        if self._size >= self._max_bytes:
            self._size = sum(self._sizes())
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
        most = min(len(self), int(min(self._capacity, sys.maxsize)) // 2)
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
