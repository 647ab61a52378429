"""What holds for any octets: both codecs agree, and no cut makes a difference."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ktorws import _frame_py as oracle
from ktorws import frame as frames_of
from ktorws.frame_queue import FrameQueue, Intake
from ktorws.sending import Cork
from tests.octets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    TEXT,
    frame,
)

many = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

KINDS = ["Text", "Binary", "Close", "Ping", "Pong"]
CODES = st.sampled_from([1000, 1001, 1003, 1007, 1011, 3000, 4999])
KEYS = st.binary(min_size=4, max_size=4)

options = st.fixed_dictionaries(
    {
        "masked": st.booleans(),
        "max_frame_size": st.sampled_from([1, 5, 125, 126, 300, 70000, 1 << 24]),
        "reserved": st.sampled_from([0, 0x40, 0x20, 0x70]),
        "reassemble": st.booleans(),
    }
)


@st.composite
def payloads(draw, opcode):
    if opcode in (TEXT, BINARY, CONTINUATION):
        data = st.text(max_size=40).map(str.encode) | st.binary(max_size=40)
        return draw(data) * draw(st.sampled_from([1, 1, 1, 4, 40, 2000]))
    if opcode == CLOSE and draw(st.booleans()):
        reason = draw(st.text(max_size=20)).encode()
        return draw(CODES).to_bytes(2, "big") + reason
    return b"" if opcode == CLOSE else draw(st.binary(max_size=125))


@st.composite
def loose_frames(draw, masked):
    """A frame that is as good as any, wherever it comes."""
    opcode = draw(st.sampled_from([TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION]))
    rsv = draw(st.sampled_from([0, 0, 0, 0, 0x40, 0x20]))
    key = draw(KEYS) if masked else None
    fin = draw(st.integers(0, 3)) > 0 or opcode >= CLOSE
    return frame(opcode, draw(payloads(opcode)), fin=fin, rsv=rsv, key=key)


@st.composite
def messages(draw, masked):
    """A message in legal fragments, with control frames in between."""
    opcode = draw(st.sampled_from([TEXT, BINARY]))
    text = st.text(max_size=60).map(str.encode)
    data = draw(text if opcode == TEXT else st.binary(max_size=200))
    ends = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
    starts = [0, *ends]
    octets = b""
    for number, (start, end) in enumerate(zip(starts, [*ends, len(data)], strict=True)):
        key = draw(KEYS) if masked else None
        fin = number == len(ends)
        octets += frame(
            CONTINUATION if number else opcode, data[start:end], fin=fin, key=key
        )
        if draw(st.booleans()):
            octets += frame(PING, draw(st.binary(max_size=10)), key=key)
    return octets


def streams(masked):
    one = messages(masked) | loose_frames(masked)
    return st.lists(one, max_size=5).map(b"".join)


@st.composite
def mutations(draw, masked):
    """A stream of frames in which some octets were changed, added or lost."""
    octets = bytearray(draw(streams(masked)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(octets)))
        match draw(st.sampled_from(["bit", "octet", "insert", "delete"])):
            case "bit" if at < len(octets):
                octets[at] ^= 1 << draw(st.integers(0, 7))
            case "octet" if at < len(octets):
                octets[at] = draw(st.integers(0, 255))
            case "insert":
                octets[at:at] = draw(st.binary(min_size=1, max_size=4))
            case _:
                del octets[at : at + draw(st.integers(1, 4))]
    return bytes(octets)


@st.composite
def chunks(draw, octets):
    ends = sorted(draw(st.lists(st.integers(0, len(octets)), max_size=8)))
    pairs = zip([0, *ends], [*ends, len(octets)], strict=True)
    return [octets[start:end] for start, end in pairs]


def told(frame):
    bits = (frame.rsv1, frame.rsv2, frame.rsv3)
    return frame.frame_type, frame.fin, bits, frame.data


def fault(decoder):
    error = decoder.error
    if error is None:
        return None
    return type(error), str(error), error.close_code, vars(error)


def outcome(codec, feed, pieces, **options):
    """All there is to see of a decoder, after each piece."""
    decoder = codec.FrameDecoder(**options)
    seen = []
    for piece in pieces:
        frames = feed(decoder, piece)
        about = decoder.special, decoder.size, decoder.counts()
        seen.append(([told(f) for f in frames], *about, fault(decoder)))
    return seen


def by_decode(decoder, piece):
    return decoder.decode(piece)


def by_buffer(decoder, piece):
    """As `by_decode`; a piece never takes more than one buffer here."""
    decoder.get_buffer(-1)[: len(piece)] = piece
    return decoder.buffer_updated(len(piece))


def decoded(codec, feed, pieces, **options):
    """The frames and the error, however they came."""
    seen = outcome(codec, feed, pieces, **options)
    return [f for frames, *_ in seen for f in frames], seen[-1][-1]


@many
@given(options=options, pieces=st.lists(st.binary(max_size=300), max_size=6))
def test_both_codecs_agree_on_any_octets(codec, options, pieces):
    assert outcome(codec, by_decode, pieces, **options) == (
        outcome(oracle, by_decode, pieces, **options)
    )


@many
@given(options=options, data=st.data())
def test_both_codecs_agree_on_almost_valid_streams(codec, options, data):
    octets = data.draw(mutations(options["masked"]))
    pieces = data.draw(chunks(octets))
    expected = outcome(oracle, by_decode, pieces, **options)
    assert outcome(codec, by_decode, pieces, **options) == expected
    if all(len(piece) < 32768 for piece in pieces):
        assert outcome(codec, by_buffer, pieces, **options) == expected


@many
@given(options=options, data=st.data())
def test_any_cut_gives_the_same_frames_and_error(codec, options, data):
    octets = data.draw(mutations(options["masked"]))
    pieces = data.draw(chunks(octets))
    whole = decoded(codec, by_decode, [octets], **options)
    assert decoded(codec, by_decode, pieces, **options) == whole
    if len(octets) < 3000:
        single = [octets[at : at + 1] for at in range(len(octets))] or [b""]
        assert decoded(codec, by_decode, single, **options) == whole
        assert decoded(codec, by_buffer, single, **options) == whole


class LoopWithoutDebug:
    @staticmethod
    def get_debug():
        return False


def taken_in(pieces, **options):
    """As `outcome`, by the way of a connection's reads."""
    decoder = frames_of.FrameDecoder(**options)
    encoder = frames_of.FrameEncoder(masking=True)
    queue = FrameQueue(None)
    shown = []
    cork = Cork(LoopWithoutDebug, encoder, 1000)
    intake = Intake(decoder, cork, queue, shown.extend)
    seen = []
    for piece in pieces:
        decoder.get_buffer(-1)[: len(piece)] = piece
        intake.buffer_updated(len(piece))
        frames = [*queue._take(1000), *shown]
        shown.clear()
        about = decoder.special, decoder.size, decoder.counts()
        seen.append(([told(f) for f in frames], *about, fault(decoder)))
    return seen


def pieces_like_reads(masked):
    """Frames, most of them alone; some that leave a message, or a header, open."""
    key = KEY if masked else None
    alone = [
        frame(TEXT, b"one", key=key),
        frame(TEXT, "\u00fc\u20ac".encode(), key=key),
        frame(TEXT, b"\xff", key=key),
        frame(TEXT, b"", rsv=0x40, key=key),
        frame(BINARY, bytes(200), key=key),
        frame(BINARY, b"open", fin=False, key=key),
        frame(CONTINUATION, b"end", key=key),
        frame(PING, b"?", key=key),
        frame(BINARY, bytes(10), key=key)[:1],
        frame(BINARY, bytes(10), key=key)[:9],
        frame(TEXT, b"two", key=key) * 2,
    ]
    return st.lists(st.sampled_from(alone), max_size=8)


@settings(many, max_examples=1000)
@given(options=options, data=st.data())
def test_a_read_of_one_message_is_like_any_other(options, data):
    pieces = data.draw(pieces_like_reads(options["masked"]))
    assert taken_in(pieces, **options) == outcome(oracle, by_decode, pieces, **options)


@many
@given(masked=st.booleans(), reassemble=st.booleans(), data=st.data())
def test_legal_streams_have_no_error(codec, masked, reassemble, data):
    octets = b"".join(data.draw(st.lists(messages(masked), max_size=4)))
    options = {"masked": masked, "reassemble": reassemble}
    frames, error = decoded(codec, by_decode, [octets], **options)
    assert error is None
    assert decoded(oracle, by_decode, [octets], **options) == (frames, None)


@st.composite
def sendable(draw):
    """A way to make one message, for either codec, that can be sent any time."""
    kind = draw(st.sampled_from(["str", "bytes", *KINDS]))
    times = draw(st.sampled_from([1, 1, 1, 3, 30, 2000]))
    match kind:
        case "str":
            text = draw(st.text(max_size=50)) * times
            return lambda codec: text
        case "bytes":
            octets = draw(st.binary(max_size=50)) * times
            return lambda codec: octets
        case "Text":
            text = draw(st.text(max_size=50)) * times
            return lambda codec: codec.Frame.Text(text)
        case "Binary":
            octets = draw(st.binary(max_size=50)) * times
            bit = draw(st.booleans())
            return lambda codec: codec.Frame.Binary(octets, rsv2=bit)
        case "Close":
            octets = draw(payloads(CLOSE))
            return lambda codec: codec.Frame.Close(octets)
        case _:
            octets = draw(st.binary(max_size=125))
            return lambda codec: getattr(codec.Frame, kind)(octets)


def as_frame(codec, message):
    if isinstance(message, codec.Frame):
        return message
    if isinstance(message, str):
        return codec.Frame.Text(message)
    return codec.Frame.Binary(message)


@many
@given(
    masking=st.booleans(),
    recipes=st.lists(sendable(), max_size=5),
    block=st.binary(min_size=16, max_size=16),
)
def test_what_one_codec_encodes_each_decodes(codec, masking, recipes, block):
    encoded = []
    for sender in (codec, oracle):
        keys = sender.MaskKeys(lambda size: block * (size // 16))
        encoder = sender.FrameEncoder(masking=masking, keys=keys)
        joined = b"".join(encoder.encode(make(sender)) for make in recipes)
        keys = sender.MaskKeys(lambda size: block * (size // 16))
        encoder = sender.FrameEncoder(masking=masking, keys=keys)
        for make in recipes:
            encoder.append(make(sender))
        assert encoder.take() == joined
        encoded.append((joined, encoder.counts()))
    assert encoded[0] == encoded[1]
    for receiver in (codec, oracle):
        sent = [as_frame(receiver, make(receiver)) for make in recipes]
        decoder = receiver.FrameDecoder(masked=masking, reserved=0x20)
        assert decoder.decode(encoded[0][0]) == sent
        assert decoder.error is None
        assert decoder.counts() == encoded[0][1]


@st.composite
def attempts(draw):
    """Frames and messages to send in any order, whether they may be or not."""
    kind = draw(st.sampled_from(["str", "bytes", "Text", "Text", "Binary", "Ping"]))
    if kind == "str":
        text = draw(st.text(st.characters(), max_size=10))
        return lambda codec: text
    data = draw(
        st.binary(max_size=3)
        | st.sampled_from([b"\xc3", b"\xa9", b"\xf0\x9f", b"\x98", b"\x80", b"a"])
    )
    if kind == "bytes":
        return lambda codec: data
    flags = {} if kind == "Ping" else {"fin": draw(st.booleans())}
    if kind != "Ping" and draw(st.integers(0, 5)) == 0:
        flags["rsv1"] = True
    return lambda codec: getattr(codec.Frame, kind)(data, **flags)


def tries(codec, encoder, recipes):
    results = []
    for make in recipes:
        try:
            results.append((encoder.encode(make(codec)), encoder.pending))
        except (TypeError, ValueError) as error:
            results.append((type(error), str(error), encoder.pending))
    return results


@many
@given(masking=st.booleans(), recipes=st.lists(attempts(), max_size=12))
def test_both_codecs_accept_and_refuse_the_same_messages(codec, masking, recipes):
    results = []
    for sender in (codec, oracle):
        keys = sender.MaskKeys(lambda size: bytes(n % 251 for n in range(size)))
        encoder = sender.FrameEncoder(masking=masking, keys=keys)
        results.append(tries(sender, encoder, recipes))
    assert results[0] == results[1]


@many
@given(
    start=st.integers(0, 8),
    data=st.binary(max_size=300),
    key=KEYS,
    offset=st.integers(0, 1 << 40),
)
def test_both_codecs_mask_alike(codec, start, data, key, offset):
    view = memoryview(data)[start:]
    masked = codec.apply_mask(view, key, offset)
    assert masked == oracle.apply_mask(view, key, offset)
    assert codec.apply_mask(masked, key, offset) == data[start:]


@many
@given(
    data=st.binary(max_size=100)
    | st.builds(
        lambda text, at, bad: text[:at] + bad + text[at:],
        st.text(max_size=40).map(str.encode),
        st.integers(0, 60),
        st.binary(max_size=3),
    )
)
def test_both_codecs_know_utf8(codec, data):
    assert codec.is_utf8(data) is oracle.is_utf8(data)


def described(make):
    try:
        frame = make()
    except (TypeError, ValueError) as error:
        return type(error), str(error)
    return told(frame), repr(frame), len(frame), bool(frame)


@many
@given(
    kind=st.sampled_from(KINDS),
    data=st.binary(max_size=130) | st.text(max_size=10),
    flags=st.dictionaries(st.sampled_from(["fin", "rsv1", "rsv2"]), st.booleans()),
)
def test_both_codecs_make_the_same_frames(codec, kind, data, flags):
    assert described(lambda: getattr(codec.Frame, kind)(data)) == (
        described(lambda: getattr(oracle.Frame, kind)(data))
    )
    if kind in ("Text", "Binary") and isinstance(data, bytes):
        assert described(lambda: getattr(codec.Frame, kind)(data, **flags)) == (
            described(lambda: getattr(oracle.Frame, kind)(data, **flags))
        )


@pytest.mark.parametrize("key", [None, KEY])
def test_the_streams_of_these_tests_can_be_legal(codec, key):
    octets = frame(TEXT, b"a", fin=False, key=key) + frame(CONTINUATION, b"b", key=key)
    options = {"masked": key is not None}
    frames, error = decoded(codec, by_buffer, [octets], **options)
    assert len(frames) == 2
    assert error is None
