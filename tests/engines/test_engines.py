"""Every engine holds what `ktorws.engines.base` promises, or says why it cannot."""

import re

import pytest

from ktorws import HttpClientEngine
from tests.engines import promises
from tests.engines.adapters import ADAPTERS
from tests.engines.promises import LIMITS, OPTIONS, PROMISES

EACH = pytest.mark.parametrize("adapter", ADAPTERS, ids=str)


@EACH
@pytest.mark.parametrize("name", PROMISES)
async def test_a_promise_is_held(name, adapter):
    for need in sorted(PROMISES[name].needs & adapter.limits.keys()):
        pytest.skip(f"{adapter}, {need}: {adapter.limits[need]}")
    await adapter.hold(name)


@EACH
@pytest.mark.parametrize("option", OPTIONS)
async def test_an_option_is_honoured_or_refused_by_name(option, adapter):
    refusal = await adapter.ask_for(option)
    if option in adapter.limits:
        assert re.search(rf"\b{option}\b", refusal)
    else:
        assert refusal is None


def stated():
    """The promises' names, as the engine's docstring has them."""
    return re.findall(r"^    \* (\w+): ", HttpClientEngine.__doc__, re.MULTILINE)


def test_every_promise_that_is_stated_is_held_by_a_test():
    held = {each.holds for each in PROMISES.values()}
    assert held | {"options"} == set(stated())
    assert len(stated()) == len(set(stated()))


@EACH
def test_limits_are_ones_that_a_promise_or_an_option_has(adapter):
    assert adapter.limits.keys() <= LIMITS | OPTIONS.keys()


def test_every_limit_is_what_a_promise_needs():
    needed = {need for each in PROMISES.values() for need in each.needs}
    assert needed >= LIMITS


async def test_a_promise_that_is_broken_is_noticed():
    """The suite itself can fail: an engine that drops the first frame of a session."""

    class Forgetful(type(ADAPTERS[-1])):
        async def hold(self, name):
            async with self.far_side() as (base, dead), self.engine() as engine:
                open_ = engine.open

                async def forget(opening):
                    session = await open_(opening)
                    if "together" in opening.request.target:
                        session.incoming.try_receive()
                    return session

                engine.open = forget
                await promises.hold(name, engine, base, dead)

    with pytest.raises(AssertionError):
        await Forgetful().hold("answer_frames_and_close_may_come_at_once")
