"""Back-pressure both ways and ends of sessions, over real sockets."""

import asyncio
import contextlib

import pytest

from ktorws import (
    ClosedReceiveChannelError,
    CloseReason,
    ConnectionLostError,
    Frame,
    FrameTooBigError,
    InvalidTextError,
    ProtocolViolationError,
    WebSocketChannelsConfig,
    bounded,
)
from tests.network_fixtures import (
    SECURE,
    TRANSPORT,
    client,
    nothing_left,
    scheme_of,
    settled,
    tls_of,
)
from tests.octets import BINARY, CLOSE, PING, PONG, TEXT, close, frame
from tests.scripted import scripted

BLOCK = bytes(64 * 1024)
MUCH = 400  # blocks: more than any pair of sockets holds


def connected(server, secure):
    return server.url(scheme=scheme_of(secure))


# Sending to a peer that does not read.


@SECURE
@TRANSPORT
async def test_a_sender_waits_for_the_peer_to_read_and_loses_nothing(secure, transport):
    stopped, go_on = asyncio.Event(), asyncio.Event()
    received = []

    async def script(peer):
        await peer.accept()
        peer.stop_reading()
        stopped.set()
        await go_on.wait()
        peer.go_on_reading()
        for _ in range(MUCH):
            received.append(await peer.frame())
        assert (await peer.frame())[0] == 0x88
        await peer.send(close(1000))

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport) as c:
            async with c.ws(connected(server, secure)) as session:
                await stopped.wait()
                sent = []

                async def send():
                    for number in range(MUCH):
                        await session.send(number.to_bytes(2, "big") + BLOCK)
                        sent.append(number)

                sender = asyncio.create_task(send())
                await stands_still(lambda: len(sent))
                assert not sender.done()
                go_on.set()
                await sender
    assert [int.from_bytes(p[:2], "big") for _, p in received] == list(range(MUCH))
    assert all(payload[2:] == BLOCK for _, payload in received)


async def stands_still(value):
    """Wait until there is a value, and it does not change any more."""
    before = 0
    while before == 0 or value() != before:
        before = value()
        await asyncio.sleep(0.05)


@SECURE
@TRANSPORT
async def test_flush_waits_for_the_peer_to_read(secure, transport):
    stopped, go_on = asyncio.Event(), asyncio.Event()

    async def script(peer):
        await peer.accept()
        peer.stop_reading()
        stopped.set()
        await go_on.wait()
        peer.go_on_reading()
        first = 0
        while first != 0x88:
            first, _ = await peer.frame()
        await peer.send(close(1000))

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport) as c:
            async with c.ws(connected(server, secure)) as session:
                await stopped.wait()
                transport_ = session._connection._transport
                while session._connection.is_writable:
                    await session.send(BLOCK)
                await session.send("in the backlog")
                flush = asyncio.create_task(session.flush())
                await stands_still(transport_.get_write_buffer_size)
                assert not flush.done()
                go_on.set()
                await asyncio.wait_for(flush, 5)
                assert session._connection.backlog_bytes == 0
                assert transport_.get_write_buffer_size() == 0
                await asyncio.wait_for(session.send("goes on"), 5)
                await asyncio.wait_for(session.flush(), 5)


@SECURE
@TRANSPORT
async def test_whoever_waits_for_a_deaf_peer_is_woken_when_it_is_gone(
    secure, transport
):
    stopped, go_on = asyncio.Event(), asyncio.Event()

    async def script(peer):
        await peer.accept()
        peer.stop_reading()
        stopped.set()
        await go_on.wait()
        peer.reset()

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport) as c:
            session = await c.websocket_session(connected(server, secure))
            await stopped.wait()

            async def send():
                while True:
                    await session.send(BLOCK)

            waiting = [
                asyncio.create_task(each)
                for each in (send(), session.incoming.receive())
            ]
            await stands_still(lambda: session._connection.backlog_bytes)
            waiting.append(asyncio.create_task(session.flush()))
            await asyncio.sleep(0)
            go_on.set()
            async with asyncio.timeout(5):
                results = await asyncio.gather(*waiting, return_exceptions=True)
                reason = await session.close_reason
            assert [type(result) for result in results] == [ConnectionLostError] * 3
            assert reason.code == CloseReason.Codes.CLOSED_ABNORMALLY


@SECURE
@TRANSPORT
async def test_the_end_of_a_deaf_peers_octets_is_noticed(secure, transport):
    """It half-closes while we hold octets that it will never read."""
    if secure:
        pytest.skip("TLS does not half-close")
    stopped, go_on = asyncio.Event(), asyncio.Event()

    async def script(peer):
        await peer.accept()
        peer.stop_reading()
        stopped.set()
        await go_on.wait()
        peer.half_close()
        await peer.hold()

    async with nothing_left(), scripted(script) as server:
        async with client(transport=transport) as c:
            session = await c.websocket_session(server.url())
            await stopped.wait()
            while session._connection.is_writable:
                await session.send(BLOCK)
            go_on.set()
            with pytest.raises(ConnectionLostError):
                await asyncio.wait_for(session.incoming.receive(), 5)


# Receiving without reading.


@SECURE
@TRANSPORT
async def test_a_full_channel_stops_the_peer_and_nothing_is_lost(secure, transport):
    sent = []

    async def script(peer):
        await peer.accept()
        for number in range(MUCH):
            await peer.send(frame(BINARY, number.to_bytes(2, "big") + BLOCK))
            sent.append(number)
        await peer.send(close(1000))

    channels = WebSocketChannelsConfig(incoming=bounded(8))
    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport, channels=channels) as c:
            session = await c.websocket_session(connected(server, secure))
            await stands_still(lambda: len(sent))
            assert len(sent) < MUCH
            assert len(session.incoming) < 20
            received = [f async for f in session.incoming]
            numbers = [int.from_bytes(f.data[:2], "big") for f in received]
            assert numbers == list(range(MUCH))
            assert all(f.data[2:] == BLOCK for f in received)
            assert await session.close_reason == CloseReason(1000)
            await session.wait_closed()


@SECURE
@TRANSPORT
async def test_what_a_peer_sent_before_it_left_arrives_at_a_slow_reader(
    secure, transport
):
    """Its octets and its end wait in the kernel while reading is paused."""

    async def script(peer):
        await peer.accept(then=b"".join(frame(TEXT, b"%d" % n) for n in range(50)))

    channels = WebSocketChannelsConfig(incoming=bounded(2))
    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport, channels=channels) as c:
            session = await c.websocket_session(connected(server, secure))
            texts = []
            with pytest.raises(ConnectionLostError):
                while True:
                    await asyncio.sleep(0.001)
                    texts.append((await session.incoming.receive()).read_text())
            assert texts == [str(n) for n in range(50)]


@SECURE
@TRANSPORT
async def test_what_the_transport_holds_arrives_though_nothing_follows_it(
    secure, transport
):
    """Reading pauses when the transport has taken more than it has delivered."""
    texts = [f"{number:06}" * 10 for number in range(3000)]

    async def script(peer):
        await peer.accept()
        for text in texts:
            peer._writer.write(frame(TEXT, text.encode()))  # over TLS a record each
        await peer.frame()
        await peer.send(close(1000))

    channels = WebSocketChannelsConfig(incoming=bounded(2))
    async with scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport, channels=channels) as c:
            async with c.ws(connected(server, secure)) as session:
                async with asyncio.timeout(5):
                    for text in texts:
                        received = await session.incoming.receive()
                        assert received == Frame.Text(text)


@SECURE
@TRANSPORT
async def test_pings_are_answered_while_data_waits_to_be_received(secure, transport):
    async def script(peer):
        await peer.accept(then=frame(TEXT, b"x") * 3 + frame(PING, b"?"))
        assert await peer.frame() == (0x80 | PONG, b"?")
        await peer.send(close(1000))
        assert await peer.frame() == (0x80 | CLOSE, b"\x03\xe8")

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport) as c:
            session = await c.websocket_session(connected(server, secure))
            await session.wait_closed()
            assert len(session.incoming) == 3


# What the peer of a client reads after a violation.


@SECURE
@TRANSPORT
@pytest.mark.parametrize(
    ("octets", "code", "error"),
    [
        (b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", 1002, ProtocolViolationError),
        (b"\xc1\x00", 1002, ProtocolViolationError),
        (b"\x88\x01x", 1002, ProtocolViolationError),
        (frame(TEXT, b"ab\xff"), 1007, InvalidTextError),
        (b"\x82\x7e\x03\xe9", 1009, FrameTooBigError),
        (b"\x82\x7f\x3f" + b"\xff" * 7, 1009, FrameTooBigError),
    ],
)
async def test_after_a_violation_the_peer_gets_a_close_frame_and_the_end(
    octets, code, error, secure, transport
):
    read = []

    async def script(peer):
        await peer.accept(then=frame(TEXT, b"first") + octets)
        read.append(await peer.frame())
        read.append(await peer.rest())

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport, max_frame_size=1000) as c:
            session = await c.websocket_session(connected(server, secure))
            assert await session.incoming.receive() == Frame.Text("first")
            with pytest.raises(error) as caught:
                await session.incoming.receive()
            assert type(caught.value) is error
            assert caught.value.close_reason.code == code
            await session.wait_closed()
    (first, payload), rest = read
    assert (first, payload[:2], rest) == (0x88, code.to_bytes(2, "big"), b"")


@SECURE
@TRANSPORT
async def test_what_follows_a_violation_does_not_reset_the_connection(
    secure, transport
):
    """Unread octets would, and the peer might never see the Close frame."""
    read = []

    async def script(peer):
        await peer.accept(then=b"\x83\x00" + bytes(1000))
        with contextlib.suppress(ConnectionError):  # TLS knows at once that it is over
            for _ in range(50):
                await asyncio.sleep(0)
                await peer.send(bytes(1000))
        read.append((await peer.frame())[1][:2])
        read.append(await peer.rest())

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport) as c:
            session = await c.websocket_session(connected(server, secure))
            await session.wait_closed()
    assert read == [b"\x03\xea", b""]


# Ends.


@SECURE
@TRANSPORT
@pytest.mark.parametrize("how", ["close", "reset"])
async def test_a_lost_connection_is_no_end_in_good_order(how, secure, transport):
    async def script(peer):
        await peer.accept(then=frame(TEXT, b"last"))
        if how == "reset":
            await asyncio.sleep(0.01)
            peer.reset()

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport) as c:
            session = await c.websocket_session(connected(server, secure))
            texts = []
            with pytest.raises(ConnectionLostError):
                async for each in session.incoming:
                    texts.append(each.read_text())
            assert texts == ["last"]
            reason = await session.close_reason
            assert reason.code == CloseReason.Codes.CLOSED_ABNORMALLY
            await session.close()


@SECURE
@TRANSPORT
async def test_a_peer_that_never_answers_close_is_left_after_close_timeout(
    secure, transport
):
    async def script(peer):
        await peer.accept()
        assert (await peer.frame())[0] == 0x88
        await peer.hold()

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport, close_timeout=0.05) as c:
            session = await c.websocket_session(connected(server, secure))
            await session.close(CloseReason(1000, "bye"))
            assert await session.close_reason == CloseReason(1000, "bye")
            with pytest.raises(ClosedReceiveChannelError):
                await session.incoming.receive()


@SECURE
@TRANSPORT
async def test_what_the_peer_says_before_its_close_frame_still_arrives(
    secure, transport
):
    async def script(peer):
        await peer.accept()
        first, payload = await peer.frame()
        assert first == 0x88
        await peer.send(frame(TEXT, b"one more") + frame(CLOSE, payload))

    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        async with client(transport=transport) as c:
            session = await c.websocket_session(connected(server, secure))
            await session.close()
            assert await session.incoming.receive() == Frame.Text("one more")
            with pytest.raises(ClosedReceiveChannelError):
                await session.incoming.receive()


async def test_the_client_waits_for_the_server_to_end_tcp():
    """RFC 6455 §7.1.1."""
    order = []

    async def script(peer):
        await peer.accept()
        await peer.frame()
        await peer.send(close(1000))
        await asyncio.sleep(0.02)
        order.append("server")

    async with scripted(script) as server, client() as c:
        session = await c.websocket_session(server.url())
        await session.close()
        order.append("client")
        await settled(lambda: len(order) == 2)
    assert order == ["server", "client"]
