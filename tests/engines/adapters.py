"""How to hold the promises against each engine, and which limits it documents."""

import contextlib
import socket
from typing import ClassVar

import aiohttp

from ktorws import CIO, AioHttp
from ktorws.testing import MockEngine, scripted_server
from tests.certificates import client_context, server_context
from tests.engines import promises
from tests.engines.far_side import FarSide
from tests.network_fixtures import nothing_left


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
            async with scripted_server(FarSide().play, **tls) as server:
                yield server.url(""), f"ws://127.0.0.1:{nobody.getsockname()[1]}/"

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


class OfAioHttp(Adapter):
    """With a session of its own for each handshake, or with one of the user's."""

    limits: ClassVar = {"sock": "aiohttp connects its sockets itself"}

    def __init__(self, *, secure=False, preconfigured=False):
        kind = "preconfigured" if preconfigured else "plain"
        self.name = f"AioHttp-{kind}-{'tls' if secure else 'tcp'}"
        self.secure = secure
        self._preconfigured = preconfigured

    @contextlib.asynccontextmanager
    async def engine(self):
        if self._preconfigured:
            connector = aiohttp.TCPConnector(ssl=client_context())
            async with aiohttp.ClientSession(connector=connector) as session:
                yield AioHttp(preconfigured=session)
        else:
            yield AioHttp(ssl=client_context())


class OfMockEngine(Adapter):
    name = "MockEngine"
    limits: ClassVar = {
        "a network": "its peers are coroutines: there is no network to fail",
        "an answer in pieces": "its peers give the head of an answer in one piece",
        "sock": "there is no network here",
    }

    @contextlib.asynccontextmanager
    async def engine(self):
        async with MockEngine(FarSide().play) as engine:
            yield engine

    @contextlib.asynccontextmanager
    async def far_side(self):
        yield "ws://mock.test", "ws://mock.test/"


ADAPTERS = [
    OfCIO("auto", secure=False),
    OfCIO("asyncio", secure=False),
    OfCIO("asyncio", secure=True),
    OfCIO("aiofastnet", secure=False),
    OfCIO("aiofastnet", secure=True),
    OfAioHttp(secure=False),
    OfAioHttp(secure=True),
    OfAioHttp(secure=True, preconfigured=True),
    OfMockEngine(),
]
