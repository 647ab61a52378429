"""granian; gets a certificate and its key."""

import asyncio
import sys
import threading
from pathlib import Path

from granian.server.embed import Server

from tests.interop.peers.asgi_app import app
from tests.interop.peers.starting import free_ports, tell_when_open


async def main(cert, key):
    ports = free_ports()
    secured = {"ssl_cert": Path(cert), "ssl_key": Path(key)}
    threading.Thread(target=tell_when_open, args=ports).start()
    async with asyncio.TaskGroup() as group:
        for port, options in zip(ports, ({}, secured), strict=True):
            server = Server(
                app, port=port, interface="asgi", log_enabled=False, **options
            )
            group.create_task(server.serve())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
