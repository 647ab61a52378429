"""What a decoder makes of text and of close reasons."""

import pytest

from ktorws.close_reason import CloseReason
from ktorws.exceptions import InvalidTextError, ProtocolViolationError
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
    KEY,
    PING,
    RSV1,
    TEXT,
    close,
    cut,
    frame,
    header,
    mask,
)

MIB = 1 << 20
BAD_TEXT = "Text message is not valid UTF-8"
BAD_REASON = "Close reason is not valid UTF-8"


@pytest.fixture(params=[False, True], ids=["raw", "whole"])
def reassemble(request):
    return request.param


@pytest.fixture(params=[None, KEY], ids=["unmasked", "masked"])
def key(request):
    return request.param


GOOD_TEXTS = [
    "é€😀",
    "\x00\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff",
]


@pytest.mark.parametrize("text", GOOD_TEXTS)
def test_text_may_be_split_within_a_character(codec, key, reassemble, text):
    data = text.encode()
    masked = key is not None
    for at in range(len(data) + 1):
        octets = frame(TEXT, data[:at], fin=False, key=key)
        octets += frame(PING, b"\xff", key=key)
        octets += frame(CONTINUATION, data[at:], key=key)
        for size in (1, len(octets)):
            under_test = decoder(codec, masked=masked, reassemble=reassemble)
            frames = [f for o in cut(octets, size) for f in under_test.decode(o)]
            assert under_test.error is None
            data_frames = [f for f in frames if isinstance(f, codec.Frame.Text)]
            assert b"".join(f.data for f in data_frames) == data
            if reassemble:
                assert data_frames[0].read_text() == text


@pytest.mark.parametrize("text", GOOD_TEXTS)
def test_text_may_come_one_octet_a_fragment(codec, reassemble, text):
    data = text.encode()
    octets = frame(TEXT, fin=False)
    octets += b"".join(frame(CONTINUATION, bytes([o]), fin=False) for o in data)
    octets += frame(CONTINUATION)
    under_test = decoder(codec, reassemble=reassemble)
    frames = under_test.decode(octets)
    assert under_test.error is None
    assert b"".join(f.data for f in frames) == data
    if reassemble:
        assert frames == [codec.Frame.Text(text)]


# The last octet of each is the first that no valid text has at its place.
BAD_TEXTS = [
    b"\x80",
    b"\xbf",
    b"\xc0",
    b"\xc1",
    b"\xf5",
    b"\xfe",
    b"\xff",
    b"\xc3\x28",
    b"\xc3\xc3",
    b"\xe0\x80",
    b"\xe0\x9f",
    b"\xe2\x28",
    b"\xe2\x82\x28",
    b"\xed\xa0",
    b"\xed\xbf",
    b"\xf0\x80",
    b"\xf0\x8f",
    b"\xf0\x9f\x28",
    b"\xf0\x9f\x98\x28",
    b"\xf4\x90",
    b"\xf4\xbf",
]


@pytest.mark.parametrize("bad", BAD_TEXTS, ids=lambda bad: bad.hex())
@pytest.mark.parametrize("before", [b"", b"ab", "12345678😀".encode() * 9])
def test_bad_text_fails_at_its_first_bad_octet(codec, key, reassemble, bad, before):
    data = before + bad
    masked = key is not None
    options = {"masked": masked, "reassemble": reassemble}
    for tail in (0, 1, 500):
        head = header(TEXT, len(data) + tail, key=key)
        octets = head + (mask(data, key) if key else data)
        assert_fails_at_its_last_octet(
            decoder(codec, **options), octets, InvalidTextError, BAD_TEXT
        )
        rest = mask(data + b"x" * tail, key)[len(data) :] if key else b"x" * tail
        under_test = decoder(codec, **options)
        assert under_test.decode(octets + rest) == []
        assert_violation(under_test, InvalidTextError, BAD_TEXT)


@pytest.mark.parametrize("bad", BAD_TEXTS, ids=lambda bad: bad.hex())
def test_bad_text_fails_across_fragments(codec, key, reassemble, bad):
    for at in range(len(bad)):
        octets = frame(TEXT, bad[:at], fin=False, key=key)
        octets += header(CONTINUATION, 500, key=key, fin=False)
        octets += mask(bad[at:], key) if key else bad[at:]
        under_test = decoder(codec, masked=key is not None, reassemble=reassemble)
        assert_fails_at_its_last_octet(under_test, octets, InvalidTextError, BAD_TEXT)


@pytest.mark.parametrize("bad", [b"\xc3", b"\xe2", b"\xe2\x82", b"\xf0\x9f\x98"])
def test_text_that_ends_within_a_character_fails_at_its_end(codec, key, bad):
    masked = key is not None
    for reassemble in (True, False):
        options = {"masked": masked, "reassemble": reassemble}
        for octets in (
            frame(TEXT, b"ok" + bad, key=key),
            frame(TEXT, bad, fin=False, key=key) + frame(CONTINUATION, key=key),
            frame(TEXT, fin=False, key=key) + frame(CONTINUATION, bad, key=key),
        ):
            assert_fails_at_its_last_octet(
                decoder(codec, **options), octets, InvalidTextError, BAD_TEXT
            )
            under_test = decoder(codec, **options)
            under_test.decode(octets)
            assert_violation(under_test, InvalidTextError, BAD_TEXT)


@pytest.mark.parametrize("chunk", [5000, 65536, MIB])
def test_bad_text_fails_in_the_middle_of_a_huge_frame(codec, key, chunk):
    data = b"x" * (2 * MIB) + b"\xff"
    octets = header(TEXT, 12 * MIB, key=key)
    octets += codec.apply_mask(data, key) if key else data
    under_test = decoder(codec, masked=key is not None)
    receive(under_test, memoryview(octets)[:-1], chunk)
    assert under_test.error is None
    receive(under_test, octets[-1:], chunk)
    assert_violation(under_test, InvalidTextError, BAD_TEXT)


def test_text_that_an_extension_transforms_is_not_judged(codec, reassemble):
    under_test = decoder(codec, reserved=RSV1, reassemble=reassemble)
    octets = frame(TEXT, b"\xff", rsv=RSV1)
    octets += frame(TEXT, b"\xff", rsv=RSV1, fin=False) + frame(CONTINUATION, b"\xc3")
    under_test.decode(octets)
    assert under_test.error is None
    under_test.decode(frame(TEXT, b"\xff"))
    assert_violation(under_test, InvalidTextError, BAD_TEXT)


def test_binary_is_not_judged_as_text(codec, reassemble):
    under_test = decoder(codec, reassemble=reassemble)
    octets = frame(BINARY, b"\xff") + frame(BINARY, b"\xff", fin=False)
    under_test.decode(octets + frame(CONTINUATION, b"\xc3"))
    assert under_test.error is None


SENDABLE_CODES = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]
FORBIDDEN_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535]


@pytest.mark.parametrize("code", SENDABLE_CODES)
@pytest.mark.parametrize("reason", ["", "bye", "é" * 61, "x" * 123])
def test_a_close_frame_brings_its_reason(codec, key, code, reason):
    octets = close(code, reason.encode(), key=key)
    (received,) = decoder(codec, masked=key is not None).decode(octets)
    assert received.read_reason() == CloseReason(code, reason)


def test_an_empty_close_frame_brings_none(codec, key):
    (received,) = decoder(codec, masked=key is not None).decode(frame(CLOSE, key=key))
    assert received == codec.Frame.Close()
    assert received.read_reason() is None


@pytest.mark.parametrize("code", FORBIDDEN_CODES)
@pytest.mark.parametrize("reason", [b"", b"bye", b"\xff"])
def test_a_forbidden_close_code_is_a_violation(codec, key, code, reason):
    octets = close(code, reason, key=key)
    under_test = decoder(codec, masked=key is not None)
    text = f"Close code is not allowed: {code}"
    assert_fails_at_its_last_octet(under_test, octets, ProtocolViolationError, text)


def test_half_a_close_code_is_a_violation(codec, key):
    under_test = decoder(codec, masked=key is not None)
    text = "Close payload must be empty or at least 2 bytes"
    under_test.decode(frame(CLOSE, b"\x03", key=key))
    assert_violation(under_test, ProtocolViolationError, text)


@pytest.mark.parametrize("bad", [*BAD_TEXTS, b"\xc3", b"\xf0\x9f\x98"])
def test_a_close_reason_must_be_text(codec, key, bad):
    octets = close(1000, b"ok" + bad, key=key)
    under_test = decoder(codec, masked=key is not None)
    assert_fails_at_its_last_octet(under_test, octets, InvalidTextError, BAD_REASON)
