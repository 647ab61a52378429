"""A value that comes once and can be awaited by anyone, any number of times.

Unlike an `asyncio.Future`, cancelling one of those who wait does not touch the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Generator

T = TypeVar("T")


class Deferred(Generic[T]):
    """Ktor's ``Deferred``: ``await`` it for its value.

    Awaiting a completed one gives the value at once. It never fails: what it stands
    for ends on every path.
    """

    __slots__ = ("_callbacks", "_done", "_loop", "_value", "_waiters")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done = False
        self._value: T | None = None
        self._waiters: set[asyncio.Future[None]] | None = None
        self._callbacks: list[Callable[[], None]] | None = None

    @property
    def is_completed(self) -> bool:
        """Whether the value is there."""
        return self._done

    def get_completed(self) -> T:
        """The value.

        Raises:
            RuntimeError: it is not there yet.
        """
        if not self._done:
            raise RuntimeError("The value is not there yet: await it")
        return cast("T", self._value)

    def complete(self, value: T) -> bool:
        """Set the value unless there is one; tells whether it was set."""
        if self._done:
            return False
        self._done = True
        self._value = value
        for waiter in self._waiters or ():
            if not waiter.done():
                waiter.set_result(None)
        self._waiters = None
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()
        return True

    def invoke_on_completion(self, callback: Callable[[], None]) -> None:
        """Call back when the value is there; at once where it is already."""
        if self._done:
            callback()
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)

    def __await__(self) -> Generator[object, None, T]:
        if not self._done:
            waiter = self._loop.create_future()
            if self._waiters is None:
                self._waiters = set()
            self._waiters.add(waiter)
            try:
                yield from waiter
            finally:
                if self._waiters is not None:
                    self._waiters.discard(waiter)
        return cast("T", self._value)

    def __repr__(self) -> str:
        """Shows the value once it is there."""
        return f"Deferred({self._value!r})" if self._done else "Deferred(pending)"
