import array
import gc

import pytest

from ktorws.close_reason import CloseReason
from ktorws.frame_type import FrameType

DATA_KINDS = ["Text", "Binary"]
CONTROL_KINDS = ["Close", "Ping", "Pong"]
KINDS = DATA_KINDS + CONTROL_KINDS
SENDABLE_CODES = [1000, 1001, 1002, 1003, *range(1007, 1015), 3000, 3999, 4000, 4999]
FORBIDDEN_CODES = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535]


def a_frame(codec, kind, data=b"", **flags):
    return getattr(codec.Frame, kind)(data, **flags)


@pytest.mark.parametrize("kind", KINDS)
def test_the_kinds_are_attributes_of_frame(codec, kind):
    assert getattr(codec.Frame, kind) is getattr(codec, f"{kind}Frame")
    assert issubclass(getattr(codec.Frame, kind), codec.Frame)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_knows_its_type(codec, kind):
    frame = a_frame(codec, kind)
    assert frame.frame_type is FrameType[kind.upper()]
    assert isinstance(frame, codec.Frame)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_final(codec, kind):
    with pytest.raises(TypeError):
        type("Mine", (getattr(codec.Frame, kind),), {})


@pytest.mark.parametrize("arguments", [(), (b"data",), (1, b"data")])
def test_a_frame_of_no_kind_cannot_be_made(codec, arguments):
    with pytest.raises(TypeError) as caught:
        codec.Frame(*arguments)
    assert str(caught.value) == (
        "Use Frame.Text, Frame.Binary, Frame.Close, Frame.Ping, Frame.Pong "
        "or Frame.by_type"
    )


def test_frames_can_be_matched_by_kind(codec):
    frame_class = codec.Frame
    found = []
    for kind in KINDS:
        match a_frame(codec, kind):
            case frame_class.Text():
                found.append("Text")
            case frame_class.Binary():
                found.append("Binary")
            case frame_class.Close():
                found.append("Close")
            case frame_class.Ping():
                found.append("Ping")
            case frame_class.Pong():
                found.append("Pong")
    assert found == KINDS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["data", "fin", "rsv1", "rsv2", "rsv3", "frame_type"])
def test_a_frame_cannot_be_changed(codec, kind, name):
    frame = a_frame(codec, kind)
    with pytest.raises(AttributeError):
        setattr(frame, name, getattr(frame, name))


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_takes_no_new_attributes(codec, kind):
    with pytest.raises(AttributeError):
        a_frame(codec, kind).mine = 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_can_be_made_from_its_octets(codec, kind):
    data = b"\x03\xe8bye"
    frame = a_frame(codec, kind, data)
    assert frame.data == frame.read_bytes() == data
    assert type(frame.data) is type(frame.read_bytes()) is bytes
    assert len(frame) == 5
    assert (frame.fin, frame.rsv1, frame.rsv2, frame.rsv3) == (
        True,
        False,
        False,
        False,
    )


@pytest.mark.parametrize("kind", KINDS)
def test_data_is_copied_unless_it_is_bytes(codec, kind):
    data = bytearray(b"\x03\xe8bye")
    frame = a_frame(codec, kind, data)
    data[4] = 0x21
    assert frame.data == b"\x03\xe8bye"
    data.append(0)
    octets = b"\x03\xe8you"
    assert a_frame(codec, kind, octets).data is octets


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("make", [bytearray, memoryview, lambda d: array.array("B", d)])
def test_any_contiguous_buffer_will_do(codec, kind, make):
    assert a_frame(codec, kind, make(b"\x03\xe8bye")).data == b"\x03\xe8bye"


def test_a_buffer_of_wide_items_gives_its_octets(codec):
    frame = codec.Frame.Binary(array.array("I", [1, 2]))
    assert frame.data == array.array("I", [1, 2]).tobytes()
    assert len(frame) == 2 * array.array("I").itemsize


@pytest.mark.parametrize("kind", KINDS)
def test_a_buffer_with_gaps_is_not_read_as_if_it_had_none(codec, kind):
    data = b"\x03\xe8bye"
    gaps = bytearray(2 * len(data))
    gaps[::2] = data
    assert a_frame(codec, kind, memoryview(gaps)[::2]).data == data


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", [7, 1.5, object(), [1], ["x"]])
def test_data_of_another_type_is_refused_by_name(codec, kind, wrong):
    with pytest.raises(TypeError, match=rf"^Frame\.{kind} .*{type(wrong).__name__}"):
        a_frame(codec, kind, wrong)


@pytest.mark.parametrize("kind", ["Binary", "Close", "Ping", "Pong"])
def test_only_text_takes_a_string(codec, kind):
    with pytest.raises(TypeError, match="str"):
        a_frame(codec, kind, "text")


def test_the_error_names_what_is_taken(codec):
    with pytest.raises(TypeError) as caught:
        codec.Frame.Binary(7)
    assert str(caught.value) == "Frame.Binary takes a bytes-like object, not int"


@pytest.mark.parametrize("kind", ["Text", "Binary", "Ping", "Pong"])
def test_none_is_no_data(codec, kind):
    with pytest.raises(TypeError):
        a_frame(codec, kind, None)


@pytest.mark.parametrize("kind", DATA_KINDS)
def test_data_frames_need_data(codec, kind):
    with pytest.raises(TypeError):
        getattr(codec.Frame, kind)()


@pytest.mark.parametrize("kind", CONTROL_KINDS)
def test_control_frames_may_be_empty(codec, kind):
    frame = getattr(codec.Frame, kind)()
    assert frame.data == b""
    assert frame.fin


@pytest.mark.parametrize("kind", DATA_KINDS)
@pytest.mark.parametrize("name", ["fin", "rsv1", "rsv2", "rsv3"])
@pytest.mark.parametrize("value", [True, False])
def test_data_frames_take_each_flag(codec, kind, name, value):
    frame = a_frame(codec, kind, b"x", **{name: value})
    default = {"fin": True, "rsv1": False, "rsv2": False, "rsv3": False}
    assert {n: getattr(frame, n) for n in default} == default | {name: value}


@pytest.mark.parametrize("kind", DATA_KINDS)
def test_flags_are_given_by_keyword(codec, kind):
    with pytest.raises(TypeError):
        getattr(codec.Frame, kind)(b"x", False)


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_keyword_is_refused(codec, kind):
    with pytest.raises(TypeError):
        a_frame(codec, kind, b"", finn=True)


@pytest.mark.parametrize("kind", CONTROL_KINDS)
@pytest.mark.parametrize("name", ["fin", "rsv1", "rsv2", "rsv3"])
def test_control_frames_take_no_flags(codec, kind, name):
    with pytest.raises(TypeError):
        a_frame(codec, kind, b"", **{name: False})


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", b""),
        ("Hello", b"Hello"),
        ("\x00", b"\x00"),
        ("\x7f\x80", b"\x7f\xc2\x80"),
        ("\xff", b"\xc3\xbf"),
        ("κόσμε", b"\xce\xba\xcf\x8c\xcf\x83\xce\xbc\xce\xb5"),
        ("\uffff", b"\xef\xbf\xbf"),
        ("😀", b"\xf0\x9f\x98\x80"),
        ("a😀\U0010ffff", b"a\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"),
        ("é" * 70000, b"\xc3\xa9" * 70000),
    ],
    ids=lambda value: None if len(value) < 20 else f"{len(value)}-long",
)
def test_text_is_utf8(codec, text, data):
    frame = codec.Frame.Text(text)
    assert len(frame) == len(data)
    assert frame.data == frame.read_bytes() == data
    assert frame.read_text() == text
    assert codec.Frame.Text(data).read_text() == text
    assert codec.Frame.Text(data) == frame
    assert hash(codec.Frame.Text(data)) == hash(frame)


@pytest.mark.parametrize("text", ["a\ud83d", "\ude00b", "é\ud800"])
def test_a_lone_surrogate_is_no_text(codec, text):
    with pytest.raises(UnicodeEncodeError):
        codec.Frame.Text(text)


def test_a_text_of_a_str_subclass_is_text(codec):
    class Name(str):
        __slots__ = ()

    frame = codec.Frame.Text(Name("é"))
    assert frame.data == b"\xc3\xa9"
    assert frame.read_text() == "é"


def test_a_text_fragment_may_end_within_a_character(codec):
    frame = codec.Frame.Text(b"\xf0\x9f", fin=False)
    assert frame.data == b"\xf0\x9f"


@pytest.mark.parametrize("data", ["whole", b"whole", b"\xf0\x9f"])
def test_a_fragment_has_no_text_to_read(codec, data):
    frame = codec.Frame.Text(data, fin=False)
    with pytest.raises(ValueError, match="not a fragment") as caught:
        frame.read_text()
    assert str(caught.value) == (
        "Text can only be read from a frame that is not a fragment"
    )


@pytest.mark.parametrize("data", [b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80"])
def test_octets_that_are_no_text_cannot_be_read_as_text(codec, data):
    with pytest.raises(UnicodeDecodeError):
        codec.Frame.Text(data).read_text()


@pytest.mark.parametrize("kind", ["Binary", "Close", "Ping", "Pong"])
def test_only_text_frames_have_text(codec, kind):
    assert not hasattr(a_frame(codec, kind), "read_text")


@pytest.mark.parametrize("kind", ["Text", "Binary", "Ping", "Pong"])
def test_only_close_frames_have_a_reason(codec, kind):
    assert not hasattr(a_frame(codec, kind), "read_reason")


@pytest.mark.parametrize("kind", CONTROL_KINDS)
@pytest.mark.parametrize("size", [124, 125])
def test_a_control_frame_takes_125_bytes(codec, kind, size):
    data = b"\x03\xe8" + b"x" * (size - 2)
    assert a_frame(codec, kind, data).data == data


@pytest.mark.parametrize("kind", CONTROL_KINDS)
@pytest.mark.parametrize("size", [126, 127, 65536])
def test_a_control_frame_takes_no_more(codec, kind, size):
    with pytest.raises(ValueError, match="125") as caught:
        a_frame(codec, kind, b"\x03\xe8" + b"x" * (size - 2))
    assert str(caught.value) == (
        "Control frames must not exceed 125 bytes (RFC 6455 section 5.5), "
        f"but this {kind.upper()} has {size}"
    )


@pytest.mark.parametrize("code", SENDABLE_CODES)
def test_a_close_frame_carries_a_code(codec, code):
    payload = code.to_bytes(2, "big")
    assert codec.Frame.Close(CloseReason(code)).data == payload
    assert codec.Frame.Close(payload).read_reason() == CloseReason(code, "")


@pytest.mark.parametrize("message", ["", "bye", "é" * 61, "x" * 123])
def test_a_close_frame_carries_a_reason(codec, message):
    reason = CloseReason(CloseReason.Codes.NORMAL, message)
    frame = codec.Frame.Close(reason)
    assert frame.data == b"\x03\xe8" + message.encode()
    assert frame.read_reason() == reason
    assert type(frame.read_reason()) is CloseReason


@pytest.mark.parametrize("code", FORBIDDEN_CODES)
def test_a_code_that_must_not_be_sent_makes_no_close_frame(codec, code):
    text = f"Close code {code} must not be sent (RFC 6455 section 7.4)"
    for reason in (CloseReason(code, "bye"), code.to_bytes(2, "big") + b"bye"):
        with pytest.raises(ValueError, match="must not be sent") as caught:
            codec.Frame.Close(reason)
        assert str(caught.value) == text


@pytest.mark.parametrize("code", FORBIDDEN_CODES)
def test_only_no_status_without_a_message_is_an_empty_payload(codec, code):
    if code == 1005:
        assert codec.Frame.Close(CloseReason(code)).data == b""
    else:
        with pytest.raises(ValueError, match="must not be sent"):
            codec.Frame.Close(CloseReason(code))
    with pytest.raises(ValueError, match="must not be sent"):
        codec.Frame.Close(code.to_bytes(2, "big"))


@pytest.mark.parametrize("arguments", [(), (None,), (b"",)])
def test_an_empty_close_frame_has_no_reason(codec, arguments):
    frame = codec.Frame.Close(*arguments)
    assert frame.data == b""
    assert frame.read_reason() is None


@pytest.mark.parametrize("data", [b"\x03", b"\x00", b"\xe8"])
def test_half_a_close_code_is_refused(codec, data):
    with pytest.raises(ValueError):  # noqa: PT011  the text is not promised
        codec.Frame.Close(data)


@pytest.mark.parametrize("data", [b"\xff", b"ok\xc3", b"\xed\xa0\x80"])
def test_a_close_reason_that_is_no_text_is_refused(codec, data):
    with pytest.raises(ValueError):  # noqa: PT011  the text is not promised
        codec.Frame.Close(b"\x03\xe8" + data)


@pytest.mark.parametrize("kind", KINDS)
def test_by_type_makes_each_kind(codec, kind):
    frame_type = FrameType[kind.upper()]
    data = b"\x03\xe8x"
    for given in (frame_type, int(frame_type)):
        frame = codec.Frame.by_type(given, data)
        assert type(frame) is getattr(codec.Frame, kind)
        assert frame == a_frame(codec, kind, data)
    assert codec.Frame.by_type(frame_type) == a_frame(codec, kind, b"")


@pytest.mark.parametrize("kind", KINDS)
def test_by_type_gives_flags_to_data_frames_only(codec, kind):
    flags = {"fin": False, "rsv1": True, "rsv2": True, "rsv3": True}
    frame = codec.Frame.by_type(FrameType[kind.upper()], b"", **flags)
    if kind in DATA_KINDS:
        assert {name: getattr(frame, name) for name in flags} == flags
    else:
        assert frame == a_frame(codec, kind)
        assert frame.fin
        assert not frame.rsv1


@pytest.mark.parametrize("frame_type", [0, 3, 7, 11, 15, 16, 0x81, -1, 1 << 70])
def test_by_type_refuses_an_unknown_type(codec, frame_type):
    with pytest.raises(ValueError):  # noqa: PT011  the text is not promised
        codec.Frame.by_type(frame_type, b"")


def test_by_type_holds_control_frames_to_their_rules(codec):
    with pytest.raises(ValueError, match="this PONG has 126"):
        codec.Frame.by_type(FrameType.PONG, bytes(126))
    with pytest.raises(ValueError, match="Close code 1006"):
        codec.Frame.by_type(8, b"\x03\xee")


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_frame_is_true(codec, kind):
    assert len(a_frame(codec, kind)) == 0
    assert bool(a_frame(codec, kind)) is True


def distinct(codec):
    frames = [a_frame(codec, kind) for kind in KINDS]
    frames += [a_frame(codec, kind, b"\x03\xe8x") for kind in KINDS]
    for kind in DATA_KINDS:
        for name in ("fin", "rsv1", "rsv2", "rsv3"):
            frames.append(a_frame(codec, kind, b"", **{name: name != "fin"}))
    return frames


def test_frames_are_equal_by_type_flags_and_data(codec):
    ours, theirs = distinct(codec), distinct(codec)
    for i, one in enumerate(ours):
        for j, other in enumerate(theirs):
            assert (one == other) is (i == j)
            assert (one != other) is (i != j)
    assert [hash(frame) for frame in ours] == [hash(frame) for frame in theirs]
    assert len(set(ours + theirs)) == len(ours)


@pytest.mark.parametrize("kind", KINDS)
def test_a_frame_is_not_equal_to_its_data(codec, kind):
    frame = a_frame(codec, kind)
    assert frame != b""
    assert frame != ""
    assert frame is not None
    assert frame != FrameType[kind.upper()]


def test_frames_have_no_order(codec):
    with pytest.raises(TypeError):
        codec.Frame.Text("a") < codec.Frame.Text("b")  # noqa: B015


def test_the_repr_of_a_frame_tells_its_kind_size_and_flags(codec):
    frame = codec.Frame
    assert repr(frame.Text("Hello World")) == "Frame.Text(11 bytes)"
    assert repr(frame.Text("é€")) == "Frame.Text(5 bytes)"
    assert repr(frame.Binary(b"12345", fin=False, rsv1=True)) == (
        "Frame.Binary(5 bytes, fin=False, rsv1=True)"
    )
    assert repr(frame.Text(b"", rsv1=True, rsv2=True, rsv3=True)) == (
        "Frame.Text(0 bytes, rsv1=True, rsv2=True, rsv3=True)"
    )
    assert repr(frame.Close(CloseReason(1000, "bye"))) == "Frame.Close(5 bytes)"
    assert repr(frame.Ping(b"x")) == "Frame.Ping(1 byte)"
    assert repr(frame.Ping()) == "Frame.Ping(0 bytes)"
    assert repr(frame.Pong(bytes(125))) == "Frame.Pong(125 bytes)"


@pytest.mark.parametrize("kind", KINDS)
def test_the_repr_of_a_frame_keeps_its_payload_secret(codec, kind):
    frame = a_frame(codec, kind, b"\x03\xe8secret")
    assert "secret" not in repr(frame)
    assert "secret" not in str(frame)


def test_many_frames_come_and_go(codec):
    frames = [codec.Frame.Text(f"{n}") for n in range(1000)]
    del frames[::2]
    gc.collect()
    frames += [codec.Frame.Binary(b"%d" % n) for n in range(1000)]
    assert [frame.read_text() for frame in frames[:500]] == [
        f"{n}" for n in range(1, 1000, 2)
    ]
    assert [frame.data for frame in frames[500:]] == [b"%d" % n for n in range(1000)]
