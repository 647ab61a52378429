"""A task that waits for a frame goes on within the read that brought it."""

import asyncio
import contextvars

import pytest

from ktorws import CIO, HttpClient, WebSockets
from ktorws.channels import ChannelOverflow, WebSocketChannelsConfig, bounded
from ktorws.server import WebSocketServer
from tests.mocking import begun
from tests.octets import PING, TEXT, frame
from tests.recording import arrive, opened

uvloop = pytest.importorskip("uvloop")

LOOPS = pytest.mark.parametrize(
    "factory", [asyncio.new_event_loop, uvloop.new_event_loop]
)


async def receiving(session, got):
    got.append((await session.incoming.receive()).read_text())


async def read(connection, *octets):
    """Let a callback of the loop's read, as a transport does; then come back."""
    done = asyncio.get_running_loop().create_future()

    def callback():
        for piece in octets:
            arrive(connection, piece)
        done.set_result(None)

    asyncio.get_running_loop().call_soon(callback)
    await done


async def test_the_reader_has_answered_when_the_read_is_over():
    session, connection, transport = opened()
    written = []

    async def answer():
        while True:
            await session.send((await session.incoming.receive()).read_text())

    task = await begun(answer())
    loop = asyncio.get_running_loop()
    loop.call_soon(
        lambda: (
            arrive(connection, frame(TEXT, b"?")),
            written.extend(transport.written),
        )
    )
    await asyncio.sleep(0)
    assert written == [b"\x81\x01?"]
    task.cancel()


async def test_a_read_within_a_task_lets_the_reader_wait_for_its_turn():
    session, connection, _ = opened()
    got = []
    task = await begun(receiving(session, got))
    arrive(connection, frame(TEXT, b"a"))
    assert got == []
    await task
    assert got == ["a"]


async def test_the_reader_keeps_its_context():
    session, connection, _ = opened()
    variable = contextvars.ContextVar("variable", default="of the loop")
    seen = []

    async def reader():
        variable.set("of the reader")
        await session.incoming.receive()
        seen.append((variable.get(), asyncio.current_task()))

    task = await begun(reader())
    await read(connection, frame(TEXT, b"a"))
    assert seen == [("of the reader", task)]
    await task


async def test_what_a_reader_takes_at_once_does_not_pause_reading():
    channels = WebSocketChannelsConfig(incoming=bounded(1, max_bytes=5))
    session, connection, transport = opened(channels=channels)
    got = []

    async def reader():
        async for one in session.incoming:
            got.append(one.read_text())

    task = await begun(reader())
    for text in ("a", "more than five", "b"):
        await read(connection, frame(TEXT, text.encode()))
    assert got == ["a", "more than five", "b"]
    assert transport.names == []
    task.cancel()


@pytest.mark.parametrize(
    "before", [b"", frame(PING, b"")], ids=["alone", "with a ping"]
)
async def test_a_channel_that_closes_when_it_is_full_asks_nobody(before):
    incoming = bounded(1, on_overflow=ChannelOverflow.CLOSE, max_bytes=5)
    session, connection, _ = opened(channels=WebSocketChannelsConfig(incoming=incoming))
    got = []
    task = await begun(receiving(session, got))
    await read(connection, before + frame(TEXT, b"five"))
    await task
    task = await begun(receiving(session, got))
    assert session.is_active
    await read(connection, before + frame(TEXT, b"more than five"))
    assert not session.is_active
    await task
    assert got == ["five", "more than five"]


async def test_what_a_reader_leaves_does():
    channels = WebSocketChannelsConfig(incoming=bounded(2))
    session, connection, transport = opened(channels=channels)
    got = []
    task = await begun(receiving(session, got))
    await read(connection, frame(TEXT, b"a") + frame(TEXT, b"b") + frame(TEXT, b"c"))
    assert got == ["a"]
    assert transport.names == ["pause_reading"]
    await task


async def test_what_the_reader_raises_is_its_own():
    session, connection, transport = opened()

    async def reader():
        await session.incoming.receive()
        raise LookupError

    task = await begun(reader())
    await read(connection, frame(TEXT, b"a"), frame(TEXT, b"b"))
    with pytest.raises(LookupError):
        await task
    assert session.is_active
    assert transport.names == []
    assert (await session.incoming.receive()).read_text() == "b"


async def test_a_reader_that_was_cancelled_before_the_read_takes_nothing():
    session, connection, _ = opened()
    got = []
    task = await begun(receiving(session, got))
    task.cancel()
    await read(connection, frame(TEXT, b"a"))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert got == []
    assert (await session.incoming.receive()).read_text() == "a"


async def test_a_reader_can_end_the_session_within_the_read():
    session, connection, transport = opened()

    async def reader():
        await session.incoming.receive()
        session.cancel()

    task = await begun(reader())
    await read(connection, frame(TEXT, b"a") + frame(TEXT, b"b"), frame(TEXT, b"c"))
    await task
    assert not session.is_active
    assert b"".join(transport.written) == b"\x88\x02\x03\xe8"


async def test_receive_is_a_coroutine_to_asyncio():
    session, connection, _ = opened()
    coroutine = session.incoming.receive()
    assert asyncio.iscoroutine(coroutine)
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    await read(connection, frame(TEXT, b"a"))
    assert (await task).read_text() == "a"
    with pytest.raises(RuntimeError, match="reuse"):
        await coroutine
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(session.incoming.receive(), 0.01)
    await read(connection, frame(TEXT, b"b"))
    assert (await asyncio.wait_for(session.incoming.receive(), 1)).read_text() == "b"
    session.incoming.receive().close()  # taken back before it began


@LOOPS
@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_a_reader_that_exits_ends_the_program(factory, error):
    server = WebSocketServer()

    @server.websocket("/")
    async def greet(session):
        await session.incoming.receive()
        await session.send("hi")
        await session.wait_closed()

    async def reader(session):
        await session.incoming.receive()
        raise error(3)

    async def main():
        async with server, HttpClient(CIO).install(WebSockets) as client:
            session = await client.websocket_session(f"ws://127.0.0.1:{server.port}/")
            reading = asyncio.create_task(reader(session))
            reading.add_done_callback(asyncio.Task.exception)  # or its end is logged
            await session.send("?")
            await asyncio.sleep(10)
            pytest.fail(f"the loop went on: {reading}")

    with asyncio.Runner(loop_factory=factory) as runner:
        with pytest.raises(error):
            runner.run(main())
