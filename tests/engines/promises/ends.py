"""Promises about ends: codes, loss, together, deadline, nothing."""

import asyncio
import contextlib

from ktorws import (
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    CloseReason,
    ConnectionLostError,
    ProtocolViolationError,
)

from .base import (
    SOON,
    promise,
    raised,
    text_of,
    until_no_task_is_left,
)

# codes


@promise("codes")
async def the_server_learns_code_and_reason(client, far):
    for reason in (
        CloseReason(1000, ""),
        CloseReason(4001, "Grüße"),
        CloseReason(3000),
    ):
        visit = far.visit("echo")
        session = await client.websocket_session(visit.url)
        await session.close(reason)
        assert await session.close_reason == reason
        assert (await visit.ended())["close"] == [reason.code, reason.message]


@promise("codes", "every close code")
async def the_server_learns_the_codes_of_the_rfc(client, far):
    for code in (1001, 1008, 1011):
        visit = far.visit("echo")
        session = await client.websocket_session(visit.url)
        await session.close(CloseReason(code, "why"))
        assert (await visit.ended())["close"] == [code, "why"]


@promise("codes")
async def the_client_learns_code_and_reason(client, far):
    for code, text in (
        (1000, ""),
        (1001, "away"),
        (1011, "oh"),
        (4999, "Gr%C3%BC%C3%9Fe"),
    ):
        session = await client.websocket_session(far.visit(f"close/{code}/{text}").url)
        assert [frame async for frame in session.incoming] == []
        reason = await session.close_reason
        assert reason == CloseReason(code, text.replace("%C3%BC%C3%9F", "üß"))
        error = await raised(ClosedReceiveChannelError, session.incoming.receive())
        assert error.close_reason == reason
        error = await raised(ClosedSendChannelError, session.send("late"))
        assert error.close_reason == reason
        await session.wait_closed()


@promise("codes")
async def a_close_without_a_code_is_1005(client, far):
    visit = far.visit("close")
    session = await client.websocket_session(visit.url)
    assert (await session.close_reason).code == CloseReason.Codes.NO_STATUS
    await session.wait_closed()
    assert (await visit.ended())["close"] == []


@promise("codes", "every close code")
async def the_end_of_a_block_by_an_error_is_1011_without_its_text(client, far):
    visit = far.visit("echo")
    secret = LookupError("secret")

    async def fail():
        async with client.ws(visit.url):
            raise secret

    assert await raised(LookupError, fail()) is secret
    assert (await visit.ended())["close"] == [1011, ""]


# loss


@promise("loss")
async def a_connection_lost_without_a_close_is_an_error(client, far):
    session = await client.websocket_session(far.visit("lose").url)
    assert await text_of(session) == "last words"
    await raised(ConnectionLostError, session.incoming.receive())
    await raised(ConnectionLostError, anext(aiter(session.incoming)))
    await raised(ConnectionLostError, session.send("anybody?"))
    reason = await session.close_reason
    assert reason.code == CloseReason.Codes.CLOSED_ABNORMALLY
    await session.wait_closed()


@promise("loss")
async def a_reset_is_an_error(client, far):
    visit = far.visit("reset")
    session = await client.websocket_session(visit.url)
    assert await text_of(session) == "last words"
    waiting = asyncio.ensure_future(session.incoming.receive())
    await visit.go_on()
    await raised(ConnectionLostError, waiting)
    assert (await session.close_reason).code == CloseReason.Codes.CLOSED_ABNORMALLY


@promise("loss")
async def an_end_in_the_middle_of_a_message_is_a_loss(client, far):
    session = await client.websocket_session(far.visit("torn").url)
    assert await text_of(session) == "last words"
    await raised(ConnectionLostError, session.incoming.receive())


@promise("loss", "telling what a peer broke")
async def a_broken_rule_is_named_and_the_peer_is_told(client, far):
    visit = far.visit("violate")
    session = await client.websocket_session(visit.url)
    assert await text_of(session) == "last words"
    await raised(ProtocolViolationError, session.incoming.receive())
    assert (await session.close_reason).code == CloseReason.Codes.PROTOCOL_ERROR
    assert (await visit.ended())["close"][0] == CloseReason.Codes.PROTOCOL_ERROR


@promise("loss")
async def a_broken_rule_is_no_close(client, far):
    session = await client.websocket_session(far.visit("violate").url)
    assert await text_of(session) == "last words"
    try:
        await session.incoming.receive()
    except ClosedReceiveChannelError as error:
        raise AssertionError("A violation was taken for a close") from error
    except (ProtocolViolationError, ConnectionLostError):
        pass


# together


@promise("together")
async def the_connection_ends_with_a_close(client, far):
    visit = far.visit("echo")
    session = await client.websocket_session(visit.url)
    await session.close()
    assert session.has_ended
    assert (await visit.ended())["close"] == [1000, ""]


@promise("together")
async def the_connection_ends_with_a_cancel(client, far):
    visit = far.visit("echo")
    session = await client.websocket_session(visit.url)
    session.cancel()
    await session.wait_closed()
    assert (await visit.ended())["close"] in ([1000, ""], None)


@promise("together")
async def the_connection_ends_with_a_close_of_the_server(client, far):
    visit = far.visit("close/1000/bye")
    session = await client.websocket_session(visit.url)
    await session.wait_closed()
    assert (await visit.ended())["close"] == [1000, "bye"]


@promise("together")
async def the_connection_ends_with_a_cancelled_block(client, far):
    visit = far.visit("echo")

    async def forever():
        async with client.ws(visit.url) as session:
            async for _ in session.incoming:
                pass

    running = asyncio.ensure_future(forever())
    await visit.asked()
    running.cancel()
    await raised(asyncio.CancelledError, running)
    await visit.ended()


# deadline


@promise("deadline", close_timeout=SOON)
async def a_peer_that_never_answers_a_close_is_left(client, far):
    session = await client.websocket_session(far.visit("no-close").url)
    await session.close(CloseReason(1000, "bye"))
    assert session.has_ended
    assert await session.close_reason == CloseReason(1000, "bye")


@promise("deadline", "dropping a connection", close_timeout=SOON)
async def the_connection_to_a_peer_that_never_answers_a_close_is_dropped(client, far):
    visit = far.visit("no-close")
    session = await client.websocket_session(visit.url)
    await session.close()
    await visit.ended()


@promise("deadline")
async def a_closing_session_ends_though_its_close_is_cancelled(client, far):
    visit = far.visit("echo")
    session = await client.websocket_session(visit.url)
    closing = asyncio.ensure_future(session.close())
    await asyncio.sleep(0)
    closing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await closing
    await session.wait_closed()
    await visit.ended()


# nothing


@promise("nothing")
async def closing_the_client_closes_every_session(client, far):
    tasks = asyncio.all_tasks()
    visits = [far.visit("echo") for _ in range(3)]
    sessions = [await client.websocket_session(visit.url) for visit in visits]
    await client.close()
    assert all(session.has_ended for session in sessions)
    for visit in visits:
        await visit.ended()
    await until_no_task_is_left(tasks)


@promise("nothing", "every close code")
async def sessions_of_a_closed_client_say_that_it_goes_away(client, far):
    visit = far.visit("echo")
    await client.websocket_session(visit.url)
    await client.close()
    assert (await visit.ended())["close"] == [1001, ""]


@promise("nothing")
async def a_closed_client_opens_nothing(client, far):
    await client.close()
    try:
        await client.websocket_session(far.visit("echo").url)
    except RuntimeError:
        return
    raise AssertionError("A closed client opened a session")
