"""Answers to the opening handshake: wrong ones, and odd ones that are right."""

import base64

from tests.hostile.scenario import LOST, Scenario, discard, drip, watch
from tests.octets import TEXT, close, frame
from tests.scripted import KEY, accept_key, switching_protocols

INVALID = "InvalidHandshakeError"
INTERRUPTED = "HandshakeLostError"
REFUSED = "HandshakeError"


def _answering(octets, *, then=b""):
    """Answers with these octets; @ stands for the right key, or a variant of it."""

    async def script(peer, seen):
        seen.request = await peer.head()
        key = accept_key(seen.request)
        variants = {b"@lower": key.lower(), b"@bare": key.rstrip(b"="), b"@": key}
        answer = octets
        for mark, text in variants.items():
            answer = answer.replace(mark, text)
        await peer.send(answer + then)
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
    "HTTP/0.9": b"<html>Hello</html>\r\n",
    "a lower-case protocol": _answer(*RIGHT, status=b"http/1.1 101 Hm"),
    "ICY": _answer(*RIGHT, status=b"ICY 101 Hm"),
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a frame instead": frame(TEXT, b"hello"),
    "HTTP/2's settings": b"\0\0\0\x04\0\0\0\0\0",
    "an empty line before it": b"\r\n" + _answer(*RIGHT),
    "a byte order mark before it": b"\xef\xbb\xbf" + _answer(*RIGHT),
    "TLS instead of HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "LF-only lines": _answer(*RIGHT).replace(b"\r\n", b"\n"),
    "one LF-only line": _answer(*RIGHT).replace(b"\r\nUpgrade", b"\nUpgrade"),
    "a CR alone": _answer(UPGRADE, CONNECTION, b"X: a\rb", ACCEPT),
    "NUL in a header": _answer(*RIGHT, b"X: a\x00b"),
    "DEL in a header": _answer(*RIGHT, b"X: a\x7fb"),
    "NUL in the reason": _answer(*RIGHT, status=b"HTTP/1.1 101 a\x00b"),
    "a folded status line": _answer(b" " + UPGRADE, *RIGHT),
    "a folded accept": _answer(UPGRADE, CONNECTION, b"Sec-WebSocket-Accept:\r\n @"),
    "a header without a name": _answer(*RIGHT, b": x"),
    "a header's name with a space": _answer(*RIGHT, b"X Y: z"),
    "a folded header": _answer(UPGRADE, CONNECTION, b"X: a\r\n b", ACCEPT),
    "a header without a colon": _answer(*RIGHT, b"nonsense"),
    "a space before the colon": _answer(CONNECTION, ACCEPT, b"Upgrade : websocket"),
    "a status of two digits": _answer(*RIGHT, status=b"HTTP/1.1 10 Hm"),
    "a status of four digits": _answer(*RIGHT, status=b"HTTP/1.1 1010 Hm"),
    "status 000": _answer(*RIGHT, status=b"HTTP/1.1 000 Hm"),
    "a signed status": _answer(*RIGHT, status=b"HTTP/1.1 +101 Hm"),
    "two spaces before the status": _answer(*RIGHT, status=b"HTTP/1.1  101 Hm"),
    "a tab before the status": _answer(*RIGHT, status=b"HTTP/1.1\t101 Hm"),
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
    "an accept in lower case": _answer(
        UPGRADE, CONNECTION, b"Sec-WebSocket-Accept: @lower"
    ),
    "an accept without its padding": _answer(
        UPGRADE, CONNECTION, b"Sec-WebSocket-Accept: @bare"
    ),
    "an accept in quotes": _answer(UPGRADE, CONNECTION, b'Sec-WebSocket-Accept: "@"'),
    "the accept of another key": _answer(
        UPGRADE,
        CONNECTION,
        b"Sec-WebSocket-Accept: " + accept_key(b"Sec-WebSocket-Key: " + KEY),
    ),
    "the accept of no key": _answer(
        UPGRADE,
        CONNECTION,
        b"Sec-WebSocket-Accept: " + accept_key(b"Sec-WebSocket-Key:"),
    ),
    "16 zero bytes for accept": _answer(
        UPGRADE,
        CONNECTION,
        b"Sec-WebSocket-Accept: " + base64.b64encode(bytes(20)),
    ),
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
#: Behind an offer of "chat" and "chat2".
BAD_SUBPROTOCOL = {
    "another": b"Sec-WebSocket-Protocol: other",
    "in upper case": b"Sec-WebSocket-Protocol: CHAT",
    "two in one header": b"Sec-WebSocket-Protocol: chat, chat2",
    "in two headers": b"Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Protocol: chat",
    "in quotes": b'Sec-WebSocket-Protocol: "chat"',
    "an empty one": b"Sec-WebSocket-Protocol:",
}
BAD_DEFLATE = {
    "an unknown parameter": b"permessage-deflate; x=1",
    "a parameter twice": b"permessage-deflate; server_max_window_bits=9; "
    b"server_max_window_bits=9",
    "the extension twice": b"permessage-deflate, permessage-deflate",
    "a parameter twice, by another value": b"permessage-deflate; "
    b"server_max_window_bits=9; server_max_window_bits=10",
    "the extension in two headers": b"permessage-deflate\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate",
    "an offer for an answer": b"permessage-deflate; client_max_window_bits",
    "another one beside it": b"permessage-deflate, x-webkit-deflate-frame",
    "1,000 of them": b"permessage-deflate" + b", permessage-deflate" * 999,
    "a space in the name": b"permessage deflate",
    "nothing behind the semicolon": b"permessage-deflate;",
    "two semicolons": b"permessage-deflate;; server_no_context_takeover",
    "signed window bits": b"permessage-deflate; server_max_window_bits=+9",
    "a superscript for window bits": b"permessage-deflate; server_max_window_bits=\xb9",
    "window bits that are an escape": b"permessage-deflate; "
    b'server_max_window_bits="1\\\x31x"',
    "window bits of 4,000 digits": b"permessage-deflate; server_max_window_bits="
    + b"9" * 4000,
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
    # RFC 9112 §6.3: behind a 101 there is no body, whatever its headers say.
    "Content-Length: 7": _answer(*RIGHT, b"Content-Length: 7"),
    "Transfer-Encoding: chunked": _answer(*RIGHT, b"Transfer-Encoding: chunked"),
    "another Upgrade beside it": _answer(b"Upgrade: h2c, websocket", *RIGHT[1:]),
    "Latin-1 in a header and the reason": _answer(
        *RIGHT, b"X: caf\xe9", status=b"HTTP/1.1 101 D\xe9j\xe0 vu"
    ),
    "empty headers": _answer(*RIGHT, b"X:", b"Y: \t"),
    "Content-Length: 0": _answer(*RIGHT, b"Content-Length: 0"),
}


OTHER_STATUS = {
    "200": b"HTTP/1.1 200 OK",
    "201": b"HTTP/1.1 201 Created",
    "204": b"HTTP/1.1 204 No Content",
    "304": b"HTTP/1.1 304 Not Modified",
    "300 without a place": b"HTTP/1.1 300 Multiple Choices",
    "426": b"HTTP/1.1 426 Upgrade Required",
    "999": b"HTTP/1.1 999 Hm",
}


def _wrong():
    for name, octets in WRONG.items():
        yield Scenario(
            name=f"handshake: {name}", script=_answering(octets), error=INVALID
        )
    for name, status in OTHER_STATUS.items():
        octets = _answer(*RIGHT, b"Content-Length: 0", status=status)
        yield Scenario(
            name=f"handshake: {name}, all else as for 101",
            script=_answering(octets, then=frame(TEXT, b"hello")),
            error=REFUSED,
        )
    for name, value in BAD_SUBPROTOCOL.items():
        yield Scenario(
            name=f"handshake, subprotocol: {name}",
            script=_answering(_answer(*RIGHT, value)),
            error=INVALID,
            request={"subprotocols": ["chat", "chat2"]},
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


# Behind a right answer.


async def _frames_at_once(peer, seen):
    await peer.accept(then=frame(TEXT, b"a") * 1000 + close(1000))
    await watch(peer, seen)


async def _gone_at_once(peer, seen):
    await peer.accept()


async def _early_answer(peer, seen):
    """An answer to nothing: it was there before the request."""
    await peer.send(_answer(*RIGHT))
    await discard(peer, seen)


async def _quick_drip(peer, seen):
    """Octet by octet, but in time."""
    answer = switching_protocols(await peer.head())
    await drip(peer, answer + frame(TEXT, b"hello") + close(1000), pause=0)
    await watch(peer, seen)


def _behind():
    yield Scenario(
        name="handshake, legal: octet by octet, but in time",
        script=_quick_drip,
        code=1000,
        messages=1,
    )
    yield Scenario(
        name="handshake: an answer to nothing", script=_early_answer, error=INVALID
    )
    yield Scenario(
        name="handshake: the same answer twice",
        script=_answering(_answer(*RIGHT) * 2),
        error="ProtocolViolationError",
        code=1002,
        messages=0,
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


HANDSHAKE = [*_wrong(), *_legal(), *_behind()]
