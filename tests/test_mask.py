import array
import os

import pytest

from tests.octets import KEY, mask


def test_the_example_of_rfc_6455_section_5_7(codec):
    assert codec.apply_mask(b"Hello", b"\x37\xfa\x21\x3d") == b"\x7f\x9f\x4d\x51\x58"
    assert codec.apply_mask(b"\x7f\x9f\x4d\x51\x58", b"\x37\xfa\x21\x3d") == b"Hello"


@pytest.mark.parametrize("size", [*range(70), *range(120, 200), 1000, 4097, 100003])
def test_every_octet_is_masked_at_every_size(codec, size):
    data = (bytes(range(256)) * (size // 256 + 1))[:size]
    assert codec.apply_mask(data, KEY) == mask(data)
    assert codec.apply_mask(codec.apply_mask(data, KEY), KEY) == data


@pytest.mark.parametrize("start", range(9))
@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 33, 100])
def test_data_need_not_be_aligned(codec, start, size):
    octets = bytes(range(256))
    data = memoryview(octets)[start : start + size]
    assert codec.apply_mask(data, KEY) == mask(octets[start : start + size])


@pytest.mark.parametrize("offset", [*range(10), 4095, 1 << 20, (1 << 40) + 3])
def test_the_key_starts_at_the_offset(codec, offset):
    data = bytes(range(100))
    assert (
        codec.apply_mask(data, KEY, offset)
        == mask(bytes(offset % 4) + data)[offset % 4 :]
    )
    assert codec.apply_mask(data, KEY, offset=offset) == (
        codec.apply_mask(data, KEY, offset % 4)
    )


def test_a_negative_offset_is_refused(codec):
    with pytest.raises(ValueError, match="must not be negative: -1"):
        codec.apply_mask(b"data", KEY, -1)


@pytest.mark.parametrize("key", [b"", b"abc", b"abcde", bytes(8)])
def test_a_key_has_four_bytes(codec, key):
    with pytest.raises(ValueError, match=f"4 bytes, not {len(key)}"):
        codec.apply_mask(b"data", key)


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_data_and_key_may_be_any_buffer(codec, make):
    data = make(b"Hello")
    assert codec.apply_mask(data, make(KEY)) == b"\x7f\x9f\x4d\x51\x58"
    assert data == b"Hello"
    assert type(codec.apply_mask(data, KEY)) is bytes


def test_wide_items_are_masked_as_octets(codec):
    data = array.array("H", range(50))
    assert codec.apply_mask(data, KEY) == mask(data.tobytes())


@pytest.mark.parametrize(("data", "key"), [("x", KEY), (b"x", "abcd"), (7, KEY)])
def test_only_buffers_can_be_masked(codec, data, key):
    with pytest.raises(TypeError):
        codec.apply_mask(data, key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "plain ASCII of more than sixteen octets",
        "\x00\x7f",
        "\x80\u07ff",
        "\u0800\u0fff\u1000\ucfff\ud000\ud7ff\ue000\uffff",
        "\U00010000\U0003ffff\U00040000\U000fffff\U00100000\U0010ffff",
        "κόσμε 😀 " * 100,
    ],
)
def test_text_is_utf8(codec, text):
    for before in range(20):
        assert codec.is_utf8(b"x" * before + text.encode())


BAD = [
    *(bytes([octet]) for octet in range(0x80, 0x100)),
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xc2\x7f",
    b"\xc2\xc0",
    b"\xe0\x80\x80",
    b"\xe0\x9f\xbf",
    b"\xe1\x80",
    b"\xe1\x80\x7f",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xef\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x9f\x98",
    b"\xf1\x80\x80\xc0",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
]


def test_what_rfc_3629_forbids_is_not_utf8(codec):
    for bad in BAD:
        for before in (*range(18), 100):
            for after in (0, 1, 20):
                data = b"x" * before + bad + b"y" * after
                assert not codec.is_utf8(data), data


@pytest.mark.parametrize("character", ["", "я", "€", "😀"])
def test_bad_text_is_found_anywhere_in_a_long_one(codec, character):
    """Long text that is not ASCII goes through vectors of 32 octets."""
    for bad in BAD:
        for before in range(0 if not character else 24, 36):
            data = (character * before).encode() + bad + (character * 40).encode()
            assert not codec.is_utf8(data), data


@pytest.mark.parametrize("character", ["я", "€", "😀"])
def test_a_long_text_may_end_anywhere_but_within_a_character(codec, character):
    width = len(character.encode())
    text = ("x" + character * 100).encode()
    for end in range(1, len(text)):
        assert codec.is_utf8(text[:end]) == ((end - 1) % width == 0)
        assert codec.is_utf8(text[end:]) == ((end - 1) % width == 0)


@pytest.mark.parametrize(
    "before", [b"", "я".encode() * 31 + b"x"], ids=["alone", "in a long text"]
)
def test_every_pair_of_octets_is_judged_as_python_does(codec, before):
    for first in range(256):
        for second in range(256):
            for rest in (b"", b"\x80", b"\x80\x80"):
                data = before + bytes([first, second]) + rest + before
                try:
                    data.decode()
                except UnicodeDecodeError:
                    assert not codec.is_utf8(data), data
                else:
                    assert codec.is_utf8(data), data


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_judged(codec, make):
    assert codec.is_utf8(make("é".encode()))
    assert not codec.is_utf8(make(b"\xc3"))


@pytest.mark.parametrize("wrong", ["text", 7, None])
def test_only_octets_can_be_judged(codec, wrong):
    with pytest.raises(TypeError):
        codec.is_utf8(wrong)


def keys_of(codec, encoder, count):
    return [encoder.encode(b"")[2:] for _ in range(count)]


def test_keys_come_in_order_from_blocks_of_1024_bytes(codec):
    blocks, asked = [os.urandom(1024) for _ in range(3)], []

    def source(size):
        asked.append(size)
        return blocks[len(asked) - 1]

    encoder = codec.FrameEncoder(masking=True, keys=codec.MaskKeys(source))
    assert asked == []
    assert b"".join(keys_of(codec, encoder, 256)) == blocks[0]
    assert asked == [1024]
    assert b"".join(keys_of(codec, encoder, 512)) == b"".join(blocks[1:])
    assert asked == [1024, 1024, 1024]


def test_encoders_that_share_keys_never_take_the_same(codec):
    block = os.urandom(1024)
    keys = codec.MaskKeys(lambda size: block)
    one, other = (codec.FrameEncoder(masking=True, keys=keys) for _ in range(2))
    taken = [k for _ in range(128) for e in (one, other) for k in keys_of(codec, e, 1)]
    assert b"".join(taken) == block


def test_an_encoder_that_does_not_mask_takes_no_keys(codec):
    keys = codec.MaskKeys(lambda size: pytest.fail("nobody needs a key"))
    codec.FrameEncoder(masking=False, keys=keys).encode("x")


@pytest.mark.parametrize("block", [b"", bytes(4), bytes(1023), bytes(1025), "x", None])
def test_a_source_that_gives_something_else_is_refused(codec, block):
    encoder = codec.FrameEncoder(masking=True, keys=codec.MaskKeys(lambda size: block))
    for _ in range(2):
        with pytest.raises(ValueError, match="source of masking keys"):
            encoder.encode("x")
