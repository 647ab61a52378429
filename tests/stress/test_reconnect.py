"""A server that is killed again and again: every gap is told, and nothing else lost."""

import time

import pytest

from ktorws import ConnectionLostError, HandshakeLostError
from tests.stress.feeding import Feed, restarted
from tests.stress.harness import run

RESTARTS = 50

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def feed():
    with Feed() as feed:
        yield feed


def test_fifty_restarts_are_fifty_gaps_and_nothing_is_lost_between(loop, feed):
    seed = time.time_ns() % 1000
    books, memory = run(restarted(feed, RESTARTS, seed=seed), loop)
    books.check(RESTARTS)
    causes = {type(gap.cause) for gap in books.gaps}
    assert causes <= {ConnectionLostError, HandshakeLostError}, seed
    # What was booked is kept: 8 bytes of a list and 32 of an int for each number.
    booked = sum(map(len, books.sessions))
    grown = memory[-1][0] - memory[0][0]
    assert grown < 1_000_000 + 48 * booked, (seed, memory)
    assert max(alive for _, alive in memory) <= 4, (seed, memory)
