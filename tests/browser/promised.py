"""Holds the promises of every engine against `Js`, inside Pyodide."""

from ktorws import Js
from tests.engines import promises
from tests.engines.promises import base as written


async def hold(name, base, dead):
    await promises.hold(name, Js(), base, dead)


async def ask_for(option, base):
    # A socket of Emscripten's is a WebSocket in disguise, and would visit the server.
    written._socket_to = lambda _base: object()
    return await promises.ask_for(option, Js(), base)
