"""The hostile matrix: every scenario, the side under attack in its own process."""

import asyncio
import pathlib

import pytest

from tests.hostile.run_one import by_name, names, run

pytestmark = [
    pytest.mark.timeout(90),
    pytest.mark.skipif(
        not pathlib.Path("/proc/self/clear_refs").exists(),
        reason="peak memory is measured by Linux's /proc",
    ),
]

ALL = names()
#: On the other loop and over TLS, where octets come in other portions and both ends
#: of a connection are another's code.
ELSEWHERE = [
    name
    for name in ALL
    if by_name(name)[1].known is None
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
            "Close ",
        )
    )
]


def test_scenarios_have_names_of_their_own():
    assert len(set(ALL)) == len(ALL)


@pytest.mark.parametrize("name", ALL)
def test_a_scenario_ends_as_it_must(name):
    result = asyncio.run(run(name))
    if known := by_name(name)[1].known:
        pytest.xfail(known)
    assert not result["wrong"], result


@pytest.mark.parametrize("name", ELSEWHERE)
def test_so_it_does_on_uvloop(name):
    pytest.importorskip("uvloop")
    result = asyncio.run(run(name, loop="uvloop"))
    assert not result["wrong"], result


@pytest.mark.parametrize("name", [n for n in ELSEWHERE if "half-close" not in n])
def test_so_it_does_over_tls(name):
    result = asyncio.run(run(name, tls=True))
    assert not result["wrong"], result
