"""What users' tests can make a mocked server do."""

import asyncio

import pytest

from ktorws.channels import WebSocketChannelsConfig, bounded
from ktorws.client import HttpClient
from ktorws.close_reason import CloseReason
from ktorws.engines.mock import MockClock, MockEngine
from ktorws.exceptions import (
    ConnectionLostError,
    HandshakeError,
    InvalidHandshakeError,
    OpenTimeoutError,
    ProtocolViolationError,
)
from ktorws.features.websockets import WebSockets
from ktorws.frame import Frame
from tests.extending import Reversing
from tests.mocking import URL, begun, connected, drained, ticks


def client_of(engine, **options):
    return HttpClient(engine).install(WebSockets, **options)


async def test_a_script_receives_and_sends_frames():
    async def script(peer):
        assert await peer.receive() == Frame.Text("Hello")
        peer.send("Hello to you", b"\x00\x01")

    async with MockEngine(script) as engine, client_of(engine).ws(URL) as session:
        await session.send("Hello")
        assert await session.incoming.receive() == Frame.Text("Hello to you")
        assert await session.incoming.receive() == Frame.Binary(b"\x00\x01")


async def test_a_script_loops_over_what_the_client_sends_until_it_closes():
    async def script(peer):
        async for frame in peer:
            peer.send(frame)

    async with MockEngine(script) as engine, client_of(engine).ws(URL) as session:
        for number in range(3):
            await session.send(str(number))
            assert (await session.incoming.receive()).read_text() == str(number)
    assert (await session.close_reason).code == 1000


async def test_an_engine_without_a_script_is_a_plain_server():
    async with MockEngine() as engine, client_of(engine).ws_raw(URL) as session:
        await session.send(Frame.Ping(b"there?"))
        assert await session.incoming.receive() == Frame.Pong(b"there?")
    assert session.has_ended


async def test_a_script_sees_what_the_client_asks_for():
    async def script(peer):
        assert peer.request.target == "/chat?room=7"
        assert peer.request.headers["X-Token"] == "secret"
        assert peer.request.subprotocols == ("chat",)
        peer.accept(subprotocol="chat", headers={"X-Served-By": "mock"})

    async with (
        MockEngine(script) as engine,
        client_of(engine).ws(
            "ws://mock.test/chat?room=7",
            headers={"X-Token": "secret"},
            subprotocols=["chat"],
        ) as session,
    ):
        assert session.subprotocol == "chat"
        assert session.call.response.status == 101
        assert session.call.response.headers["X-Served-By"] == "mock"


async def test_each_session_has_a_peer_of_its_own():
    async def script(peer):
        peer.send(peer.request.target)

    async with MockEngine(script) as engine:
        client = client_of(engine)
        for path in ("/one", "/two"):
            async with client.ws(f"ws://mock.test{path}") as session:
                assert (await session.incoming.receive()).read_text() == path
        assert len(engine.peers) == 2


async def test_a_refused_handshake_carries_the_response():
    async def script(peer):
        peer.refuse(403, headers={"X-Why": "no"}, body="Go away")

    async with MockEngine(script) as engine:
        with pytest.raises(HandshakeError) as caught:
            await client_of(engine).websocket_session(URL)
    assert caught.value.response.status == 403
    assert caught.value.response.headers["X-Why"] == "no"
    assert caught.value.response.body == b"Go away"


async def test_a_script_can_refuse_first_and_accept_later():
    tried = []

    async def script(peer):
        tried.append(peer)
        if len(tried) == 1:
            peer.refuse(503)

    async with MockEngine(script) as engine:
        client = client_of(engine)
        with pytest.raises(HandshakeError):
            await client.websocket_session(URL)
        async with client.ws(URL) as session:
            assert session.is_active


async def test_a_script_can_redirect():
    async def script(peer):
        if peer.request.target == "/old":
            peer.refuse(302, headers={"Location": "/new"})
        else:
            peer.send(peer.request.target)

    async with (
        MockEngine(script) as engine,
        client_of(engine).ws("ws://mock.test/old") as session,
    ):
        assert (await session.incoming.receive()).read_text() == "/new"


async def test_a_handshake_can_be_answered_wrongly():
    async def script(peer):
        peer.accept(subprotocol="never offered")

    async with MockEngine(script) as engine:
        with pytest.raises(InvalidHandshakeError, match="unoffered"):
            await client_of(engine).websocket_session(URL)


async def test_a_connection_can_be_lost_before_the_answer():
    async def script(peer):
        peer.lose()

    async with MockEngine(script) as engine:
        with pytest.raises(InvalidHandshakeError):
            await client_of(engine).websocket_session(URL)


async def test_a_handshake_is_answered_once():
    async def script(peer):
        peer.accept()
        with pytest.raises(RuntimeError):
            peer.accept()
        with pytest.raises(RuntimeError):
            peer.refuse(403)

    async with MockEngine(script) as engine, client_of(engine).ws(URL):
        pass


async def test_a_script_that_waits_first_holds_the_handshake_up():
    clock = MockClock()

    async def script(peer):
        await peer.sleep(5)
        peer.accept()

    async with MockEngine(script, clock=clock) as engine:
        opening = await begun(client_of(engine).websocket_session(URL))
        await clock.advance(4.999)
        assert not opening.done()
        await clock.advance(0.001)
        assert opening.done()
        assert opening.result().is_active


async def test_a_handshake_that_nobody_answers_times_out():
    async def script(peer):
        await asyncio.Event().wait()

    async with MockEngine(script) as engine:
        with pytest.raises(OpenTimeoutError, match="script"):
            await client_of(engine, open_timeout=0.01).websocket_session(URL)
        await ticks()
        assert engine.peers[0]._task.cancelled()


async def test_cancelling_the_opening_leaves_no_session():
    async def script(peer):
        await peer.sleep(1)

    async with MockEngine(script, clock=MockClock()) as engine:
        opening = await begun(client_of(engine).websocket_session(URL))
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await ticks()
        assert engine.peers[0].session is None


async def test_cancelling_the_opening_ends_a_session_that_was_just_made():
    async def script(peer):
        await peer.sleep(1)
        peer.accept()
        opening.cancel()
        await peer.wait_closed()

    clock = MockClock()
    async with MockEngine(script, clock=clock) as engine:
        opening = await begun(client_of(engine).websocket_session(URL))
        await clock.advance(1)
        with pytest.raises(asyncio.CancelledError):
            await opening
        await ticks()
        assert engine.peers[0].session.has_ended


async def test_a_failing_script_is_heard_of_when_the_engine_closes():
    async def script(peer):
        await peer.receive()
        raise AssertionError("not what I expected")

    engine = MockEngine(script)
    session = await client_of(engine).websocket_session(URL)
    await session.send("surprise")
    with pytest.raises(ConnectionLostError) as caught:
        await session.incoming.receive()
    assert isinstance(caught.value.__cause__, AssertionError)
    with pytest.raises(AssertionError, match="not what I expected"):
        await engine.close()


async def test_several_failing_scripts_come_as_a_group():
    async def script(peer):
        peer.accept()
        raise AssertionError(peer.request.target)

    engine = MockEngine(script)
    for path in ("/one", "/two"):
        await client_of(engine).websocket_session(f"ws://mock.test{path}")
    with pytest.raises(ExceptionGroup) as caught:
        await engine.close()
    assert [str(error) for error in caught.value.exceptions] == ["/one", "/two"]


async def test_a_script_that_fails_before_the_answer_fails_the_opening():
    async def script(peer):
        raise AssertionError("at once")

    engine = MockEngine(script)
    with pytest.raises(InvalidHandshakeError) as caught:
        await client_of(engine).websocket_session(URL)
    assert isinstance(caught.value.__cause__, AssertionError)
    with pytest.raises(AssertionError):
        await engine.close()


async def test_a_frame_that_never_comes_fails_the_script():
    async def script(peer):
        await peer.receive()  # the Close frame
        await peer.receive()

    engine = MockEngine(script)
    async with client_of(engine, close_timeout=0.01).ws(URL):
        pass
    await ticks()
    with pytest.raises(ConnectionLostError):
        await engine.close()


async def test_closing_the_engine_ends_scripts_and_sessions():
    async def script(peer):
        peer.accept()
        await asyncio.Event().wait()

    engine = MockEngine(script)
    session = await client_of(engine).websocket_session(URL)
    waiting = await begun(session.incoming.receive_catching())
    await engine.close()
    await ticks()
    assert session.has_ended
    assert (await waiting).is_closed


async def test_the_peer_begins_the_closing_handshake():
    async with connected() as (session, peer, _clock):
        peer.close(CloseReason(4001, "enough"))
        await ticks()
        assert await peer.receive() == Frame.Close(CloseReason(4001, "enough"))
        assert session.has_ended
        assert await session.close_reason == CloseReason(4001, "enough")


async def test_the_peer_is_told_of_frames_only_once_the_client_sent_them():
    async with connected() as (session, peer, _clock):
        assert peer.receive_or_none() is None
        await session.send("here")
        assert peer.receive_or_none() == Frame.Text("here")


async def test_a_stalled_peer_takes_nothing_until_it_resumes():
    async with connected() as (session, peer, _clock):
        peer.stall()
        await session.send("one")
        flushing = await begun(session.flush())
        assert drained(peer) == []
        assert not flushing.done()
        peer.resume()
        await ticks()
        assert drained(peer) == [Frame.Text("one")]
        assert flushing.done()


async def test_what_the_client_does_not_read_stays_unread():
    channels = WebSocketChannelsConfig(incoming=bounded(2))
    async with connected(channels=channels) as (session, peer, _clock):
        peer.send("one", "two")
        assert peer.unread == 0
        peer.send("three")
        assert peer.unread == 7
        for text in ("one", "two", "three"):
            assert (await session.incoming.receive()).read_text() == text
        assert peer.unread == 0


async def test_octets_can_break_the_protocol():
    async with connected() as (session, peer, _clock):
        peer.send_octets(b"\x83\x00")
        with pytest.raises(ProtocolViolationError):
            await session.incoming.receive()
        assert (await peer.receive()).read_reason().code == 1002


async def test_a_frame_can_come_in_pieces():
    async with connected() as (session, peer, _clock):
        for octet in b"\x01\x02He\x80\x03llo":
            peer.send_octets(bytes([octet]))
        assert await session.incoming.receive() == Frame.Text("Hello")


async def test_a_lost_connection_is_found_behind_what_was_sent():
    async with connected() as (session, peer, _clock):
        peer.send("last words")
        peer.lose()
        assert await session.incoming.receive() == Frame.Text("last words")
        with pytest.raises(ConnectionLostError):
            await session.incoming.receive()


async def test_a_reset_connection_names_its_error():
    async with connected() as (session, peer, _clock):
        peer.lose(ConnectionResetError("reset"))
        with pytest.raises(ConnectionLostError) as caught:
            await session.incoming.receive()
        assert isinstance(caught.value.__cause__, ConnectionResetError)


async def test_the_peer_notices_a_client_that_does_not_mask():
    async with connected() as (session, peer, _clock):
        session.masking = False
        await session.send("naked")
        with pytest.raises(ProtocolViolationError):
            await peer.receive()


async def test_extensions_are_negotiated_and_frames_are_as_on_the_wire():
    async with connected(extensions=[Reversing.install()]) as (session, peer, _clock):
        assert session.extension(Reversing)
        await session.send("abc")
        assert await peer.receive() == Frame.Text("cba")
        peer.send("xyz")
        assert await session.incoming.receive() == Frame.Text("zyx")


async def test_extensions_that_the_script_does_not_know_are_not_used():
    async with (
        MockEngine() as engine,
        client_of(engine, extensions=[Reversing.install()]).ws(URL) as session,
    ):
        assert session.extensions == []


async def test_a_socket_is_refused_by_name():
    async with MockEngine() as engine:
        with pytest.raises(ValueError, match="sock"):
            await client_of(engine).websocket_session(URL, sock=object())


async def test_without_a_mock_clock_a_script_sleeps_by_the_loops():
    async def script(peer):
        await peer.sleep(0.001)
        peer.send("awake")

    async with MockEngine(script) as engine, client_of(engine).ws(URL) as session:
        assert await session.incoming.receive() == Frame.Text("awake")
