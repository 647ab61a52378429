"""Nothing comes and nothing goes any more: for a while, for ever, or until a reset."""

import asyncio
import time

import pytest

from ktorws import (
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    ConnectionLostError,
    PingTimeoutError,
)
from tests.faults.messages import Ledger
from tests.faults.traffic import (
    LOST,
    NORMAL,
    PAIRS,
    SILENT,
    check_failure,
    completed,
    echoes,
    listen,
    outcome,
    send_for_ever,
    wait_in_every_way,
    woken,
)
from tests.stress.harness import run

INTERVAL, TIMEOUT = 0.3, 0.6
CLOSE_TIMEOUT = 1.0
PINGS = {"ping_interval": INTERVAL, "timeout": TIMEOUT}

pytestmark = pytest.mark.timeout(60)


def test_with_pings_everyone_learns_of_it_in_time(network, opened, loop):
    async def main():
        async with opened("echo", **PINGS) as session:
            await echoes(session, 20)
            network.swallow()
            begin = time.monotonic()
            tasks = wait_in_every_way(session)
            results = await woken(tasks, session, begin, INTERVAL + TIMEOUT)
            check_failure(results, PingTimeoutError, SILENT)
            assert session.close_reason.get_completed() == SILENT

    run(main(), loop)
    assert network.heal() > 0


@pytest.mark.parametrize("pair", PAIRS[:2], ids="-".join)
def test_a_session_that_is_idle_learns_of_it_too(network, opened, loop):
    async def main():
        async with opened("echo", **PINGS) as session:
            network.swallow()
            begin = time.monotonic()
            tasks = {
                "receive": asyncio.create_task(outcome(session.incoming.receive()))
            }
            results = await woken(tasks, session, begin, INTERVAL + TIMEOUT)
            assert type(results["receive"]) is PingTimeoutError
            assert time.monotonic() - begin > TIMEOUT

    run(main(), loop)


def test_without_pings_senders_wait_and_closing_takes_its_timeout(
    network, opened, loop
):
    async def main():
        async with opened("echo", close_timeout=CLOSE_TIMEOUT) as session:
            await echoes(session, 20)
            network.swallow()
            waiting = {
                "send": send_for_ever(session),
                "receive": session.incoming.receive(),
                "close_reason": completed(session.close_reason),
                "wait_closed": session.wait_closed(),
            }
            tasks = {
                name: asyncio.create_task(outcome(w)) for name, w in waiting.items()
            }
            await asyncio.sleep(1)
            assert not any(task.done() for task in tasks.values())
            assert not session.outgoing.try_send(b"").is_success
            begin = time.monotonic()
            tasks["close"] = asyncio.create_task(outcome(session.close()))
            results = await woken(tasks, session, begin, CLOSE_TIMEOUT)
            assert type(results.pop("send")) is ClosedSendChannelError
            assert type(results.pop("receive")) is ClosedReceiveChannelError
            assert results.pop("close_reason") == NORMAL
            assert set(results.values()) == {None}
            assert time.monotonic() - begin > CLOSE_TIMEOUT - 0.1

    run(main(), loop)


def test_one_that_heals_in_time_costs_nothing(network, opened, loop):
    async def main():
        async with opened("echo", ping_interval=0.2, timeout=5) as session:
            exchange = asyncio.create_task(echoes(session, 500))
            await asyncio.sleep(0.3)
            network.swallow()
            await asyncio.sleep(1)
            assert not exchange.done()
            assert network.heal() > 0
            await exchange
            await session.close()
            assert await session.close_reason == NORMAL

    run(main(), loop)


def test_a_reset_in_the_middle_of_a_frame_wakes_everyone_after_what_came(
    network, opened, loop
):
    async def main():
        async with opened("torn/30") as session:
            heard = Ledger("far")
            while heard.count < 30:
                heard.take_frame(await session.incoming.receive())
            network.reset()
            begin = time.monotonic()
            results = await woken(wait_in_every_way(session), session, begin, 0)
            check_failure(results, ConnectionLostError, LOST)
            cause = session.incoming.try_receive().error.__cause__
            # None where a write met the reset: reading is left with an end.
            assert cause is None or isinstance(cause, ConnectionError)
            assert heard.problem is None

    run(main(), loop)
    assert network.heal() > 0


def test_a_reset_does_not_swallow_what_had_arrived(network, opened, loop):
    async def main():
        async with opened("torn/200") as session:
            while len(session.incoming) < 200:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            network.reset()
            await session.send(b"")
            await session.wait_closed()
            heard = Ledger("far")
            assert type(await listen(session, heard)) is ConnectionLostError
            assert (heard.count, heard.problem) == (200, None)

    run(main(), loop)


@pytest.mark.parametrize("pair", PAIRS[:2], ids="-".join)  # TLS reads ahead
def test_a_host_that_vanished_and_came_back_resets_the_next_send(
    network, peer, opened, loop
):
    async def main():
        async with opened("deaf/3600") as session:
            await asyncio.sleep(0.2)  # until the peer is deaf
            await session.send(b"never read")  # a close with this unread is a reset
            await asyncio.sleep(0.2)
            network.swallow()
            peer.kill()
            await asyncio.sleep(0.2)
            assert network.heal() > 0
            receiving = asyncio.create_task(outcome(session.incoming.receive()))
            await asyncio.sleep(0.2)
            assert not receiving.done()  # half-open: nobody can know
            begin = time.monotonic()
            await session.send(b"anybody there?")
            results = await woken({"receive": receiving}, session, begin, 0)
            error = results["receive"]
            assert type(error) is ConnectionLostError
            assert session.close_reason.get_completed() == LOST
            with pytest.raises(ConnectionLostError):
                await session.send(b"too late")

    run(main(), loop)
