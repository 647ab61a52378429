"""Our client and the server of ``aiohttp``."""

import pytest

from tests.interop.scenarios import EVERY_HEAVY_SCENARIO, EVERY_LIGHT_SCENARIO, hold
from tests.network_fixtures import SECURE, client

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def server(start_python):
    return start_python("aiohttp_server.py")


@SECURE
@EVERY_LIGHT_SCENARIO
async def test_a_conversation(scenario, secure, server):
    await hold(scenario, server, client(), secure=secure)


@SECURE
@EVERY_HEAVY_SCENARIO
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_much_of_it(scenario, secure, server):
    await hold(scenario, server, client(max_frame_size=1 << 25), secure=secure)
