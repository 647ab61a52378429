"""Proxies: real ones between a client and a server."""

import asyncio
import base64
import contextlib
import re
import ssl

import pytest

from ktorws import (
    CIO,
    ConnectError,
    ConnectionLostError,
    HttpClient,
    ProxyBuilder,
    WebSocketChannelsConfig,
    WebSockets,
    bounded,
)
from tests.certificates import authority, client_context
from tests.network_fixtures import SECURE, TRANSPORT, nothing_left, scheme_of
from tests.proxying import (
    SECRET,
    USER,
    certificate_file,
    microsocks,
    pproxy,
    tinyproxy,
)
from tests.scripted import free_port, scripted
from tests.serving import made

KIND = pytest.mark.parametrize("kind", ["http", "https"])
ALL = "http+socks4+socks5"
CREDENTIALS = f"{USER}:{SECRET}@"
UNTRUSTED = re.compile(r"(over TLS,|TLS with localhost).*verify.failed", re.IGNORECASE)


@pytest.fixture
def to_proxy():
    """What a client trusts a proxy by; not the same as for a server."""
    return client_context("proxy")


def client(proxy, *, transport="auto", **options):
    engine = CIO(ssl=client_context(), proxy=proxy, transport=transport)
    return HttpClient(engine).install(WebSockets, **options)


async def converse(c, server, secure, *, host="localhost"):
    """A few messages both ways, one of them large, and an end in good order."""
    async with c.ws(f"{scheme_of(secure)}://{host}:{server.port}/echo") as session:
        for message in ("Hello", "x" * 3_000_000, "Bye"):
            sending = asyncio.ensure_future(session.send(message))
            got = await session.incoming.receive()
            assert got.read_text() == message
            await sending
    assert (await session.close_reason).code == 1000


# Each kind of proxy, each transport, TLS inside or not.


@SECURE
@TRANSPORT
@pytest.mark.parametrize("scheme", ["http", "socks4", "socks5", "socks5h"])
async def test_a_session_goes_through_a_proxy(scheme, transport, secure):
    async with nothing_left(), made(secure=secure) as server, pproxy(ALL) as port:
        async with client(f"{scheme}://127.0.0.1:{port}", transport=transport) as c:
            await converse(c, server, secure)


@SECURE
@TRANSPORT
async def test_a_session_goes_through_a_proxy_that_is_reached_by_tls(
    transport, secure, tmp_path, to_proxy
):
    certificate = certificate_file(tmp_path, "localhost")
    async with (
        nothing_left(),
        made(secure=secure) as server,
        pproxy("http+ssl", credentials=True, certificate=certificate) as port,
    ):
        url = f"https://{CREDENTIALS}localhost:{port}"
        proxy = ProxyBuilder.http(url, ssl=to_proxy)
        async with client(proxy, transport=transport) as c:
            await converse(c, server, secure)


@contextlib.asynccontextmanager
async def http_proxy(kind, folder):
    """A proxy that takes CONNECT, reached by TLS or not."""
    if kind == "http":
        async with pproxy("http") as port:
            yield f"http://127.0.0.1:{port}"
    else:
        certificate = certificate_file(folder, "localhost")
        async with pproxy("http+ssl", certificate=certificate) as port:
            url = f"https://localhost:{port}"
            yield ProxyBuilder.http(url, ssl=client_context("proxy"))


@SECURE
@TRANSPORT
@KIND
async def test_a_slow_reader_behind_a_proxy_gets_everything_in_order(
    kind, transport, secure, tmp_path
):
    async def flood(session):
        for number in range(200):
            await session.send(f"{number} " + "x" * 50_000)

    small = WebSocketChannelsConfig(incoming=bounded(4))
    number = 0
    async with made(secure=secure) as server, http_proxy(kind, tmp_path) as proxy:
        server.websocket("/flood")(flood)
        async with client(proxy, transport=transport, channels=small) as c:
            url = f"{scheme_of(secure)}://localhost:{server.port}/flood"
            async with c.ws(url) as session:
                async for frame in session.incoming:
                    assert frame.read_text().startswith(f"{number} ")
                    number += 1
                    if number % 50 == 0:
                        await asyncio.sleep(0.02)
    assert number == 200


@SECURE
@TRANSPORT
@KIND
async def test_a_cancelled_session_behind_a_proxy_leaves_nothing(
    kind, transport, secure, tmp_path
):
    async with made(secure=secure) as server, http_proxy(kind, tmp_path) as proxy:
        async with nothing_left(), client(proxy, transport=transport) as c:
            url = f"{scheme_of(secure)}://localhost:{server.port}/echo"
            session = await c.websocket_session(url)
            await session.send("x" * 500_000)
            session.cancel()
            await session.wait_closed()


@SECURE
@TRANSPORT
@KIND
async def test_a_proxy_that_dies_is_a_lost_connection(
    kind, transport, secure, tmp_path
):
    async with nothing_left(), made(secure=secure) as server:
        async with http_proxy(kind, tmp_path) as proxy:
            c = client(proxy, transport=transport)
            url = f"{scheme_of(secure)}://localhost:{server.port}/echo"
            session = await c.websocket_session(url)
            await session.send("Hello")
            await session.incoming.receive()
        with pytest.raises(ConnectionLostError):
            await session.incoming.receive()
        await c.close()


@SECURE
@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_needs_credentials_gets_them(scheme, secure):
    async with made(secure=secure) as server, pproxy(ALL, credentials=True) as port:
        async with client(f"{scheme}://{CREDENTIALS}127.0.0.1:{port}") as c:
            await converse(c, server, secure)


async def test_tinyproxy_takes_a_session_with_credentials(tmp_path):
    async with (
        made(secure=True) as server,
        tinyproxy(tmp_path, credentials=True) as port,
    ):
        async with client(f"http://{CREDENTIALS}127.0.0.1:{port}") as c:
            await converse(c, server, secure=True)


async def test_tinyproxy_takes_a_session_without_tls(tmp_path):
    async with made() as server, tinyproxy(tmp_path) as port:
        async with client(f"127.0.0.1:{port}") as c:
            await converse(c, server, secure=False)


@pytest.mark.parametrize("credentials", [False, True], ids=["open", "credentials"])
async def test_microsocks_takes_a_session(credentials):
    async with made(secure=True) as server, microsocks(credentials=credentials) as port:
        user = CREDENTIALS if credentials else ""
        async with client(f"socks5://{user}127.0.0.1:{port}") as c:
            await converse(c, server, secure=True)


# Refusals.


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("given", ["", f"{USER}:wr0ng@"], ids=["none", "wrong"])
async def test_a_proxy_that_gets_no_or_wrong_credentials_refuses(scheme, given):
    async with nothing_left(), pproxy(ALL, credentials=True) as port:
        async with client(f"{scheme}://{given}127.0.0.1:{port}") as c:
            with pytest.raises(ConnectError) as refused:
                await c.websocket_session(f"ws://127.0.0.1:{free_port()}/")
    assert f"asking {scheme}://127.0.0.1:{port} for 127.0.0.1" in str(refused.value)
    assert_hidden(refused.value, "wr0ng", USER)


async def test_tinyproxy_says_407(tmp_path):
    async with tinyproxy(tmp_path, credentials=True) as port:
        async with client(f"http://{USER}:wr0ng@127.0.0.1:{port}") as c:
            with pytest.raises(ConnectError, match=r"proxy refused: 40[17]") as refused:
                await c.websocket_session("ws://127.0.0.1:9/")
    assert_hidden(refused.value, "wr0ng", USER)


async def test_microsocks_says_that_credentials_are_wrong():
    async with microsocks(credentials=True) as port:
        async with client(f"socks5://{USER}:wr0ng@127.0.0.1:{port}") as c:
            with pytest.raises(ConnectError, match="proxy refused") as refused:
                await c.websocket_session("ws://127.0.0.1:9/")
    assert_hidden(refused.value, "wr0ng", USER)


async def test_a_target_that_the_proxy_cannot_reach_is_its_refusal(tmp_path):
    target = free_port()
    async with tinyproxy(tmp_path) as port, client(f"http://127.0.0.1:{port}") as c:
        with pytest.raises(ConnectError, match=f"port {target}: proxy refused: 50"):
            await c.websocket_session(f"ws://127.0.0.1:{target}/")


async def test_a_target_that_a_socks_proxy_cannot_reach_is_its_refusal():
    async with microsocks() as port, client(f"socks5://127.0.0.1:{port}") as c:
        with pytest.raises(ConnectError, match=r"proxy refused: .*refused"):
            await c.websocket_session(f"ws://127.0.0.1:{free_port()}/")


async def test_a_proxy_that_is_not_there_is_named():
    port = free_port()
    async with nothing_left(), client(f"http://{CREDENTIALS}127.0.0.1:{port}") as c:
        with pytest.raises(ConnectError, match="connecting to the proxy") as gone:
            await c.websocket_session("ws://target.invalid/")
    assert_hidden(gone.value, USER, SECRET)


async def test_the_certificate_of_a_proxy_is_verified(tmp_path, to_proxy):
    certificate = certificate_file(tmp_path, "elsewhere.example")
    async with nothing_left(), pproxy("http+ssl", certificate=certificate) as port:
        proxy = ProxyBuilder.http(f"https://localhost:{port}", ssl=to_proxy)
        async with client(proxy) as c:
            with pytest.raises(ConnectError, match=UNTRUSTED):
                await c.websocket_session("wss://target.invalid/")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_certificate_of_the_target_is_verified_behind_a_proxy(
    scheme, tmp_path, to_proxy
):
    certificate = certificate_file(tmp_path, "localhost") if scheme == "https" else None
    ssl_ = {"ssl": to_proxy} if scheme == "https" else {}
    kind = "http+ssl" if scheme == "https" else "http"
    async with (
        nothing_left(),
        made(secure=True) as server,
        pproxy(kind, certificate=certificate) as port,
    ):
        proxy = ProxyBuilder.http(f"{scheme}://localhost:{port}", **ssl_)
        async with HttpClient(CIO(ssl=to_proxy, proxy=proxy)) as c:
            c.install(WebSockets)
            with pytest.raises(ConnectError, match=UNTRUSTED):
                await c.websocket_session(f"wss://localhost:{server.port}/echo")


# Who sees what.


async def test_an_http_proxy_gets_the_name_and_nothing_that_is_the_targets():
    heard = []

    async def script(peer):
        heard.append(await peer.head())
        await peer.send(b"HTTP/1.0 403 No\r\n\r\n")

    async with scripted(script) as proxy:
        async with client(f"http://{CREDENTIALS}127.0.0.1:{proxy.port}") as c:
            for host in ("name.invalid", "[::1]"):
                with pytest.raises(ConnectError, match="proxy refused: 403 Forbidden"):
                    await c.websocket_session(
                        f"ws://{host}:81/echo",
                        headers={"Authorization": "Bearer t0ken", "Cookie": "a=b"},
                    )
    token = base64.b64encode(f"{USER}:{SECRET}".encode())
    assert heard == [
        b"CONNECT " + target + b" HTTP/1.1\r\n"
        b"Host: " + target + b"\r\n"
        b"Proxy-Authorization: Basic " + token + b"\r\n\r\n"
        for target in (b"name.invalid:81", b"[::1]:81")
    ]


async def test_a_socks4a_proxy_gets_the_name_and_the_user():
    """By hand: none of the programs here speaks SOCKS4a."""
    async with made() as server:

        async def script(peer):
            asked = b"\x04\x01" + server.port.to_bytes(2, "big") + b"\x00\x00\x00\x01"
            asked += b"user\x00name.invalid\x00"
            assert await peer.read(len(asked)) == asked
            await peer.send(b"\x00\x5a" + bytes(6))
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(await peer.head())
            await peer.send(await reader.readuntil(b"\r\n\r\n"))
            writer.close()

        async with scripted(script) as proxy:
            async with client(f"socks4a://user@127.0.0.1:{proxy.port}") as c:
                url = f"ws://name.invalid:{server.port}/echo"
                (await c.websocket_session(url)).cancel()


async def test_the_target_never_sees_what_is_the_proxys():
    requests = []

    async def script(peer):
        requests.append(await peer.accept())
        await peer.hold()

    async with scripted(script) as server, pproxy(ALL, credentials=True) as port:
        for scheme in ("http", "socks5"):
            async with client(f"{scheme}://{CREDENTIALS}127.0.0.1:{port}") as c:
                (await c.websocket_session(server.url())).cancel()
    assert len(requests) == 2
    for request in requests:
        assert b"proxy" not in request.lower()
        assert SECRET.encode() not in request


def assert_hidden(error, *secrets):
    """Neither the error nor what caused it shows any of these."""
    while error is not None:
        for secret in secrets:
            assert secret not in f"{error!r} {error}"
        error = error.__cause__ or error.__context__


# An SSLContext that aiofastnet cannot use.


async def test_a_context_that_is_not_safe_inside_is_not_used_with_aiofastnet(
    tmp_path, to_proxy
):
    logged = ssl.create_default_context()
    logged.load_verify_locations(cadata=authority_pem())
    logged.keylog_filename = str(tmp_path / "keys")
    certificate = certificate_file(tmp_path, "localhost")
    async with (
        made(secure=True) as server,
        pproxy("http+ssl", certificate=certificate) as port,
    ):
        proxy = ProxyBuilder.http(f"https://localhost:{port}", ssl=to_proxy)
        async with HttpClient(CIO(ssl=logged, proxy=proxy)) as c:
            await converse(c.install(WebSockets), server, secure=True)
        insisting = CIO(ssl=logged, proxy=proxy, transport="aiofastnet")
        async with HttpClient(insisting) as c:
            with pytest.raises(ValueError, match="keylog_filename"):
                await c.install(WebSockets).websocket_session(
                    f"wss://localhost:{server.port}/echo"
                )
    assert (tmp_path / "keys").stat().st_size


def authority_pem():
    return authority("tests").cert_pem.bytes().decode()
