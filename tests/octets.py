"""Frames built by hand, octet by octet, from RFC 6455 §5.2.

Nothing here knows the codec, and everything illegal can be built as well.
"""

import itertools
import operator
import struct

CONTINUATION = 0x0
TEXT = 0x1
BINARY = 0x2
CLOSE = 0x8
PING = 0x9
PONG = 0xA

OPCODES = (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG)
CONTROL_OPCODES = (CLOSE, PING, PONG)
UNKNOWN_OPCODES = (0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF)

RSV1, RSV2, RSV3 = 0x40, 0x20, 0x10

KEY = b"\x37\xfa\x21\x3d"


def mask(payload, key=KEY):
    """RFC 6455 §5.3: octet i is XORed with octet i modulo 4 of the key."""
    return bytes(map(operator.xor, payload, itertools.cycle(key)))


def header(opcode, length, *, fin=True, rsv=0, key=None, form=None):
    """The octets before the payload.

    Arguments:
        length: what the header says, whatever may follow.
        form: 7, 16 or 64, the bits that hold the length; the shortest by default.
    """
    if form is None:
        form = 7 if length < 126 else 16 if length < 65536 else 64
    masked = 0 if key is None else 0x80
    octets = bytes([(0x80 if fin else 0) | rsv | opcode])
    if form == 7:
        octets += bytes([masked | length])
    elif form == 16:
        octets += bytes([masked | 126]) + struct.pack("!H", length)
    else:
        octets += bytes([masked | 127]) + struct.pack("!Q", length)
    return octets + (key or b"")


def frame(opcode, payload=b"", *, fin=True, rsv=0, key=None, form=None):
    """One whole frame, masked where a key is given."""
    head = header(opcode, len(payload), fin=fin, rsv=rsv, key=key, form=form)
    return head + (payload if key is None else mask(payload, key))


def close(code, reason=b"", *, key=None):
    """A Close frame with a code (RFC 6455 §5.5.1)."""
    return frame(CLOSE, struct.pack("!H", code) + reason, key=key)


def cut(octets, size):
    """The octets in pieces of this size."""
    return [octets[start : start + size] for start in range(0, len(octets), size)]
