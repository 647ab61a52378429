"""When a peer has been silent for too long, by a clock that tests control."""

from ktorws import MockClock
from ktorws.engines._silence import Silence


class Listening:
    """A `Silence` and all that it looks at."""

    def __init__(self, timeout=8.0):
        self.clock = MockClock()
        self.reads = 0
        self.deaf = 0.0
        self.died = []
        self.silence = Silence(
            self.clock,
            timeout,
            heard=lambda: self.reads,
            deafness=lambda: self.deaf,
            dead=lambda error: self.died.append((self.clock.time(), str(error))),
        )
        self.silence.start()


async def test_silence_is_found_when_the_time_is_over():
    it = Listening()
    await it.clock.advance(7.9)
    assert it.died == []
    await it.clock.advance(0.1)
    assert it.died == [(8, "Nothing came from the peer for 8 s")]
    assert it.clock.pending == 0


async def test_whatever_comes_begins_it_anew():
    it = Listening()
    for _ in range(5):
        await it.clock.advance(7.5)
        it.reads += 1
    assert it.died == []
    await it.clock.advance(9)  # an eighth late, as what came was seen that much later
    assert len(it.died) == 1


async def test_time_in_which_we_did_not_read_does_not_count():
    it = Listening()
    for _ in range(20):
        await it.clock.advance(1)
        it.deaf += 1
    assert it.died == []
    await it.clock.advance(9)
    assert len(it.died) == 1


async def test_a_loop_that_stood_still_listens_once_more():
    it = Listening()
    await it.clock.advance(7.5)
    await it.clock.jump(100)
    assert it.died == []
    it.reads += 1  # it was in the socket
    await it.clock.advance(8)
    assert it.died == []


async def test_a_loop_that_stands_still_now_and_then_finds_it_all_the_same():
    it = Listening()
    for _ in range(9):
        await it.clock.jump(3)
    assert len(it.died) == 1


async def test_nothing_is_found_after_the_end():
    it = Listening()
    await it.clock.advance(4)
    it.silence.stop()
    it.silence.stop()
    assert it.clock.pending == 0
    await it.clock.advance(100)
    assert it.died == []
