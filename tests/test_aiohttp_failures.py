"""The AioHttp engine: what is refused, and all the ways in which no session comes."""

import asyncio
import contextlib
import socket
import ssl
import subprocess
import sys

import aiohttp
import pytest

import ktorws
from ktorws import (
    AioHttp,
    ConnectError,
    HandshakeError,
    HandshakeLostError,
    InvalidHandshakeError,
    OpenTimeoutError,
)
from ktorws.engines import aiohttp as engine_module
from tests.certificates import client_context
from tests.network_fixtures import (
    SECURE,
    client,
    nothing_left,
    scheme_of,
    settled,
    tls_of,
)
from tests.scripted import free_port, scripted, silent_listener, switching_protocols
from tests.serving import made

SOON = 0.1  # seconds; a limit that is meant to be reached


def over_aiohttp(**options):
    return client(AioHttp(ssl=client_context()), **options)


async def failure(url, error, **options):
    """The error that opening this URL raises; nothing may be left."""
    async with nothing_left(), over_aiohttp(**options) as c:
        with pytest.raises(error) as caught:
            await c.websocket_session(url)
    assert type(caught.value) is error
    return caught.value


async def failure_of(script, error, *, secure=False, **options):
    async with asyncio.timeout(5), scripted(script, **tls_of(secure)) as server:
        return await failure(server.url(scheme=scheme_of(secure)), error, **options)


def answering(octets):
    async def script(peer):
        await peer.head()
        await peer.send(octets)
        await peer.rest()

    return script


def replacing(old, new):
    async def script(peer):
        answer = switching_protocols(await peer.head())
        assert old in answer
        await peer.send(answer.replace(old, new))
        await peer.rest()

    return script


# Refusals by the server.


@SECURE
async def test_a_refusal_carries_status_headers_and_body(secure):
    octets = b"HTTP/1.1 403 Nope\r\nX-Why: n\xf6\r\nContent-Length: 4\r\n\r\nshoo"
    error = await failure_of(answering(octets), HandshakeError, secure=secure)
    response = error.response
    assert (response.status, response.reason) == (403, "Nope")
    assert (response.version, response.body) == ("1.1", b"shoo")
    assert response.headers["x-why"] == "nö"
    assert "403 Nope" in str(error)


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
    monkeypatch.setattr(engine_module, "BODY_TIMEOUT", 0.05)
    octets = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nonly"
    error = await failure_of(answering(octets), HandshakeError)
    assert error.response.body == b"only"


async def test_a_redirect_is_left_to_the_client_and_its_credentials_at_home():
    seen = []

    async def away(peer):
        seen.append(await peer.head())
        location = f"http://localhost:{there.port}/"  # another origin
        lines = f"HTTP/1.1 302 Away\r\nLocation: {location}\r\nContent-Length: 0"
        await peer.send(f"{lines}\r\n\r\n".encode())
        await peer.rest()

    async def arrive(peer):
        seen.append(await peer.accept())
        await peer.frame()
        await peer.send(b"\x88\x02\x03\xe8")

    headers = {"Authorization": "Bearer secret", "Cookie": "a=secret"}
    async with scripted(arrive) as there, scripted(away) as here:
        async with over_aiohttp() as c, c.ws(here.url(), headers=headers) as session:
            assert session.call.request.host == "localhost"
    assert [head.count(b"secret") for head in seen] == [2, 0]


async def test_a_redirect_that_is_not_followed_is_a_refusal():
    octets = b"HTTP/1.1 302 Away\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
    error = await failure_of(answering(octets), HandshakeError, follow_redirects=False)
    assert error.response.headers["Location"] == "/b"


async def test_a_redirect_from_wss_to_ws_is_not_followed():
    octets = b"HTTP/1.1 302 X\r\nLocation: ws://localhost/\r\nContent-Length: 0\r\n\r\n"
    error = await failure_of(answering(octets), HandshakeError, secure=True)
    assert error.response.status == 302


# Answers that break a rule.

ACCEPT = b"Sec-WebSocket-Accept: "
END = b"\r\n\r\n"


@pytest.mark.parametrize(
    "script",
    [
        replacing(ACCEPT, ACCEPT + b"x"),
        replacing(ACCEPT, b"X-Accept: "),
        replacing(ACCEPT, ACCEPT + b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" + ACCEPT),
        replacing(b"Upgrade: websocket\r\n", b""),
        replacing(b"Connection: Upgrade", b"Connection: close"),
        replacing(b"HTTP/1.1", b"HTTP/1.0"),
        replacing(END, b"\r\nSec-WebSocket-Protocol: chat" + END),
        replacing(END, b"\r\nSec-WebSocket-Extensions: x" + END),
        answering(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
        answering(b"HTTP/1.1 101 " + b"x" * 100_000),
        answering(b"HTTP/1.1 101 S\r\nX: " + b"x" * 100_000),
    ],
)
async def test_an_answer_that_breaks_a_rule_is_no_refusal(script):
    await failure_of(script, InvalidHandshakeError)


@SECURE
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 101 Switching Pro"])
@pytest.mark.parametrize("end", ["close", "reset"])
async def test_a_connection_dropped_before_or_within_the_answer(end, sent, secure):
    async def script(peer):
        await peer.head()
        await peer.send(sent)
        await (peer.close() if end == "close" else asyncio.sleep(0))
        if end == "reset":
            peer.reset()

    error = await failure_of(script, HandshakeLostError, secure=secure)
    assert error.response is None


@pytest.mark.parametrize(
    "headers",
    [
        b"upgrade: WebSocket\r\nCONNECTION: keep-alive, Upgrade\r\n",
        b"Upgrade: websocket\r\nConnection: keep-alive\r\nConnection: Upgrade\r\n",
    ],
)
async def test_legal_spellings_that_aiohttp_s_own_websocket_refuses(headers):
    async def script(peer):
        answer = switching_protocols(await peer.head())
        standard = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        await peer.send(answer.replace(standard, headers) + b"\x81\x02ok")
        await peer.frame()
        await peer.send(b"\x88\x02\x03\xe8")

    async with scripted(script) as server, over_aiohttp() as c:
        async with c.ws(server.url()) as session:
            assert (await session.incoming.receive()).read_text() == "ok"


# No connection, and no time.


async def test_a_refused_port():
    port = free_port()
    error = await failure(f"ws://127.0.0.1:{port}/", ConnectError)
    assert f"127.0.0.1:{port}" in str(error)
    assert isinstance(error.__cause__, OSError)


async def test_a_name_that_nobody_knows(monkeypatch):
    async def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    error = await failure("ws://nobody.example/", ConnectError)
    assert "nobody.example" in str(error)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
async def test_a_name_that_no_name_server_can_be_asked_for(host):
    error = await failure(f"ws://{host}/", ConnectError)
    assert host in str(error)


async def test_a_certificate_of_an_unknown_authority():
    async def script(peer):
        await peer.accept()

    async with nothing_left(), scripted(script, **tls_of(True)) as server:
        server.listener.get_loop().set_exception_handler(lambda *_: None)
        for context in (client_context("somebody else"), None):
            async with client(AioHttp(ssl=context)) as c:
                with pytest.raises(ConnectError) as caught:
                    await c.websocket_session(server.url(scheme="wss"))
                cause = caught.value.__cause__
                assert isinstance(cause, ssl.SSLCertVerificationError)


@SECURE
async def test_a_silent_server_is_left_after_open_timeout(secure):
    async def script(peer):
        await peer.rest()

    error = await failure_of(script, OpenTimeoutError, secure=secure, open_timeout=SOON)
    assert "asking 127.0.0.1 through aiohttp" in str(error)
    assert "0.1 s" in str(error)


async def test_cancelling_leaves_nothing_at_any_stage(monkeypatch):
    async def cancelled(url, stage):
        opening = asyncio.create_task(c.websocket_session(url))
        await stage()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening

    asked = asyncio.Event()

    async def never(*_, **__):
        asked.set()
        await asyncio.Event().wait()

    async def script(peer):
        await peer.head()
        asked.set()
        await peer.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 10\r\n\r\nonly")
        await peer.rest()

    async with nothing_left(), over_aiohttp() as c:
        async with silent_listener() as port:
            await cancelled(f"ws://127.0.0.1:{port}/", lambda: asyncio.sleep(0.01))
        async with scripted(script) as server:
            await cancelled(server.url(), asked.wait)
            asked.clear()

            async def body_awaited():
                await asked.wait()
                await asyncio.sleep(0.01)

            await cancelled(server.url(), body_awaited)
            await settled(lambda: server.connections == 2)
        asked.clear()
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
        await cancelled("ws://slow.example/", asked.wait)


# What the engine does not take.


async def test_a_ready_made_socket_is_refused_by_name():
    async with made() as server, over_aiohttp() as c:
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            with pytest.raises(ValueError, match=r"AioHttp .* option sock"):
                await c.websocket_session("ws://localhost/", sock=sock)


async def test_a_header_that_would_not_arrive_as_it_is_is_refused_by_name():
    async with over_aiohttp() as c:
        with pytest.raises(ValueError, match="header X-Name: it is not ASCII") as no:
            await c.websocket_session("ws://localhost/", headers={"X-Name": "Jörg"})
    assert "Jörg" not in str(no.value)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"preconfigured": "a session"}, TypeError),
        ({"preconfigured": aiohttp.ClientSession}, TypeError),
        ({"ssl": True}, TypeError),
        ({"proxy": "http://127.0.0.1"}, TypeError),
    ],
)
def test_options_that_make_no_sense_are_refused(options, error):
    with pytest.raises(error):
        AioHttp(**options)


async def test_tls_of_two_is_one_too_many():
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ValueError, match="ssl"):
            AioHttp(preconfigured=session, ssl=client_context())


# The extra.


def run(code):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        timeout=25,
        check=False,
    )


def test_without_aiohttp_the_error_names_the_extra():
    done = run(
        "import sys; sys.modules['aiohttp'] = None\n"
        "import ktorws\n"
        "from ktorws import *\n"
        "from ktorws import AioHttp"
    )
    assert done.stderr.splitlines()[-1] == (
        "ModuleNotFoundError: The engine AioHttp needs aiohttp: "
        "pip install 'ktorws[aiohttp]'"
    )
    assert "line 4" in done.stderr


def test_a_name_that_the_package_has_not_is_an_attribute_error():
    with pytest.raises(AttributeError, match="AioHtttp"):
        _ = ktorws.AioHtttp
