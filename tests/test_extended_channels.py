"""Frames wait for their extension while the channel is full, and none is lost."""

import pytest

from ktorws import (
    ChannelOverflow,
    ChannelOverflowError,
    ClosedReceiveChannelError,
    CloseReason,
    ConnectionLostError,
    Frame,
    ProtocolViolationError,
    SessionCancelledError,
    WebSocketChannelsConfig,
    WebSocketError,
    bounded,
    unlimited,
)
from ktorws.extensions import WebSocketExtension, WebSocketExtensionHeader
from tests import octets
from tests.mocking import begun, connected, drained, ticks

HEADER = WebSocketExtensionHeader("x-grows")
LARGE = 100_000


class Grows(WebSocketExtension):
    """Makes 100,000 octets of every frame, and counts them.

    A frame "bad" fails the session, "odd" is an error of the extension's own.
    """

    rsv1 = True

    def __init__(self):
        self.made = 0
        self.ended = 0

    @property
    def protocols(self):
        return [HEADER]

    def client_negotiation(self, negotiated):
        return HEADER in negotiated

    def server_negotiation(self, requested):
        return [HEADER]

    def session_ended(self):
        self.ended += 1

    def process_outgoing_frame(self, frame):
        assert not self.ended
        return frame

    def process_incoming_frame(self, frame):
        assert not self.ended
        if frame.data == b"bad":
            raise ProtocolViolationError("Frame is bad")
        if frame.data == b"odd":
            raise LookupError("odd")
        self.made += 1
        return Frame.Binary(frame.data.ljust(LARGE))


FACTORY = Grows.install()


def numbered(count):
    return [str(number) for number in range(count)]


def growing(config=None, **options):
    if config is not None:
        options["channels"] = WebSocketChannelsConfig(incoming=config)
    return connected(extensions=[FACTORY], **options)


async def read(session, *, limit=None):
    """What the reader gets, as numbers, and the error that ends it."""
    got = []
    try:
        while limit is None or len(got) < limit:
            frame = await session.incoming.receive()
            assert len(frame) == LARGE
            got.append(frame.data.strip().decode())
            await ticks(2)
    except WebSocketError as error:
        return got, error
    return got, None


async def test_no_more_is_processed_than_the_channel_has_room_for():
    async with growing(bounded(max_bytes=500_000)) as (session, peer, _):
        extension = session.extension(Grows)
        peer.send(*numbered(200))
        await ticks()
        assert extension.made == 5
        got, _ = await read(session, limit=150)
        assert got == numbered(150)
        assert 150 <= extension.made <= 156
        got, _ = await read(session, limit=50)
        assert got == numbered(200)[150:]


async def test_many_can_be_received_at_once_as_they_fit():
    async with growing(bounded(max_bytes=500_000)) as (session, peer, _):
        peer.send(*numbered(12))
        sizes = []
        while sum(sizes) < 12:
            sizes.append(len(await session.incoming.receive_many()))
        assert sizes == [5, 5, 2]


async def test_reading_goes_on_when_all_is_processed():
    async with growing(bounded(max_bytes=500_000)) as (session, peer, _):
        for _ in range(3):
            peer.send(*numbered(20))
            await ticks()
        got, _ = await read(session, limit=60)
        assert got == numbered(20) * 3


async def test_a_ping_is_answered_and_so_is_a_close_whatever_waits():
    async with growing(bounded(max_bytes=200_000)) as (session, peer, _):
        peer.send(*numbered(9), Frame.Ping(b"now"), Frame.Close(b"\x03\xe8"))
        await ticks()
        assert [type(frame) for frame in drained(peer)] == [Frame.Pong, Frame.Close]
        assert session.extension(Grows).made == 2
        got, error = await read(session)
        assert got == numbered(9)
        assert isinstance(error, ClosedReceiveChannelError)
        assert error.close_reason == CloseReason(1000, "")


async def test_what_waits_outlives_the_connection():
    async with growing(bounded(max_bytes=200_000)) as (session, peer, _):
        peer.send(*numbered(9))
        await ticks()
        peer.lose(OSError("reset"))
        await session.wait_closed()
        extension = session.extension(Grows)
        assert (extension.made, extension.ended) == (2, 0)
        assert not session.incoming.is_closed_for_receive
        got, error = await read(session)
        assert got == numbered(9)
        assert isinstance(error, ConnectionLostError)
        assert session.incoming.is_closed_for_receive
        assert extension.ended == 1


async def test_a_violation_of_the_protocol_waits_for_what_came_before_it():
    async with growing(bounded(max_bytes=200_000)) as (session, peer, _):
        frames = b"".join(octets.frame(octets.TEXT, n.encode()) for n in numbered(9))
        peer.send_octets(frames + octets.frame(octets.TEXT, b"x", rsv=octets.RSV3))
        await ticks()
        got, error = await read(session)
        assert got == numbered(9)
        assert isinstance(error, ProtocolViolationError)
        assert await session.close_reason == CloseReason(1002, str(error))


@pytest.mark.parametrize(
    ("bad", "cause", "code"), [("bad", type(None), 1002), ("odd", LookupError, 1011)]
)
async def test_so_does_what_an_extension_finds(bad, cause, code):
    async with growing(bounded(max_bytes=200_000)) as (session, peer, _):
        peer.send(*numbered(9), bad, "behind it")
        await ticks()
        assert drained(peer) == []
        got, error = await read(session)
        assert got == numbered(9)
        assert isinstance(error.__cause__, cause)
        await ticks()
        assert [close.read_reason().code for close in drained(peer)] == [code]


async def test_a_close_behind_a_bad_frame_is_not_answered_as_a_good_end():
    async with growing() as (session, peer, _):
        peer.send("bad", Frame.Close(b"\x03\xe8"))
        got, error = await read(session)
        assert (got, str(error)) == ([], "Frame is bad")
        await ticks()
        assert [close.read_reason().code for close in drained(peer)] == [1002]


async def test_a_bad_frame_before_a_close_that_was_answered_is_told_to_the_reader():
    async with growing(bounded(max_bytes=200_000)) as (session, peer, _):
        peer.send(*numbered(9), "bad", "behind it", Frame.Close(b"\x03\xe8"))
        await ticks()
        got, error = await read(session)
        assert got == numbered(9)
        assert isinstance(error, ProtocolViolationError)
        assert error.close_reason == CloseReason(1000, "")


async def test_a_channel_set_to_close_takes_no_more_than_fits():
    config = bounded(max_bytes=500_000, on_overflow=ChannelOverflow.CLOSE)
    async with growing(config) as (session, peer, _):
        peer.send(*numbered(50))
        await ticks()
        assert session.extension(Grows).made == 6
        got, error = await read(session)
        assert got == numbered(6)
        assert isinstance(error, ChannelOverflowError)


async def test_an_unlimited_channel_takes_all():
    async with growing(unlimited()) as (session, peer, _):
        peer.send(*numbered(50))
        await ticks()
        assert session.extension(Grows).made == 50


async def test_nothing_is_processed_for_a_channel_that_was_cancelled():
    async with growing(bounded(max_bytes=200_000)) as (session, peer, _):
        peer.send(*numbered(9))
        await ticks()
        session.incoming.cancel()
        assert session.incoming.is_closed_for_receive
        peer.send(*numbered(9))
        await ticks()
        extension = session.extension(Grows)
        assert (extension.made, extension.ended) == (2, 0)
        await session.send("still here")
        assert (await peer.receive()).read_text() == "still here"
        peer.close()
        await session.close()
        assert extension.ended == 1


async def test_cancelling_the_session_drops_what_waits():
    async with growing(bounded(max_bytes=200_000)) as (session, peer, _):
        peer.send(*numbered(9))
        await ticks()
        session.cancel()
        with pytest.raises(SessionCancelledError):
            await session.incoming.receive()
        assert session.extension(Grows).made == 2
        assert session.extension(Grows).ended == 1


async def test_closing_does_not_wait_for_a_reader():
    async with growing(bounded(max_bytes=200_000)) as (session, peer, _):
        peer.send(*numbered(9))
        await ticks()
        closing = await begun(session.close())
        peer.close()
        await closing
        got, _ = await read(session)
        assert got == numbered(2)
        extension = session.extension(Grows)
        assert (extension.made, extension.ended) == (3, 1)  # the third was dropped
