"""The codec by itself: masking, UTF-8, decoding and encoding, by payload size."""

import pytest

from ktorws import _frame, _frame_py

SIZES = [16, 125, 1024, 16 * 1024, 256 * 1024, 1024 * 1024]
KEY = b"\x37\xfa\x21\x3d"
#: Octets fed to a decoder at a time, as a read of a socket brings at most.
READ = 64 * 1024


@pytest.fixture(params=[_frame, _frame_py], ids=["compiled", "plain"])
def codec(request):
    return request.param


@pytest.fixture(params=SIZES, ids=lambda size: f"{size} B")
def payload(request, benchmark):
    benchmark.group = f"{request.function.__name__[5:]}, {request.param} B"
    return b"x" * request.param


def head(payload):
    size = len(payload)
    if size < 126:
        return bytes([0x81, size])
    if size < 65536:
        return bytes([0x81, 126]) + size.to_bytes(2, "big")
    return bytes([0x81, 127]) + size.to_bytes(8, "big")


def test_mask(benchmark, codec, payload):
    masked = benchmark(codec.apply_mask, payload, KEY)
    assert masked[:4] == bytes(a ^ b for a, b in zip(b"xxxx", KEY, strict=True))


def test_is_utf8(benchmark, codec, payload):
    assert benchmark(codec.is_utf8, payload)


def test_is_utf8_of_two_octet_characters(benchmark, codec, payload):
    assert benchmark(codec.is_utf8, ("я" * (len(payload) // 2)).encode())


def test_decode(benchmark, codec, payload):
    """Many texts in each read, or one text in many reads."""
    octets = (head(payload) + payload) * max(READ // (len(payload) + 2), 1)
    reads = [octets[start : start + READ] for start in range(0, len(octets), READ)]
    decoder = codec.FrameDecoder(
        masked=False, max_frame_size=2**24, reassemble=True, buffer=codec.ReadBuffer()
    )

    def decode():
        number = 0
        for read in reads:
            number += len(decoder.decode(read))
        return number

    assert benchmark(decode) == max(READ // (len(payload) + 2), 1)


def test_encode(benchmark, codec, payload):
    encoder = codec.FrameEncoder(masking=True, keys=codec.MaskKeys())
    frame = codec.Frame.Binary(payload)
    assert len(benchmark(encoder.encode, frame)) == len(head(payload)) + 4 + len(
        payload
    )
