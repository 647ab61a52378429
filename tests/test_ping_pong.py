"""When the pinger pings, and when it gives a peer up."""

import math
import random

import pytest

from ktorws.engines.mock import MockClock
from ktorws.ping_pong import PINGER_DISABLED, Pinger

FOREIGN = b"nobody asked"


class Pinging:
    """A pinger, its clock, and what it did."""

    def __init__(self):
        self.clock = MockClock()
        self.pings = []
        self.deaf = 0.0
        self.died_at = None
        self.pinger = Pinger(
            self.clock,
            send=lambda frame: self.pings.append((self.clock.time(), frame.data)),
            deafness=lambda: self.deaf,
            dead=self.die,
        )

    def die(self):
        assert self.died_at is None
        self.died_at = self.clock.time()

    def pong(self):
        self.pinger.pong(self.pings[-1][1])

    @property
    def times(self):
        return [time for time, _ in self.pings]


@pytest.fixture
def pinging():
    return Pinging()


async def test_ktors_value_for_no_pings():
    assert PINGER_DISABLED == 0


async def test_the_first_ping_goes_out_after_one_interval(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(9.999)
    assert pinging.times == []
    await pinging.clock.advance(0.001)
    assert pinging.times == [10]


async def test_the_next_ping_goes_out_one_interval_after_the_pong(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(13)
    pinging.pong()
    await pinging.clock.advance(9.999)
    assert pinging.times == [10]
    await pinging.clock.advance(0.001)
    assert pinging.times == [10, 23]


async def test_only_one_ping_is_outstanding(pinging):
    pinging.pinger.start(1, 50)
    await pinging.clock.advance(49)
    assert pinging.times == [1]


async def test_each_ping_has_a_payload_that_cannot_be_guessed(pinging):
    pinging.pinger.start(1, 1)
    for _ in range(20):
        await pinging.clock.advance(1)
        pinging.pong()
    payloads = {payload for _, payload in pinging.pings}
    assert len(payloads) == 20
    assert all(16 <= len(payload) <= 125 for payload in payloads)


async def test_a_missing_pong_is_noticed_at_interval_plus_timeout_exactly(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(14.999)
    assert pinging.died_at is None
    await pinging.clock.advance(0.001)
    assert pinging.died_at == pytest.approx(15, abs=1e-5)


@pytest.mark.parametrize("limit", [0.001, 0.1, 1 / 3, 7, 15, 86_400])
async def test_any_timeout_is_kept_exactly(pinging, limit):
    pinging.pinger.start(1, limit)
    await pinging.clock.advance(limit * 2 + 2)
    assert pinging.died_at == pytest.approx(1 + limit, rel=1e-6)


async def test_a_pong_at_the_last_moment_counts(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(14.999)
    pinging.pong()
    await pinging.clock.advance(10)
    assert pinging.died_at is None
    assert len(pinging.pings) == 2


async def test_another_pong_changes_nothing(pinging):
    pinging.pinger.start(10, 5)
    pinging.pinger.pong(FOREIGN)
    pinging.pinger.pong(b"")
    await pinging.clock.advance(12)
    pinging.pinger.pong(FOREIGN)
    pinging.pinger.pong(pinging.pings[0][1][:-1])
    await pinging.clock.advance(5)
    assert pinging.times == [10]
    assert pinging.died_at == pytest.approx(15)
    assert pinging.pinger.latency is None


async def test_a_pong_counts_once(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(11)
    pinging.pong()
    await pinging.clock.advance(5)
    pinging.pong()
    await pinging.clock.advance(5)
    assert pinging.times == [10, 21]


async def test_the_pong_of_an_earlier_ping_does_not_count(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(10)
    pinging.pong()
    await pinging.clock.advance(10)
    pinging.pinger.pong(pinging.pings[0][1])
    await pinging.clock.advance(5)
    assert pinging.died_at == pytest.approx(25)


async def test_after_a_death_there_is_no_ping(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(100)
    assert pinging.times == [10]
    assert pinging.clock.pending == 0


async def test_no_interval_means_no_pings(pinging):
    pinging.pinger.start(None, 5)
    await pinging.clock.advance(1000)
    assert pinging.pings == []
    assert pinging.clock.pending == 0


async def test_stopping_leaves_no_timer(pinging):
    pinging.pinger.start(10, 5)
    pinging.pinger.stop()
    assert pinging.clock.pending == 0
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(12)
    pinging.pinger.stop()
    assert pinging.clock.pending == 0
    pinging.pong()
    assert pinging.clock.pending == 0


async def test_starting_again_begins_a_new_interval(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(9)
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(9.999)
    assert pinging.times == []
    await pinging.clock.advance(0.001)
    assert pinging.times == [19]


async def test_starting_again_forgets_the_outstanding_ping(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(14)
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(2)
    assert pinging.died_at is None
    pinging.pong()
    assert pinging.pinger.latency is None


async def test_latency_is_the_last_round_trip(pinging):
    assert pinging.pinger.latency is None
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(10.25)
    pinging.pong()
    assert pinging.pinger.latency == pytest.approx(0.25)
    await pinging.clock.advance(13)
    pinging.pong()
    assert pinging.pinger.latency == pytest.approx(3)


# Time in which this side could not have heard an answer.


async def test_time_without_reading_does_not_count(pinging):
    pinging.pinger.start(10, 4)
    await pinging.clock.advance(10)
    for _ in range(20):  # reading is paused for ten seconds
        await pinging.clock.advance(0.5)
        pinging.deaf += 0.5
    assert pinging.died_at is None
    await pinging.clock.advance(3.4)
    assert pinging.died_at is None
    await pinging.clock.advance(1.2)
    assert pinging.died_at is not None


async def test_a_dead_peer_is_found_although_reading_pauses_now_and_then(pinging):
    pinging.pinger.start(10, 4)
    await pinging.clock.advance(10)
    while pinging.died_at is None and pinging.clock.time() < 100:
        await pinging.clock.advance(0.25)
        pinging.deaf += 0.25
        await pinging.clock.advance(0.25)
    assert pinging.died_at == pytest.approx(18, abs=1.1)


async def test_a_loop_that_stood_still_is_not_held_against_the_peer(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(11)
    await pinging.clock.jump(60)
    assert pinging.died_at is None
    pinging.pong()  # it had lain in the socket
    await pinging.clock.advance(5)
    assert pinging.died_at is None


async def test_a_stall_just_before_the_deadline_leaves_time_to_listen(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(14.9)
    await pinging.clock.jump(60)
    assert pinging.died_at is None
    await pinging.clock.advance(0.1)
    pinging.pong()
    await pinging.clock.advance(5)
    assert pinging.died_at is None


async def test_a_dead_peer_is_found_after_a_stall(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(12)
    await pinging.clock.jump(60)
    await pinging.clock.advance(5)
    assert pinging.died_at is not None


async def test_a_dead_peer_is_found_although_the_loop_stalls_again_and_again(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.advance(10)
    for _ in range(12):
        await pinging.clock.jump(3)
    assert pinging.died_at is not None


async def test_a_stall_before_the_ping_changes_nothing(pinging):
    pinging.pinger.start(10, 5)
    await pinging.clock.jump(60)
    assert pinging.times == [60]
    await pinging.clock.advance(4.999)
    assert pinging.died_at is None
    await pinging.clock.advance(0.001)
    assert pinging.died_at == pytest.approx(65)


# A loop that has too much to do.


async def found_after(pinging, turn):
    """When a loop whose every turn takes so long finds a dead peer, after its ping."""
    pinging.pinger.start(10, 8)
    await pinging.clock.advance(10)
    while pinging.died_at is None and pinging.clock.time() < 1000:
        await pinging.clock.jump(turn)
    return pinging.died_at - 10


@pytest.mark.parametrize("turn", [0.01, 0.3, 0.6, 0.99, 1.01, 1.4, 1.6, 2, 2.6])
async def test_a_late_loop_finds_a_dead_peer_in_twice_the_timeout(pinging, turn):
    assert 8 <= await found_after(pinging, turn) <= 16


async def test_a_loop_that_stalls_again_and_again_listens_six_times(pinging):
    assert await found_after(pinging, 100) == 600


@pytest.mark.parametrize("delay", [0.1, 3, 7.9])
async def test_a_peer_that_answers_is_never_blamed_however_late_the_loop(delay):
    for seed in range(20):
        chance = random.Random(seed)
        pinging = Pinging()
        pinging.pinger.start(10, 8)
        for _ in range(100):
            await pinging.clock.jump(chance.choice((0.1, 0.4, 1, 2, 5, 60, 3600)))
            sent_at, payload = pinging.pings[-1] if pinging.pings else (math.inf, b"")
            if pinging.clock.time() >= sent_at + delay:  # the loop polls the socket
                pinging.pinger.pong(payload)
        assert pinging.died_at is None
        assert len(pinging.pings) > 5


async def test_a_stall_while_reading_was_paused_counts_what_was_heard(pinging):
    pinging.pinger.start(10, 8)
    await pinging.clock.advance(10)
    pinging.deaf += 60
    await pinging.clock.jump(60.5)
    assert pinging.died_at is None
    await pinging.clock.advance(7.4)
    assert pinging.died_at is None
    await pinging.clock.advance(0.2)
    assert pinging.died_at is not None
