"""Servers with the routes that most tests use, and the octets that ask for them."""

from ktorws import WebSockets
from ktorws.server import WebSocketServer
from ktorws.testing import local_server
from tests.certificates import client_context, server_context
from tests.octets import KEY, close
from tests.scripted import UPGRADE_REQUEST

UNMASKED = b"\x81\x05Hello"
MASKED = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"  # RFC 6455 §5.7
BYE = close(1000, key=KEY)


def made(*, secure=False, sessions=None, **options):
    """A server with the routes that most tests use, and what its handlers saw."""
    tls = {"ssl": server_context()} if secure else {}
    server = WebSocketServer(websockets=WebSockets(**options), **tls)
    seen = [] if sessions is None else sessions

    @server.websocket("/echo")
    async def echo(session):
        seen.append(session)
        async for message in session.incoming:
            await session.send(message)

    @server.websocket_raw("/raw")
    async def raw(session):
        seen.append(session)
        async for each in session.incoming:
            await session.send(each)

    return server


def tls_to(secure):
    return {"ssl": client_context()} if secure else {}


def with_handler(handler, **options):
    return local_server(handler, websockets=WebSockets(**options))


def request(
    *lines, method=b"GET", path=b"/echo", version=b"HTTP/1.1", without=b"nothing"
):
    """The usual request with other lines."""
    head = UPGRADE_REQUEST % (path, b"".join(line + b"\r\n" for line in lines))
    head = head.replace(b"GET ", method + b" ", 1).replace(b"HTTP/1.1", version, 1)
    kept = [line for line in head.split(b"\r\n") if not line.startswith(without)]
    return b"\r\n".join(kept)
