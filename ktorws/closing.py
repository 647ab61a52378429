"""Which close reason a Close frame, an error or a lost connection stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktorws.close_reason import MAX_MESSAGE_SIZE, CloseReason
from ktorws.exceptions import ConnectionLostError

if TYPE_CHECKING:
    from ktorws.exceptions import WebSocketError
    from ktorws.frame import Frame

Codes = CloseReason.Codes
NORMAL = CloseReason(Codes.NORMAL, "")
LOST = CloseReason(Codes.CLOSED_ABNORMALLY, "Connection was closed without close frame")


def lost(cause: Exception | None) -> ConnectionLostError:
    """The error for a connection that ended without a Close frame."""
    error = ConnectionLostError("The connection was lost without a Close frame")
    error.__cause__ = cause
    return error


def reason_of(frame: Frame.Close) -> CloseReason:
    """What a Close frame says; code 1005 where it says nothing."""
    return frame.read_reason() or CloseReason(Codes.NO_STATUS, "")


def reason_for(error: WebSocketError) -> CloseReason:
    """What the peer is told of an error."""
    code = error.close_code or Codes.INTERNAL_ERROR
    return CloseReason(code, _shortened(str(error)))


def _shortened(text: str) -> str:
    """As much of a text as a Close frame can carry."""
    return text.encode()[:MAX_MESSAGE_SIZE].decode(errors="ignore")
