"""Frames that break a rule, and legal ones at the edge; the same for both directions.

Each attack is a function of the key with which the attacker masks, or None. RFC 6455
is meant where a section is named alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.hostile.scenario import GOOD, LIMIT, MEGABYTE, VIOLATION, Expected, family
from tests.octets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    CONTROL_OPCODES,
    KEY,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    UNKNOWN_OPCODES,
    close,
    frame,
    header,
)

TOO_BIG = "FrameTooBigError"
BAD_TEXT = "InvalidTextError"
GOODBYE = {"error": GOOD, "code": 1000, "reason": 1000}
ILLEGAL_CODES = (
    *(0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1099, 1100, 1999, 2000, 2999),
    *(5000, 32768, 65535),
)
LEGAL_CODES = (1000, 1001, 1002, 1003, 1007, 1011, 1012, 1013, 1014, 3000, 3999, 4999)
#: Each is no UTF-8, whatever follows (Unicode 15.0, table 3-7).
BAD_UTF8 = {
    "a lone continuation byte": b"\x80",
    "FE": b"\xfe",
    "FF": b"\xff",
    "overlong slash": b"\xc0\xaf",
    "overlong in three": b"\xe0\x80\xaf",
    "overlong in four": b"\xf0\x80\x80\xaf",
    "a surrogate": b"\xed\xa0\x80",
    "beyond U+10FFFF": b"\xf4\x90\x80\x80",
    "F5": b"\xf5",
    "a broken sequence": b"\xe2\x28\xa1",
}


#: Each is UTF-8, though some decoders take offence.
LEGAL_UTF8 = {
    "NUL": b"\x00",
    "a byte order mark": b"\xef\xbb\xbf",
    "the last before the surrogates": b"\xed\x9f\xbf",
    "the first behind the surrogates": b"\xee\x80\x80",
    "noncharacters": b"\xef\xbf\xbe\xef\xbf\xbf\xf0\x9f\xbf\xbf",
    "U+10FFFF": b"\xf4\x8f\xbf\xbf",
}


@dataclass(frozen=True, kw_only=True)
class Attack(Expected):
    """Octets for an open session, and what must come of them.

    Attributes:
        octets: as a function of the attacker's key.
        headers: what the attacker adds to the handshake.
    """

    octets: Callable[[Any], bytes]
    error: str = VIOLATION
    code: Any = 1002
    messages: int | None = 0
    headers: bytes = b""


def _attack(name, octets, **expected):
    return Attack(name=name, octets=octets, **expected)


def _headers():
    yield _attack("RSV1 without an extension", lambda k: frame(TEXT, rsv=RSV1, key=k))
    yield _attack("RSV2", lambda k: frame(TEXT, rsv=RSV2, key=k))
    yield _attack("RSV3", lambda k: frame(BINARY, rsv=RSV3, key=k))
    yield _attack("RSV1 in a ping", lambda k: frame(PING, rsv=RSV1, key=k))
    for opcode in UNKNOWN_OPCODES:
        yield _attack(
            f"opcode {opcode:X}", lambda k, opcode=opcode: frame(opcode, b"x", key=k)
        )
    yield _attack(
        "the wrong side masks", lambda k: frame(TEXT, b"x", key=None if k else KEY)
    )
    yield _attack("a wrong mask bit in a ping", lambda k: _other_side(PING, k))
    yield _attack("a wrong mask bit in a pong", lambda k: _other_side(PONG, k))
    yield _attack("a wrong mask bit in a Close", lambda k: _other_side(CLOSE, k))
    yield _attack(
        "a wrong mask bit in a continuation",
        lambda k: frame(TEXT, b"x", fin=False, key=k) + _other_side(CONTINUATION, k),
    )
    yield _attack(
        "a wrong mask bit before 2^62 bytes",
        lambda k: header(BINARY, 1 << 62, form=64, key=None if k else KEY),
    )
    yield _attack("16 bits for length 0", lambda k: frame(TEXT, form=16, key=k))
    yield _attack(
        "16 bits for length 125", lambda k: frame(TEXT, b"x" * 125, form=16, key=k)
    )
    yield _attack(
        "64 bits for length 65535", lambda k: header(BINARY, 65535, form=64, key=k)
    )
    yield _attack(
        "the top bit of a length", lambda k: header(BINARY, 1 << 63, form=64, key=k)
    )
    yield _attack(
        "all bits of a length", lambda k: header(BINARY, (1 << 64) - 1, form=64, key=k)
    )
    for opcode in CONTROL_OPCODES:
        yield _attack(
            f"control frame {opcode:X} in fragments",
            lambda k, opcode=opcode: frame(opcode, fin=False, key=k),
        )
        yield _attack(
            f"control frame {opcode:X} of 126 bytes",
            lambda k, opcode=opcode: header(opcode, 126, key=k),
        )
    yield _attack(
        "a ping of 2^62 bytes", lambda k: header(PING, 1 << 62, form=64, key=k)
    )


def _other_side(opcode, key):
    return frame(opcode, key=None if key else KEY)


def _messages():
    yield _attack("a continuation first", lambda k: frame(CONTINUATION, b"x", key=k))
    yield _attack(
        "a continuation after a message",
        lambda k: frame(TEXT, b"x", key=k) + frame(CONTINUATION, b"x", key=k),
        messages=1,
    )
    for opcode in (TEXT, BINARY):
        yield _attack(
            f"a message {opcode:X} within another",
            lambda k, opcode=opcode: (
                frame(TEXT, b"x", fin=False, key=k) + frame(opcode, b"y", key=k)
            ),
        )
    yield _attack(
        "what came before a violation is delivered",
        lambda k: frame(TEXT, b"x", key=k) * 50 + frame(0x3, key=k),
        messages=50,
    )
    too_big = {"error": TOO_BIG, "code": 1009}
    yield _attack(
        "2^62 bytes", lambda k: header(BINARY, 1 << 62, form=64, key=k), **too_big
    )
    yield _attack(
        "one byte over the limit", lambda k: header(BINARY, LIMIT + 1, key=k), **too_big
    )
    yield _attack(
        "one byte over the default limit",
        lambda k: header(TEXT, 16 * MEGABYTE + 1, key=k),
        options={"max_frame_size": 16 * MEGABYTE},
        **too_big,
    )
    yield _attack(
        "one byte over the limit, in two fragments",
        lambda k: (
            frame(BINARY, bytes(LIMIT), fin=False, key=k)
            + header(CONTINUATION, 1, key=k)
        ),
        **too_big,
    )
    yield _attack(
        "sizes that overflow when added",
        lambda k: (
            frame(BINARY, b"x", fin=False, key=k)
            + header(CONTINUATION, (1 << 63) - 1, form=64, key=k)
        ),
        **too_big,
    )
    yield _attack(
        "exactly the limit",
        lambda k: frame(BINARY, bytes(LIMIT), key=k) + close(1000, key=k),
        messages=1,
        **GOODBYE,
    )
    yield _attack(
        "exactly the limit, in fragments with pings between",
        lambda k: _in_fragments(k) + close(1000, key=k),
        messages=1,
        **GOODBYE,
    )
    yield _attack(
        "an empty message in three empty fragments",
        lambda k: (
            frame(TEXT, fin=False, key=k)
            + frame(CONTINUATION, fin=False, key=k)
            + frame(CONTINUATION, key=k)
            + close(1000, key=k)
        ),
        messages=1,
        **GOODBYE,
    )
    yield _attack(
        "pongs that nobody asked for",
        lambda k: frame(PONG, b"x" * 125, key=k) * 100 + close(1000, key=k),
        **GOODBYE,
    )


def _far_too_long():
    """Lengths as an attacker would choose them where sizes are added or cast."""
    for name, length in {
        "2^31": 1 << 31,
        "2^32": 1 << 32,
        "2^32 + 1": (1 << 32) + 1,
        "2^63 - 1": (1 << 63) - 1,
    }.items():
        yield _attack(
            f"{name} bytes",
            lambda k, length=length: header(BINARY, length, form=64, key=k),
            error=TOO_BIG,
            code=1009,
        )


def _in_fragments(key):
    piece = bytes(LIMIT // 4)
    between = frame(PING, key=key)
    middle = frame(CONTINUATION, piece, fin=False, key=key) + between
    first = frame(BINARY, piece, fin=False, key=key) + between
    return first + middle * 2 + frame(CONTINUATION, piece, key=key)


def _text():
    bad = {"error": BAD_TEXT, "code": 1007}
    for name, octets in BAD_UTF8.items():
        yield _attack(
            f"text: {name}",
            lambda k, octets=octets: frame(TEXT, b"ok" + octets, key=k),
            **bad,
        )
        # The frame is not over: what cannot become right is refused all the same.
        yield _attack(
            f"text, at once: {name}",
            lambda k, octets=octets: _begun(octets, k),
            **bad,
        )
    yield _attack(
        "text ends within a character", lambda k: frame(TEXT, b"\xe2\x82", key=k), **bad
    )
    yield _attack(
        "text in fragments ends within a character",
        lambda k: (
            frame(TEXT, b"\xe2", fin=False, key=k) + frame(CONTINUATION, b"\x82", key=k)
        ),
        **bad,
    )
    yield _attack(
        "an unfinished fragment is bad already",
        lambda k: (
            frame(TEXT, b"\xe2", fin=False, key=k)
            + frame(CONTINUATION, b"\x28", fin=False, key=k)
        ),
        **bad,
    )

    for name, octets in LEGAL_UTF8.items():
        yield _attack(
            f"legal text: {name}",
            lambda k, octets=octets: frame(TEXT, octets, key=k) + close(1000, key=k),
            messages=1,
            **GOODBYE,
        )
    yield _attack(
        "legal text: every character in four fragments",
        lambda k: _octet_by_octet(b"\xf0\x9f\x98\x80" * 8, k) + close(1000, key=k),
        messages=1,
        **GOODBYE,
    )


def _octet_by_octet(payload, key):
    """In fragments of one octet, a ping behind each."""
    pieces = [payload[i : i + 1] for i in range(len(payload))]
    opcodes = [TEXT] + [CONTINUATION] * (len(pieces) - 1)
    return b"".join(
        frame(opcode, piece, fin=False, key=key) + frame(PING, piece, key=key)
        for opcode, piece in zip(opcodes, pieces, strict=True)
    ) + frame(CONTINUATION, key=key)


def _begun(octets, key):
    """The first half of a frame of the limit's size, with these octets at its end."""
    whole = frame(TEXT, b"a" * (LIMIT // 2) + octets + b"a" * (LIMIT // 4), key=key)
    return whole[: len(whole) - LIMIT // 4]


def _closes():
    for code in ILLEGAL_CODES:
        yield _attack(f"close code {code}", lambda k, code=code: close(code, key=k))
    for code in LEGAL_CODES:
        yield _attack(
            f"legal close code {code}",
            lambda k, code=code: close(code, b"bye", key=k),
            error=GOOD,
            code=code,
            reason=code,
        )
    yield _attack(
        "an empty Close",
        lambda k: frame(CLOSE, key=k),
        error=GOOD,
        code=1005,
        reason=1005,
    )
    yield _attack("a Close of one byte", lambda k: frame(CLOSE, b"\x03", key=k))
    yield _attack(
        "a close reason that is no UTF-8",
        lambda k: close(1000, b"\xff", key=k),
        error=BAD_TEXT,
        code=1007,
    )
    yield _attack(
        "a close reason that ends within a character",
        lambda k: close(1000, b"\xe2\x82", key=k),
        error=BAD_TEXT,
        code=1007,
    )
    yield _attack(
        "data behind a Close is dropped",
        lambda k: close(1000, key=k) + frame(TEXT, b"late", key=k) * 1000,
        **GOODBYE,
    )
    yield _attack(
        "pings behind a Close are not answered",
        lambda k: close(1000, key=k) + frame(PING, b"late", key=k) * 1000,
        **GOODBYE,
    )
    yield _attack(
        "garbage behind a Close is not judged",
        lambda k: close(1001, key=k) + b"\xff" * 1000,
        error=GOOD,
        code=1001,
        reason=1001,
    )
    yield _attack(
        "two Closes",
        lambda k: close(1001, key=k) + close(1002, key=k),
        error=GOOD,
        code=1001,
        reason=1001,
    )
    yield _attack(
        "a Close within a message",
        lambda k: frame(TEXT, b"x", fin=False, key=k) + close(1000, key=k),
        **GOODBYE,
    )


ATTACKS = [
    *family("frame headers", _headers()),
    *family("messages and sizes", (*_messages(), *_far_too_long())),
    *family("text", _text()),
    *family("Close frames", _closes()),
]


def torn(key):
    """The connection ends behind these, without a Close frame."""
    whole = frame(BINARY, b"x" * 256, key=key)
    return {
        "before a frame": b"",
        "within a header": whole[:1],
        "within a length": whole[:3],
        **({"within a key": whole[:6]} if key else {}),
        "within a payload": whole[:-9],
        "within a message": frame(TEXT, b"x", fin=False, key=key),
        "behind a message": whole,
    }
