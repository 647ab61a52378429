"""permessage-deflate: negotiation, and messages as RFC 7692 has them."""

import zlib

import pytest

from ktorws.deflate import WebSocketDeflateExtension
from ktorws.deflate_parameters import DeflateParameters
from ktorws.exceptions import (
    FrameTooBigError,
    InvalidTextError,
    ProtocolViolationError,
)
from ktorws.extensions import (
    negotiate_as_client,
    negotiate_as_server,
)
from ktorws.frame import Frame

MIB = 1024 * 1024


def pair(client=None, server=None):
    """A client's and a server's extension that have negotiated with each other."""
    ours = WebSocketDeflateExtension(**(client or {}))
    theirs = WebSocketDeflateExtension(**(server or {}))
    offer = ", ".join(map(str, ours.protocols))
    used, answer = negotiate_as_server([theirs], [offer])
    assert used == [theirs], f"declined: {offer}"
    assert negotiate_as_client([ours], answer) == [ours]
    return ours, theirs


def sent(extension, *frames):
    return [extension.process_outgoing_frame(frame) for frame in frames]


def received(extension, frames):
    """What arrives for one message in these frames, reassembled as a session does."""
    data = b"".join(frame.data for frame in frames)
    first = frames[0]
    whole = Frame.by_type(first.frame_type, data, rsv1=first.rsv1)
    return extension.process_incoming_frame(whole)


def client_with(**options):
    extension = WebSocketDeflateExtension(**options)
    return extension, lambda answer: negotiate_as_client([extension], answer)


# Negotiation.


@pytest.mark.parametrize(
    ("options", "offer"),
    [
        ({}, "permessage-deflate; client_max_window_bits"),
        (
            {"client_no_context_takeover": True, "server_no_context_takeover": True},
            "permessage-deflate; server_no_context_takeover; "
            "client_no_context_takeover; client_max_window_bits",
        ),
        (
            {"client_max_window_bits": 10, "server_max_window_bits": 9},
            "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10",
        ),
    ],
)
def test_the_client_offers_what_its_options_say(options, offer):
    (header,) = WebSocketDeflateExtension(**options).protocols
    assert str(header) == offer


@pytest.mark.parametrize(
    ("options", "answer", "agreed"),
    [
        ({}, "permessage-deflate", DeflateParameters()),
        (
            {},
            "permessage-deflate; client_max_window_bits=9; server_max_window_bits=8",
            DeflateParameters(server_max_window_bits=8, client_max_window_bits=9),
        ),
        (
            {},
            'permessage-deflate; server_max_window_bits="12"',
            DeflateParameters(server_max_window_bits=12),
        ),
        (
            {},
            "permessage-deflate; client_no_context_takeover; "
            "server_no_context_takeover",
            DeflateParameters(True, True),
        ),
        (
            {"client_max_window_bits": 10},
            "permessage-deflate",
            DeflateParameters(client_max_window_bits=10),
        ),
        (
            {"client_no_context_takeover": True},
            "permessage-deflate",
            DeflateParameters(client_no_context_takeover=True),
        ),
    ],
)
def test_a_legal_answer_is_taken(options, answer, agreed):
    extension, negotiate = client_with(**options)
    assert negotiate(answer) == [extension]
    assert extension.parameters == agreed


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({}, "permessage-deflate; unknown"),
        ({}, "permessage-deflate; server_no_context_takeover=1"),
        (
            {},
            "permessage-deflate" + 2 * "; server_no_context_takeover",
        ),
        ({}, "permessage-deflate; client_max_window_bits"),
        ({}, "permessage-deflate; server_max_window_bits"),
        ({}, "permessage-deflate; server_max_window_bits=7"),
        ({}, "permessage-deflate; server_max_window_bits=16"),
        ({}, "permessage-deflate; server_max_window_bits=09"),
        ({}, "permessage-deflate; server_max_window_bits=+9"),
        ({}, "permessage-deflate; client_max_window_bits=x"),
        ({}, "permessage-deflate, permessage-deflate"),
        ({}, "x-webkit-deflate-frame"),
        ({"server_max_window_bits": 10}, "permessage-deflate"),
        (
            {"server_max_window_bits": 10},
            "permessage-deflate; server_max_window_bits=11",
        ),
        (
            {"client_max_window_bits": 10},
            "permessage-deflate; client_max_window_bits=11",
        ),
        ({"server_no_context_takeover": True}, "permessage-deflate"),
    ],
)
def test_an_illegal_answer_is_refused(options, answer):
    _, negotiate = client_with(**options)
    with pytest.raises(ValueError, match=r"[Ss]erver|parameter"):
        negotiate(answer)


def test_a_server_that_says_nothing_declines():
    _, negotiate = client_with()
    assert negotiate(None) == []


@pytest.mark.parametrize(
    ("options", "offer", "answer"),
    [
        ({}, "permessage-deflate", "permessage-deflate"),
        ({}, "permessage-deflate; client_max_window_bits", "permessage-deflate"),
        (
            {"client_max_window_bits": 10},
            "permessage-deflate; client_max_window_bits",
            "permessage-deflate; client_max_window_bits=10",
        ),
        (
            {},
            "permessage-deflate; client_max_window_bits=9",
            "permessage-deflate; client_max_window_bits=9",
        ),
        (
            {},
            "permessage-deflate; server_max_window_bits=15",
            "permessage-deflate; server_max_window_bits=15",
        ),
        (
            {"server_max_window_bits": 12},
            "permessage-deflate; server_max_window_bits=10",
            "permessage-deflate; server_max_window_bits=10",
        ),
        (
            {"server_no_context_takeover": True},
            "permessage-deflate; client_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; "
            "client_no_context_takeover",
        ),
        (
            {},
            "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=9",
            "permessage-deflate; server_max_window_bits=9",
        ),
        ({}, "permessage-deflate; server_max_window_bits", ""),
        ({}, "permessage-deflate; client_max_window_bits=7", ""),
        ({"client_max_window_bits": 10}, "permessage-deflate", ""),
        ({}, "other", ""),
    ],
)
def test_the_server_answers_the_first_offer_that_it_can_meet(options, offer, answer):
    extension = WebSocketDeflateExtension(**options)
    assert negotiate_as_server([extension], [offer])[1] == answer


@pytest.mark.parametrize(
    "options",
    [
        {"client_max_window_bits": 7},
        {"server_max_window_bits": 16},
        {"compression_level": 10},
        {"memory_level": 0},
        {"max_inflated_size": 0},
        {"backend": "lzma"},
    ],
)
def test_an_option_out_of_range_is_refused_at_install(options):
    with pytest.raises(ValueError, match=r"must be"):
        WebSocketDeflateExtension.install(**options)


# Messages.


def test_the_examples_of_rfc_7692_section_7_2_3_are_understood():
    extension, _ = pair()
    hello = bytes.fromhex("f248cdc9c90700")
    again = bytes.fromhex("f200110000")
    stored = bytes.fromhex("000500faff48656c6c6f00")
    final = bytes.fromhex("f348cdc9c9070000")
    two_blocks = bytes.fromhex("f248050000 00ffffcac9c90700".replace(" ", ""))
    for data in (hello, again, stored, final, two_blocks):
        frame = Frame.Text(data, rsv1=True)
        assert extension.process_incoming_frame(frame).read_text() == "Hello"


def test_the_client_writes_the_example_of_rfc_7692():
    extension, _ = pair()
    frames = sent(extension, Frame.Text("Hello"), Frame.Text("Hello"))
    assert [frame.data.hex() for frame in frames] == ["f248cdc9c90700", "f200110000"]
    assert all(frame.rsv1 and frame.fin for frame in frames)


def test_without_context_takeover_each_message_stands_alone():
    extension, peer = pair({"client_no_context_takeover": True})
    frames = sent(extension, Frame.Text("Hello"), Frame.Text("Hello"))
    assert frames[0] == frames[1]
    assert [received(peer, [frame]).read_text() for frame in frames] == ["Hello"] * 2


@pytest.mark.parametrize("bits", range(8, 16))
@pytest.mark.parametrize("role", ["client", "server"])
def test_every_window_is_kept_and_understood(bits, role):
    ours, theirs = pair({f"{role}_max_window_bits": bits})
    sender, receiver = (ours, theirs) if role == "client" else (theirs, ours)
    strict = zlib.decompressobj(-bits)  # refuses matches that reach further back
    for number in range(40):
        text = f"{number} " * 200 + "the quick brown fox " * (number % 7) * 40
        (frame,) = sent(sender, Frame.Text(text))
        assert strict.decompress(frame.data + b"\x00\x00\xff\xff").decode() == text
        assert received(receiver, [frame]).read_text() == text


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 131072, 3 * MIB])
def test_messages_of_all_sizes_come_back(size):
    ours, theirs = pair()
    for data in (bytes(size), bytes(i * 7919 >> 3 & 0xFF for i in range(size))):
        (frame,) = sent(ours, Frame.Binary(data))
        assert received(theirs, [frame]) == Frame.Binary(data)


def test_an_empty_message_is_one_octet():
    ours, theirs = pair()
    for _ in range(3):
        (frame,) = sent(ours, Frame.Binary(b""))
        assert frame.data in (b"\x00", b"\x02\x00")
        assert received(theirs, [frame]) == Frame.Binary(b"")


def test_only_the_first_fragment_is_marked_and_all_are_compressed():
    ours, theirs = pair()
    parts = [Frame.Text(b"x" * 1000, fin=False), Frame.Text(b"", fin=False)]
    frames = sent(ours, *parts, Frame.Text(b"y" * 1000))
    assert [frame.rsv1 for frame in frames] == [True, False, False]
    assert sum(map(len, frames)) < 100
    assert received(theirs, frames).read_text() == "x" * 1000 + "y" * 1000


def test_an_uncompressed_message_passes_as_it_is():
    ours, _ = pair()
    frame = Frame.Text("plain")
    assert ours.process_incoming_frame(frame) is frame


def test_small_messages_can_be_left_alone():
    ours, _ = pair({"compress_if_bigger_than": 10})
    small, big = sent(ours, Frame.Text("x" * 10), Frame.Text("x" * 11))
    assert (small.rsv1, big.rsv1) == (False, True)


def test_a_condition_decides_and_the_first_fragment_decides_for_all():
    ours, _ = pair({"compress_if": lambda frame: frame.data.startswith(b"z")})
    frames = sent(
        ours,
        Frame.Binary(b"a", fin=False),
        Frame.Binary(b"z"),
        Frame.Binary(b"z", fin=False),
        Frame.Binary(b"a"),
    )
    assert [frame.rsv1 for frame in frames] == [False, False, True, False]
    assert frames[1].data == b"z"


def test_one_message_can_be_decided_by_hand_once():
    ours, _ = pair({"compress_if_bigger_than": 100})
    small, big = Frame.Text("x"), Frame.Text("x" * 1000)
    forced = sent(ours, ours.override(small, compress=True))
    spared = sent(ours, ours.override(big, compress=False))
    assert forced[0].rsv1
    assert spared == [big]
    assert [f.rsv1 for f in sent(ours, small, big)] == [False, True]


# Limits and bad data.


@pytest.mark.parametrize("size", [MIB - 1, MIB])
def test_a_message_up_to_the_limit_is_inflated(size):
    ours, theirs = pair(server={"max_inflated_size": MIB})
    assert len(received(theirs, sent(ours, Frame.Binary(bytes(size))))) == size


def test_a_message_over_the_limit_by_one_is_not():
    ours, theirs = pair(server={"max_inflated_size": MIB})
    frames = sent(ours, Frame.Binary(bytes(MIB + 1)))
    with pytest.raises(FrameTooBigError, match=f"the limit is {MIB}"):
        received(theirs, frames)


def test_a_bomb_is_left_one_chunk_behind_the_limit():
    ours, theirs = pair(server={"max_inflated_size": MIB})
    frames = sent(ours, Frame.Binary(bytes(200 * MIB)))
    with pytest.raises(FrameTooBigError) as caught:
        received(theirs, frames)
    assert MIB < caught.value.frame_size <= MIB + 64 * 1024


@pytest.mark.parametrize(
    "data", [b"\xff\xff\xff", b"\x06", b"\x01\x05\x00", b"\x02\x07\xff\xff\xff\xff"]
)
def test_corrupt_data_is_a_violation(data):
    extension, _ = pair()
    with pytest.raises(ProtocolViolationError, match=r"Compressed message is corrupt"):
        extension.process_incoming_frame(Frame.Binary(data, rsv1=True))


def test_inflated_text_must_be_utf_8():
    ours, theirs = pair()
    frames = sent(ours, Frame.Text(b"\xff"))
    with pytest.raises(InvalidTextError):
        received(theirs, frames)


def test_a_level_that_a_backend_does_not_have_is_refused_at_install():
    pytest.importorskip("isal")
    with pytest.raises(ValueError, match="level"):
        WebSocketDeflateExtension.install(backend="isal", compression_level=9)


@pytest.mark.parametrize("backend", ["zlib-ng", "isal"])
def test_another_backend_speaks_the_same(backend):
    pytest.importorskip({"zlib-ng": "zlib_ng", "isal": "isal"}[backend])
    ours, theirs = pair({"backend": backend}, {"backend": backend})
    plain, _ = pair()
    for _ in range(3):
        (frame,) = sent(ours, Frame.Text("Hello " * 1000))
        assert received(theirs, [frame]).read_text() == "Hello " * 1000
        assert plain.process_incoming_frame(frame).read_text() == "Hello " * 1000
