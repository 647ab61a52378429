import gc
import tracemalloc
from itertools import pairwise

import pytest

from ktorws.close_reason import CloseReason
from ktorws.exceptions import (
    FrameTooBigError,
    InvalidTextError,
    ProtocolViolationError,
)
from tests.feeding import (
    assert_fails_at_its_last_octet,
    assert_violation,
    decoder,
    receive,
)
from tests.octets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    CONTROL_OPCODES,
    KEY,
    OPCODES,
    PING,
    PONG,
    RSV1,
    RSV2,
    RSV3,
    TEXT,
    UNKNOWN_OPCODES,
    cut,
    frame,
    header,
)

MIB = 1 << 20
RESERVED = "Reserved bits must be 0 unless an extension uses them"
BAD_TEXT = "Text message is not valid UTF-8"
SHORTEST = "Payload length must use the shortest encoding"
BELOW_2_63 = "Payload length must be below 2^63"


@pytest.fixture(params=[False, True], ids=["raw", "whole"])
def reassemble(request):
    return request.param


@pytest.fixture(params=[None, KEY], ids=["unmasked", "masked"])
def key(request):
    return request.param


def brief(frames):
    return [(repr(frame), frame.data) for frame in frames]


@pytest.mark.parametrize(
    ("octets", "masked", "expected"),
    [
        (b"\x81\x05\x48\x65\x6c\x6c\x6f", False, "Frame.Text(5 bytes)"),
        (
            b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            True,
            "Frame.Text(5 bytes)",
        ),
        (b"\x89\x05\x48\x65\x6c\x6c\x6f", False, "Frame.Ping(5 bytes)"),
        (
            b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58",
            True,
            "Frame.Pong(5 bytes)",
        ),
    ],
    ids=["text", "masked text", "ping", "masked pong"],
)
def test_the_examples_of_rfc_6455_section_5_7(codec, octets, masked, expected):
    frames = decoder(codec, masked=masked).decode(octets)
    assert brief(frames) == [(expected, b"Hello")]


def test_the_fragmented_example_of_rfc_6455_section_5_7(codec):
    octets = b"\x01\x03\x48\x65\x6c\x80\x02\x6c\x6f"
    assert brief(decoder(codec).decode(octets)) == [
        ("Frame.Text(3 bytes, fin=False)", b"Hel"),
        ("Frame.Text(2 bytes)", b"lo"),
    ]
    (message,) = decoder(codec, reassemble=True).decode(octets)
    assert message == codec.Frame.Text("Hello")
    assert message.read_text() == "Hello"


@pytest.mark.parametrize(
    ("head", "size"),
    [(b"\x82\x7e\x01\x00", 256), (b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 65536)],
)
def test_the_long_examples_of_rfc_6455_section_5_7(codec, head, size):
    payload = bytes(range(256)) * (size // 256)
    assert decoder(codec).decode(head + payload) == [codec.Frame.Binary(payload)]


@pytest.mark.parametrize("size", [0, 1, 124, 125, 126, 127, 65534, 65535, 65536, 65537])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_every_length_form_is_read(codec, key, opcode, size, reassemble):
    payload = (bytes(range(128)) * (size // 128 + 1))[:size]
    octets = frame(opcode, payload, key=key) + frame(PING, b"next", key=key)
    options = {"masked": key is not None, "reassemble": reassemble}
    expected = [codec.Frame.by_type(opcode, payload), codec.Frame.Ping(b"next")]
    assert decoder(codec, **options).decode(octets) == expected
    for chunk in (size // 50 + 3, 70000):
        assert receive(decoder(codec, **options), octets, chunk) == expected


@pytest.mark.parametrize("size", [0, 1, 2, 124, 125])
@pytest.mark.parametrize("opcode", CONTROL_OPCODES)
def test_control_frames_are_read_up_to_125_bytes(codec, key, opcode, size):
    if (opcode, size) == (CLOSE, 1):
        return
    payload = b"\x03\xe8"[:size] + b"x" * (size - 2)
    octets = frame(opcode, payload, key=key)
    expected = [codec.Frame.by_type(opcode, payload)]
    assert decoder(codec, masked=key is not None).decode(octets) == expected
    single = decoder(codec, masked=key is not None)
    assert [f for o in cut(octets, 1) for f in single.decode(o)] == expected


STREAM = [
    (TEXT, b"Hello", True),
    (TEXT, "é€😀".encode()[:4], False),
    (PING, b"in between", True),
    (CONTINUATION, "é€😀".encode()[4:6], False),
    (CONTINUATION, b"", False),
    (CONTINUATION, "é€😀".encode()[6:], True),
    (BINARY, bytes(range(200)), True),
    (BINARY, b"", True),
    (PONG, b"", True),
    (BINARY, b"\xff", False),
    (CONTINUATION, b"\x00" * 300, True),
    (CLOSE, b"\x03\xe8bye", True),
]


def stream(key):
    return b"".join(frame(op, data, fin=fin, key=key) for op, data, fin in STREAM)


def stream_frames(codec, *, reassemble):
    make = codec.Frame
    if reassemble:
        return [
            make.Text("Hello"),
            make.Ping(b"in between"),
            make.Text("é€😀"),
            make.Binary(bytes(range(200))),
            make.Binary(b""),
            make.Pong(),
            make.Binary(b"\xff" + bytes(300)),
            make.Close(CloseReason(1000, "bye")),
        ]
    frames = []
    message = None
    for opcode, data, fin in STREAM:
        if opcode in (TEXT, BINARY):
            message = opcode
        frames.append(make.by_type(opcode or message, data, fin=fin))
    return frames


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 13, 64, 10000])
def test_any_cut_gives_the_same_frames(codec, key, reassemble, size):
    octets = stream(key)
    options = {"masked": key is not None, "reassemble": reassemble}
    expected = stream_frames(codec, reassemble=reassemble)
    by_decode = decoder(codec, **options)
    assert [f for o in cut(octets, size) for f in by_decode.decode(o)] == expected
    assert by_decode.error is None
    assert receive(decoder(codec, **options), octets, size) == expected


def test_every_truncation_waits_for_the_rest(codec, key, reassemble):
    octets = stream(key)
    options = {"masked": key is not None, "reassemble": reassemble}
    expected = stream_frames(codec, reassemble=reassemble)
    for end in range(len(octets)):
        under_test = decoder(codec, **options)
        frames = under_test.decode(octets[:end])
        assert frames == expected[: len(frames)]
        assert len(frames) < len(expected)
        assert under_test.error is None
        assert frames + under_test.decode(octets[end:]) == expected


def test_both_ways_to_feed_can_be_mixed(codec, reassemble):
    octets = frame(BINARY, bytes(range(250)) * 800) + stream(None)
    expected = [
        codec.Frame.Binary(bytes(range(250)) * 800),
        *stream_frames(codec, reassemble=reassemble),
    ]
    under_test = decoder(codec, reassemble=reassemble)
    frames = []
    for index, piece in enumerate(cut(octets, 997)):
        if index % 3:
            frames += receive(under_test, piece, 500)
        else:
            under_test.get_buffer(-1)
            frames += under_test.decode(piece)
    assert frames == expected


@pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
def test_octets_may_come_in_any_buffer(codec, make):
    assert decoder(codec).decode(make(b"\x81\x02hi")) == [codec.Frame.Text("hi")]


def test_octets_to_decode_are_not_changed(codec):
    octets = bytearray(frame(TEXT, b"Hello", key=KEY))
    before = bytes(octets)
    decoder(codec, masked=True).decode(octets)
    assert octets == before


def test_a_frame_keeps_nothing_of_the_octets_it_came_in(codec, key):
    octets = bytearray(frame(BINARY, b"Hello", key=key))
    (received,) = decoder(codec, masked=key is not None).decode(octets)
    octets[:] = bytes(len(octets))
    octets.append(0)
    assert received.data == b"Hello"


def test_frames_outlive_the_buffer_they_were_read_into(codec, key):
    under_test = decoder(codec, masked=key is not None)
    frames = []
    for number in range(50):
        frames += receive(under_test, frame(TEXT, b"%03d" % number, key=key), 100)
    big = [bytes([number]) * 70000 for number in range(3)]
    for payload in big:
        frames += receive(under_test, frame(BINARY, payload, key=key), 50000)
    del under_test
    gc.collect()
    assert [f.data for f in frames] == [b"%03d" % n for n in range(50)] + big


@pytest.mark.parametrize("wrong", ["text", 7, None])
def test_only_octets_can_be_decoded(codec, wrong):
    with pytest.raises(TypeError):
        decoder(codec).decode(wrong)


def test_no_octets_give_no_frames(codec):
    under_test = decoder(codec)
    assert under_test.decode(b"") == []
    under_test.get_buffer(-1)
    assert under_test.buffer_updated(0) == []
    assert under_test.error is None


@pytest.mark.parametrize("nbytes", [-1, 1 << 24])
def test_more_than_the_buffer_holds_cannot_have_been_read(codec, nbytes):
    under_test = decoder(codec)
    under_test.get_buffer(-1)
    with pytest.raises(ValueError, match=str(nbytes)):
        under_test.buffer_updated(nbytes)


@pytest.mark.parametrize("sizehint", [-1, 0, 1, 65536, 1 << 30])
def test_the_buffer_is_writable_memory_of_some_size(codec, sizehint):
    window = decoder(codec).get_buffer(sizehint)
    assert isinstance(window, memoryview)
    assert not window.readonly
    assert window.contiguous
    assert (window.format, window.itemsize, window.ndim) == ("B", 1, 1)
    assert 1024 <= len(window) <= 1 << 20


@pytest.mark.parametrize("sizehint", [65537, 200_000, 1 << 20])
def test_the_buffer_has_the_room_that_is_asked_for_up_to_a_mebibyte(codec, sizehint):
    shared = codec.ReadBuffer()
    first, second = (decoder(codec, buffer=shared) for _ in range(2))
    payloads = [bytes([n]) * size for n, size in enumerate((9, 100_000, 40_000, 9))]
    octets = b"".join(frame(BINARY, payload) for payload in payloads)
    for under_test in (first, second):
        frames = []
        for begin, end in pairwise((0, 30_000, 80_000, 120_000, len(octets))):
            window = under_test.get_buffer(sizehint)
            assert len(window) >= sizehint
            window[: end - begin] = octets[begin:end]
            frames += under_test.buffer_updated(end - begin)
        assert [each.data for each in frames] == payloads
        assert len(under_test.get_buffer(-1)) <= sizehint


@pytest.mark.parametrize("options", [{}, {"masked": None, "mask": True}])
def test_options_must_be_known(codec, options):
    with pytest.raises(TypeError):
        codec.FrameDecoder(**options)


def test_options_are_given_by_keyword(codec):
    with pytest.raises(TypeError):
        codec.FrameDecoder(True)


@pytest.mark.parametrize("chunk", [1021, 4096, 65536, 65537, 262144, 4 * MIB])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_large_frame_is_received_in_chunks_of_any_size(codec, key, opcode, chunk):
    pattern = "0123456789é€😀".encode()
    payload = (pattern * (3 * MIB // len(pattern) + 1))[: 3 * MIB]
    payload = payload.decode(errors="ignore").encode()
    fast_key = key and codec.apply_mask(payload, key)
    octets = (
        frame(PING, b"before", key=key)
        + header(opcode, len(payload), key=key)
        + (fast_key or payload)
        + frame(PONG, b"after", key=key)
    )
    under_test = decoder(codec, masked=key is not None)
    assert receive(under_test, memoryview(octets), chunk) == [
        codec.Frame.Ping(b"before"),
        codec.Frame.by_type(opcode, payload),
        codec.Frame.Pong(b"after"),
    ]


def test_large_fragments_are_received_with_control_frames_in_between(codec, key):
    parts = [bytes([number]) * size for number, size in enumerate((70001, 0, 300000))]
    octets = b""
    for number, part in enumerate(parts):
        opcode = CONTINUATION if number else BINARY
        octets += header(opcode, len(part), fin=number == 2, key=key)
        octets += part if key is None else codec.apply_mask(part, key)
        octets += frame(PING, b"%d" % number, key=key)
    options = {"masked": key is not None}
    pings = [codec.Frame.Ping(b"%d" % number) for number in range(3)]
    for chunk in (999, 40000, MIB):
        whole = decoder(codec, reassemble=True, **options)
        message = codec.Frame.Binary(b"".join(parts))
        assert receive(whole, octets, chunk) == [*pings[:2], message, pings[2]]
        raw = decoder(codec, **options)
        fragments = [
            codec.Frame.Binary(part, fin=number == 2)
            for number, part in enumerate(parts)
        ]
        assert receive(raw, octets, chunk) == [
            item for pair in zip(fragments, pings, strict=True) for item in pair
        ]


def test_two_decoders_share_one_buffer(codec, key, reassemble):
    shared = codec.ReadBuffer(4096)
    options = {"masked": key is not None, "reassemble": reassemble, "buffer": shared}
    expected = stream_frames(codec, reassemble=reassemble)
    for size in (1, 3, 17, 250):
        decoders = [decoder(codec, **options) for _ in range(2)]
        received = [[], []]
        streams = [cut(stream(key), size), cut(stream(key), size + 4)]
        while any(streams):
            for index, pieces in enumerate(streams):
                if pieces:
                    received[index] += receive(decoders[index], pieces.pop(0), size)
        assert received == [expected, expected]


def test_a_read_buffer_has_a_size(codec):
    assert len(decoder(codec).get_buffer(-1)) == 65536
    shared = codec.ReadBuffer(5000)
    assert len(decoder(codec, buffer=shared).get_buffer(-1)) == 5000
    with pytest.raises(ValueError, match="at least 1024 bytes, not 1023"):
        codec.ReadBuffer(1023)


@pytest.mark.parametrize("opcode", UNKNOWN_OPCODES)
@pytest.mark.parametrize("fin", [True, False])
def test_an_unknown_opcode_fails_at_octet_0(codec, opcode, fin):
    octets = header(opcode, 0, fin=fin)[:1]
    under_test = decoder(codec)
    text = f"Unknown opcode: 0x{opcode:x}"
    assert_fails_at_its_last_octet(under_test, octets, ProtocolViolationError, text)


@pytest.mark.parametrize("opcode", OPCODES + UNKNOWN_OPCODES)
@pytest.mark.parametrize("rsv", [RSV1, RSV2, RSV3, RSV1 | RSV3])
@pytest.mark.parametrize("fin", [True, False])
def test_reserved_bits_fail_at_octet_0_before_all_else(codec, opcode, rsv, fin):
    octets = header(opcode, 0, rsv=rsv, fin=fin)[:1]
    under_test = decoder(codec)
    assert_fails_at_its_last_octet(under_test, octets, ProtocolViolationError, RESERVED)


@pytest.mark.parametrize("rsv", [RSV1, RSV2, RSV3, RSV1 | RSV2 | RSV3])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_negotiated_bits_may_mark_a_data_message(codec, opcode, rsv, reassemble):
    under_test = decoder(codec, reserved=rsv, reassemble=reassemble)
    (received,) = under_test.decode(frame(opcode, b"x", rsv=rsv))
    flags = {"rsv1": RSV1, "rsv2": RSV2, "rsv3": RSV3}
    flags = {name: bool(rsv & bit) for name, bit in flags.items()}
    assert received == codec.Frame.by_type(opcode, b"x", **flags)
    assert under_test.special


@pytest.mark.parametrize("bit", [RSV1, RSV2, RSV3])
def test_only_the_negotiated_bits_are_allowed(codec, bit):
    under_test = decoder(codec, reserved=(RSV1 | RSV2 | RSV3) & ~bit)
    octets = header(TEXT, 0, rsv=bit)[:1]
    assert_fails_at_its_last_octet(under_test, octets, ProtocolViolationError, RESERVED)


@pytest.mark.parametrize("opcode", [CONTINUATION, *CONTROL_OPCODES])
@pytest.mark.parametrize("rsv", [RSV1, RSV2, RSV3])
def test_negotiated_bits_mark_only_the_first_frame_of_a_message(codec, opcode, rsv):
    under_test = decoder(codec, reserved=RSV1 | RSV2 | RSV3)
    octets = frame(BINARY, b"x", rsv=rsv, fin=False) + header(opcode, 0, rsv=rsv)[:1]
    assert_fails_at_its_last_octet(under_test, octets, ProtocolViolationError, RESERVED)


def test_a_message_keeps_the_bits_of_its_first_fragment(codec):
    octets = frame(BINARY, b"a", rsv=RSV1, fin=False) + frame(CONTINUATION, b"b")
    whole = decoder(codec, reserved=RSV1, reassemble=True)
    assert whole.decode(octets) == [codec.Frame.Binary(b"ab", rsv1=True)]
    assert whole.special
    assert decoder(codec, reserved=RSV1).decode(octets) == [
        codec.Frame.Binary(b"a", rsv1=True, fin=False),
        codec.Frame.Binary(b"b"),
    ]


@pytest.mark.parametrize("opcode", CONTROL_OPCODES)
def test_a_fragmented_control_frame_fails_at_octet_0(codec, opcode):
    octets = header(opcode, 0, fin=False)[:1]
    text = "Control frames must be final"
    for before in (b"", frame(TEXT, b"x", fin=False)):
        assert_fails_at_its_last_octet(
            decoder(codec), before + octets, ProtocolViolationError, text
        )


@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize(
    "before", [b"", b"\x81\x01x", b"\x89\x00", b"\x01\x01x\x80\x01y"]
)
def test_a_continuation_of_nothing_fails_at_octet_0(codec, reassemble, before, fin):
    octets = before + header(CONTINUATION, 0, fin=fin)[:1]
    under_test = decoder(codec, reassemble=reassemble)
    text = "Continuation frame without a message to continue"
    assert_fails_at_its_last_octet(under_test, octets, ProtocolViolationError, text)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("fin", [True, False])
@pytest.mark.parametrize(
    "before", [b"\x01\x01x", b"\x02\x00", b"\x01\x01x\x00\x01y", b"\x02\x01x\x89\x00"]
)
def test_a_new_message_within_another_fails_at_octet_0(codec, opcode, fin, before):
    octets = before + header(opcode, 0, fin=fin)[:1]
    text = "New data frame before the previous message was finished"
    assert_fails_at_its_last_octet(decoder(codec), octets, ProtocolViolationError, text)


@pytest.mark.parametrize("opcode", [TEXT, BINARY, *CONTROL_OPCODES])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 65536])
def test_an_unmasked_frame_from_a_client_fails_at_octet_1(codec, opcode, length):
    octets = header(opcode, length)[:2]
    text = "Frames from a client must be masked"
    assert_fails_at_its_last_octet(
        decoder(codec, masked=True), octets, ProtocolViolationError, text
    )


@pytest.mark.parametrize("opcode", [TEXT, BINARY, *CONTROL_OPCODES])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 65536])
def test_a_masked_frame_from_a_server_fails_at_octet_1(codec, opcode, length):
    octets = header(opcode, length, key=KEY)[:2]
    text = "Frames from a server must not be masked"
    assert_fails_at_its_last_octet(decoder(codec), octets, ProtocolViolationError, text)


@pytest.mark.parametrize("opcode", CONTROL_OPCODES)
@pytest.mark.parametrize("length", [126, 65536])
def test_a_long_control_frame_fails_at_octet_1(codec, key, opcode, length):
    octets = header(opcode, length, key=key)[:2]
    text = "Control frames must not exceed 125 bytes"
    under_test = decoder(codec, masked=key is not None)
    assert_fails_at_its_last_octet(under_test, octets, ProtocolViolationError, text)


@pytest.mark.parametrize(
    ("length", "form"),
    [
        (0, 16),
        (1, 16),
        (124, 16),
        (125, 16),
        (0, 64),
        (125, 64),
        (126, 64),
        (65535, 64),
    ],
)
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_length_in_a_longer_form_fails_at_its_end(codec, key, opcode, length, form):
    octets = header(opcode, length, form=form, key=key)
    octets = octets[:-4] if key else octets
    under_test = decoder(codec, masked=key is not None)
    assert_fails_at_its_last_octet(under_test, octets, ProtocolViolationError, SHORTEST)


@pytest.mark.parametrize("length", [1 << 63, (1 << 63) + 5, (1 << 64) - 1])
def test_a_length_of_64_bits_fails_at_its_end(codec, key, length):
    octets = header(BINARY, length, key=key)
    octets = octets[:-4] if key else octets
    under_test = decoder(codec, masked=key is not None, max_frame_size=(1 << 63) - 1)
    assert_fails_at_its_last_octet(
        under_test, octets, ProtocolViolationError, BELOW_2_63
    )


@pytest.mark.parametrize("limit", [1, 125, 126, 65535, 65536, 70000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_frame_over_the_limit_fails_at_the_end_of_its_length(
    codec, key, limit, opcode, reassemble
):
    options = {"max_frame_size": limit, "masked": key is not None}
    options["reassemble"] = reassemble
    for size in (limit - 1, limit):
        payload = b"x" * size
        octets = frame(opcode, payload, key=key)
        assert decoder(codec, **options).decode(octets) == [
            codec.Frame.by_type(opcode, payload)
        ]
    octets = header(opcode, limit + 1, key=key)
    octets = octets[:-4] if key else octets
    text = f"Frame is too big: {limit + 1}, the limit is {limit}"
    under_test = decoder(codec, **options)
    assert_fails_at_its_last_octet(under_test, octets, FrameTooBigError, text)
    assert under_test.error.frame_size == limit + 1


@pytest.mark.parametrize("limit", [10, 200])
def test_a_message_over_the_limit_fails_at_the_length_of_a_fragment(
    codec, reassemble, limit
):
    options = {"max_frame_size": limit, "reassemble": reassemble}
    before = (
        frame(BINARY, b"a" * 4, fin=False)
        + frame(PING, b"p" * 9)
        + frame(CONTINUATION, fin=False)
    )
    for size in (limit - 5, limit - 4):
        octets = before + frame(CONTINUATION, b"x" * size) + frame(BINARY, b"y" * limit)
        under_test = decoder(codec, **options)
        frames = under_test.decode(octets)
        assert under_test.error is None
        assert sum(len(f) for f in frames) == 4 + 9 + size + limit
    octets = before + header(CONTINUATION, limit - 3)
    text = f"Frame is too big: {limit + 1}, the limit is {limit}"
    under_test = decoder(codec, **options)
    assert_fails_at_its_last_octet(under_test, octets, FrameTooBigError, text)
    assert under_test.error.frame_size == limit + 1


def test_the_limit_leaves_control_frames_alone_since_they_have_their_own(codec):
    under_test = decoder(codec, max_frame_size=10)
    octets = frame(PING, b"x" * 11)
    assert under_test.decode(octets) == [codec.Frame.Ping(b"x" * 11)]


def test_the_limit_is_16_mib_unless_set(codec):
    assert codec.DEFAULT_MAX_FRAME_SIZE == 16 * MIB
    under_test = decoder(codec)
    assert under_test.max_frame_size == 16 * MIB
    under_test.decode(header(BINARY, 16 * MIB))
    assert under_test.error is None
    under_test = decoder(codec)
    under_test.decode(header(BINARY, 16 * MIB + 1))
    text = f"Frame is too big: {16 * MIB + 1}, the limit is {16 * MIB}"
    assert_violation(under_test, FrameTooBigError, text)


def test_the_limit_can_be_changed_at_any_time(codec):
    under_test = decoder(codec, max_frame_size=10)
    assert under_test.decode(frame(BINARY, b"x" * 10)) == [
        codec.Frame.Binary(b"x" * 10)
    ]
    under_test.max_frame_size = 300
    assert under_test.max_frame_size == 300
    assert len(under_test.decode(frame(BINARY, b"x" * 300))) == 1
    under_test.decode(header(BINARY, 299) + b"x")
    under_test.max_frame_size = 5
    assert len(under_test.decode(b"x" * 298 + frame(BINARY, b"x" * 5))) == 2
    under_test.decode(frame(BINARY, b"x" * 6))
    text = "Frame is too big: 6, the limit is 5"
    assert_violation(under_test, FrameTooBigError, text)


@pytest.mark.parametrize("limit", [0, -1, -(1 << 70), 1 << 63, 1 << 70])
def test_a_limit_out_of_range_is_refused(codec, limit):
    with pytest.raises(ValueError, match=f"max_frame_size .*: {limit}$"):
        decoder(codec, max_frame_size=limit)
    under_test = decoder(codec, max_frame_size=7)
    with pytest.raises(ValueError, match="max_frame_size"):
        under_test.max_frame_size = limit
    assert under_test.max_frame_size == 7


@pytest.mark.parametrize("limit", [1.5, "10", None])
def test_a_limit_that_is_no_integer_is_refused(codec, limit):
    with pytest.raises(TypeError):
        decoder(codec, max_frame_size=limit)


def test_the_fragments_of_a_message_are_bounded(codec, reassemble):
    limit = codec.MAX_FRAGMENTS
    assert limit == 131072
    opening = b"\x02\x01x" + b"\x00\x00" * (limit - 2)
    under_test = decoder(codec, reassemble=reassemble)
    under_test.decode(opening)
    (last,) = under_test.decode(b"\x80\x00")
    assert last.fin
    assert under_test.error is None
    assert len(under_test.decode(b"\x02\x01x\x80\x00")) == (1 if reassemble else 2)
    under_test = decoder(codec, reassemble=reassemble)
    under_test.decode(opening + b"\x00\x00")
    assert_fails_at_its_last_octet(
        under_test,
        b"\x80\x00",
        FrameTooBigError,
        "Message has too many fragments: the limit is 131072",
    )


@pytest.mark.parametrize("length", [1 << 62, (1 << 63) - 1])
@pytest.mark.parametrize("limit", [1 << 24, (1 << 63) - 1])
@pytest.mark.parametrize("start", [b"", b"\x02\x01x"])
def test_a_giant_length_allocates_nothing(codec, key, length, limit, start):
    masked = key is not None
    under_test = decoder(codec, masked=masked, max_frame_size=limit, reassemble=True)
    opcode = BINARY
    if start:
        start = frame(BINARY, b"x", fin=False, key=key)
        opcode = CONTINUATION
    gc.collect()
    tracemalloc.start()
    try:
        under_test.decode(start + header(opcode, length, key=key))
        receive(under_test, bytes(1000), 100)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * MIB
    reached = length + (1 if start else 0)
    if reached > limit:
        text = f"Frame is too big: {reached}, the limit is {limit}"
        assert_violation(under_test, FrameTooBigError, text)
    else:
        assert under_test.error is None


def test_the_memory_of_a_refused_frame_is_given_back(codec):
    under_test = decoder(codec)
    gc.collect()
    tracemalloc.start()
    try:
        octets = header(TEXT, 8 * MIB) + b"x" * (4 * MIB)
        before, _ = tracemalloc.get_traced_memory()
        receive(under_test, octets, 65536)
        receive(under_test, b"\xff", 1)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert_violation(under_test, InvalidTextError, BAD_TEXT)
    assert after - before < 256 * 1024


VIOLATIONS = {
    "bits": (b"\xf1\x00", RESERVED),
    "opcode": (b"\x83\x00", "Unknown opcode: 0x3"),
    "mask": (b"\x81\x85", "Frames from a server must not be masked"),
    "length": (b"\x82\x7e\x00\x7d", SHORTEST),
    "text": (b"\x81\x05\xffabcd", BAD_TEXT),
    "close": (b"\x88\x02\x03\xee", "Close code is not allowed: 1006"),
    "size": (header(BINARY, 1 << 40), "Frame is too big"),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_frames_before_a_violation_are_given_and_none_after(codec, reassemble, name):
    bad, text = VIOLATIONS[name]
    before = b"\x81\x02hi\x89\x01p\x01\x01x\x80\x01y"
    expected = decoder(codec, reassemble=reassemble).decode(before)
    assert len(expected) == (3 if reassemble else 4)
    after = b"\x81\x02no" * 5 + b"\x83"
    for feed in ("decode", "receive"):
        under_test = decoder(codec, reassemble=reassemble)
        octets = before + bad + after
        if feed == "decode":
            frames = under_test.decode(octets)
            assert under_test.size == sum(map(len, expected))
            assert under_test.special
        else:
            frames = receive(under_test, octets, 65536)
        assert frames == expected
        error = under_test.error
        assert str(error).startswith(text)
        assert error.__traceback__ is None
        assert under_test.decode(after) == []
        assert (under_test.special, under_test.size) == (False, 0)
        assert receive(under_test, after, 7) == []
        assert under_test.decode(b"") == []
        assert under_test.error is error


@pytest.mark.parametrize(
    ("octets", "special", "size"),
    [
        (b"", False, 0),
        (b"\x81\x02h", False, 0),
        (b"\x81\x02hi", False, 2),
        (b"\x81\x02hi\x82\x03abc", False, 5),
        (b"\x81\x02hi\x89\x03abc", True, 5),
        (b"\x88\x00", True, 0),
        (b"\x8a\x00\x82\x01a", True, 1),
        (b"\xc2\x01a", True, 1),
    ],
)
def test_what_a_list_holds_is_told(codec, reassemble, octets, special, size):
    under_test = decoder(codec, reassemble=reassemble, reserved=RSV1)
    under_test.decode(octets)
    assert (under_test.special, under_test.size) == (special, size)
    receive(under_test, b"", 1)
    under_test.decode(b"")
    assert (under_test.special, under_test.size) == (False, 0)
    under_test = decoder(codec, reassemble=reassemble, reserved=RSV1)
    if octets:
        receive(under_test, octets, 100)
        assert (under_test.special, under_test.size) == (special, size)


def test_a_fragment_is_special_a_whole_message_is_not(codec):
    raw = decoder(codec)
    raw.decode(b"\x02\x01a")
    assert (raw.special, raw.size) == (True, 1)
    raw.decode(b"\x80\x02bc")
    assert (raw.special, raw.size) == (True, 2)
    whole = decoder(codec, reassemble=True)
    whole.decode(b"\x02\x01a")
    assert (whole.special, whole.size) == (False, 0)
    whole.decode(b"\x80\x02bc")
    assert (whole.special, whole.size) == (False, 3)


@pytest.mark.parametrize("name", ["special", "size", "error"])
def test_what_the_decoder_tells_cannot_be_set(codec, name):
    with pytest.raises(AttributeError):
        setattr(decoder(codec), name, None)


def test_the_first_octet_of_a_large_frame_may_end_a_read(codec, key):
    payload = bytes(range(256)) * 1024
    octets = header(BINARY, len(payload), key=key)
    octets += codec.apply_mask(payload, key) if key else payload
    for end in range(1, 20):
        under_test = decoder(codec, masked=key is not None)
        frames = receive(under_test, octets[:end], 65536)
        frames += receive(under_test, octets[end:], 65536)
        assert frames == [codec.Frame.Binary(payload)]
