"""The ways out, compiled and plain: the coroutine of `send`, and the cork."""

import asyncio
import collections.abc
import gc
import importlib
import inspect
import os
import warnings
from types import SimpleNamespace

import pytest

from ktorws.frame import Frame, FrameEncoder
from tests.mocking import begun

NAMES = {"cython": "ktorws._sending", "python": "ktorws._sending_py"}


@pytest.fixture(params=NAMES.values(), ids=NAMES)
def sending(request):
    """Each in turn; the compiled one must be there where it was asked for."""
    name = request.param
    if os.environ.get("KTORWS_REQUIRE_CYTHON"):
        return importlib.import_module(name)
    return pytest.importorskip(name, exc_type=ModuleNotFoundError)


# A sender's coroutine.


@pytest.fixture
def sender(sending):
    class Sender(sending.FrameSender):
        def __init__(self):
            self.written = []
            self.turn = asyncio.get_running_loop().create_future()
            super().__init__(self.written.append)

        async def _send_held(self, frame):
            await self.turn
            self.written.append(f"held {frame}")

    return Sender


async def test_a_frame_that_may_leave_is_sent_in_one_step(sender):
    it = sender()
    with pytest.raises(StopIteration) as ended:
        it.send("one").send(None)
    assert ended.value.value is None
    assert await it.send("two") is None
    assert it.written == ["one", "two"]


async def test_every_way_to_step_is_the_same(sending, sender):
    it = sender()
    if sending.__name__.endswith("_py"):
        pytest.skip("A coroutine of Python's has one way")
    with pytest.raises(StopIteration) as ended:
        next(it.send("one"))
    assert ended.value.value is None
    with pytest.raises(StopIteration):
        it.send("two").__next__()
    it._held = True
    held = it.send("three")
    assert next(held) is it.turn
    held.close()
    it._held = False
    assert list(it.send("four")) == []
    it._write = it.refuse = lambda frame: 1 / 0
    with pytest.raises(ZeroDivisionError):
        next(it.send("five"))
    assert it.written == ["one", "two", "four"]


async def test_it_is_a_coroutine_to_all_who_ask(sender):
    it = sender()
    one = it.send("one")
    assert asyncio.iscoroutine(one)
    assert inspect.isawaitable(one)
    assert isinstance(one, collections.abc.Coroutine)
    assert one.__name__ == "send"
    assert one.__qualname__.endswith(".send")
    await asyncio.create_task(one)
    await asyncio.gather(it.send("two"), it.send("three"))
    await asyncio.wait_for(it.send("four"), 5)
    async with asyncio.TaskGroup() as group:
        assert "send" in repr(group.create_task(it.send("five")))
    assert it.written == ["one", "two", "three", "four", "five"]


async def test_nothing_is_sent_before_it_runs(sender):
    it = sender()
    task = asyncio.create_task(it.send("one"))
    assert it.written == []
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert it.written == []


async def test_one_that_was_never_awaited_is_told_of(sender):
    it = sender()
    with pytest.warns(RuntimeWarning, match=r"send' was never awaited"):
        del [it.send("one")][0]
    assert it.written == []


async def test_one_that_was_closed_or_thrown_into_is_not(sender):
    it = sender()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        it.send("one").close()
        two = it.send("two")
        with pytest.raises(KeyError, match="why"):
            two.throw(KeyError("why"))
        gc.collect()
    with pytest.raises(RuntimeError, match="cannot reuse"):
        two.send(None)
    assert it.written == []


async def test_it_is_over_after_an_end_of_either_kind(sender):
    it = sender()
    one = it.send("one")
    await one
    with pytest.raises(RuntimeError, match="cannot reuse"):
        await one
    it._held = True
    two = it.send("two")
    it.turn.set_result(None)
    await two
    with pytest.raises(RuntimeError, match="cannot reuse"):
        await two
    assert it.written == ["one", "held two"]


@pytest.mark.parametrize("why", ["held", "close"])
async def test_the_subclass_sends_what_is_held_and_every_close_frame(sender, why):
    it = sender()
    it._held = why == "held"
    frame = "one" if why == "held" else Frame.Close()
    task = await begun(it.send(frame))
    assert it.written == []
    it.turn.set_result(None)
    await task
    assert it.written == [f"held {frame}"]


async def test_what_is_held_can_be_cancelled(sender):
    it = sender()
    it._held = True
    task = await begun(it.send("one"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert it.turn.cancelled()
    assert it.written == []


async def test_errors_arrive_as_they_are(sender):
    it = sender()
    failure = ValueError("no")

    def refuse(frame):
        raise failure

    it._write = refuse
    with pytest.raises(ValueError, match="no") as caught:
        await it.send("one")
    assert caught.value is failure
    it._held = True
    it.turn.set_exception(failure)
    with pytest.raises(ValueError, match="no") as caught:
        await it.send("two")
    assert caught.value is failure


async def test_what_is_thrown_in_reaches_what_is_held(sender):
    it = sender()
    it._held = True
    one = it.send("one")
    assert one.send(None) is it.turn
    with pytest.raises(KeyError):
        one.throw(KeyError("x"))
    with pytest.raises(RuntimeError, match="cannot reuse"):
        one.send(None)
    it.turn = asyncio.get_running_loop().create_future()
    two = it.send("two")
    assert two.send(None) is it.turn
    two.close()
    with pytest.raises(RuntimeError, match="cannot reuse"):
        two.send(None)
    with pytest.raises(RuntimeError, match="cannot reuse"):
        two.throw(KeyError("x"))
    assert it.written == []


# The cork.


class Corked:
    def __init__(self, sending, limit=1000):
        self.encoder = FrameEncoder(masking=False)
        self.cork = sending.Cork(asyncio.get_running_loop(), self.encoder, limit)
        self.octets, self.reached = [], 0
        self.cork.open(SimpleNamespace(write=self.octets.append), self._reach)

    def _reach(self):
        self.reached += 1


async def test_two_frames_leave_at_once_and_the_others_together(sending):
    it = Corked(sending)
    for text in "abcd":
        it.cork.write(text)
    assert it.octets == [b"\x81\x01a", b"\x81\x01b"]
    await asyncio.sleep(0)
    assert it.octets[2:] == [b"\x81\x01c\x81\x01d"]
    for text in "efg":  # anew
        it.cork.write(text)
    assert it.octets[3:] == [b"\x81\x01e", b"\x81\x01f"]


async def test_the_limit_is_told_and_sends_what_was_gathered(sending):
    it = Corked(sending)
    for text in ("a", "b", "c", "d" * 1000, "e"):
        it.cork.write(text)
    assert it.reached == 1
    assert [len(octets) for octets in it.octets] == [3, 3, 3 + 1004]
    await asyncio.sleep(0)
    assert it.octets[3:] == [b"\x81\x01e"]


async def test_a_read_begins_anew_unless_frames_are_gathered(sending):
    it = Corked(sending)
    for text in "abc":
        it.cork.write(text)
        it.cork.begin_anew()
    assert len(it.octets) == 3
    for text in "def":
        it.cork.write(text)
    assert len(it.octets) == 5
    it.cork.begin_anew()
    it.cork.write("g")  # behind "f"
    assert len(it.octets) == 5
    await asyncio.sleep(0)
    assert it.octets[5:] == [b"\x81\x01f\x81\x01g"]


async def test_nothing_leaves_while_the_transport_is_full(sending):
    it = Corked(sending)
    it.cork.write("a")
    it.cork.write("b")
    it.cork.pause()
    assert it.cork.is_full
    assert it.cork.is_gathering
    it.cork.write("c" * 2000)
    await asyncio.sleep(0)
    it.cork.write_gathered()
    assert len(it.octets) == 2
    it.cork.is_full = False
    it.cork.write_gathered()
    assert len(it.octets) == 3
    it.cork.write_gathered()
    assert len(it.octets) == 3


async def test_a_transport_that_pauses_within_a_write_gets_no_more(sending):
    it = Corked(sending)
    transport = SimpleNamespace(write=lambda _octets: it.cork.pause())
    it.cork.open(transport, it._reach)
    it.cork.write("a")
    it.cork.write("b")
    assert it.encoder.pending == 3


async def test_a_frame_that_is_refused_changes_nothing(sending):
    it = Corked(sending)
    for _ in range(3):
        with pytest.raises(TypeError):
            it.cork.write(7)
    for text in "abc":
        it.cork.write(text)
    with pytest.raises(TypeError):
        it.cork.write(7)
    await asyncio.sleep(0)
    assert it.octets == [b"\x81\x01a", b"\x81\x01b", b"\x81\x01c"]


async def test_a_closed_one_forgets_the_transport_and_sends_nothing(sending):
    it = Corked(sending)
    for text in "abc":
        it.cork.write(text)
    it.cork.close()
    it.cork.write("d")
    await asyncio.sleep(0)
    it.cork.write_gathered()
    assert len(it.octets) == 2
    referred = gc.get_referents(it.cork)
    assert not any(getattr(one, "__self__", None) is it.octets for one in referred)


async def test_a_closed_one_gathers_on_beyond_its_limit(sending):
    it = Corked(sending)
    it.cork.pause()
    it.cork.write("a" * 2000)
    it.cork.close()
    it.cork.write("b" * 2000)
    it.cork.is_full = False
    it.cork.write_gathered()
    assert it.reached == 1
    assert it.octets == []


async def test_it_is_never_half_made(sending):
    with pytest.raises((TypeError, AttributeError)):
        sending.Cork.__new__(sending.Cork).write("a")


async def test_in_debug_mode_every_second_frame_asks_the_loop(sending):
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    it = Corked(sending)
    it.cork.write("a")
    it.cork.write("b")
    assert it.octets == [b"\x81\x01a"]
    await asyncio.sleep(0)
    assert it.octets == [b"\x81\x01a", b"\x81\x01b"]
    with pytest.raises(RuntimeError):
        await asyncio.to_thread(it.cork.write, "c")
