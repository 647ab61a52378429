"""One call at a time, whose outcome everyone gets who asks for it meanwhile."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


class SharedCall(Generic[T]):
    """Calls a coroutine function, unless that is going on already.

    Cancelling one of those who wait leaves the call to the others; when the last of
    them is cancelled, so is the call.
    """

    def __init__(self, function: Callable[[], Coroutine[object, object, T]]) -> None:
        self._function = function
        self._task: asyncio.Task[T] | None = None
        self._waiting = 0

    async def __call__(self) -> T:
        """What the function gives, or raises."""
        if self._task is None:
            self._task = asyncio.create_task(self._function())
            self._waiting = 0
        task = self._task
        self._waiting += 1
        try:
            await asyncio.wait({task})
        finally:
            self._leave(task)
        return task.result()

    def _leave(self, task: asyncio.Task[T]) -> None:
        if task is not self._task:
            return  # a later call has begun, and counts anew
        self._waiting -= 1
        if task.done():
            self._task = None
        elif not self._waiting:
            self._task = None
            task.cancel()
