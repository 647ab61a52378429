"""Is an installed ktorws whole? A script of its own: it needs nothing but ktorws.

python smoke.py cython|python
"""

import asyncio
import sys

import ktorws

# What is used only where it is asked for is imported only there.
OPTIONAL = {"aiofastnet", "aiohttp", "msgspec", "pydantic", "python_socks", "uvloop"}


def imports_are_light():
    loaded = OPTIONAL & set(sys.modules)
    assert not loaded, f"import ktorws loaded {loaded}"


def codec_is(wanted):
    print(f"ktorws {ktorws.__version__}, codec {ktorws.CODEC}, Python {sys.version}")
    assert wanted == ktorws.CODEC


def frames_there_and_back():
    # The examples of RFC 6455, section 5.7, but for the key of the masked one.
    from ktorws.frame import FrameDecoder, FrameEncoder

    (hello,) = FrameDecoder(masked=False).decode(b"\x81\x05Hello")
    assert hello.read_text() == "Hello"
    assert FrameEncoder(masking=False).encode("Hello") == b"\x81\x05Hello"

    octets = FrameEncoder(masking=True).encode(bytes(70_000))
    (binary,) = FrameDecoder(masked=True).decode(octets)
    assert binary.read_bytes() == bytes(70_000)
    assert isinstance(binary, ktorws.Frame.Binary)


async def conversation():
    from ktorws import CIO, CloseReason, Frame, HttpClient, WebSockets
    from ktorws.server import WebSocketServer

    server = WebSocketServer("127.0.0.1", 0)

    @server.websocket("/echo")
    async def echo(session):
        async for frame in session.incoming:
            await session.send(frame)

    async with server, HttpClient(CIO) as client:
        client.install(WebSockets, ping_interval_millis=1_000, timeout_millis=5_000)
        address = {"host": "127.0.0.1", "port": server.port, "path": "/echo"}
        async with client.ws(method="GET", **address) as session:
            await session.send("Grüße")
            await session.send(Frame.Binary(bytes(300_000)))
            text = await session.incoming.receive()
            assert isinstance(text, Frame.Text)
            assert text.read_text() == "Grüße"
            binary = await session.incoming.receive()
            assert binary.read_bytes() == bytes(300_000)
        reason = await session.close_reason
        assert reason.code == CloseReason.Codes.NORMAL, reason


if __name__ == "__main__":
    imports_are_light()
    codec_is(sys.argv[1])
    frames_there_and_back()
    asyncio.run(asyncio.wait_for(conversation(), 30))
    print("It imports, encodes, decodes and talks.")
