"""The connection over a transport that records: cork, back-pressure, flush, ends."""

import asyncio

import pytest

from ktorws.channels import WebSocketChannelsConfig, bounded
from ktorws.engines._connection import CORK_LIMIT
from ktorws.exceptions import (
    ConnectionLostError,
)
from tests.octets import PING, PONG, TEXT, frame
from tests.recording import RecordingTransport, arrive, opened, tick

# The cork.


async def test_the_first_two_frames_of_an_iteration_are_written_at_once():
    session, _, transport = opened()
    await session.send("a")
    assert transport.written == [b"\x81\x01a"]
    await session.send("b")
    assert transport.written == [b"\x81\x01a", b"\x81\x01b"]


async def test_after_every_read_the_answer_is_written_at_once():
    session, connection, transport = opened()
    for number in range(1, 5):
        arrive(connection, frame(TEXT, b"?"))
        await session.send("a")
        assert len(transport.written) == number


async def test_the_others_are_written_together_when_the_iteration_ends():
    session, _, transport = opened()
    for text in "abcd":
        await session.send(text)
    assert transport.written == [b"\x81\x01a", b"\x81\x01b"]
    await tick()
    assert transport.written[2:] == [b"\x81\x01c\x81\x01d"]


async def test_the_next_iteration_begins_with_a_frame_at_once_again():
    session, _, transport = opened()
    await session.send("a")
    await tick()
    await session.send("b")
    assert transport.written == [b"\x81\x01a", b"\x81\x01b"]


async def test_an_iteration_with_one_frame_writes_nothing_at_its_end():
    session, _, transport = opened()
    await session.send("a")
    await tick()
    await tick()
    assert transport.written == [b"\x81\x01a"]


async def test_a_message_that_cannot_be_sent_leaves_the_cork_as_it_was():
    session, _, transport = opened()
    with pytest.raises(ValueError, match="utf-8"):
        await session.send("\ud800")
    await session.send("a")
    assert transport.written == [b"\x81\x01a"]


async def test_the_cork_limit_writes_and_makes_the_next_sender_give_way():
    session, _, transport = opened()
    others = []
    asyncio.get_running_loop().call_soon(others.append, "ran")
    await session.send("first")
    await session.send("second")
    await session.send(bytes(CORK_LIMIT))
    assert len(transport.written) == 3
    assert others == []
    await session.send("fourth")
    assert others == ["ran"]
    await tick()
    assert transport.written[3:] == [b"\x81\x06fourth"]


async def test_control_frames_keep_their_place_among_the_others():
    session, connection, transport = opened()
    await session.send("a")
    await session.send("b")
    arrive(connection, frame(PING, b"?"))
    await session.send("c")
    session.outgoing.close()
    await tick()
    assert b"".join(transport.written) == (
        b"\x81\x01a\x81\x01b\x8a\x01?\x81\x01c\x88\x02\x03\xe8"
    )


async def test_the_cork_leaves_before_the_transport_is_half_closed():
    session, _, transport = opened()
    await session.send("a")
    await session.send("b")
    await session.send("c")
    session.cancel()
    assert transport.calls == [
        ("write", b"\x81\x01a"),
        ("write", b"\x81\x01b"),
        ("write", b"\x81\x01c\x88\x02\x03\xe8"),
        ("write_eof", b""),
    ]
    session._connection.connection_lost(None)


# Back-pressure of writing.


async def test_a_full_transport_is_given_nothing_more():
    session, _, transport = opened(transport=RecordingTransport(room=0))
    await session.send(bytes(CORK_LIMIT))  # above the high-water mark
    await session.send("a")
    await session.send("b")
    await tick()
    assert len(transport.written) == 1


async def test_the_backlog_goes_out_in_one_write_when_there_is_room():
    session, _, transport = opened(transport=RecordingTransport(room=0))
    await session.send(bytes(CORK_LIMIT))
    await session.send("a")
    await session.send("b")
    transport.drain(1 << 20)
    assert transport.written[1:] == [b"\x81\x01a\x81\x01b"]
    await session.send("c")
    assert transport.written[2:] == [b"\x81\x01c"]


async def test_a_sender_waits_while_the_backlog_is_full_and_then_goes_on():
    channels = WebSocketChannelsConfig(outgoing=bounded(2))
    session, _, transport = opened(
        transport=RecordingTransport(room=0), channels=channels
    )
    await session.send(bytes(CORK_LIMIT))
    await session.send("a")
    await session.send("b")
    sender = asyncio.create_task(session.send("c"))
    for _ in range(5):
        await tick()
    assert not sender.done()
    transport.drain(1 << 20)
    await sender
    await tick()
    assert b"".join(transport.written[1:]) == b"\x81\x01a\x81\x01b\x81\x01c"


async def test_only_the_newest_ping_is_answered_once_the_peer_reads_again():
    session, connection, transport = opened(transport=RecordingTransport(room=0))
    await session.send(bytes(CORK_LIMIT))
    for number in range(1000):
        arrive(connection, frame(PING, b"%d" % number))
    assert connection.backlog_bytes == 0
    transport.drain(1 << 20)
    assert transport.written[1:] == [frame(PONG, b"999")]


# Flush.


async def test_flush_returns_at_once_when_the_transport_took_everything():
    session, _, transport = opened()
    await session.send("a")
    await session.send("b")
    await session.flush()
    assert transport.written == [b"\x81\x01a", b"\x81\x01b"]


async def test_flush_waits_until_the_transport_holds_nothing():
    session, _, transport = opened(transport=RecordingTransport(room=0))
    await session.send(bytes(100))
    flush = asyncio.create_task(session.flush())
    await tick()
    transport.drain(101)
    await tick()
    assert not flush.done()
    transport.drain(1)
    await flush
    assert transport.high == 64 * 1024  # as it was


async def test_flush_ends_when_the_backlog_leaves_without_being_held_again():
    session, _, transport = opened(transport=RecordingTransport(room=0))
    await session.send(bytes(CORK_LIMIT))
    await session.send("behind it")
    flush = asyncio.create_task(session.flush())
    await tick()
    transport.drain(1 << 20)
    await asyncio.wait_for(flush, 1)
    assert transport.held == 0


async def test_flush_waits_for_a_backlog_that_is_held_again():
    session, _, transport = opened(transport=RecordingTransport(room=0))
    await session.send(bytes(CORK_LIMIT))
    await session.send("behind it")
    flush = asyncio.create_task(session.flush())
    await tick()
    transport.drain(transport.held)
    await tick()
    assert transport.held == len(b"\x81\x09behind it")
    assert not flush.done()
    transport.drain(1 << 20)
    await asyncio.wait_for(flush, 1)


async def test_all_who_flush_are_woken_and_a_cancelled_one_disturbs_nobody():
    session, _, transport = opened(transport=RecordingTransport(room=0))
    await session.send("a")
    first, second = (asyncio.create_task(session.flush()) for _ in range(2))
    await tick()
    first.cancel()
    await tick()
    transport.drain(100)
    await asyncio.wait_for(second, 1)
    assert first.cancelled()


async def test_a_lost_connection_ends_flush_with_the_failure():
    session, connection, _ = opened(transport=RecordingTransport(room=0))
    await session.send("a")
    flush = asyncio.create_task(session.flush())
    await tick()
    connection.connection_lost(ConnectionResetError())
    with pytest.raises(ConnectionLostError):
        await flush


# Back-pressure of reading.


async def test_reading_pauses_when_incoming_is_full_and_resumes_at_half():
    channels = WebSocketChannelsConfig(incoming=bounded(4))
    session, connection, transport = opened(channels=channels)
    arrive(connection, frame(TEXT, b"x") * 4)
    assert transport.names == ["pause_reading"]
    await session.incoming.receive()
    assert transport.names == ["pause_reading"]
    await session.incoming.receive()
    assert transport.names == ["pause_reading", "resume_reading"]


async def test_frames_behind_the_handshake_can_pause_reading_too():
    channels = WebSocketChannelsConfig(incoming=bounded(2))
    session, _, transport = opened(left_over=frame(TEXT, b"x") * 3, channels=channels)
    assert transport.names == ["pause_reading"]
    assert len(session.incoming) == 3


async def test_deafness_counts_the_time_in_which_reading_was_paused():
    channels = WebSocketChannelsConfig(incoming=bounded(1))
    session, connection, _ = opened(channels=channels)
    assert connection.deafness == 0
    arrive(connection, frame(TEXT, b"x"))
    await asyncio.sleep(0.002)
    first = connection.deafness
    assert first > 0
    await session.incoming.receive()
    counted = connection.deafness
    assert counted >= first
    await asyncio.sleep(0.002)
    assert connection.deafness == counted
