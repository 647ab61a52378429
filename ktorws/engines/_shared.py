"""What all connections of one event loop use: memory to read into, keys, the clock."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, NamedTuple, cast
from weakref import WeakKeyDictionary, ref

from ktorws.frame import MaskKeys, ReadBuffer, SpareMemory

if TYPE_CHECKING:
    from collections.abc import Callable

_HEAD_SIZE = 16 * 1024


class LoopClock:
    """An event loop's timers with a clock of full resolution; uvloop's counts ms."""

    __slots__ = ("_loop",)

    time = staticmethod(time.monotonic)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = ref(loop)  # the loop is the key that it is kept under

    def call_later(
        self, delay: float, callback: Callable[[], object], /
    ) -> asyncio.TimerHandle:
        """Call back after so many seconds, unless cancelled."""
        return cast("asyncio.AbstractEventLoop", self._loop()).call_later(
            delay, callback
        )


class Shared(NamedTuple):
    """One event loop's; what is read into only where one can serve all connections."""

    frames: ReadBuffer | None
    head: memoryview | None
    received: SpareMemory
    sent: SpareMemory
    keys: MaskKeys
    clock: LoopClock


_shared: WeakKeyDictionary[asyncio.AbstractEventLoop, Shared] = WeakKeyDictionary()


def shared_by(loop: asyncio.AbstractEventLoop) -> Shared:
    """What this loop's connections use."""
    shared = _shared.get(loop)
    if shared is None:
        one = _reads_in_one_step(loop)
        frames, head = (ReadBuffer(), head_memory()) if one else (None, None)
        shared = Shared(
            frames, head, SpareMemory(), SpareMemory(), MaskKeys(), LoopClock(loop)
        )
        _shared[loop] = shared
    return shared


def head_memory() -> memoryview:
    """Memory to read the head of an upgrade into."""
    return memoryview(bytearray(_HEAD_SIZE))


def _reads_in_one_step(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the loop's transports read and deliver in one step.

    A proactor does not: it reads into the memory while the loop does something else.
    The TLS layers of asyncio, uvloop and aiofastnet decrypt and deliver in one step.
    """
    proactor = getattr(asyncio, "ProactorEventLoop", None)
    return proactor is None or not isinstance(loop, proactor)
