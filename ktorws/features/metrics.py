"""What a client's sessions have carried and how they fared, added up when asked."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NamedTuple

from ktorws.default_session import DefaultWebSocketSession
from ktorws.features.base import HttpClientFeature
from ktorws.frame_connection import Traffic
from ktorws.session_statistics import SessionStatistics

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ktorws.request import HttpRequestBuilder
    from ktorws.session import WebSocketSession


logger = logging.getLogger(__name__)


class RoundTrips(NamedTuple):
    """The answered pings of ours; times are seconds, 0 where there are none."""

    number: int = 0
    total: float = 0.0
    minimum: float = 0.0
    maximum: float = 0.0
    latest: float = 0.0

    def after(self, seconds: float) -> RoundTrips:
        """These and one more."""
        return RoundTrips(
            self.number + 1,
            self.total + seconds,
            min(self.minimum, seconds) if self.number else seconds,
            max(self.maximum, seconds),
            seconds,
        )


@dataclass(frozen=True, slots=True)
class SessionMetrics(SessionStatistics):
    """`SessionStatistics`, and the round trips of its pings."""

    round_trips: RoundTrips


@dataclass(frozen=True, slots=True)
class ClientMetrics:
    """All sessions of a client at one moment, those that have ended included.

    Attributes:
        sessions_open: how many there are.
        sessions_opened: how many there were.
        sessions_failed: how many calls gave an error instead of a session; those
            that were cancelled are not among them.
        received, sent: their traffic, as far as engines count it.
        round_trips: the answered pings.
        incoming_frames, outgoing_frames, outgoing_bytes: what waits now; see
            `SessionStatistics`.
        closes: how many sessions ended by close code; 1006 without a Close frame.
        errors: how many failed by class of the error, to open or later.
    """

    sessions_open: int
    sessions_opened: int
    sessions_failed: int
    received: Traffic
    sent: Traffic
    round_trips: RoundTrips
    incoming_frames: int
    outgoing_frames: int
    outgoing_bytes: int
    closes: Mapping[int, int]
    errors: Mapping[str, int]


class WebSocketMetrics(HttpClientFeature):
    """Counts what a client does; ask `snapshot` or `of` whenever you want to know.

    The codec counts frames, whoever asks or does not; this feature adds work to the
    opening, the end and the pongs of a session only. Both methods may be called in
    any thread, also after the client was closed.

    ``ktorws.features.prometheus`` and ``ktorws.features.opentelemetry`` hand the
    numbers on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[WebSocketSession, RoundTrips] = {}
        self._opened = 0
        self._failed = 0
        self._received = Traffic()  # of sessions that have ended; so `_sent`
        self._sent = Traffic()
        self._round_trips = RoundTrips()
        self._closes: Counter[int] = Counter()
        self._errors: Counter[str] = Counter()
        self._listeners: list[Callable[[float], object]] = []

    # What the user calls.

    def snapshot(self) -> ClientMetrics:
        """All sessions together."""
        with self._lock:
            now = [session.statistics() for session in self._open]
            return ClientMetrics(
                sessions_open=len(now),
                sessions_opened=self._opened,
                sessions_failed=self._failed,
                received=self._received.plus(*(each.received for each in now)),
                sent=self._sent.plus(*(each.sent for each in now)),
                round_trips=self._round_trips,
                incoming_frames=sum(each.incoming_frames for each in now),
                outgoing_frames=sum(each.outgoing_frames for each in now),
                outgoing_bytes=sum(each.outgoing_bytes for each in now),
                closes=dict(self._closes),
                errors=dict(self._errors),
            )

    def of(self, session: WebSocketSession) -> SessionMetrics:
        """One session of the client that is open.

        Raises:
            KeyError: it has ended, or is another's; `statistics` of the session
                tells all but the round trips.
        """
        with self._lock:
            round_trips = self._open[session]
        now = session.statistics()
        parts = {each.name: getattr(now, each.name) for each in fields(now)}
        return SessionMetrics(**parts, round_trips=round_trips)

    def invoke_on_round_trip(self, callback: Callable[[float], object]) -> None:
        """Call back in the client's loop with the seconds of every round trip."""
        self._listeners.append(callback)

    # What the client calls.

    def session_opened(self, session: WebSocketSession) -> None:
        """Count it from now on."""
        with self._lock:
            self._opened += 1
            self._open[session] = RoundTrips()
        if isinstance(session, DefaultWebSocketSession):
            session.invoke_on_pong(lambda seconds: self._pong(session, seconds))
        session.invoke_on_end(lambda: self._ended(session))

    def session_failed(self, request: HttpRequestBuilder, error: Exception) -> None:
        """Count the failure."""
        with self._lock:
            self._failed += 1
            self._errors[type(error).__name__] += 1

    # How it works.

    def _pong(self, session: WebSocketSession, seconds: float) -> None:
        with self._lock:
            if session in self._open:
                self._open[session] = self._open[session].after(seconds)
            self._round_trips = self._round_trips.after(seconds)
        for callback in self._listeners:
            try:
                callback(seconds)
            except Exception:  # the session is not to suffer from it
                logger.exception("A callback of invoke_on_round_trip failed")

    def _ended(self, session: WebSocketSession) -> None:
        last = session.statistics()
        with self._lock:
            del self._open[session]
            self._received = self._received.plus(last.received)
            self._sent = self._sent.plus(last.sent)
            if last.close_reason is not None:
                self._closes[last.close_reason.code] += 1
            if last.failure is not None:
                self._errors[type(last.failure).__name__] += 1
