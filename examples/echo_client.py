import asyncio

from ktorws import CIO, Frame, HttpClient, WebSockets


async def main() -> None:
    async with HttpClient(CIO) as client:
        client.install(WebSockets, ping_interval_millis=15_000, timeout_millis=15_000)
        async with client.ws(
            method="GET", host="127.0.0.1", port=8080, path="/route/path/to/ws"
        ) as session:
            await session.send("Hello, Text frame")
            await session.send(Frame.Text("Hello World"))
            await session.send(Frame.Binary(b"\x00\x01"))
            match await session.incoming.receive():
                case Frame.Text() as frame:
                    print(frame.read_text())
                case Frame.Binary() as frame:
                    print(frame.read_bytes())


asyncio.run(main())
