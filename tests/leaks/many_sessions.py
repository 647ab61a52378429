"""Opens and closes thousands of sessions; prints what they left behind, as JSON.

Objects of any type, bytes of Python's allocator, bytes of resident memory, and
references to what all sessions share; each above what a tenth as many had left.
Half of the sessions compress, some end by an error or without a handshake.
"""

import asyncio
import collections
import contextlib
import gc
import json
import sys
import tracemalloc

import ktorws
from ktorws import Frame
from ktorws.deflate import WebSocketDeflateExtension
from ktorws.frame_type import FrameType
from tests.stress.harness import LOOPS, client, resident

SHARED = [
    *(value for value in vars(ktorws).values() if isinstance(value, type)),
    *FrameType,
]


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
    gc.collect()


def measured():
    kinds = collections.Counter(type(thing).__qualname__ for thing in gc.get_objects())
    references = {repr(thing): sys.getrefcount(thing) for thing in SHARED}
    return kinds, references, tracemalloc.get_traced_memory()[0], resident()


async def main(url, count):
    deflate = WebSocketDeflateExtension.install(memory_level=1)
    async with client() as plain, client(extensions=[deflate]) as deflating:
        await sessions([plain, deflating], url, count // 10)
        kinds, references, traced, memory = measured()
        await sessions([plain, deflating], url, count)
        kinds_now, references_now, traced_now, memory_now = measured()
    return {
        "objects": {k: n for k, n in (kinds_now - kinds).items() if n > 30},
        "references": {
            name: references_now[name] - number
            for name, number in references.items()
            if references_now[name] > number + 10
        },
        "traced": traced_now - traced,
        "resident": memory_now - memory,
    }


if __name__ == "__main__":
    loop, url, count = sys.argv[1:]
    tracemalloc.start()
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        print(json.dumps(runner.run(main(url, int(count)))))  # noqa: T201
