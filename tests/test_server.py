"""The server's sessions over real sockets, and how its handlers end."""

import asyncio
import logging

import pytest

import ktorws.session
from ktorws import (
    ChannelOverflow,
    ClosedReceiveChannelError,
    CloseReason,
    Frame,
    ProtocolViolationError,
    WebSocketChannelsConfig,
    bounded,
)
from ktorws.server import (
    DefaultWebSocketServerSession,
    WebSocketServer,
    WebSocketServerSession,
)
from tests.network_fixtures import SECURE, nothing_left, settled
from tests.octets import (
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    PING,
    PONG,
    TEXT,
    close,
    frame,
)
from tests.scripted import dialled
from tests.serving import BYE, MASKED, UNMASKED, made, tls_to, with_handler

THROWN_OUT = WebSocketChannelsConfig(incoming=bounded(2, ChannelOverflow.CLOSE))


# Sessions.


async def test_a_handler_gets_a_default_session():
    sessions = []
    async with made(sessions=sessions) as server, dialled(server.port) as peer:
        await peer.ask(b"/echo", headers=b"X-Mine: 1\r\n")
        await settled(lambda: sessions)
        (session,) = sessions
        assert type(session) is DefaultWebSocketServerSession
        assert not session.masking
        assert session.call.request.headers["x-mine"] == "1"
        assert session.call.peer[0] == "127.0.0.1"


async def test_a_raw_handler_gets_every_frame_and_answers_itself():
    sessions = []
    async with made(sessions=sessions) as server, dialled(server.port) as peer:
        await peer.ask(b"/raw")
        await peer.send(
            frame(TEXT, b"Hel", fin=False, key=KEY)
            + frame(PING, b"?", key=KEY)
            + frame(CONTINUATION, b"lo", key=KEY)
        )
        assert await peer.frame() == (TEXT, b"Hel")
        assert await peer.frame() == (0x80 | PING, b"?")
        assert await peer.frame() == (0x80 | CONTINUATION, b"lo")
        assert type(sessions[0]) is WebSocketServerSession


async def test_a_ping_is_answered():
    async with made() as server, dialled(server.port) as peer:
        await peer.ask(b"/echo")
        await peer.send(frame(PING, b"payload", key=KEY))
        assert await peer.frame() == (0x80 | PONG, b"payload")


async def test_fragments_are_one_message():
    async with made() as server, dialled(server.port) as peer:
        await peer.ask(b"/echo")
        await peer.send(
            frame(BINARY, b"\x00", fin=False, key=KEY)
            + frame(PING, b"", key=KEY)
            + frame(CONTINUATION, b"\x01", key=KEY)
        )
        assert await peer.frame() == (0x80 | PONG, b"")
        assert await peer.frame() == (0x80 | BINARY, b"\x00\x01")


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (close(1000, b"bye", key=KEY), close(1000, b"bye")),
        (close(4321, key=KEY), close(4321)),
        (frame(CLOSE, key=KEY), frame(CLOSE)),
    ],
)
async def test_a_close_frame_is_answered_with_the_same_and_tcp_is_closed(sent, answer):
    async with nothing_left(), made() as server, dialled(server.port) as peer:
        await peer.ask(b"/echo")
        await peer.send(sent)
        assert await peer.rest() == answer


async def test_the_sessions_are_listed_while_they_are_open():
    async with made() as server:
        assert server.sessions == []
        async with dialled(server.port) as peer:
            await peer.ask(b"/echo")
            (session,) = server.sessions
            assert session.is_active
            await peer.send(BYE)
            await peer.rest()
        await settled(lambda: server.sessions == [])


async def test_a_session_that_ended_is_not_listed_while_its_handler_goes_on():
    server = WebSocketServer()
    go_on = asyncio.Event()

    @server.websocket("/")
    async def handler(session):
        await session.wait_closed()
        await go_on.wait()

    async with server, dialled(server.port) as peer:
        await peer.ask()
        (session,) = server.sessions
        peer.reset()
        await session.wait_closed()
        assert server.sessions == []
        go_on.set()


# How handlers end.


async def test_a_handler_that_returns_closes_with_1000():
    async def handler(session):
        await session.send("bye")

    async with nothing_left(), with_handler(handler) as server:
        async with dialled(server.port) as peer:
            await peer.ask()
            assert await peer.read(5 + 4) == b"\x81\x03bye" + close(1000)
            await peer.send(BYE)
            assert await peer.rest() == b""


async def test_a_handler_that_raises_closes_with_1011_and_is_logged(caplog):
    async def handler(session):
        raise LookupError("secret")

    async with nothing_left(), with_handler(handler) as server:
        async with dialled(server.port) as peer:
            await peer.ask()
            assert await peer.read(4) == close(1011)
            await peer.send(close(1011, key=KEY))
            assert await peer.rest() == b""
        await settled(lambda: "secret" in caplog.text)
    (record,) = [r for r in caplog.records if r.name == "ktorws.server"]
    assert record.levelno == logging.ERROR


async def test_a_handler_whose_client_left_in_good_order_is_no_error(caplog):
    errors = []

    async def handler(session):
        try:
            while True:
                await session.incoming.receive()
        except ClosedReceiveChannelError as error:
            errors.append(error)
            raise

    async with nothing_left(), with_handler(handler) as server:
        async with dialled(server.port) as peer:
            await peer.ask()
            await peer.send(BYE)
            assert await peer.rest() == close(1000)
        await settled(lambda: errors and not server._guests)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.ERROR] == []


@pytest.mark.parametrize(
    ("octets", "options", "said"),
    [
        (UNMASKED, {}, "ProtocolViolationError: Frames from a client must be masked"),
        (frame(TEXT, b"\xff", key=KEY), {}, "InvalidTextError: Text message is not"),
        (MASKED, {"max_frame_size": 4}, "FrameTooBigError: Frame is too big: 5"),
        (MASKED * 3, {"channels": THROWN_OUT}, "ChannelOverflowError: The incoming"),
    ],
)
async def test_a_client_at_fault_is_a_line_in_the_log_and_no_error(
    octets, options, said, caplog
):
    caplog.set_level(logging.INFO, "ktorws.server")
    go_on = asyncio.Event()

    async def handler(session):
        await go_on.wait()
        while True:
            await session.incoming.receive()

    async with nothing_left(), with_handler(handler, **options) as server:
        async with dialled(server.port) as peer:
            await peer.ask(then=octets)
            go_on.set()
            assert (await peer.frame())[0] == 0x88
        await settled(lambda: not server._guests)
    (record,) = [r for r in caplog.records if r.name == "ktorws.server"]
    assert record.levelno == logging.INFO
    assert record.exc_info is None
    assert record.getMessage().startswith(f"WebSocket session failed: {said}")


async def test_such_an_error_of_the_handlers_own_is_one(caplog):
    """It may have talked to another server: that is not this client's fault."""

    async def handler(session):
        await session.incoming.receive_catching()
        raise ProtocolViolationError("elsewhere")

    async with nothing_left(), with_handler(handler) as server:
        for octets in (MASKED, UNMASKED):
            async with dialled(server.port) as peer:
                await peer.ask(then=octets)
                assert (await peer.frame())[0] == 0x88
            await settled(lambda: not server._guests)
    records = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert ["elsewhere" in r.exc_text for r in records] == [True, True]


async def test_a_handler_sees_the_reason_of_the_client():
    reasons = []

    async def handler(session):
        reasons.append(await session.close_reason)

    async with with_handler(handler) as server, dialled(server.port) as peer:
        await peer.ask()
        await peer.send(close(4000, b"why", key=KEY))
        assert await peer.rest() == close(4000, b"why")
        await settled(lambda: reasons)
    assert reasons == [CloseReason(4000, "why")]
    assert isinstance(Frame.Close(reasons[0]), Frame.Close)


# Violations: what the peer reads, octet by octet.


@SECURE
@pytest.mark.parametrize(
    ("octets", "code", "text"),
    [
        (UNMASKED, 1002, b"Frames from a client must be masked"),
        (b"\x83\x80" + KEY, 1002, None),
        (b"\xc1\x80" + KEY, 1002, None),
        (b"\x09\x80" + KEY, 1002, None),
        (frame(CONTINUATION, b"x", key=KEY), 1002, None),
        (frame(CLOSE, b"x", key=KEY), 1002, None),
        (close(1005, key=KEY), 1002, None),
        (frame(TEXT, b"\xff", key=KEY), 1007, None),
        (frame(TEXT, b"a\xff", key=KEY)[:8], 1007, None),
        (close(1000, b"\xff", key=KEY), 1007, None),
        (b"\x82\xff" + b"\x00" * 4 + b"\xff" * 4 + KEY, 1009, None),
        (b"\x82\xff" + b"\xff" * 8 + KEY, 1002, None),
    ],
)
async def test_after_a_violation_the_peer_gets_a_close_frame_and_the_end(
    octets, code, text, secure, monkeypatch
):
    # Over TLS it is waited for the peer's Close frame, in vain.
    monkeypatch.setattr(ktorws.session, "LINGER", 0.05)
    async with nothing_left(), made(secure=secure) as server:
        async with dialled(server.port, **tls_to(secure)) as peer:
            await peer.ask(b"/echo", then=MASKED + octets)
            assert await peer.read(7) == UNMASKED
            first, payload = await peer.frame()
            assert first == 0x88
            assert payload[:2] == code.to_bytes(2, "big")
            assert payload[2:] == text if text else payload[2:].decode()
            assert await peer.rest() == b""


async def test_what_follows_a_violation_does_not_reset_the_connection():
    """Octets that were not read would reset it, and might undo the Close frame."""
    async with nothing_left(), made() as server, dialled(server.port) as peer:
        await peer.ask(b"/echo")
        await peer.send(b"\x83\x80" + KEY + bytes(100_000))
        first, payload = await peer.frame()
        assert (first, payload[:2]) == (0x88, b"\x03\xea")
        assert await peer.rest() == b""
