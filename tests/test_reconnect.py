"""`client.ws_reconnecting` with scripted peers, by a clock that the tests move."""

import asyncio
import contextlib
import random

import pytest

from ktorws import (
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    CloseReason,
    ConnectError,
    ConnectionLostError,
    DefaultRequest,
    Frame,
    Gap,
    HandshakeError,
    HandshakeLostError,
    HttpClient,
    HttpClientFeature,
    MockClock,
    MockEngine,
    PingTimeoutError,
    ProtocolViolationError,
    Reconnect,
    SessionCancelledError,
    WebSockets,
)
from tests.mocking import URL, begun, drained, ticks

Codes = CloseReason.Codes


class Program:
    """A client, what its peers do one after the other, and the time of both.

    A step is a function that gets the peer. The peer behind the last one refuses with
    403, so that no loop goes on for ever.
    """

    def __init__(self, *steps, **options):
        self.clock = MockClock()
        self.steps = list(steps)
        self.engine = MockEngine(self._play, clock=self.clock)
        self.client = HttpClient(self.engine).install(WebSockets, close_timeout=1)
        self.client.install(Reconnect, **options)
        self.asked_at = []
        self.peers = []

    async def _play(self, peer):
        self.asked_at.append(self.clock.time())
        self.peers.append(peer)
        step = self.steps.pop(0) if self.steps else refusing(403)
        waiting = step(peer)
        if waiting is not None:
            await waiting
        await asyncio.Event().wait()

    def loop(self, **options):
        return self.client.ws_reconnecting(URL, **options)

    async def run(self, coroutine, *, step=0.5, limit=2000):
        """What it comes to, while time passes."""
        task = asyncio.ensure_future(coroutine)
        for _ in range(limit):
            await self.clock.advance(step)
            if task.done():
                return await task
        task.cancel()
        raise AssertionError("It does not end")

    async def __aenter__(self):
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, *error):
        sessions = {peer.session for peer in self.peers if peer.session}
        closing = asyncio.ensure_future(self.client.close())
        while not closing.done():
            await self.clock.advance(0.5)
        await closing
        await self.engine.__aexit__(*error)
        assert all(session.has_ended for session in sessions)
        assert self.clock.pending == 0


def feed(*messages, then=None):
    """Send these, and then come to an end."""

    def step(peer):
        peer.send(*messages)
        if then is not None:
            then(peer)

    return step


def lose(peer):
    peer.accept()
    peer.lose()


def closing(code):
    return lambda peer: peer.close(CloseReason(code, "bye"))


def refusing(status, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda peer: peer.refuse(status, headers=named)


def dropping(peer):
    peer.lose()


async def collect(loop):
    """All texts and gaps, in order, until the loop ends."""
    seen = []
    async for connection in loop:
        async with connection as (session, gap):
            if gap is not None:
                seen.append(gap)
            async for frame in session.incoming:
                seen.append(frame.read_text())
    return seen


async def test_sessions_follow_each_other_and_between_them_is_a_gap():
    async with Program(
        feed("1", "2", then=dropping),
        feed("3", then=closing(1012)),
        feed("4", then=closing(1000)),
    ) as program:
        seen = await program.run(collect(program.loop()))
    match seen:
        case [
            "1",
            "2",
            Gap(cause=ConnectionLostError(), attempt=2),
            "3",
            Gap(cause=ClosedReceiveChannelError(), attempt=3) as second,
            "4",
        ]:
            assert second.close_reason == CloseReason(Codes.SERVICE_RESTART, "bye")
        case _:
            pytest.fail(str(seen))


async def test_a_gap_tells_how_long_it_was():
    async with Program(
        feed("1", then=dropping),
        refusing(503, Retry_After="100"),
        feed("2", then=closing(1000)),
        initial=1,
        maximum=2,
    ) as program:
        seen = await program.run(collect(program.loop()), step=0.125)
        offline = program.asked_at[2] - program.asked_at[0]
    assert seen[1].offline == pytest.approx(offline)
    assert 100 <= offline <= 103
    assert seen[1].close_reason.code == 1006


async def test_the_first_session_has_no_gap_however_many_attempts_it_took():
    attempts = []
    async with Program(
        dropping, refusing(502), feed("1", then=closing(1000))
    ) as program:
        loop = program.loop(on_connected=lambda _session, n: attempts.append(n))
        assert await program.run(collect(loop)) == ["1"]
    assert attempts == [3]


# A loss ends the block, whoever tells it.


async def in_group(session):
    async with asyncio.TaskGroup() as group:
        group.create_task(session.incoming.receive())
        group.create_task(sending(session))


async def sending(session):
    while True:
        await session.send(bytes(100_000))
        await asyncio.sleep(0)


async def batches(session):
    async for _ in session.incoming.batches():
        pass


@pytest.mark.parametrize(
    "use",
    [
        lambda session: session.incoming.receive(),
        lambda session: session.incoming.receive_many(),
        lambda session: session.wait_closed(),
        batches,
        sending,
        in_group,
    ],
)
@pytest.mark.parametrize("end", [lose, closing(1001)], ids=["loss", "close"])
async def test_a_loss_ends_the_block_and_no_more_whichever_call_tells_it(use, end):
    gaps = []

    async def main(loop):
        async for connection in loop:
            async with connection as (session, gap):
                gaps.append(gap)
                if gap is not None:
                    break
                await use(session)

    async with Program(end, lambda peer: peer.accept()) as program:
        await program.run(main(program.loop()))
    first, second = gaps
    assert first is None
    assert isinstance(second.cause, ConnectionLostError | ClosedReceiveChannelError)


async def test_a_block_that_catches_the_loss_itself_hides_nothing():
    async def main(loop):
        async for connection in loop:
            async with connection as (session, gap):
                if gap is not None:
                    return gap
                with contextlib.suppress(ConnectionLostError):
                    await session.incoming.receive()
        return None

    async with Program(lose, lambda peer: peer.accept()) as program:
        gap = await program.run(main(program.loop()))
    assert isinstance(gap.cause, ConnectionLostError)


async def test_a_reader_that_has_dropped_what_comes_learns_the_true_cause():
    async def main(loop):
        async for connection in loop:
            async with connection as (session, gap):
                if gap is not None:
                    return gap
                session.incoming.cancel()
                await sending(session)
        return None

    async with Program(lose, lambda peer: peer.accept()) as program:
        gap = await program.run(main(program.loop()))
    assert isinstance(gap.cause, ConnectionLostError)


async def test_a_silent_peer_is_a_gap_with_its_ping_timeout():
    async with Program(lambda peer: peer.stall(), feed(then=closing(1000))) as program:
        program.client.install(WebSockets, ping_interval=20, timeout=15)
        (gap,) = await program.run(collect(program.loop()), step=1)
    assert isinstance(gap.cause, PingTimeoutError)
    assert gap.close_reason.code == 1011


# What else ends the block ends the loop.


async def left_by(leave, *, steps=(lambda peer: peer.accept(),)):
    """The error, if any, and the Close frame that the peer got."""
    async with Program(*steps) as program:
        error = None
        try:
            await program.run(leave(program.loop(), program))
        except Exception as raised:
            error = raised
        frames = drained(program.peers[-1])
        assert len(program.peers) == len(steps)
    return error, frames[-1].read_reason().code


async def test_break_closes_the_session():
    async def leave(loop, _):
        async for connection in loop:
            async with connection:
                break

    assert await left_by(leave) == (None, 1000)


async def test_return_closes_the_session():
    async def leave(loop, _):
        async for connection in loop:
            async with connection:
                return

    assert await left_by(leave) == (None, 1000)


async def test_a_block_that_leaves_an_open_session_ends_the_loop():
    async def leave(loop, _):
        async for connection in loop:
            async with connection:
                pass

    assert await left_by(leave) == (None, 1000)


async def test_closing_the_session_ends_the_loop_whatever_the_code():
    async def leave(loop, _):
        async for connection in loop:
            async with connection as (session, _gap):
                await session.close(CloseReason(Codes.GOING_AWAY))

    assert await left_by(leave) == (None, 1001)


async def test_cancelling_the_session_ends_the_loop():
    async def leave(loop, _):
        async for connection in loop:
            async with connection as (session, _gap):
                session.cancel()

    assert await left_by(leave) == (None, 1000)


async def test_closing_the_client_ends_the_loop():
    async def leave(loop, program):
        async for connection in loop:
            async with connection as (session, _gap):
                closing = asyncio.ensure_future(program.client.close())
                async for _ in session.incoming:
                    pass
        await closing

    assert await left_by(leave) == (None, 1001)


async def test_an_error_of_a_session_that_this_side_ended_arrives():
    async def leave(loop, _):
        async for connection in loop:
            async with connection as (session, _gap):
                session.cancel()
                await session.incoming.receive()

    error, _ = await left_by(leave)
    assert isinstance(error, SessionCancelledError)


async def test_an_exception_of_the_blocks_own_arrives_unchanged():
    own = LookupError("mine")

    async def leave(loop, _):
        async for connection in loop:
            async with connection:
                raise own

    error, code = await left_by(leave)
    assert error is own
    assert code == 1011


@pytest.mark.parametrize("dead", [False, True])
async def test_an_exception_in_a_group_with_a_loss_arrives_unchanged(dead):
    async def leave(loop, _):
        async for connection in loop:
            async with connection as (session, _gap):
                if dead:
                    await session.wait_closed()
                raise ExceptionGroup("both", [ConnectionLostError(), ValueError()])

    step = lose if dead else lambda peer: peer.accept()
    async with Program(step) as program:
        with pytest.raises(ExceptionGroup, match="both"):
            await program.run(leave(program.loop(), program))


async def test_the_loss_of_another_session_is_none_of_this_one():
    async def main(program):
        async for connection in program.loop():
            async with connection, program.client.ws(URL) as other:
                await other.incoming.receive()

    async with Program(lambda peer: peer.accept(), lose) as program:
        with pytest.raises(ConnectionLostError):
            await program.run(main(program))
        assert drained(program.peers[0])[-1].read_reason().code == 1011


# What is final.


@pytest.mark.parametrize("code", [1002, 1003, 1007, 1008, 1009, 1010, 3000, 3003])
async def test_a_close_code_that_is_final_is_raised_by_the_loop(code):
    async with Program(feed("1", then=closing(code))) as program:
        with pytest.raises(ClosedReceiveChannelError) as caught:
            await program.run(collect(program.loop()))
        assert caught.value.close_reason == CloseReason(code, "bye")
        assert len(program.peers) == 1


@pytest.mark.parametrize("code", [1001, 1011, 1012, 1013, 1014, 3008, 4000])
async def test_after_another_close_code_a_session_follows(code):
    steps = feed("1", then=closing(code)), feed("2", then=closing(1000))
    async with Program(*steps) as program:
        one, gap, two = await program.run(collect(program.loop()))
    assert (one, gap.close_reason.code, two) == ("1", code, "2")


async def test_after_a_close_without_a_code_a_session_follows():
    first = feed("1", then=lambda peer: peer.close(None))
    async with Program(first, feed("2", then=closing(1000))) as program:
        one, gap, two = await program.run(collect(program.loop()))
    assert (one, gap.close_reason.code, two) == ("1", 1005, "2")


async def test_a_final_end_is_told_once_where_the_block_tells_it():
    async def main(loop):
        async for connection in loop:
            async with connection as (session, _gap):
                await session.send("x")
                await session.wait_closed()
                await session.send("y")

    async with Program(closing(1008)) as program:
        loop = program.loop()
        with pytest.raises(ClosedSendChannelError):
            await program.run(main(loop))
        assert [connection async for connection in loop] == []


async def test_a_peer_that_breaks_the_protocol_is_final():
    step = feed("1", then=lambda peer: peer.send_octets(b"\xc1\x00"))
    async with Program(step) as program:
        with pytest.raises(ProtocolViolationError):
            await program.run(collect(program.loop()))
        assert len(program.peers) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302, 501])
async def test_a_refusal_that_is_final_is_raised_at_once(status):
    async with Program(refusing(status)) as program:
        with pytest.raises(HandshakeError) as caught:
            await program.run(collect(program.loop()))
        assert caught.value.response.status == status
        assert len(program.peers) == 1
        assert not hasattr(caught.value, "__notes__")


async def test_another_verdict_decides_on_ends_and_on_attempts():
    judged = []

    def is_final(error):
        judged.append(type(error))
        return len(judged) == 4

    steps = refusing(401), feed(then=closing(1000)), lose, refusing(500)
    async with Program(*steps, is_final=is_final) as program:
        with pytest.raises(HandshakeError, match="500"):
            await program.run(collect(program.loop()))
    lost = ConnectionLostError
    assert judged == [HandshakeError, ClosedReceiveChannelError, lost, HandshakeError]


# How long it waits, and when it gives up.


@pytest.fixture
def longest(monkeypatch):
    """The wait is always the ceiling."""
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)


async def test_the_waits_grow_and_a_short_session_does_not_set_them_back(longest):
    steps = [dropping, dropping, lose, dropping, dropping, closing(1000)]
    async with Program(*steps, initial=1, maximum=5) as program:
        seen = await program.run(collect(program.loop()))
        assert program.asked_at == [0, 1, 3, 7, 12, 17]
    assert [gap.attempt for gap in seen] == [6]


async def test_a_session_that_lasted_sets_them_back(longest):
    async def main(program, loop):
        seen = []
        async for connection in loop:
            async with connection as (session, gap):
                seen.append(gap and (gap.offline, gap.attempt))
                if len(seen) == 3:
                    program.clock.call_later(30, program.peers[-1].lose)
                async for _ in session.incoming:
                    pass
        return seen

    steps = [lose, lose, lambda peer: peer.accept(), dropping, closing(1000)]
    async with Program(*steps, initial=1, reset_after=30) as program:
        seen = await program.run(main(program, program.loop()))
        assert program.asked_at == [0, 1, 3, 34, 36]
    assert seen == [None, (1, 2), (2, 3), (3, 2)]


async def test_a_refusal_that_says_when_to_come_again_is_obeyed(longest):
    steps = refusing(503, Retry_After="20"), refusing(429, Retry_After="9999")
    program = Program(*steps, closing(1000), initial=1, max_retry_after=60)
    async with program:
        await program.run(collect(program.loop()))
        assert program.asked_at == [0, 21, 83]


async def test_after_as_many_attempts_as_allowed_the_last_failure_is_raised():
    async with Program(*[dropping] * 9, max_attempts=3) as program:
        with pytest.raises(HandshakeLostError) as caught:
            await program.run(collect(program.loop()))
        assert len(program.peers) == 3
    assert "Given up after 3 attempts" in caught.value.__notes__[0]
    assert caught.value.__context__ is None


async def test_after_the_time_allowed_the_last_failure_is_raised(longest):
    async with Program(*[dropping] * 9, initial=1, max_time=10) as program:
        with pytest.raises(HandshakeLostError):
            await program.run(collect(program.loop()))
        assert program.asked_at == [0, 1, 3, 7]
        assert program.clock.time() < 8


async def test_a_loss_that_is_one_too_many_is_raised_by_the_loop(longest):
    async with Program(lose, lose, max_attempts=2) as program:
        with pytest.raises(ConnectionLostError):
            await program.run(collect(program.loop()))


# Each attempt is fresh.


class Counting(HttpClientFeature):
    def __init__(self, *, calls):
        self.calls = calls

    async def prepare(self, request):
        self.calls.append(request.path)
        request.headers.add("X-Number", str(len(self.calls)))


def fixed_path():
    numbers = iter(range(9))
    return lambda: f"ws://mock.test/{next(numbers)}"


def later_path():
    numbers = iter(range(9))

    async def url():
        await asyncio.sleep(0)
        return f"ws://mock.test/{next(numbers)}"

    return url


@pytest.mark.parametrize("url", [fixed_path, later_path])
async def test_url_request_and_features_are_asked_for_each_attempt(url):
    tokens = iter("abc")

    def request(builder):
        assert "Authorization" not in builder.headers
        builder.headers["Authorization"] = next(tokens)

    calls = []
    async with Program(lose, dropping, closing(1000)) as program:
        program.client.install(Counting, calls=calls)
        loop = program.client.ws_reconnecting(
            url(),
            request=request,
            headers=iter([("X-Fixed", "1")]),
            params={"n": 1},
            subprotocols=iter(["chat"]),
        )
        await program.run(collect(loop))
        asked = [peer.request for peer in program.peers]
    assert [r.target for r in asked] == ["/0?n=1", "/1?n=1", "/2?n=1"]
    assert [r.headers["Authorization"] for r in asked] == ["a", "b", "c"]
    assert [r.headers.getall("X-Number") for r in asked] == [["1"], ["2"], ["3"]]
    assert [r.headers.getall("X-Fixed") for r in asked] == [["1"]] * 3
    assert [r.subprotocols for r in asked] == [("chat",)] * 3
    assert calls == ["/0", "/1", "/2"]


async def test_a_url_may_be_left_to_the_defaults_of_the_client():
    async with Program(lose, closing(1000)) as program:
        program.client.install(DefaultRequest, url="ws://mock.test/feed")
        await program.run(collect(program.client.ws_reconnecting()))
        assert [peer.request.target for peer in program.peers] == ["/feed"] * 2


async def test_a_url_that_cannot_be_had_at_the_moment_is_a_failed_attempt():
    answers = [OSError("away"), URL]

    def url():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with Program(closing(1000)) as program:
        await program.run(collect(program.client.ws_reconnecting(url)))
        assert len(program.peers) == 1
    assert answers == []


async def test_a_mistake_of_the_callers_is_raised_at_once():
    def url():
        raise LookupError("mine")

    async with Program() as program:
        with pytest.raises(LookupError, match="mine"):
            await program.run(collect(program.client.ws_reconnecting(url)))
        with pytest.raises(ValueError, match="ws://"):
            program.client.ws_reconnecting("localhost:80/chat")
        with pytest.raises(TypeError, match="Unknown options: header"):
            program.client.ws_reconnecting(URL, header={})
        with pytest.raises(TypeError, match="not both"):
            program.client.ws_reconnecting(URL, host="mock.test")
        with pytest.raises(TypeError, match="A socket serves one session"):
            program.client.ws_reconnecting(URL, sock=object())


# Resubscribing.


async def test_on_connected_is_called_before_the_block_with_the_attempt():
    log = []

    async def subscribe(session, attempt):
        await session.send(f"subscribe {attempt}")
        log.append((await session.incoming.receive()).read_text())

    async def main(loop):
        async for connection in loop:
            async with connection as (session, _gap):
                async for frame in session.incoming:
                    log.append(frame.read_text())

    def subscribed(text, end):
        async def step(peer):
            sent.append((await peer.receive()).read_text())
            feed("ok", text, then=end)(peer)

        return step

    sent = []
    steps = subscribed("1", dropping), subscribed("2", closing(1000))
    async with Program(*steps) as program:
        await program.run(main(program.loop(on_connected=subscribe)))
    assert log == ["ok", "1", "ok", "2"]
    assert sent == ["subscribe 1", "subscribe 2"]


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_its_failure_is_a_failed_attempt_and_ends_the_session(asynchronous):
    attempts = []

    def told(_session, attempt):
        attempts.append(attempt)
        if attempt < 3:
            raise TimeoutError("no answer")

    async def told_later(session, attempt):
        await asyncio.sleep(0)
        told(session, attempt)

    accept = lambda peer: peer.accept()  # noqa: E731
    async with Program(accept, accept, closing(1000)) as program:
        loop = program.loop(on_connected=told_later if asynchronous else told)
        assert await program.run(collect(loop)) == []
        await program.clock.advance(1)
        for peer in program.peers[:2]:
            assert peer.session.has_ended
    assert attempts == [1, 2, 3]


async def test_a_loss_within_it_is_a_failed_attempt_and_no_gap_of_its_own():
    async def subscribe(session, _attempt):
        await session.incoming.receive()

    steps = feed("ok", "1", then=dropping), lose, feed("ok", then=closing(1000))
    async with Program(*steps) as program:
        loop = program.loop(on_connected=subscribe)
        one, gap = await program.run(collect(loop))
        assert gap.offline == pytest.approx(
            program.asked_at[2] - program.asked_at[0], abs=0.01
        )
    assert (one, gap.attempt) == ("1", 3)


async def test_a_mistake_within_it_is_final():
    async with Program(lambda peer: peer.accept()) as program:
        with pytest.raises(TypeError, match="argument"):
            await program.run(collect(program.loop(on_connected=lambda: None)))
        await ticks()
        assert len(program.peers) == 1


# The form with a block.


async def test_a_block_is_run_for_each_session_and_gives_its_last_result():
    async def block(session, gap):
        return [gap is None, *[f.read_text() async for f in session.incoming]]

    steps = feed("1", then=dropping), feed("2", then=closing(1000))
    async with Program(*steps) as program:
        assert await program.run(run_block(program, block)) == [False, "2"]


async def run_block(program, block):
    return await program.loop(block=block)


async def test_a_block_that_returns_while_the_session_is_open_is_done():
    async def block(session, _gap):
        return (await session.incoming.receive()).read_text()

    async with Program(feed("1")) as program:
        assert await program.run(run_block(program, block)) == "1"
        assert drained(program.peers[0])[-1] == Frame.Close(CloseReason(1000))


async def test_a_final_end_is_raised_out_of_a_call_with_a_block():
    async def block(session, _gap):
        async for _ in session.incoming:
            pass

    async with Program(closing(1008)) as program:
        with pytest.raises(ClosedReceiveChannelError):
            await program.run(run_block(program, block))


async def test_a_loop_takes_a_block_or_is_iterated():
    async def block(_session, _gap):
        pass

    async with Program() as program:
        with pytest.raises(TypeError, match="await the call"):
            aiter(program.loop(block=block))
        with pytest.raises(TypeError, match="give a block"):
            await program.loop()


# Misuse.


async def test_a_session_that_is_not_entered_is_missed_at_once():
    async def main(loop):
        async for _connection in loop:
            pass

    async with Program() as program:
        with pytest.raises(RuntimeError, match="Enter each session"):
            await main(program.loop())
        assert program.peers == []


async def test_a_session_is_entered_once():
    async def main(loop):
        async for connection in loop:
            async with connection:
                pass
            async with connection:
                pass

    async with Program(lambda peer: peer.accept()) as program:
        with pytest.raises(RuntimeError, match="once only"):
            await program.run(main(program.loop()))


async def test_the_gap_cannot_be_left_out():
    async def main(loop):
        async for connection in loop:
            async with connection as session:
                session.incoming  # noqa: B018

    async with Program(lambda peer: peer.accept()) as program:
        with pytest.raises(AttributeError, match="'tuple'"):
            await program.run(main(program.loop()))


async def test_without_the_feature_its_defaults_hold():
    async with MockEngine(play_once) as engine, HttpClient(engine) as client:
        client.install(WebSockets)
        assert await collect(client.ws_reconnecting(URL)) == ["1"]


async def play_once(peer):
    feed("1", then=closing(1000))(peer)


# Cancellation, and the client's end.


async def cancelled(task):
    """Cancel it; it must end at once, and nothing of its own be left."""
    task.cancel()
    await ticks()
    assert task.cancelled()


async def test_cancellation_while_it_waits_to_try_again():
    async with Program(refusing(503), initial=1000, maximum=1000) as program:
        task = await begun(collect(program.loop()))
        assert program.clock.pending == 1
        await cancelled(task)
        assert program.clock.pending == 0
        await program.clock.advance(2000)
        assert len(program.peers) == 1


async def test_cancellation_while_it_opens():
    async with Program(lambda _peer: None) as program:
        task = await begun(collect(program.loop()))
        assert len(program.peers) == 1
        await cancelled(task)


async def test_cancellation_while_the_url_is_awaited():
    async def url():
        await asyncio.Event().wait()

    async with Program() as program:
        task = await begun(collect(program.client.ws_reconnecting(url)))
        await cancelled(task)
        assert program.peers == []


async def test_cancellation_while_it_subscribes():
    async def subscribe(session, _attempt):
        await session.incoming.receive()

    async with Program(lambda peer: peer.accept()) as program:
        task = await begun(collect(program.loop(on_connected=subscribe)))
        await cancelled(task)
        await program.clock.advance(1)
        assert program.peers[0].session.has_ended


async def test_cancellation_within_the_block():
    async with Program(lambda peer: peer.accept()) as program:
        task = await begun(collect(program.loop()))
        await cancelled(task)
        assert not program.peers[0].session.is_active
        assert drained(program.peers[0])[-1].read_reason().code == 1000


async def test_cancellation_within_the_block_of_a_session_that_is_lost():
    async def main(loop):
        async for connection in loop:
            async with connection:
                await asyncio.Event().wait()

    async with Program(lose) as program:
        task = await begun(main(program.loop()))
        assert program.peers[0].session.has_ended
        await cancelled(task)
        assert len(program.peers) == 1


async def test_cancellation_while_the_session_is_closed():
    async def main(loop):
        async for connection in loop:
            async with connection:
                pass

    async with Program(lambda peer: peer.accept()) as program:
        task = await begun(main(program.loop()))
        assert not task.done()  # the peer does not answer
        await cancelled(task)


async def test_the_clients_end_ends_a_wait_at_once():
    async with Program(refusing(503), initial=1000, maximum=1000) as program:
        task = await begun(collect(program.loop()))
        await program.client.close()
        await ticks()
        with pytest.raises(RuntimeError, match="The client is closed"):
            task.result()
        assert program.clock.pending == 0


async def test_the_clients_end_is_final_whatever_the_verdict():
    async with Program(
        refusing(503), initial=1000, maximum=1000, is_final=lambda _: False
    ) as program:
        task = await begun(collect(program.loop()))
        await program.client.close()
        await ticks()
        with pytest.raises(RuntimeError, match="The client is closed"):
            task.result()


async def test_a_server_that_keeps_the_old_connection_does_not_delay_the_next():
    steps = feed("1", then=closing_and_staying), feed("2", then=closing(1000))
    async with Program(*steps, initial=0.25, maximum=0.25) as program:
        await program.run(collect(program.loop()), step=0.125)
        assert program.asked_at[1] <= 0.25
        await program.clock.advance(1)
        assert program.peers[0].session.has_ended


def closing_and_staying(peer):
    peer.send(Frame.Close(CloseReason(1001)))


async def test_a_connection_that_cannot_be_made_is_tried_again():
    class Unreachable(MockEngine):
        tries = 0

        async def open(self, opening):
            self.tries += 1
            if self.tries < 3:
                raise ConnectError("No route")
            return await super().open(opening)

    clock = MockClock()
    async with Unreachable(play_once, clock=clock) as engine:
        client = HttpClient(engine).install(WebSockets)
        task = asyncio.ensure_future(collect(client.ws_reconnecting(URL)))
        while not task.done():
            await clock.advance(1)
        assert task.result() == ["1"]
