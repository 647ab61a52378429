"""`WebSocketMetrics` as OpenTelemetry wants them: instruments that are observed."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from opentelemetry.metrics import Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from opentelemetry.metrics import CallbackOptions, Meter

    from ktorws.features.metrics import ClientMetrics, WebSocketMetrics

#: What gives the values of one instrument, each with its attributes.
Values: TypeAlias = (
    "Callable[[ClientMetrics], Iterable[tuple[int, Mapping[str, str | int]]]]"
)

_TRAFFIC = {
    "frames": "{frame}",
    "messages": "{message}",
    "pings": "{frame}",
    "pongs": "{frame}",
    "payload_bytes": "By",
    "bytes": "By",
}


def observe(
    metrics: WebSocketMetrics,
    meter: Meter,
    *,
    attributes: Mapping[str, str] | None = None,
) -> None:
    """Make the instruments of these metrics: ``observe(metrics, get_meter("feed"))``.

    Args:
        metrics: what to read whenever the meter's reader collects; round trips are
            recorded as they come, in a histogram.
        meter: makes the instruments; all are named ``ktorws.…``.
        attributes: what all values get, to tell clients apart.
    """
    _Instruments(metrics, meter, dict(attributes or {})).make()


class _Instruments:
    def __init__(
        self, metrics: WebSocketMetrics, meter: Meter, attributes: dict[str, str]
    ) -> None:
        self._metrics = metrics
        self._meter = meter
        self._attributes = attributes

    def make(self) -> None:
        self._up_down("sessions", "{session}", "sessions_open")
        self._up_down("incoming.frames", "{frame}", "incoming_frames")
        self._up_down("outgoing.frames", "{frame}", "outgoing_frames")
        self._up_down("outgoing.bytes", "By", "outgoing_bytes")
        self._counter(
            "sessions.opened", "{session}", lambda now: [(now.sessions_opened, {})]
        )
        self._counter(
            "sessions.failed", "{session}", lambda now: [(now.sessions_failed, {})]
        )
        self._counter(
            "closes",
            "{session}",
            lambda now: [(n, {"code": code}) for code, n in now.closes.items()],
        )
        self._counter(
            "errors",
            "{session}",
            lambda now: [(n, {"error.type": kind}) for kind, n in now.errors.items()],
        )
        for name, unit in _TRAFFIC.items():
            self._counter(name, unit, _both_ways(name))
        histogram = self._meter.create_histogram(
            "ktorws.ping.round_trip", "s", "From a ping to its pong"
        )
        self._metrics.invoke_on_round_trip(
            lambda seconds: histogram.record(seconds, self._attributes)
        )

    def _up_down(self, name: str, unit: str, field: str) -> None:
        self._meter.create_observable_up_down_counter(
            f"ktorws.{name}",
            [self._callback(lambda now: [(getattr(now, field), {})])],
            unit,
        )

    def _counter(self, name: str, unit: str, values: Values) -> None:
        callback = self._callback(values)
        self._meter.create_observable_counter(f"ktorws.{name}", [callback], unit)

    def _callback(
        self, values: Values
    ) -> Callable[[CallbackOptions], Iterable[Observation]]:
        return lambda _: [
            Observation(value, {**self._attributes, **own})
            for value, own in values(self._metrics.snapshot())
        ]


def _both_ways(name: str) -> Values:
    return lambda now: [
        (getattr(now.received, name), {"direction": "received"}),
        (getattr(now.sent, name), {"direction": "sent"}),
    ]
