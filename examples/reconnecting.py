"""Follow a feed whose server restarts: one session after the other, each gap told."""

import asyncio

from ktorws import (
    CIO,
    CloseReason,
    DefaultClientWebSocketSession,
    Gap,
    HttpClient,
    Reconnect,
    WebSockets,
)
from ktorws.server import DefaultWebSocketServerSession, WebSocketServer

ENDS = [
    CloseReason(CloseReason.Codes.SERVICE_RESTART, "back soon"),
    CloseReason(CloseReason.Codes.GOING_AWAY),
    CloseReason(CloseReason.Codes.NORMAL, "that is all"),
]

server = WebSocketServer("127.0.0.1", 0)


@server.websocket("/prices")
async def prices(session: DefaultWebSocketServerSession) -> None:
    subscription = await session.incoming.receive()
    for price in range(3):
        await session.send(f"{subscription.data.decode()}: {price}")
    await session.close(ENDS.pop(0))


async def subscribe(session: DefaultClientWebSocketSession, attempt: int) -> None:
    print(f"attempt {attempt} succeeded")
    await session.send("BTC-USD")


async def main() -> None:
    async with server, HttpClient(CIO) as client:
        client.install(WebSockets, ping_interval=15, timeout=15)
        client.install(Reconnect, initial=0.01, maximum=0.1)
        url = f"ws://127.0.0.1:{server.port}/prices"
        async for connection in client.ws_reconnecting(url, on_connected=subscribe):
            async with connection as (session, gap):
                match gap:
                    case None:
                        print("the beginning")
                    case Gap(offline=seconds, cause=cause):
                        print(f"a gap of {seconds:.3f} s: {cause}")
                async for frame in session.incoming:
                    print(frame.data.decode())
    print("the server closed with code 1000, which ends the loop")


if __name__ == "__main__":
    asyncio.run(main())
