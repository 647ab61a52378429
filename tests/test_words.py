import copy
import dataclasses
import inspect
import traceback

import pytest

from ktorws import exceptions
from ktorws.close_reason import MAX_MESSAGE_SIZE, CloseReason, is_sendable
from ktorws.frame_type import FrameType

ERRORS = [
    error
    for _, error in inspect.getmembers(exceptions, inspect.isclass)
    if issubclass(error, exceptions.WebSocketError)
]


@pytest.mark.parametrize(
    ("name", "opcode", "control"),
    [
        ("TEXT", 0x1, False),
        ("BINARY", 0x2, False),
        ("CLOSE", 0x8, True),
        ("PING", 0x9, True),
        ("PONG", 0xA, True),
    ],
)
def test_each_frame_type_is_its_opcode(name, opcode, control):
    frame_type = FrameType[name]
    assert FrameType(opcode) is frame_type
    assert frame_type == frame_type.opcode == opcode
    assert frame_type.control_frame is control


def test_there_are_five_frame_types():
    assert len(FrameType) == 5
    with pytest.raises(ValueError, match="0 is not a valid FrameType"):
        FrameType(0)


@pytest.mark.parametrize("code", [0, 999, 1000, 1005, 4999, 65535])
def test_a_close_reason_takes_any_code_of_16_bits(code):
    assert CloseReason(code).code == code
    assert CloseReason(code).message == ""


@pytest.mark.parametrize("code", [-1, 65536, 1 << 70])
def test_a_close_code_out_of_range_is_refused(code):
    with pytest.raises(ValueError, match=f"between 0 and 65535: {code}$"):
        CloseReason(code)


@pytest.mark.parametrize("code", [1000.0, "1000", None, True])
def test_a_close_code_is_an_integer(code):
    with pytest.raises(TypeError, match=f"int, not {type(code).__name__}$"):
        CloseReason(code)


@pytest.mark.parametrize("message", [b"bye", None, 7])
def test_a_close_message_is_a_string(message):
    with pytest.raises(TypeError, match=f"str, not {type(message).__name__}$"):
        CloseReason(1000, message)


@pytest.mark.parametrize("message", ["x" * 122, "x" * 123, "é" * 61, "é" * 61 + "x"])
def test_a_close_message_takes_123_bytes(message):
    assert MAX_MESSAGE_SIZE == 123
    assert CloseReason(1000, message).message == message


@pytest.mark.parametrize(("message", "size"), [("x" * 124, 124), ("é" * 62, 124)])
def test_a_close_message_takes_no_more(message, size):
    with pytest.raises(ValueError, match=f"{size} bytes in UTF-8, the limit is 123$"):
        CloseReason(1000, message)


def test_a_close_message_with_a_lone_surrogate_is_refused():
    with pytest.raises(UnicodeEncodeError):
        CloseReason(1000, "\ud800")


def test_a_close_reason_is_a_value():
    reason = CloseReason(1000, "bye")
    assert reason == CloseReason(CloseReason.Codes.NORMAL, "bye")
    assert hash(reason) == hash(CloseReason(1000, "bye"))
    assert reason != CloseReason(1000)
    assert reason != CloseReason(1001, "bye")
    with pytest.raises(dataclasses.FrozenInstanceError):
        reason.code = 1001


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (1000, "NORMAL"),
        (1001, "GOING_AWAY"),
        (1002, "PROTOCOL_ERROR"),
        (1003, "CANNOT_ACCEPT"),
        (1005, "NO_STATUS"),
        (1006, "CLOSED_ABNORMALLY"),
        (1007, "NOT_CONSISTENT"),
        (1008, "VIOLATED_POLICY"),
        (1009, "TOO_BIG"),
        (1010, "NO_EXTENSION"),
        (1011, "INTERNAL_ERROR"),
        (1012, "SERVICE_RESTART"),
        (1013, "TRY_AGAIN_LATER"),
    ],
)
def test_the_usual_codes_have_ktors_names(code, name):
    member = CloseReason.Codes[name]
    assert member == code
    assert CloseReason.Codes.by_code(code) is member
    assert CloseReason(code).known_reason is member
    assert str(CloseReason(code, "bye")) == f"CloseReason(reason={name}, message=bye)"


@pytest.mark.parametrize("code", [0, 1004, 1015, 3000, 4000])
def test_other_codes_have_no_name(code):
    assert CloseReason.Codes.by_code(code) is None
    assert CloseReason(code).known_reason is None
    assert str(CloseReason(code)) == f"CloseReason(reason={code}, message=)"


def test_the_codes_that_may_be_sent_are_those_of_rfc_6455_section_7_4():
    expected = {1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)}
    assert {code for code in range(65536) if is_sendable(code)} == expected


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("WebSocketError", None),
        ("HandshakeError", None),
        ("InvalidHandshakeError", None),
        ("HandshakeLostError", None),
        ("ConnectError", None),
        ("OpenTimeoutError", None),
        ("ProtocolViolationError", 1002),
        ("InvalidTextError", 1007),
        ("FrameTooBigError", 1009),
        ("ChannelOverflowError", 1008),
        ("ConnectionLostError", None),
        ("PingTimeoutError", 1011),
        ("SessionCancelledError", None),
        ("ClosedReceiveChannelError", None),
        ("ClosedSendChannelError", None),
        ("UnsupportedFrameTypeError", None),
        ("WebSocketConverterNotFoundError", None),
        ("WebSocketDeserializeError", None),
    ],
)
def test_each_error_has_its_close_code(name, code):
    error = getattr(exceptions, name)
    assert error.close_code == code
    assert error.close_reason is None
    assert name in exceptions.__doc__


def test_every_error_is_in_the_tree_of_the_docstring():
    assert len(ERRORS) == 19
    for error in ERRORS:
        assert f"`{error.__name__}`" in exceptions.__doc__


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("ConnectError", ConnectionError),
        ("ConnectionLostError", ConnectionError),
        ("OpenTimeoutError", TimeoutError),
        ("PingTimeoutError", TimeoutError),
        ("PingTimeoutError", exceptions.ConnectionLostError),
        ("InvalidTextError", exceptions.ProtocolViolationError),
        ("InvalidHandshakeError", exceptions.HandshakeError),
        ("HandshakeLostError", exceptions.InvalidHandshakeError),
        ("HandshakeLostError", ConnectionError),
    ],
)
def test_errors_are_caught_as_their_kin(name, base):
    assert issubclass(getattr(exceptions, name), base)


def an_error(error_class):
    extra = {"FrameTooBigError": (70000,), "WebSocketDeserializeError": (object(),)}
    return error_class("what was wrong", *extra.get(error_class.__name__, ()))


def test_errors_carry_what_they_are_about():
    assert exceptions.ProtocolViolationError("rule").violation == "rule"
    assert exceptions.InvalidTextError("rule").violation == "rule"
    assert exceptions.FrameTooBigError("big", 70000).frame_size == 70000
    response, frame = object(), object()
    assert exceptions.HandshakeError("no", response).response is response
    assert exceptions.InvalidHandshakeError("no").response is None
    assert exceptions.WebSocketDeserializeError("no", frame).frame is frame


@pytest.mark.parametrize("error_class", ERRORS)
def test_an_error_says_what_it_was_given(error_class):
    assert str(an_error(error_class)) == "what was wrong"


@pytest.mark.parametrize("error_class", ERRORS)
def test_a_renewed_error_is_the_same_but_for_its_traceback(error_class):
    error = an_error(error_class)
    error.close_reason = CloseReason(1000, "bye")
    cause = OSError("reset")
    try:
        raise error from cause
    except error_class:
        copied = error.renewed()
    assert copied is not error
    assert type(copied) is error_class
    assert copied.args == error.args
    assert str(copied) == str(error)
    assert vars(copied) == vars(error)
    assert copied.close_reason is error.close_reason
    assert copied.__cause__ is cause
    assert copied.__suppress_context__
    assert copied.__traceback__ is None
    assert error.__traceback__ is not None


def test_a_renewed_error_without_a_cause_has_none():
    copied = exceptions.WebSocketError("x").renewed()
    assert copied.__cause__ is None


def test_raising_renewed_errors_grows_no_traceback():
    error = exceptions.ConnectionLostError("lost")
    lengths = set()
    for _ in range(5):
        try:
            raise error.renewed()
        except exceptions.ConnectionLostError as caught:
            lengths.add(len(traceback.extract_tb(caught.__traceback__)))
    assert lengths == {1}
    assert error.__traceback__ is None


def test_a_renewed_error_does_not_share_its_attributes():
    error = exceptions.FrameTooBigError("big", 1)
    copied = error.renewed()
    copied.frame_size = 2
    copied.close_reason = CloseReason(1009)
    assert error.frame_size == 1
    assert error.close_reason is None
    assert copy.copy(CloseReason(1009)) == copied.close_reason
