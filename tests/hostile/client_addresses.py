"""Hostile answers of the resolver, and addresses where nobody is to be had."""

import asyncio
import contextlib
import socket

from tests.hostile.client_refusals import QUICK, SLOW
from tests.hostile.scenario import Scenario, watch
from tests.octets import TEXT, close, frame
from tests.scripted import free_port

NO_CONNECTION = "ConnectError"


async def _welcome(peer, seen):
    await peer.accept(then=frame(TEXT, b"hello") + close(1000))
    await watch(peer, seen)


def _answer(make, *, delay=0.0):
    """What the resolver says: addresses and ports, after so many seconds."""

    @contextlib.asynccontextmanager
    async def resolver(port):
        async with make(port) as addresses:
            yield {"addresses": addresses, "delay": delay}

    return resolver


def _fixed(addresses_of):
    @contextlib.asynccontextmanager
    async def make(port):
        yield addresses_of(port)

    return make


@contextlib.asynccontextmanager
async def _dead(port, *, count=50, alive=False):
    """Addresses that take no connection, nor refuse one: their backlog is full."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("0.0.0.0", 0))
        listener.listen(0)
        dead = listener.getsockname()[1]
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                filler.connect(("127.0.0.1", dead))
        await asyncio.sleep(0.05)
        addresses = [(f"127.0.0.{number + 2}", dead) for number in range(count)]
        yield [*addresses, ("127.0.0.1", port)] if alive else addresses


@contextlib.asynccontextmanager
async def _two_dead(port):
    async with _dead(port, count=2, alive=True) as addresses:
        yield addresses


def _refusing(count):
    def addresses(port):
        nobody = free_port()
        return [(f"127.{n >> 8}.{n & 255}.2", nobody) for n in range(count)]

    return addresses


def _addresses():
    yield Scenario(
        name="DNS: no address",
        script=_welcome,
        error=NO_CONNECTION,
        resolver=_answer(_fixed(lambda port: [])),
    )
    for name, resolver in {
        "no such name": _answer(_fixed(lambda port: None)),
        "an address that refuses": _answer(_fixed(_refusing(1))),
        "200 addresses that refuse": _answer(_fixed(_refusing(200))),
        "an address of the network": _answer(_fixed(lambda port: [("0.0.0.0", 1)])),
        "a broadcast address": _answer(
            _fixed(lambda port: [("255.255.255.255", port)])
        ),
        "a multicast address": _answer(_fixed(lambda port: [("224.0.0.1", port)])),
    }.items():
        yield Scenario(
            name=f"DNS: {name}",
            script=_welcome,
            error=NO_CONNECTION,
            resolver=resolver,
            within=2.0,
            options={"open_timeout": 3},
        )
    for name, resolver in {
        "50 dead addresses": _answer(_dead),
        "50 dead addresses, slowly": _answer(_dead, delay=0.7),
        "no answer": _answer(_fixed(lambda port: []), delay=2.0),
    }.items():
        yield Scenario(
            name=f"DNS: {name}",
            script=_welcome,
            error=SLOW,
            resolver=resolver,
            least=0.9,
            within=1.6,
            options=QUICK,
        )
    for name, resolver in {
        "two dead addresses before a good one": _answer(_two_dead),
        "200 refusals before a good one": _answer(
            _fixed(lambda port: [*_refusing(200)(port), ("127.0.0.1", port)])
        ),
        "the same address 200 times": _answer(
            _fixed(lambda port: [("127.0.0.1", port)] * 200)
        ),
    }.items():
        yield Scenario(
            name=f"DNS, legal: {name}",
            script=_welcome,
            resolver=resolver,
            code=1000,
            messages=1,
            within=2.0,
            options={"open_timeout": 3},
        )


ADDRESSES = list(_addresses())
