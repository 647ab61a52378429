"""The server that an Autobahn fuzzing client judges: echoes whatever comes.

python echo_server.py LOOP [CERTIFICATE_AND_KEY]     prints its port
"""

import asyncio
import contextlib
import ssl
import sys

from ktorws import WebSocketError, WebSockets
from ktorws.deflate import WebSocketDeflateExtension
from ktorws.server import WebSocketServer


async def run(context: ssl.SSLContext | None) -> None:
    server = WebSocketServer(
        port=0,
        ssl=context,
        websockets=WebSockets(
            max_frame_size=16 * 1024 * 1024,
            extensions=[WebSocketDeflateExtension.install(compression_level=1)],
        ),
    )

    @server.websocket("/")
    async def echo(session):
        with contextlib.suppress(WebSocketError):
            async for frame in session.incoming:
                await session.send(frame)

    await server.start()
    print(server.port, flush=True)
    await server.serve_forever()


def main() -> None:
    loop, *certificate = sys.argv[1:]
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate[0])
    with contextlib.suppress(KeyboardInterrupt):
        if loop == "uvloop":
            import uvloop

            uvloop.run(run(context))
        else:
            asyncio.run(run(context))


if __name__ == "__main__":
    main()
