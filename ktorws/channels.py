"""How much a session's channels may hold, and what an attempt on one can give."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ktorws.exceptions import WebSocketError

T = TypeVar("T")

DEFAULT_CAPACITY = 1024
DEFAULT_MAX_BYTES = 1024 * 1024


class ChannelOverflow(Enum):
    """What a bounded channel does when it is full."""

    #: Wait: a full ``incoming`` stops reading, a full ``outgoing`` suspends the sender.
    SUSPEND = "suspend"
    #: End the session with `ChannelOverflowError`; what was received stays readable.
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """How much a channel may hold; made by `bounded` and `unlimited`.

    Attributes:
        capacity: in frames; None for no limit.
        on_overflow: what happens beyond it.
        max_bytes: in payload bytes; None for no limit.
    """

    capacity: int | None
    on_overflow: ChannelOverflow = ChannelOverflow.SUSPEND
    max_bytes: int | None = None

    def __post_init__(self) -> None:
        """Refuse limits that nothing can keep."""
        for name in ("capacity", "max_bytes"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise ValueError(f"{name} must be at least 1, not {value!r}")
        if not isinstance(self.on_overflow, ChannelOverflow):
            raise TypeError("on_overflow must be a ChannelOverflow")

    @property
    def can_suspend(self) -> bool:
        """Whether a full channel makes somebody wait."""
        limited = self.capacity is not None or self.max_bytes is not None
        return limited and self.on_overflow is ChannelOverflow.SUSPEND


def bounded(
    capacity: int = DEFAULT_CAPACITY,
    on_overflow: ChannelOverflow = ChannelOverflow.SUSPEND,
    *,
    max_bytes: int | None = DEFAULT_MAX_BYTES,
) -> ChannelConfig:
    """A channel for so many frames and payload bytes, whichever is reached first.

    An incoming channel is looked at after each read from the socket, so it can hold
    the frames of one read (64 KiB) or one large message more than that. An outgoing
    channel counts what waits behind a connection that takes no more.
    """
    return ChannelConfig(capacity, on_overflow, max_bytes)


def unlimited() -> ChannelConfig:
    """A channel without limits, as Ktor's are by default: memory is the limit."""
    return ChannelConfig(None)


@dataclass(frozen=True, slots=True)
class WebSocketChannelsConfig:
    """The limits of a session's two channels; both `bounded` by default."""

    incoming: ChannelConfig = field(default_factory=bounded)
    outgoing: ChannelConfig = field(default_factory=bounded)


@dataclass(frozen=True, slots=True)
class ChannelResult(Generic[T]):
    """What came of an attempt that does not raise.

    Attributes:
        value_or_none: what was received, or None.
        error: why the channel is closed, or None.
        is_success: whether it worked; otherwise the channel is closed, or it is
            empty or full at this moment.
    """

    is_success: bool
    value_or_none: T | None = None
    error: WebSocketError | None = None

    @property
    def is_closed(self) -> bool:
        """Whether it failed since the channel is closed."""
        return self.error is not None
