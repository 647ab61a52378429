"""What a decoder forgets when it is told to."""

import gc
import tracemalloc

import pytest

from tests.feeding import decoder, receive
from tests.octets import CONTINUATION, TEXT, frame

MEBIBYTE = 1 << 20
LARGE = b"\x82\x7f" + MEBIBYTE.to_bytes(8, "big")  # a header

BEGUN = {
    "nothing": b"",
    "half a header": b"\x82",
    "half a length": b"\x82\x7f\x00\x00",
    "a header": b"\x82\x05",
    "half a payload": b"\x82\x05abc",
    "half a character": b"\x81\x05\xc3",
    "half a ping": b"\x89\x05abc",
    "a fragment": frame(TEXT, b"abc", fin=False),
    "half a second fragment": frame(TEXT, b"abc", fin=False) + b"\x00\x05a",
    "a ping within a message": frame(TEXT, b"\xc3", fin=False) + b"\x89\x05a",
    "much of a large payload": b"\x82\x7f"
    + MEBIBYTE.to_bytes(8, "big")
    + bytes(99_999),
}


@pytest.mark.parametrize("reassemble", [False, True], ids=["raw", "whole"])
@pytest.mark.parametrize("begun", BEGUN.values(), ids=BEGUN)
def test_what_was_begun_is_forgotten(codec, begun, reassemble):
    it = decoder(codec, reassemble=reassemble)
    receive(it, begun, 70_000)
    it.clear()
    hello = codec.Frame.Text("hello")
    assert receive(it, frame(TEXT, b"hello"), 3) == [hello]
    assert it.error is None
    it.decode(frame(CONTINUATION, b"x"))
    assert it.error is not None  # there is no message to go on with


def test_the_sizes_of_what_was_forgotten_do_not_count(codec):
    it = decoder(codec, reassemble=True, max_frame_size=10)
    it.decode(frame(TEXT, b"12345678", fin=False))
    it.clear()
    assert it.decode(frame(TEXT, b"1234567890")) == [codec.Frame.Text("1234567890")]


def test_a_violation_is_not_forgotten(codec):
    it = decoder(codec)
    it.decode(b"\x83\x00")
    error = it.error
    it.clear()
    assert it.error is error
    assert it.decode(frame(TEXT, b"hello")) == []


def test_its_memory_is_given_back(codec):
    it = decoder(codec)
    octets = b"\x82\x7f" + (8 * MEBIBYTE).to_bytes(8, "big") + bytes(4 * MEBIBYTE)
    tracemalloc.start()
    try:
        receive(it, octets, 1 << 16)
        held, _ = tracemalloc.get_traced_memory()
        it.clear()
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held >= 4 * MEBIBYTE
    assert left < MEBIBYTE


def test_a_window_that_was_open_is_spent_but_safe_to_write_to(codec):
    it = decoder(codec)
    receive(it, LARGE + bytes(70_000), 70_000)
    window = it.get_buffer(-1)
    it.clear()
    window[:] = b"x" * len(window)
    assert it.decode(frame(TEXT, b"hello")) == [codec.Frame.Text("hello")]


def test_a_view_that_somebody_released_is_made_anew(codec):
    shared = codec.ReadBuffer(2048)
    one, other = (decoder(codec, buffer=shared) for _ in range(2))
    with one.get_buffer(-1):
        pass
    hello = codec.Frame.Text("hello")
    assert receive(other, frame(TEXT, b"hello"), 70_000) == [hello]
    assert receive(one, frame(TEXT, b"hello"), 70_000) == [hello]


def test_a_decoder_and_its_memory_are_gone_without_the_garbage_collector(codec):
    gc.collect()
    gc.disable()
    try:
        for _ in range(20):
            receive(decoder(codec), frame(TEXT, b"hello"), 70_000)
        assert gc.collect() == 0
    finally:
        gc.enable()
