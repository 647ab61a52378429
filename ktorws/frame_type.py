"""The five kinds of frame a WebSocket session deals in (RFC 6455 §5.2)."""

from enum import IntEnum


class FrameType(IntEnum):
    """What a frame is; the value is its opcode on the wire.

    Continuation frames have no member, as in Ktor: a fragment carries the type of
    the message that it is part of.
    """

    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA

    @property
    def opcode(self) -> int:
        """The four-bit opcode of RFC 6455 §5.2."""
        return self.value

    @property
    def control_frame(self) -> bool:
        """Whether this is a control frame (RFC 6455 §5.5)."""
        return self.value >= 0x8  # noqa: PLR2004  the bit that marks control opcodes
