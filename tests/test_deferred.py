"""A value that comes once, for everyone."""

import asyncio
import gc

import pytest

from ktorws.deferred import Deferred
from tests.mocking import begun, ticks


@pytest.fixture
async def deferred():
    return Deferred(asyncio.get_running_loop())


async def wait_for(deferred):
    return await deferred


async def test_awaiting_gives_the_value_once_it_is_there(deferred):
    waiting = await begun(wait_for(deferred))
    assert not waiting.done()
    assert deferred.complete("value")
    assert await waiting == "value"


async def test_awaiting_again_gives_the_same_value_at_once(deferred):
    deferred.complete("value")
    assert await deferred == "value"
    assert await deferred == "value"


async def test_everyone_who_waits_gets_the_value(deferred):
    waiting = [await begun(wait_for(deferred)) for _ in range(3)]
    deferred.complete(7)
    assert await asyncio.gather(*waiting) == [7, 7, 7]


async def test_the_first_value_stays(deferred):
    assert deferred.complete("first") is True
    assert deferred.complete("second") is False
    assert await deferred == "first"


async def test_none_is_a_value(deferred):
    deferred.complete(None)
    assert deferred.is_completed
    assert await deferred is None
    assert deferred.complete("late") is False


async def test_the_value_is_there_only_when_completed(deferred):
    assert not deferred.is_completed
    with pytest.raises(RuntimeError):
        deferred.get_completed()
    deferred.complete("value")
    assert deferred.is_completed
    assert deferred.get_completed() == "value"


async def test_cancelling_one_who_waits_does_not_touch_the_others(deferred):
    one, other = [await begun(wait_for(deferred)) for _ in range(2)]
    one.cancel()
    await ticks()
    assert one.cancelled()
    assert not deferred.is_completed
    deferred.complete("value")
    assert await other == "value"


async def test_cancelling_together_with_completing_cancels(deferred):
    waiting = await begun(wait_for(deferred))
    deferred.complete("value")
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await deferred == "value"


async def test_those_who_gave_up_are_forgotten(deferred):
    for _ in range(100):
        (await begun(wait_for(deferred))).cancel()
    await ticks()
    gc.collect()
    waiters = [o for o in gc.get_referents(deferred) if isinstance(o, set)]
    assert waiters in ([], [set()])


async def test_callbacks_are_called_in_order_when_the_value_comes(deferred):
    log = []
    deferred.invoke_on_completion(lambda: log.append("one"))
    deferred.invoke_on_completion(lambda: log.append("two"))
    assert log == []
    deferred.complete("value")
    assert log == ["one", "two"]


async def test_a_late_callback_is_called_at_once(deferred):
    deferred.complete("value")
    log = []
    deferred.invoke_on_completion(lambda: log.append(deferred.get_completed()))
    assert log == ["value"]


async def test_a_deadline_on_waiting_leaves_it_as_it_was(deferred):
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(wait_for(deferred), 0.001)
    assert not deferred.is_completed


async def test_repr_shows_the_value_once_it_is_there(deferred):
    assert repr(deferred) == "Deferred(pending)"
    deferred.complete("value")
    assert repr(deferred) == "Deferred('value')"
