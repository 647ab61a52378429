"""Consume a busy feed in batches, and conflate: only the newest price counts.

`receive_many` gives all that is at hand in one list. While the consumer is slow the
session stops reading, so that memory stays bounded and the feed is slowed down.
"""

import asyncio
import contextlib
import json
import random

from ktorws import CIO, ClosedReceiveChannelError, HttpClient, WebSockets
from ktorws.server import DefaultWebSocketServerSession, WebSocketServer

SYMBOLS = ("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD")
UPDATES = 50_000

server = WebSocketServer("127.0.0.1", 0)


@server.websocket("/feed")
async def feed(session: DefaultWebSocketServerSession) -> None:
    dice = random.Random(1)
    for sequence in range(UPDATES):
        update = {"n": sequence, "s": dice.choice(SYMBOLS), "p": dice.randrange(10_000)}
        await session.send(json.dumps(update))


async def main() -> None:
    prices: dict[str, int] = {}
    updates = batches = 0
    async with server, HttpClient(CIO) as client:
        client.install(WebSockets, ping_interval=15, timeout=15)
        async with client.ws(f"ws://127.0.0.1:{server.port}/feed") as session:
            with contextlib.suppress(ClosedReceiveChannelError):  # the feed has ended
                while True:
                    for frame in await session.incoming.receive_many():
                        update = json.loads(frame.data)
                        assert update["n"] == updates, "an update is missing"
                        prices[update["s"]] = update["p"]
                        updates += 1
                    batches += 1
        print(f"{updates} updates in {batches} batches; then the feed closed:")
        print(await session.close_reason)
    print(prices)


if __name__ == "__main__":
    asyncio.run(main())
