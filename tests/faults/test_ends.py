"""Ends without a Close frame, and peers that do not read."""

import asyncio
import time

import pytest

from ktorws import ConnectionLostError, PingTimeoutError
from tests.faults.messages import Ledger
from tests.faults.traffic import (
    LOST,
    NORMAL,
    SILENT,
    check_failure,
    echoes,
    listen,
    wait_in_every_way,
    woken,
)
from tests.stress.harness import run

INTERVAL, TIMEOUT = 0.3, 0.6

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("number", [1, 3000])
def test_a_truncated_stream_is_a_loss_after_all_that_came(opened, loop, number):
    """Over TLS: the end of TCP without close_notify."""

    async def main():
        async with opened(f"truncated/{number}") as session:
            heard = Ledger("far")
            error = await asyncio.wait_for(listen(session, heard), 10)
            assert type(error) is ConnectionLostError
            assert (heard.count, heard.problem) == (number, None)
            assert await session.close_reason == LOST

    run(main(), loop)


def test_a_truncated_stream_waits_for_a_slow_reader(opened, loop):
    async def main():
        async with opened("truncated/3000") as session:
            await asyncio.sleep(0.5)
            heard = Ledger("far")
            while heard.count < 500:
                heard.take_frame(await session.incoming.receive())
                await asyncio.sleep(0)
            await asyncio.sleep(0.5)
            error = await asyncio.wait_for(listen(session, heard), 10)
            assert type(error) is ConnectionLostError
            assert (heard.count, heard.problem) == (3000, None)

    run(main(), loop)


def test_a_truncated_stream_wakes_everyone(opened, loop):
    async def main():
        async with opened("truncated/0") as session:
            begin = time.monotonic()
            tasks = wait_in_every_way(session)
            results = await woken(tasks, session, begin, 0)
            check_failure(results, ConnectionLostError, LOST)

    run(main(), loop)


def test_a_peer_that_stops_reading_for_a_while_loses_nothing(opened, loop):
    async def main():
        async with opened("deaf/1", ping_interval=0.2, timeout=5) as session:
            begin = time.monotonic()
            await echoes(session, 2000, pause=0)
            assert time.monotonic() - begin > 0.8
            await session.close()
            assert await session.close_reason == NORMAL

    run(main(), loop)


def test_a_peer_that_stops_reading_for_ever_wakes_everyone(opened, loop):
    async def main():
        options = {"ping_interval": INTERVAL, "timeout": TIMEOUT}
        async with opened("deaf/3600", **options) as session:
            begin = time.monotonic()
            tasks = wait_in_every_way(session)
            results = await woken(tasks, session, begin, INTERVAL + TIMEOUT)
            check_failure(results, PingTimeoutError, SILENT)

    run(main(), loop)


def test_closing_does_not_wait_longer_for_a_peer_that_stopped_reading(opened, loop):
    async def main():
        async with opened("deaf/3600", close_timeout=1) as session:
            while session.outgoing.try_send(bytes(100_000)).is_success:  # noqa: ASYNC110
                await asyncio.sleep(0)
            begin = time.monotonic()
            await session.close()
            assert 0.9 < time.monotonic() - begin < 2
            assert await session.close_reason == NORMAL

    run(main(), loop)
