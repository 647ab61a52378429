"""The AioHttp engine with an aiohttp.ClientSession of the user's: what applies."""

import asyncio
import base64
import contextlib
import gc
import traceback

import aiohttp
import pytest
from aiohttp import web

from ktorws import (
    AioHttp,
    ConnectError,
    ConnectionLostError,
    Frame,
    HandshakeError,
    HttpClient,
    OpenTimeoutError,
    WebSockets,
)
from tests.certificates import client_context, server_context
from tests.network_fixtures import SECURE, client, nothing_left, scheme_of, tls_of
from tests.scripted import scripted
from tests.serving import made

HELLO = b"\x81\x05Hello"  # RFC 6455 §5.7
SOON = 0.1  # seconds; a limit that is meant to be reached


async def greet(peer):
    await peer.accept(then=HELLO)
    assert (await peer.frame())[0] == 0x88
    await peer.send(b"\x88\x02\x03\xe8")


async def answer_in_words(peer):
    await peer.head()
    await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nword")
    await peer.rest()


@contextlib.asynccontextmanager
async def serving(handler):
    """A server of aiohttp's."""
    app = web.Application()
    app.router.add_get("/{any:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def noting(requests, cookie=None):
    """Opens a session, and keeps the request's headers."""

    async def handler(request):
        requests.append(request.headers)
        response = web.WebSocketResponse()
        if cookie is not None:
            response.set_cookie(*cookie)
        await response.prepare(request)
        async for message in response:
            await response.send_str(message.data)
        return response

    return handler


async def test_a_cookie_set_by_one_handshake_is_sent_by_the_next():
    requests = []
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address, too
    async with (
        serving(noting(requests, ("seat", "okhttp"))) as port,
        aiohttp.ClientSession(cookie_jar=jar) as session,
        client(AioHttp(preconfigured=session)) as c,
    ):
        for _ in range(2):
            async with c.ws(host="127.0.0.1", port=port):
                pass
    assert [request.get("Cookie") for request in requests] == [None, "seat=okhttp"]


async def test_without_a_preconfigured_session_no_cookie_is_kept():
    requests = []
    async with (
        serving(noting(requests, ("seat", "okhttp"))) as port,
        client(AioHttp()) as c,
    ):
        for _ in range(2):
            async with c.ws(host="localhost", port=port):
                pass
    assert [request.get("Cookie") for request in requests] == [None, None]


async def test_headers_of_the_session_and_of_the_request_are_sent_with_a_handshake():
    requests = []
    async with (
        serving(noting(requests)) as port,
        aiohttp.ClientSession(
            headers={
                "Authorization": "Basic bWU6c2VjcmV0",
                "X-One": "session",
                "X-Two": "session",
            },
            cookies={"a": "1"},
        ) as session,
        client(AioHttp(preconfigured=session)) as c,
        c.ws(
            host="localhost",
            port=port,
            path="/a%20b?x=1",
            params={"y": "ä&"},
            headers={"X-Two": "request"},
            subprotocols=["chat", "superchat"],
        ) as opened,
    ):
        assert opened.subprotocol is None
    (headers,) = requests
    assert headers["Authorization"] == "Basic bWU6c2VjcmV0"
    assert (headers["X-One"], headers.getall("X-Two")) == ("session", ["request"])
    assert headers["Cookie"] == "a=1"
    assert headers["Sec-WebSocket-Protocol"] == "chat, superchat"
    assert headers["Host"] == f"localhost:{port}"
    assert opened.call.request.target == "/a%20b?x=1&y=%C3%A4%26"


async def test_tls_is_the_session_s():
    async def opened(engine, server):
        async with (
            client(engine) as c,
            c.ws(server.url(scheme="wss", host="localhost")) as session,
        ):
            return await session.incoming.receive()

    async with nothing_left(), scripted(greet, ssl=server_context()) as server:
        connector = aiohttp.TCPConnector(ssl=client_context())
        async with aiohttp.ClientSession(connector=connector) as session:
            engine = AioHttp(preconfigured=session)
            assert await opened(engine, server) == Frame.Text("Hello")


async def test_a_connector_for_unix_sockets_is_one_too(tmp_path):
    path = str(tmp_path / "socket")
    connector = aiohttp.UnixConnector(path)
    async with (
        nothing_left(),
        scripted(greet, path=path),
        aiohttp.ClientSession(connector=connector) as session,
        client(AioHttp(preconfigured=session)) as c,
        c.ws("ws://any.example/") as opened,
    ):
        assert await opened.incoming.receive() == Frame.Text("Hello")


# Proxies.


class Proxy:
    """An HTTP proxy that knows CONNECT, and one user."""

    def __init__(self):
        self.asked = []

    async def script(self, peer):
        head = await peer.head()
        self.asked.append(head.split(b" ")[1].decode())
        token = base64.b64encode(b"me:open sesame")
        if b"Proxy-Authorization: Basic " + token not in head:
            await peer.send(
                b"HTTP/1.1 407 Proxy Authentication Required\r\n"
                b'Proxy-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
            )
            return
        port = int(self.asked[-1].partition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(
            self._pump(reader, peer._writer), self._pump(peer._reader, writer)
        )

    async def _pump(self, reader, writer):
        with contextlib.suppress(OSError):
            while octets := await reader.read(65536):
                writer.write(octets)
        writer.close()


@pytest.mark.parametrize("password", ["open sesame", "guessed"])
async def test_a_proxy_with_credentials_leads_to_tls_behind_it(password):
    proxy = Proxy()
    async with (
        nothing_left(),
        made(secure=True) as server,
        scripted(proxy.script) as front,
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=client_context()),
            proxy=f"http://me:{password}@127.0.0.1:{front.port}",
        ) as session,
        client(AioHttp(preconfigured=session)) as c,
    ):
        port = server.port
        url = f"wss://localhost:{port}/echo"
        if password == "guessed":
            with pytest.raises(ConnectError, match="407") as caught:
                await c.websocket_session(url)
            shown = "".join(traceback.format_exception(caught.value))
            assert password not in shown
        else:
            async with c.ws(url) as opened:
                await opened.send("through")
                assert (await opened.incoming.receive()).read_text() == "through"
    assert proxy.asked == [f"localhost:{port}"]


async def test_a_proxy_that_is_not_there():
    async with (
        nothing_left(),
        aiohttp.ClientSession(proxy="http://127.0.0.1:9") as session,
        client(AioHttp(preconfigured=session)) as c,
    ):
        with pytest.raises(ConnectError):
            await c.websocket_session("wss://localhost/")


# Whose the session is.


async def test_the_session_stays_open_and_useful():
    async with nothing_left(), aiohttp.ClientSession() as session:
        async with scripted(greet) as server, made() as echo:
            async with HttpClient(AioHttp(preconfigured=session)) as c:
                c.install(WebSockets)
                async with c.ws(server.url()) as opened:
                    await opened.incoming.receive()
                await c.engine.close()
            assert not session.closed
            url = f"http://127.0.0.1:{echo.port}/echo"
            async with session.get(url) as answer:
                assert answer.status == 400  # it wants an upgrade


@SECURE
async def test_closing_the_session_ends_what_was_opened_through_it(secure):
    async def script(peer):
        await peer.accept(then=HELLO)
        await peer.rest()

    connector = aiohttp.TCPConnector(ssl=client_context())
    async with nothing_left(), scripted(script, **tls_of(secure)) as server:
        session = aiohttp.ClientSession(connector=connector)
        async with client(AioHttp(preconfigured=session)) as c:
            opened = await c.websocket_session(server.url(scheme=scheme_of(secure)))
            async with asyncio.timeout(5):
                await session.close()
            assert await opened.incoming.receive() == Frame.Text("Hello")
            with pytest.raises(ConnectionLostError):
                await opened.incoming.receive()


async def test_a_session_that_is_closed_opens_nothing():
    session = aiohttp.ClientSession()
    await session.close()
    async with client(AioHttp(preconfigured=session)) as c:
        with pytest.raises(RuntimeError, match="closed"):
            await c.websocket_session("ws://127.0.0.1/")


async def test_a_place_in_the_connector_is_given_back_at_the_end():
    connector = aiohttp.TCPConnector(limit=1)
    async with (
        nothing_left(),
        made() as server,
        aiohttp.ClientSession(connector=connector) as session,
        client(AioHttp(preconfigured=session), open_timeout=SOON) as c,
    ):
        url = f"ws://127.0.0.1:{server.port}/echo"
        for _ in range(3):
            async with c.ws(url):
                with pytest.raises(OpenTimeoutError):  # it has one place
                    await c.websocket_session(url)


async def test_a_session_of_aiohttp_s_that_raises_for_a_status_is_no_different():
    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 403 No\r\nContent-Length: 4\r\n\r\nshoo")
        await peer.rest()

    async with (
        nothing_left(),
        scripted(script) as server,
        aiohttp.ClientSession(raise_for_status=True) as session,
        client(AioHttp(preconfigured=session)) as c,
    ):
        with pytest.raises(HandshakeError) as caught:
            await c.websocket_session(server.url())
        assert caught.value.response.body == b"shoo"


async def test_a_time_limit_of_the_session_is_told_as_one():
    async def script(peer):
        await peer.rest()

    limits = aiohttp.ClientTimeout(total=SOON)
    async with (
        nothing_left(),
        scripted(script) as server,
        aiohttp.ClientSession(timeout=limits) as session,
        client(AioHttp(preconfigured=session)) as c,
    ):
        with pytest.raises(OpenTimeoutError, match="limit of aiohttp's"):
            await c.websocket_session(server.url())


async def test_the_time_limits_of_the_session_are_for_the_handshake_only():
    async def script(peer):
        await peer.accept(then=HELLO)
        await asyncio.sleep(3 * SOON)
        await peer.send(HELLO)
        await peer.frame()
        await peer.send(b"\x88\x02\x03\xe8")

    limits = aiohttp.ClientTimeout(total=SOON, sock_read=SOON)
    async with (
        nothing_left(),
        scripted(script) as server,
        aiohttp.ClientSession(timeout=limits) as session,
        client(AioHttp(preconfigured=session)) as c,
        c.ws(server.url()) as opened,
    ):
        for _ in range(2):
            assert await opened.incoming.receive() == Frame.Text("Hello")


async def test_nothing_is_left_that_python_would_warn_of():
    """Warnings are errors here; aiohttp warns when it finds what nobody closed."""
    async with nothing_left(), made() as server:
        for _ in range(2):
            engine = AioHttp(ssl=client_context())
            async with HttpClient(engine) as c:
                c.install(WebSockets)
                async with c.ws(f"ws://127.0.0.1:{server.port}/echo"):
                    pass
                with pytest.raises(HandshakeError):
                    await c.websocket_session(f"ws://127.0.0.1:{server.port}/absent")
            del c, engine
            gc.collect()
