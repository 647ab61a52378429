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

# A counter is looked at now and then, so that hearing something costs nothing more:
# silence is found an eighth of the timeout too late at most.
_STEPS = 8
_STALLED = 1.5


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
        self._step = timeout / _STEPS
        self._count = 0
        self._left = timeout
        self._reprieved = False
        self._step_began = self._deaf_before = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Listen from now on."""
        self._count = self._heard()
        self._left = self._timeout
        self._wait()

    def stop(self) -> None:
        """Listen no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wait(self) -> None:
        self._step_began = self._clock.time()
        self._deaf_before = self._deafness()
        self._timer = self._clock.call_later(self._step, self._look)

    def _look(self) -> None:
        elapsed = self._clock.time() - self._step_began
        count = self._heard()
        if count != self._count:
            self._count = count
            self._left = self._timeout
            self._reprieved = False
        else:
            deaf = self._deafness() - self._deaf_before
            self._left -= max(min(elapsed, self._step) - deaf, 0.0)
        if self._left > self._step / 2:  # less is a rounding error
            self._wait()
        elif elapsed > self._step * _STALLED and not self._reprieved:
            # What came may lie unread in the socket: listen first.
            self._reprieved = True
            self._left = self._step
            self._wait()
        else:
            self.stop()
            seconds = f"{self._timeout:g} s"
            self._dead(SocketTimeoutError(f"Nothing came from the peer for {seconds}"))
