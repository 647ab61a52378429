"""Peers that follow a script: literal octets out, literal octets in.

They stand on asyncio's streams and know nothing of ktorws.
"""

import asyncio
import base64
import contextlib
import hashlib
import os
import socket
import struct

PATIENCE = 10  # seconds, for what must happen

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3
UPGRADE_REQUEST = (
    b"GET %s HTTP/1.1\r\n"
    b"Host: localhost\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: " + KEY + b"\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"%s\r\n"
)


def accept_key(request):
    """RFC 6455 §4.2.2: what answers the key in this request."""
    (key,) = (
        line.partition(b":")[2].strip()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key:")
    )
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


def switching_protocols(request, headers=b""):
    return (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept_key(request) + b"\r\n" + headers + b"\r\n"
    )


def unmasked(payload, key):
    """As `tests.octets.mask`, but fast: there are megabytes of it."""
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return number.to_bytes(size, "big")


class Peer:
    """One end of a connection, all in the test's hands."""

    def __init__(self, reader, writer, released):
        self._reader = reader
        self._writer = writer
        self._released = released

    # Octets.

    async def send(self, octets):
        if self._writer.is_closing():  # where uvloop raises a RuntimeError
            raise ConnectionResetError("The connection is gone")
        self._writer.write(octets)
        await self._writer.drain()

    async def read(self, size):
        async with asyncio.timeout(PATIENCE):
            return await self._reader.readexactly(size)

    async def rest(self):
        """All that comes until the end."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.read()

    async def head(self):
        """A message's head, its empty line included."""
        async with asyncio.timeout(PATIENCE):
            return await self._reader.readuntil(b"\r\n\r\n")

    async def frame(self):
        """The next frame: its first octet and its payload, unmasked."""
        first, second = await self.read(2)
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack("!H", await self.read(2))
        elif length == 127:
            (length,) = struct.unpack("!Q", await self.read(8))
        key = await self.read(4) if second & 0x80 else b""
        payload = await self.read(length)
        return first, unmasked(payload, key) if key else payload

    # Handshakes.

    async def accept(self, *, headers=b"", then=b""):
        """Take a request and open the session, frames in the same packet."""
        request = await self.head()
        await self.send(switching_protocols(request, headers) + then)
        return request

    async def ask(self, path=b"/", *, headers=b"", then=b""):
        """Ask for a session, frames in the same packet, and give the answer's head."""
        await self.send(UPGRADE_REQUEST % (path, headers) + then)
        return await self.head()

    # Ends.

    def half_close(self):
        """Send no more, but go on reading."""
        self._writer.write_eof()

    async def close(self):
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def reset(self):
        """End the connection with a RST, not a FIN."""
        fd = os.dup(self._writer.get_extra_info("socket").fileno())
        with socket.socket(fileno=fd) as sock:
            sock.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self._writer.transport.abort()

    def stop_reading(self):
        """Let octets wait in the kernel, then in the other side."""
        self._writer.transport.pause_reading()

    def go_on_reading(self):
        self._writer.transport.resume_reading()

    async def hold(self):
        """Do nothing more until the test is over."""
        await self._released.wait()


class ScriptedServer:
    """Runs a script, ``async def script(peer)``, for each connection."""

    def __init__(self, script):
        self._script = script
        self._tasks = []
        self._released = asyncio.Event()
        self.listener = None
        self.port = None

    def url(self, path="/", *, scheme="ws", host="127.0.0.1"):
        return f"{scheme}://{host}:{self.port}{path}"

    @property
    def connections(self):
        return len(self._tasks)

    async def connected(self, reader, writer):
        self._tasks.append(asyncio.current_task())
        peer = Peer(reader, writer, self._released)
        try:
            await self._script(peer)
        finally:
            await peer.close()

    async def finish(self):
        """Wait for the scripts to end, and raise what one of them raised."""
        self._released.set()
        self.listener.close()
        if self._tasks:
            async with asyncio.timeout(PATIENCE):
                await asyncio.gather(*self._tasks)


@contextlib.asynccontextmanager
async def scripted(script, *, ssl=None, host="127.0.0.1", port=0, path=None):
    """A server on loopback, or on a Unix socket, that follows a script."""
    server = ScriptedServer(script)
    if path is not None:
        start = asyncio.start_unix_server(server.connected, path, ssl=ssl)
    else:
        start = asyncio.start_server(server.connected, host, port, ssl=ssl)
    server.listener = await start
    if path is None:
        server.port = server.listener.sockets[0].getsockname()[1]
    try:
        yield server
    except BaseException:
        server.listener.close()
        for task in server._tasks:
            task.cancel()
        await asyncio.gather(*server._tasks, return_exceptions=True)
        raise
    await server.finish()


@contextlib.asynccontextmanager
async def dialled(port, *, ssl=None, path=None):
    """A peer connected to a server, for scripts of the client's side."""
    if path is not None:
        reader, writer = await asyncio.open_unix_connection(path, ssl=ssl)
    else:
        options = {} if ssl is None else {"ssl": ssl, "server_hostname": "localhost"}
        reader, writer = await asyncio.open_connection("127.0.0.1", port, **options)
    peer = Peer(reader, writer, asyncio.Event())
    try:
        yield peer
    finally:
        await peer.close()


@contextlib.asynccontextmanager
async def silent_listener():
    """A listening socket whose backlog is full: connecting to it never ends."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(listener.getsockname())
        yield listener.getsockname()[1]


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
