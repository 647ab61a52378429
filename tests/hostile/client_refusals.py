"""Answers that never end, and refusals that are more than a refusal."""

import asyncio
import gzip

from tests.hostile.client_handshake import INTERRUPTED, INVALID, REFUSED
from tests.hostile.scenario import MEGABYTE, Scenario, discard, drip, pour
from tests.scripted import switching_protocols

SLOW = "OpenTimeoutError"
QUICK = {"open_timeout": 1.0}
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\n"


def _pouring(start, octets):
    """The start of an answer, then the same octets without end."""

    async def script(peer, seen):
        await peer.head()
        await peer.send(start)
        await pour(peer, octets, 256 * MEGABYTE, seen, seconds=5)

    return script


def _dripping(octets, start=b""):
    async def script(peer, seen):
        await peer.head()
        await peer.send(start)
        await drip(peer, octets)

    return script


async def _dripped_head(peer, seen):
    request = await peer.head()
    await drip(peer, switching_protocols(request))


async def _interim_drip(peer, seen):
    await peer.head()
    for _ in range(100):
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.05)


async def _many_headers(peer, seen):
    request = await peer.head()
    await peer.send(switching_protocols(request, b"X: y\r\n" * 1000))
    await discard(peer, seen)


async def _silence(peer, seen):
    await peer.head()
    await peer.hold()


async def _drop(peer, seen):
    await peer.head()


async def _drop_within(peer, seen):
    request = await peer.head()
    await peer.send(switching_protocols(request)[:-10])


async def _reset(peer, seen):
    await peer.head()
    peer.reset()


async def _reset_within(peer, seen):
    await _drop_within(peer, seen)
    await asyncio.sleep(0.05)
    peer.reset()


def _never():
    """It takes ``open_timeout`` and no longer, however busy the server is."""
    for name, script in {
        "octet by octet": _dripped_head,
        "no answer": _silence,
        "interim responses, slowly, without end": _interim_drip,
        "an interim response octet by octet": _dripping(
            b"HTTP/1.1 103 Early Hints\r\nLink: " + b"x" * 100
        ),
    }.items():
        yield Scenario(
            name=f"handshake: {name}",
            script=script,
            error=SLOW,
            within=2.0,
            least=0.9,
            options=QUICK,
        )


def _too_much():
    begun = b"HTTP/1.1 101 Switching Protocols\r\n"
    for name, script in {
        "headers without end": _pouring(begun, b"X-Y: " + b"z" * 60 + b"\r\n"),
        "one header without end": _pouring(begun + b"X: ", b"y" * 1024),
        "one header's name without end": _pouring(begun, b"y" * 1024),
        "a status line without end": _pouring(b"HTTP/1.1 101 ", b"y" * 1024),
        "interim responses without end": _pouring(
            b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100
        ),
        "an interim response without end": _pouring(
            b"HTTP/1.1 103 Early Hints\r\n", b"Link: " + b"x" * 60 + b"\r\n"
        ),
        "1,000 headers": _many_headers,
    }.items():
        yield Scenario(
            name=f"handshake: {name}", script=script, error=INVALID, within=2.0
        )
    for name, script in {
        "dropped before the answer": _drop,
        "dropped within the answer": _drop_within,
        "reset before the answer": _reset,
        "reset within the answer": _reset_within,
    }.items():
        yield Scenario(
            name=f"handshake: {name}", script=script, error=INTERRUPTED, within=2.0
        )


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
CHUNK = b"400\r\n" + b"z" * 1024 + b"\r\n"
#: The start of the body, and what follows without end.
ENDLESS_BODIES = {
    "a body without end": (b"\r\n", b"z" * 1024),
    "a body of 2^60 bytes": (
        b"Content-Length: 1152921504606846976\r\n\r\n",
        b"z" * 1024,
    ),
    "chunks without end": (CHUNKED, CHUNK * 64),
    "a chunk of 2^60 bytes": (CHUNKED + b"1000000000000000\r\n", b"z" * 1024),
    "chunks of one byte without end": (CHUNKED, b"1\r\nz\r\n" * 1000),
    "a chunk's extension without end": (CHUNKED + b"1;", b"x=y;" * 1000),
    "a chunk's size without end": (CHUNKED, b"0" * 1024),
    "trailers without end": (CHUNKED + b"0\r\n", b"X: y\r\n" * 1000),
    # It would be 64 MB, and is not asked for: nobody must inflate it.
    "a bomb in gzip": (
        b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(64 * MEGABYTE)),
        b"\0" * 1024,
    ),
    "a bomb in gzip, in chunks": (
        b"Content-Encoding: gzip\r\n" + CHUNKED + b"10000\r\n",
        gzip.compress(bytes(64 * MEGABYTE)),
    ),
}
#: Wrong bodies of a refusal: it stays a refusal, or the answer was none.
WRONG_BODIES = {
    "a chunk's size that overflows": (CHUNKED + b"1" + b"0" * 16 + b"\r\nz", INVALID),
    "a negative chunk": (CHUNKED + b"-1\r\nz", INVALID),
    "a negative length": (b"Content-Length: -1\r\n\r\nz", INVALID),
    "two lengths": (b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nzz", INVALID),
    "a length that overflows": (b"Content-Length: " + b"9" * 30 + b"\r\n\r\n", INVALID),
    "both lengths": (
        b"Content-Length: 5\r\n" + CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
        INVALID,
    ),
    "a body shorter than its length": (b"Content-Length: 99\r\n\r\nshort", REFUSED),
    "a body longer than its length": (
        b"Content-Length: 1\r\n\r\n" + b"z" * 99,
        REFUSED,
    ),
}


def _answering(octets):
    async def script(peer, seen):
        await peer.head()
        await peer.send(octets)

    return script


def _refusals():
    for name, (start, octets) in ENDLESS_BODIES.items():
        yield Scenario(
            name=f"handshake: 403 with {name}",
            script=_pouring(FORBIDDEN + start, octets),
            error=REFUSED,
            within=2.0,
        )
    for name, (octets, error) in WRONG_BODIES.items():
        yield Scenario(
            name=f"handshake: 403 with {name}",
            script=_answering(FORBIDDEN + octets),
            error=error,
            within=2.0,
        )
    yield Scenario(
        name="handshake: 403 with a slow body",
        script=_dripping(b"z" * 9999, FORBIDDEN + b"Content-Length: 9999\r\n\r\n"),
        error=REFUSED,
        within=2.5,
    )


REFUSALS = [*_never(), *_too_much(), *_refusals()]
