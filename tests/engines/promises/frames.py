"""Promises about frames: first, whole, answers, inward, outward, cancelled."""

import asyncio
import itertools

from ktorws import (
    ClosedReceiveChannelError,
    CloseReason,
    Frame,
    FrameTooBigError,
    PingTimeoutError,
)

from .base import (
    BLOCK,
    MUCH,
    NARROW_IN,
    NARROW_OUT,
    SOON,
    promise,
    raised,
    stands_still,
    text_of,
)

# first


@promise("first")
async def frames_in_the_packet_of_the_answer_arrive_in_order(client, far):
    async with client.ws(far.visit("together/50").url) as session:
        texts = [await text_of(session) for _ in range(50)]
        assert texts == [str(number) for number in range(50)]


@promise("first")
async def answer_frames_and_close_may_come_at_once(client, far):
    session = await client.websocket_session(far.visit("together/3/close").url)
    texts = [frame.read_text() async for frame in session.incoming]
    assert texts == ["0", "1", "2"]
    assert await session.close_reason == CloseReason(4001, "that was all")
    await session.wait_closed()


@promise("first")
async def a_reader_that_comes_late_gets_all(client, far):
    session = await client.websocket_session(far.visit("together/3/close").url)
    await session.wait_closed()
    texts = [frame.read_text() for frame in await session.incoming.receive_many()]
    assert texts == ["0", "1", "2"]
    await raised(ClosedReceiveChannelError, session.incoming.receive())


@promise("first", "an answer in pieces")
async def an_answer_in_single_octets_is_understood(client, far):
    async with client.ws(far.visit("drip").url) as session:
        assert await text_of(session) == "Hello"


# whole


@promise("whole")
async def text_goes_and_comes_unchanged(client, far):
    texts = ["", "Hello", "Grüße, 世界 🙂", "\x00\n\r", "ä" * 70_000]
    async with client.ws(far.visit("echo").url) as session:
        for text in texts:
            await session.send(text)
            frame = await session.incoming.receive()
            assert isinstance(frame, Frame.Text)
            assert frame.read_text() == text
            assert frame.fin


@promise("whole")
async def octets_go_and_come_unchanged(client, far):
    async with client.ws(far.visit("echo").url) as session:
        for size in (0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20):
            data = (BLOCK * (size // len(BLOCK) + 1))[:size]
            await session.send(data)
            frame = await session.incoming.receive()
            assert isinstance(frame, Frame.Binary)
            assert frame.read_bytes() == data


@promise("whole")
async def anything_bytes_like_can_be_sent(client, far):
    async with client.ws(far.visit("echo").url) as session:
        for data in (bytearray(b"abc"), memoryview(b"abc"), memoryview(b"aabbcc")[::2]):
            await session.send(data)
            assert (await session.incoming.receive()).read_bytes() == b"abc"


@promise("whole")
async def what_is_changed_after_it_was_sent_goes_out_as_it_was(client, far):
    data = bytearray(b"before")
    async with client.ws(far.visit("echo").url) as session:
        await session.send(data)
        data[:] = b"after!"
        assert (await session.incoming.receive()).read_bytes() == b"before"


@promise("whole")
async def many_messages_keep_their_order_both_ways(client, far):
    async def send():
        for number in range(2000):
            await session.send(str(number))

    async with client.ws(far.visit("echo").url) as session:
        sending = asyncio.ensure_future(send())
        for number in range(2000):
            assert await text_of(session) == str(number)
        await sending


@promise("whole")
async def a_message_in_fragments_arrives_whole(client, far):
    async with client.ws(far.visit("fragments").url) as session:
        assert await session.incoming.receive() == Frame.Text("Grüße")
        assert await session.incoming.receive() == Frame.Binary(b"\x00\x01\x02")


@promise("whole", "max_frame_size", max_frame_size=1000)
async def a_message_beyond_max_frame_size_ends_the_session(client, far):
    visit = far.visit("echo")
    session = await client.websocket_session(visit.url)
    await session.send(bytes(1000))
    assert len(await session.incoming.receive()) == 1000
    await session.send(bytes(1001))
    await raised(FrameTooBigError, session.incoming.receive())
    assert (await session.close_reason).code == 1009
    await visit.ended()


@promise("whole", "max_frame_size", "every close code", max_frame_size=1000)
async def the_peer_is_told_that_its_message_was_too_big(client, far):
    visit = far.visit("echo")
    session = await client.websocket_session(visit.url)
    await session.send(bytes(1001))
    await session.wait_closed()
    assert (await visit.ended())["close"][0] == 1009


@promise("whole")
async def what_cannot_be_sent_is_refused_and_harms_nothing(client, far):
    async with client.ws(far.visit("echo").url) as session:
        for message in (None, 7, ["text"]):
            await raised(TypeError, session.send(message))
        await session.send("fine")
        assert await text_of(session) == "fine"


@promise("whole", "raw")
async def a_raw_session_gives_every_frame_and_answers_nothing(client, far):
    visit = far.visit("ping")
    async with client.ws_raw(visit.url) as session:
        assert await session.incoming.receive() == Frame.Ping(b"there?")
        assert await session.incoming.receive() == Frame.Text("pinged")
    assert "pong" not in [kind for kind, *_ in (await visit.ended())["frames"]]


# answers


@promise("answers")
async def a_ping_is_answered_and_not_shown(client, far):
    visit = far.visit("ping")
    async with client.ws(visit.url) as session:
        assert await text_of(session) == "pinged"
        assert session.incoming.try_receive().value_or_none is None
    assert ["pong", 6, b"there?".hex()] in (await visit.ended())["frames"]


@promise("answers", "ping_interval", ping_interval=0.05, timeout=SOON)
async def pings_find_a_peer_that_does_not_answer(client, far):
    visit = far.visit("no-pong")
    session = await client.websocket_session(visit.url)
    await raised(PingTimeoutError, session.incoming.receive())
    assert (await session.close_reason).code == 1011
    assert "ping" in [kind for kind, *_ in (await visit.ended())["frames"]]


@promise("answers", "ping_interval", ping_interval=0.02)
async def pings_leave_a_peer_that_answers(client, far):
    visit = far.visit("echo")
    async with client.ws(visit.url) as session:
        await visit.until(lambda seen: seen["kinds"].get("ping", 0) >= 3)
        assert session.is_active
        assert session.latency is not None


# inward


@promise("inward", "stopping the peer", **NARROW_IN)
async def a_slow_reader_stops_the_peer_and_loses_nothing(client, far):
    visit = far.visit(f"flood/{MUCH}")
    session = await client.websocket_session(visit.url)

    async def sent():
        return (await visit.now())["sent"]

    assert await stands_still(sent) < MUCH
    assert len(session.incoming) < 20
    numbers = [int.from_bytes(f.data[:4], "big") async for f in session.incoming]
    assert numbers == list(range(MUCH))
    assert await session.close_reason == CloseReason(1000, "")
    await session.wait_closed()


@promise("inward")
async def frames_nobody_reads_do_not_hold_up_the_end(client, far):
    visit = far.visit(f"flood/{MUCH}")
    async with client.ws(visit.url) as session:
        await session.incoming.receive()
    assert session.has_ended
    await visit.ended()


# outward


@promise("outward", "waiting for a slow peer", **NARROW_OUT)
async def a_slow_peer_stops_the_sender_and_gets_everything(client, far):
    visit = far.visit("deaf")
    session = await client.websocket_session(visit.url)
    sent = 0

    async def send():
        nonlocal sent
        for number in range(MUCH):
            await session.send(number.to_bytes(4, "big") + BLOCK)
            sent += 1

    async def so_far():
        return sent

    sending = asyncio.ensure_future(send())
    assert await stands_still(so_far) < MUCH
    assert not sending.done()
    await visit.go_on()
    await sending
    await session.close()
    frames = (await visit.ended())["frames"]
    assert [head[:8] for _, _, head in frames] == [f"{n:08x}" for n in range(MUCH)]


@promise("outward")
async def flush_returns_and_what_was_sent_is_there(client, far):
    visit = far.visit("echo")
    async with client.ws(visit.url) as session:
        for _ in range(20):
            await session.send(BLOCK)
        await session.flush()
    frames = (await visit.ended())["frames"]
    assert [size for _, size, _ in frames] == [len(BLOCK)] * 20


# cancelled


@promise("cancelled")
async def a_cancelled_receive_loses_no_frame(client, far):
    async with client.ws(far.visit("echo").url) as session:
        for number in range(200):
            waiting = asyncio.ensure_future(session.incoming.receive())
            await session.send(str(number))
            for _ in range(number % 7):
                await asyncio.sleep(0)
            waiting.cancel()
            try:
                frame = await waiting
            except asyncio.CancelledError:
                frame = await session.incoming.receive()
            assert frame.read_text() == str(number)


@promise("cancelled", "waiting for a slow peer", **NARROW_OUT)
async def a_cancelled_send_has_sent_nothing(client, far):
    visit = far.visit("deaf")
    session = await client.websocket_session(visit.url)
    numbers, sent = itertools.count(), []

    async def send():
        while True:
            number = next(numbers)
            await session.send(number.to_bytes(4, "big") + BLOCK)
            sent.append(number)

    async def so_far():
        return len(sent)

    for _ in range(2):
        sending = asyncio.ensure_future(send())
        await stands_still(so_far)
        sending.cancel()
        await raised(asyncio.CancelledError, sending)
    await visit.go_on()
    await session.send(b"last")
    await session.close()
    heads = [head[:8] for _, _, head in (await visit.ended())["frames"]]
    assert heads == [*(f"{number:08x}" for number in sent), b"last".hex()]
    assert len(sent) < next(numbers)


@promise("cancelled")
async def cancelled_is_raised_for_cancellations_only(client, far):
    session = await client.websocket_session(far.visit("echo").url)
    waiting = asyncio.ensure_future(session.incoming.receive())
    await asyncio.sleep(0)
    await session.close()
    await raised(ClosedReceiveChannelError, waiting)
