"""The CIO engine over real sockets: all the ways in which no session comes of it."""

import asyncio
import contextlib
import socket
import ssl

import aiohappyeyeballs
import pytest

from ktorws import (
    CIO,
    ConnectError,
    HandshakeError,
    HandshakeLostError,
    InvalidHandshakeError,
    OpenTimeoutError,
)
from ktorws.engines import _client_upgrade
from ktorws.engines.cio import default_context
from tests.certificates import client_context, server_context
from tests.network_fixtures import (
    SECURE,
    TRANSPORT,
    client,
    nothing_left,
    scheme_of,
    tls_of,
)
from tests.octets import TEXT, frame
from tests.scripted import (
    free_port,
    scripted,
    silent_listener,
    switching_protocols,
)

SOON = 0.1  # seconds; a limit that is meant to be reached


async def failure(url, error, *, engine=None, **options):
    """The error that opening this URL raises."""
    async with client(engine, **options) as c:
        with pytest.raises(error) as caught:
            await c.websocket_session(url)
    assert type(caught.value) is error
    return caught.value


async def failure_of(script, error, *, secure=False, transport="auto", **options):
    """The error that a session with this peer raises; nothing else may be left."""
    async with (
        nothing_left(),
        asyncio.timeout(5),
        scripted(script, **tls_of(secure)) as server,
    ):
        engine = CIO(ssl=client_context(), transport=transport)
        url = server.url(scheme=scheme_of(secure))
        return await failure(url, error, engine=engine, **options)


# Refusals.


@SECURE
@TRANSPORT
async def test_a_refusal_carries_status_headers_and_body(secure, transport):
    async def script(peer):
        await peer.head()
        await peer.send(
            b"HTTP/1.1 403 Forbidden\r\nX-Why: no\r\nContent-Length: 4\r\n\r\nshoo"
        )
        await peer.rest()

    error = await failure_of(script, HandshakeError, secure=secure, transport=transport)
    assert error.response.status == 403
    assert error.response.headers["x-why"] == "no"
    assert error.response.body == b"shoo"


async def test_a_refusals_body_may_come_later_than_its_head():
    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\n")
        await asyncio.sleep(0.01)
        await peer.send(b"shoo")
        await peer.rest()

    error = await failure_of(script, HandshakeError)
    assert error.response.body == b"shoo"


async def test_the_end_of_the_connection_ends_a_body_without_length():
    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 502 Bad Gateway\r\n\r\nsorry")
        peer.half_close()
        await peer.rest()

    error = await failure_of(script, HandshakeError)
    assert error.response.body == b"sorry"


@SECURE
async def test_an_endless_body_is_cut_off_at_once(secure):
    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                await peer.send(bytes(1024))

    error = await failure_of(script, HandshakeError, secure=secure)
    assert error.response.body == bytes(16 * 1024)


async def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(_client_upgrade, "BODY_TIMEOUT", 0.01)

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nonly")
        await peer.rest()

    error = await failure_of(script, HandshakeError)
    assert error.response.body == b"only"


async def test_a_200_is_a_refusal_too():
    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.rest()

    error = await failure_of(script, HandshakeError)
    assert "200 OK" in str(error)


# Answers that break a rule.


async def gone(peer):
    """Wait until we have left, which is a reset where the answer went on."""
    with contextlib.suppress(ConnectionResetError):
        await peer.rest()


def replacing(old, new):
    async def script(peer):
        answer = switching_protocols(await peer.head())
        assert old in answer
        await peer.send(answer.replace(old, new))
        await gone(peer)

    return script


def answering(octets):
    async def script(peer):
        await peer.head()
        await peer.send(octets)
        await gone(peer)

    return script


ACCEPT = b"Sec-WebSocket-Accept: "


@pytest.mark.parametrize(
    "script",
    [
        replacing(ACCEPT, ACCEPT + b"x"),
        replacing(ACCEPT, b"X-Accept: "),
        replacing(ACCEPT, ACCEPT + b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" + ACCEPT),
        replacing(b"Upgrade: websocket\r\n", b""),
        replacing(b"Upgrade: websocket", b"Upgrade: h2c"),
        replacing(b"Connection: Upgrade", b"Connection: close"),
        replacing(b"HTTP/1.1", b"HTTP/1.0"),
        replacing(b"\r\n", b"\n"),
        replacing(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: chat\r\n\r\n"),
        replacing(b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: x\r\n\r\n"),
        answering(b"HTTP/2 101 Switching Protocols\r\n\r\n"),
        answering(b"SSH-2.0-OpenSSH_9.2\r\n"),
        answering(b"\x15\x03\x01\x00\x02\x02\x46"),  # a TLS alert
        answering(b"HTTP/1.1 101 " + b"x" * 100_000),
        answering(b"HTTP/1.1 101 S\r\n" + b"X: x\r\n" * 200),
        answering(b"HTTP/1.1 101 S\r\nX: " + b"x" * 100_000),
        answering(b"HTTP/1.1 101 S\r\nX: a\x00b\r\n"),
        answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000),
    ],
)
async def test_an_answer_that_breaks_a_rule_is_no_refusal(script):
    await failure_of(script, InvalidHandshakeError)


@SECURE
@TRANSPORT
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 101 Switching Pro"])
@pytest.mark.parametrize("end", ["close", "half_close", "reset"])
async def test_a_connection_dropped_before_or_within_the_answer(
    end, sent, secure, transport
):
    if secure and end == "half_close":
        pytest.skip("TLS does not half-close")

    async def script(peer):
        await peer.head()
        await peer.send(sent)
        if end == "close":
            await peer.close()
        elif end == "reset":
            peer.reset()
        else:
            peer.half_close()
            await peer.rest()

    error = await failure_of(
        script, HandshakeLostError, secure=secure, transport=transport
    )
    assert error.response is None


async def test_a_connection_dropped_before_the_request_is_read():
    async def script(peer):
        peer.reset()

    async with nothing_left(), scripted(script) as server, client() as c:
        with pytest.raises((InvalidHandshakeError, ConnectError)):
            await c.websocket_session(server.url())


async def test_a_violation_right_behind_the_answer_fails_the_session_not_the_call():
    async def script(peer):
        await peer.accept(then=b"\x83\x00")
        first, payload = await peer.frame()
        assert (first, payload[:2]) == (0x88, b"\x03\xea")
        assert await peer.rest() == b""

    async with nothing_left(), scripted(script) as server, client() as c:
        session = await c.websocket_session(server.url())
        await session.wait_closed()


# Time limits.


async def test_a_silent_server_is_left_after_open_timeout():
    async def script(peer):
        await peer.rest()

    error = await failure_of(script, OpenTimeoutError, open_timeout=SOON)
    assert "waiting for the answer of 127.0.0.1" in str(error)
    assert "0.1 s" in str(error)


@SECURE
async def test_a_dripping_server_does_not_stretch_open_timeout(secure):
    async def script(peer):
        await peer.head()
        with contextlib.suppress(OSError):
            await peer.send(b"HTTP/1.1 101 ")
            while True:
                await peer.send(b"x")
                await asyncio.sleep(0.01)

    error = await failure_of(script, OpenTimeoutError, secure=secure, open_timeout=SOON)
    assert "waiting for the answer" in str(error)


@TRANSPORT
async def test_a_server_silent_in_the_tls_handshake_is_left(transport):
    async def script(peer):
        await peer.rest()

    async with nothing_left(), scripted(script) as server:
        engine = CIO(ssl=client_context(), transport=transport)
        url = server.url(scheme="wss")
        error = await failure(url, OpenTimeoutError, engine=engine, open_timeout=SOON)
    assert "agreeing on TLS with 127.0.0.1" in str(error)


async def test_connecting_has_a_limit_of_its_own():
    async with nothing_left(), silent_listener() as port:
        error = await failure(
            f"ws://127.0.0.1:{port}/", ConnectError, engine=CIO(connect_timeout=SOON)
        )
    assert f"connecting to 127.0.0.1 port {port}" in str(error)
    assert "0.1 s" in str(error)


async def test_connecting_without_a_limit_of_its_own_ends_with_open_timeout():
    async with nothing_left(), silent_listener() as port:
        error = await failure(
            f"ws://127.0.0.1:{port}/",
            OpenTimeoutError,
            engine=CIO(connect_timeout=None),
            open_timeout=SOON,
        )
    assert f"connecting to 127.0.0.1 port {port}" in str(error)


async def test_a_slow_name_server_is_within_the_limit(monkeypatch):
    async def never(*_, **__):
        await asyncio.Event().wait()

    async with nothing_left():
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", never)
        error = await failure("ws://slow.example/", OpenTimeoutError, open_timeout=SOON)
    assert "looking up slow.example" in str(error)


# No connection.


async def test_a_refused_port():
    port = free_port()
    async with nothing_left():
        error = await failure(f"ws://127.0.0.1:{port}/", ConnectError)
    assert f"connecting to 127.0.0.1 port {port}" in str(error)
    assert isinstance(error.__cause__, ConnectionRefusedError)


async def test_a_name_that_nobody_knows(monkeypatch):
    async def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with nothing_left():
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
        error = await failure("ws://nobody.example/", ConnectError)
    assert "looking up nobody.example" in str(error)
    assert isinstance(error.__cause__, socket.gaierror)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
async def test_a_name_that_no_name_server_can_be_asked_for(host):
    """Python's IDNA codec refuses it before any name server is asked."""
    error = await failure(f"ws://{host}/", ConnectError)
    assert f"looking up {host}" in str(error)


async def test_a_unix_socket_that_is_not_there(tmp_path):
    path = str(tmp_path / "absent")
    async with nothing_left():
        error = await failure("ws://x/", ConnectError, engine=CIO(unix_socket=path))
    assert path in str(error)


async def test_a_local_address_that_is_not_ours():
    async def script(peer):
        await peer.rest()

    async with nothing_left(), scripted(script) as server:
        engine = CIO(local_address=("192.0.2.1", 0))
        await failure(server.url(), ConnectError, engine=engine)


async def test_a_unix_socket_whose_backlog_is_full(tmp_path):
    """It is neither connected nor connecting then, and would seem writable."""
    path = str(tmp_path / "full")
    with socket.socket(socket.AF_UNIX) as server, contextlib.ExitStack() as waiting:
        server.bind(path)
        server.listen(0)
        with pytest.raises(BlockingIOError):
            for _ in range(10):
                sock = waiting.enter_context(socket.socket(socket.AF_UNIX))
                sock.setblocking(False)
                sock.connect(path)
        error = await failure("ws://x/", ConnectError, engine=CIO(unix_socket=path))
        assert "temporarily unavailable" in str(error)


async def test_the_system_giving_up_is_not_told_as_our_own_limit(monkeypatch):
    async def give_up(*_, **__):
        raise TimeoutError(110, "Connection timed out")

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", give_up)
    engine = CIO(local_address=("127.0.0.1", 0))  # so that aiohappyeyeballs connects
    error = await failure("ws://127.0.0.1:9/", ConnectError, engine=engine)
    assert "after 5.0 s" not in str(error)
    assert "Connection timed out" in str(error)


# TLS.


def speaking_tls(*names):
    async def script(peer):
        await peer.accept(then=frame(TEXT, b"hi"))
        await peer.rest()

    return scripted(script, ssl=server_context(*names))


async def refused_by_us(names, url_host, context, **engine):
    async with nothing_left(), speaking_tls(*names) as server:
        server.listener.get_loop().set_exception_handler(lambda *_: None)
        return await failure(
            server.url(scheme="wss", host=url_host),
            ConnectError,
            engine=CIO(ssl=context, **engine),
        )


@TRANSPORT
@pytest.mark.parametrize(
    ("names", "host"),
    [
        (("other.example",), "localhost"),
        (("127.0.0.2",), "127.0.0.1"),
        (("localhost",), "127.0.0.1"),  # a name does not stand for its address
    ],
)
async def test_a_certificate_for_another_host(names, host, transport):
    error = await refused_by_us(names, host, client_context(), transport=transport)
    assert f"agreeing on TLS with {host}" in str(error)
    assert isinstance(error.__cause__, ssl.SSLCertVerificationError)


@TRANSPORT
async def test_a_certificate_of_an_unknown_authority(transport):
    context = client_context("somebody else")
    error = await refused_by_us(
        ("localhost",), "localhost", context, transport=transport
    )
    assert isinstance(error.__cause__, ssl.SSLCertVerificationError)


async def test_the_default_context_does_not_know_the_authority_of_the_tests():
    error = await refused_by_us(("localhost",), "localhost", None)
    assert isinstance(error.__cause__, ssl.SSLCertVerificationError)


def test_the_default_context_verifies_certificates_and_host_names():
    context = default_context()
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert default_context() is context


async def opens(names, host, **engine):
    async with speaking_tls(*names) as server, client(CIO(**engine)) as c:
        session = await c.websocket_session(server.url(scheme="wss", host=host))
        received = await session.incoming.receive()
        session.cancel()
        return received.read_text() == "hi"


@TRANSPORT
async def test_an_address_is_verified_as_an_address(transport):
    context = client_context()
    assert await opens(("127.0.0.1",), "127.0.0.1", ssl=context, transport=transport)


@TRANSPORT
async def test_a_context_of_the_users_is_used_as_given(transport):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert await opens(
        ("other.example",), "localhost", ssl=context, transport=transport
    )


@TRANSPORT
async def test_server_hostname_is_asked_for_and_verified(transport):
    names = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    from tests.certificates import authority

    authority("tests").issue_cert("other.example").configure_cert(context)
    context.sni_callback = lambda _, name, __: names.append(name)

    async def script(peer):
        await peer.accept()
        await peer.rest()

    engine = CIO(
        ssl=client_context(), server_hostname="other.example", transport=transport
    )
    async with scripted(script, ssl=context) as server, client(engine) as c:
        session = await c.websocket_session(server.url(scheme="wss"))
        session.cancel()
    assert names == ["other.example"]


@TRANSPORT
async def test_plain_octets_where_tls_is_expected(transport):
    async def script(peer):
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await peer.rest()

    async with nothing_left(), scripted(script) as server:
        engine = CIO(ssl=client_context(), transport=transport)
        error = await failure(server.url(scheme="wss"), ConnectError, engine=engine)
    assert isinstance(error.__cause__, ssl.SSLError)


@TRANSPORT
@pytest.mark.parametrize("end", ["ends", "resets"])
async def test_a_peer_that_leaves_within_the_tls_handshake_is_told_of(transport, end):
    async def script(peer):
        await peer.read(100)
        if end == "resets":
            peer.reset()
        else:
            await peer.send(b"\x16\x03\x03\x00\x7a\x02")
            peer.half_close()
            await peer.rest()

    async with scripted(script) as server:
        engine = CIO(ssl=client_context(), transport=transport)
        error = await failure(server.url(scheme="wss"), ConnectError, engine=engine)
    what = "the peer ended the connection" if end == "ends" else "reset by peer"
    assert str(error).startswith("Failed while agreeing on TLS with ")
    assert str(error).endswith(what)
    assert isinstance(error.__cause__, ConnectionResetError)
