"""Cookies: with servers that are not ours, and by the rules of RFC 6265."""

import contextlib
import http.cookiejar
import time
from http.cookiejar import MozillaCookieJar

import pytest
import websockets
from aiohttp import web

from ktorws import (
    AcceptAllCookiesStorage,
    Auth,
    BearerTokens,
    HandshakeError,
    HttpCookies,
    InvalidHandshakeError,
    MockEngine,
    bearer,
)
from ktorws.features._cookie_jar import MAX_COOKIES_OF_A_DOMAIN
from ktorws.features.redirect import HttpRedirect
from tests.certificates import server_context
from tests.network_fixtures import client
from tests.scripted import scripted, switching_protocols


def cookies_of(request):
    """What the request's octets say in ``Cookie``, sorted; None without one."""
    found = [
        line.partition(b":")[2].strip().decode()
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"cookie:")
    ]
    assert len(found) <= 1
    return sorted(found[0].split("; ")) if found else None


def setting(seen, answers):
    """A script: paths to ``(status, headers)``; status 101 opens a session."""

    async def script(peer):
        request = await peer.head()
        path = request.split(b" ")[1].decode()
        seen.append((path, cookies_of(request)))
        status, *lines = answers.get(path, (101,))
        headers = "".join(f"{line}\r\n" for line in lines).encode()
        if status == 101:
            await peer.send(switching_protocols(request, headers))
        else:
            await peer.send(
                b"HTTP/1.1 %d Something\r\n%sContent-Length: 0\r\n\r\n"
                % (status, headers)
            )
        with contextlib.suppress(OSError):
            await peer.rest()

    return script


async def visit(c, url, **options):
    session = await c.websocket_session(url, **options)
    session.cancel()
    return session


# Servers that are not ours.


async def test_a_cookie_of_one_handshake_with_websockets_is_sent_by_the_next():
    seen = []

    def answer(connection, request, response):
        seen.append(request.headers.get("Cookie"))
        response.headers["Set-Cookie"] = "session=abc; Path=/; HttpOnly"
        response.headers["Set-Cookie"] = "theme=dark; Path=/chat"

    async def silent(connection):
        await connection.wait_closed()

    async with websockets.serve(
        silent, "127.0.0.1", 0, process_response=answer
    ) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with client() as c:
            c.install(HttpCookies)
            for path in ("/", "/", "/chat/room"):
                async with c.ws(f"{url}{path}"):
                    pass
            storage = c.feature(HttpCookies).storage
            assert storage.get(f"{url}/chat") == {"theme": "dark", "session": "abc"}
    assert seen == [None, "session=abc", "theme=dark; session=abc"]


async def test_a_cookie_of_a_refusal_by_aiohttp_is_sent_by_the_next_handshake():
    seen = []

    async def handler(request):
        seen.append(dict(request.cookies))
        if "ticket" not in request.cookies:
            refusal = web.Response(status=403)
            refusal.set_cookie("ticket", "42", path="/", max_age=60)
            return refusal
        ws = web.WebSocketResponse()
        ws.del_cookie("ticket", path="/")
        await ws.prepare(request)
        await ws.close()
        return ws

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        async with client() as c:
            c.install(HttpCookies)
            with pytest.raises(HandshakeError):
                await visit(c, url)
            async with c.ws(url):
                pass
            assert c.feature(HttpCookies).storage.get(url) == {}
    finally:
        await runner.cleanup()
    assert seen == [{}, {"ticket": "42"}]


# Where they come from.


async def test_a_redirect_sets_a_cookie_for_where_it_leads():
    seen = []
    answers = {"/a": (302, "Location: /b", "Set-Cookie: n=1")}
    for order in ([HttpCookies], [HttpCookies, HttpRedirect]):
        seen.clear()
        async with scripted(setting(seen, answers)) as server:
            async with client(follow_redirects=len(order) == 1) as c:
                for feature in order:
                    c.install(feature)
                await visit(c, server.url("/a"))
        assert seen == [("/a", None), ("/b", ["n=1"])]


async def test_a_401_sets_a_cookie_for_the_request_with_credentials():
    seen = []

    async def script(peer):
        request = await peer.head()
        seen.append(cookies_of(request))
        if b"Authorization: Bearer fresh" in request:
            await peer.send(switching_protocols(request))
        else:
            await peer.send(
                b"HTTP/1.1 401 No\r\nSet-Cookie: n=1\r\nContent-Length: 0\r\n\r\n"
            )
        await peer.rest()

    for order in ("cookies auth", "auth cookies"):
        seen.clear()
        async with scripted(script) as server, client() as c:
            for name in order.split():
                if name == "cookies":
                    c.install(HttpCookies)
                else:
                    provider = bearer(
                        load_tokens=lambda: BearerTokens("stale"),
                        refresh_tokens=lambda old: BearerTokens("fresh"),
                    )
                    c.install(Auth, providers=[provider])
            await visit(c, server.url())
        assert seen == [None, ["n=1"]]


async def test_an_answer_that_breaks_the_handshake_sets_nothing():
    async def script(peer):
        await peer.head()
        await peer.send(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n"
            b"Set-Cookie: n=1\r\n\r\n"
        )
        await peer.rest()

    async with scripted(script) as server, client() as c:
        c.install(HttpCookies)
        with pytest.raises(InvalidHandshakeError):
            await visit(c, server.url())
        assert list(c.feature(HttpCookies).storage.jar) == []


# Where they go.


async def test_a_redirect_to_another_host_gets_its_own_cookies_and_no_others():
    seen, there = [], []
    async with scripted(setting(there, {"/": (101, "Set-Cookie: theirs=1")})) as other:
        url = other.url("/", host="localhost")
        answers = {"/a": (302, f"Location: {url}", "Set-Cookie: ours=secret")}
        async with scripted(setting(seen, answers)) as server, client() as c:
            c.install(HttpCookies)
            for _ in range(2):
                await visit(c, server.url("/a"), headers={"Cookie": "own=secret"})
    assert seen == [("/a", ["own=secret"]), ("/a", ["ours=secret", "own=secret"])]
    assert there == [("/", None), ("/", ["theirs=1"])]


async def test_a_cookie_of_the_callers_request_wins_over_the_jars():
    seen = []
    storage = AcceptAllCookiesStorage()
    async with scripted(setting(seen, {})) as server, client() as c:
        storage.add_cookie(server.url(), "a=jar")
        storage.add_cookie(server.url(), "b=jar")
        c.install(HttpCookies, storage=storage)
        await visit(c, server.url(), headers={"Cookie": "a=own"})
    assert seen == [("/", ["a=own", "b=jar"])]


async def test_a_secure_cookie_goes_over_tls_only():
    seen = []
    storage = AcceptAllCookiesStorage()
    script = setting(seen, {})
    async with scripted(script) as plain, scripted(script, ssl=server_context()) as tls:
        storage.add_cookie(tls.url(scheme="wss"), "a=1; Secure")
        storage.add_cookie(tls.url(scheme="wss"), "b=2")
        async with client() as c:
            c.install(HttpCookies, storage=storage)
            await visit(c, plain.url())
            await visit(c, tls.url(scheme="wss"))
    assert seen == [("/", ["b=2"]), ("/", ["a=1", "b=2"])]


HERE = "wss://a.example.org/x/y"


@pytest.mark.parametrize(
    ("cookie", "url", "sent"),
    [
        ("n=1", HERE, True),
        ("n=1", "wss://a.example.org:8443/x/", True),
        ("n=1", "wss://A.example.org/x/z?q=1", True),
        ("n=1", "wss://b.a.example.org/x/y", False),
        ("n=1", "wss://example.org/x/y", False),
        ("n=1; Domain=a.example.org", "wss://b.a.example.org/x/y", True),
        ("n=1; Domain=example.org", "wss://c.example.org/x/y", True),
        ("n=1; Domain=.example.org", "wss://example.org/x/y", True),
        ("n=1; Domain=example.org", "wss://badexample.org/x/y", False),
        ("n=1", "wss://a.example.org/x", True),
        ("n=1", "wss://a.example.org/xy", False),
        ("n=1", "wss://a.example.org/", False),
        ("n=1; Path=/", "wss://a.example.org/", True),
        ("n=1; Path=/other", "wss://a.example.org/other/z", True),
        ("n=1; Path=/other", "wss://a.example.org/others", False),
        ("n=1; Secure", "ws://a.example.org/x/y", False),
        ("n=1; Max-Age=60", HERE, True),
        ("n=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", HERE, True),
        ("n=1; Expires=Fri, 31 Dec 9999 23:59:59 GMT", HERE, True),
    ],
)
def test_a_cookie_is_sent_where_rfc_6265_says(cookie, url, sent):
    storage = AcceptAllCookiesStorage()
    storage.add_cookie(HERE, cookie)
    assert storage.get(url) == ({"n": "1"} if sent else {})


@pytest.mark.parametrize(
    ("url", "cookie"),
    [
        (HERE, "n=1; Domain=other.org"),
        (HERE, "n=1; Domain=b.example.org"),
        (HERE, "n=1; Domain=org"),
        ("wss://a.example.co.uk/", "n=1; Domain=co.uk"),
        ("wss://127.0.0.1/", "n=1; Domain=0.0.1"),
        ("wss://127.0.0.1/", "n=1; Domain=.1"),
        (HERE, "n=1; Max-Age=0"),
        (HERE, "n=" + "x" * 4096),
        (HERE, ""),
    ],
)
def test_what_a_server_may_not_set_is_not_stored(url, cookie):
    storage = AcceptAllCookiesStorage()
    with pytest.raises(ValueError, match=r"Not a cookie that wss://") as caught:
        storage.add_cookie(url, cookie)
    assert "n=" not in str(caught.value)
    storage._store(storage_url(url), [cookie])
    assert list(storage.jar) == []


def storage_url(url):
    from ktorws.features.cookies import _url

    return _url(url)


def test_a_cookie_of_an_address_stays_with_it():
    storage = AcceptAllCookiesStorage()
    storage.add_cookie("ws://10.0.0.1/", "n=1; Domain=10.0.0.1")
    storage.add_cookie("ws://[::1]:8080/", "m=1")
    assert storage.get("ws://10.0.0.1:81/") == {"n": "1"}
    assert storage.get("ws://110.0.0.1/") == {}
    assert storage.get("ws://[::1]/") == {"m": "1"}
    assert storage.get("ws://[::2]/") == {}


def test_a_cookie_expires(monkeypatch):
    storage = AcceptAllCookiesStorage()
    storage.add_cookie(HERE, "n=1; Max-Age=60")
    now = time.time()
    monkeypatch.setattr(http.cookiejar.time, "time", lambda: now + 59)
    assert storage.get(HERE) == {"n": "1"}
    monkeypatch.setattr(http.cookiejar.time, "time", lambda: now + 61)
    assert storage.get(HERE) == {}


def test_a_cookie_is_replaced_and_deleted_by_its_server():
    storage = AcceptAllCookiesStorage()
    storage.add_cookie(HERE, "n=1")
    storage.add_cookie(HERE, "n=2")
    assert storage.get(HERE) == {"n": "2"}
    storage._store(storage_url(HERE), ["n=; Max-Age=0"])
    assert storage.get(HERE) == {}


# The storage.


async def test_a_jar_of_the_standard_library_can_be_used_and_kept(tmp_path):
    seen = []
    path = str(tmp_path / "cookies.txt")
    script = setting(seen, {"/": (101, "Set-Cookie: kept=1; Max-Age=60")})
    async with scripted(script) as server:
        for _ in range(2):
            jar = MozillaCookieJar(path)
            with contextlib.suppress(FileNotFoundError):
                jar.load()
            async with client() as c:
                c.install(HttpCookies, storage=AcceptAllCookiesStorage(jar=jar))
                await visit(c, server.url())
            jar.save()
    assert seen == [("/", None), ("/", ["kept=1"])]


def test_a_server_cannot_fill_the_jar():
    storage = AcceptAllCookiesStorage()
    storage.add_cookie("wss://other.org/", "n=1")
    for start in range(0, 1000, 100):
        cookies = [f"c{n}=x" for n in range(start, start + 100)]
        storage._store(storage_url(HERE), cookies)
    assert len(storage.jar) == MAX_COOKIES_OF_A_DOMAIN + 1
    assert storage.get("wss://other.org/") == {"n": "1"}
    assert "c999" in storage.get(HERE)


def test_many_domains_cannot_fill_the_jar_either(monkeypatch):
    from ktorws.features import _cookie_jar

    monkeypatch.setattr(_cookie_jar, "MAX_COOKIES", 10)
    storage = AcceptAllCookiesStorage()
    for n in range(20):
        storage.add_cookie(f"wss://host{n}.example/", "n=1")
    assert len(storage.jar) == 10
    assert storage.get("wss://host19.example/") == {"n": "1"}


async def test_any_engine_will_do():
    async def script(peer):
        seen.append(peer.request.headers.get("Cookie"))
        peer.accept(headers={"Set-Cookie": "n=1"})
        await peer.wait_closed()

    seen = []
    async with MockEngine(script) as engine, client(engine) as c:
        c.install(HttpCookies)
        for _ in range(2):
            session = await c.websocket_session("wss://mock.test/")
            session.cancel()
    assert seen == [None, "n=1"]


def test_what_is_no_storage_is_refused_when_installed():
    with pytest.raises(TypeError, match="AcceptAllCookiesStorage"):
        client().install(HttpCookies, storage={})


def test_a_url_that_is_none_is_refused():
    with pytest.raises(ValueError, match="scheme"):
        AcceptAllCookiesStorage().get("https://example.org/")
