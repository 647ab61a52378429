"""How to hold the promises against each engine, and which limits it documents."""

import asyncio
import contextlib
import socket
from typing import ClassVar

from ktorws import CIO, MockEngine
from tests.certificates import client_context, server_context
from tests.engines import promises
from tests.engines.far_side import FarSide, serving
from tests.network_fixtures import nothing_left

ROOM = 256 * 1024  # octets that a mocked connection holds before its peer waits


class Adapter:
    """One engine in one configuration.

    Override `engine` for one that runs in this interpreter and over real sockets;
    override `hold` and `ask_for` for one that runs elsewhere.

    Attributes:
        name: shown in the tests' ids.
        limits: what this engine cannot do, as its documentation says: a name of
            `promises.LIMITS` or `promises.OPTIONS`, and the reason, shown by each
            skip. Those of `OPTIONS` must be refused by name.
    """

    name = ""
    secure = False
    limits: ClassVar = {}

    def __str__(self):
        return self.name

    @contextlib.asynccontextmanager
    async def engine(self):
        """The engine; is closed after the promise was held."""
        raise NotImplementedError
        yield

    @contextlib.asynccontextmanager
    async def far_side(self):
        """The address of the far side, and a URL where nobody listens."""
        tls = {"ssl": server_context()} if self.secure else {}
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))  # its port is taken, but not listened on
            async with serving(**tls) as base:
                yield base, f"ws://127.0.0.1:{nobody.getsockname()[1]}/"

    async def hold(self, name):
        """Hold one promise; what else is left in this process fails it, too."""
        async with nothing_left(), self.far_side() as (base, dead):
            async with self.engine() as engine:
                await promises.hold(name, engine, base, dead)

    async def ask_for(self, option):
        """See `promises.ask_for`."""
        async with nothing_left(), self.far_side() as (base, _):
            async with self.engine() as engine:
                return await promises.ask_for(option, engine, base)


class OfCIO(Adapter):
    def __init__(self, transport, *, secure):
        self.name = f"CIO-{transport}-{'tls' if secure else 'tcp'}"
        self.secure = secure
        self._transport = transport

    @contextlib.asynccontextmanager
    async def engine(self):
        engine = CIO(transport=self._transport, ssl=client_context())
        try:
            yield engine
        finally:
            await engine.close()


class OfMockEngine(Adapter):
    name = "MockEngine"
    limits: ClassVar = {
        "a network": "its peers are coroutines: there is no network to fail",
        "octets for an answer": "its peers answer in words, not in octets",
        "sock": "there is no network here",
    }

    @contextlib.asynccontextmanager
    async def engine(self):
        far_side = FarSide()

        async def script(peer):
            await far_side.play(MockedPeer(peer))

        async with MockEngine(script) as engine:
            yield engine

    @contextlib.asynccontextmanager
    async def far_side(self):
        yield "ws://mock.test", "ws://mock.test/"


class MockedPeer:
    """What `FarSide` plays with, over a `MockPeer`."""

    def __init__(self, peer):
        self._peer = peer
        self.stop_reading = peer.stall
        self.go_on_reading = peer.resume

    async def request(self):
        request = self._peer.request
        headers = [(name.lower(), value) for name, value in request.headers.items()]
        headers.append(("sec-websocket-protocol", ", ".join(request.subprotocols)))
        return request.target, headers

    async def accept(self, headers, then=b""):
        more = dict(headers)
        chosen = more.pop("Sec-WebSocket-Protocol", None)
        self._peer.accept(subprotocol=chosen, headers=more)
        await self.send(then)

    async def refuse(self, status, headers, body):
        self._peer.refuse(status, headers=headers, body=body)

    async def send(self, octets):
        self._peer.send_octets(octets)
        while self._peer.unread > ROOM:
            if self._peer.session.has_ended:
                raise ConnectionResetError
            await asyncio.sleep(0.001)

    async def frame(self):
        frame = await self._peer.receive()
        return 0x80 * frame.fin | frame.frame_type.opcode, frame.data

    def reset(self):
        self._peer.lose(ConnectionResetError("reset"))

    async def gone(self):
        if self._peer._opened.done():
            await self._peer.wait_closed()
        else:  # the engine cancels the script of an opening that is given up
            await asyncio.Event().wait()

    async def finish(self):
        self._peer.lose()
        await self._peer.wait_closed()


ADAPTERS = [
    OfCIO("asyncio", secure=False),
    OfCIO("asyncio", secure=True),
    OfCIO("aiofastnet", secure=False),
    OfCIO("aiofastnet", secure=True),
    OfMockEngine(),
]
