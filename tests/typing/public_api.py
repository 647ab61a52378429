"""What a type checker makes of the public names; checked by mypy, run by nobody.

An ignored error that mypy does not find is an error: `warn_unused_ignores`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, assert_type

from ktorws import (
    CIO,
    ChannelResult,
    ClientWebSocketSession,
    CloseReason,
    DefaultClientWebSocketSession,
    DefaultRequest,
    Deferred,
    Frame,
    HandshakeError,
    HttpClient,
    HttpRequest,
    HttpResponse,
    Js,
    JsonConverter,
    WebSockets,
    WebSocketSession,
    bounded,
)

if TYPE_CHECKING:
    from ktorws.server import (
        DefaultWebSocketServerSession,
        WebSocketServer,
        WebSocketServerSession,
    )


def features(client: HttpClient) -> None:
    assert_type(client.install(WebSockets), HttpClient)
    client.install(WebSockets, ping_interval_millis=15_000, timeout_millis=15_000)
    client.install(WebSockets, ping_interval=timedelta(seconds=15), timeout=15)
    client.install(DefaultRequest, url="wss://example.org", headers={"X-A": "b"})
    assert_type(client.feature(WebSockets), WebSockets)
    assert_type(client.feature_or_none(WebSockets), WebSockets | None)

    client.install(WebSockets, ping_intervall=20)  # type: ignore[call-arg]
    client.install(WebSockets, ping_interval="20")  # type: ignore[arg-type]
    client.install(WebSockets, channels=bounded(5))  # type: ignore[arg-type]
    client.install(WebSockets, content_converter=JsonConverter)  # type: ignore[arg-type]
    client.install(WebSockets(ping_interval=20))  # type: ignore[arg-type]
    client.install(CIO)  # type: ignore[arg-type]
    HttpClient(Js)
    HttpClient("CIO")  # type: ignore[arg-type]
    HttpClient(CIO(connect_timeot=5))  # type: ignore[call-arg]
    HttpClient(features=[WebSockets])  # type: ignore[list-item]


async def opening(client: HttpClient) -> None:
    async with client.ws("ws://localhost/echo") as session:
        assert_type(session, DefaultClientWebSocketSession)
    async with client.wss(host="localhost", port=443, path="/") as session:
        assert_type(session, DefaultClientWebSocketSession)
    async with client.websocket(host="localhost", params={"n": 1}) as session:
        assert_type(session, DefaultClientWebSocketSession)
    async with client.ws_raw("ws://localhost/echo") as raw:
        assert_type(raw, ClientWebSocketSession)
    assert_type(
        await client.websocket_session("ws://localhost/"), DefaultClientWebSocketSession
    )
    assert_type(
        await client.websocket_raw_session("ws://localhost/"), ClientWebSocketSession
    )

    client.ws("ws://localhost/", header={"a": "b"})  # type: ignore[call-arg]
    client.ws("ws://localhost/", port="80")  # type: ignore[arg-type]
    with client.ws("ws://localhost/"):  # type: ignore[attr-defined]
        pass


async def blocks(client: HttpClient) -> None:
    async def handler(session: DefaultClientWebSocketSession) -> int:
        return len(session.incoming)

    async def raw_handler(session: WebSocketSession) -> str:
        return str(session)

    def no_handler(session: WebSocketSession) -> str:
        return str(session)

    assert_type(await client.ws("ws://localhost/", block=handler), int)
    assert_type(await client.ws_raw("ws://localhost/", block=raw_handler), str)
    client.ws("ws://localhost/", block=no_handler)  # type: ignore[arg-type]


async def sessions(session: DefaultClientWebSocketSession) -> None:
    await session.send("text")
    await session.send(b"bytes")
    await session.send(bytearray(b"bytes"))
    await session.send(memoryview(b"bytes"))
    await session.send(Frame.Text("text"))
    await session.send(5)  # type: ignore[arg-type]
    await session.send(None)  # type: ignore[arg-type]
    await session.close(1000)  # type: ignore[arg-type]
    await session.close(CloseReason(CloseReason.Codes.NORMAL, "bye"))

    assert_type(await session.incoming.receive(), Frame)
    assert_type(await session.incoming.receive_many(10), list[Frame])
    assert_type(await session.incoming.receive_catching(), ChannelResult[Frame])
    assert_type(session.incoming.try_receive(), ChannelResult[Frame])
    assert_type(session.outgoing.try_send("x"), ChannelResult[None])
    async for frame in session.incoming:
        assert_type(frame, Frame)

    assert_type(session.close_reason, Deferred[CloseReason])
    assert_type(await session.close_reason, CloseReason)
    assert_type(session.latency, float | None)
    assert_type(session.call.request, HttpRequest)
    assert_type(session.call.response, HttpResponse)
    assert_type(session.subprotocol, str | None)
    assert_type(await session.receive_deserialized(int), int)
    assert_type(await session.receive_deserialized(list[str]), list[str])
    session.ping_interval = timedelta(seconds=3)
    session.ping_interval = None
    session.timeout_millis = 500
    session.close_reason = None  # type: ignore[assignment, misc]


def frames(frame: Frame) -> str | bytes | CloseReason | None:
    match frame:
        case Frame.Text():
            assert_type(frame, Frame.Text)
            return frame.read_text()
        case Frame.Binary():
            frame.read_text()  # type: ignore[attr-defined]
            return frame.read_bytes()
        case Frame.Close():
            return frame.read_reason()
        case Frame.Ping() | Frame.Pong():
            return frame.data
        case _:
            return None


def payloads(text: Frame.Text) -> None:
    text.data = b""  # type: ignore[misc]
    Frame.Binary("text")  # type: ignore[arg-type]
    Frame.Text("text", False)  # type: ignore[call-arg]
    Frame.Close(1000)  # type: ignore[arg-type]


def refusals(error: HandshakeError) -> None:
    assert_type(error.response, HttpResponse | None)
    assert_type(error.close_reason, CloseReason | None)


def servers(server: WebSocketServer) -> None:
    @server.websocket("/echo", protocol="chat")
    async def echo(session: DefaultWebSocketServerSession) -> None:
        assert_type(session.call.request.path, str)

    @server.websocket_raw("/raw")
    async def raw(session: WebSocketServerSession) -> None:
        assert_type(await session.incoming.receive(), Frame)

    @server.websocket("/wrong")  # type: ignore[type-var]
    def no_coroutine(session: DefaultWebSocketServerSession) -> None:
        pass
