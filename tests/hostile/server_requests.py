"""Requests that no server should take, and those that never end."""

import asyncio
import contextlib

from tests.hostile.scenario import ANY, MEGABYTE, Scenario, drip, pour, watch
from tests.scripted import UPGRADE_REQUEST

QUICK = {"open_timeout": 1.0, "close_timeout": 0.5}
#: Bytes that a connection takes before its request: 16 KiB are its read buffer.
WAITING = 20 * 1024
REQUEST = UPGRADE_REQUEST % (b"/", b"")


async def read_status(peer, seen):
    """Note the status of the answer, if there is one."""
    with contextlib.suppress(asyncio.IncompleteReadError):
        head = await peer.head()
        seen.status = int(head.split()[1])
        seen.notes["head"] = head.decode("latin-1")


def _with(old, new):
    assert REQUEST.count(old) == 1
    return REQUEST.replace(old, new)


def _more(*lines):
    return REQUEST[:-2] + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


KEY_LINE = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
REFUSED = {
    "POST": (405, _with(b"GET", b"POST")),
    "a lower-case method": (400, _with(b"GET", b"get")),
    "HTTP/1.0": (400, _with(b"HTTP/1.1", b"HTTP/1.0")),
    "HTTP/2's preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "no HTTP": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"),
    "an absolute path elsewhere": (404, _with(b" / ", b" /nowhere ")),
    "a path that climbs": (404, _with(b" / ", b" /../../etc/passwd ")),
    "a target with a space": (400, _with(b" / ", b" /a b ")),
    "no Host": (400, _with(b"Host: localhost\r\n", b"")),
    "two Hosts": (400, _more(b"Host: elsewhere")),
    "LF-only lines": (400, REQUEST.replace(b"\r\n", b"\n")),
    "a CR alone": (400, _more(b"X: a\rb")),
    "NUL in a header": (400, _more(b"X: a\x00b")),
    "a folded header": (400, _more(b"X: a", b" b")),
    "a space before the colon": (400, _more(b"X : a")),
    "a header without a name": (400, _more(b": a")),
    "two Content-Lengths": (400, _more(b"Content-Length: 0", b"Content-Length: 5")),
    "the same Content-Length twice": (
        400,
        _more(b"Content-Length: 5", b"Content-Length: 5"),
    ),
    "a Content-Length list": (400, _more(b"Content-Length: 0, 0")),
    "a negative Content-Length": (400, _more(b"Content-Length: -1")),
    "a signed Content-Length": (400, _more(b"Content-Length: +0")),
    "a hexadecimal Content-Length": (400, _more(b"Content-Length: 0x0")),
    "a huge Content-Length": (400, _more(b"Content-Length: " + b"9" * 40)),
    "a body": (400, _more(b"Content-Length: 5") + b"hello"),
    "Transfer-Encoding": (400, _more(b"Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    "Transfer-Encoding and Content-Length": (
        400,
        _more(b"Transfer-Encoding: chunked", b"Content-Length: 5") + b"0\r\n\r\n",
    ),
    "Transfer-Encoding: identity": (400, _more(b"Transfer-Encoding: identity")),
    "a tab before Transfer-Encoding's colon": (
        400,
        _more(b"Transfer-Encoding\t: chunked"),
    ),
    "no key": (400, _with(KEY_LINE, b"")),
    "two keys": (400, _more(KEY_LINE[:-2])),
    "an empty key": (400, _with(KEY_LINE, b"Sec-WebSocket-Key:\r\n")),
    "a short key": (400, _with(KEY_LINE, b"Sec-WebSocket-Key: AAAA\r\n")),
    "a key that is no base64": (
        400,
        _with(KEY_LINE, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZ!==\r\n"),
    ),
    "version 8": (426, _with(b"Version: 13", b"Version: 8")),
    "two versions": (426, _with(b"Version: 13", b"Version: 13, 8")),
    "no Upgrade": (400, _with(b"Upgrade: websocket\r\n", b"")),
    "Connection: close": (400, _with(b"Connection: Upgrade", b"Connection: close")),
    "a subprotocol that is no token": (400, _more(b"Sec-WebSocket-Protocol: a b")),
    "a subprotocol twice": (400, _more(b"Sec-WebSocket-Protocol: a, a")),
    "a malformed extension": (400, _more(b"Sec-WebSocket-Extensions: ;=")),
    "1,000 headers": (431, _more(*[b"X: y"] * 1000)),
    "a head of 1 MB": (ANY, _more(b"X: " + b"y" * MEGABYTE)),
    "a target of 1 MB": (ANY, _with(b" / ", b" /" + b"y" * MEGABYTE + b" ")),
}


def _requests():
    for name, (status, octets) in REFUSED.items():

        async def script(peer, seen, octets=octets):
            sending = asyncio.create_task(peer.send(octets))
            try:
                await read_status(peer, seen)
                seen.notes["rest"] = (await peer.rest()).decode("latin-1")
            finally:
                sending.cancel()
                await asyncio.wait({sending})
                if not sending.cancelled():
                    sending.exception()

        yield Scenario(name=f"request: {name}", script=script, status=status)


async def _dripped_head(peer, seen):
    dripping = asyncio.create_task(drip(peer, REQUEST))
    await read_status(peer, seen)
    await dripping


async def _no_request(peer, seen):
    with contextlib.suppress(ValueError):
        await read_status(peer, seen)


async def _endless_head(peer, seen):
    await peer.send(b"GET / HTTP/1.1\r\n")
    pouring = asyncio.create_task(pour(peer, b"X: y\r\n" * 100, 64 * MEGABYTE, seen))
    try:
        await read_status(peer, seen)
    finally:
        await pouring


async def _pipelined(peer, seen):
    """A second request behind the first is frames, and wrong ones."""
    await peer.send(REQUEST + REQUEST)
    await read_status(peer, seen)
    await watch(peer, seen)


def _slow():
    for name, script, many in (
        ("a head octet by octet", _dripped_head, 1),
        ("nothing is sent", _no_request, 1),
        ("1,000 connections that send nothing", _no_request, 1000),
    ):
        yield Scenario(
            name=f"request: {name}",
            script=script,
            status=408,
            options=QUICK,
            many=many,
            slack=8 * MEGABYTE + many * WAITING,
        )
    yield Scenario(name="request: a head without end", script=_endless_head, status=ANY)
    yield Scenario(
        name="request: another behind it",
        script=_pipelined,
        code=1002,
        error="ProtocolViolationError",
        messages=0,
    )


REQUESTS = [*_requests(), *_slow()]
