"""The server that the browser's tests talk to, and what it has seen."""

import asyncio
import contextlib

from ktorws import CloseReason, Frame, WebSocketDeflateExtension, WebSockets
from ktorws.server import WebSocketServer
from tests.certificates import server_context
from tests.conversation import PATH
from tests.octets import CLOSE, TEXT, close, frame
from tests.scripted import scripted

HELLO = b"".join(frame(TEXT, b"%d" % number) for number in range(3))


class Far:
    """A server of ours for sessions, and scripted ones for octets.

    Attributes:
        closes: the payload of each Close frame that `/raw` got.
        gone: set when a connection that never got an answer has ended.
    """

    def __init__(self):
        deflate = [WebSocketDeflateExtension.install()]
        self.server = WebSocketServer(websockets=WebSockets(extensions=deflate))
        self.secure = WebSocketServer(ssl=server_context())
        self.secure.websocket(PATH)(self._echo)
        self.closes = []
        self.gone = asyncio.Event()
        self.released = asyncio.Event()
        self.server.websocket(PATH)(self._echo)
        self.server.websocket("/chat", protocol="chat")(self._echo)
        self.server.websocket("/numbers")(self._numbers)
        self.server.websocket("/deaf")(self._deaf)
        self.server.websocket("/release")(self._release)
        self.server.websocket_raw("/raw")(self._raw)

    @contextlib.asynccontextmanager
    async def serving(self):
        """Serve; gives what the functions of `inside` need to know, by name."""
        async with (
            self.server,
            scripted(self._at_once) as at_once,
            scripted(self._silent) as silent,
            scripted(self._cut) as cut,
            scripted(self._odd_close) as odd_close,
            scripted(self._moved) as moved,
            self.secure,
        ):
            ours = f"ws://127.0.0.1:{self.server.port}"
            yield {
                "base": ours,
                "echo": ours + PATH,
                "at_once": at_once.url(),
                "silent": silent.url(),
                "cut": cut.url(),
                "odd_close": odd_close.url(),
                "moved": moved.url(),
                "secure": f"wss://localhost:{self.secure.port}{PATH}",
            }

    async def _echo(self, session):
        async for message in session.incoming:
            await session.send(message)

    async def _numbers(self, session):
        """Send as many numbers as asked for, then one frame of 2,000 bytes."""
        number = int(session.call.request.params["n"])
        for each in range(number):
            await session.send(str(each))
        await session.send(bytes(2000))
        await session.close_reason

    async def _deaf(self, session):
        """Read nothing until released; then tell how much has come."""
        await self.released.wait()
        size = 0
        async for message in session.incoming:
            size += len(message)
            if message.data == b"end":
                await session.send(str(size))

    async def _release(self, session):
        self.released.set()
        await session.close_reason

    async def _raw(self, session):
        async for message in session.incoming:
            if isinstance(message, Frame.Close):
                self.closes.append(message.data)
            await session.send(message)

    async def _at_once(self, peer):
        """The answer, three frames and a Close in one packet."""
        await peer.accept(then=HELLO + close(4001, b"that was all"))
        while (await peer.frame())[0] & 0x0F != CLOSE:
            pass

    async def _silent(self, peer):
        await peer.head()
        await peer.rest()
        self.gone.set()

    async def _odd_close(self, peer):
        await peer.accept(then=close(2999))

    async def _moved(self, peer):
        await peer.head()
        target = f"ws://127.0.0.1:{self.server.port}{PATH}"
        await peer.send(
            f"HTTP/1.1 302 Found\r\nLocation: {target}\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n".encode()
        )

    async def _cut(self, peer):
        """End without a Close, behind three frames."""
        await peer.accept(then=HELLO)


def code_of(payload):
    """The close code of a Close frame's payload; 1005 for none."""
    if not payload:
        return CloseReason.Codes.NO_STATUS
    return int.from_bytes(payload[:2], "big")
