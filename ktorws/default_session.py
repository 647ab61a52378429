"""The session that most want: pings, pongs and the peer's Close are taken care of."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ktorws.exceptions import PingTimeoutError
from ktorws.frame import Frame
from ktorws.ping_pong import PINGER_DISABLED, Pinger
from ktorws.session import WebSocketSession

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ktorws.close_reason import CloseReason
    from ktorws.deferred import Deferred
    from ktorws.extensions import WebSocketExtension
    from ktorws.frame_connection import FrameConnection
    from ktorws.session_config import SessionConfig


class DefaultWebSocketSession(WebSocketSession):
    """Whole Text and Binary messages only; control frames are answered unseen.

    Every ping is answered as soon as it was read, whatever data waits before it.
    While the peer takes nothing, only its newest ping is (RFC 6455 §5.5.3).
    """

    def __init__(
        self,
        connection: FrameConnection,
        config: SessionConfig,
        *,
        call: object = None,
        subprotocol: str | None = None,
        extensions: Sequence[WebSocketExtension] = (),
    ) -> None:
        super().__init__(
            connection,
            config,
            call=call,
            subprotocol=subprotocol,
            extensions=extensions,
        )
        self._owed_pong: Frame.Pong | None = None
        self._ping_interval = self._config.ping_interval
        self._timeout = self._config.timeout
        self._pinger: Pinger | None = None  # made with the first interval
        self._restart_pinger()

    # What the user calls.

    @property
    def close_reason(self) -> Deferred[CloseReason]:
        """Awaitable any number of times; completes however the session ends.

        After a Close frame of ours it is ours, as in Ktor; otherwise the peer's; code
        1005 for a Close frame without a code, 1006 for a connection that was lost.
        """
        return self._reason

    @property
    def ping_interval(self) -> float | None:
        """Seconds between a pong and the next ping; None for no pings.

        Setting it, to seconds or a `timedelta`, begins a new interval at once.
        """
        return self._ping_interval

    @ping_interval.setter
    def ping_interval(self, value: float | timedelta | None) -> None:
        self._ping_interval = interval_in_seconds(value)
        self._restart_pinger()

    @property
    def ping_interval_millis(self) -> int:
        """The same in milliseconds; `PINGER_DISABLED` (0) for no pings."""
        if self._ping_interval is None:
            return PINGER_DISABLED
        return round(self._ping_interval * 1000)

    @ping_interval_millis.setter
    def ping_interval_millis(self, value: int) -> None:
        self.ping_interval = value / 1000

    @property
    def timeout(self) -> float:
        """Seconds to wait for a pong; setting it begins a new interval."""
        return self._timeout

    @timeout.setter
    def timeout(self, value: float | timedelta) -> None:
        self._timeout = positive_seconds("timeout", value)
        self._restart_pinger()

    @property
    def timeout_millis(self) -> int:
        """The same in milliseconds."""
        return round(self._timeout * 1000)

    @timeout_millis.setter
    def timeout_millis(self, value: int) -> None:
        self.timeout = value / 1000

    @property
    def latency(self) -> float | None:
        """The last ping's round trip in seconds; None before the first pong."""
        return None if self._pinger is None else self._pinger.latency

    def invoke_on_pong(self, callback: Callable[[float], object]) -> None:
        """Call back with the round trip in seconds whenever a ping was answered.

        The callback must not raise.
        """
        self._pinger = self._pinger or self._new_pinger()
        self._pinger.listeners += (callback,)

    # What the connection calls.

    def frames_received(self, frames: list[Frame], size: int) -> None:
        """Answer the control frames, deliver the rest through the extensions."""
        if self._close_received or self._violation is not None:
            return
        messages: list[Frame] = []
        for frame in frames:
            match frame:
                case Frame.Ping():
                    self._answer(frame)
                case Frame.Pong():
                    if self._pinger is not None:
                        self._pinger.pong(frame.data)
                case Frame.Close():
                    self._deliver(messages)
                    if self._violation is None:
                        self._closed_by_peer(frame)
                    return
                case _:
                    messages.append(frame)
        self._deliver(messages)

    def writing_resumed(self) -> None:
        """The connection takes frames again: what was owed goes first."""
        pong, self._owed_pong = self._owed_pong, None
        if pong is not None and not self._close_sent:
            self._connection.write(pong)
        super().writing_resumed()

    # How it works.

    def _answer(self, ping: Frame.Ping) -> None:
        if self._close_sent:
            return
        pong = Frame.Pong(ping.data)
        if self._connection.is_writable:
            self._connection.write(pong)
        else:
            self._owed_pong = pong

    def _deliver(self, messages: list[Frame]) -> None:
        if messages:
            self.incoming.deliver(messages, sum(map(len, messages)))

    def _closed_by_peer(self, frame: Frame.Close) -> None:
        super()._closed_by_peer(frame)
        self._send_close(frame)  # the same code and text, or none

    def _shut_outgoing(self) -> None:
        super()._shut_outgoing()
        if self._pinger is not None:
            self._pinger.stop()

    def _restart_pinger(self) -> None:
        if self._ping_interval is not None:
            self._pinger = self._pinger or self._new_pinger()
        if self._pinger is not None and self.is_active:
            self._pinger.start(self._ping_interval, self._timeout)

    def _new_pinger(self) -> Pinger:
        connection = self._connection
        return Pinger(
            connection.clock,
            send=connection.write,
            deafness=lambda: connection.deafness,
            dead=self._ping_timed_out,
        )

    def _ping_timed_out(self) -> None:
        self.failed(PingTimeoutError("Ping timeout"))


def interval_in_seconds(value: float | timedelta | None) -> float | None:
    """A ping interval as seconds; None, 0 and, as in Ktor 1.x, below 0 mean off.

    Raises:
        TypeError: it is no number of seconds.
    """
    if value is None:
        return None
    seconds = _seconds("ping_interval", value)
    return seconds if seconds > 0 else None


def positive_seconds(name: str, value: float | timedelta) -> float:
    """A time limit in seconds.

    Raises:
        ValueError: it is not above 0.
        TypeError: it is no number of seconds.
    """
    seconds = _seconds(name, value)
    if not seconds > 0:
        raise ValueError(f"{name} must be above 0, not {value!r}")
    return seconds


def _seconds(name: str, value: float | timedelta) -> float:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds or a timedelta: {value!r}")
    return float(value)
