"""Compressed messages that break a rule or blow up (RFC 7692), for both directions."""

import functools
import gzip
import random
import zlib

from tests.hostile.attacks_frames import BAD_TEXT, GOODBYE, TOO_BIG, Attack
from tests.hostile.scenario import LIMIT, MEGABYTE, family
from tests.octets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    RSV1,
    TEXT,
    close,
    cut,
    frame,
    header,
)

DEFLATE = {"deflate": {}}
#: As a server's answer, or as a client's offer.
AGREED = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
SMALL_WINDOWS = (
    b"Sec-WebSocket-Extensions: permessage-deflate; "
    b"server_max_window_bits=8; client_max_window_bits=8\r\n"
)
FORGETFUL = (
    b"Sec-WebSocket-Extensions: permessage-deflate; "
    b"server_no_context_takeover; client_no_context_takeover\r\n"
)


@functools.cache
def deflated(size, *, fill=b"\x00", level=9):
    """So many octets, compressed as one message."""
    compressor = zlib.compressobj(level, wbits=-15)
    # What a full flush ends can be repeated: it refers to nothing before it.
    block = compressor.compress(fill * MEGABYTE) + compressor.flush(zlib.Z_FULL_FLUSH)
    rest = compressor.compress(fill * (size % MEGABYTE))
    rest += compressor.flush(zlib.Z_SYNC_FLUSH)
    return (block * (size // MEGABYTE) + rest)[:-4]


def bomb(key):
    """A small message that is as large as the limit once it is inflated."""
    return _compressed(deflated(LIMIT), key)


def _compressed(payload, key, *, opcode=BINARY):
    return frame(opcode, payload, rsv=RSV1, key=key)


def _cut(payload, key, *, size=1000, between=b""):
    """In fragments of so many bytes, with these octets behind each but the last."""
    first, *middle, last = cut(payload, size)
    fragments = [
        frame(BINARY, first, fin=False, rsv=RSV1, key=key),
        *(frame(CONTINUATION, piece, fin=False, key=key) for piece in middle),
        frame(CONTINUATION, last, key=key),
    ]
    return between.join(fragments)


def _twice(key):
    """A message, and another that says that it is the same again."""
    compressor = zlib.compressobj(wbits=-15)
    text = bytes(random.Random(5).choices(range(256), k=600))
    messages = []
    for _ in range(2):
        octets = compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)
        messages.append(_compressed(octets[:-4], key))
    return b"".join(messages) + close(1000, key=key)


def _attack(name, octets, **expected):
    options = {**DEFLATE, **expected.pop("options", {})}
    expected = {"headers": AGREED, **expected, "options": options}
    return Attack(name=f"deflate: {name}", octets=octets, **expected)


def _sizes():
    too_big = {"error": TOO_BIG, "code": 1009}
    yield _attack(
        "a bomb of 256 MB",
        lambda k: _compressed(deflated(256 * MEGABYTE), k),
        **too_big,
    )
    yield _attack(
        "a bomb of 256 MB in fragments",
        lambda k: _cut(deflated(256 * MEGABYTE), k),
        **too_big,
    )
    yield _attack(
        "a bomb of 256 MB as text",
        lambda k: _compressed(deflated(256 * MEGABYTE, fill=b"a"), k, opcode=TEXT),
        **too_big,
    )
    yield _attack(
        "a bomb of 256 MB in fragments with pings between",
        lambda k: _cut(
            deflated(256 * MEGABYTE), k, between=frame(PING, b"x" * 125, key=k)
        ),
        **too_big,
    )
    yield _attack(
        "a bomb of 256 MB behind 50 messages",
        lambda k: (
            _compressed(b"\x4a\x04\x00", k) * 50
            + _compressed(deflated(256 * MEGABYTE), k)
        ),
        messages=50,
        **too_big,
    )
    yield _attack(
        "one byte over the limit",
        lambda k: _compressed(deflated(LIMIT + 1), k),
        **too_big,
    )
    yield _attack(
        "one byte over the limit, in fragments",
        lambda k: _cut(deflated(LIMIT + 1, level=1), k),
        **too_big,
    )
    yield _attack(
        "exactly the limit",
        lambda k: bomb(k) + close(1000, key=k),
        messages=1,
        **GOODBYE,
    )
    yield _attack(
        "exactly the limit, in fragments",
        lambda k: _cut(deflated(LIMIT, level=1), k) + close(1000, key=k),
        messages=1,
        **GOODBYE,
    )
    yield _attack(
        "exactly the limit, in fragments of one byte",
        lambda k: _cut(deflated(LIMIT), k, size=1) + close(1000, key=k),
        messages=1,
        **GOODBYE,
    )
    yield _attack(
        "200 bombs within the limit, one after the other",
        lambda k: bomb(k) * 200 + close(1000, key=k),
        messages=200,
        within=15,
        **GOODBYE,
    )
    yield _attack(
        "a frame over the limit before it is inflated",
        lambda k: header(BINARY, LIMIT + 1, rsv=RSV1, key=k),
        **too_big,
    )


def _data():
    # A block of the reserved type 3, and a distance beyond the start of the window.
    yield _attack("a reserved block", lambda k: _compressed(b"\x07", k))
    yield _attack("too far back", lambda k: _compressed(b"\x4b\x04\x62\x00", k))
    yield _attack("a stored block that lies", lambda k: _compressed(b"\x00\x05\x00", k))
    yield _attack("no deflate at all", lambda k: _compressed(b"\xff" * 100, k))
    yield _attack(
        "text that is no UTF-8 when inflated",
        lambda k: _compressed(deflated(10, fill=b"\xff"), k, opcode=TEXT),
        error=BAD_TEXT,
        code=1007,
    )
    yield _attack(
        "zlib's header before it", lambda k: _compressed(zlib.compress(b"x" * 99), k)
    )
    yield _attack(
        "gzip's header before it", lambda k: _compressed(gzip.compress(b"x" * 99), k)
    )
    yield _attack(
        "garbage behind the final block", lambda k: _compressed(b"\x03\x00\x07", k)
    )
    yield _attack(
        "a back reference to the message before", _twice, messages=2, **GOODBYE
    )
    yield _attack(
        "one to a message that was to be forgotten",
        _twice,
        headers=FORGETFUL,
        messages=1,
    )
    yield _attack(
        "one beyond the window agreed on", _twice, headers=SMALL_WINDOWS, messages=1
    )
    yield _attack(
        "a message that stays as it is",
        lambda k: frame(BINARY, b"x", key=k) + _twice(k),
        messages=3,
        **GOODBYE,
    )
    # Two octets each, which inflate to nothing: no limit of sizes is ever reached.
    yield _attack(
        "100 empty final blocks",
        lambda k: _compressed(b"\x03\x00" * 100 + b"\x00", k) + close(1000, key=k),
        messages=1,
        **GOODBYE,
    )
    yield _attack(
        "8 million empty final blocks",
        lambda k: _compressed(b"\x03\x00" * (8 * MEGABYTE), k),
        options={"max_frame_size": 16 * MEGABYTE},
    )


def _bits():
    yield _attack(
        "RSV1 in a continuation",
        lambda k: (
            frame(BINARY, deflated(10), fin=False, rsv=RSV1, key=k)
            + frame(CONTINUATION, rsv=RSV1, key=k)
        ),
    )
    yield _attack(
        "RSV1 in a continuation of a plain message",
        lambda k: (
            frame(BINARY, b"x", fin=False, key=k)
            + frame(CONTINUATION, b"x", rsv=RSV1, key=k)
        ),
    )
    yield _attack("a compressed ping", lambda k: frame(PING, rsv=RSV1, key=k))
    yield _attack("a compressed pong", lambda k: frame(PONG, rsv=RSV1, key=k))
    yield _attack(
        "a compressed ping within a compressed message",
        lambda k: (
            frame(BINARY, deflated(9)[:2], fin=False, rsv=RSV1, key=k)
            + frame(PING, rsv=RSV1, key=k)
        ),
    )
    yield _attack(
        "a Close within a compressed message",
        lambda k: (
            frame(BINARY, deflated(9)[:2], fin=False, rsv=RSV1, key=k)
            + close(1000, key=k)
        ),
        **GOODBYE,
    )
    yield _attack(
        "a compressed Close", lambda k: frame(CLOSE, b"\x03\xe8", rsv=RSV1, key=k)
    )
    yield _attack("RSV2 beside RSV1", lambda k: frame(BINARY, rsv=0x60, key=k))
    yield _attack(
        "a ping within a compressed message",
        lambda k: (
            frame(BINARY, deflated(99)[:3], fin=False, rsv=RSV1, key=k)
            + frame(PING, b"x", key=k)
            + frame(CONTINUATION, deflated(99)[3:], key=k)
            + close(1000, key=k)
        ),
        messages=1,
        **GOODBYE,
    )


ATTACKS = family("compression", (*_sizes(), *_data(), *_bits()))
