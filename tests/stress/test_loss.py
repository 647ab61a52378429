"""Whatever becomes of the peer, everyone who waits learns it, and in time."""

import asyncio
import time

import pytest

from ktorws import (
    ClosedReceiveChannelError,
    CloseReason,
    ConnectionLostError,
    PingTimeoutError,
    SessionCancelledError,
    WebSocketError,
)
from tests.stress.harness import Peer, client, run

PING_INTERVAL = 0.3
PING_TIMEOUT = 0.6
CLOSE_TIMEOUT = 1.0
LINGER = 1.0
MARGIN = 1.0  # of a busy machine
LOST = CloseReason(1006, "Connection was closed without close frame")
SILENT = CloseReason(1011, "Ping timeout")
NORMAL = CloseReason(1000, "")

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=["kill", "reset", "half_close"])
def cause(request):
    """What ends the connection without a Close frame."""
    return getattr(Peer, request.param)


async def drain(channel):
    async for _ in channel:
        pass


async def send_for_ever(session):
    message = bytes(100_000)
    while True:
        await session.send(message)


async def completed(deferred):
    return await deferred


async def outcome(waiting):
    """What a wait ends with, and when."""
    try:
        result = await waiting
    except WebSocketError as error:
        result = error
    return result, time.monotonic()


async def fill(session):
    """Two senders that wait for room."""
    tasks = {
        name: asyncio.create_task(outcome(send_for_ever(session)))
        for name in ("send", "another send")
    }
    connection = session._connection
    while (  # noqa: ASYNC110  no event says it
        connection.is_writable or session.outgoing.try_send(b"").is_success
    ):
        await asyncio.sleep(0.01)
    return tasks


def wait_in_every_way(session):
    waiting = {
        "receive": session.incoming.receive(),
        "receive_many": session.incoming.receive_many(),
        "async for": drain(session.incoming),
        "flush": session.flush(),
        "close_reason": completed(session.close_reason),
        "wait_closed": session.wait_closed(),
    }
    return {name: asyncio.create_task(outcome(w)) for name, w in waiting.items()}


async def ends(tasks, session, since):
    """What each wait ended with, and how long after."""
    await asyncio.wait(tasks.values(), timeout=8)
    stuck = [name for name, task in tasks.items() if not task.done()]
    if stuck:
        session.cancel()
        await session.wait_closed()
    assert not stuck
    results = {name: task.result() for name, task in tasks.items()}
    return {name: (result, at - since) for name, (result, at) in results.items()}


def check(results, error, reason, deadline):
    took = {name: round(seconds, 2) for name, (_, seconds) in results.items()}
    # What was written may leave while the connection lingers, and flush() waits.
    gone = max(took.pop("wait_closed"), took.pop("flush", 0))
    assert max(took.values()) < deadline, took
    assert gone < deadline + LINGER, gone
    values = {name: result for name, (result, _) in results.items()}
    assert values.pop("close_reason") == reason
    assert values.pop("wait_closed") is None
    assert {name: type(value) for name, value in values.items()} == dict.fromkeys(
        values, error
    )
    assert {value.close_reason for value in values.values()} == {reason}


def test_a_peer_that_is_gone_wakes_all_who_wait(
    loop, peer, authority, transport, cause
):
    if (loop, transport, cause) == ("uvloop", "asyncio", Peer.half_close) and authority:
        pytest.skip("uvloop's TLS tells nobody of an end while it has octets to flush")

    async def main():
        async with client(transport=transport, authority=authority) as http:
            session = await http.websocket_session(peer.url("hole"))
            tasks = await fill(session)
            tasks |= wait_in_every_way(session)
            await asyncio.sleep(0.05)
            assert not any(task.done() for task in tasks.values())
            begin = time.monotonic()
            cause(peer)
            results = await ends(tasks, session, begin)
            check(results, ConnectionLostError, LOST, MARGIN)

    run(main(), loop)


def test_a_peer_that_is_gone_wakes_one_who_only_receives(
    loop, peer, authority, transport, cause
):
    async def main():
        async with client(transport=transport, authority=authority) as http:
            session = await http.websocket_session(peer.url("hole"))
            tasks = {
                "receive": asyncio.create_task(outcome(session.incoming.receive()))
            }
            await asyncio.sleep(0.05)
            begin = time.monotonic()
            cause(peer)
            error, seconds = (await ends(tasks, session, begin))["receive"]
            assert type(error) is ConnectionLostError
            assert seconds < MARGIN

    run(main(), loop)


def test_a_black_hole_with_pings_wakes_all_who_wait(loop, peer, authority, transport):
    async def main():
        async with client(
            transport=transport,
            authority=authority,
            ping_interval=PING_INTERVAL,
            timeout=PING_TIMEOUT,
        ) as http:
            session = await http.websocket_session(peer.url("echo"))
            await asyncio.sleep(2 * PING_INTERVAL)
            assert session.latency is not None
            peer.freeze()
            begin = time.monotonic()
            tasks = await fill(session)
            tasks |= wait_in_every_way(session)
            results = await ends(tasks, session, begin)
            deadline = PING_INTERVAL + PING_TIMEOUT + MARGIN
            check(results, PingTimeoutError, SILENT, deadline)

    run(main(), loop)


def test_a_black_hole_with_pings_wakes_one_who_only_receives(
    loop, peer, authority, transport
):
    async def main():
        async with client(
            transport=transport,
            authority=authority,
            ping_interval=PING_INTERVAL,
            timeout=PING_TIMEOUT,
        ) as http:
            session = await http.websocket_session(peer.url("echo"))
            tasks = wait_in_every_way(session)
            (flushed, _) = await tasks.pop("flush")
            assert flushed is None
            peer.freeze()
            results = await ends(tasks, session, time.monotonic())
            deadline = PING_INTERVAL + PING_TIMEOUT + MARGIN
            check(results, PingTimeoutError, SILENT, deadline)

    run(main(), loop)


async def close_while_waiting(session, cause, *, full):
    """What closing, and waiting meanwhile, came to."""
    tasks = await fill(session) if full else {}
    tasks["receive"] = asyncio.create_task(outcome(session.incoming.receive()))
    tasks["close"] = asyncio.create_task(outcome(session.close()))
    tasks["close again"] = asyncio.create_task(outcome(session.close()))
    tasks["close_reason"] = asyncio.create_task(
        outcome(completed(session.close_reason))
    )
    begin = time.monotonic()
    await asyncio.sleep(0.05)
    cause()
    return await ends(tasks, session, begin)


@pytest.mark.parametrize("full", [False, True], ids=["idle", "full"])
def test_closing_ends_when_the_peer_is_gone(  # noqa: PLR0917  all are fixtures
    loop, peer, authority, transport, cause, full
):
    async def main():
        async with client(
            transport=transport, authority=authority, close_timeout=CLOSE_TIMEOUT
        ) as http:
            session = await http.websocket_session(peer.url("hole"))
            results = await close_while_waiting(session, lambda: cause(peer), full=full)
            assert results["close"][0] is None
            assert results["close again"][0] is None
            assert results["close_reason"][0] == NORMAL
            assert type(results["receive"][0]) is ClosedReceiveChannelError
            deadline = CLOSE_TIMEOUT + MARGIN
            assert max(seconds for _, seconds in results.values()) < deadline

    run(main(), loop)


@pytest.mark.parametrize("full", [False, True], ids=["idle", "full"])
def test_closing_a_black_hole_takes_the_close_timeout(
    loop, peer, authority, transport, full
):
    async def main():
        async with client(
            transport=transport, authority=authority, close_timeout=CLOSE_TIMEOUT
        ) as http:
            session = await http.websocket_session(peer.url("hole"))
            results = await close_while_waiting(session, peer.freeze, full=full)
            seconds = results["close"][1]
            assert CLOSE_TIMEOUT - 0.1 < seconds < CLOSE_TIMEOUT + MARGIN
            assert results["close"][0] is None
            assert results["close_reason"][0] == NORMAL
            assert type(results["receive"][0]) is ClosedReceiveChannelError

    run(main(), loop)


def test_a_cancelled_session_wakes_all_who_wait_and_is_gone_after_its_linger(
    loop, peer, authority, transport
):
    async def main():
        async with client(transport=transport, authority=authority) as http:
            session = await http.websocket_session(peer.url("hole"))
            tasks = await fill(session)
            tasks |= wait_in_every_way(session)
            await asyncio.sleep(0.05)
            begin = time.monotonic()
            session.cancel()
            results = await ends(tasks, session, begin)
            check(results, SessionCancelledError, NORMAL, MARGIN)

    run(main(), loop)


def test_what_is_sent_before_the_loss_is_told_fails_in_a_typed_way(
    loop, peer, authority, transport
):
    async def main():
        async with client(transport=transport, authority=authority) as http:
            session = await http.websocket_session(peer.url("hole"))
            peer.reset()
            time.sleep(0.2)  # noqa: ASYNC251  the loop must not learn it meanwhile
            for size in (100_000, 1, 100_000, 1):
                session.outgoing.try_send(bytes(size))
            with pytest.raises(ConnectionLostError):
                await session.incoming.receive()

    run(main(), loop)
