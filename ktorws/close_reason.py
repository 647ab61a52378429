"""Why a session ended: the status code and text of a Close frame (RFC 6455 §7.4)."""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

MAX_MESSAGE_SIZE = 123  # a control frame's 125 bytes, less two for the code


class CloseCode(IntEnum):
    """``CloseReason.Codes``: those of RFC 6455 §7.4.1 and IANA, by Ktor's names."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    CANNOT_ACCEPT = 1003
    #: The peer's Close frame had no status code. Never on the wire.
    NO_STATUS = 1005
    #: The connection ended without a Close frame. Never on the wire.
    CLOSED_ABNORMALLY = 1006
    NOT_CONSISTENT = 1007
    VIOLATED_POLICY = 1008
    TOO_BIG = 1009
    NO_EXTENSION = 1010
    INTERNAL_ERROR = 1011
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013

    @classmethod
    def by_code(cls, code: int) -> "CloseCode | None":
        """The member with this code, or None where the code has no name."""
        try:
            return cls(code)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class CloseReason:
    """A close code and a short text.

    Attributes:
        code: 0 to 65535; `CloseReason.Codes` names the usual ones.
        message: at most 123 bytes when encoded as UTF-8.

    Raises:
        ValueError: the code or the message is out of range.
        TypeError: the code is no integer or the message no string.
    """

    Codes: ClassVar = CloseCode

    code: int
    message: str = ""

    def __post_init__(self) -> None:
        """Hold both fields to what a Close frame can carry."""
        if not isinstance(self.code, int) or isinstance(self.code, bool):
            raise TypeError(
                f"Close code must be an int, not {type(self.code).__name__}"
            )
        if not 0 <= self.code <= 0xFFFF:  # noqa: PLR2004  two bytes
            raise ValueError(f"Close code must be between 0 and 65535: {self.code}")
        if not isinstance(self.message, str):
            raise TypeError(
                f"Close reason message must be a str, not {type(self.message).__name__}"
            )
        size = len(self.message.encode())
        if size > MAX_MESSAGE_SIZE:
            raise ValueError(
                f"Close reason message is too long: {size} bytes in UTF-8, "
                f"the limit is {MAX_MESSAGE_SIZE}"
            )

    @property
    def known_reason(self) -> CloseCode | None:
        """The code's name, or None where it has none."""
        return CloseCode.by_code(self.code)

    def __str__(self) -> str:
        """As Ktor prints it: ``CloseReason(reason=NORMAL, message=bye)``."""
        known = self.known_reason
        name = self.code if known is None else known.name
        return f"CloseReason(reason={name}, message={self.message})"


def is_sendable(code: int) -> bool:
    """Whether a Close frame may carry this code (RFC 6455 §7.4.1 and §7.4.2).

    Codes 1004, 1005, 1006 and 1015 are reserved for use inside a program, 1016 to
    2999 for the protocol's future, below 1000 and from 5000 on for nobody.
    """
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999  # noqa: PLR2004
