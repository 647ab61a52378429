"""Extensions and converters at work in a session."""

import pytest

from ktorws.channels import WebSocketChannelsConfig, bounded
from ktorws.close_reason import CloseReason
from ktorws.exceptions import (
    ProtocolViolationError,
    WebSocketConverterNotFoundError,
    WebSocketDeserializeError,
    WebSocketError,
)
from ktorws.frame import Frame
from ktorws.serialization import JsonConverter
from tests.extending import Bracketing, Failing, Reversing
from tests.mocking import connected, drained, ticks

BOTH = [Bracketing.install(), Reversing.install()]


async def test_outgoing_frames_pass_the_extensions_in_order():
    async with connected(extensions=BOTH) as (session, peer, _clock):
        await session.send("abc")
        await session.send(b"abc")
        await session.send(Frame.Text("abc"))
        session.outgoing.try_send("abc")
        await session.flush()
        assert drained(peer) == [
            Frame.Text(")cba("),
            Frame.Binary(b")cba("),
            Frame.Text(")cba("),
            Frame.Text(")cba("),
        ]


async def test_incoming_frames_pass_the_extensions_in_reverse():
    async with connected(extensions=BOTH) as (session, peer, _clock):
        peer.send(")cba(", b")cba(")
        assert await session.incoming.receive() == Frame.Text("abc")
        assert await session.incoming.receive() == Frame.Binary(b"abc")


async def test_control_frames_pass_the_extensions_by():
    async with connected(extensions=BOTH) as (session, peer, _clock):
        peer.send(Frame.Ping(b"abc"))
        await session.send(Frame.Ping(b"abc"))
        await session.flush()
        assert drained(peer) == [Frame.Pong(b"abc"), Frame.Ping(b"abc")]
        peer.close(CloseReason(4000, "bye"))
        assert await session.close_reason == CloseReason(4000, "bye")


async def test_extensions_get_whole_messages():
    async with connected(extensions=BOTH) as (session, peer, _clock):
        peer.send_octets(b"\x01\x01)\x00\x03cba\x80\x01(")
        assert await session.incoming.receive() == Frame.Text("abc")


async def test_the_session_knows_its_extensions():
    async with connected(extensions=BOTH) as (session, _peer, _clock):
        assert [type(e) for e in session.extensions] == [Bracketing, Reversing]
        assert session.extension(Reversing) is session.extensions[1]
        assert session.extension_or_none(Failing) is None
        with pytest.raises(RuntimeError, match="Failing"):
            session.extension(Failing)


async def test_a_frame_that_an_extension_refuses_ends_the_session():
    async with connected(extensions=[Bracketing.install()]) as (session, peer, _clock):
        peer.send("(one)", "naked", "(two)")
        assert await session.incoming.receive() == Frame.Text("one")
        with pytest.raises(ProtocolViolationError, match="Brackets"):
            await session.incoming.receive()
        (close,) = drained(peer)
        assert close.read_reason() == CloseReason(1002, "Brackets are missing")


async def test_behind_a_frame_that_an_extension_refuses_nothing_counts():
    async with connected(extensions=[Bracketing.install()]) as (session, peer, _clock):
        peer.send("(one)", "naked")
        peer.send("(two)")
        peer.close()
        assert await session.incoming.receive() == Frame.Text("one")
        with pytest.raises(ProtocolViolationError):
            await session.incoming.receive()


async def test_an_extension_that_breaks_on_an_incoming_frame_ends_the_session():
    async with connected(extensions=[Failing.install()]) as (session, peer, _clock):
        peer.send("good", "bad")
        assert await session.incoming.receive() == Frame.Text("good")
        with pytest.raises(WebSocketError) as caught:
            await session.incoming.receive()
        assert isinstance(caught.value.__cause__, RuntimeError)
        await ticks()
        (close,) = drained(peer)
        assert close.read_reason().code == 1011
        assert "cannot receive this" not in close.read_reason().message


async def test_an_extension_that_breaks_on_an_outgoing_frame_raises_from_send():
    async with connected(extensions=[Failing.install()]) as (session, peer, _clock):
        with pytest.raises(RuntimeError, match="cannot send"):
            await session.send("bad")
        await session.send("good")
        await session.flush()
        assert drained(peer) == [Frame.Text("good")]


async def test_back_pressure_works_with_extensions():
    channels = WebSocketChannelsConfig(incoming=bounded(2))
    async with connected(extensions=BOTH, channels=channels) as (session, peer, _clock):
        for number in range(10):
            peer.send(f"){number}(")
        assert len(session.incoming) == 2
        assert peer.unread > 0
        texts = [(await session.incoming.receive()).read_text() for _ in range(10)]
        assert texts == list("0123456789")


async def test_an_extension_of_a_raw_session_works_in_both_directions_or_not_at_all():
    extensions = [Reversing.install()]
    async with connected(raw=True, extensions=extensions) as (session, peer, _clock):
        await session.send("abc")
        peer.send("abc")
        sent = (await peer.receive()).read_text()
        received = (await session.incoming.receive()).read_text()
        assert sent == received == ("cba" if session.extensions else "abc")


# Converters.


async def test_values_are_sent_and_received():
    async with connected(content_converter=JsonConverter()) as (session, peer, _clock):
        await session.send_serialized({"n": 1})
        assert await peer.receive() == Frame.Text('{"n":1}')
        peer.send('[1,"two"]')
        assert await session.receive_deserialized(list) == [1, "two"]


async def test_without_a_converter_no_frame_is_consumed():
    async with connected() as (session, peer, _clock):
        peer.send("[1]")
        with pytest.raises(WebSocketConverterNotFoundError):
            await session.receive_deserialized(list)
        with pytest.raises(WebSocketConverterNotFoundError):
            await session.send_serialized([1])
        assert await session.incoming.receive() == Frame.Text("[1]")


@pytest.mark.parametrize("message", ["no json", b"[1]", '{"not": "a list"}'])
async def test_a_frame_that_is_no_such_value_is_in_the_error(message):
    async with connected(content_converter=JsonConverter()) as (session, peer, _clock):
        peer.send(message, "[2]")
        with pytest.raises(WebSocketDeserializeError) as caught:
            await session.receive_deserialized(list)
        assert isinstance(caught.value.frame, Frame)
        assert await session.receive_deserialized(list) == [2]


async def test_a_value_that_cannot_be_sent_leaves_the_session_open():
    async with connected(content_converter=JsonConverter()) as (session, peer, _clock):
        with pytest.raises(TypeError):
            await session.send_serialized(object())
        await session.send_serialized(1)
        assert await peer.receive() == Frame.Text("1")
