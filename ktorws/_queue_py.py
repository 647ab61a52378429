"""The queue of `_queue.pyx` in plain Python: the same promises, a coroutine each."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ktorws.frame import Frame

if TYPE_CHECKING:
    from typing import Self


class FrameQueue:
    """Frames in order; a subclass says how to wait for one.

    It defines ``_arrival()``, a coroutine that ends when there is a frame or raises;
    ``_arrival_or_end()``, which may raise `StopAsyncIteration` as well; ``_go_on()``,
    called when after a receipt no more than ``_resume_at`` frames wait.
    """

    __slots__ = ("_frames", "_resume_at")

    def __init__(self) -> None:
        self._frames: deque[Frame] = deque()
        self._resume_at = -1

    async def receive(self) -> Frame:
        """The next frame; waits for one.

        Raises:
            ClosedReceiveChannelError: the session was closed, and every frame that
                arrived has been received.
            WebSocketError: likewise, but a failure ended the session: this is it.
        """
        if not self._frames:
            await self._arrival()
        return self._pop()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        """The next frame; ends after a close in good order, raises after a failure."""
        if not self._frames:
            await self._arrival_or_end()
        return self._pop()

    def __len__(self) -> int:
        """How many frames wait."""
        return len(self._frames)

    async def _arrival(self) -> None:
        raise NotImplementedError

    async def _arrival_or_end(self) -> None:
        raise NotImplementedError

    def _go_on(self) -> None:
        raise NotImplementedError

    def _put(self, frames: list[Frame]) -> None:
        """Add frames behind those that wait."""
        if not all(isinstance(frame, Frame) for frame in frames):
            raise TypeError("Only frames can wait to be received")
        self._frames.extend(frames)

    def _take(self, limit: int) -> list[Frame]:
        """So many of them in a list, or as many as there are."""
        frames = [self._frames.popleft() for _ in range(min(limit, len(self._frames)))]
        if len(self._frames) <= self._resume_at:
            self._go_on()
        return frames

    def _sizes(self) -> list[int]:
        """The payload sizes of all that wait, in order."""
        return [len(frame) for frame in self._frames]

    def _clear(self) -> None:
        """Drop all that wait."""
        self._frames.clear()

    def _pop(self) -> Frame:
        frame = self._frames.popleft()
        if len(self._frames) <= self._resume_at:
            self._go_on()
        return frame
