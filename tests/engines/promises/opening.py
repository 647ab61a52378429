"""Promises about opening a session: outcome, refusal, request, traces."""

import asyncio
import contextlib

from ktorws import (
    CloseReason,
    ConnectError,
    DefaultClientWebSocketSession,
    Frame,
    HandshakeError,
    HandshakeLostError,
    InvalidHandshakeError,
    OpenTimeoutError,
)

from .base import (
    SOON,
    promise,
    raised,
    until_no_task_is_left,
)

# outcome


@promise("outcome")
async def an_opened_session_is_open(client, far):
    visit = far.visit("echo")
    async with client.ws(visit.url) as session:
        assert isinstance(session, DefaultClientWebSocketSession)
        assert session.is_active
        assert not session.has_ended
        assert not session.close_reason.is_completed
        assert session.call.request.target.startswith("/echo?")
    assert session.has_ended


@promise("outcome")
async def the_conversation_of_the_first_page_is_held(client, far):
    received = []
    async with client.ws(far.visit("echo").url) as session:
        await session.send("Hello, Text frame")
        await session.send(Frame.Text("Hello World"))
        await session.send(Frame.Binary(b"\x00\x01"))
        for _ in range(3):
            match await session.incoming.receive():
                case Frame.Text() as frame:
                    received.append(frame.read_text())
                case Frame.Binary() as frame:
                    received.append(frame.read_bytes())
    assert received == ["Hello, Text frame", "Hello World", b"\x00\x01"]
    assert await session.close_reason == CloseReason(1000, "")


@promise("outcome", "a network")
async def nobody_listening_is_a_connect_error(client, far):
    await raised(ConnectError, client.websocket_session(far.dead))


@promise("outcome", "telling what is wrong with an answer")
async def an_end_instead_of_an_answer_is_a_lost_handshake(client, far):
    visit = far.visit("hang-up")
    await raised(HandshakeLostError, client.websocket_session(visit.url))


@promise("outcome", "telling what is wrong with an answer")
async def an_answer_that_is_not_http_is_an_invalid_handshake(client, far):
    visit = far.visit("no-http")
    await raised(InvalidHandshakeError, client.websocket_session(visit.url))


@promise("outcome", "telling what is wrong with an answer")
async def an_answer_to_another_key_is_an_invalid_handshake(client, far):
    visit = far.visit("wrong-key")
    await raised(InvalidHandshakeError, client.websocket_session(visit.url))


@promise("outcome")
async def whatever_is_wrong_with_an_answer_it_is_one_typed_error(client, far):
    for path in ("hang-up", "refuse/403"):
        try:
            session = await client.websocket_session(far.visit(path).url)
        except (ConnectError, HandshakeError):
            continue
        raise AssertionError(f"{path} gave {session!r}")


@promise("outcome", open_timeout=SOON)
async def a_server_that_never_answers_is_left_after_the_open_timeout(client, far):
    visit = far.visit("silent")
    error = await raised(OpenTimeoutError, client.websocket_session(visit.url))
    assert "timed out while" in str(error)
    assert "while starting" not in str(error)  # the engine has told its stage
    assert not (await visit.ended())["open"]


# refusal


@promise("refusal", "refusals")
async def a_refusal_carries_status_headers_and_body(client, far):
    visit = far.visit("refuse/403")
    error = await raised(HandshakeError, client.websocket_session(visit.url))
    assert error.response.status == 403
    assert error.response.headers["x-why"] == "no"
    assert error.response.body == b"shoo"


@promise("refusal", "refusals")
async def a_refusals_endless_body_is_cut(client, far):
    visit = far.visit("refuse/503", size=100_000)
    error = await raised(HandshakeError, client.websocket_session(visit.url))
    assert error.response.status == 503
    assert error.response.body == b"." * len(error.response.body)
    assert len(error.response.body) <= 16 * 1024


# request


@promise("request")
async def the_server_gets_the_path_and_the_query(client, far):
    visit = far.visit("echo/a%20b", x="%C3%A4%26")
    async with client.ws(visit.url):
        pass
    target = (await visit.ended())["target"]
    assert target.startswith("/echo/a%20b?visit=")
    assert target.endswith("&x=%C3%A4%26")


@promise("request", "headers")
async def the_server_gets_the_headers(client, far):
    visit = far.visit("echo")
    headers = {"Authorization": "Bearer secret", "X-Two": "2"}
    async with client.ws(visit.url, headers=headers):
        pass
    got = dict((await visit.ended())["headers"])
    assert {"authorization": "Bearer secret", "x-two": "2"}.items() <= got.items()


@promise("request", "response headers")
async def the_session_has_the_answers_headers(client, far):
    async with client.ws(far.visit("echo").url) as session:
        assert session.call.response.status == 101
        assert session.call.response.headers["x-far"] == "side"


@promise("request")
async def the_subprotocols_are_offered_in_order_and_one_is_chosen(client, far):
    visit = far.visit("echo", choose="second")
    async with client.ws(visit.url, subprotocols=["first", "second"]) as session:
        assert session.subprotocol == "second"
    headers = dict((await visit.ended())["headers"])
    offered = headers["sec-websocket-protocol"].replace(" ", "")
    assert offered == "first,second"


@promise("request", "opening without the subprotocol that was asked for")
async def a_server_may_choose_no_subprotocol(client, far):
    async with client.ws(far.visit("echo").url, subprotocols=["first"]) as session:
        assert session.subprotocol is None


@promise("request", "telling what is wrong with an answer")
async def a_subprotocol_that_was_not_offered_is_refused(client, far):
    visit = far.visit("echo", choose="third")
    opening = client.websocket_session(visit.url, subprotocols=["first"])
    await raised(InvalidHandshakeError, opening)
    await visit.ended()


# traces


@promise("traces")
async def a_refusal_leaves_nothing(client, far):
    tasks = asyncio.all_tasks()
    visit = far.visit("refuse/404")
    with contextlib.suppress(HandshakeError, ConnectError):
        await client.websocket_session(visit.url)
    assert not (await visit.ended())["open"]
    await until_no_task_is_left(tasks)


@promise("traces")
async def a_cancelled_opening_leaves_nothing(client, far):
    visit = far.visit("silent")
    tasks = asyncio.all_tasks()
    opening = asyncio.ensure_future(client.websocket_session(visit.url))
    await visit.asked()
    opening.cancel()
    await raised(asyncio.CancelledError, opening)
    assert not (await visit.ended())["open"]
    await until_no_task_is_left(tasks)


@promise("traces")
async def an_opening_cancelled_at_any_moment_opens_or_leaves_nothing(client, far):
    tasks = asyncio.all_tasks()
    opened, visits = 0, []
    for turns in range(0, 60, 5):
        visits.append(visit := far.visit("echo"))
        opening = asyncio.ensure_future(client.websocket_session(visit.url))
        for _ in range(turns):
            await asyncio.sleep(0)
        opening.cancel()
        try:
            session = await opening
        except asyncio.CancelledError:
            continue
        opened += 1
        session.cancel()
        await session.wait_closed()
    await until_no_task_is_left(tasks)
    for visit in visits:  # those that came so far as to be seen there
        if (await visit.now())["target"]:
            await visit.ended()
