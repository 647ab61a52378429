"""Other clients under the same attacks, for comparison; the same JSON as `subject`.

Each gets the limits of the scenario by the names that it knows, and its own idiom.
"""

import asyncio
import contextlib
import functools
import sys
import time

from tests.hostile.subject import BLOCK, PATIENCE, resolving, serve, warm_up


class _Websockets:
    """The `websockets` package, or what has its interface."""

    def __init__(self, module):
        self._module = module

    async def open(self, task):
        options = task["options"]
        context = {}
        if task["ca"]:
            import ssl

            context["ssl"] = ssl.create_default_context(cafile=task["ca"])
        self._session = await self._module.connect(
            task["url"],
            max_size=options["max_frame_size"],
            open_timeout=options.get("open_timeout", 10),
            close_timeout=options.get("close_timeout", 10),
            ping_interval=options.get("ping_interval"),
            ping_timeout=options.get("timeout"),
            compression="deflate" if "deflate" in options else None,
            additional_headers=task["request"].get("headers"),
            **context,
        )

    async def receive(self):
        return await self._session.recv()

    async def send(self, data):
        await self._session.send(data)

    async def close(self):
        await self._session.close()


class _Aiohttp:
    _session = None

    async def open(self, task):
        import aiohttp

        options = task["options"]
        context = True
        if task["ca"]:
            import ssl

            context = ssl.create_default_context(cafile=task["ca"])
        self._http = aiohttp.ClientSession()
        timeout = aiohttp.ClientWSTimeout(ws_close=options.get("close_timeout", 10))
        async with asyncio.timeout(options.get("open_timeout", 10)):
            self._session = await self._http.ws_connect(
                task["url"],
                max_msg_size=options["max_frame_size"],
                heartbeat=options.get("ping_interval"),
                timeout=timeout,
                compress=15 if "deflate" in options else 0,
                headers=task["request"].get("headers"),
                ssl=context,
            )

    async def receive(self):
        import aiohttp

        message = await self._session.receive()
        if message.type is aiohttp.WSMsgType.ERROR:
            raise message.data
        if message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
            return message.data
        raise ConnectionError(f"{message.type.name} {self._session.close_code}")

    async def send(self, data):
        await self._session.send_bytes(data)

    async def close(self):
        if self._session is not None:
            await self._session.close()
        await self._http.close()


def _aiohttp():
    import aiohttp  # noqa: F401  so that importing it is not counted as memory

    return _Aiohttp


def _websockets():
    from websockets.asyncio import client

    return functools.partial(_Websockets, client)


def _picows():
    from picows import websockets

    return functools.partial(_Websockets, websockets)


CLIENTS = {"aiohttp": _aiohttp, "websockets": _websockets, "picows": _picows}


async def _act(client, task, fields):
    act, hold = task["act"], task["hold"]
    if act == "ignore":
        await asyncio.sleep(hold)
    elif act == "close":
        await asyncio.sleep(hold)
        await client.close()
    elif act == "send":
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(hold):
                while True:
                    await client.send(BLOCK)
        await asyncio.wait_for(client.close(), 5)
    else:
        while True:
            message = await client.receive()
            fields["messages"] += 1
            del message


async def attacked(make, task):
    """Open one session and do what the scenario says."""
    client = make()
    fields = {"client": task["peer"], "opened": False, "error": None, "messages": 0}
    began = time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            with resolving(task["resolver"]):
                await client.open(task)
            fields["opened"] = True
            await _act(client, task, fields)
    except Exception as error:
        fields["error"] = type(error).__name__
        fields["text"] = str(error)[:200]
        fields["seconds"] = time.monotonic() - began
        if fields["seconds"] >= PATIENCE:
            fields["error"] = "nothing"
    if fields["error"] is None:
        fields["seconds"] = time.monotonic() - began
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.close(), 2)
    return fields


if __name__ == "__main__":
    make = CLIENTS[sys.argv[1]]()
    asyncio.run(warm_up())
    serve({"client": functools.partial(attacked, make)})
