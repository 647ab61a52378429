"""A numbered feed by `websockets` whose server can be killed and started anew.

For each line on standard input it forks a server on the port that it got, so that a
start costs no imports, and prints the server's process id once it listens.

The numbers are milliseconds of the system's monotonic clock, each of them sent once to
each who has said ``subscribe``: a feed that goes on whether anybody hears it or not.
"""

import argparse
import asyncio
import contextlib
import http
import logging
import os
import signal
import sys
import time

import websockets


def now():
    return time.monotonic_ns() // 1_000_000


def refuse(connection, request):
    if request.path == "/refused":
        return connection.respond(http.HTTPStatus.UNAUTHORIZED, "never\n")
    return None


async def feed(connection):
    with contextlib.suppress(websockets.ConnectionClosed):
        assert await connection.recv() == "subscribe"
        number = now()
        while True:
            while number < now():
                await connection.send(f"{number:064d}")
                number += 1
            await asyncio.sleep(0.001)


async def serve(port):
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    async with websockets.serve(
        *(feed, "127.0.0.1", port), compression=None, process_request=refuse
    ) as server:
        print(os.getpid(), flush=True)  # noqa: T201
        await server.serve_forever()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    port = parser.parse_args().port
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed are not waited for
    for _ in sys.stdin:
        if os.fork() == 0:
            asyncio.run(serve(port))


if __name__ == "__main__":
    main()
