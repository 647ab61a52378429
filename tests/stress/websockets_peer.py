"""A peer by `websockets` in a process of its own: echoes; refuses ``/refused``."""

import argparse
import asyncio
import contextlib
import http
import logging
import ssl

import websockets


def refuse(connection, request):
    if request.path == "/refused":
        return connection.respond(http.HTTPStatus.FORBIDDEN, "never")
    return None


async def echo(connection):
    with contextlib.suppress(websockets.ConnectionClosed):
        async for message in connection:
            await connection.send(message)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    certificate = parser.parse_args().certificate
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    async with websockets.serve(
        *(echo, "127.0.0.1", 0),
        ssl=context,
        compression=None,
        process_request=refuse,
        backlog=1024,
    ) as server:
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
