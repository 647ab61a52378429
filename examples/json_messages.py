"""Send and receive values instead of frames.

`JsonConverter` needs nothing but the standard library and checks a value's outermost
type. `MsgspecConverter` and `PydanticConverter` take its place as they are, and
validate every part.
"""

import asyncio

from ktorws import (
    CIO,
    ClosedReceiveChannelError,
    HttpClient,
    JsonConverter,
    WebSocketDeserializeError,
    WebSockets,
)
from ktorws.server import DefaultWebSocketServerSession, WebSocketServer

server = WebSocketServer(websockets=WebSockets(content_converter=JsonConverter()))


@server.websocket("/sum")
async def add(session: DefaultWebSocketServerSession) -> None:
    while True:
        try:
            numbers = await session.receive_deserialized(list[int])
        except WebSocketDeserializeError as error:
            await session.send_serialized({"error": str(error)})
        except ClosedReceiveChannelError:
            return  # the client has closed the session
        else:
            await session.send_serialized({"sum": sum(numbers)})


async def main() -> None:
    async with server, HttpClient(CIO) as client:
        client.install(WebSockets, content_converter=JsonConverter())
        async with client.ws(f"ws://127.0.0.1:{server.port}/sum") as session:
            await session.send_serialized([1, 2, 3])
            print(await session.receive_deserialized(dict))
            await session.send_serialized("no list")
            print(await session.receive_deserialized(dict))


if __name__ == "__main__":
    asyncio.run(main())
