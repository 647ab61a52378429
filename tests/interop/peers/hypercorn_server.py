"""hypercorn; gets a certificate and its key."""

import asyncio
import sys
import threading

from hypercorn.asyncio import serve
from hypercorn.config import Config

from tests.interop.peers.asgi_app import app
from tests.interop.peers.starting import free_ports, tell_when_open


async def main(cert, key):
    plain, tls = free_ports()
    config = Config()
    config.bind = [f"127.0.0.1:{tls}"]
    config.insecure_bind = [f"127.0.0.1:{plain}"]
    config.certfile, config.keyfile = cert, key
    config.websocket_max_message_size = 1 << 25
    config.loglevel = "ERROR"
    threading.Thread(target=tell_when_open, args=(plain, tls)).start()
    await serve(app, config, shutdown_trigger=asyncio.Event().wait)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
