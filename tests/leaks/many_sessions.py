"""Opens and closes thousands of sessions; prints what they left behind, as JSON.

Objects of any type, bytes of Python's allocator, bytes of resident memory, and
references to what all sessions share; each above what a tenth as many had left.
Half of the sessions offer compression, which the peer declines; some end by an error
or without a closing handshake.
"""

import asyncio
import contextlib
import json
import sys
import tracemalloc

from ktorws import Frame
from ktorws.deflate import WebSocketDeflateExtension
from tests.leaks.growth import growth, held
from tests.stress.harness import LOOPS, client


class OnPurposeError(Exception):
    pass


async def talk(http, url, number):
    async with http.ws(url) as session:
        await session.send("é" * 50)
        await session.send(Frame.Binary(bytes(200)))
        for _ in range(2):
            await session.incoming.receive()
        if number % 10 == 1:
            raise OnPurposeError
        if number % 10 == 2:
            session.cancel()


async def sessions(https, url, count):
    for number in range(count):
        http = https[number % len(https)]
        with contextlib.suppress(OnPurposeError):
            await talk(http, url, number // len(https))
    await asyncio.sleep(0.2)


async def main(url, count):
    deflate = WebSocketDeflateExtension.install(memory_level=1)
    async with client() as plain, client(extensions=[deflate]) as offering:
        await sessions([plain, offering], url, count // 10)
        before = held()
        await sessions([plain, offering], url, count)
        return growth(before, held())


if __name__ == "__main__":
    loop, url, count = sys.argv[1:]
    tracemalloc.start()
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        print(json.dumps(runner.run(main(url, int(count)))))  # noqa: T201
