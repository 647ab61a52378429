"""The queue of `_queue.pyx` in plain Python: the same promises, a coroutine each."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from typing import TYPE_CHECKING, Self

from ktorws.exceptions import ClosedReceiveChannelError
from ktorws.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context

    from ktorws.frame import FrameDecoder
    from ktorws.sending import Cork


class FrameQueue:
    """Frames in order, each for one reader; readers in order, each for one frame.

    What depends on a session is a subclass's affair. It defines:

    * ``deliver(frames, size)``, which an `Intake` calls while ``_must_look`` is set;
    * ``_look()``, called while ``_must_look`` is set before a reader waits: raises
      when no frame will come;
    * ``_filled()``, called when frames came and a limit is reached or passed: while
      ``_is_strict`` is set, whoever waits for them, else when they are left;
    * ``_go_on()``, called when, after a reader took some, at most ``_resume_at`` wait.

    Args:
        loop: whose tasks wait.
        capacity: a limit, in frames.
        max_bytes: a limit, in payload bytes.
    """

    __slots__ = (
        "_arrivals",
        "_capacity",
        "_frames",
        "_is_strict",
        "_loop",
        "_max_bytes",
        "_must_look",
        "_resume_at",
        "_size",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        capacity: int = sys.maxsize,
        max_bytes: int = sys.maxsize,
    ) -> None:
        self._loop = loop
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._frames: deque[Frame] = deque()
        self._arrivals: deque[_Arrival] = deque()
        # At least the payload bytes of all that wait, as in the compiled one.
        self._size = 0
        self._resume_at = -1
        self._must_look = False
        self._is_strict = False

    async def receive(self) -> Frame:
        """The next frame; waits for one.

        Raises:
            ClosedReceiveChannelError: the session was closed, and every frame that
                arrived has been received.
            WebSocketError: likewise, but a failure ended the session: this is it.
        """
        await self._arrival()
        return self._pop()

    async def receive_many(self, limit: int | None = None) -> list[Frame]:
        """All frames at hand in one list, at least one, at most ``limit``.

        Waits only while there is none. Raises as `receive` does.
        """
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        await self._arrival()
        return self._take(sys.maxsize if limit is None else limit)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        """The next frame; ends after a close in good order, raises after a failure."""
        try:
            await self._arrival()
        except ClosedReceiveChannelError:
            raise StopAsyncIteration from None
        return self._pop()

    def __len__(self) -> int:
        """How many frames wait."""
        return len(self._frames)

    # What a subclass defines.

    def deliver(self, frames: list[Frame], size: int) -> None:
        raise NotImplementedError

    def _look(self) -> None:
        raise NotImplementedError

    def _filled(self) -> None:
        raise NotImplementedError

    def _go_on(self) -> None:
        raise NotImplementedError

    # What a subclass calls.

    def _put(self, frames: list[Frame], size: int) -> bool:
        """Add frames with so many payload bytes, and wake so many readers.

        Gives whether a limit is reached.
        """
        is_full = self._add(frames, size)
        self._wake(len(frames))
        return is_full

    def _wake(self, number: int) -> None:
        """Wake so many of those that wait, longest first."""
        while self._arrivals and number > 0:
            arrival = self._arrivals.popleft()
            if not arrival.done():  # else it was cancelled
                arrival.set()
                number -= 1

    def _take(self, limit: int) -> list[Frame]:
        """So many of the frames in a list, or as many as there are."""
        frames = [self._frames.popleft() for _ in range(min(limit, len(self._frames)))]
        self._taken()
        return frames

    def _sizes(self) -> list[int]:
        """The payload sizes of all that wait, in order; `_size` is exact then."""
        sizes = [len(frame) for frame in self._frames]
        self._size = sum(sizes)
        return sizes

    def _clear(self) -> None:
        """Drop all that wait."""
        self._frames.clear()
        self._size = 0

    @property
    def _readers(self) -> int:
        """How many wait for a frame."""
        return len(self._arrivals)

    # How it works.

    def _hand_over(self, frames: list[Frame], size: int) -> None:
        """Take frames with so many payload bytes; one who waits goes on at once.

        For the last step of a callback of the loop's: the task of the one who waits
        runs within this call, until it waits again.
        """
        if self._must_look:
            self.deliver(frames, size)
            return
        is_full = self._add(frames, size)
        if is_full and self._is_strict:
            self._filled()
        if len(self._arrivals) == 1:
            self._arrivals.popleft().set_now()
        else:
            self._wake(len(frames))
        if is_full and self._frames and self._is_at_limit():  # nobody has taken them
            self._filled()

    def _add(self, frames: list[Frame], size: int) -> bool:
        if not all(isinstance(frame, Frame) for frame in frames):
            raise TypeError("Only frames can wait to be received")
        self._size = self._size + size if self._frames else size
        self._frames.extend(frames)
        return self._is_at_limit()

    def _is_at_limit(self) -> bool:
        return len(self._frames) >= self._capacity or self._size >= self._max_bytes

    def _pop(self) -> Frame:
        frame = self._frames.popleft()
        self._taken()
        return frame

    def _taken(self) -> None:
        if len(self._frames) <= self._resume_at:
            self._go_on()

    async def _arrival(self) -> None:
        """Wait until there is a frame."""
        while not self._frames:
            if self._must_look:
                self._look()
                if self._frames:
                    return
            arrival = _Arrival(self._loop)
            self._arrivals.append(arrival)
            try:
                await arrival
            except BaseException:
                if arrival in self._arrivals:
                    self._arrivals.remove(arrival)
                elif self._frames:  # woken, and then cancelled: it is another's turn
                    self._wake(1)
                raise


class Intake:
    """Brings frames from a transport's reads to the queue that they wait in.

    Args:
        decoder: whose memory is read into.
        cork: begins anew with each read.
        queue: gets them; one who waits there goes on within the read.
        special: takes the frames of a read instead, where the decoder says so.
    """

    __slots__ = ("_cork", "_decoder", "_queue", "_special", "instead")

    def __init__(
        self,
        decoder: FrameDecoder,
        cork: Cork,
        queue: FrameQueue,
        special: Callable[[list[Frame]], object],
    ) -> None:
        self._decoder = decoder
        self._cork = cork
        self._queue = queue
        self._special = special
        # Called with the size of a read, unless None.
        self.instead: Callable[[int], object] | None = None

    def buffer_updated(self, nbytes: int) -> None:
        """So many octets are in the decoder's memory (`asyncio.BufferedProtocol`)."""
        if self.instead is not None:
            self.instead(nbytes)
            return
        frames = self._decoder.buffer_updated(nbytes)
        self._cork.begin_anew()
        if self._decoder.special:
            self._special(frames)
        elif frames:  # the last step: a task of the user's may run within it
            self._queue._hand_over(frames, self._decoder.size)  # noqa: SLF001


class _Arrival:
    """What a reader's task waits for, once: as much of a future as a task needs."""

    __slots__ = (
        "_asyncio_future_blocking",
        "_callback",
        "_context",
        "_is_cancelled",
        "_loop",
        "_message",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callback: Callable[[_Arrival], object] | None = None
        self._context: Context | None = None
        self._is_cancelled = False

    def __await__(self) -> Generator[Self, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def set(self) -> None:
        """Let the task go on, in the loop's next iteration."""
        callback, self._callback = self._callback, None
        if callback is not None:
            self._loop.call_soon(callback, self, context=self._context)

    def set_now(self) -> None:
        """Let the task go on, and come back when it waits again.

        Not within a task: there it is as `set`.
        """
        callback = self._callback
        if (
            callback is None
            or self._context is None
            or asyncio.current_task(self._loop) is not None
        ):
            self.set()
            return
        self._callback = None
        try:
            self._context.run(callback, self)
        except (SystemExit, KeyboardInterrupt) as error:
            # The transport would take it for an error of its own.
            self._loop.call_soon(_raise, error)

    # What a task calls.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Whose task can wait for this."""
        return self._loop

    def add_done_callback(
        self, callback: Callable[[_Arrival], object], *, context: Context
    ) -> None:
        """Take note of how the task goes on."""
        self._callback = callback
        self._context = context

    def done(self) -> bool:
        """Whether the task goes on, or is about to."""
        return self._callback is None

    def cancel(self, msg: object = None) -> bool:
        """Let the task go on with a `CancelledError`, unless it goes on already."""
        if self._callback is None:
            return False
        self._is_cancelled = True
        self._message = msg
        self.set()
        return True

    def result(self) -> None:
        """What the task learns when it goes on."""
        if self._is_cancelled:
            message = () if self._message is None else (self._message,)
            raise asyncio.CancelledError(*message)


def _raise(error: BaseException) -> None:
    raise error
