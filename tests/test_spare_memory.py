"""Large frames and payloads in memory that was used before, once nobody has it."""

import random
import sys

import pytest

from tests.feeding import decoder, receive
from tests.octets import BINARY, CONTINUATION, TEXT, frame

SIZE = 200_000  # is received in place, and kept


def encoder(codec, memory=None):
    memory = memory or codec.SpareMemory()
    return codec.FrameEncoder(masking=False, memory=memory)


def received(it, *messages):
    """What a decoder gives for these payloads, read by read."""
    octets = b"".join(frame(BINARY, message) for message in messages)
    return [one.data for one in receive(it, octets, 70_000)]


def test_frames_of_all_sizes_and_connections_share_it(codec):
    memory = codec.SpareMemory()
    both = encoder(codec, memory), encoder(codec, memory)
    for size in (SIZE, SIZE, 300_000, 150_000, 5_000_000, 10, 210_000, SIZE):
        for one in both:
            data = bytes([size % 251]) * size
            assert one.encode(data)[-size:] == data


def test_a_frame_that_somebody_still_has_is_left_alone(codec):
    one = encoder(codec)
    kept = [one.encode(bytes([number]) * SIZE) for number in range(4)]
    assert [octets[-1] for octets in kept] == [0, 1, 2, 3]
    assert [octets[10] for octets in kept] == [0, 1, 2, 3]
    view = memoryview(one.encode(b"a" * SIZE))
    for _ in range(3):
        one.encode(b"b" * SIZE)
    assert bytes(view[-2:]) == b"aa"


def test_frames_that_were_gathered_share_it_too(codec):
    memory = codec.SpareMemory()
    both = encoder(codec, memory), encoder(codec, memory)
    kept = []
    for number, size in enumerate((SIZE, SIZE, 240_000, 10, SIZE, 1000, SIZE)):
        for one in both:
            data = bytes([number]) * size
            one.append(data)
            one.append(b"behind")
            assert one.take()[-size - 8 :] == data + frame(BINARY, b"behind")
            one.append(data)
            kept.append((one.take(), data))
            assert one.encode(data)[-size:] == data
    assert all(octets[-len(data) :] == data for octets, data in kept)


def test_the_compiled_codec_gathers_over_frames_that_are_gone(codec):
    if codec.CODEC != "cython":
        pytest.skip("only the compiled codec does")
    one = encoder(codec)
    one.append(bytes(SIZE))
    octets = one.take()
    place = id(octets)
    assert sys.getrefcount(octets) == 3  # ours, the call's, and the memory's
    del octets
    one.append(bytes(SIZE))
    assert id(one.take()) == place


def test_a_payload_that_somebody_still_has_is_left_alone(codec):
    it = decoder(codec, memory=codec.SpareMemory())
    kept = [received(it, bytes([number]) * SIZE)[0] for number in range(5)]
    view = memoryview(received(it, b"a" * SIZE)[0])
    for _ in range(3):
        received(it, b"b" * SIZE)
    assert [set(data) for data in kept] == [{0}, {1}, {2}, {3}, {4}]
    assert bytes(view) == b"a" * SIZE


def test_a_payload_in_used_memory_has_a_hash_of_its_own(codec):
    it = decoder(codec, memory=codec.SpareMemory())
    for octet in (b"a", b"b", b"c", b"d"):
        (data,) = received(it, octet * SIZE)
        assert hash(data) == hash(octet * SIZE)
        assert {data: 1}[octet * SIZE] == 1
        del data


def test_the_compiled_codec_writes_over_payloads_that_are_gone(codec):
    if codec.CODEC != "cython":
        pytest.skip("The plain codec has no use for it")
    it = decoder(codec, memory=codec.SpareMemory())
    places, data = set(), None
    for number in range(20):
        data = received(it, bytes([number]) * SIZE)[0]  # the last one is there till now
        places.add(id(data))
    assert len(places) <= 2


@pytest.mark.parametrize("reassemble", [False, True], ids=["raw", "whole"])
def test_payloads_of_any_sizes_are_whole(codec, reassemble):
    memory = codec.SpareMemory()
    decoders = [decoder(codec, memory=memory, reassemble=reassemble) for _ in range(2)]
    choose = random.Random(1)
    kept = []
    for number in range(60):
        size = choose.choice((100, 131_000, SIZE, 250_000, 1 << 20, 3 << 20, 5 << 20))
        size += choose.randrange(1000)
        data = bytes([number]) * size
        (got,) = received(choose.choice(decoders), data)
        assert got == data
        if choose.random() < 0.3:
            kept.append((number, got))
    assert all(set(got) == {number} for number, got in kept)


def test_fragments_of_a_message_are_put_together_in_used_memory(codec):
    it = decoder(codec, memory=codec.SpareMemory(), reassemble=True)
    for text in ("ä", "ö", "ü"):
        half = text.encode() * SIZE
        octets = frame(TEXT, half, fin=False) + frame(CONTINUATION, half)
        (got,) = receive(it, octets, 70_000)
        assert got.read_text() == text * SIZE * 2
        received(it, half)
        del got


def test_what_was_begun_and_forgotten_is_not_kept(codec):
    it = decoder(codec, memory=codec.SpareMemory())
    (data,) = received(it, b"a" * SIZE)
    receive(it, frame(BINARY, b"b" * SIZE)[:150_000], 70_000)
    it.clear()
    assert received(it, b"c" * SIZE) == [b"c" * SIZE]
    assert data == b"a" * SIZE


def test_payloads_that_grow_smaller_use_the_memory_of_larger_ones(codec):
    if codec.CODEC != "cython":
        pytest.skip("The plain codec has no use for it")
    it = decoder(codec, memory=codec.SpareMemory())
    places = set()
    for size in range(SIZE, SIZE - 20_000, -1000):
        octets = frame(BINARY, bytes([size % 251]) * size)
        kept = []
        while octets:  # as asyncio does, with the view alive while it delivers
            window = it.get_buffer(-1)
            taken = min(70_000, len(window), len(octets))
            window[:taken] = octets[:taken]
            kept += it.buffer_updated(taken)
            octets = octets[taken:]
        (got,) = kept
        assert got.data == bytes([size % 251]) * size
        places.add(id(got.data))
        del got, kept, window
    assert len(places) <= 2
