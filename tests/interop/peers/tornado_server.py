"""Tornado; gets a certificate and its key."""

import asyncio
import ssl
import sys

from tornado import httpserver, netutil, web, websocket

from tests.interop.peers.starting import tell

reports = asyncio.Queue()


class Handler(websocket.WebSocketHandler):
    """What all paths do."""

    def check_origin(self, _):
        return True

    def get_compression_options(self):
        return {}

    def select_subprotocol(self, offered):
        return "echo" if "echo" in offered else None


class Echo(Handler):
    """Echoes."""

    async def on_message(self, message):
        await self.write_message(message, binary=isinstance(message, bytes))


class Ping(Handler):
    """Pings."""

    def open(self):
        self.ping(b"payload")

    async def on_pong(self, data):
        if data == b"payload":
            await self.write_message("pong")


class Bye(Handler):
    """Closes."""

    def open(self):
        self.close(4001, "server says bye")


class Report(Handler):
    """Takes note of a Close frame."""

    def on_close(self):
        reports.put_nowait(f"{self.close_code} {self.close_reason}")


class Reported(Handler):
    """Sends the note."""

    async def open(self):
        await self.write_message(await reports.get())


class Numbers(Handler):
    """Counts for the client."""

    async def on_message(self, message):
        for number in range(int(message)):
            await self.write_message(str(number))
        await self.write_message("end")


class Count(Handler):
    """Counts what the client sends."""

    def open(self):
        self.number = 0

    async def on_message(self, message):
        if message == "end":
            await self.write_message(str(self.number))
        elif message == str(self.number):
            self.number += 1


async def main(cert, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    handlers = Echo, Ping, Bye, Report, Reported, Numbers, Count
    app = web.Application(
        [(f"/{handler.__name__.lower()}", handler) for handler in handlers],
        websocket_max_message_size=1 << 25,
        log_function=lambda _: None,
    )
    ports = []
    for tls in (None, context):
        server = httpserver.HTTPServer(app, ssl_options=tls)
        sockets = netutil.bind_sockets(0, "127.0.0.1")
        server.add_sockets(sockets)
        ports.append(sockets[0].getsockname()[1])
    tell(*ports)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
