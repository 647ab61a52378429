"""Runs one session in each of many event loops; prints how many loops are left."""

import asyncio
import gc
import sys
import weakref

from ktorws.server import WebSocketServer
from tests.stress.harness import LOOPS, client

LOOPS_RUN = 20


async def main():
    async with WebSocketServer() as server:

        @server.websocket("/")
        async def echo(session):
            async for frame in session.incoming:
                await session.send(frame)

        url = f"ws://127.0.0.1:{server.port}/"
        async with client() as http, http.ws(url) as session:
            await session.send("one")
            await session.incoming.receive()
    return weakref.ref(asyncio.get_running_loop())


if __name__ == "__main__":
    loops = []
    for _ in range(LOOPS_RUN):
        with asyncio.Runner(loop_factory=LOOPS[sys.argv[1]]) as runner:
            loops.append(runner.run(main()))
        del runner
    gc.collect()
    print(sum(loop() is not None for loop in loops))  # noqa: T201
