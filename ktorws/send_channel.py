"""The sending end of a session: who may send now, who must wait, and in which order.

`FrameSender` sends while nobody must wait. Frames do not wait here: an admitted one is
encoded at once. What waits is senders, each with its own message, until the connection
has room.
"""

from __future__ import annotations

import math
from collections import deque
from typing import TYPE_CHECKING

from ktorws.channels import ChannelOverflow, ChannelResult
from ktorws.exceptions import ChannelOverflowError, ClosedSendChannelError
from ktorws.frame import Frame
from ktorws.sending import FrameSender

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ktorws.channels import ChannelConfig
    from ktorws.exceptions import WebSocketError
    from ktorws.frame import Sendable
    from ktorws.frame_connection import FrameConnection

_NOT_ENDED = ClosedSendChannelError()  # never raised


class SendChannel(FrameSender):
    """``session.outgoing``: takes frames in order; suspends while there is no room.

    A call that is cancelled has not sent its frame; one that returned has handed it
    over, and it goes out after those before it.
    """

    __slots__ = (
        "_backlog",
        "_capacity",
        "_close",
        "_closed",
        "_config",
        "_connection",
        "_end",
        "_full",
        "_loop",
        "_max_bytes",
        "_on_overflow",
        "_senders",
        "_turn_due",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        config: ChannelConfig,
        *,
        write: Callable[[Sendable], None],
        connection: FrameConnection,
        close: Callable[[Frame.Close | None], bool],
        on_overflow: Callable[[WebSocketError], None],
    ) -> None:
        super().__init__(write)
        self._loop = loop
        self._config = config
        self._capacity = math.inf if config.capacity is None else config.capacity
        self._max_bytes = math.inf if config.max_bytes is None else config.max_bytes
        self._connection = connection
        self._close = close
        self._on_overflow = on_overflow
        self._closed = False
        self._end: WebSocketError = _NOT_ENDED
        self._full = False  # the connection takes no more: frames are a backlog
        self._turn_due = False  # others of this loop have waited long enough
        self._backlog = 0
        self._senders: deque[asyncio.Future[None]] | tuple[()] = ()  # made when needed

    # What the user calls.

    @property
    def is_closed_for_send(self) -> bool:
        """Whether no more frames can be sent."""
        return self._closed

    def __len__(self) -> int:
        """How many frames wait, those of suspended senders included."""
        return self._backlog + len(self._senders)

    def __bool__(self) -> bool:
        """A channel is there even when it is empty."""
        return True

    def try_send(self, frame: Sendable) -> ChannelResult[None]:
        """Send if there is room at this moment; never waits.

        Raises:
            TypeError, ValueError: as `send`.
        """
        if isinstance(frame, Frame.Close) and self._close(frame):
            return ChannelResult(is_success=True)
        if self._closed:
            return ChannelResult(is_success=False, error=self._end.renewed())
        if self._senders or self._is_full():
            return ChannelResult(is_success=False)
        self._write(frame)
        self._backlog += self._full
        return ChannelResult(is_success=True)

    def close(self, cause: BaseException | None = None) -> None:
        """Send nothing more: begins the closing handshake; with a cause, code 1011."""
        self._close(None if cause is None else Frame.Close(b"\x03\xf3"))

    # What the session calls.

    def end(self, error: WebSocketError) -> None:
        """No more frames: this error is raised from now on, and by all who wait."""
        if self._closed:
            return
        self._closed = True
        self._end = error
        self._held = True
        for sender in self._senders:
            if not sender.done():
                sender.set_result(None)

    def pause(self) -> None:
        """The connection takes no more: what is sent now is its backlog."""
        self._full = True
        self._held = True

    def resume(self) -> None:
        """The connection has taken the backlog."""
        self._full = False
        self._backlog = 0
        self._admit_next()

    def demand_turn(self) -> None:
        """Let the next sender give way to the rest of the loop first."""
        self._turn_due = True
        self._held = True

    # How it works.

    async def _send_held(self, frame: Sendable) -> None:
        # After the peer's Close only our own may follow, once.
        if isinstance(frame, Frame.Close) and self._close(frame):
            return
        if self._closed:
            raise self._end.renewed()
        await self._admission()
        try:
            self._write(frame)
            self._backlog += self._full
        finally:
            self._admit_next()

    async def _admission(self) -> None:
        """Wait until it is this sender's turn and there is room."""
        if self._is_full() and self._config.on_overflow is ChannelOverflow.CLOSE:
            self._on_overflow(ChannelOverflowError("The outgoing channel is full"))
        elif self._turn_due or self._senders or self._is_full():
            if self._turn_due:
                self._turn_due = False
                self._loop.call_soon(self._admit_next)
            await self._wait()
        if self._closed:
            raise self._end.renewed()

    async def _wait(self) -> None:
        senders = self._senders or deque()
        self._senders = senders
        sender = self._loop.create_future()
        senders.append(sender)
        try:
            await sender
        except BaseException:
            senders.remove(sender)
            self._admit_next()
            raise
        # Until here it kept its place, so that nobody could slip in before it.
        senders.remove(sender)

    def _is_full(self) -> bool:
        return self._full and (
            self._backlog >= self._capacity
            or self._connection.backlog_bytes >= self._max_bytes
        )

    def _admit_next(self) -> None:
        """Let the sender that has waited longest go, if there is room for it."""
        if self._senders and not self._is_full():
            sender = self._senders[0]
            if not sender.done():
                sender.set_result(None)
        self._held = self._closed or self._full or self._turn_due or bool(self._senders)
