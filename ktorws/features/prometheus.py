"""`WebSocketMetrics` as Prometheus wants them: read at each scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client.core import Metric

    from ktorws.features.metrics import ClientMetrics, WebSocketMetrics

#: By the values of the labels that one counter has and others have not.
_Values: TypeAlias = "Mapping[tuple[str, ...], int]"

_TRAFFIC = {
    "frames": "Frames, each fragment and control frame for itself.",
    "messages": "Whole Text and Binary messages.",
    "pings": "Ping frames.",
    "pongs": "Pong frames.",
    "payload_bytes": "Payloads as they are on the wire.",
    "bytes": "Frames with their headers.",
}


class PrometheusCollector(Collector):
    """``REGISTRY.register(PrometheusCollector(metrics, labels={"client": "feed"}))``.

    Args:
        metrics: what to read.
        labels: names and values that all its samples get, to tell clients apart.
    """

    def __init__(
        self, metrics: WebSocketMetrics, *, labels: Mapping[str, str] | None = None
    ) -> None:
        self._metrics = metrics
        self._labels = dict(labels or {})

    def collect(self) -> Iterator[Metric]:
        """All samples; called by the registry, in any thread."""
        now = self._metrics.snapshot()
        yield from self._sessions(now)
        yield from self._traffic(now)
        round_trips = SummaryMetricFamily(
            "ktorws_ping_round_trip_seconds",
            "From a ping to its pong.",
            labels=tuple(self._labels),
        )
        trips = now.round_trips
        round_trips.add_metric(tuple(self._labels.values()), trips.number, trips.total)
        yield round_trips

    def describe(self) -> Iterator[Metric]:
        """The names alone, so that registering it reads nothing."""
        return iter(())

    def _sessions(self, now: ClientMetrics) -> Iterator[Metric]:
        yield self._gauge("sessions", "Open sessions.", now.sessions_open)
        opened: _Values = {(): now.sessions_opened}
        failed: _Values = {(): now.sessions_failed}
        yield self._counter("sessions_opened", "Sessions that were opened.", opened)
        yield self._counter("sessions_failed", "Sessions that never were.", failed)
        yield self._counter(
            "closes",
            "Sessions that ended.",
            {(str(code),): number for code, number in now.closes.items()},
            "code",
        )
        yield self._counter(
            "errors",
            "Sessions that failed, to open or later.",
            {(name,): number for name, number in now.errors.items()},
            "type",
        )
        yield self._gauge(
            "incoming_frames", "Frames that wait to be received.", now.incoming_frames
        )
        yield self._gauge(
            "outgoing_frames", "Frames that wait to be sent.", now.outgoing_frames
        )
        yield self._gauge(
            "outgoing_bytes", "Octets that wait to be sent.", now.outgoing_bytes
        )

    def _traffic(self, now: ClientMetrics) -> Iterator[Metric]:
        for name, text in _TRAFFIC.items():
            values: _Values = {
                ("received",): getattr(now.received, name),
                ("sent",): getattr(now.sent, name),
            }
            yield self._counter(name, text, values, "direction")

    def _gauge(self, name: str, text: str, value: float) -> Metric:
        labels = self._labels
        family = GaugeMetricFamily(f"ktorws_{name}", text, labels=tuple(labels))
        family.add_metric(tuple(labels.values()), value)
        return family

    def _counter(self, name: str, text: str, values: _Values, *more: str) -> Metric:
        labels = self._labels
        family = CounterMetricFamily(f"ktorws_{name}", text, labels=(*labels, *more))
        for own, value in values.items():
            family.add_metric((*labels.values(), *own), value)
        return family
