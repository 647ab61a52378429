"""Bad cables lose, delay, repeat and shuffle packets: the session does not show it."""

import collections

import pytest

from tests.faults.network import FAR_BY_RELAY
from tests.faults.traffic import NORMAL, echoes
from tests.stress.harness import run

DELAY = 0.05
PINGS = {"ping_interval": 0.2, "timeout": 5}
FAULTS = {
    "delayed": {"delay": DELAY, "jitter": 0.03},
    "reordered": {"delay": 0.005, "reorder": 0.2},
    "duplicated": {"delay": 0.005, "duplicate": 0.2},
    "lost": {
        "delay": 0.005,
        "jitter": 0.01,
        "lose": 0.02,
        "reorder": 0.1,
        "duplicate": 0.1,
    },
}

pytestmark = pytest.mark.timeout(60)


@pytest.mark.parametrize("kind", FAULTS)
def test_nothing_is_lost_doubled_or_torn_on_a_bad_cable(network, opened, loop, kind):
    faults, counts = FAULTS[kind], collections.Counter()

    async def main():
        async with opened("echo", host=FAR_BY_RELAY, **PINGS) as session:
            await echoes(session, 250)
            assert session.latency > 2 * faults["delay"]
            await session.close()
            assert await session.close_reason == NORMAL

    with network.relay(counts, **faults):
        run(main(), loop)
    assert counts[kind] > 5, counts


@pytest.mark.parametrize("percent", [1, 3])
def test_nothing_is_lost_where_packets_are(network, opened, loop, percent):
    async def main():
        async with opened("echo", **PINGS) as session:
            network.lose(percent / 100)
            await echoes(session, 400)
            await session.close()
            assert await session.close_reason == NORMAL

    run(main(), loop)
    assert network.heal() > 0
