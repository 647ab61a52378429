"""Our client and the server of Node's ``ws``."""

import shutil
import subprocess

import pytest

from tests.interop.conftest import HERE
from tests.interop.scenarios import EVERY_HEAVY_SCENARIO, EVERY_LIGHT_SCENARIO, hold
from tests.network_fixtures import SECURE, client

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def server(start):
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js here")
    found = subprocess.run(
        [node, "-e", "require('ws')"], check=False, capture_output=True
    )
    if found.returncode:
        pytest.skip("Node's package ws is not on NODE_PATH; `make test` installs it")
    return start(node, str(HERE / "node_server.js"))


@SECURE
@EVERY_LIGHT_SCENARIO
async def test_a_conversation(scenario, secure, server):
    await hold(scenario, server, client(), secure=secure)


@SECURE
@EVERY_HEAVY_SCENARIO
@pytest.mark.asyncio(loop_factories=["asyncio"])
async def test_much_of_it(scenario, secure, server):
    await hold(scenario, server, client(max_frame_size=1 << 25), secure=secure)
