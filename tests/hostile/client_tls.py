"""Servers whose TLS is wrong, unfinished or torn."""

import asyncio

from tests.certificates import server_context
from tests.hostile.client_addresses import NO_CONNECTION
from tests.hostile.client_handshake import INTERRUPTED
from tests.hostile.client_refusals import QUICK, SLOW
from tests.hostile.scenario import LOST, MEGABYTE, Scenario, discard, drip, pour
from tests.hostile.tls_by_hand import TlsByHand
from tests.octets import TEXT, close, frame
from tests.scripted import switching_protocols

HELLO = frame(TEXT, b"hello")


def _by_hand(names, rest):
    """A certificate for these names; the rest gets the TLS of the server's side."""

    async def script(peer, seen):
        tls = TlsByHand(peer, server_context(*names), server_side=True)
        await rest(peer, tls, seen)

    return script


def _behind_handshake(octets_of):
    """The session is open, one message has come, and then these octets."""

    async def rest(peer, tls, seen):
        await tls.handshake()
        request = await tls.head()
        await peer.send(tls.sealed(switching_protocols(request) + HELLO))
        # In one read with a wrong record, transports drop what was right before it.
        await asyncio.sleep(0.05)
        await peer.send(octets_of(tls))

    return _by_hand((), rest)


def _flipped(record):
    return record[:-1] + bytes([record[-1] ^ 1])


#: What comes behind the first message, before TCP ends without close_notify.
BEHIND = {
    "cut within a record": lambda tls: tls.sealed(HELLO)[:-5],
    "cut within a record's header": lambda tls: tls.sealed(HELLO)[:3],
    "a changed record": lambda tls: _flipped(tls.sealed(HELLO)),
    "a record twice": lambda tls: tls.sealed(b"") + tls.sealed(HELLO[:1]) * 2,
    "a record that is too large": lambda tls: b"\x17\x03\x03\xff\xff" + bytes(100),
    "plain octets": lambda tls: HELLO * 3,
    "a plain alert": lambda tls: b"\x15\x03\x03\x00\x02\x02\x28",
    "octets behind close_notify": lambda tls: tls.goodbye() + HELLO,
}


def _torn():
    for name, octets_of in BEHIND.items():
        yield Scenario(
            name=f"TLS: {name}",
            script=_behind_handshake(octets_of),
            tls=True,
            by_hand=True,
            error=LOST,
            reason=1006,
            messages=1,
        )


async def _goodbye_and_stays(peer, tls, seen):
    await tls.handshake()
    request = await tls.head()
    await peer.send(tls.sealed(switching_protocols(request) + HELLO) + tls.goodbye())
    await discard(peer, seen)


async def _cut_behind_close(peer, tls, seen):
    await tls.handshake()
    request = await tls.head()
    await peer.send(tls.sealed(switching_protocols(request) + HELLO + close(1001)))


async def _cut_within_answer(peer, tls, seen):
    await tls.handshake()
    request = await tls.head()
    await peer.send(tls.sealed(switching_protocols(request)[:-4]))


async def _silence(peer, tls, seen):
    await discard(peer, seen)


async def _dripped(peer, tls, seen):
    await drip(peer, await tls.hello())


async def _cut_within_hello(peer, tls, seen):
    await peer.send((await tls.hello())[:-10])


async def _reset(peer, tls, seen):
    await tls.hello()
    peer.reset()


def _instead_of_hello(octets):
    async def rest(peer, tls, seen):
        await tls.hello()
        await peer.send(octets)
        await discard(peer, seen)

    return rest


async def _flood(peer, tls, seen):
    """Records without end that are no handshake."""
    await tls.hello()
    await pour(peer, b"\x17\x03\x03\x40\x00" + bytes(16384), 64 * MEGABYTE, seen)


async def _handshake(peer, tls, seen):
    await tls.handshake()
    await discard(peer, seen)


def _opening():
    for name, rest, names in (
        ("HTTP instead of it", _instead_of_hello(b"HTTP/1.1 400 Bad\r\n\r\n"), ()),
        ("an alert instead of it", _instead_of_hello(b"\x15\x03\x03\0\2\2\x28"), ()),
        ("reset within the handshake", _reset, ()),
        ("records without end instead of it", _flood, ()),
        ("a certificate for another name", _handshake, ("other.test",)),
        ("a certificate for another address", _handshake, ("127.0.0.2",)),
        ("a certificate for every name", _handshake, ("*.test",)),
    ):
        yield Scenario(
            name=f"TLS: {name}",
            script=_by_hand(names, rest),
            tls=True,
            by_hand=True,
            error=NO_CONNECTION,
            within=2.0,
            options={"open_timeout": 3},
        )
    yield Scenario(
        name="TLS: cut within the handshake",
        script=_by_hand((), _cut_within_hello),
        tls=True,
        by_hand=True,
        error=NO_CONNECTION,
        within=2.0,
    )
    for name, rest in (
        ("no handshake", _silence),
        ("a handshake octet by octet", _dripped),
    ):
        yield Scenario(
            name=f"TLS: {name}",
            script=_by_hand((), rest),
            tls=True,
            by_hand=True,
            error=SLOW,
            least=0.9,
            within=2.0,
            options=QUICK,
        )


def _ends():
    by_hand = {"tls": True, "by_hand": True, "within": 2.5}
    yield Scenario(
        name="TLS: close_notify, and TCP stays open",
        script=_by_hand((), _goodbye_and_stays),
        error=LOST,
        reason=1006,
        messages=1,
        **by_hand,
    )
    yield Scenario(
        name="TLS: cut behind a Close",
        script=_by_hand((), _cut_behind_close),
        reason=1001,
        messages=1,
        **by_hand,
    )
    yield Scenario(
        name="TLS: cut within the answer",
        script=_by_hand((), _cut_within_answer),
        error=INTERRUPTED,
        **by_hand,
    )


TLS = [*_opening(), *_torn(), *_ends()]
