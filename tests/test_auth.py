"""Authentication: against servers that are not ours, and octet by octet."""

import asyncio
import contextlib
import logging
import traceback

import pytest
import websockets
from aiohttp import web
from websockets.asyncio.server import basic_auth

from ktorws import (
    Auth,
    AuthProvider,
    BearerTokens,
    DefaultRequest,
    HandshakeError,
    HttpClientFeature,
    MockEngine,
    OpenTimeoutError,
    basic,
    bearer,
)
from ktorws.features._challenge import challenges
from ktorws.features.redirect import HttpRedirect
from tests.network_fixtures import client, nothing_left, settled
from tests.scripted import scripted, switching_protocols

SECRET = "s3cret-t0ken"


def header(request, name):
    """The value of a header in a request's octets, or None."""
    for line in request.split(b"\r\n"):
        found, _, value = line.partition(b":")
        if found.lower() == name.lower().encode():
            return value.strip().decode()
    return None


def guarded(seen, *, accept, challenge="Bearer"):
    """A script that refuses with 401 whoever has not this authorization."""

    async def script(peer):
        request = await peer.head()
        seen.append(header(request, "Authorization"))
        if seen[-1] in accept:
            await peer.send(switching_protocols(request))
        else:
            lines = [f"WWW-Authenticate: {challenge}\r\n"] if challenge else []
            await peer.send(
                b"HTTP/1.1 401 Unauthorized\r\n"
                + "".join(lines).encode()
                + b"Content-Length: 0\r\n\r\n"
            )
        with contextlib.suppress(OSError):
            await peer.rest()

    return script


async def visit(c, url, **options):
    session = await c.websocket_session(url, **options)
    session.cancel()
    return session


def with_tokens(*tokens, **options):
    """A bearer whose tokens are these, one after the other."""
    left = [BearerTokens(token, f"refresh {token}") for token in tokens]
    asked = []

    async def refresh(old):
        asked.append(old)
        await asyncio.sleep(0)
        return left.pop(0) if left else None

    return bearer(
        load_tokens=lambda: left.pop(0), refresh_tokens=refresh, **options
    ), asked


# Servers that are not ours.


async def test_a_401_of_websockets_is_refreshed_and_retried():
    valid, seen = {"Bearer fresh"}, []

    def check(connection, request):
        seen.append(request.headers.get("Authorization"))
        if seen[-1] not in valid:
            refusal = connection.respond(401, "Who are you?\n")
            refusal.headers["WWW-Authenticate"] = 'Bearer realm="api"'
            return refusal
        return None

    async def echo(connection):
        async for message in connection:
            await connection.send(message)

    async with websockets.serve(echo, "127.0.0.1", 0, process_request=check) as server:
        async with client() as c:
            provider, asked = with_tokens("stale", "fresh")
            c.install(Auth, providers=[provider])
            port = server.sockets[0].getsockname()[1]
            for _ in range(2):
                async with c.ws(host="127.0.0.1", port=port) as session:
                    await session.send("Hello")
                    assert (await session.incoming.receive()).read_text() == "Hello"
    assert seen == ["Bearer stale", "Bearer fresh", "Bearer fresh"]
    assert asked == [BearerTokens("stale", "refresh stale")]


async def test_a_401_of_aiohttp_is_refreshed_and_retried():
    seen = []

    async def handler(request):
        seen.append(request.headers.get("Authorization"))
        if seen[-1] != "Bearer fresh":
            raise web.HTTPUnauthorized(headers={"WWW-Authenticate": "Bearer"})
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        async for message in ws:
            await ws.send_str(message.data)
        return ws

    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    try:
        async with client() as c:
            provider, _ = with_tokens("stale", "fresh")
            c.install(Auth, providers=[provider])
            async with c.ws(host="127.0.0.1", port=port) as session:
                await session.send("Hello")
                assert (await session.incoming.receive()).read_text() == "Hello"
    finally:
        await runner.cleanup()
    assert seen == ["Bearer stale", "Bearer fresh"]


async def test_basic_credentials_answer_the_challenge_of_websockets():
    check = basic_auth(realm="there", credentials=("Jörg", "pass:wörd"))

    async def say_who(connection):
        await connection.send(connection.username)

    async with websockets.serve(
        say_who, "127.0.0.1", 0, process_request=check
    ) as server:
        port = server.sockets[0].getsockname()[1]
        async with client() as c:
            c.install(Auth, providers=[basic("Jörg", "pass:wörd", realm="there")])
            async with c.ws(host="127.0.0.1", port=port) as session:
                assert (await session.incoming.receive()).read_text() == "Jörg"
        async with client() as c:
            c.install(Auth, providers=[basic("Jörg", "wrong")])
            with pytest.raises(HandshakeError) as caught:
                await visit(c, f"ws://127.0.0.1:{port}/")
            assert caught.value.response.status == 401


# How often, and with what.


async def test_what_is_refused_again_after_a_refresh_is_raised():
    seen = []
    provider, asked = with_tokens("a", "b", "c")
    script = guarded(seen, accept=())
    async with nothing_left(), scripted(script) as server, client() as c:
        c.install(Auth, providers=[provider])
        with pytest.raises(HandshakeError) as caught:
            await visit(c, server.url())
    assert caught.value.response.status == 401
    assert seen == ["Bearer a", "Bearer b"]
    assert len(asked) == 1


@pytest.mark.parametrize("status", [400, 403, 407, 500])
async def test_only_401_asks_for_credentials(status):
    provider, asked = with_tokens("a", "b")

    async def script(peer):
        await peer.head()
        await peer.send(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
        await peer.rest()

    async with scripted(script) as server, client() as c:
        c.install(Auth, providers=[provider])
        with pytest.raises(HandshakeError):
            await visit(c, server.url())
        assert server.connections == 1
    assert asked == []


async def test_no_new_tokens_raise_the_refusal_and_are_loaded_anew_next_time():
    seen, left = [], ["stale", "loaded-anew"]
    script = guarded(seen, accept={"Bearer loaded-anew"})
    async with scripted(script) as server, client() as c:
        c.install(
            Auth,
            providers=[
                bearer(
                    load_tokens=lambda: BearerTokens(left.pop(0)),
                    refresh_tokens=lambda old: None,
                )
            ],
        )
        with pytest.raises(HandshakeError):
            await visit(c, server.url())
        await visit(c, server.url())
    assert seen == ["Bearer stale", "Bearer loaded-anew"]


async def test_tokens_that_are_not_there_yet_are_made_when_they_are_asked_for():
    seen, asked = [], []

    def refresh(old):
        asked.append(old)
        return BearerTokens("first")

    script = guarded(seen, accept={"Bearer first"})
    async with scripted(script) as server, client() as c:
        provider = bearer(load_tokens=lambda: None, refresh_tokens=refresh)
        c.install(Auth, providers=[provider])
        await visit(c, server.url())
    assert (seen, asked) == ([None, "Bearer first"], [None])


async def test_a_token_can_wait_until_it_is_asked_for_and_is_renewed_then_too():
    seen = []
    provider, _ = with_tokens("stale", "fresh", send_without_request=False)
    async with scripted(guarded(seen, accept={"Bearer fresh"})) as server:
        async with client() as c:
            c.install(Auth, providers=[provider])
            await visit(c, server.url())
    assert seen == [None, "Bearer stale", "Bearer fresh"]


@pytest.mark.parametrize(
    ("send", "expected"),
    [
        (True, ["Basic dTpw"]),
        (False, [None, "Basic dTpw"]),
        (lambda request: request.target == "/", ["Basic dTpw"]),
        (lambda request: request.host == "other", [None, "Basic dTpw"]),
    ],
)
async def test_who_gets_credentials_unasked_can_be_chosen(send, expected):
    seen = []
    script = guarded(seen, accept={"Basic dTpw"}, challenge="Basic")
    async with scripted(script) as server, client() as c:
        c.install(Auth, providers=[basic("u", "p", send_without_request=send)])
        await visit(c, server.url())
    assert seen == expected


async def test_cleared_tokens_are_loaded_anew():
    seen = []
    provider, _ = with_tokens("a", "b")
    script = guarded(seen, accept={"Bearer a", "Bearer b"})
    async with scripted(script) as server, client() as c:
        c.install(Auth, providers=[provider])
        await visit(c, server.url())
        provider.clear_token()
        await visit(c, server.url())
    assert seen == ["Bearer a", "Bearer b"]


@pytest.mark.parametrize("kind", ["coroutine", "function"])
async def test_what_a_function_of_the_callers_raises_arrives_unchanged(kind):
    async def fail(old):
        raise LookupError("nothing there")

    def fail_at_once(old):
        raise LookupError("nothing there")

    refresh = fail if kind == "coroutine" else fail_at_once
    script = guarded([], accept=())
    async with nothing_left(), scripted(script) as server, client() as c:
        provider = bearer(load_tokens=lambda: BearerTokens("a"), refresh_tokens=refresh)
        c.install(Auth, providers=[provider])
        with pytest.raises(LookupError, match="nothing there"):
            await visit(c, server.url())


async def test_something_else_than_tokens_is_refused_without_showing_it():
    async with scripted(guarded([], accept=())) as server, client() as c:
        c.install(Auth, providers=[bearer(load_tokens=lambda: SECRET)])
        with pytest.raises(TypeError, match="load_tokens must give") as caught:
            await visit(c, server.url())
        assert SECRET not in str(caught.value)
        assert server.connections == 0


# Which provider.


@pytest.mark.parametrize(
    ("challenge", "expected"),
    [
        ("Basic", "Basic dTpw"),
        ('Basic realm="any", Bearer', "Bearer token"),
        ('Digest realm="x", nonce="y", Basic realm="any"', "Basic dTpw"),
        ('Bearer realm="api"', "Bearer token"),
        ("bEARER", "Bearer token"),
        ('Digest realm="Basic, Bearer"', None),
        ("", None),
    ],
)
async def test_the_first_provider_that_the_challenge_is_for_answers(
    challenge, expected
):
    seen = []
    accept = {"Basic dTpw", "Bearer token"}
    script = guarded(seen, accept=accept, challenge=challenge)
    provider, _ = with_tokens("token", send_without_request=False)
    async with scripted(script) as server, client() as c:
        c.install(Auth, providers=[provider, basic("u", "p")])
        with contextlib.suppress(HandshakeError):
            await visit(c, server.url())
    assert seen == [None] + ([expected] if expected else [])


@pytest.mark.parametrize(("realm", "tries"), [("mine", 2), ("other", 1)])
async def test_a_provider_of_a_realm_answers_no_other(realm, tries):
    seen = []
    script = guarded(seen, accept={"Basic dTpw"}, challenge='Basic realm="mine"')
    async with scripted(script) as server, client() as c:
        c.install(Auth, providers=[basic("u", "p", realm=realm)])
        with contextlib.suppress(HandshakeError):
            await visit(c, server.url())
    assert len(seen) == tries


async def test_the_only_provider_answers_where_the_challenge_is_missing():
    seen = []
    script = guarded(seen, accept={"Basic dTpw"}, challenge=None)
    async with scripted(script) as server, client() as c:
        c.install(Auth, providers=[basic("u", "p")])
        await visit(c, server.url())
    assert seen == [None, "Basic dTpw"]


async def test_a_server_that_alternates_its_challenges_is_left_soon():
    seen = []

    async def script(peer):
        seen.append(header(await peer.head(), "Authorization"))
        scheme = b"Basic" if len(seen) % 2 else b"Bearer"
        await peer.send(
            b"HTTP/1.1 401 No\r\nWWW-Authenticate: %s\r\n" % scheme
            + b"Content-Length: 0\r\n\r\n"
        )
        await peer.rest()

    provider, _ = with_tokens("a", "b", "c", send_without_request=False)
    async with scripted(script) as server, client() as c:
        c.install(Auth, providers=[basic("u", "p"), provider])
        with pytest.raises(HandshakeError):
            await visit(c, server.url())
    assert seen == [None, "Basic dTpw", "Bearer a"]


async def test_a_provider_can_be_ones_own():
    class Signed(AuthProvider):
        scheme = "hmac"

        async def authorization(self):
            return "HMAC signature"

    seen = []
    script = guarded(seen, accept={"HMAC signature"}, challenge="HMAC")
    async with scripted(script) as server, client() as c:
        c.install(Auth, providers=[Signed()])
        await visit(c, server.url())
    assert seen == [None, "HMAC signature"]


async def test_a_request_with_an_authorization_of_its_own_is_left_alone():
    seen = []
    provider, asked = with_tokens("a", "b")
    async with scripted(guarded(seen, accept=())) as server, client() as c:
        c.install(Auth, providers=[provider])
        with pytest.raises(HandshakeError):
            await visit(c, server.url(), headers={"authorization": "Own"})
    assert (seen, asked) == (["Own"], [])


# Many at once.


async def test_concurrent_openings_share_one_refresh_and_one_load():
    seen, calls = [], []
    gate = asyncio.Event()

    async def load():
        calls.append("load")
        await asyncio.sleep(0.01)
        return BearerTokens("stale")

    async def refresh(old):
        calls.append("refresh")
        await gate.wait()
        return BearerTokens("fresh")

    script = guarded(seen, accept={"Bearer fresh"})
    async with nothing_left(), scripted(script) as server, client() as c:
        provider = bearer(load_tokens=load, refresh_tokens=refresh)
        c.install(Auth, providers=[provider])
        openings = [asyncio.ensure_future(visit(c, server.url())) for _ in range(10)]
        await settled(lambda: len(seen) == 10)
        gate.set()
        await asyncio.gather(*openings)
    assert calls == ["load", "refresh"]
    assert seen == ["Bearer stale"] * 10 + ["Bearer fresh"] * 10


async def test_one_that_is_refused_late_takes_the_token_that_came_meanwhile():
    seen, late = [], asyncio.Event()
    provider, asked = with_tokens("stale", "fresh")

    async def script(peer):
        request = await peer.head()
        seen.append((request.split(b" ")[1], header(request, "Authorization")))
        if seen[-1] == (b"/late", "Bearer stale"):
            late.set()
            await settled(lambda: (b"/", "Bearer fresh") in seen)
        if seen[-1][1] == "Bearer fresh" and seen[-1][0] in {b"/", b"/late"}:
            await peer.send(switching_protocols(request))
        else:
            await peer.send(b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
        await peer.rest()

    async with scripted(script) as server, client() as c:
        c.install(Auth, providers=[provider])
        opening = asyncio.ensure_future(visit(c, server.url("/late")))
        await late.wait()
        await visit(c, server.url("/"))
        await opening
    assert len(asked) == 1


async def test_a_cancelled_opening_leaves_the_refresh_to_the_others():
    seen, gate = [], asyncio.Event()

    async def refresh(old):
        await gate.wait()
        return BearerTokens("fresh")

    script = guarded(seen, accept={"Bearer fresh"})
    async with nothing_left(), scripted(script) as server, client() as c:
        provider = bearer(
            load_tokens=lambda: BearerTokens("stale"), refresh_tokens=refresh
        )
        c.install(Auth, providers=[provider])
        openings = [asyncio.ensure_future(visit(c, server.url())) for _ in range(2)]
        await settled(lambda: provider._refresh._waiting == 2)
        openings[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await openings[0]
        gate.set()
        await openings[1]


async def test_a_refresh_that_nobody_waits_for_any_more_is_cancelled():
    ended = []

    async def refresh(old):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(old)

    script = guarded([], accept=())
    async with nothing_left(), scripted(script) as server:
        async with client(open_timeout=0.2) as c:
            provider = bearer(
                load_tokens=lambda: BearerTokens("a"), refresh_tokens=refresh
            )
            c.install(Auth, providers=[provider])
            with pytest.raises(OpenTimeoutError):
                await visit(c, server.url())
            await settled(lambda: ended == [BearerTokens("a")])


# Where credentials go.


def redirecting(seen, location):
    """A script that sends everyone there, whoever he is."""

    async def script(peer):
        seen.append(await peer.head())
        await peer.send(
            f"HTTP/1.1 302 Found\r\nLocation: {location()}\r\n"
            "Content-Length: 0\r\n\r\n".encode()
        )
        with contextlib.suppress(OSError):
            await peer.rest()

    return script


def in_order(c, order, providers):
    """A client whose features were installed in this order."""
    for name in order.split():
        if name == "auth":
            c.install(Auth, providers=providers)
        elif name == "redirect":
            c.install(HttpRedirect)
        else:
            c.install(DefaultRequest, headers={"X-A": "b"})
    return c


ORDERS = ["redirect auth", "auth redirect", "auth defaults redirect"]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("how", ["bearer", "basic", "basic unasked"])
async def test_a_redirect_to_another_origin_gets_no_credentials(order, how):
    """It asks for them, even: the answer is its refusal."""
    first, second = [], []
    if how == "bearer":
        provider, asked = with_tokens(SECRET, f"{SECRET}-2")
    else:
        unasked = how.endswith("unasked")
        provider, asked = basic("u", SECRET, send_without_request=unasked), []
    challenge = "Bearer, Basic"
    async with scripted(guarded(second, accept=(), challenge=challenge)) as other:
        script = redirecting(first, lambda: other.url("/b"))
        async with scripted(script) as server, client(follow_redirects=False) as c:
            in_order(c, order, [provider])
            with pytest.raises(HandshakeError) as caught:
                await visit(c, server.url("/a"))
    assert caught.value.response.status == 401
    assert second == [None]
    assert (header(first[0], "Authorization") is None) == (how == "basic")
    assert asked == []


@pytest.mark.parametrize("order", ORDERS)
async def test_a_redirect_to_a_server_that_is_not_ours_carries_no_secret(order):
    seen = []

    async def note(connection):
        seen.append(str(connection.request.headers))
        await connection.send("welcome")

    async with websockets.serve(note, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        script = redirecting([], lambda: f"ws://127.0.0.1:{port}/b")
        async with scripted(script) as server, client(follow_redirects=False) as c:
            in_order(c, order, [with_tokens(SECRET)[0]])
            headers = {"Cookie": f"session={SECRET}"}
            async with c.ws(server.url("/a"), headers=headers) as session:
                assert (await session.incoming.receive()).read_text() == "welcome"
    assert len(seen) == 1
    assert SECRET not in seen[0]
    assert "X-A: b" in seen[0] or "defaults" not in order


@pytest.mark.parametrize("order", ORDERS)
async def test_a_redirect_within_the_origin_gets_them(order):
    seen = []

    async def script(peer):
        request = await peer.head()
        seen.append(header(request, "Authorization"))
        if request.startswith(b"GET /a "):
            await peer.send(
                b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n"
            )
        else:
            await peer.send(switching_protocols(request))
        await peer.rest()

    async with scripted(script) as server, client(follow_redirects=False) as c:
        in_order(c, order, [with_tokens("token")[0]])
        await visit(c, server.url("/a"))
    assert seen == ["Bearer token"] * 2


async def test_credentials_do_not_come_back_by_a_detour():
    """What another origin chose as a path is not the caller's request."""
    seen, back = [], ""

    async def script(peer):
        request = await peer.head()
        seen.append((request.split(b" ")[1], header(request, "Authorization")))
        if seen[-1][0] == b"/a":
            await peer.send(
                b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
                % other.url("/b").encode()
            )
        else:
            await peer.send(switching_protocols(request))
        await peer.rest()

    async with scripted(redirecting([], lambda: back)) as other:
        async with scripted(script) as server, client() as c:
            back = server.url("/c")
            c.install(Auth, providers=[with_tokens("token")[0]])
            await visit(c, server.url("/a"))
            await visit(c, server.url("/d"))
    assert seen == [(b"/a", "Bearer token"), (b"/c", None), (b"/d", "Bearer token")]


async def test_a_feature_that_goes_elsewhere_takes_no_credentials_along():
    class Elsewhere(HttpClientFeature):
        async def send(self, request, proceed):
            try:
                return await proceed(request)
            except HandshakeError:
                request.port = other.port
                return await proceed(request)

    seen = []
    refusing = guarded([], accept=(), challenge="Unknown")
    async with scripted(guarded(seen, accept={None})) as other:
        async with scripted(refusing) as server, client() as c:
            c.install(Elsewhere)
            c.install(Auth, providers=[with_tokens("token")[0]])
            await visit(c, server.url())
    assert seen == [None]


async def test_the_request_of_the_caller_never_has_the_credentials():
    kept = []
    async with scripted(guarded([], accept={"Bearer token"})) as server:
        async with client() as c:
            c.install(Auth, providers=[with_tokens("token")[0]])
            session = await visit(c, server.url(), request=kept.append)
    assert "Authorization" not in kept[0].headers
    assert session.call.request.headers["Authorization"] == "Bearer token"


# Secrets.


async def test_secrets_are_in_no_repr_and_no_error_and_no_log(caplog):
    caplog.set_level(logging.DEBUG)
    tokens = BearerTokens(SECRET, SECRET)
    provider = bearer(load_tokens=lambda: tokens, refresh_tokens=lambda old: tokens)
    auth = Auth(providers=[provider, basic("u", SECRET)])
    shown = [repr(tokens), str(tokens), repr(auth), repr(auth.providers)]
    async with scripted(guarded([], accept=())) as server:
        c = client()
        c.install(Auth, providers=auth.providers)
        async with c:
            with pytest.raises(HandshakeError) as caught:
                await visit(c, server.url())
    shown += ["".join(traceback.format_exception(caught.value)), caplog.text]
    assert not [text for text in shown if SECRET in text]


def test_a_token_that_cannot_be_sent_is_refused_without_showing_it():
    for token in (f"{SECRET}\r\nX: y", f"{SECRET} b", "", f"{SECRET}\u20ac"):
        with pytest.raises(ValueError, match="access_token") as caught:
            BearerTokens(token)
        text = "".join(traceback.format_exception(caught.value))
        assert SECRET not in text.replace(f"BearerTokens({token!r})", "")


def test_a_name_with_a_colon_is_refused():
    with pytest.raises(ValueError, match="colon"):
        basic("a:b", "c")


def test_what_is_no_provider_is_refused_when_installed():
    with pytest.raises(TypeError, match="providers"):
        client().install(Auth, providers=["basic"])
    with pytest.raises(TypeError, match="provider"):
        client().install(Auth, provider=[])


async def test_any_engine_will_do():
    async def script(peer):
        seen.append(peer.request.headers.get("Authorization"))
        if seen[-1] != "Bearer fresh":
            peer.refuse(401, headers={"WWW-Authenticate": "Bearer"})
        await peer.wait_closed()

    seen = []
    async with MockEngine(script) as engine, client(engine) as c:
        c.install(Auth, providers=[with_tokens("stale", "fresh")[0]])
        session = await c.websocket_session("ws://mock.test/")
        session.cancel()
    assert seen == ["Bearer stale", "Bearer fresh"]


# Challenges.


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], []),
        (["Basic"], [("basic", {})]),
        (["Basic, Bearer"], [("basic", {}), ("bearer", {})]),
        (["Basic", "Bearer"], [("basic", {}), ("bearer", {})]),
        (['Basic realm="a, b"'], [("basic", {"realm": "a, b"})]),
        (['Basic realm="a\\"b\\\\"'], [("basic", {"realm": 'a"b\\'})]),
        (["Basic realm = x ,CHARSET=y"], [("basic", {"realm": "x", "charset": "y"})]),
        (["Negotiate YWJj==, Basic"], [("negotiate", {}), ("basic", {})]),
        ([", ,Basic,,"], [("basic", {})]),
        (['realm="x"'], []),
        (['Basic realm="no end, Bearer'], [("basic", {"realm": "no end, Bearer"})]),
        (['Basic realm="no end\\'], [("basic", {"realm": "no end\\"})]),
        (
            ['Digest realm="d", qop="auth,auth-int", Basic realm="b"'],
            [
                ("digest", {"realm": "d", "qop": "auth,auth-int"}),
                ("basic", {"realm": "b"}),
            ],
        ),
    ],
)
def test_challenges_are_read_as_rfc_9110_has_them(values, found):
    assert challenges(values) == found


@pytest.mark.parametrize("part", ['"', '\\"', '"\\', "a=", 'a="', ",", " ", "a "])
def test_no_challenge_takes_long_to_read(part):
    challenges([part * 30_000, "Basic " + part * 30_000])
