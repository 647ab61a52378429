"""ktorws through `await receive()`, on the transports that its users get."""

from bench.peers.base import LIMIT, Peer
from ktorws import CIO, HttpClient, WebSockets
from ktorws._frame import apply_mask


class KtorwsAwait(Peer):
    """One `HttpClient` for all sessions; `ktorws[fast]` is installed."""

    transport = "auto"

    def __init__(self, trust=None):
        super().__init__(trust)
        self._clients = {}

    async def open(self, url, *, ping=None):
        if ping not in self._clients:
            client = HttpClient(CIO(ssl=self.ssl, transport=self.transport))
            client.install(WebSockets, max_frame_size=LIMIT, ping_interval=ping)
            self._clients[ping] = client
        return await self._clients[ping].websocket_session(url)

    async def close(self, session):
        await session.close()

    async def receive(self, url, meter, *, count, binary=False):
        session = await self.open(url)
        receive = session.incoming.receive
        with meter:
            await session.send("go")
            if binary:
                for _ in range(count):
                    _ = (await receive()).data
            else:
                for _ in range(count):
                    (await receive()).read_text()
        await session.close()

    async def send(self, url, meter, *, count, message):
        session = await self.open(url)
        send = session.send
        with meter:
            for _ in range(count):
                await send(message)
            await session.incoming.receive()
        await session.close()

    async def echo(self, url, meter, *, count, message):
        session = await self.open(url)
        send, receive = session.send, session.incoming.receive
        with meter:
            for _ in range(count):
                await send(message)
                _ = (await receive()).data
        await session.close()

    async def burst(self, url, meter, *, count, size):
        session = await self.open(url)
        send, receive = session.send, session.incoming.receive
        with meter:
            for _ in range(count):
                await send("go")
                for _ in range(size):
                    (await receive()).read_text()
        await session.close()

    async def ticks(self, url, *, count, note, order):
        session = await self.open(url)
        receive = session.incoming.receive
        await session.send("go")
        for number in range(count):
            note((await receive()).read_text())
            if not number % 10:
                await session.send(order)
        await session.close()

    async def keep(self, url, *, count):
        session = await self.open(url)
        await session.send("go")
        for _ in range(count):
            data = (await session.incoming.receive()).data
        await session.close()
        return data

    async def mask(self, meter, *, count, size):
        data, key = bytes(size), b"\x12\x34\x56\x78"
        with meter:
            for _ in range(count):
                apply_mask(data, key)

    async def stop(self):
        for client in self._clients.values():
            await client.close()


class KtorwsLoopTransport(KtorwsAwait):
    """Without `ktorws[fast]`'s transports."""

    transport = "asyncio"
