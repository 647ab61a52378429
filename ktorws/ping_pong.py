"""When to ping, and when silence means that the peer is gone.

One ping is outstanding at most, as in Ktor. It counts as unanswered after
``timeout`` seconds in which this side was able to hear an answer: time in which it
had stopped reading, or in which its event loop stood still, is not held against the
peer. A loop that is merely late, by up to a fifth of ``timeout`` each time, finds a
dead peer within twice that. Timers only; no task.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from ktorws.frame import Frame

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

#: Ktor's value for "no pings"; None says the same.
PINGER_DISABLED = 0

# The deadline of a pong is looked at in steps. Of one that took longer than two, the
# loop stood still in the rest, which does not count.
_STEPS = 8
_COUNTED = 2  # steps
# At the deadline the pong may lie unread in the socket. A loop that is late listens for
# a step more; one that is not has polled, whatever its order, after two turns.
_REPRIEVES = 2
_LATE = 0.5  # steps
_INSTANT = 1e-6  # seconds; less is a rounding error


class Clock(Protocol):
    """Time and timers: an event loop, or a test's stand-in for its clock."""

    def time(self) -> float:
        """Seconds from some point on; never goes back."""

    def call_later(
        self, delay: float, callback: Callable[[], object], /
    ) -> asyncio.TimerHandle:
        """Call back after so many seconds, unless cancelled."""


class Pinger:
    """Sends the pings of one session and waits for their pongs.

    Args:
        send: sends a ping frame.
        deafness: for how many seconds in all this side had stopped reading.
        dead: called when a pong is overdue; no more pings are sent.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        send: Callable[[Frame.Ping], None],
        deafness: Callable[[], float],
        dead: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._send = send
        self._deafness = deafness
        self._dead = dead
        self._interval: float | None = None
        self._timeout = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._payload: bytes | None = None
        self._sent_at = 0.0
        self._left = 0.0
        self._reprieves = 0
        self._step_began = 0.0
        self._step = 0.0
        self._deaf_before = 0.0
        #: The last ping's round trip in seconds, or None before the first pong.
        self.latency: float | None = None
        #: Called with each round trip.
        self.listeners: tuple[Callable[[float], object], ...] = ()

    def start(self, interval: float | None, timeout: float) -> None:
        """Begin anew: the first ping goes out after one interval; None: no pings."""
        self.stop()
        self._interval = interval
        self._timeout = timeout
        if interval is not None:
            self._timer = self._clock.call_later(interval, self._ping)

    def stop(self) -> None:
        """Send no more pings, and wait for no pong."""
        self._payload = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def pong(self, payload: bytes) -> None:
        """Take a pong; one that answers no ping of ours changes nothing."""
        if payload != self._payload or self._interval is None:
            return
        self.latency = self._clock.time() - self._sent_at
        self.start(self._interval, self._timeout)
        for listener in self.listeners:
            listener(self.latency)

    def _ping(self) -> None:
        self._payload = os.urandom(16).hex().encode()
        self._sent_at = self._clock.time()
        self._left = self._timeout
        self._reprieves = _REPRIEVES
        self._send(Frame.Ping(self._payload))
        self._wait()

    def _wait(self) -> None:
        """Wait for a part of what is left of the timeout."""
        self._step_began = self._clock.time()
        self._deaf_before = self._deafness()
        self._step = min(self._timeout / _STEPS, self._left)
        self._timer = self._clock.call_later(self._step, self._look)

    def _look(self) -> None:
        """Count the time in which a pong could have been heard; then judge."""
        elapsed = self._clock.time() - self._step_began
        deaf = self._deafness() - self._deaf_before
        step = self._timeout / _STEPS
        self._left -= min(max(elapsed - deaf, 0.0), _COUNTED * step)
        if self._left > _INSTANT:
            self._wait()
        elif self._reprieves:
            self._reprieves -= 1
            late = elapsed > self._step + _LATE * step
            self._left = step if late else 0.0
            self._wait()
        else:
            self.stop()
            self._dead()
