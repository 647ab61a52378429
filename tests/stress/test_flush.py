"""flush() returns once the peer takes what was sent, whoever sends meanwhile."""

import asyncio
import contextlib

import pytest

from ktorws import WebSocketChannelsConfig, bounded
from tests.stress.harness import client, run

PATIENCE = 10  # seconds; the peer needs far less

pytestmark = pytest.mark.timeout(30)


@pytest.mark.parametrize("size", [1_000, 60_000])
def test_it_returns_when_a_peer_that_paused_has_taken_the_backlog(
    loop, peer, authority, transport, size
):
    channels = WebSocketChannelsConfig(outgoing=bounded(2))

    async def main():
        async with client(
            transport=transport, authority=authority, channels=channels
        ) as http:
            session = await http.websocket_session(peer.url("tally/1"))
            await session.send("pause")
            while session.outgoing.try_send(b"0:" + bytes(size)).is_success:
                pass
            async with asyncio.timeout(PATIENCE):
                await session.flush()
            await session.close()

    run(main(), loop)


def test_it_returns_though_others_go_on_sending(loop, peer, authority, transport):
    async def send_for_ever(session):
        while True:
            await session.send(b"0:" + bytes(20_000))

    async def main():
        async with client(transport=transport, authority=authority) as http:
            session = await http.websocket_session(peer.url("tally/1"))
            others = [asyncio.create_task(send_for_ever(session)) for _ in range(2)]
            await asyncio.sleep(0.1)
            try:
                async with asyncio.timeout(PATIENCE):
                    await session.flush()
            finally:
                for other in others:
                    other.cancel()
                    with contextlib.suppress(asyncio.CancelledError):
                        await other
                session.cancel()

    run(main(), loop)
