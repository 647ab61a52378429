"""Opens and closes sessions, 100 at a time, and counts what they leave behind.

A program, so that its memory is its own. Prints what the last batches left as JSON:
tasks, descriptors, and bytes that Python's allocator gave and did not get back.
"""

import argparse
import asyncio
import gc
import json
import tracemalloc

from ktorws import HandshakeError
from tests.stress.harness import LOOPS, Complaints, client, descriptors, settled

BATCH = 100
WARM_UP = 2  # batches that fill caches and free lists


async def closed_by_us(http, url):
    async with http.ws(url) as session:
        await session.send("one")
        answer = await session.incoming.receive()
        if answer.read_text() != "one":
            raise AssertionError(answer)


async def left_open(http, url):
    session = await http.websocket_session(url)
    await session.send("one")


async def refused(http, url):
    try:
        await http.websocket_session(url)
    except HandshakeError as error:
        if error.response.status != 403:
            raise
    else:
        raise AssertionError("not refused")


ENDS = {"closed": closed_by_us, "left-open": left_open, "refused": refused}


async def batch(options):
    """A hundred at once; the client closes what was left open."""
    path = "refused" if options.end == "refused" else "echo"
    async with client(authority=options.authority, ping_interval=5) as http:
        end = ENDS[options.end]
        await asyncio.gather(*(end(http, options.url + path) for _ in range(BATCH)))


async def traced(before):
    """Bytes in use once all is gone."""
    await settled(before)
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0.01)
    return tracemalloc.get_traced_memory()[0]


async def main(options):
    await batch(options)  # libuv keeps a descriptor from its first socket on
    tasks = len(asyncio.all_tasks())
    await asyncio.sleep(0.1)
    before = descriptors()
    tracemalloc.start()
    for _ in range(WARM_UP):
        await batch(options)
    bytes_before = await traced(before)
    for _ in range(options.count // BATCH):
        await batch(options)
    left = await traced(before) - bytes_before
    figures = {
        "sessions": options.count // BATCH * BATCH,
        "tasks": len(asyncio.all_tasks()) - tasks,
        "descriptors": len(descriptors()) - len(before),
        "bytes": left,
    }
    print(json.dumps(figures))  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("end", choices=ENDS)
    parser.add_argument("loop", choices=LOOPS)
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--authority")
    parser.add_argument("--debug", action="store_true")
    options = parser.parse_args()
    with (
        Complaints() as complaints,
        asyncio.Runner(loop_factory=LOOPS[options.loop], debug=options.debug) as runner,
    ):
        runner.get_loop().set_exception_handler(complaints.handle_exception)
        runner.run(main(options))
