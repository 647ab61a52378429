"""Compressed messages that break a rule or blow up (RFC 7692), for both directions."""

import functools
import zlib

from tests.hostile.attacks_frames import BAD_TEXT, TOO_BIG, Attack
from tests.hostile.scenario import GOOD, LIMIT, MEGABYTE
from tests.octets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    RSV1,
    TEXT,
    close,
    frame,
    header,
)

DEFLATE = {"deflate": {}}
ONE_READ = "all that one read (64 KiB) brought is inflated before a reader is asked"


@functools.cache
def deflated(data_size, *, fill=b"\x00", level=9):
    """So many octets, compressed as one message."""
    compressor = zlib.compressobj(level, wbits=-15)
    pieces = [compressor.compress(fill * min(MEGABYTE, data_size))]
    for start in range(MEGABYTE, data_size, MEGABYTE):
        pieces.append(compressor.compress(fill * min(MEGABYTE, data_size - start)))
    pieces.append(compressor.flush(zlib.Z_SYNC_FLUSH))
    return b"".join(pieces)[:-4]


def _compressed(payload, key, *, opcode=BINARY):
    return frame(opcode, payload, rsv=RSV1, key=key)


def _cut(payload, key):
    """In fragments of 1,000 bytes."""
    pieces = [payload[i : i + 1000] for i in range(0, len(payload), 1000)]
    first = frame(BINARY, pieces[0], fin=False, rsv=RSV1, key=key)
    middle = [frame(CONTINUATION, p, fin=False, key=key) for p in pieces[1:-1]]
    return first + b"".join(middle) + frame(CONTINUATION, pieces[-1], key=key)


def _attack(name, octets, **expected):
    options = {**DEFLATE, **expected.pop("options", {})}
    return Attack(name=f"deflate: {name}", octets=octets, options=options, **expected)


def _attacks():
    too_big = {"error": TOO_BIG, "code": 1009}
    good = {"error": GOOD, "code": 1000, "reason": 1000}
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
        "one byte over the limit",
        lambda k: _compressed(deflated(LIMIT + 1), k),
        **too_big,
    )
    yield _attack(
        "one byte over the limit, in fragments",
        lambda k: _cut(deflated(LIMIT + 1, fill=b"ab"[:1], level=1), k),
        **too_big,
    )
    yield _attack(
        "exactly the limit",
        lambda k: _compressed(deflated(LIMIT), k) + close(1000, key=k),
        messages=1,
        **good,
    )
    yield _attack(
        "exactly the limit, in fragments",
        lambda k: _cut(deflated(LIMIT, level=1), k) + close(1000, key=k),
        messages=1,
        **good,
    )
    yield _attack(
        "200 bombs within the limit, one after the other",
        lambda k: _compressed(deflated(LIMIT), k) * 200 + close(1000, key=k),
        messages=200,
        within=15,
        known=ONE_READ,
        **good,
    )
    yield _attack(
        "a frame over the limit before it is inflated",
        lambda k: header(BINARY, LIMIT + 1, rsv=RSV1, key=k),
        **too_big,
    )
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
        **good,
    )
    # Two octets each, which inflate to nothing: no limit of sizes is ever reached.
    yield _attack(
        "100 empty final blocks",
        lambda k: _compressed(b"\x03\x00" * 100 + b"\x00", k) + close(1000, key=k),
        messages=1,
        **good,
    )
    yield _attack(
        "8 million empty final blocks",
        lambda k: _compressed(b"\x03\x00" * (8 * MEGABYTE), k),
        options={"max_frame_size": 16 * MEGABYTE},
    )


ATTACKS = list(_attacks())
