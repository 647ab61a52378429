"""The suite of every engine, held by Js in Node and in Chromium."""

import re
from typing import ClassVar

import pytest

pytest.importorskip("tests.engines.promises")

from tests.engines.adapters import Adapter
from tests.engines.promises import LIMITS, OPTIONS, PROMISES

INSIDE = "tests.browser.promised"

pytestmark = pytest.mark.timeout(120)
one_loop = pytest.mark.asyncio(loop_factories=["asyncio"])


class OfJs(Adapter):
    """Js in one of the hosts; `docs/engines-js.md` has the limits."""

    limits: ClassVar = {
        "channels": "a browser does not stop reading",
        "dropping a connection": "an abandoned connection is the browser's",
        "every close code": "a program may send 1000 and 3000 to 4999 only",
        "extensions": "a browser agrees on its own",
        "headers": "a browser sends none but its own",
        "opening without the subprotocol that was asked for": "a browser refuses it",
        "ping_interval": "a browser sends no pings for a program",
        "raw": "a browser shows no frames, only messages",
        "refusals": "a browser keeps the server's answer to itself",
        "response headers": "a browser keeps the server's answer to itself",
        "sock": "a browser makes its own connections",
        "stopping the peer": "a browser does not stop reading",
        "telling what a peer broke": "a browser tells of a loss only",
        "telling what is wrong with an answer": "a browser does not say why",
    }
    #: Chromium opens one connection to a host and port at a time, and sends a message
    #: in fragments as it likes: the far side counts frames.
    chromiums: ClassVar = {
        "a_cancelled_opening_leaves_nothing": (
            "its second connection waits for the first; test_js has it otherwise"
        ),
        "a_slow_peer_stops_the_sender_and_gets_everything": (
            "it sends a message in fragments; test_js counts the bytes"
        ),
        "a_cancelled_send_has_sent_nothing": (
            "it sends a message in fragments; test_js counts the bytes"
        ),
    }

    def __init__(self, host):
        self.name = f"Js-{host.kind}"
        self.host = host
        self.alone = self.chromiums if host.kind == "chromium" else {}

    async def hold(self, name):
        async with self.far_side() as (base, dead):
            await self.host.call(INSIDE, "hold", name, base, dead)

    async def ask_for(self, option):
        async with self.far_side() as (base, _):
            return await self.host.call(INSIDE, "ask_for", option, base)


@one_loop
@pytest.mark.parametrize("name", PROMISES)
async def test_a_promise_is_held(name, host):
    adapter = OfJs(host)
    for need in sorted(PROMISES[name].needs & adapter.limits.keys()):
        pytest.skip(f"{adapter}, {need}: {adapter.limits[need]}")
    if name in adapter.alone:
        pytest.skip(f"{adapter}: {adapter.alone[name]}")
    await adapter.hold(name)


@one_loop
@pytest.mark.parametrize("option", OPTIONS)
async def test_an_option_is_honoured_or_refused_by_name(option, host):
    adapter = OfJs(host)
    refusal = await adapter.ask_for(option)
    if option in adapter.limits:
        assert re.search(rf"\b{option}\b", refusal)
    else:
        assert refusal is None


def test_limits_are_ones_that_a_promise_or_an_option_has():
    assert OfJs.limits.keys() <= LIMITS | OPTIONS.keys()
    assert OfJs.chromiums.keys() <= PROMISES.keys()
