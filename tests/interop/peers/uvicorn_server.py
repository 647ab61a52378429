"""uvicorn; gets the name of its WebSocket implementation, a certificate, its key."""

import asyncio
import contextlib
import sys

import uvicorn

from tests.interop.peers.asgi_app import app
from tests.interop.peers.starting import bound, tell


class Server(uvicorn.Server):
    """One of two in a process, hence without signal handlers."""

    def capture_signals(self):
        return contextlib.nullcontext()


async def main(implementation, cert, key):
    sockets = bound(), bound()
    options = {
        "ws": implementation,
        "ws_max_size": 1 << 25,
        "lifespan": "off",
        "log_level": "warning",
    }
    tls = {"ssl_certfile": cert, "ssl_keyfile": key}
    servers = [
        Server(uvicorn.Config(app, **options)),
        Server(uvicorn.Config(app, **options, **tls)),
    ]
    async with asyncio.TaskGroup() as group:
        for server, sock in zip(servers, sockets, strict=True):
            group.create_task(server.serve([sock]))
        for sock in sockets:
            sock.listen()
        tell(*(sock.getsockname()[1] for sock in sockets))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
