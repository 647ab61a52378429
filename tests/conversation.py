"""The conversation of the first page: one program, unchanged on every engine."""

from ktorws import CloseReason, Frame, HttpClient, WebSockets

PATH = "/route/path/to/ws"
ECHOED = ["Hello, Text frame", "Hello World", b"\x00\x01"]
NORMAL = CloseReason(CloseReason.Codes.NORMAL, "")


async def converse(host, port, engine=None):
    """Hold it with a server that echoes; gives what came back, and how it ended."""
    heard = []
    async with HttpClient(engine) as client:
        client.install(WebSockets)
        async with client.ws(method="GET", host=host, port=port, path=PATH) as session:
            await session.send("Hello, Text frame")
            await session.send(Frame.Text("Hello World"))
            await session.send(Frame.Binary(b"\x00\x01"))
            while len(heard) < len(ECHOED):
                match await session.incoming.receive():
                    case Frame.Text() as frame:
                        heard.append(frame.read_text())
                    case Frame.Binary() as frame:
                        heard.append(frame.read_bytes())
        return heard, await session.close_reason


async def check(host, port, engine=None):
    """Hold it, and see to it that nothing was lost."""
    assert await converse(host, port, engine) == (ECHOED, NORMAL)
