"""Our server, as clients that are not ours find it."""

import asyncio

from ktorws import CloseReason, Frame, WebSockets
from ktorws.deflate import WebSocketDeflateExtension
from ktorws.server import WebSocketServer
from tests.certificates import client_context
from tests.network_fixtures import scheme_of, tls_of


class Ours(WebSocketServer):
    """Our server, and the reasons for which its sessions were closed."""

    def __init__(self, *, secure, deflate):
        extensions = [WebSocketDeflateExtension.install()] if deflate else []
        super().__init__(
            websockets=WebSockets(max_frame_size=1 << 25, extensions=extensions),
            **tls_of(secure),
        )
        self.reasons = []
        self.results = asyncio.Queue()
        self.scheme = scheme_of(secure)
        self.tls = client_context() if secure else None
        self.websocket("/echo")(self.echo)
        self.websocket("/spoken", protocol="echo")(self.echo)
        self.websocket("/fragments")(self.fragments)
        self.websocket("/bye")(self.bye)
        self.websocket("/report")(self.echo)
        self.websocket("/reported")(self.reported)
        self.websocket("/results")(self.note)
        self.websocket_raw("/ping")(self.ping)

    def url(self, path=""):
        return f"{self.scheme}://localhost:{self.port}{path}"

    async def echo(self, session):
        async for message in session.incoming:
            await session.send(message)
        self.reasons.append(await session.close_reason)

    async def fragments(self, session):
        for kind, parts in (
            (Frame.Text, ("one, ", "two, ", "drei €")),
            (Frame.Binary, (b"\x00", b"\x01", b"\x02")),
        ):
            for number, part in enumerate(parts):
                await session.send(kind(part, fin=number == 2))
        await session.incoming.receive_catching()

    async def bye(self, session):
        await session.close(CloseReason(4001, "server says bye"))

    async def reported(self, session):
        reason = self.reasons[-1]
        await session.send(f"{reason.code} {reason.message}")
        await session.incoming.receive_catching()

    async def note(self, session):
        self.results.put_nowait((await session.incoming.receive()).read_text())

    async def ping(self, session):
        await session.send(Frame.Ping(b"payload"))
        pong = await session.incoming.receive()
        await session.send(f"{type(pong).__name__} {pong.data.decode()}")
        await session.incoming.receive()
