"""The Js engine inside Pyodide, in Node and in Chromium, against servers out here."""

import ast
import socket

import pytest

from tests.browser.far import Far, code_of
from tests.browser.hosts import ROOT

INSIDE = "tests.browser.inside"
SOURCE = (ROOT / "tests/browser/inside.py").read_text("utf-8")
HELPERS = {"raised", "refused"}
NAMES = [
    node.name
    for node in ast.parse(SOURCE).body
    if isinstance(node, ast.AsyncFunctionDef) and node.name not in HELPERS
]

pytestmark = [
    pytest.mark.asyncio(loop_factories=["asyncio"]),
    pytest.mark.timeout(120),
]


async def test_the_conversation_is_the_one_of_every_engine(host):
    far = Far()
    async with far.serving():
        await host.call("tests.conversation", "check", "127.0.0.1", far.server.port)


@pytest.mark.parametrize("name", NAMES)
async def test_inside(host, name):
    far = Far()
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # its port is taken, but not listened on
        dead = f"ws://127.0.0.1:{nobody.getsockname()[1]}/"
        async with far.serving() as addresses:
            await host.call(INSIDE, name, addresses | {"dead": dead})
            await seen(far, name)


async def seen(far, name):
    """What some of them must have left out here."""
    match name:
        case "codes_that_a_program_may_use_arrive_and_the_others_as_none":
            codes = [code_of(payload) for payload in far.closes]
            assert codes == [1000, 4001, 1005, 1005, 1005, 1000]
            assert far.closes[1][2:].decode() == "Grüße"
        case (
            "a_cancelled_opening_closes_its_socket"
            | "a_server_that_never_answers_is_left_after_the_open_timeout"
        ):
            await far.gone.wait()
