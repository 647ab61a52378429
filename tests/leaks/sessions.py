"""Opens and closes sessions one after the other; prints which objects are left.

Objects of ktorws and of asyncio, by type, above what the first session left.
"""

import asyncio
import collections
import gc
import json
import sys

from tests.stress.harness import LOOPS, client

WATCHED = ("ktorws", "asyncio", "_asyncio", "uvloop", "httptools")


def counted():
    gc.collect()
    kinds = map(type, gc.get_objects())
    return collections.Counter(
        f"{kind.__module__}.{kind.__qualname__}"
        for kind in kinds
        if str(kind.__module__).split(".", 1)[0] in WATCHED
    )


async def talk(http, url):
    async with http.ws(url) as session:
        await session.send("one")
        await session.incoming.receive()
    del session
    await asyncio.sleep(0)


async def main(url, count):
    async with client() as http:
        await talk(http, url)
        before = counted()
        for _ in range(count):
            await talk(http, url)
        await asyncio.sleep(0.1)
        return {kind: left for kind, left in (counted() - before).items() if left > 10}


if __name__ == "__main__":
    loop, url, count = sys.argv[1:]
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        print(json.dumps(runner.run(main(url, int(count)))))  # noqa: T201
