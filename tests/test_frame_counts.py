"""What both codecs count: frames, messages, control frames, octets."""

import pytest

from tests.feeding import decoder, receive
from tests.octets import BINARY, CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, frame

NOTHING = (0, 0, 0, 0, 0, 0, 0)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("reassemble", [False, True], ids=["raw", "whole"])
def test_each_fragment_is_a_frame_and_all_of_them_one_message(codec, reassemble, size):
    octets = (
        frame(TEXT, b"one")
        + frame(BINARY, b"tw", fin=False)
        + frame(PING, b"here?")
        + frame(CONTINUATION, b"", fin=False)
        + frame(CONTINUATION, b"o")
        + frame(PONG, b"yes")
        + frame(CLOSE)
    )
    receiving = decoder(codec, reassemble=reassemble)
    assert receiving.counts() == NOTHING
    receive(receiving, octets, size)
    assert receiving.counts() == (7, 2, 1, 1, 1, 14, len(octets))


def test_large_messages_that_are_received_in_place_count(codec):
    payload = bytes(200_000)
    octets = frame(BINARY, payload, key=KEY) * 2 + frame(TEXT, b"x" * 300, key=KEY)
    receiving = decoder(codec, masked=True)
    receive(receiving, octets, 50_000)
    assert receiving.counts() == (3, 3, 0, 0, 0, 400_300, len(octets))


def test_what_is_not_complete_counts_as_octets_only(codec):
    receiving = decoder(codec)
    receiving.decode(frame(TEXT, b"whole") + frame(TEXT, b"half")[:4])
    assert receiving.counts() == (1, 1, 0, 0, 0, 5, 11)


@pytest.mark.parametrize(
    "bad",
    [frame(TEXT, b"\xff"), frame(TEXT, b"\xff", fin=False), frame(CLOSE, b"\x00")],
    ids=["text", "fragment", "close"],
)
def test_a_frame_that_breaks_a_rule_does_not_count_nor_does_what_follows(codec, bad):
    receiving = decoder(codec)
    receiving.decode(frame(TEXT, b"good") + bad + frame(TEXT, b"more"))
    receiving.decode(frame(TEXT, b"much more"))
    assert receiving.error is not None
    assert receiving.counts()[:6] == (1, 1, 0, 0, 0, 4)


def test_clearing_keeps_what_was_counted(codec):
    receiving = decoder(codec)
    receiving.decode(frame(PING, b"1") + frame(TEXT, b"half")[:4])
    receiving.clear()
    assert receiving.counts() == (1, 0, 1, 0, 0, 1, 7)


@pytest.mark.parametrize("masking", [False, True])
def test_an_encoder_counts_what_it_encodes_at_once_or_later(codec, masking):
    encoder = codec.FrameEncoder(masking=masking)
    assert encoder.counts() == NOTHING
    octets = len(encoder.encode("one")) + len(encoder.encode(codec.Frame.Ping(b"?")))
    encoder.append(b"two")
    encoder.append(codec.Frame.Text("th", fin=False))
    encoder.append(codec.Frame.Pong(b"!"))
    encoder.append(codec.Frame.Text("ree"))
    encoder.append(codec.Frame.Close())
    octets += encoder.pending
    assert encoder.counts() == (7, 3, 1, 1, 1, 13, octets)
    encoder.take()
    assert encoder.counts() == (7, 3, 1, 1, 1, 13, octets)


def test_what_cannot_be_encoded_does_not_count(codec):
    encoder = codec.FrameEncoder(masking=True)
    encoder.encode(codec.Frame.Text("begun", fin=False))
    before = encoder.counts()
    for wrong in (b"another", codec.Frame.Binary(b"other"), 5):
        with pytest.raises((TypeError, ValueError)):
            encoder.append(wrong)
    assert encoder.counts() == before
