"""Opens thousands of sessions whose messages are compressed; prints what they left.

As `many_sessions`, but both sides are ktorws and live in this process, so that what
either leaks is seen. Each session sends and gets three messages, one of them in
fragments; all of them must have been compressed.
"""

import asyncio
import contextlib
import json
import sys
import tracemalloc

from ktorws import ConnectionLostError, Frame, ProtocolViolationError, WebSockets
from ktorws.deflate import WebSocketDeflateExtension
from ktorws.server import WebSocketServer
from tests.leaks.growth import growth, held
from tests.stress.harness import LOOPS, client

TEXT = "all that is said twice is said shorter, " * 50
#: What may be agreed on.
VARIANTS = (
    {},
    {"server_no_context_takeover": True, "client_no_context_takeover": True},
    {"server_max_window_bits": 9, "client_max_window_bits": 9},
    {"server_max_window_bits": 8, "memory_level": 1, "compression_level": 1},
)
CORRUPT = Frame.Binary(b"\x07", rsv1=True)  # a block of the reserved type


class OnPurposeError(Exception):
    pass


class Compressed:
    """How many messages both sides have compressed."""

    def __init__(self):
        self.count = 0

    def __call__(self, frame):
        self.count += 1
        return True


async def echo(session):
    with contextlib.suppress(ConnectionLostError, ProtocolViolationError):
        async for frame in session.incoming:
            await session.send(frame)


async def talk(http, url, number):
    async with http.ws(url) as session:
        await session.send(TEXT)
        await session.send(TEXT.encode())
        await session.send(Frame.Text(TEXT[:500], fin=False))
        await session.send(Frame.Text(TEXT[500:]))
        for _ in range(3):
            assert (await session.incoming.receive()).data == TEXT.encode()
        if number % 10 == 1:
            raise OnPurposeError
        if number % 10 == 2:
            session.cancel()
        if number % 10 == 3:
            session._connection.write(CORRUPT)
            await session.wait_closed()
            assert (await session.close_reason).code == 1002


async def sessions(https, url, count):
    for number in range(count):
        http = https[number % len(https)]
        with contextlib.suppress(OnPurposeError):
            await talk(http, url, number // len(https))
    await asyncio.sleep(0.2)


def _deflating(compressed, **options):
    return [WebSocketDeflateExtension.install(compress_if=compressed, **options)]


async def main(count):
    compressed = Compressed()
    answering = WebSockets(extensions=_deflating(compressed))
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(WebSocketServer(websockets=answering))
        server.websocket("/")(echo)
        url = f"ws://127.0.0.1:{server.port}/"
        https = [
            await stack.enter_async_context(
                client(extensions=_deflating(compressed, **options))
            )
            for options in VARIANTS
        ]
        await sessions(https, url, count // 10)
        before, compressed.count = held(), 0
        await sessions(https, url, count)
        return {**growth(before, held()), "compressed": compressed.count}


if __name__ == "__main__":
    loop, count = sys.argv[1:]
    tracemalloc.start()
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        print(json.dumps(runner.run(main(int(count)))))  # noqa: T201
