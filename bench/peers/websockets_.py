"""websockets' asyncio client, and whatever has its interface."""

from bench.peers.base import Peer


class WebsocketsLike(Peer):
    """The interface that `websockets` and `picows.websockets` share."""

    def connect(self, url, **options):
        raise NotImplementedError

    async def open(self, url, *, ping=None):
        options = {"ssl": self.ssl} if self.ssl else {}
        return await self.connect(
            url,
            compression=None,
            max_size=None,
            ping_interval=ping,
            proxy=None,
            **options,
        )

    async def close(self, session):
        await session.close()

    async def receive(self, url, meter, *, count, binary=False):
        session = await self.open(url)
        receive = session.recv
        with meter:
            await session.send("go")
            for _ in range(count):
                await receive()
        await session.close()

    async def send(self, url, meter, *, count, message):
        session = await self.open(url)
        send = session.send
        with meter:
            for _ in range(count):
                await send(message)
            await session.recv()
        await session.close()

    async def echo(self, url, meter, *, count, message):
        session = await self.open(url)
        send, receive = session.send, session.recv
        with meter:
            for _ in range(count):
                await send(message)
                await receive()
        await session.close()

    async def burst(self, url, meter, *, count, size):
        session = await self.open(url)
        send, receive = session.send, session.recv
        with meter:
            for _ in range(count):
                await send("go")
                for _ in range(size):
                    await receive()
        await session.close()

    async def ticks(self, url, *, count, note, order):
        session = await self.open(url)
        receive = session.recv
        await session.send("go")
        for number in range(count):
            note(await receive())
            if not number % 10:
                await session.send(order)
        await session.close()

    async def keep(self, url, *, count):
        session = await self.open(url)
        await session.send("go")
        for _ in range(count):
            data = await session.recv()
        await session.close()
        return data


class Websockets(WebsocketsLike):
    """websockets itself, with its compiled part."""

    def connect(self, url, **options):
        from websockets.asyncio.client import connect

        return connect(url, **options)
