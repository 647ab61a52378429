"""Which queue of received frames runs: the compiled one, or its plain twin.

As in `frame`: a compiled one that is there but broken raises its own ImportError.
"""

from typing import TYPE_CHECKING

__all__ = ["FrameQueue", "Intake"]

if TYPE_CHECKING:
    from ktorws._queue import FrameQueue, Intake
else:
    try:
        from ktorws._queue import FrameQueue, Intake
    except ModuleNotFoundError as error:
        if error.name != "ktorws._queue":
            raise
        from ktorws._queue_py import FrameQueue, Intake
