"""What fuzzing and reading the codec with suspicion brought to light."""

import sys

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from ktorws.exceptions import InvalidHandshakeError, InvalidTextError
from ktorws.frame import CODEC, Frame, FrameEncoder, MaskKeys
from ktorws.handshake import ClientHandshake, HttpResponse, server_accept
from ktorws.request import HttpRequestBuilder
from tests.feeding import assert_violation, decoder
from tests.octets import BINARY, CONTINUATION, PING, TEXT, close, frame, header

LARGE = 40_000  # received straight into its own memory


def received_in_place(codec, payload=bytes(LARGE)):
    decode = decoder(codec)
    assert decode.decode(header(BINARY, len(payload))) == []
    window = decode.get_buffer(-1)
    assert len(window) >= len(payload)
    window[: len(payload)] = payload
    assert decode.buffer_updated(len(payload)) == [codec.Frame.Binary(payload)]
    return decode


def test_an_empty_read_behind_a_large_frame_brings_no_frame(codec):
    decode = received_in_place(codec)
    assert decode.buffer_updated(0) == []
    assert not decode.special
    assert decode.size == 0


def test_an_empty_read_within_a_large_frame_brings_no_frame(codec):
    decode = decoder(codec)
    decode.decode(header(BINARY, LARGE) + bytes(100))
    decode.get_buffer(-1)
    assert decode.buffer_updated(0) == []
    assert decode.decode(bytes(LARGE - 100)) == [codec.Frame.Binary(bytes(LARGE))]


@pytest.mark.parametrize("reassemble", [True, False])
@pytest.mark.parametrize(
    "behind",
    [
        frame(PING, b"?"),  # would be answered
        close(1000),  # would look like a clean end
        b"\xac",  # would be the violation that counts
    ],
)
def test_text_cut_short_by_an_empty_last_fragment_ends_everything(
    codec, reassemble, behind
):
    decode = decoder(codec, reassemble=reassemble)
    octets = frame(TEXT, b"\xe2\x82", fin=False) + frame(CONTINUATION)
    frames = decode.decode(octets + behind)
    assert [f.frame_type.name for f in frames] == ["TEXT"] * (not reassemble)
    assert_violation(decode, InvalidTextError, "Text message is not valid UTF-8")


@pytest.mark.parametrize(
    ("frame", "again"),
    [
        (Frame.Text("one"), "another"),
        (Frame.Binary(b"one"), b"another"),
        (Frame.Close(b"\x03\xe8one"), b""),
        (Frame.Ping(b"one"), b"another"),
        (Frame.Pong(b"one"), b"another"),
    ],
)
def test_a_frame_stays_what_it_is(frame, again):
    before = frame.read_bytes()
    try:
        frame.__init__(again)
    except TypeError as error:
        assert str(error) == "Frames are immutable"  # noqa: PT017  the plain codec does nothing
    assert frame.read_bytes() == before
    assert len(frame) == len(before)


def test_a_frame_that_was_never_initialized_is_not_sent():
    class Mine(Frame):
        def __init__(self):
            pass

    with pytest.raises(TypeError):
        FrameEncoder(masking=False).encode(Mine())


def test_a_source_of_keys_may_send_a_message_itself(codec):
    encoder = None

    def source(size):
        if calls.pop():
            inner.append(encoder.encode(b"inner"))
        return bytes(size)

    calls, inner = [False, True], []
    encoder = codec.FrameEncoder(masking=True, keys=codec.MaskKeys(source))
    outer = encoder.encode(b"outer")
    assert (outer[-5:], inner[0][-5:]) == (b"outer", b"inner")


@pytest.mark.skipif(CODEC != "cython", reason="the plain codec has no such state")
def test_keys_have_a_source_from_the_start():
    keys = MaskKeys.__new__(MaskKeys)
    keys.__init__()
    one, another = (FrameEncoder(masking=True, keys=keys).encode(b"x") for _ in "12")
    assert one[2:6] != another[2:6]


def without_memory(capi, call, number):
    """Call it, the allocation with this number failing; whether it failed."""
    if sys.gettrace() is not None:
        pytest.skip("who traces needs memory too")
    capi.set_nomemory(number, number + 1)
    try:
        call()
    except MemoryError:
        return True
    finally:
        capi.remove_mem_hooks()
    return False


@pytest.mark.skipif(CODEC != "cython", reason="the plain codec has no such state")
@pytest.mark.parametrize("number", range(12))
def test_a_decoder_without_memory_gives_no_torn_frame(number):
    from ktorws import _frame

    capi = pytest.importorskip("_testcapi")
    size = 3 * 1024 * 1024  # memory is taken in steps
    payload = bytes(size // 2) + b"x" * (size // 2)
    decode = decoder(_frame, reassemble=True)
    frames = []
    pieces = [
        header(TEXT, size, fin=False) + payload[:-5],
        payload[-5:],
        header(CONTINUATION, 5) + b"abcde",
    ]
    lost = False
    for piece in pieces:
        if lost:
            with pytest.raises(RuntimeError, match="lost its place"):
                decode.decode(piece)
            continue
        lost = without_memory(
            capi, lambda p=piece: frames.extend(decode.decode(p)), number
        )
        if lost and not _is_torn(decode):
            return  # it failed before any octet was taken
    if not lost:
        assert frames == [_frame.Frame.Text(payload + b"abcde")]


def _is_torn(decode):
    try:
        decode.decode(b"\x00")
    except RuntimeError:
        return True
    return False


@pytest.mark.skipif(CODEC != "cython", reason="the plain codec has no such state")
@pytest.mark.parametrize("number", range(6))
def test_buffers_without_memory_lose_all_or_nothing(number):
    from ktorws import _frame

    capi = pytest.importorskip("_testcapi")
    encoder = _frame.FrameEncoder(masking=False)
    buffer = _frame.PayloadBuffer()
    piece = b"x" * 50_000

    def fill():
        for _ in range(3):
            encoder.append(piece)
            buffer.append(piece)
        encoder.take()
        buffer.take()

    without_memory(capi, fill, number)
    encoder.take()
    buffer.take()
    encoder.append(b"yz")
    assert encoder.take() == b"\x82\x02yz"
    assert buffer.append(b"yz") == 2
    assert buffer.take() == b"yz"


@pytest.mark.parametrize("white", ["\xa0", "\x85", "\x1f"])
def test_an_accept_key_in_white_space_that_is_not_http_s_is_refused(white):
    handshake = ClientHandshake(HttpRequestBuilder.of("ws://a/").build())
    headers = CIMultiDict(
        {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": white + server_accept(handshake.key),
        }
    )
    response = HttpResponse(101, "", "1.1", CIMultiDictProxy(headers))
    with pytest.raises(InvalidHandshakeError, match="accept header"):
        handshake.verify(response)
