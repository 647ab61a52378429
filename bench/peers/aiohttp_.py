"""aiohttp's WebSocket client."""

import aiohttp

from bench.peers.base import Peer


class Aiohttp(Peer):
    """One `ClientSession` for all."""

    def __init__(self, trust=None):
        super().__init__(trust)
        self._client = None

    async def open(self, url, *, ping=None):
        if self._client is None:
            secure = {"ssl": self.ssl} if self.ssl else {}
            connector = aiohttp.TCPConnector(limit=0, **secure)
            self._client = aiohttp.ClientSession(connector=connector)
        return await self._client.ws_connect(
            url, compress=0, max_msg_size=0, heartbeat=ping
        )

    async def close(self, session):
        await session.close()

    async def receive(self, url, meter, *, count, binary=False):
        session = await self.open(url)
        receive = session.receive
        with meter:
            await session.send_str("go")
            for _ in range(count):
                _ = (await receive()).data
        await session.close()

    async def send(self, url, meter, *, count, message):
        session = await self.open(url)
        send = session.send_str if isinstance(message, str) else session.send_bytes
        with meter:
            for _ in range(count):
                await send(message)
            await session.receive()
        await session.close()

    async def echo(self, url, meter, *, count, message):
        session = await self.open(url)
        send, receive = session.send_bytes, session.receive
        with meter:
            for _ in range(count):
                await send(message)
                _ = (await receive()).data
        await session.close()

    async def burst(self, url, meter, *, count, size):
        session = await self.open(url)
        send, receive = session.send_str, session.receive
        with meter:
            for _ in range(count):
                await send("go")
                for _ in range(size):
                    _ = (await receive()).data
        await session.close()

    async def ticks(self, url, *, count, note, order):
        session = await self.open(url)
        receive = session.receive
        await session.send_str("go")
        for number in range(count):
            note((await receive()).data)
            if not number % 10:
                await session.send_str(order)
        await session.close()

    async def keep(self, url, *, count):
        session = await self.open(url)
        await session.send_str("go")
        for _ in range(count):
            data = (await session.receive()).data
        await session.close()
        return data

    async def stop(self):
        if self._client is not None:
            await self._client.close()
