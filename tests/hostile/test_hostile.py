"""The hostile matrix: every scenario, the side under attack in its own process."""

import pathlib
from typing import NamedTuple

import pytest

from tests.hostile.lanes import Lanes
from tests.hostile.run_one import SCENARIOS
from tests.hostile.scenarios_client import CLIENT
from tests.hostile.scenarios_server import SERVER

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.skipif(
        not pathlib.Path("/proc/self/clear_refs").exists(),
        reason="peak memory is measured by Linux's /proc",
    ),
]


class Row(NamedTuple):
    """A scenario, and where it is played."""

    name: str
    loop: str = "asyncio"
    tls: bool = False

    def __str__(self):
        place = ", over TLS" if self.tls else ", on uvloop" * (self.loop == "uvloop")
        return self.name + place


#: Also on the other loop and over TLS, where octets come in other portions and both
#: ends of a connection are another's code.
ELSEWHERE = [
    name
    for name, (_, scenario) in SCENARIOS.items()
    if scenario.known is None
    and scenario.resolver is None  # it is put in asyncio's place
    and any(
        text in name
        for text in (
            "that nobody receives",
            "nobody reads",
            "never reads",
            "without end",
            "a bomb of",
            "exactly the limit",
            "octet by octet",
            "one at a time",
            "EOF within",
            "TLS cut",
            "Close ",
        )
    )
]
ROWS = [
    *(Row(name) for name in SCENARIOS),
    *(Row(name, loop="uvloop") for name in ELSEWHERE),
    *(
        Row(name, tls=True)
        for name in ELSEWHERE
        if not SCENARIOS[name][1].tls and "half-close" not in name
    ),
]


@pytest.fixture(scope="module")
def results(request):
    """Of the rows that were asked for; they run while the tests wait for them."""
    chosen = [
        item.callspec.params["row"]
        for item in request.session.items
        if item.module is request.module and hasattr(item, "callspec")
    ]
    with Lanes() as lanes:
        yield {
            row: lanes.submit(row.name, loop=row.loop, tls=row.tls) for row in chosen
        }


def test_scenarios_have_names_of_their_own():
    assert len(SCENARIOS) == len(CLIENT) + len(SERVER)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_it_ends_as_it_must(row, results):
    if row.loop == "uvloop":
        pytest.importorskip("uvloop")
    result = results[row].result()
    if known := SCENARIOS[row.name][1].known:
        pytest.xfail(known)
    assert not result["wrong"], result
