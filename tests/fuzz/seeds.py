"""Writes the seed corpora, `corpus/TARGET.hex`, from octets made by hand.

Each line of such a file is one input. Run `python tests/fuzz/seeds.py` after a change
here; an input that once failed goes into `tests/test_findings.py` and into `FOUND`.
"""

import pathlib
import sys
import zlib

ROOT = pathlib.Path(__file__).parents[2]
FOLDER = pathlib.Path(__file__).parent / "corpus"

if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from tests import octets  # noqa: E402

KEY = octets.KEY

STREAMS = [
    octets.frame(octets.TEXT, b"Hello"),
    octets.frame(octets.TEXT, b"Hel", fin=False) + octets.frame(0, b"lo"),
    octets.frame(octets.TEXT, b"\xe2\x82", fin=False)
    + octets.frame(octets.PING, b"?")
    + octets.frame(0, b"\xac"),
    octets.frame(octets.BINARY, b"", fin=False) + octets.frame(0, b""),
    octets.frame(octets.BINARY, bytes(200)) + octets.frame(octets.PONG),
    octets.frame(octets.TEXT, "é€😀".encode()) + octets.close(1000, "é".encode()),
    octets.frame(octets.TEXT, b"\xed\xa0\x80"),
    octets.frame(octets.TEXT, b"ok\xff"),
    octets.frame(octets.TEXT, b"x", rsv=octets.RSV1),
    octets.frame(octets.TEXT, b"x", rsv=octets.RSV1, fin=False) + octets.frame(0, b"y"),
    octets.close(1005),
    octets.close(4000, b"\xff"),
    octets.frame(octets.CLOSE, b"\x03"),
    octets.frame(octets.CLOSE),
    octets.frame(octets.BINARY, b"1234", fin=False) + octets.close(1001),
    octets.frame(octets.PING, bytes(126)),
    octets.frame(octets.PING, b"", fin=False),
    octets.frame(octets.BINARY, b"x", form=16),
    octets.frame(octets.BINARY, b"x", form=64),
    octets.header(octets.BINARY, 2**62),
    octets.header(octets.BINARY, 2**63),
    octets.header(octets.BINARY, 65536),
    octets.header(octets.BINARY, 65535, form=64),
    octets.frame(0x3, b"x"),
    octets.frame(0, b"x"),
]
MASKED = [
    octets.frame(octets.TEXT, b"Hello", key=KEY),
    octets.frame(octets.TEXT, b"H\xc3", fin=False, key=KEY)
    + octets.frame(octets.PING, b"p", key=KEY)
    + octets.frame(0, b"\xa9", key=KEY),
    octets.frame(octets.BINARY, bytes(300), key=KEY),
    octets.close(1000, b"bye", key=KEY),
]

UPGRADE = b"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADE + ACCEPT
DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=10\r\n"
RESPONSES = [
    b"HTTP/1.1 101 ok\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    + ACCEPT
    + b"\r\n",
    SWITCHING + b"\r\n",
    SWITCHING + b"Sec-WebSocket-Protocol: chat\r\n\r\n\x81\x05Hello",
    SWITCHING + DEFLATE + b"\r\n\xc1\x00",
    SWITCHING + b"Sec-WebSocket-Extensions: x\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + SWITCHING + b"\r\n",
    b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!",
    b"HTTP/1.1 200\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
    b"HTTP/1.1 301 Moved\r\nLocation: /x\r\nConnection: close\r\n\r\nbody",
    b"HTTP/1.1 204 No Content\r\n\r\n",
    b"HTTP/1.0 101 Old\r\n\r\n",
    b"HTTP/1.1 101 x\nUpgrade: websocket\n\n",
    b"HTTP/1.1 101 x\r\nA: b\r\n c\r\n\r\n",
]
GET = b"GET /chat?a=b HTTP/1.1\r\nHost: example.com\r\n" + UPGRADE
WANTED = GET + b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
REQUESTS = [
    WANTED + b"Sec-WebSocket-Version: 13\r\n\r\n",
    WANTED + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, x\r\n\r\n",
    WANTED
    + b"Sec-WebSocket-Version: 13\r\n"
    + b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n",
    WANTED + b"Sec-WebSocket-Version: 8\r\n\r\n",
    WANTED + b"Content-Length: 3\r\n\r\nabc",
    GET + b"A: b\r\n c\r\n\r\n",
    GET + b"A: b\x01\r\n\r\n",
    GET + b"A: b\n\n",
    b"GET http://example.com HTTP/1.1\r\nHost: example.com\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01",
]
HEADERS = [
    b"permessage-deflate",
    b"permessage-deflate; client_max_window_bits",
    b"permessage-deflate; server_max_window_bits=8; client_max_window_bits=15",
    b'permessage-deflate; server_max_window_bits="10"',
    b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    b"permessage-deflate; client_max_window_bits, permessage-deflate",
    b', x; a="b\\c" ,, y',
    b"permessage-deflate; server_max_window_bits=16",
]


def compressed(data, bits=15, level=6, flush=zlib.Z_SYNC_FLUSH):
    deflater = zlib.compressobj(level, zlib.DEFLATED, -bits)
    return (deflater.compress(data) + deflater.flush(flush)).removesuffix(
        b"\x00\x00\xff\xff"
    )


def message(data):
    return bytes([len(data) >> 8, len(data) & 255]) + data


DEFLATED = [
    message(compressed(b"Hello")) + message(b"\xf2\x00\x11\x00\x00"),  # RFC 7692 §7.2.3
    message(b"\x00"),
    message(compressed(bytes(70_000))),
    message(compressed(bytes(65_536))),
    message(compressed(b"ab" * 300, bits=9, level=0)),
    message(compressed(b"Hello", flush=zlib.Z_FINISH) + b"\x00"),
    message(compressed(b"Hello", flush=zlib.Z_FINISH)),
    message(b"\x05\x00\xff"),
]

#: Inputs that once failed, by target.
FOUND = {
    "decode": [bytes.fromhex("0600070102e28289013f8000ac")],
    "response": [
        bytes([7, 1, 0, 0, 0])
        + SWITCHING.replace(b"Accept: ", b"Accept: \xa0")
        + b"\r\n"
    ],
}


def corpora():
    both = [*STREAMS, *MASKED]
    decode = [bytes([0, 0, 0]) + s for s in STREAMS]
    decode += [bytes([1, 0, 1]) + s for s in MASKED]
    decode += [bytes([2 + 4, 0, 7]) + s for s in STREAMS]
    compare = [bytes([0, 0]) + s for s in STREAMS]
    compare += [bytes([1, 0]) + s for s in MASKED]
    large = [
        bytes([flags, 0, 0x82, 7, 128, 0, cut]) + bytes([0x82, 0x61, 127, 1, cut])
        for flags in range(4)
        for cut in range(5)
    ]
    large += [bytes([1, 0, 0x01, 0x61, 200, 0, 0, 0x80, 0x62, 128, 2, 1])]
    encode = [
        b"\x01\x07" + bytes([0, 0, 5]) + b"Hello" + bytes([1, 8, 2]) + b"\x00\x01",
        b"\x00\x00" + bytes([0, 1, 2]) + b"He" + bytes([3, 0, 0, 0, 0, 2]) + b"lo",
        b"\x01\x01" + bytes([5, 8, 3]) + b"R12" + bytes([6, 0, 1]) + b"x",
        b"\x00\x00" + bytes([2, 0, 3]) + b"\x03\xe8!" + bytes([7, 8, 2]) + b"ab",
        b"\x01\x00" + bytes([0, 1, 2]) + b"\xe2\x82" + bytes([0, 0, 1]) + b"\xac",
    ]
    deflate = [
        bytes([flags, bits, 0, 8, 0]) + bytes([1, 3, 4]) + b"abcd" + bytes([2, 0, 0, 0])
        for flags in (0, 3, 4, 8, 15)
        for bits in (0, 1)
    ]
    return {
        "decode": decode,
        "large": large,
        "encode": encode,
        "text": [b"\x01\x02\x03\x04" + s for s in both] + ["é€😀".encode() * 5],
        "compare": compare,
        "response": [bytes([7, 1, 0, 0, 0]) + r for r in RESPONSES],
        "request": [bytes([7, 1, 0, 0, 0]) + r for r in REQUESTS],
        "negotiation": [bytes(6) + h for h in HEADERS]
        + [bytes([0, 1, 1, 3, 2, 3]) + h for h in HEADERS],
        "inflate": [bytes([2, 0, 0]) + d for d in DEFLATED]
        + [bytes([0, 0, limit]) + d for d in DEFLATED for limit in (0, 4)],
        "deflate": deflate,
    }


def write():
    FOLDER.mkdir(exist_ok=True)
    for name, inputs in corpora().items():
        lines = [octets.hex() for octets in inputs + FOUND.get(name, [])]
        (FOLDER / f"{name}.hex").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    write()
