"""websocket-client: blocking calls. Its coroutines never wait for an event loop."""

import websocket

from bench.peers.base import Peer


class WebsocketClient(Peer):
    """One thread, hence without the locks for several."""

    async def open(self, url, *, ping=None):
        if ping is not None:
            raise NotImplementedError("pings take a thread for each session")
        secure = {"sslopt": {"context": self.ssl}} if self.ssl else {}
        return websocket.create_connection(
            url, timeout=30, enable_multithread=False, **secure
        )

    async def close(self, session):
        session.close()

    async def receive(self, url, meter, *, count, binary=False):
        session = await self.open(url)
        receive = session.recv
        with meter:
            session.send("go")
            for _ in range(count):
                receive()
        session.close()

    async def send(self, url, meter, *, count, message):
        session = await self.open(url)
        send = session.send if isinstance(message, str) else session.send_binary
        with meter:
            for _ in range(count):
                send(message)
            session.recv()
        session.close()

    async def echo(self, url, meter, *, count, message):
        session = await self.open(url)
        send, receive = session.send_binary, session.recv
        with meter:
            for _ in range(count):
                send(message)
                receive()
        session.close()

    async def burst(self, url, meter, *, count, size):
        session = await self.open(url)
        send, receive = session.send, session.recv
        with meter:
            for _ in range(count):
                send("go")
                for _ in range(size):
                    receive()
        session.close()

    async def keep(self, url, *, count):
        session = await self.open(url)
        session.send("go")
        for _ in range(count):
            data = session.recv()
        session.close()
        return data
