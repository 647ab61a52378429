"""Requests that no server should take, and those that never end."""

import asyncio
import contextlib
import re
import time

from tests.certificates import client_context
from tests.hostile.scenario import (
    ANY,
    MEGABYTE,
    NONE,
    VIOLATION,
    Scenario,
    attack,
    discard,
    drip,
    pour,
    sending,
)
from tests.hostile.tls_by_hand import TlsByHand
from tests.octets import BINARY, KEY, RSV1, frame
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


STATUS_LINE = re.compile(r"HTTP/1\.1 \d")
KEY_LINE = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
REFUSED = {
    "POST": (405, _with(b"GET", b"POST")),
    "a lower-case method": (400, _with(b"GET", b"get")),
    "TRACE": (405, _with(b"GET", b"TRACE")),
    "CONNECT": (405, _with(b"GET /", b"CONNECT localhost:80")),
    "a method without end": (431, b"A" * 100_000),
    "two spaces before the target": (400, _with(b"GET /", b"GET  /")),
    "a tab before the target": (400, _with(b"GET /", b"GET\t/")),
    "a space behind the version": (400, _with(b"HTTP/1.1", b"HTTP/1.1 ")),
    "no version": (400, _with(b" HTTP/1.1", b"")),
    "a lower-case version": (400, _with(b"HTTP/1.1", b"http/1.1")),
    "an empty line before it": (400, b"\r\n" + REQUEST),
    "NUL in the target": (400, _with(b" / ", b" /\0 ")),
    "NUL in the target, encoded": (404, _with(b" / ", b" /%00 ")),
    "Latin-1 in the target": (400, _with(b" / ", b" /\xe9 ")),
    "a fragment in the target": (ANY, _with(b" / ", b" /nowhere#/ ")),
    "an asterisk": (ANY, _with(b" / ", b" * ")),
    "HTTP/1.0": (400, _with(b"HTTP/1.1", b"HTTP/1.0")),
    "HTTP/2's preface": (400, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "no HTTP": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n"),
    "an absolute path elsewhere": (404, _with(b" / ", b" /nowhere ")),
    "a path that climbs": (404, _with(b" / ", b" /../../etc/passwd ")),
    "a target with a space": (400, _with(b" / ", b" /a b ")),
    "no Host": (400, _with(b"Host: localhost\r\n", b"")),
    "two Hosts": (400, _more(b"Host: elsewhere")),
    "a folded Host": (400, _with(b"Host: localhost", b"Host:\r\n localhost")),
    "a header's name with a space": (400, _more(b"X Y: z")),
    "a header's name without end": (431, _more(b"X" * 100_000)),
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
    "a key of 17 bytes": (
        400,
        _with(KEY_LINE, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE=\r\n"),
    ),
    "a key without its padding": (
        400,
        _with(KEY_LINE, b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ\r\n"),
    ),
    "a key with a space within": (
        400,
        _with(KEY_LINE, b"Sec-WebSocket-Key: dGhlIHNhbXBs ZSBub25jZQ==\r\n"),
    ),
    "no version of WebSocket": (426, _with(b"Sec-WebSocket-Version: 13\r\n", b"")),
    "version 013": (426, _with(b"Version: 13", b"Version: 013")),
    "version 1\u00b3": (426, _with(b"Version: 13", b"Version: 1\xb3")),
    "version 13 twice": (426, _more(b"Sec-WebSocket-Version: 13")),
    "version 8": (426, _with(b"Version: 13", b"Version: 8")),
    "two versions": (426, _with(b"Version: 13", b"Version: 13, 8")),
    "no Upgrade": (400, _with(b"Upgrade: websocket\r\n", b"")),
    "another Upgrade": (400, _with(b"Upgrade: websocket", b"Upgrade: websocket2")),
    "no Connection": (400, _with(b"Connection: Upgrade\r\n", b"")),
    "Connection: close": (400, _with(b"Connection: Upgrade", b"Connection: close")),
    "a subprotocol that is no token": (400, _more(b"Sec-WebSocket-Protocol: a b")),
    "a subprotocol twice": (400, _more(b"Sec-WebSocket-Protocol: a, a")),
    "an extension that is no token": (
        400,
        _more(b"Sec-WebSocket-Extensions: permessage-deflate; x=\xb9"),
    ),
    "a malformed extension": (400, _more(b"Sec-WebSocket-Extensions: ;=")),
    "1,000 headers": (431, _more(*[b"X: y"] * 1000)),
    "a head of 1 MB": (ANY, _more(b"X: " + b"y" * MEGABYTE)),
    "a target of 1 MB": (ANY, _with(b" / ", b" /" + b"y" * MEGABYTE + b" ")),
}


def _requests():
    for name, (status, octets) in REFUSED.items():

        async def script(peer, seen, octets=octets):
            async with sending(peer, octets):
                await read_status(peer, seen)
                seen.notes["rest"] = (await peer.rest()).decode("latin-1")

        yield Scenario(
            name=f"request: {name}",
            script=script,
            status=status,
            # One answer, and nothing that looks like the start of another.
            note=lambda seen: not STATUS_LINE.search(seen.notes.get("rest", "")),
        )


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
    await attack(peer, seen, b"")


#: Offers that RFC 7692 §7.1 has declined: there is a session, without compression.
DECLINED = {
    "7 window bits": b"permessage-deflate; server_max_window_bits=7",
    "window bits without a value": b"permessage-deflate; server_max_window_bits",
    "an unknown parameter": b"permessage-deflate; x=1",
    "a parameter twice": b"permessage-deflate; client_no_context_takeover; "
    b"client_no_context_takeover",
    "in upper case": b"PERMESSAGE-DEFLATE",
    "1,000 others": b"x-other; a=b" + b", x-other; a=b" * 999,
    "1,000 bad ones": b"permessage-deflate; x" + b", permessage-deflate; x" * 999,
}


def _offers():
    for name, offer in DECLINED.items():

        async def script(peer, seen, offer=offer):
            await peer.send(_more(b"Sec-WebSocket-Extensions: " + offer))
            await read_status(peer, seen)
            await attack(peer, seen, frame(BINARY, b"\0", rsv=RSV1, key=KEY))

        yield Scenario(
            name=f"request, deflate: {name}",
            script=script,
            options={"deflate": {}},
            error=VIOLATION,
            code=1002,
            messages=0,
            note=lambda seen: "permessage-deflate" not in seen.notes["head"].lower(),
        )


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
        error=VIOLATION,
        messages=0,
    )


def _timed(rest):
    """Note how long it took until the server was gone."""

    async def script(peer, seen):
        began = time.monotonic()
        try:
            await rest(peer, seen)
        finally:
            seen.notes["seconds"] = time.monotonic() - began

    return script


def _then_discard(octets):
    async def rest(peer, seen):
        await peer.send(octets)
        await discard(peer, seen)

    return rest


async def _hello_octet_by_octet(peer, seen):
    tls = TlsByHand(peer, client_context(), server_side=False)
    dripping = asyncio.create_task(drip(peer, await tls.hello()))
    await discard(peer, seen)
    await dripping


async def _cut_within_hello(peer, seen):
    tls = TlsByHand(peer, client_context(), server_side=False)
    await peer.send((await tls.hello())[:-10])


def _tls():
    for name, rest, least in (
        ("nothing is sent", discard, 0.9),
        ("a handshake octet by octet", _hello_octet_by_octet, 0.9),
        ("HTTP instead of it", _then_discard(REQUEST), 0.0),
        ("a record that is too large", _then_discard(b"\x16\x03\x01\xff\xff"), 0.0),
        ("cut within the handshake", _cut_within_hello, 0.0),
    ):
        yield Scenario(
            name=f"request, TLS: {name}",
            script=_timed(rest),
            tls=True,
            by_hand=True,
            status=NONE,
            options=QUICK,
            note=lambda seen, least=least: least <= seen.notes["seconds"] <= 2.5,
        )


REQUESTS = [*_requests(), *_offers(), *_slow(), *_tls()]
