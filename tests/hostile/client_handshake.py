"""Hostile and odd answers to the opening handshake."""

import asyncio
import re

from tests.hostile.scenario import LOST, Scenario, discard, drip, pour, watch
from tests.octets import TEXT, close, frame
from tests.scripted import accept_key, switching_protocols

MEGABYTE = 1024 * 1024
INVALID = "InvalidHandshakeError"
REFUSED = "HandshakeError"
SLOW = "OpenTimeoutError"
_QUICK = {"open_timeout": 1.0}


def _answering(octets, *, then=b""):
    """Answers with these octets; @ stands for the right key."""

    async def script(peer, seen):
        seen.request = await peer.head()
        await peer.send(octets.replace(b"@", accept_key(seen.request)) + then)
        await watch(peer, seen)

    return script


def _answer(*lines, status=b"HTTP/1.1 101 Switching Protocols"):
    return b"\r\n".join((status, *lines)) + b"\r\n\r\n"


UPGRADE = b"Upgrade: websocket"
CONNECTION = b"Connection: Upgrade"
ACCEPT = b"Sec-WebSocket-Accept: @"
RIGHT = (UPGRADE, CONNECTION, ACCEPT)

WRONG = {
    "HTTP/1.0": _answer(*RIGHT, status=b"HTTP/1.0 101 Switching Protocols"),
    "HTTP/2": _answer(*RIGHT, status=b"HTTP/2 101 Switching Protocols"),
    "HTTP/1.10": _answer(*RIGHT, status=b"HTTP/1.10 101 Switching Protocols"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "TLS instead of HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "LF-only lines": _answer(*RIGHT).replace(b"\r\n", b"\n"),
    "one LF-only line": _answer(*RIGHT).replace(b"\r\nUpgrade", b"\nUpgrade"),
    "a CR alone": _answer(UPGRADE, CONNECTION, b"X: a\rb", ACCEPT),
    "NUL in a header": _answer(*RIGHT, b"X: a\x00b"),
    "a folded header": _answer(UPGRADE, CONNECTION, b"X: a\r\n b", ACCEPT),
    "a header without a colon": _answer(*RIGHT, b"nonsense"),
    "a space before the colon": _answer(CONNECTION, ACCEPT, b"Upgrade : websocket"),
    "a status of two digits": _answer(*RIGHT, status=b"HTTP/1.1 10 Hm"),
    "a status of four digits": _answer(*RIGHT, status=b"HTTP/1.1 1010 Hm"),
    "no Upgrade": _answer(CONNECTION, ACCEPT),
    "another Upgrade": _answer(b"Upgrade: h2c", CONNECTION, ACCEPT),
    "Upgrade only begins right": _answer(b"Upgrade: websocket2", CONNECTION, ACCEPT),
    "no Connection": _answer(UPGRADE, ACCEPT),
    "Connection: close": _answer(UPGRADE, b"Connection: close", ACCEPT),
    "no accept": _answer(UPGRADE, CONNECTION),
    "an empty accept": _answer(UPGRADE, CONNECTION, b"Sec-WebSocket-Accept:"),
    "a wrong accept": _answer(
        UPGRADE, CONNECTION, b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    ),
    "an accept with something behind it": _answer(UPGRADE, CONNECTION, ACCEPT + b"x"),
    "accept twice": _answer(*RIGHT, ACCEPT),
    "accept twice, one wrong": _answer(*RIGHT, b"Sec-WebSocket-Accept: x"),
    "an unoffered subprotocol": _answer(*RIGHT, b"Sec-WebSocket-Protocol: chat"),
    "an empty subprotocol": _answer(*RIGHT, b"Sec-WebSocket-Protocol:"),
    "an unoffered extension": _answer(
        *RIGHT, b"Sec-WebSocket-Extensions: permessage-deflate"
    ),
    "an empty list of extensions": _answer(*RIGHT, b"Sec-WebSocket-Extensions:"),
    "a malformed extension": _answer(*RIGHT, b"Sec-WebSocket-Extensions: ;=,"),
}

_OFFERING = {"deflate": {}}
BAD_DEFLATE = {
    "an unknown parameter": b"permessage-deflate; x=1",
    "a parameter twice": b"permessage-deflate; server_max_window_bits=9; "
    b"server_max_window_bits=9",
    "the extension twice": b"permessage-deflate, permessage-deflate",
    "7 window bits": b"permessage-deflate; server_max_window_bits=7",
    "16 window bits": b"permessage-deflate; server_max_window_bits=16",
    "window bits without a value": b"permessage-deflate; server_max_window_bits",
    "window bits with a leading zero": b"permessage-deflate; server_max_window_bits=08",
    "a value where none belongs": b"permessage-deflate; server_no_context_takeover=1",
    "another extension": b"permessage-bzip2",
    "an unfinished quote": b'permessage-deflate; server_max_window_bits="9',
}

LEGAL = {
    "keep-alive, Upgrade": _answer(UPGRADE, b"Connection: keep-alive, Upgrade", ACCEPT),
    "Connection in two headers": _answer(
        b"Connection: keep-alive", UPGRADE, CONNECTION, ACCEPT
    ),
    "any letter case": _answer(
        b"uPGRADE: WebSocket", b"CONNECTION: upgrade", b"sec-websocket-ACCEPT: @"
    ),
    "no space behind colons": _answer(
        b"Upgrade:websocket", b"Connection:Upgrade", b"Sec-WebSocket-Accept:@"
    ),
    "spaces and tabs around values": _answer(
        b"Upgrade: \t websocket \t", CONNECTION, b"Sec-WebSocket-Accept:  @  "
    ),
    "no reason phrase": _answer(*RIGHT, status=b"HTTP/1.1 101 "),
    "not even its space": _answer(*RIGHT, status=b"HTTP/1.1 101"),
    "interim responses before": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3
    + _answer(*RIGHT),
    "100 headers": _answer(*RIGHT, *(b"X-%d: y" % i for i in range(100))),
    "Content-Length: 0": _answer(*RIGHT, b"Content-Length: 0"),
}


def _wrong():
    for name, octets in WRONG.items():
        yield Scenario(
            name=f"handshake: {name}", script=_answering(octets), error=INVALID
        )
    for name, value in BAD_DEFLATE.items():
        answer = _answer(*RIGHT, b"Sec-WebSocket-Extensions: " + value)
        yield Scenario(
            name=f"handshake, deflate: {name}",
            script=_answering(answer),
            error=INVALID,
            options=_OFFERING,
        )


def _legal():
    for name, octets in LEGAL.items():
        yield Scenario(
            name=f"handshake, legal: {name}",
            script=_answering(octets, then=frame(TEXT, b"hello") + close(1000)),
            code=1000,
            messages=1,
        )
    for value in (
        b'permessage-deflate; server_max_window_bits="10"',
        b"permessage-deflate ; client_max_window_bits = 9",
        b"permessage-deflate; server_max_window_bits=8; client_max_window_bits=8",
    ):
        octets = _answer(*RIGHT, b"Sec-WebSocket-Extensions: " + value)
        yield Scenario(
            name=f"handshake, legal: {value.decode()}",
            script=_answering(octets, then=frame(TEXT, b"hello") + close(1000)),
            code=1000,
            messages=1,
            options=_OFFERING,
        )


# Answers that never end.


async def _dripped_head(peer, seen):
    request = await peer.head()
    await drip(peer, switching_protocols(request))


async def _endless_headers(peer, seen):
    await peer.head()
    await peer.send(b"HTTP/1.1 101 Switching Protocols\r\n")
    await pour(peer, b"X-Y: " + b"z" * 60 + b"\r\n", 64 * MEGABYTE, seen)


async def _endless_header(peer, seen):
    await peer.head()
    await peer.send(b"HTTP/1.1 101 Switching Protocols\r\nX: ")
    await pour(peer, b"y" * 1024, 64 * MEGABYTE, seen)


async def _endless_status(peer, seen):
    await peer.head()
    await peer.send(b"HTTP/1.1 101 ")
    await pour(peer, b"y" * 1024, 64 * MEGABYTE, seen)


async def _interim_flood(peer, seen):
    await peer.head()
    await pour(peer, b"HTTP/1.1 100 Continue\r\n\r\n" * 100, 64 * MEGABYTE, seen)


async def _interim_drip(peer, seen):
    await peer.head()
    for _ in range(100):
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(0.05)


async def _many_headers(peer, seen):
    request = await peer.head()
    await peer.send(switching_protocols(request, b"X: y\r\n" * 1000))
    await discard(peer, seen)


def _endless_body(headers):
    async def script(peer, seen):
        await peer.head()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\n" + headers + b"\r\n")
        body = b"400\r\n" + b"z" * 1024 + b"\r\n" if b"chunked" in headers else b"z"
        await pour(peer, body * 64, 256 * MEGABYTE, seen, seconds=5)

    return script


async def _slow_body(peer, seen):
    """The refusal is clear; its body comes at one octet per 50 ms."""
    await peer.head()
    await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9999\r\n\r\n")
    await drip(peer, b"z" * 9999)


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
    request = await peer.head()
    await peer.send(switching_protocols(request)[:-10])
    await asyncio.sleep(0.05)
    peer.reset()


async def _frames_at_once(peer, seen):
    await peer.accept(then=frame(TEXT, b"a") * 1000 + close(1000))
    await watch(peer, seen)


async def _gone_at_once(peer, seen):
    await peer.accept()


async def _early_answer(peer, seen):
    """An answer to nothing: it was there before the request."""
    await peer.send(_answer(*RIGHT))
    await discard(peer, seen)


# Redirects.


def _redirecting(location, status=b"302 Found"):
    async def script(peer, seen):
        request = await peer.head()
        seen.frames += 1
        seen.request += request
        if b"GET /moved" in request:
            await peer.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        port = re.search(rb"\r\nHost: [^\r]*:(\d+)", request)[1]
        target = location.replace(b"PORT", port)
        await peer.send(
            b"HTTP/1.1 %s\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
            % (status, target)
        )

    return script


def _no_secrets_elsewhere(seen):
    first, moved = seen.request.split("GET ")[1:]
    return "secret" in first and "secret" not in moved


def _redirects():
    yield Scenario(
        name="redirect: for ever",
        script=_redirecting(b"/again"),
        error=REFUSED,
        note=lambda seen: seen.frames == 11,
    )
    yield Scenario(
        name="redirect: another origin gets no credentials",
        script=_redirecting(b"ws://localhost:PORT/moved"),
        error=REFUSED,
        request={
            "headers": {
                "Authorization": "Bearer secret",
                "Cookie": "a=secret",
                "Proxy-Authorization": "Basic secret",
            }
        },
        note=_no_secrets_elsewhere,
    )
    for name, location in {
        "no location": b"",
        "to a file": b"file:///etc/passwd",
        "to javascript": b"javascript:alert(1)",
        "with a space": b"/mo ved\tx",
        "to no host": b"ws://",
        "to port 99999": b"ws://127.0.0.1:99999/",
        "to a broken address": b"ws://[::1/",
        "of 60,000 characters": b"/" + b"a" * 60_000 + b"moved",
    }.items():
        yield Scenario(
            name=f"redirect: {name}",
            script=_redirecting(location),
            error=REFUSED,
            within=6,
        )


def _endless():
    yield Scenario(
        name="handshake: octet by octet",
        script=_dripped_head,
        error=SLOW,
        least=0.9,
        options=_QUICK,
    )
    yield Scenario(
        name="handshake: no answer",
        script=_silence,
        error=SLOW,
        least=0.9,
        options=_QUICK,
    )
    yield Scenario(
        name="handshake: interim responses, slowly, without end",
        script=_interim_drip,
        error=SLOW,
        least=0.9,
        options=_QUICK,
    )
    for name, script in {
        "headers without end": _endless_headers,
        "one header without end": _endless_header,
        "a status line without end": _endless_status,
        "interim responses without end": _interim_flood,
        "1,000 headers": _many_headers,
        "dropped before the answer": _drop,
        "dropped within the answer": _drop_within,
        "reset before the answer": _reset,
        "reset within the answer": _reset_within,
        "an answer to nothing": _early_answer,
    }.items():
        yield Scenario(name=f"handshake: {name}", script=script, error=INVALID)
    for name, headers in {
        "a body without end": b"",
        "a body of 2^60 bytes": b"Content-Length: 1152921504606846976\r\n",
        "chunks without end": b"Transfer-Encoding: chunked\r\n",
    }.items():
        yield Scenario(
            name=f"handshake: 403 with {name}",
            script=_endless_body(headers),
            error=REFUSED,
            within=2.0,
        )
    yield Scenario(
        name="handshake: 403 with a slow body",
        script=_slow_body,
        error=REFUSED,
        within=2.5,
    )
    yield Scenario(
        name="handshake, legal: 1,001 frames in the same packet",
        script=_frames_at_once,
        code=1000,
        messages=1000,
    )
    yield Scenario(
        name="handshake: gone right after it", script=_gone_at_once, error=LOST
    )


HANDSHAKE = [*_wrong(), *_legal(), *_endless(), *_redirects()]
