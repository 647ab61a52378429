"""`WebSocketMetrics`: what it counts, and what it hands on."""

import asyncio
import contextlib
import threading

import pytest

from ktorws import (
    CIO,
    ClientWebSocketSession,
    CloseReason,
    ConnectError,
    DefaultWebSocketSession,
    Frame,
    HandshakeError,
    HttpClient,
    HttpClientEngine,
    MockClock,
    MockEngine,
    OpenTimeoutError,
    RoundTrips,
    Traffic,
    WebSocketMetrics,
    WebSockets,
)
from tests.mocking import URL, begun, ticks
from tests.network_fixtures import SECURE, client, scheme_of
from tests.scripted import free_port, scripted
from tests.serving import made


async def echo(peer):
    async for frame in peer:
        peer.send(frame)


@contextlib.asynccontextmanager
async def measured(script=echo, *, clock=None, **options):
    """A client under measurement, and its metrics."""
    async with MockEngine(script, clock=clock) as engine:
        async with HttpClient(engine) as c:
            c.install(WebSockets, **options).install(WebSocketMetrics)
            yield c, c.feature(WebSocketMetrics), engine


@SECURE
async def test_traffic_is_counted_by_session_and_by_client_over_real_sockets(secure):
    async with made(secure=secure) as server, client() as c:
        c.install(WebSocketMetrics)
        metrics = c.feature(WebSocketMetrics)
        url = f"{scheme_of(secure)}://localhost:{server.port}/echo"
        async with c.ws(url) as one, c.ws(url) as other:
            for number in range(5):
                await one.send(f"message {number}")
                await one.incoming.receive()
            await other.send(bytes(1000))
            await other.incoming.receive()
            assert metrics.of(one).sent == Traffic(5, 5, 0, 0, 0, 45, 45 + 5 * 6)
            assert metrics.of(one).received == Traffic(5, 5, 0, 0, 0, 45, 45 + 5 * 2)
            assert metrics.of(other).sent == Traffic(1, 1, 0, 0, 0, 1000, 1008)
            assert metrics.snapshot().sent == Traffic(6, 6, 0, 0, 0, 1045, 1083)
            assert metrics.snapshot().sessions_open == 2
        ended = metrics.snapshot()
        assert ended.sent == Traffic(8, 6, 0, 0, 2, 1049, 1083 + 16)
        assert ended.received == Traffic(8, 6, 0, 0, 2, 1049, 1045 + 14 + 8)
        assert (ended.sessions_open, ended.sessions_opened) == (0, 2)
        assert ended.closes == {1000: 2}
        assert ended.errors == {}


async def test_what_a_session_has_carried_can_be_asked_without_the_feature():
    async with MockEngine(echo) as engine, HttpClient(engine) as c:
        c.install(WebSockets)
        async with c.ws(URL) as session:
            await session.send("Hello")
            await session.incoming.receive()
            assert session.statistics().sent.messages == 1
            assert session.statistics().close_reason is None
        ended = session.statistics()
        assert ended.received == Traffic(2, 1, 0, 0, 1, 7, 11)
        assert ended.close_reason.code == 1000
        assert ended.failure is None


async def test_fragments_and_control_frames_are_told_apart_from_messages():
    async def script(peer):
        peer.send(Frame.Text("in ", fin=False), Frame.Ping(b"!"), Frame.Text("two"))
        async for _ in peer:
            pass

    async with measured(script) as (c, metrics, _), c.ws(URL) as session:
        assert (await session.incoming.receive()).read_text() == "in two"
        now = metrics.of(session)
        assert now.received[:3] == (3, 1, 1)
        assert now.sent[:4] == (1, 0, 0, 1)


async def test_raw_sessions_are_counted_too():
    async with measured() as (c, metrics, _):
        async with c.ws_raw(URL) as session:
            await session.send(Frame.Text("part", fin=False))
            assert metrics.of(session).sent[:2] == (1, 0)
            await session.send(Frame.Text("rest"))
            assert metrics.of(session).sent[:2] == (2, 1)
        assert metrics.snapshot().closes == {1000: 1}


async def test_round_trips_are_those_of_our_pings():
    async def script(peer):
        for delay in (0.5, 0.25):
            ping = await peer.receive()
            await peer.sleep(delay)
            peer.send(Frame.Pong(b"unasked"), Frame.Pong(ping.data))
        await echo(peer)

    heard = []
    clock = MockClock()
    async with measured(script, clock=clock, ping_interval=1.0) as (c, metrics, _):
        metrics.invoke_on_round_trip(heard.append)
        session = await c.websocket_session(URL)
        assert metrics.of(session).round_trips == RoundTrips()
        for _ in range(13):
            await clock.advance(0.25)
            await ticks()
        expected = RoundTrips(2, 0.75, 0.25, 0.5, 0.25)
        assert metrics.of(session).round_trips == pytest.approx(expected)
        assert heard == pytest.approx([0.5, 0.25])
        session.cancel()
    assert metrics.snapshot().round_trips == pytest.approx(expected)


async def test_a_callback_that_fails_leaves_the_session_alone(caplog):
    async def script(peer):
        peer.send(Frame.Pong((await peer.receive()).data), "after it")
        await echo(peer)

    clock = MockClock()
    async with measured(script, clock=clock, ping_interval=1.0) as (c, metrics, _):
        metrics.invoke_on_round_trip(lambda _: 1 / 0)
        session = await c.websocket_session(URL)
        await clock.advance(1.0)
        assert (await session.incoming.receive()).read_text() == "after it"
        session.cancel()
    assert "ZeroDivisionError" in caplog.text


async def test_queue_depths_are_those_of_this_moment():
    async def script(peer):
        peer.send("one", "two", "three")
        await asyncio.Event().wait()

    async with measured(script) as (c, metrics, engine):
        session = await c.websocket_session(URL)
        await ticks()
        assert metrics.of(session).incoming_frames == 3
        await session.incoming.receive()
        assert metrics.snapshot().incoming_frames == 2

        engine.peers[0].stall()
        while not metrics.of(session).outgoing_bytes:
            await session.send(bytes(10_000))
            await asyncio.sleep(0)
        filled = metrics.of(session).outgoing_frames
        while True:
            sending = await begun(session.send(bytes(200_000)))
            if not sending.done():
                break
        waiting = metrics.of(session)
        assert waiting.outgoing_frames > filled
        assert waiting.outgoing_bytes > 200_000
        assert metrics.snapshot().outgoing_bytes == waiting.outgoing_bytes
        session.cancel()
        with pytest.raises(Exception, match="cancelled"):
            await sending


@pytest.mark.parametrize(
    ("act", "code", "error"),
    [
        (lambda peer: peer.close(CloseReason(4001, "enough")), 4001, None),
        (lambda peer: peer.lose(), 1006, "ConnectionLostError"),
        (lambda peer: peer.send_octets(b"\x83\x00"), 1002, "ProtocolViolationError"),
        (lambda peer: peer.send_octets(b"\x81\x01\xff"), 1007, "InvalidTextError"),
    ],
    ids=["closed", "lost", "violation", "text"],
)
async def test_ends_are_counted_by_code_and_errors_by_type(act, code, error):
    async def script(peer):
        peer.accept()
        act(peer)

    async with measured(script) as (c, metrics, _):
        session = await c.websocket_session(URL)
        with contextlib.suppress(Exception):
            await session.incoming.receive()
        await session.wait_closed()
        now = metrics.snapshot()
        assert now.closes == {code: 1}
        assert now.errors == ({} if error is None else {error: 1})
        with pytest.raises(KeyError):
            metrics.of(session)


async def test_a_missed_pong_is_counted():
    async def script(peer):
        peer.accept()
        await asyncio.Event().wait()

    clock = MockClock()
    options = {"ping_interval": 1.0, "timeout": 1.0}
    async with measured(script, clock=clock, **options) as (c, metrics, _):
        session = await c.websocket_session(URL)
        for _ in range(30):
            await clock.advance(0.25)
            await ticks()
        await session.wait_closed()
        assert metrics.snapshot().closes == {1011: 1}
        assert metrics.snapshot().errors == {"PingTimeoutError": 1}


async def test_sessions_that_do_not_open_are_counted_by_what_went_wrong():
    async def refuse(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        await peer.hold()

    async def say_nothing(peer):
        await peer.hold()

    metrics = WebSocketMetrics()
    refused = HttpClient(CIO, features=[metrics]).install(WebSockets)
    hurried = HttpClient(CIO, features=[metrics]).install(WebSockets, open_timeout=0.05)
    async with scripted(refuse) as server, scripted(say_nothing) as silent:
        for c, url, error in (
            (refused, f"ws://127.0.0.1:{free_port()}/", ConnectError),
            (refused, server.url(), HandshakeError),
            (hurried, silent.url(), OpenTimeoutError),
        ):
            with pytest.raises(error):
                await c.websocket_session(url)
        cancelled = await begun(refused.websocket_session(silent.url()))
        cancelled.cancel()
        await asyncio.wait([cancelled])
    now = metrics.snapshot()
    assert (now.sessions_opened, now.sessions_failed) == (0, 3)
    names = ["ConnectError", "HandshakeError", "OpenTimeoutError"]
    assert now.errors == dict.fromkeys(names, 1)
    await refused.close()
    await hurried.close()


class Uncounted:
    """A connection whose frames are made elsewhere, as in a browser."""

    is_client = True
    masking = True
    max_frame_size = 1000
    backlog_bytes = 7
    is_writable = True
    deafness = 0.0

    def __init__(self):
        self.loop = self.clock = asyncio.get_running_loop()

    def write(self, message):
        pass

    async def flush(self):
        pass

    def pause_reading(self):
        pass

    resume_reading = abort = pause_reading

    def end(self, *, linger):
        pass


class Uncounting(HttpClientEngine):
    name = "Uncounting"

    async def open(self, opening):
        kind = ClientWebSocketSession if opening.raw else DefaultWebSocketSession
        self.connection = Uncounted()
        self.session = kind(self.connection, opening.config, call=None)
        return self.session


async def test_an_engine_that_counts_nothing_still_has_queues_and_ends():
    engine = Uncounting()
    c = HttpClient(engine).install(WebSockets).install(WebSocketMetrics)
    metrics = c.feature(WebSocketMetrics)
    session = await c.websocket_session(URL)
    session.incoming.deliver([Frame.Text("one")], 3)
    now = metrics.of(session)
    assert (now.received, now.sent) == (None, None)
    assert (now.incoming_frames, now.outgoing_bytes) == (1, 7)
    session.connection_lost(None)
    await session.wait_closed()
    assert metrics.snapshot().sent == Traffic()
    assert metrics.snapshot().closes == {1006: 1}


async def test_another_thread_may_ask_while_sessions_come_and_go():
    async with measured() as (c, metrics, _):
        stop, wrong = threading.Event(), []

        def scrape():
            seen = 0
            while not stop.is_set():
                now = metrics.snapshot()
                ended = sum(now.closes.values())
                if ended + now.sessions_open != now.sessions_opened:
                    wrong.append(now)
                if now.sent.frames < seen:
                    wrong.append((seen, now))
                seen = now.sent.frames

        thread = threading.Thread(target=scrape)
        thread.start()
        try:
            for _ in range(100):
                async with c.ws(URL) as session:
                    await session.send("Hello")
                    await session.incoming.receive()
        finally:
            stop.set()
            thread.join()
        assert wrong == []
        assert metrics.snapshot().sent.frames == 200


# What hands the numbers on.


@contextlib.asynccontextmanager
async def some_traffic():
    """Metrics of a client that has sent, failed, pinged, and has a session open."""

    async def script(peer):
        ping = await peer.receive()
        await peer.sleep(0.5)
        peer.send(Frame.Pong(ping.data))
        await echo(peer)

    clock = MockClock()
    async with measured(script, clock=clock, ping_interval=1.0) as (c, metrics, _):
        session = await c.websocket_session(URL)
        yield metrics, session
        for _ in range(8):
            await clock.advance(0.25)
            await ticks()
        await session.send("Hello")
        await session.incoming.receive()
        session.cancel()


async def test_prometheus_gets_all_of_it_at_each_scrape():
    client = pytest.importorskip("prometheus_client")
    from ktorws.features.prometheus import PrometheusCollector

    registry = client.CollectorRegistry()
    labels = {"client": "feed"}
    async with some_traffic() as (metrics, _):
        registry.register(PrometheusCollector(metrics, labels=labels))
        assert registry.get_sample_value("ktorws_sessions", labels) == 1
        assert registry.get_sample_value("ktorws_sessions_opened_total", labels) == 1
    text = client.generate_latest(registry).decode()
    for line in (
        'ktorws_sessions{client="feed"} 0.0',
        'ktorws_sessions_failed_total{client="feed"} 0.0',
        'ktorws_messages_total{client="feed",direction="sent"} 1.0',
        'ktorws_messages_total{client="feed",direction="received"} 1.0',
        'ktorws_pongs_total{client="feed",direction="received"} 1.0',
        'ktorws_closes_total{client="feed",code="1000"} 1.0',
        'ktorws_errors_total{client="feed",type="SessionCancelledError"} 1.0',
        'ktorws_incoming_frames{client="feed"} 0.0',
        'ktorws_ping_round_trip_seconds_count{client="feed"} 1.0',
        'ktorws_ping_round_trip_seconds_sum{client="feed"} 0.5',
    ):
        assert line in text.splitlines()


async def test_prometheus_takes_two_clients_into_one_registry_if_their_labels_differ():
    client = pytest.importorskip("prometheus_client")
    from ktorws.features.prometheus import PrometheusCollector

    registry = client.CollectorRegistry()
    for name in ("one", "two"):
        labels = {"client": name}
        registry.register(PrometheusCollector(WebSocketMetrics(), labels=labels))
        assert registry.get_sample_value("ktorws_sessions", labels) == 0


async def test_opentelemetry_observes_all_of_it_at_each_collection():
    pytest.importorskip("opentelemetry.sdk")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    from ktorws.features.opentelemetry import observe

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])

    def values():
        (resource,) = reader.get_metrics_data().resource_metrics
        (scope,) = resource.scope_metrics
        return {
            (metric.name, *sorted(dict(point.attributes).items())): point
            for metric in scope.metrics
            for point in metric.data.data_points
        }

    client = ("client", "feed")
    async with some_traffic() as (metrics, _):
        observe(metrics, provider.get_meter("tests"), attributes=dict([client]))
        assert values()["ktorws.sessions", client].value == 1
    seen = values()
    sent, received = ("direction", "sent"), ("direction", "received")
    assert seen["ktorws.sessions", client].value == 0
    assert seen["ktorws.sessions.opened", client].value == 1
    assert seen["ktorws.messages", client, sent].value == 1
    assert seen["ktorws.pongs", client, received].value == 1
    assert seen["ktorws.closes", client, ("code", 1000)].value == 1
    error = ("error.type", "SessionCancelledError")
    assert seen["ktorws.errors", client, error].value == 1
    trips = seen["ktorws.ping.round_trip", client]
    assert (trips.count, trips.sum) == (1, pytest.approx(0.5))
    provider.shutdown()
