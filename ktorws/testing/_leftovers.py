"""What a test has left behind: tasks and sockets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_DESCRIPTORS = next(
    (path for path in ("/proc/self/fd", "/dev/fd") if os.path.isdir(path)), None
)


@contextlib.asynccontextmanager
async def nothing_left(*, patience: float = 5.0) -> AsyncIterator[None]:
    """Fail unless every task and socket made within the block is gone after it.

    Sockets are counted for the whole process; where a system does not list them,
    tasks alone count.

    Args:
        patience: seconds that they get to end by themselves.

    Raises:
        AssertionError: what is left.
    """
    tasks, sockets = asyncio.all_tasks(), _sockets()
    yield
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    while (left := asyncio.all_tasks() - tasks) or _sockets() > sockets:
        if loop.time() > end:
            number = _sockets() - sockets
            raise AssertionError(f"Left behind: {number} sockets and the tasks {left}")
        await asyncio.sleep(0.001)


def _sockets() -> int:
    """How many sockets are open; loops open other files when they like."""
    number = 0
    for name in os.listdir(_DESCRIPTORS) if _DESCRIPTORS else ():
        with contextlib.suppress(OSError):  # the folder's own is closed by now
            number += stat.S_ISSOCK(os.fstat(int(name)).st_mode)
    return number
