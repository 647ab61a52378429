"""Time that passes only when a test says so."""

import asyncio

from ktorws.engines.mock import MockClock


async def test_timers_run_when_they_are_due_and_in_order():
    clock, log = MockClock(), []
    clock.call_later(2, lambda: log.append(("two", clock.time())))
    clock.call_later(1, lambda: log.append(("one", clock.time())))
    clock.call_later(1, lambda: log.append(("one again", clock.time())))
    await clock.advance(0.5)
    assert log == []
    await clock.advance(2.5)
    assert log == [("one", 1), ("one again", 1), ("two", 2)]
    assert clock.time() == 3


async def test_a_timer_set_by_a_timer_runs_within_the_same_advance():
    clock, log = MockClock(), []
    clock.call_later(1, lambda: clock.call_later(1, lambda: log.append(clock.time())))
    await clock.advance(5)
    assert log == [2]


async def test_a_cancelled_timer_does_not_run():
    clock, log = MockClock(), []
    timer = clock.call_later(1, log.append, "rung")
    assert clock.pending == 1
    timer.cancel()
    assert timer.cancelled()
    assert clock.pending == 0
    await clock.advance(2)
    assert log == []


async def test_a_timer_can_cancel_one_that_is_due_at_the_same_time():
    clock, log = MockClock(), []
    timers = []
    clock.call_later(1, lambda: [timer.cancel() for timer in timers])
    timers.append(clock.call_later(1, log.append, "rung"))
    await clock.advance(2)
    assert log == []


async def test_tasks_run_between_timers():
    clock, log = MockClock(), []
    event = asyncio.Event()

    async def waiter():
        await event.wait()
        log.append(clock.time())

    task = asyncio.ensure_future(waiter())
    clock.call_later(1, event.set)
    clock.call_later(2, lambda: log.append(clock.time()))
    await clock.advance(3)
    await task
    assert log == [1, 2]


async def test_after_a_jump_every_timer_is_late():
    clock, log = MockClock(), []
    clock.call_later(1, lambda: log.append(clock.time()))
    clock.call_later(2, lambda: log.append(clock.time()))
    clock.call_later(9, lambda: log.append(clock.time()))
    await clock.jump(5)
    assert log == [5, 5]
