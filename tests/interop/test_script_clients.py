"""Clients in JavaScript, in Node.js and in a browser, and our server."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import urllib.parse

import pytest

from tests.interop.catalogue import BY_HAND, PEERS, node_has_ws
from tests.interop.ours import Ours
from tests.network_fixtures import SECURE

pytestmark = [
    pytest.mark.interop,
    pytest.mark.asyncio(loop_factories=["asyncio"]),
    pytest.mark.timeout(100),
]

SCRIPT = PEERS / "w3c_client.js"
DEFLATE = pytest.mark.parametrize("deflate", [False, True], ids=["raw", "deflate"])
BROWSER = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--ignore-certificate-errors",
]


@contextlib.asynccontextmanager
async def running(*command, **environment):
    """A program and its children, until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        _, errors = await process.communicate()
        print(errors.decode(errors="replace")[-2000:])  # noqa: T201  shown on failure


async def told(server):
    """What the script reports: nothing but None, as none failed."""
    async with asyncio.timeout(60):
        results = json.loads(await server.results.get())
    assert len(results) >= 13
    assert {name: wrong for name, wrong in results.items() if wrong} == {}


@pytest.mark.peer("client node-ws")
@DEFLATE
@SECURE
async def test_node(secure, deflate, certificate):
    if not node_has_ws():
        pytest.skip("Node's package ws is not on NODE_PATH; `make interop` installs it")
    async with Ours(secure=secure, deflate=deflate) as server:
        settings = {"url": server.url(), "offer": deflate, "agreed": deflate}
        command = "node", str(SCRIPT), json.dumps(settings)
        async with running(*command, NODE_EXTRA_CA_CERTS=certificate[2]):
            await told(server)


@pytest.mark.peer("client chromium")
@pytest.mark.heavy
@DEFLATE
@SECURE
async def test_chromium(secure, deflate, tmp_path):
    # It always offers compression; our server declines where it has none.
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip(f"there is no chromium here; {BY_HAND}")
    page = tmp_path / "page.html"
    page.write_text(f'<meta charset="utf-8"><script>{SCRIPT.read_text()}</script>')
    async with Ours(secure=secure, deflate=deflate) as server:
        settings = json.dumps({"url": server.url(), "agreed": deflate})
        address = f"{page.as_uri()}#{urllib.parse.quote(settings)}"
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        async with running(chromium, *BROWSER, profile, address):
            await told(server)
