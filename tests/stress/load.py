"""A million messages of 64 bytes through one session, and what memory they take.

A program, so that its memory is its own.

Prints what came of it as JSON: messages, seconds, and the megabytes that resident
memory rose above its start.
"""

import argparse
import asyncio
import json
import random
import time

from ktorws import ClosedReceiveChannelError
from tests.stress.harness import LOOPS, client, resident


class Memory:
    """How far memory rises above what it was."""

    def __init__(self):
        self._start = resident()
        self.risen = 0

    def look(self):
        self.risen = max(self.risen, resident() - self._start)


async def receive(session, count, memory):
    """Take them all, and sleep now and then; its end is the peer's Close."""
    chance = random.Random(2)
    expected = 0
    try:
        while True:
            frame = await session.incoming.receive()
            if frame.data != b"%064d" % expected:
                raise AssertionError(f"{frame.data} is not number {expected}")
            expected += 1
            if expected % 1000 == 0:
                memory.look()
                if chance.random() < 0.5:
                    await asyncio.sleep(chance.uniform(0.001, 0.05))
    except ClosedReceiveChannelError:
        memory.look()
    if expected != count:
        raise AssertionError(f"{expected} of {count} came")


async def send(session, count, memory):
    """Send them all; the peer tells what came."""
    for number in range(count):
        await session.send(f"{number:064}")
        if number % 1000 == 0:
            memory.look()
    memory.look()
    verdict = (await session.incoming.receive()).read_text()
    if verdict != "all, once, in order":
        raise AssertionError(verdict)


async def main(options):
    path = {"receive": "flood", "send": "sink"}[options.direction]
    url = f"{options.url}{path}/{options.count}"
    async with client(authority=options.authority) as http, http.ws(url) as session:
        memory = Memory()
        begin = time.monotonic()
        work = {"receive": receive, "send": send}[options.direction]
        await work(session, options.count, memory)
        seconds = time.monotonic() - begin
    figures = {
        "messages": options.count,
        "seconds": round(seconds, 2),
        "megabytes": round(memory.risen / 2**20, 1),
    }
    print(json.dumps(figures))  # noqa: T201


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("direction")
    parser.add_argument("loop")
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    parser.add_argument("--authority")
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=LOOPS[options.loop]) as runner:
        runner.run(main(options))
