"""Decodes and encodes for a long while, errors included; prints what memory grew.

With the argument "python" it is the plain codec. Prints two numbers, each without
a warm-up: bytes of Python's allocator, bytes of resident memory.
"""

import gc
import importlib
import sys
import tracemalloc

from tests import octets
from tests.stress.harness import resident

CALLS = 100_000
KEY = octets.KEY
INPUTS = [
    octets.frame(octets.TEXT, b"Hello"),
    octets.frame(octets.TEXT, "é€".encode() * 300),
    octets.frame(octets.BINARY, bytes(70_000)),
    octets.frame(octets.TEXT, b"Hel", fin=False) + octets.frame(0, b"lo"),
    octets.frame(octets.PING, b"p") + octets.close(1000, b"bye"),
    octets.frame(octets.TEXT, b"\xff\xff"),
    octets.frame(octets.TEXT, b"x", rsv=octets.RSV1),
    octets.frame(octets.TEXT, b"x", key=KEY),
    octets.frame(0x3, b"x"),
    octets.frame(octets.PING, bytes(126)),
    octets.header(octets.BINARY, 2**62),
    octets.close(1005),
    octets.frame(octets.BINARY, bytes(5000), fin=False)[:2000],
]
UNSENDABLE = ["\ud800", 5, None, ["x"]]
SENDABLE = ["Hello", "é" * 200, bytes(70_000), b"x", bytearray(300)]


def decode(codec, number):
    decoder = codec.FrameDecoder(
        masked=False, reassemble=number % 2 == 0, max_frame_size=100_000
    )
    octets = INPUTS[number % len(INPUTS)]
    frames = decoder.decode(octets)
    for frame in frames:
        hash(frame)
        repr(frame)
        frame.read_bytes()
    return decoder.error


def encode(codec, number):
    encoder = codec.FrameEncoder(masking=True)
    encoder.append(SENDABLE[number % len(SENDABLE)])
    try:
        encoder.encode(UNSENDABLE[number % len(UNSENDABLE)])
    except (TypeError, ValueError):
        encoder.take()
    encoder.encode(SENDABLE[number % len(SENDABLE)])


def work(codec, calls):
    for number in range(calls):
        decode(codec, number)
        encode(codec, number)
    gc.collect()


if __name__ == "__main__":
    plain = sys.argv[1] == "python"
    codec = importlib.import_module("ktorws._frame_py" if plain else "ktorws._frame")
    calls = int(sys.argv[2]) if len(sys.argv) > 2 else CALLS
    tracemalloc.start()
    work(codec, calls // 10)
    traced, memory = tracemalloc.get_traced_memory()[0], resident()
    work(codec, calls)
    print(tracemalloc.get_traced_memory()[0] - traced, resident() - memory)  # noqa: T201
