"""Time for tests: it stands still until it is told to pass."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

# Loop iterations: enough for any chain of wake-ups of ours.
_SETTLING = 20


class MockClock:
    """Time that passes only when it is told to; the ``clock`` of a `MockEngine`."""

    def __init__(self) -> None:
        self._now = 0.0
        self._timers: list[tuple[float, int, _Timer]] = []
        self._number = itertools.count()

    def time(self) -> float:
        """Seconds since it was made."""
        return self._now

    def call_later(
        self, delay: float, callback: Callable[..., object], /, *args: object
    ) -> asyncio.TimerHandle:
        """Call back when so many seconds have passed, unless cancelled."""
        timer = _Timer(self._now + max(delay, 0.0), callback, args)
        heapq.heappush(self._timers, (timer.when(), next(self._number), timer))
        return cast("asyncio.TimerHandle", timer)

    @property
    def pending(self) -> int:
        """How many timers are set."""
        return sum(not timer.cancelled() for _, _, timer in self._timers)

    async def advance(self, seconds: float) -> None:
        """Let time pass: timers run when they are due, tasks whenever they can."""
        end = self._now + seconds
        await _settle()
        while self._timers and self._timers[0][0] <= end:
            self._now = max(self._now, self._timers[0][0])
            self._run_due()
            await _settle()
        self._now = end

    async def jump(self, seconds: float) -> None:
        """Let time pass as if the event loop had stood still: all timers are late."""
        self._now += seconds
        self._run_due()
        await _settle()

    def _run_due(self) -> None:
        due = []
        while self._timers and self._timers[0][0] <= self._now:
            due.append(heapq.heappop(self._timers)[2])
        for timer in due:
            timer.run()


class _Timer:
    """What `MockClock.call_later` gives: an `asyncio.TimerHandle` without a loop."""

    def __init__(
        self, when: float, callback: Callable[..., object], args: tuple[object, ...]
    ) -> None:
        self._when = when
        self._callback: Callable[..., object] | None = callback
        self._args = args

    def when(self) -> float:
        return self._when

    def cancelled(self) -> bool:
        return self._callback is None

    def cancel(self) -> None:
        self._callback = None
        self._args = ()

    def run(self) -> None:
        callback, args = self._callback, self._args
        self.cancel()
        if callback is not None:
            callback(*args)


async def _settle() -> None:
    for _ in range(_SETTLING):
        await asyncio.sleep(0)
