"""`ktorws.testing.relay_to`: a network with faults in front of a server."""

import asyncio
import contextlib

import pytest

from ktorws import (
    ConnectError,
    ConnectionLostError,
    Frame,
    InvalidHandshakeError,
    OpenTimeoutError,
    PingTimeoutError,
    WebSocketChannelsConfig,
    bounded,
)
from ktorws.testing import echo_server, local_server, nothing_left, relay_to
from tests.network_fixtures import SECURE, client, settled, tls_of

SOON = 0.15  # seconds; a limit that is meant to be reached
SIZE = 100_000  # octets: more than any truncation below lets through


class Place:
    """An echo server, a relay in front of it, and a client."""

    def __init__(self, *, secure=False, **options):
        self._secure = secure
        self._options = options
        self._stack = None

    async def __aenter__(self):
        self._stack = contextlib.AsyncExitStack()
        enter = self._stack.enter_async_context
        await enter(nothing_left())
        self.server = await enter(echo_server(**tls_of(self._secure)))
        self.relay = await enter(relay_to(self.server.url()))
        self.client = await enter(client(**self._options))
        return self

    async def __aexit__(self, *error):
        return await self._stack.__aexit__(*error)

    async def session(self):
        return await self.client.websocket_session(self.relay.url())


async def echoes(session, message=b"Hello"):
    await session.send(message)
    return (await session.incoming.receive()).data == message


@SECURE
async def test_without_a_fault_it_carries_everything(secure):
    async with Place(secure=secure) as place:
        async with place.client.ws(place.relay.url()) as session:
            assert await echoes(session)
            assert await echoes(session, bytes(range(256)) * 20_000)
            assert place.relay.connections == 1
        await settled(lambda: not place.relay.connections)
        assert place.relay.accepted == 1


async def test_a_slow_reader_is_felt_through_it():
    channels = WebSocketChannelsConfig(bounded(8), bounded(8))
    async with Place(channels=channels) as place:
        session = await place.session()
        sent = 0

        async def send():
            nonlocal sent
            while True:
                await session.send(sent.to_bytes(4, "big") * 16_384)
                sent += 1

        sending = asyncio.create_task(send())
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(SOON)
        for number in range(sent // 2):
            got = await session.incoming.receive()
            assert got.data == number.to_bytes(4, "big") * 16_384
        assert sent > before
        sending.cancel()
        session.cancel()


async def test_dropped_octets_and_ends_are_never_heard_of():
    async with Place(ping_interval=SOON, timeout=SOON) as place:
        session = await place.session()
        assert await echoes(session)
        place.relay.drop()
        with pytest.raises(PingTimeoutError):
            await session.incoming.receive()
        await session.wait_closed()
        assert place.server.sessions  # it has not heard of it either
        place.relay.restore()
        await settled(lambda: not place.server.sessions)


async def test_what_is_dropped_one_way_goes_on_the_other_way():
    heard = []

    async def answer(session):
        async for message in session.incoming:
            heard.append(message.read_text())
            await session.send(message)

    async with (
        local_server(answer) as server,
        relay_to(server.url()) as relay,
        client() as c,
        c.ws(relay.url()) as session,
    ):
        relay.drop(towards="client")
        await session.send("heard, not answered")
        await settled(lambda: heard)
        await asyncio.sleep(0.05)
        relay.restore()
        await session.send("answered")
        assert await session.incoming.receive() == Frame.Text("answered")


async def test_who_connects_while_everything_is_dropped_waits_in_vain():
    async with Place(open_timeout=SOON) as place:
        place.relay.drop()
        with pytest.raises(OpenTimeoutError):
            await place.session()
        place.relay.restore()
        await settled(lambda: not place.relay.connections)
        session = await place.session()
        assert await echoes(session)
        await session.close()


async def test_a_delay_is_added_each_way_and_keeps_the_order():
    async with Place() as place:
        session = await place.session()
        place.relay.delay(0.1)
        loop = asyncio.get_running_loop()
        begin = loop.time()
        for number in range(100):
            await session.send(str(number))
        texts = [(await session.incoming.receive()).read_text() for _ in range(100)]
        assert texts == [str(number) for number in range(100)]
        assert loop.time() - begin >= 0.2
        place.relay.delay(0)
        await session.close()


async def test_octets_delayed_overtake_none_when_the_delay_ends():
    async with Place() as place:
        session = await place.session()
        place.relay.delay(0.1, towards="server")
        await session.send("first")
        await asyncio.sleep(0.02)
        place.relay.delay(0)
        await session.send("second")
        assert (await session.incoming.receive()).read_text() == "first"
        assert (await session.incoming.receive()).read_text() == "second"
        await session.close()


@pytest.mark.parametrize("after", [0, 1, 5, 50_000])
async def test_a_truncated_message_is_a_loss_for_both_sides(after):
    async with Place() as place:
        session = await place.session()
        (there,) = place.server.sessions
        place.relay.truncate(after=after)
        with pytest.raises(ConnectionLostError):
            await echoes(session, bytes(SIZE))
            await session.incoming.receive()
        assert (await session.close_reason).code == 1006
        assert (await there.close_reason).code == 1006


async def test_truncation_is_exact():
    async with Place() as place:
        session = await place.session()
        place.relay.truncate(after=2 * len(b"\x82\x05Hello"))
        assert await echoes(session)
        assert await echoes(session)
        with pytest.raises(ConnectionLostError):
            await session.incoming.receive()


async def test_a_handshake_can_be_truncated():
    async with Place() as place:
        place.relay.truncate(after=20)
        with pytest.raises(InvalidHandshakeError):
            await place.session()
        place.relay.restore()
        session = await place.session()
        await session.close()


@SECURE
async def test_a_reset_is_found_by_both_sides(secure):
    async with Place(secure=secure) as place:
        session = await place.session()
        (there,) = place.server.sessions
        place.relay.reset()
        with pytest.raises(ConnectionLostError) as caught:
            await session.incoming.receive()
        if not secure:
            assert isinstance(caught.value.__cause__, ConnectionResetError)
        assert (await there.close_reason).code == 1006
        await there.wait_closed()
        session = await place.session()  # those to come are not concerned
        assert await echoes(session)
        await session.close()


async def test_a_reset_of_the_server_is_passed_on():
    async with Place() as place:
        session = await place.session()
        (there,) = place.server.sessions
        there._connection._transport.abort()
        with pytest.raises(ConnectionLostError):
            await session.incoming.receive()


async def test_new_connections_can_be_refused():
    async with Place() as place:
        old = await place.session()
        place.relay.refuse()
        with pytest.raises((ConnectError, InvalidHandshakeError)):
            await place.session()
        assert await echoes(old)
        place.relay.restore()
        new = await place.session()
        assert await echoes(new)
        await old.close()
        await new.close()


async def test_a_server_that_is_down_resets():
    async with echo_server() as server:
        url = server.url()
    async with nothing_left(), relay_to(url) as relay, client() as c:
        with pytest.raises((ConnectError, InvalidHandshakeError)):
            await c.websocket_session(relay.url())


async def test_leaving_the_block_ends_what_is_left():
    async with nothing_left(), echo_server() as server, client() as c:
        async with relay_to(server.url()) as relay:
            sessions = [await c.websocket_session(relay.url()) for _ in range(3)]
            relay.drop()
        for session in sessions:
            with pytest.raises(ConnectionLostError):
                await session.incoming.receive()


@pytest.mark.parametrize(
    "fault",
    [
        lambda relay: relay.delay(-1),
        lambda relay: relay.truncate(after=-1),
        lambda relay: relay.drop(towards="everybody"),
    ],
)
async def test_faults_that_make_no_sense_are_refused(fault):
    async with relay_to("ws://127.0.0.1:1/") as relay:
        with pytest.raises(ValueError, match="must be"):
            fault(relay)
