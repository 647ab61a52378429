"""When a peer has been silent for too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktorws.exceptions import SocketTimeoutError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ktorws.ping_pong import Clock

#: What of `Capabilities` a connection of ours can do.
WATCHING = frozenset({"socket_timeout", "frame_taps"})

# A counter is looked at in steps, so that hearing something costs nothing more:
# silence is found a step too late at most. As with pings, a step counts twice its
# length at most, the loop stood still in the rest; and what came may lie unread in the
# socket: a late loop listens for a step more, another polls twice.
_STEPS = 8
_COUNTED = 2  # steps
_REPRIEVES = 2
_LATE = 0.5  # steps
_INSTANT = 1e-6  # seconds; less is a rounding error


class Silence:
    """Calls back when nothing was heard for so many seconds.

    Time in which this side had stopped reading, or in which its event loop stood
    still, does not count.

    Args:
        clock: time and timers.
        timeout: seconds.
        heard: a counter that grows with whatever comes.
        deafness: for how many seconds in all this side had stopped reading.
        dead: called with the error, once.
    """

    def __init__(
        self,
        clock: Clock,
        timeout: float,
        *,
        heard: Callable[[], int],
        deafness: Callable[[], float],
        dead: Callable[[SocketTimeoutError], object],
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._heard = heard
        self._deafness = deafness
        self._dead = dead
        self._count = 0
        self._left = timeout
        self._reprieves = 0
        self._step = self._step_began = self._deaf_before = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Listen from now on."""
        self._begin_anew()
        self._wait()

    def stop(self) -> None:
        """Listen no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin_anew(self) -> None:
        self._count = self._heard()
        self._left = self._timeout
        self._reprieves = _REPRIEVES

    def _wait(self) -> None:
        """Wait for a part of what is left of the timeout."""
        self._step_began = self._clock.time()
        self._deaf_before = self._deafness()
        self._step = min(self._timeout / _STEPS, self._left)
        self._timer = self._clock.call_later(self._step, self._look)

    def _look(self) -> None:
        """Count the time in which something could have been heard; then judge."""
        elapsed = self._clock.time() - self._step_began
        deaf = self._deafness() - self._deaf_before
        step = self._timeout / _STEPS
        if self._heard() != self._count:
            self._begin_anew()
        else:
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
            seconds = f"{self._timeout:g} s"
            self._dead(SocketTimeoutError(f"Nothing came from the peer for {seconds}"))
