"""Test your own code without a network: scripted answers, faults and time.

The two tests below are pytest's as much as this file's own.
"""

import asyncio

from ktorws import CloseReason, Frame, HttpClient, PingTimeoutError, WebSockets
from ktorws.testing import MockClock, MockEngine, MockPeer


async def last_word(client: HttpClient) -> str:
    """The code to test: asks, and gives the last text before the server closes."""
    last = ""
    async with client.ws("ws://example.org/words") as session:
        await session.send("Tell me")
        async for frame in session.incoming:
            if isinstance(frame, Frame.Text):
                last = frame.read_text()
    return last


async def test_the_last_word_counts() -> None:
    async def script(peer: MockPeer) -> None:
        question = await peer.receive()
        assert question == Frame.Text("Tell me")
        peer.send("first", b"no text", "last")
        peer.close(CloseReason(CloseReason.Codes.GOING_AWAY, "That is all"))

    async with MockEngine(script) as engine, HttpClient(engine) as client:
        client.install(WebSockets)
        assert await last_word(client) == "last"


async def test_a_silent_server_is_given_up() -> None:
    async def script(peer: MockPeer) -> None:
        await peer.receive()
        peer.stall()
        await peer.wait_closed()

    clock = MockClock()
    async with MockEngine(script, clock=clock) as engine, HttpClient(engine) as client:
        client.install(WebSockets, ping_interval=20, timeout=15)
        asking = asyncio.create_task(last_word(client))
        await clock.advance(60)  # a minute, but not of ours
        try:
            await asking
        except PingTimeoutError:
            return
    raise AssertionError("The silence went unnoticed")


if __name__ == "__main__":
    for test in (test_the_last_word_counts, test_a_silent_server_is_given_up):
        asyncio.run(test())
        print(f"{test.__name__}: passed")
