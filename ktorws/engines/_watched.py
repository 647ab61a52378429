"""Connections that let others know what passes, for sessions that asked for it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from ktorws.engines._connection import Connection
from ktorws.engines._silence import Silence

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from ktorws.exceptions import SocketTimeoutError
    from ktorws.frame import Frame, Sendable
    from ktorws.frame_connection import FrameTap
    from ktorws.request import Capabilities
    from ktorws.session import WebSocketSession


def watched(capabilities: Capabilities) -> Callable[..., Connection]:
    """What makes a connection with these capabilities."""
    timeout = capabilities.get("socket_timeout")
    if taps := capabilities.get("frame_taps"):
        return partial(TappedConnection, timeout, taps)
    return Connection if timeout is None else partial(WatchedConnection, timeout)


class WatchedConnection(Connection):
    """One that gives up a silent peer; it counts octets, not frames.

    Args:
        timeout: seconds of silence, or None to bear any.
        options: those of `Connection`.
    """

    def __init__(self, timeout: float | None, *args: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **options)
        self._timeout = timeout
        self._watch: Silence | None = None

    def open(
        self, transport: asyncio.Transport, session: WebSocketSession, left_over: bytes
    ) -> None:
        """Begin, and listen."""
        if self._timeout is not None:
            self._watch = Silence(
                self.clock,
                self._timeout,
                heard=lambda: self.received.bytes,
                deafness=lambda: self.deafness,
                dead=self._silent,
            )
            self._watch.start()
        super().open(transport, session, left_over)

    def connection_lost(self, error: Exception | None) -> None:
        """Listen no more."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
        super().connection_lost(error)

    def _silent(self, error: SocketTimeoutError) -> None:
        if self._session.is_active:  # a session that closes has deadlines of its own
            self._session.failed(error)


class TappedConnection(WatchedConnection):
    """One that shows every frame to others.

    Args:
        timeout: as of `WatchedConnection`.
        taps: who sees the frames.
        options: those of `Connection`.
    """

    def __init__(
        self,
        timeout: float | None,
        taps: tuple[FrameTap, ...],
        *args: Any,  # noqa: ANN401
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(timeout, *args, **options)
        self._taps = taps
        self.write = self._show_and_write

    def open(
        self, transport: asyncio.Transport, session: WebSocketSession, left_over: bytes
    ) -> None:
        """Begin, with the long way for every frame."""
        super().open(transport, session, left_over)
        self._show_all()

    def _show_and_write(self, message: Sendable) -> None:
        for tap in self._taps:
            tap.sent(message)
        self._cork.write(message)

    def _to_session(self, frames: list[Frame]) -> None:
        for tap in self._taps:
            tap.received(frames)
        super()._to_session(frames)
