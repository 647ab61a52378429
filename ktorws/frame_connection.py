"""What a session stands on: the face that engines and the server show it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import asyncio

    from ktorws.frame import Frame, Sendable
    from ktorws.ping_pong import Clock


class FrameTap(Protocol):
    """Sees a session's frames as they are on the wire, what extensions did included.

    It is asked for by a feature, as one of a request's ``frame_taps``, and sees every
    frame from the first on, control frames too. Its methods are called within the
    session's own calls: they must be quick, and not raise.
    """

    def sent(self, message: Sendable) -> None:
        """See what is about to be sent."""

    def received(self, frames: list[Frame]) -> None:
        """See what one read brought, before the session does; it may be nothing."""


class Traffic(NamedTuple):
    """What one direction of a connection has carried so far, control frames included.

    Attributes:
        frames: how many, each fragment of a message for itself.
        messages: how many whole Text and Binary messages.
        pings: how many Ping frames.
        pongs: how many Pong frames.
        closes: how many Close frames.
        payload_bytes: of all frames as they are on the wire: compressed, where an
            extension compresses. What arrives counts with its whole message.
        bytes: the same with the frames' headers; TLS and TCP have more.
    """

    frames: int = 0
    messages: int = 0
    pings: int = 0
    pongs: int = 0
    closes: int = 0
    payload_bytes: int = 0
    bytes: int = 0

    def plus(self, *others: Traffic | None) -> Traffic:
        """The sum of this and others."""
        return Traffic._make(map(sum, zip(self, *filter(None, others), strict=True)))


@runtime_checkable
class CountingConnection(Protocol):
    """A `FrameConnection` that counts; one without a codec of ours need not."""

    @property
    def received(self) -> Traffic:
        """What has arrived and breaks no rule."""

    @property
    def sent(self) -> Traffic:
        """What was written."""


class FrameConnection(Protocol):
    """What a session stands on. None of its methods waits but `flush`.

    It calls the session's `frames_received`, `violated`, `writing_paused`,
    `writing_resumed` and `connection_lost`, and its channels' `deliver` and
    `demand_turn`.
    """

    loop: asyncio.AbstractEventLoop
    clock: Clock
    is_client: bool
    masking: bool
    max_frame_size: int

    @property
    def backlog_bytes(self) -> int:
        """How many bytes wait here for a transport that takes no more."""

    @property
    def is_writable(self) -> bool:
        """Whether what is written goes out without waiting here."""

    @property
    def deafness(self) -> float:
        """For how many seconds in all reading was paused."""

    def write(self, message: Sendable) -> None:
        """Encode one frame behind those before it, and send it soon."""

    async def flush(self) -> None:
        """Wait until all that was written has left for the network."""

    def pause_reading(self) -> None:
        """Deliver no more until told to."""

    def resume_reading(self) -> None:
        """Deliver again."""

    def end(self, *, linger: bool) -> None:
        """Send what was written, then close; `connection_lost` follows.

        With ``linger`` the peer's Close is waited for, as it may still be sending:
        until `abort` at the latest.
        """

    def abort(self) -> None:
        """Close at once; `connection_lost` follows."""
