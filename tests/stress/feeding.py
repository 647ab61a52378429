"""Reads a numbered feed whose server is killed at random, and keeps the books."""

import asyncio
import contextlib
import gc
import os
import random
import signal
import socket
import subprocess
import sys
import time
import weakref

from ktorws import CIO, Gap, HttpClient, Reconnect, WebSockets
from tests.stress.harness import ROOT, resident

QUICK = {"initial": 0.005, "maximum": 0.02}


class Feed:
    """The feed's servers, one after the other, all on one port."""

    def __init__(self):
        # Bound, so that nobody else gets the port while no server listens there.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind(("127.0.0.1", 0))
        self.port = self._reserved.getsockname()[1]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stress.feed_peer", "--port", str(self.port)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._server = None

    def url(self, path="feed"):
        return f"ws://127.0.0.1:{self.port}/{path}"

    def start(self):
        self._process.stdin.write("start\n")
        self._process.stdin.flush()
        self._server = int(self._process.stdout.readline())

    def kill(self):
        os.kill(self._server, signal.SIGKILL)
        self._server = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self._server is not None:
            self.kill()
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._reserved.close()


class Books:
    """What was received: the numbers of each session, and the gaps between them."""

    def __init__(self):
        self.sessions = []
        self.gaps = []
        self.alive = weakref.WeakSet()

    def enter(self, session, gap):
        self.alive.add(session)
        if self.sessions or gap is not None:
            self.gaps.append(gap)
        self.sessions.append([])

    def take(self, frames):
        self.sessions[-1] += [int(frame.read_text()) for frame in frames]

    def check(self, restarts):
        """Every gap was told, and nothing but what lies in one is missing."""
        assert len(self.gaps) == len(self.sessions) - 1
        assert len(self.gaps) >= restarts
        assert all(isinstance(gap, Gap) for gap in self.gaps)
        before = 0
        for numbers in filter(None, self.sessions):
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            assert numbers[0] > before
            before = numbers[-1]


async def read(client, url, books):
    """Book all that comes, until cancelled."""

    async def subscribe(session, _attempt):
        await session.send("subscribe")

    async for connection in client.ws_reconnecting(url, on_connected=subscribe):
        async with connection as (session, gap):
            books.enter(session, gap)
            del gap
            async for frames in session.incoming.batches():
                books.take(frames)


async def until(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "It never came to hold"
        await asyncio.sleep(0.001)


async def restarted(feed, restarts, *, seed, engine=CIO):
    """The books of a program whose server is killed so often; memory on the way."""
    chance, books, memory = random.Random(seed), Books(), []
    client = HttpClient(engine).install(WebSockets)
    async with client.install(Reconnect, **QUICK):
        feed.start()
        task = asyncio.create_task(read(client, feed.url(), books))
        for number in range(restarts + 1):
            # It may be killed before it has sent anything, or has answered at all.
            sessions = len(books.sessions)
            await until(lambda n=sessions, k=number: n > k or len(books.sessions) > k)
            await asyncio.sleep(chance.choice((0, 0.002, 0.02, 0.1)))
            if number == restarts:
                break
            feed.kill()
            await asyncio.sleep(chance.choice((0, 0.001, 0.03)))
            feed.start()
            if number >= restarts // 5:
                gc.collect()
                memory.append((resident(), len(books.alive)))
            assert not task.done(), task
        await until(lambda: books.sessions[-1])
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    return books, memory
