"""Redirects of the handshake over real sockets."""

import contextlib

import pytest

from ktorws import CIO, HandshakeError, HttpClient, WebSockets
from ktorws.features.redirect import HttpRedirect
from tests.certificates import client_context, server_context
from tests.network_fixtures import client, nothing_left
from tests.scripted import scripted, switching_protocols

CREDENTIALS = {
    "Authorization": "Bearer secret",
    "Cookie": "session=secret",
    "Proxy-Authorization": "Basic secret",
    "Host": "secret.example",
}


def redirecting(seen, routes):
    """A script: paths to answers, ``(status, location)`` or None for a session."""

    async def script(peer):
        request = await peer.head()
        seen.append(request)
        path = request.split(b" ")[1].decode().partition("?")[0]
        answer = routes(path) if callable(routes) else routes[path]
        if answer is None:
            await peer.send(switching_protocols(request))
        else:
            status, location = answer
            await peer.send(
                f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\n"
                "Content-Length: 0\r\n\r\n".encode()
            )
        with contextlib.suppress(OSError):
            await peer.rest()

    return script


def targets(seen):
    return [request.split(b" ")[1].decode() for request in seen]


async def visit(c, url, **options):
    """Open a session, look at where it led, and leave."""
    session = await c.websocket_session(url, **options)
    session.cancel()
    return session.call.request


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_every_redirect_is_followed(status):
    seen = []
    script = redirecting(seen, {"/a": (status, "/b"), "/b": None})
    async with nothing_left(), scripted(script) as server, client() as c:
        request = await visit(c, server.url("/a"))
        assert request.target == "/b"
        assert targets(seen) == ["/a", "/b"]
        assert seen[1].startswith(b"GET ")


@pytest.mark.parametrize("status", [300, 304, 305, 306, 399])
async def test_other_300s_are_refusals(status):
    seen = []
    async with (
        scripted(redirecting(seen, {"/a": (status, "/b")})) as server,
        client() as c,
    ):
        with pytest.raises(HandshakeError) as caught:
            await visit(c, server.url("/a"))
        assert caught.value.response.status == status
        assert targets(seen) == ["/a"]


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("b", "/x/b"),
        ("../b", "/b"),
        ("?q=2", "/x/a?q=2"),
        ("/b?q=%20#fragment", "/b?q=%20"),
        ("{scheme}://127.0.0.1:{port}/b", "/b"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_a_location_is_resolved_against_the_request(location, target, scheme):
    seen = []
    place = ""

    def routes(path):
        return (302, place) if len(seen) == 1 else None

    async with scripted(redirecting(seen, routes)) as server, client() as c:
        place = location.format(scheme=scheme, port=server.port)
        await visit(c, server.url("/x/a?q=1"), params={"p": "1"})
    assert targets(seen) == ["/x/a?q=1&p=1", target]


async def test_ten_redirects_are_followed_and_no_more():
    seen = []

    def routes(path):
        return 302, f"/{int(path[1:]) + 1}"

    async with nothing_left(), scripted(redirecting(seen, routes)) as server:
        async with client() as c:
            with pytest.raises(HandshakeError) as caught:
                await visit(c, server.url("/0"))
    assert caught.value.response.status == 302
    assert targets(seen) == [f"/{n}" for n in range(11)]


async def test_the_tenth_redirect_may_lead_to_a_session():
    seen = []

    def routes(path):
        number = int(path[1:])
        return None if number == 10 else (302, f"/{number + 1}")

    async with scripted(redirecting(seen, routes)) as server, client() as c:
        assert (await visit(c, server.url("/0"))).target == "/10"


async def test_the_limit_is_an_option():
    seen = []

    def routes(path):
        return 302, "/"

    async with scripted(redirecting(seen, routes)) as server:
        c = client().install(HttpRedirect, max_redirects=2)
        with pytest.raises(HandshakeError):
            await visit(c, server.url())
    assert len(seen) == 3


@pytest.mark.parametrize("way", ["argument", "feature"])
async def test_redirects_can_be_turned_off(way):
    seen = []
    async with scripted(redirecting(seen, {"/a": (302, "/b")})) as server:
        c = client(follow_redirects=False)
        if way == "feature":
            c = client().install(HttpRedirect, max_redirects=0)
        with pytest.raises(HandshakeError) as caught:
            await visit(c, server.url("/a"))
        assert caught.value.response.headers["Location"] == "/b"
    assert targets(seen) == ["/a"]


@pytest.mark.parametrize("scheme", ["ws", "http"])
async def test_never_from_wss_to_ws(scheme):
    seen = []
    async with scripted(redirecting(seen, {})) as plain:
        location = f"{scheme}://127.0.0.1:{plain.port}/b"
        script = redirecting([], {"/a": (302, location)})
        async with scripted(script, ssl=server_context()) as server, client() as c:
            with pytest.raises(HandshakeError, match="wss to ws"):
                await visit(c, server.url("/a", scheme="wss"))
    assert seen == []


@pytest.mark.parametrize("scheme", ["wss", "https"])
async def test_from_ws_to_wss(scheme):
    seen = []
    script = redirecting(seen, {"/b": None})
    async with scripted(script, ssl=server_context()) as secure:
        location = f"{scheme}://127.0.0.1:{secure.port}/b"
        async with scripted(redirecting([], {"/a": (302, location)})) as server:
            async with client() as c:
                request = await visit(c, server.url("/a"), headers=CREDENTIALS)
    assert request.secure
    assert b"secret" not in seen[0]


async def test_credentials_stay_with_their_origin():
    seen = []
    script = redirecting(seen, {"/a": (302, "/b"), "/b": None})
    async with scripted(script) as server, client() as c:
        await visit(c, server.url("/a"), headers=CREDENTIALS)
    for name, value in CREDENTIALS.items():
        assert f"{name}: {value}\r\n".encode() in seen[1]


async def test_credentials_do_not_reach_another_origin():
    seen = []
    async with scripted(redirecting(seen, {"/b": None})) as other:
        location = f"http://127.0.0.1:{other.port}/b"
        async with scripted(redirecting([], {"/a": (307, location)})) as server:
            async with client() as c:
                headers = {**CREDENTIALS, "X-Harmless": "1"}
                await visit(c, server.url("/a"), headers=headers)
    (request,) = seen
    assert b"secret" not in request
    assert b"X-Harmless: 1\r\n" in request
    assert b"Host: 127.0.0.1:%d\r\n" % other.port in request


async def test_credentials_do_not_come_back_by_a_detour():
    """What another origin answers must not be able to fetch them again."""
    seen = []
    back = ""
    async with scripted(redirecting([], lambda _: (302, back))) as other:
        there = f"ws://127.0.0.1:{other.port}/b"
        script = redirecting(seen, {"/a": (302, there), "/c": None})
        async with scripted(script) as server, client() as c:
            back = server.url("/c")
            await visit(c, server.url("/a"), headers=CREDENTIALS)
    assert targets(seen) == ["/a", "/c"]
    assert b"secret" not in seen[1]


@pytest.mark.parametrize(
    "location", ["", "ftp://x/", "ws://", "ws://a b/", "ws://x:99999/", "mailto:x"]
)
async def test_a_location_that_leads_nowhere_is_a_refusal(location):
    seen = []
    async with (
        scripted(redirecting(seen, {"/a": (302, location)})) as server,
        client() as c,
    ):
        with pytest.raises(HandshakeError) as caught:
            await visit(c, server.url("/a"))
        assert caught.value.response.status == 302


async def test_the_callers_request_is_not_changed():
    kept = []
    seen = []
    script = redirecting(seen, {"/a": (302, "/b?x=1"), "/b": None})
    async with scripted(script) as server:
        c = HttpClient(CIO(ssl=client_context())).install(WebSockets)
        await visit(c, server.url("/a"), request=kept.append)
        assert kept[0].path == "/a"
