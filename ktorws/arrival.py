"""How the task that waits for a frame goes on: within the read that brought it.

A future would have it wait for the loop's next iteration, which costs a handle, a
selector's call and, for a small message, a quarter of the round trip's CPU time.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextvars import Context


class Arrival:
    """What one task awaits, once: as much of a future as a task needs.

    Cancelling the task cancels this; `set` has no effect after that.
    """

    __slots__ = (
        "_asyncio_future_blocking",
        "_callback",
        "_cancelled",
        "_context",
        "_loop",
        "_message",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callback: Callable[[Self], object] | None = None
        self._context: Context | None = None
        self._cancelled = False

    def __await__(self) -> Generator[Self, None, None]:
        self._asyncio_future_blocking = True
        yield self

    # What the one who waited for calls.

    def done(self) -> bool:
        """Whether the task goes on, or is about to."""
        return self._callback is None

    def set(self) -> None:
        """Let the task go on, in the loop's next iteration."""
        callback, self._callback = self._callback, None
        if callback is not None:
            self._loop.call_soon(callback, self, context=self._context)

    def set_now(self) -> None:
        """Let the task go on, and come back when it waits again.

        Only as the last step of a callback of the loop's; within a task it is `set`.
        """
        callback = self._callback
        if callback is None or asyncio.current_task(self._loop) is not None:
            self.set()
            return
        self._callback = None
        try:
            self._context.run(callback, self)
        except (SystemExit, KeyboardInterrupt) as error:
            # uvloop's transports would take it for an error of theirs.
            self._loop.call_soon(_raise, error)

    # What the task calls.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Whose task can wait for this."""
        return self._loop

    def add_done_callback(
        self, callback: Callable[[Self], object], *, context: Context
    ) -> None:
        """Take note of how the task goes on."""
        self._callback = callback
        self._context = context

    def cancel(self, msg: object = None) -> bool:
        """Let the task go on with a `CancelledError`."""
        if self._callback is None:
            return False
        self._cancelled = True
        self._message = msg
        self.set()
        return True

    def result(self) -> None:
        """What the task learns when it goes on."""
        if self._cancelled:
            message = () if self._message is None else (self._message,)
            raise asyncio.CancelledError(*message)


def _raise(error: BaseException) -> None:
    raise error
