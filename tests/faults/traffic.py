"""Numbered messages there and back, and whoever can wait on a session waiting."""

import asyncio
import time

from ktorws import CloseReason, WebSocketError
from tests.faults.messages import Ledger, message

LOST = CloseReason(1006, "Connection was closed without close frame")
SILENT = CloseReason(1011, "Ping timeout")
NORMAL = CloseReason(1000, "")
LINGER = 1.0  # seconds that a failed session's connection may take to be gone
MARGIN = 1.0  # of a busy machine

PAIRS = [
    ("asyncio", "tcp"),
    ("uvloop", "tcp"),
    ("asyncio", "loop's"),
    ("uvloop", "loop's"),
    ("asyncio", "tls"),
    ("uvloop", "fast"),
]
SIZES = (0, 20, 100, 1000, 20_000)


async def echoes(session, number, pause=0.002, sizes=SIZES):
    """Send so many to an echoing peer, and get each once, in order and whole."""
    ledger = Ledger("near")

    async def talk():
        for each in range(number):
            await session.send(message("near", each, sizes[each % len(sizes)]))
            await asyncio.sleep(pause)

    async with asyncio.TaskGroup() as group:
        group.create_task(talk())
        while ledger.count < number:
            ledger.take_frame(await session.incoming.receive())
    assert ledger.problem is None


async def listen(session, ledger):
    """Take whatever arrives; gives what `async for` ended with, or None."""
    try:
        async for frame in session.incoming:
            ledger.take_frame(frame)
    except WebSocketError as error:
        return error
    return None


async def outcome(waiting):
    """What a wait ends with, and when."""
    try:
        result = await waiting
    except WebSocketError as error:
        result = error
    return result, time.monotonic()


async def send_for_ever(session):
    message = bytes(100_000)
    while True:
        await session.send(message)


async def completed(deferred):
    return await deferred


def wait_in_every_way(session):
    """A task for each way to wait; sending fills what can be filled first."""
    waiting = {
        "send": send_for_ever(session),
        "receive": session.incoming.receive(),
        "receive_many": session.incoming.receive_many(),
        "flush": _flush(session),
        "close_reason": completed(session.close_reason),
        "wait_closed": session.wait_closed(),
    }
    return {name: asyncio.create_task(outcome(w)) for name, w in waiting.items()}


async def _flush(session):
    """Begin once nothing has moved for a while: then there is something to wait for."""
    still = 0
    while still < 5 and not session.has_ended:
        still = 0 if session._connection.is_writable else still + 1
        await asyncio.sleep(0.02)
    await session.flush()


async def woken(tasks, session, since, seconds):
    """What each wait ended with; fails unless all end within so many seconds."""
    await asyncio.wait(tasks.values(), timeout=seconds + LINGER + 2 * MARGIN)
    stuck = [name for name, task in tasks.items() if not task.done()]
    if stuck:
        session.cancel()
        await asyncio.wait(tasks.values())
    assert not stuck
    results = {name: task.result() for name, task in tasks.items()}
    took = {name: round(at - since, 2) for name, (_, at) in results.items()}
    # What was written may leave while the connection lingers.
    for name in {"wait_closed", "flush"} & took.keys():
        took[name] -= LINGER
    assert max(took.values()) < seconds + MARGIN, took
    return {name: result for name, (result, _) in results.items()}


def check_failure(results, error, reason):
    """All of them were woken by this error, and were told this reason."""
    assert results.pop("close_reason") == reason
    assert results.pop("wait_closed") is None
    if results.get("flush", error) is None:  # what it waited for did leave
        del results["flush"]
    kinds = {name: type(result) for name, result in results.items()}
    assert kinds == dict.fromkeys(results, error)
    assert {result.close_reason for result in results.values()} == {reason}
