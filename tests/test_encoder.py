import array
import os

import pytest

from ktorws.close_reason import CloseReason
from tests.octets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    frame,
)

BAD_TEXT = "Text to send is not valid UTF-8"
NEW_MESSAGE = "Cannot send a new message before the fragmented one is finished"


@pytest.fixture(params=[None, KEY], ids=["unmasked", "masked"])
def key(request):
    return request.param


def encoder(codec, key=None):
    if key is None:
        return codec.FrameEncoder(masking=False)
    keys = codec.MaskKeys(lambda size: key * (size // 4))
    return codec.FrameEncoder(masking=True, keys=keys)


def parts(codec, kind, *payloads, **flags):
    """A fragmented message; the flags are its first fragment's."""
    make = getattr(codec.Frame, kind)
    last = len(payloads) - 1
    return [
        make(payload, fin=number == last, **({} if number else flags))
        for number, payload in enumerate(payloads)
    ]


def test_the_examples_of_rfc_6455_section_5_7(codec):
    make = codec.Frame
    plain, masked = encoder(codec), encoder(codec, b"\x37\xfa\x21\x3d")
    assert plain.encode("Hello") == b"\x81\x05\x48\x65\x6c\x6c\x6f"
    assert masked.encode("Hello") == b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
    assert plain.encode(make.Ping(b"Hello")) == b"\x89\x05\x48\x65\x6c\x6c\x6f"
    assert masked.encode(make.Pong(b"Hello")) == (
        b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
    )
    assert plain.encode(make.Text("Hel", fin=False)) == b"\x01\x03\x48\x65\x6c"
    assert plain.encode(make.Text("lo")) == b"\x80\x02\x6c\x6f"
    assert plain.encode(bytes(256)) == b"\x82\x7e\x01\x00" + bytes(256)
    assert plain.encode(bytes(65536)) == (
        b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + bytes(65536)
    )


SIZES = [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 33, 124, 125, 126, 127, 1000]
SIZES += [65534, 65535, 65536, 65537, 200001]


@pytest.mark.parametrize("size", SIZES)
def test_lengths_take_the_shortest_form(codec, key, size):
    payload = (b"0123456789abcdefg" * (size // 17 + 1))[:size]
    under_test = encoder(codec, key)
    assert under_test.encode(payload) == frame(BINARY, payload, key=key)
    assert under_test.encode(payload.decode()) == frame(TEXT, payload, key=key)
    assert under_test.encode(codec.Frame.Binary(payload)) == (
        frame(BINARY, payload, key=key)
    )


@pytest.mark.parametrize("size", [0, 1, 2, 124, 125])
@pytest.mark.parametrize(
    ("kind", "opcode"), [("Close", CLOSE), ("Ping", PING), ("Pong", PONG)]
)
def test_control_frames_are_encoded(codec, key, kind, opcode, size):
    if (kind, size) == ("Close", 1):
        return
    payload = b"\x03\xe8"[:size] + b"x" * (size - 2)
    message = getattr(codec.Frame, kind)(payload)
    assert encoder(codec, key).encode(message) == frame(opcode, payload, key=key)


def test_a_close_reason_is_encoded(codec):
    message = codec.Frame.Close(CloseReason(CloseReason.Codes.NORMAL, "bye"))
    assert encoder(codec).encode(message) == b"\x88\x05\x03\xe8bye"


@pytest.mark.parametrize("text", ["é", "€uro", "😀", "\x00", "", "\U0010ffff" * 99])
def test_a_str_is_sent_as_utf8(codec, key, text):
    expected = frame(TEXT, text.encode(), key=key)
    assert encoder(codec, key).encode(text) == expected
    assert encoder(codec, key).encode(codec.Frame.Text(text)) == expected
    assert encoder(codec, key).encode(codec.Frame.Text(text.encode())) == expected


@pytest.mark.parametrize(
    "make", [bytes, bytearray, memoryview, lambda data: array.array("B", data)]
)
def test_any_buffer_is_sent_as_binary(codec, key, make):
    message = make(b"\x00\xffdata")
    expected = frame(BINARY, b"\x00\xffdata", key=key)
    assert encoder(codec, key).encode(message) == expected
    assert bytes(message) == b"\x00\xffdata"


def test_a_buffer_of_wide_items_is_sent_as_its_octets(codec, key):
    message = array.array("H", [1, 2, 3])
    expected = frame(BINARY, message.tobytes(), key=key)
    assert encoder(codec, key).encode(message) == expected


def test_a_buffer_with_gaps_is_not_sent_as_if_it_had_none(codec):
    octets = encoder(codec).encode(memoryview(b"a-b-c-")[::2])
    assert octets == b"\x82\x03abc"


@pytest.mark.parametrize("rsv", [0, RSV1, RSV2, RSV3, RSV1 | RSV2 | RSV3])
@pytest.mark.parametrize(("kind", "opcode"), [("Text", TEXT), ("Binary", BINARY)])
def test_reserved_bits_are_sent(codec, key, kind, opcode, rsv):
    flags = {f"rsv{n}": bool(rsv & bit) for n, bit in ((1, RSV1), (2, RSV2), (3, RSV3))}
    message = getattr(codec.Frame, kind)(b"x", **flags)
    assert encoder(codec, key).encode(message) == frame(opcode, b"x", rsv=rsv, key=key)


@pytest.mark.parametrize(("kind", "opcode"), [("Text", TEXT), ("Binary", BINARY)])
def test_fragments_are_sent_as_continuations(codec, key, kind, opcode):
    under_test = encoder(codec, key)
    make = getattr(codec.Frame, kind)
    for _ in range(2):
        assert [
            under_test.encode(make(b"a", fin=False, rsv1=True)),
            under_test.encode(codec.Frame.Ping(b"p")),
            under_test.encode(make(b"", fin=False)),
            under_test.encode(make(b"b", fin=False, rsv1=True, rsv2=True)),
            under_test.encode(codec.Frame.Close()),
            under_test.encode(make(b"c", rsv3=True)),
        ] == [
            frame(opcode, b"a", fin=False, rsv=RSV1, key=key),
            frame(PING, b"p", key=key),
            frame(CONTINUATION, b"", fin=False, key=key),
            frame(CONTINUATION, b"b", fin=False, key=key),
            frame(CLOSE, key=key),
            frame(CONTINUATION, b"c", key=key),
        ]
    assert under_test.encode("next") == frame(TEXT, b"next", key=key)


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (
            "Text",
            "Binary",
            "Cannot send a BINARY frame within a fragmented TEXT message",
        ),
        (
            "Binary",
            "Text",
            "Cannot send a TEXT frame within a fragmented BINARY message",
        ),
    ],
)
@pytest.mark.parametrize("fin", [True, False])
def test_the_kinds_of_fragments_do_not_mix(codec, first, second, text, fin):
    under_test = encoder(codec)
    under_test.encode(getattr(codec.Frame, first)(b"a", fin=False))
    for method in (under_test.encode, under_test.append):
        with pytest.raises(ValueError, match="Cannot send") as caught:
            method(getattr(codec.Frame, second)(b"b", fin=fin))
        assert str(caught.value) == text
    assert under_test.pending == 0
    assert under_test.encode(getattr(codec.Frame, first)(b"c")) == b"\x80\x01c"


@pytest.mark.parametrize("kind", ["Text", "Binary"])
@pytest.mark.parametrize("message", ["new", b"new", bytearray(b"new"), "", b""])
def test_no_new_message_starts_within_a_fragmented_one(codec, kind, message):
    under_test = encoder(codec)
    under_test.encode(getattr(codec.Frame, kind)(b"a", fin=False))
    for method in (under_test.encode, under_test.append):
        with pytest.raises(ValueError, match="Cannot send") as caught:
            method(message)
        assert str(caught.value) == NEW_MESSAGE
    assert under_test.encode(getattr(codec.Frame, kind)(b"b")) == b"\x80\x01b"
    under_test.encode(message)


def test_text_may_be_cut_within_a_character(codec, key):
    data = "é€😀\U0010ffff".encode()
    for at in range(len(data) + 1):
        under_test = encoder(codec, key)
        first, second = parts(codec, "Text", data[:at], data[at:])
        assert under_test.encode(first) == frame(TEXT, data[:at], fin=False, key=key)
        assert under_test.encode(codec.Frame.Ping()) == frame(PING, key=key)
        assert under_test.encode(second) == frame(CONTINUATION, data[at:], key=key)


BAD_TEXTS = [
    [b"\xff"],
    [b"ok\xc3"],
    [b"\xed\xa0\x80"],
    [b"\xc0\x80"],
    [b"\xf4\x90\x80\x80"],
    [b"\xc3", b"\x28"],
    [b"\xf0\x9f", b"\x98", b""],
    [b"a", b"\xe2\x82", b"\xac\xff"],
    [b"\xe2", b"", b"\x82"],
    ["ok", b"\xff"],
    [b"\xc3", "a"],
]


@pytest.mark.parametrize("payloads", BAD_TEXTS)
def test_octets_that_are_no_text_are_not_sent_as_text(codec, key, payloads):
    under_test = encoder(codec, key)
    *good, bad = parts(codec, "Text", *payloads)
    for fragment in good:
        under_test.append(fragment)
    pending = under_test.pending
    for method in (under_test.encode, under_test.append):
        with pytest.raises(ValueError, match="UTF-8") as caught:
            method(bad)
        assert str(caught.value) == BAD_TEXT
        assert under_test.pending == pending


@pytest.mark.parametrize("bad", [b"\xff", b"\xc3", b"\xc3\x28", b"\xa9\xc3"])
def test_a_refused_fragment_can_be_sent_again_mended(codec, bad):
    under_test = encoder(codec)
    under_test.encode(codec.Frame.Text(b"\xc3", fin=False))
    with pytest.raises(ValueError, match="UTF-8"):
        under_test.encode(codec.Frame.Text(bad))
    assert under_test.encode(codec.Frame.Text(b"\xa9")) == b"\x80\x01\xa9"
    assert under_test.encode("next") == b"\x81\x04next"


def test_a_refused_first_fragment_opens_no_message(codec):
    under_test = encoder(codec)
    with pytest.raises(ValueError, match="UTF-8"):
        under_test.encode(codec.Frame.Text(b"\xff", fin=False))
    assert under_test.encode(b"next") == b"\x82\x04next"


@pytest.mark.parametrize("bad", [b"\xed\xa0", b"\xf4\x90", b"\xe0\x80", b"\xc1"])
def test_text_is_refused_as_early_as_it_is_bad(codec, bad):
    with pytest.raises(ValueError, match="UTF-8"):
        encoder(codec).encode(codec.Frame.Text(bad, fin=False))


def test_text_that_an_extension_has_transformed_is_not_judged(codec):
    under_test = encoder(codec)
    for message in parts(codec, "Text", b"\xff", b"\xc3", b"\xff", rsv1=True):
        under_test.encode(message)
    with pytest.raises(ValueError, match="UTF-8"):
        under_test.encode(codec.Frame.Text(b"\xff"))


def test_later_bits_do_not_excuse_bad_text(codec):
    under_test = encoder(codec)
    under_test.encode(codec.Frame.Text(b"a", fin=False))
    with pytest.raises(ValueError, match="UTF-8"):
        under_test.encode(codec.Frame.Text(b"\xff", rsv1=True))


@pytest.mark.parametrize("text", ["\ud800", "ok\udfff", "é" * 1000 + "\ud83d"])
def test_a_lone_surrogate_cannot_be_sent(codec, key, text):
    under_test = encoder(codec, key)
    under_test.append("before")
    for method in (under_test.encode, under_test.append):
        with pytest.raises(UnicodeEncodeError):
            method(text)
    assert under_test.take() == frame(TEXT, b"before", key=key)


@pytest.mark.parametrize("wrong", [7, 1.5, None, object(), [b"x"], CloseReason(1000)])
def test_only_frames_str_and_buffers_can_be_sent(codec, wrong):
    under_test = encoder(codec)
    for method in (under_test.encode, under_test.append):
        with pytest.raises(TypeError) as caught:
            method(wrong)
        assert str(caught.value) == (
            f"Cannot send {type(wrong).__name__}: "
            "a Frame, str or bytes-like object is needed"
        )
    assert under_test.pending == 0


def test_appended_frames_are_taken_together(codec, key):
    under_test = encoder(codec, key)
    assert under_test.pending == 0
    assert under_test.take() == b""
    expected = b""
    for message, octets in [
        ("Hello", frame(TEXT, b"Hello", key=key)),
        (b"", frame(BINARY, b"", key=key)),
        (codec.Frame.Ping(b"p"), frame(PING, b"p", key=key)),
        (bytes(70000), frame(BINARY, bytes(70000), key=key)),
        ("é" * 1000, frame(TEXT, "é".encode() * 1000, key=key)),
    ]:
        expected += octets
        assert under_test.append(message) == len(expected)
        assert under_test.pending == len(expected)
    taken = under_test.take()
    assert type(taken) is bytes
    assert taken == expected
    assert (under_test.pending, under_test.take()) == (0, b"")
    assert under_test.append("x") == len(frame(TEXT, b"x", key=key))
    assert under_test.take() == frame(TEXT, b"x", key=key)
    assert taken == expected


def test_many_small_frames_can_be_appended(codec, key):
    under_test = encoder(codec, key)
    for number in range(3000):
        under_test.append(f"{number}")
    assert under_test.take() == b"".join(
        frame(TEXT, b"%d" % number, key=key) for number in range(3000)
    )


def test_encoding_leaves_the_buffer_alone(codec):
    under_test = encoder(codec)
    under_test.append("a")
    assert under_test.encode("b") == b"\x81\x01b"
    assert under_test.pending == 3
    assert under_test.take() == b"\x81\x01a"


def test_appended_fragments_and_encoded_ones_are_one_message(codec):
    under_test = encoder(codec)
    under_test.append(codec.Frame.Binary(b"a", fin=False))
    assert under_test.encode(codec.Frame.Binary(b"b", fin=False)) == b"\x00\x01b"
    under_test.append(codec.Frame.Binary(b"c"))
    assert under_test.take() == b"\x02\x01a\x80\x01c"


def test_masking_can_be_changed_at_any_time(codec):
    under_test = encoder(codec, KEY)
    assert under_test.masking is True
    assert under_test.encode("a") == frame(TEXT, b"a", key=KEY)
    under_test.masking = False
    assert under_test.masking is False
    assert under_test.encode("a") == b"\x81\x01a"
    under_test.masking = True
    assert under_test.encode("a") == frame(TEXT, b"a", key=KEY)


def test_an_encoder_has_keys_of_its_own(codec):
    for under_test in (
        codec.FrameEncoder(masking=True),
        codec.FrameEncoder(masking=True, keys=None),
        codec.FrameEncoder(masking=True, keys=codec.MaskKeys()),
    ):
        octets = [under_test.encode(b"same") for _ in range(50)]
        keys = {o[2:6] for o in octets}
        assert len(keys) == 50
        assert {codec.apply_mask(o[6:], o[2:6]) for o in octets} == {b"same"}


def test_a_masking_key_of_zeros_is_a_key(codec):
    assert encoder(codec, b"\0\0\0\0").encode("a") == b"\x81\x81\x00\x00\x00\x00a"


def test_every_masked_frame_takes_the_next_key(codec):
    block = os.urandom(1024)
    under_test = codec.FrameEncoder(
        masking=True, keys=codec.MaskKeys(lambda size: block)
    )
    messages = ["", b"data", codec.Frame.Ping(), codec.Frame.Text("a", fin=False)]
    messages += [codec.Frame.Text("b")]
    for number, message in enumerate(messages):
        octets = under_test.encode(message)
        assert octets[2:6] == block[4 * number : 4 * number + 4]


class BrokenSourceError(Exception):
    pass


@pytest.mark.parametrize("method", ["encode", "append"])
def test_a_source_of_keys_that_fails_leaves_the_encoder_as_it_was(codec, method):
    working = False

    def source(size):
        if not working:
            raise BrokenSourceError
        return KEY * (size // 4)

    under_test = codec.FrameEncoder(masking=True, keys=codec.MaskKeys(source))
    under_test.masking = False
    under_test.append(codec.Frame.Text(b"\xe2", fin=False))
    before = under_test.pending
    under_test.masking = True
    for message in (codec.Frame.Text(b"\x82", fin=False), codec.Frame.Ping()):
        with pytest.raises(BrokenSourceError):
            getattr(under_test, method)(message)
        assert under_test.pending == before
    working = True
    under_test.append(codec.Frame.Text(b"\x82\xac"))
    assert under_test.take() == (
        frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION, b"\x82\xac", key=KEY)
    )


def test_a_message_that_is_refused_takes_no_key(codec):
    keys = iter(range(256))

    def source(size):
        return bytes(k for n in keys for k in (n, 0, 0, 0))[:size]

    under_test = codec.FrameEncoder(masking=True, keys=codec.MaskKeys(source))
    for wrong in (7, "\ud800", codec.Frame.Text(b"\xff")):
        with pytest.raises((TypeError, ValueError)):
            under_test.encode(wrong)
    assert under_test.encode(b"")[2:] == b"\x00\x00\x00\x00"
    assert under_test.encode(b"")[2:] == b"\x01\x00\x00\x00"


@pytest.mark.parametrize("options", [{}, {"masking": True, "mask": True}])
def test_options_must_be_known(codec, options):
    with pytest.raises(TypeError):
        codec.FrameEncoder(**options)


def test_pending_cannot_be_set(codec):
    with pytest.raises(AttributeError):
        encoder(codec).pending = 0
