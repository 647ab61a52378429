"""How a connection ends: what still goes out, what is dropped, what is let go."""

import asyncio
import errno
import gc
import socket
import struct
import time
import tracemalloc

import pytest

from ktorws.channels import ChannelOverflow, WebSocketChannelsConfig, bounded
from ktorws.close_reason import CloseReason
from ktorws.engines._connection import CORK_LIMIT, SILENCE
from ktorws.engines._watched import watched
from ktorws.exceptions import (
    ClosedReceiveChannelError,
    ConnectionLostError,
    ProtocolViolationError,
)
from tests.network_fixtures import settled
from tests.octets import KEY, TEXT, close, frame
from tests.recording import RecordingTransport, arrive, opened
from tests.serving import request, with_handler


async def test_an_end_waits_for_the_backlog():
    session, connection, transport = opened(transport=RecordingTransport(room=0))
    await session.send(bytes(CORK_LIMIT))
    await session.send("last")
    connection.end(linger=False)
    assert "write_eof" not in transport.names
    transport.drain(1 << 20)
    assert transport.calls[-2:] == [("write", b"\x81\x04last"), ("write_eof", b"")]


async def test_a_peer_that_has_reset_it_already_cannot_be_told_of_the_end():
    """The loop will say so in its next iteration; asyncio and aiofastnet raise now."""
    session, connection, transport = opened()

    def write_eof():
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    transport.write_eof = write_eof
    session.cancel()
    assert transport.names == ["write", "abort"]
    connection.connection_lost(None)
    assert session.has_ended


@pytest.mark.parametrize("size", [CORK_LIMIT, 3 * CORK_LIMIT])
async def test_who_closes_when_a_full_connection_is_lost_does_not_hold_up_its_end(size):
    session, connection, _ = opened(transport=RecordingTransport(room=0))
    await session.send(bytes(CORK_LIMIT))  # is held
    await session.send(bytes(size))
    session.close_reason.invoke_on_completion(session.outgoing.close)
    session.close_reason.invoke_on_completion(session.cancel)
    connection.connection_lost(ConnectionResetError())
    assert session.has_ended
    await session.wait_closed()


async def test_taps_see_nothing_of_a_session_that_ended_behind_the_handshake():
    seen = []

    class Tap:
        def sent(self, message):
            pass

        def received(self, frames):
            seen.extend(frames)

    session, connection, transport = opened_over_tls(
        make=watched({"frame_taps": (Tap(),)}),
        left_over=frame(TEXT, b"1") + frame(TEXT, b"2"),
        channels=WebSocketChannelsConfig(
            incoming=bounded(1, on_overflow=ChannelOverflow.CLOSE)
        ),
    )
    assert not session.is_active
    assert len(seen) == 2
    arrive(connection, frame(TEXT, b"3") + close(1000))
    assert len(seen) == 2
    assert transport.names == ["write", "close"]


def opened_over_tls(**config):
    return opened(transport=RecordingTransport(half_closes=False), **config)


async def test_without_half_close_the_peers_close_frame_is_waited_for():
    session, connection, transport = opened_over_tls()
    session.cancel()
    assert transport.calls == [("write", b"\x88\x02\x03\xe8")]
    arrive(connection, frame(TEXT, b"late") * 1000)
    assert "close" not in transport.names
    arrive(connection, frame(TEXT, b"late") + close(1000) + b"behind it")
    assert transport.names == ["write", "close"]
    assert session.incoming.is_closed_for_receive
    connection.connection_lost(None)


async def test_without_half_close_a_peer_that_broke_a_rule_is_waited_for():
    session, connection, transport = opened_over_tls()
    arrive(connection, b"\x83\x00")  # opcode 3
    assert transport.names == ["write"]
    arrive(connection, close(1000) * 1000)
    assert transport.names == ["write"]  # what comes now is not judged
    assert connection.eof_received() is False  # the transport closes by itself
    connection.connection_lost(None)
    with pytest.raises(ProtocolViolationError):
        await session.incoming.receive()


async def test_such_a_peer_is_left_when_it_falls_silent():
    """Long before the deadline: it may be waiting for us to close, as clients must."""
    session, connection, transport = opened_over_tls()
    arrive(connection, b"\x83\x00")
    await asyncio.sleep(SILENCE / 2)
    arrive(connection, close(1002))  # the silence begins anew
    await asyncio.sleep(SILENCE * 3 / 4)
    assert transport.names == ["write"]
    await asyncio.sleep(SILENCE / 2)
    assert transport.names == ["write", "close"]  # no abort: that is the deadline's
    connection.connection_lost(None)
    assert session.has_ended


async def test_a_peer_that_is_waited_for_in_vain_is_told_of_the_end_of_tls():
    session, connection, transport = opened_over_tls(close_timeout=0.01)
    session.cancel()
    await asyncio.sleep(0.05)
    assert transport.names == ["write", "close", "abort"]
    connection.connection_lost(None)
    assert session.has_ended


async def test_after_both_close_frames_a_server_closes_at_once():
    session, connection, transport = opened_over_tls()
    connection.is_client = False
    arrive(connection, close(1000))
    assert transport.names == ["write", "close"]
    connection.connection_lost(None)
    assert session.has_ended


async def test_a_close_frame_that_comes_before_the_backlog_has_left_is_not_missed():
    transport = RecordingTransport(room=0, half_closes=False)
    session, connection, _ = opened(transport=transport)
    await session.send(bytes(CORK_LIMIT))
    session.cancel()
    arrive(connection, close(1000))
    assert transport.names == ["write"]
    transport.drain(1 << 20)
    assert transport.calls[1:] == [("write", b"\x88\x02\x03\xe8"), ("close", b"")]
    connection.connection_lost(None)


async def test_a_reset_within_a_large_frame_lets_go_of_it():
    """Even while the session is kept, with the error that says how it ended."""
    size = 8_000_000
    sessions, errors = [], []

    async def handler(session):
        sessions.append(session)
        try:
            await session.incoming.receive()
        except ConnectionLostError as error:
            errors.append(error)

    def reset_within_a_frame(port):
        with socket.create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(request(path=b"/"))
            assert sock.recv(4096)
            sock.sendall(octets)
            time.sleep(0.1)  # for the server to read it
            linger = struct.pack("ii", 1, 0)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    octets = b"\x82\xff" + (16_000_000).to_bytes(8, "big") + KEY + bytes(size)
    async with with_handler(handler) as server:
        gc.disable()
        tracemalloc.start()
        try:
            await asyncio.to_thread(reset_within_a_frame, server.port)
            await settled(lambda: errors)
            left, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            gc.enable()
    assert most > size
    assert left < 1_000_000
    assert sessions[0].has_ended


async def test_an_end_lets_go_of_what_was_not_complete():
    session, connection, _ = opened(transport=RecordingTransport(room=0))
    await session.send(bytes(CORK_LIMIT))
    size = 8_000_000
    tracemalloc.start()
    try:
        await session.send(bytes(size))
        arrive(connection, b"\x82\x7f" + (16_000_000).to_bytes(8, "big") + bytes(size))
        held, _ = tracemalloc.get_traced_memory()
        connection.connection_lost(ConnectionResetError())
        left, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held > 2 * size
    assert left < 100_000
    assert connection.backlog_bytes == 0
    assert session.max_frame_size == 1 << 24


async def test_after_the_end_octets_are_read_and_dropped():
    session, connection, transport = opened()
    arrive(connection, b"\x83\x00")  # opcode 3
    assert transport.names[-1] == "write_eof"
    arrive(connection, frame(TEXT, b"late") * 1000)
    connection.connection_lost(None)
    with pytest.raises(ProtocolViolationError):
        await session.incoming.receive()


async def test_a_paused_connection_reads_again_to_end():
    channels = WebSocketChannelsConfig(incoming=bounded(1))
    _, connection, transport = opened(channels=channels)
    arrive(connection, frame(TEXT, b"x"))
    connection.end(linger=False)
    assert transport.names == ["pause_reading", "resume_reading", "write_eof"]


async def test_an_abort_closes_at_once_whatever_waits():
    session, connection, transport = opened(transport=RecordingTransport(room=0))
    await session.send(bytes(CORK_LIMIT))
    await session.send("lost")
    connection.abort()
    assert transport.names == ["write", "abort"]


async def test_an_end_without_close_frame_does_not_wait_for_a_peer_that_reads_nothing():
    session, connection, transport = opened(transport=RecordingTransport(room=0))
    await session.send(bytes(CORK_LIMIT))
    closes_by_itself = not connection.eof_received()
    # A transport that closes by itself first waits until its buffer is empty.
    assert closes_by_itself
    assert "abort" in transport.names


async def test_a_close_frame_before_the_end_of_the_octets_is_answered():
    session, connection, transport = opened()
    arrive(connection, close(1000, b"bye"))
    assert not connection.eof_received()
    assert transport.written == [close(1000, b"bye")]
    connection.connection_lost(None)
    with pytest.raises(ClosedReceiveChannelError):
        await session.incoming.receive()
    assert await session.close_reason == CloseReason(1000, "bye")


async def test_the_frames_behind_the_handshake_come_first():
    session, connection, _ = opened(left_over=frame(TEXT, b"1") + b"\x81\x02")
    arrive(connection, b"22" + frame(TEXT, b"333"))
    assert [(await session.incoming.receive()).read_text() for _ in range(3)] == [
        "1",
        "22",
        "333",
    ]


async def test_a_connection_lost_with_a_cause_keeps_it():
    session, connection, _ = opened()
    cause = ConnectionResetError("reset")
    connection.connection_lost(cause)
    with pytest.raises(ConnectionLostError) as caught:
        await session.incoming.receive()
    assert caught.value.__cause__ is cause
