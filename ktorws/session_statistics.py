"""What can be told about a session at any moment, counted where it costs least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ktorws.frame_connection import CountingConnection

if TYPE_CHECKING:
    from ktorws.close_reason import CloseReason
    from ktorws.deferred import Deferred
    from ktorws.exceptions import WebSocketError
    from ktorws.frame_connection import FrameConnection, Traffic
    from ktorws.receive_channel import ReceiveChannel
    from ktorws.send_channel import SendChannel


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """A session at one moment.

    Attributes:
        received: what has arrived; None where the engine does not count.
        sent: what was sent, or waits here for a slow peer; None likewise.
        incoming_frames: how many wait to be received.
        outgoing_frames: how many wait to be sent, those of suspended senders included.
        outgoing_bytes: how many wait for a transport that takes no more.
        close_reason: how the session ends; None while it is open.
        failure: what ended it, if that was no close in good order.
    """

    received: Traffic | None
    sent: Traffic | None
    incoming_frames: int
    outgoing_frames: int
    outgoing_bytes: int
    close_reason: CloseReason | None
    failure: WebSocketError | None


class WithStatistics:
    """The part of a session that tells about it."""

    _connection: FrameConnection
    _failure: WebSocketError | None
    _reason: Deferred[CloseReason]
    incoming: ReceiveChannel
    outgoing: SendChannel

    def statistics(self) -> SessionStatistics:
        """Traffic, queues and how it ended; nothing is counted for this but frames.

        May be called at any time, also after the session has ended, and in any thread.
        """
        connection = self._connection
        counted = connection if isinstance(connection, CountingConnection) else None
        return SessionStatistics(
            received=None if counted is None else counted.received,
            sent=None if counted is None else counted.sent,
            incoming_frames=len(self.incoming),
            outgoing_frames=len(self.outgoing),
            outgoing_bytes=connection.backlog_bytes,
            close_reason=(
                self._reason.get_completed() if self._reason.is_completed else None
            ),
            failure=self._failure,
        )
