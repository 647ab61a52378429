"""What a type checker makes of the public names; checked by mypy, run by nobody.

An ignored error that mypy does not find is an error: `warn_unused_ignores`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, assert_type

from ktorws import (
    CIO,
    AcceptAllCookiesStorage,
    AioHttp,
    Auth,
    BearerTokens,
    BrowserUserAgent,
    ChannelResult,
    ClientWebSocketSession,
    CloseReason,
    DefaultClientWebSocketSession,
    DefaultRequest,
    Deferred,
    Frame,
    Gap,
    HandshakeError,
    HttpClient,
    HttpCookies,
    HttpRequest,
    HttpResponse,
    HttpTimeout,
    Js,
    JsonConverter,
    Logging,
    LogLevel,
    Reconnect,
    UserAgent,
    WebSocketError,
    WebSockets,
    WebSocketSession,
    basic,
    bearer,
    bounded,
    testing,
)

if TYPE_CHECKING:
    from ktorws import Misspelt  # type: ignore[attr-defined] # noqa: F401
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
    HttpClient(AioHttp)
    HttpClient(AioHttp(preconfigured=client))  # type: ignore[arg-type]
    HttpClient(features=[WebSockets])  # type: ignore[list-item]


async def load() -> BearerTokens | None:
    return BearerTokens("a", refresh_token="b")


def refresh(old: BearerTokens | None) -> BearerTokens:
    return old or BearerTokens("a")


def more_features(client: HttpClient) -> None:
    client.install(Auth, providers=[bearer(load_tokens=load, refresh_tokens=refresh)])
    client.install(Auth, providers=[basic("a", "b", realm="c")])
    client.install(HttpCookies).install(BrowserUserAgent)
    client.install(HttpCookies, storage=AcceptAllCookiesStorage())
    client.install(HttpTimeout, connect_timeout=1.5, socket_timeout_millis=1500)
    client.install(UserAgent, agent="a")
    client.install(Logging, level=LogLevel.ALL, filter=lambda request: request.secure)
    assert_type(client.feature(HttpCookies).storage.get("ws://x/"), dict[str, str])
    client.ws(
        "ws://x/", request=lambda r: r.capabilities.update({"connect_timeout": 1})
    )

    client.install(Auth, provider=[])  # type: ignore[call-arg]
    client.install(Auth, providers=["basic"])  # type: ignore[list-item]
    client.install(HttpCookies, store=None)  # type: ignore[call-arg]
    client.install(HttpTimeout, connect_timeout_milis=1)  # type: ignore[call-arg]
    client.install(UserAgent, agents="a")  # type: ignore[call-arg]
    client.install(Logging, level="ALL")  # type: ignore[arg-type]
    client.install(Logging, sanitise_header=str.isupper)  # type: ignore[call-arg]
    client.install(BrowserUserAgent, agent="a")  # type: ignore[call-arg]
    bearer(load_token=load)  # type: ignore[call-arg]
    bearer(load_tokens=lambda: "token")  # type: ignore[arg-type, return-value]
    basic("a", "b", "c")  # type: ignore[call-arg]


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


async def reconnecting(client: HttpClient) -> None:
    client.install(Reconnect, initial=0.5, max_time=timedelta(hours=1), max_attempts=3)
    client.install(Reconnect, is_final=lambda error: isinstance(error, OSError))
    client.install(Reconnect, initail=1)  # type: ignore[call-arg]
    client.install(Reconnect, max_attempts="3")  # type: ignore[arg-type]

    async def url() -> str:
        return "ws://localhost/"

    async def subscribe(session: DefaultClientWebSocketSession, attempt: int) -> None:
        await session.send(str(attempt))

    async def handler(session: DefaultClientWebSocketSession, gap: Gap | None) -> int:
        return len(session.incoming) if gap is None else 0

    async def forgetful(session: DefaultClientWebSocketSession) -> None:
        await session.flush()

    async for connection in client.ws_reconnecting(url, on_connected=subscribe):
        connection.send("x")  # type: ignore[attr-defined]
        async with connection as (session, gap):
            assert_type(session, DefaultClientWebSocketSession)
            assert_type(gap, Gap | None)
            match gap:
                case Gap(offline=seconds, cause=cause):
                    assert_type(seconds, float)
                    assert_type(cause, WebSocketError)
    assert_type(await client.ws_reconnecting("ws://localhost/", block=handler), int)
    client.ws_reconnecting("ws://localhost/", block=forgetful)  # type: ignore[arg-type]
    client.ws_reconnecting("ws://localhost/", header={})  # type: ignore[call-arg]


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


async def tests_of_users(handler: testing.LocalServer) -> None:
    async def script(peer: testing.Peer) -> None:
        peer.send("text", b"data", Frame.Ping(b""))
        assert_type(await peer.receive(), Frame)

    testing.MockEngine(script)
    async with (
        testing.scripted_server(script) as server,
        testing.relay_to(server.url()) as relay,
    ):
        relay.drop(towards="client")
        relay.drop(towards="nobody")  # type: ignore[arg-type]
    async with handler as started:
        assert_type(started, testing.LocalServer)
