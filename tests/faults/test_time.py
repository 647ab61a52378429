"""Time in which we could not listen is not the peer's silence."""

import asyncio
import contextlib
import json
import signal
import subprocess
import sys
import time

import pytest

from tests.faults.network import FAR_BY_RELAY
from tests.faults.suspended import INTERVAL, TIMEOUT
from tests.faults.traffic import MARGIN, NORMAL, PAIRS, echoes
from tests.stress.harness import LOOPS, ROOT, run

pytestmark = pytest.mark.timeout(60)
PINGS = {"ping_interval": INTERVAL, "timeout": TIMEOUT}


@pytest.mark.parametrize("pair", PAIRS[:2], ids="-".join)
def test_a_stalled_loop_is_not_a_dead_peer(network, opened, loop):
    """The cable is slow, so that most stalls begin while a pong is under way."""

    async def one(phase, stalls):
        await asyncio.sleep(INTERVAL * phase / 4)
        options = {"host": FAR_BY_RELAY, "ping_interval": 0.1, "timeout": TIMEOUT}
        async with opened("echo", **options) as session:
            exchange = asyncio.create_task(echoes(session, 100, sizes=(20,)))
            await stalls
            await exchange
            await asyncio.sleep(INTERVAL)
            assert session.latency > 0.1
            await session.close()
            assert await session.close_reason == NORMAL

    async def main():
        stalls = asyncio.get_running_loop().create_future()
        async with asyncio.TaskGroup() as group:
            for phase in range(5):
                group.create_task(one(phase, stalls))
            await asyncio.sleep(3 * INTERVAL)
            for _ in range(2):
                time.sleep(TIMEOUT + 0.5)  # noqa: ASYNC251
                await asyncio.sleep(INTERVAL / 2)
            stalls.set_result(None)

    with network.relay({}, delay=0.06):
        run(main(), loop)


@pytest.mark.parametrize("pair", PAIRS[:2], ids="-".join)
def test_a_loop_that_stalls_again_and_again_is_not_a_dead_peer(opened, loop):
    async def main():
        async with opened("echo", **PINGS) as session:
            for number in range(20):
                time.sleep(0.05 + 0.01 * number)  # noqa: ASYNC251
                await asyncio.sleep(0)
            await echoes(session, 20)
            await session.close()
            assert await session.close_reason == NORMAL

    run(main(), loop)


@pytest.mark.parametrize("pair", PAIRS[:2], ids="-".join)
def test_the_clock_on_the_wall_does_not_matter(opened, loop, monkeypatch):
    async def main():
        async with opened("echo", **PINGS) as session:
            right = time.time
            for jump in (86_400, -86_400, 0):
                monkeypatch.setattr(time, "time", lambda jump=jump: right() + jump)
                await echoes(session, 100)
            await session.close()
            assert await session.close_reason == NORMAL

    run(main(), loop)


@pytest.mark.parametrize("pair", PAIRS[:2], ids="-".join)
def test_a_peer_that_is_suspended_for_less_than_the_timeout_lives(peer, opened, loop):
    async def main():
        async with opened("echo", ping_interval=0.2, timeout=3) as session:
            exchange = asyncio.create_task(echoes(session, 400))
            for _ in range(2):
                await asyncio.sleep(0.2)
                peer.stop()
                await asyncio.sleep(1)
                peer.go_on()
            await exchange
            await session.close()
            assert await session.close_reason == NORMAL

    run(main(), loop)


@contextlib.contextmanager
def suspendable(network, peer, loop, number):
    """`suspended.py` with its session open."""
    command = ["ip", "netns", "exec", network.near, sys.executable]
    arguments = [loop, str(peer.ports[0]), str(number)]
    process = subprocess.Popen(
        [*command, "-m", "tests.faults.suspended", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "open\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def suspend(process, seconds):
    process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_suspended_process_finds_its_session_alive(network, peer, loop):
    with suspendable(network, peer, loop, 300) as process:
        for pause in (0.2, 0.45):
            time.sleep(pause)
            suspend(process, INTERVAL + TIMEOUT + 0.5)
        met = json.loads(process.communicate(timeout=20)[0])
    assert met == {"heard": 300, "problem": None, "error": None, "code": 1000}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_suspended_process_learns_soon_that_its_peer_has_gone(network, peer, loop):
    with suspendable(network, peer, loop, 10_000) as process:
        time.sleep(0.5)
        network.swallow()
        suspend(process, INTERVAL + TIMEOUT + 0.5)
        begin = time.monotonic()
        met = json.loads(process.communicate(timeout=20)[0])
        # What closing the session took comes on top, and the interpreter's end.
        assert time.monotonic() - begin < INTERVAL + TIMEOUT + 1 + MARGIN
    assert met["heard"] > 10
    assert met["problem"] is None
    assert (met["error"], met["code"]) == ("PingTimeoutError", 1011)
