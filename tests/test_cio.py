"""The CIO engine over real sockets: handshakes that succeed."""

import asyncio
import socket
import ssl

import pytest

from ktorws import (
    CIO,
    ClientWebSocketSession,
    ClosedReceiveChannelError,
    CloseReason,
    DefaultClientWebSocketSession,
    Frame,
)
from tests.certificates import client_context, server_context
from tests.network_fixtures import (
    SECURE,
    TRANSPORT,
    client,
    nothing_left,
    scheme_of,
    settled,
    tls_of,
)
from tests.octets import BINARY, CONTINUATION, PING, TEXT, close, frame
from tests.scripted import free_port, scripted, switching_protocols

HELLO = b"\x81\x05Hello"  # RFC 6455 §5.7


async def end(peer):
    """The server's part of a closing handshake that the client begins."""
    first, payload = await peer.frame()
    assert first == 0x88
    await peer.send(frame(8, payload))


async def greet(peer):
    await peer.accept(then=HELLO)
    await end(peer)


# Frames behind the handshake.


@SECURE
@TRANSPORT
async def test_frames_in_the_packet_of_the_answer_arrive(secure, transport):
    async def script(peer):
        await peer.accept(then=HELLO + frame(PING, b"?") + frame(BINARY, b"\x00"))
        assert await peer.frame() == (0x8A, b"?")
        await end(peer)

    async with (
        nothing_left(),
        scripted(script, **tls_of(secure)) as server,
        client(transport=transport) as c,
        c.ws(server.url(scheme=scheme_of(secure))) as session,
    ):
        assert await session.incoming.receive() == Frame.Text("Hello")
        assert await session.incoming.receive() == Frame.Binary(b"\x00")


@SECURE
@TRANSPORT
async def test_answer_frames_close_and_end_may_come_at_once(secure, transport):
    async def script(peer):
        request = await peer.head()
        octets = switching_protocols(request) + HELLO + close(1001, b"bye")
        peer._writer.write(octets)
        peer._writer.close()  # over TLS with close_notify

    async with (
        nothing_left(),
        scripted(script, **tls_of(secure)) as server,
        client(transport=transport) as c,
    ):
        session = await c.websocket_session(server.url(scheme=scheme_of(secure)))
        assert await session.incoming.receive() == Frame.Text("Hello")
        with pytest.raises(ClosedReceiveChannelError):
            await session.incoming.receive()
        assert await session.close_reason == CloseReason(1001, "bye")
        await session.wait_closed()


@SECURE
async def test_an_answer_in_single_octets_is_understood(secure):
    async def script(peer):
        octets = switching_protocols(await peer.head()) + HELLO
        for octet in octets:
            await peer.send(bytes([octet]))
            await asyncio.sleep(0)
        await end(peer)

    async with (
        scripted(script, **tls_of(secure)) as server,
        client() as c,
        c.ws(server.url(scheme=scheme_of(secure))) as session,
    ):
        assert await session.incoming.receive() == Frame.Text("Hello")


async def test_interim_responses_are_skipped():
    async def script(peer):
        answer = switching_protocols(await peer.head())
        await peer.send(
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer + HELLO
        )
        await end(peer)

    async with (
        scripted(script) as server,
        client() as c,
        c.ws(server.url()) as session,
    ):
        assert await session.incoming.receive() == Frame.Text("Hello")
        assert session.call.response.status == 101
        assert "Link" not in session.call.response.headers


@pytest.mark.parametrize(
    "headers",
    [
        b"upgrade: WebSocket\r\nCONNECTION: keep-alive, Upgrade\r\n",
        b"Upgrade:websocket\r\nConnection:upgrade\r\n",
        b"Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n",
    ],
)
async def test_legal_spellings_of_the_answer_are_accepted(headers):
    async def script(peer):
        request = await peer.head()
        standard = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        answer = switching_protocols(request).replace(standard, headers)
        await peer.send(answer + HELLO)
        await end(peer)

    async with (
        scripted(script) as server,
        client() as c,
        c.ws(server.url()) as session,
    ):
        assert await session.incoming.receive() == Frame.Text("Hello")


# What is sent.


async def test_the_request_is_as_it_should_be():
    requests = []

    async def script(peer):
        requests.append(await peer.accept())
        await end(peer)

    async with (
        scripted(script) as server,
        client() as c,
        c.ws(
            server.url("/a%20b?x=1"),
            headers={"Authorization": "Bearer secret", "X-Two": "2"},
            params={"y": "ä&"},
            subprotocols=["chat", "superchat"],
        ) as session,
    ):
        assert session.subprotocol is None
    lines = requests[0].split(b"\r\n")
    assert lines[0] == b"GET /a%20b?x=1&y=%C3%A4%26 HTTP/1.1"
    assert b"Host: 127.0.0.1:%d" % server.port in lines
    assert b"Authorization: Bearer secret" in lines
    assert b"X-Two: 2" in lines
    assert b"Upgrade: websocket" in lines
    assert b"Connection: Upgrade" in lines
    assert b"Sec-WebSocket-Version: 13" in lines
    assert b"Sec-WebSocket-Protocol: chat, superchat" in lines
    assert lines[-2:] == [b"", b""]


async def test_keys_differ_from_session_to_session():
    keys = set()

    async def script(peer):
        request = await peer.accept()
        keys.update(line for line in request.split(b"\r\n") if b"-Key: " in line)
        await end(peer)

    async with scripted(script) as server, client() as c:
        for _ in range(3):
            async with c.ws(server.url()):
                pass
    assert len(keys) == 3


async def test_frames_of_the_client_are_masked_with_keys_of_their_own():
    keys = []

    async def script(peer):
        await peer.accept()
        for _ in range(3):
            assert await peer.read(2) == b"\x81\x85"
            keys.append(await peer.read(4))
            await peer.read(5)
        await end(peer)

    async with (
        scripted(script) as server,
        client() as c,
        c.ws(server.url()) as session,
    ):
        for _ in range(3):
            await session.send("Hello")
    assert len(set(keys)) == 3


async def test_the_chosen_subprotocol_is_the_sessions():
    async def script(peer):
        await peer.accept(headers=b"Sec-WebSocket-Protocol: superchat\r\n")
        await end(peer)

    async with (
        scripted(script) as server,
        client() as c,
        c.ws(server.url(), subprotocols=["chat", "superchat"]) as session,
    ):
        assert session.subprotocol == "superchat"


async def test_the_session_knows_its_call():
    async def script(peer):
        await peer.accept(headers=b"X-Server: scripted\r\n")
        await end(peer)

    async with (
        scripted(script) as server,
        client() as c,
        c.ws(server.url("/x")) as session,
    ):
        assert session.call.request.target == "/x"
        assert session.call.response.status == 101
        assert session.call.response.headers["x-server"] == "scripted"


# Sessions.


async def test_a_default_session_gives_whole_messages():
    async def script(peer):
        await peer.accept(
            then=frame(TEXT, b"Hel", fin=False)
            + frame(PING, b"")
            + frame(CONTINUATION, b"lo")
        )
        assert await peer.frame() == (0x8A, b"")
        await end(peer)

    async with (
        scripted(script) as server,
        client() as c,
        c.ws(server.url()) as session,
    ):
        assert type(session) is DefaultClientWebSocketSession
        assert await session.incoming.receive() == Frame.Text("Hello")


async def test_a_raw_session_gives_every_frame_and_answers_nothing():
    async def script(peer):
        await peer.accept(
            then=frame(TEXT, b"Hel", fin=False)
            + frame(PING, b"?")
            + frame(CONTINUATION, b"lo")
            + close(1000)
        )
        assert await peer.frame() == (0x88, b"\x03\xe8")

    async with (
        scripted(script) as server,
        client() as c,
        c.ws_raw(server.url()) as session,
    ):
        assert type(session) is ClientWebSocketSession
        frames = [await session.incoming.receive() for _ in range(4)]
        assert [(type(f), f.fin, f.data) for f in frames] == [
            (Frame.Text, False, b"Hel"),
            (Frame.Ping, True, b"?"),
            (type(frames[2]), True, b"lo"),
            (Frame.Close, True, b"\x03\xe8"),
        ]
        with pytest.raises(ClosedReceiveChannelError):
            await session.incoming.receive()


# Where it connects to.


async def test_a_unix_socket_serves_any_host(tmp_path):
    path = str(tmp_path / "socket")
    requests = []

    async def script(peer):
        requests.append(await peer.accept(then=HELLO))
        await end(peer)

    async with (
        nothing_left(),
        scripted(script, path=path),
        client(CIO(unix_socket=path)) as c,
        c.ws("ws://any.example/") as session,
    ):
        assert await session.incoming.receive() == Frame.Text("Hello")
    assert b"Host: any.example\r\n" in requests[0]


async def test_tls_over_a_unix_socket_verifies_the_urls_host(tmp_path):
    path = str(tmp_path / "socket")
    engine = CIO(unix_socket=path, ssl=client_context())
    async with (
        scripted(greet, path=path, ssl=server_context("any.example")),
        client(engine) as c,
        c.ws("wss://any.example/") as session,
    ):
        assert await session.incoming.receive() == Frame.Text("Hello")


@SECURE
@TRANSPORT
async def test_a_ready_made_socket_is_used_and_closed_with_the_session(
    secure, transport
):
    async with (
        scripted(greet, **tls_of(secure)) as server,
        client(transport=transport) as c,
    ):
        sock = socket.create_connection(("127.0.0.1", server.port))
        url = f"{scheme_of(secure)}://localhost/"
        async with c.ws(url, sock=sock) as session:
            assert await session.incoming.receive() == Frame.Text("Hello")
        await settled(lambda: sock.fileno() == -1)


async def test_a_socket_that_is_no_plain_stream_is_refused():
    context = ssl.create_default_context()
    context.check_hostname = False
    with socket.socket() as plain, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        secure = context.wrap_socket(plain, do_handshake_on_connect=False)
        async with client() as c:
            with secure, pytest.raises(TypeError, match="SSLSocket"):
                await c.websocket_session("ws://localhost/", sock=secure)
            with pytest.raises(ValueError, match="SOCK_DGRAM"):
                await c.websocket_session("ws://localhost/", sock=datagrams)


async def test_the_local_address_is_where_it_connects_from():
    ports = []
    port = free_port()

    async def script(peer):
        ports.append(peer._writer.get_extra_info("peername"))
        await greet(peer)

    engine = CIO(local_address=("127.0.0.1", port))
    async with scripted(script) as server, client(engine) as c:
        async with c.ws(server.url()) as session:
            await session.incoming.receive()
    assert ports == [("127.0.0.1", port)]


async def test_a_dead_first_address_is_passed_over(monkeypatch):
    loop = asyncio.get_running_loop()
    ask = loop.getaddrinfo

    async def getaddrinfo(host, port, **options):
        """What a name server might say."""
        if host != "two.example":
            return await ask(host, port, **options)
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*kind, ("127.0.0.1", each)) for each in (free_port(), server.port)]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
    async with (
        nothing_left(),
        scripted(greet) as server,
        client() as c,
        c.ws("ws://two.example/") as session,
    ):
        assert await session.incoming.receive() == Frame.Text("Hello")


async def test_ipv6_is_spoken():
    requests = []

    async def script(peer):
        requests.append(await peer.accept(then=HELLO))
        await end(peer)

    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    async with (
        scripted(script, host="::1") as server,
        client() as c,
        c.ws(server.url(host="[::1]")) as session,
    ):
        assert await session.incoming.receive() == Frame.Text("Hello")
    assert b"Host: [::1]:%d\r\n" % server.port in requests[0]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"connect_timeout": 0}, ValueError),
        ({"connect_timeout": -1}, ValueError),
        ({"ssl": True}, TypeError),
        ({"unix_socket": "/x", "local_address": ("::1", 0)}, ValueError),
        ({"transport": "quic"}, ValueError),
        ({"conect_timeout": 1}, TypeError),
    ],
)
def test_options_that_make_no_sense_are_refused(options, error):
    with pytest.raises(error):
        CIO(**options)
