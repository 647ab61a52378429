"""Features: the hooks, and `DefaultRequest`."""

import asyncio
import contextlib

import pytest

from ktorws import (
    CloseReason,
    ConnectError,
    DefaultRequest,
    Frame,
    HandshakeError,
    HttpClientFeature,
)
from tests.network_fixtures import client, nothing_left, settled
from tests.octets import close, frame
from tests.scripted import free_port, scripted, switching_protocols

REFUSAL = b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n"


class Recording(HttpClientFeature):
    """Writes down which hook is called when."""

    def __init__(self, *, calls, name="feature"):
        self.calls = calls
        self.name = name

    def note(self, what):
        self.calls.append(f"{self.name} {what}")

    async def prepare(self, request):
        self.note(f"prepare {request.path}")

    async def send(self, request, proceed):
        self.note("send")
        session = await proceed(request)
        self.note("sent")
        return session

    def session_opened(self, session):
        self.note("opened")

    def session_closed(self, session):
        self.note("closed")


class Other(Recording):
    """The same, as another feature."""


async def serve(peer):
    await peer.accept()
    assert (await peer.frame())[0] == 0x88
    await peer.send(close(1000))


async def test_hooks_are_called_in_the_order_of_installation():
    calls = []
    async with scripted(serve) as server, client() as c:
        c.install(Recording, calls=calls, name="a")
        c.install(Other, calls=calls, name="b")
        async with c.ws(server.url("/x")):
            calls.append("user")
        await settled(lambda: "b closed" in calls)
    assert calls == [
        *("a prepare /x", "b prepare /x"),
        *("a send", "b send", "b sent", "a sent"),
        *("a opened", "b opened"),
        "user",
        *("a closed", "b closed"),
    ]


async def test_closed_is_told_of_a_lost_connection_too():
    async def script(peer):
        await peer.accept()
        peer.reset()

    calls = []
    async with scripted(script) as server, client() as c:
        c.install(Recording, calls=calls)
        session = await c.websocket_session(server.url())
        await session.wait_closed()
    assert calls[-2:] == ["feature opened", "feature closed"]


async def test_prepare_can_change_everything():
    class Signed(HttpClientFeature):
        async def prepare(self, request):
            request.path = "/signed"
            request.headers["Authorization"] = "Bearer fresh"
            request.subprotocols.append("chat")
            request.attributes["key"] = "kept"

    requests = []

    async def script(peer):
        requests.append(await peer.accept())
        await peer.rest()

    async with scripted(script) as server, client() as c:
        c.install(Signed)
        session = await c.websocket_session(server.url("/x"))
        session.cancel()
        assert session.call.request.attributes == {"key": "kept"}
    assert requests[0].startswith(b"GET /signed HTTP/1.1\r\n")
    assert b"Authorization: Bearer fresh\r\n" in requests[0]
    assert b"Sec-WebSocket-Protocol: chat\r\n" in requests[0]


async def test_send_can_try_again_after_a_refusal():
    class Auth(HttpClientFeature):
        async def send(self, request, proceed):
            try:
                return await proceed(request)
            except HandshakeError as error:
                if error.response.status != 401:
                    raise
                request.headers["Authorization"] = "Bearer fresh"
                return await proceed(request)

    async def script(peer):
        request = await peer.head()
        if b"Bearer fresh" not in request:
            await peer.send(REFUSAL % 401)
        else:
            await peer.send(switching_protocols(request))
        await peer.rest()

    async with nothing_left(), scripted(script) as server, client() as c:
        c.install(Auth)
        session = await c.websocket_session(server.url())
        session.cancel()
        assert server.connections == 2


async def test_send_can_try_again_after_a_failure_to_connect():
    class Retry(HttpClientFeature):
        async def send(self, request, proceed):
            try:
                return await proceed(request)
            except ConnectError:
                request.port = server.port
                return await proceed(request)

    async with nothing_left(), scripted(serve) as server, client() as c:
        c.install(Retry)
        async with c.ws(host="127.0.0.1", port=free_port()):
            pass


async def test_the_time_limit_holds_over_all_attempts():
    class Stubborn(HttpClientFeature):
        async def send(self, request, proceed):
            while True:
                try:
                    return await proceed(request)
                except HandshakeError:
                    await asyncio.sleep(0.001)

    async def script(peer):
        with contextlib.suppress(EOFError, OSError):  # the limit may end it any time
            await peer.head()
            await peer.send(REFUSAL % 503)
            await peer.rest()

    async with nothing_left(), scripted(script) as server:
        c = client(open_timeout=0.1).install(Stubborn)
        with pytest.raises(TimeoutError):
            await c.websocket_session(server.url())
        assert server.connections > 1


async def test_an_error_in_session_opened_ends_the_session():
    class Broken(HttpClientFeature):
        def session_opened(self, session):
            raise LookupError("broken")

    async def script(peer):
        await peer.accept()
        assert (await peer.frame())[0] == 0x88
        assert await peer.rest() == b""

    async with nothing_left(), scripted(script) as server, client() as c:
        c.install(Broken)
        with pytest.raises(LookupError, match="broken"):
            await c.websocket_session(server.url())


async def test_an_error_in_prepare_sends_nothing():
    class Broken(HttpClientFeature):
        async def prepare(self, request):
            raise LookupError("broken")

    async with nothing_left(), scripted(serve) as server, client() as c:
        c.install(Broken)
        with pytest.raises(LookupError, match="broken"):
            await c.websocket_session(server.url())
        assert server.connections == 0


# DefaultRequest.


async def requested(defaults, url=None, **options):
    """What a server gets from a client with these defaults."""
    requests = []

    async def script(peer):
        requests.append(await peer.accept())
        await peer.rest()

    async with scripted(script) as server, client() as c:
        if "url" in defaults:
            defaults["url"] = defaults["url"].format(port=server.port)
        else:
            defaults = {"host": "127.0.0.1", "port": server.port, **defaults}
        c.install(DefaultRequest, **defaults)
        session = await c.websocket_session(url, **options)
        session.cancel()
    return requests[0]


async def test_a_base_url_is_what_a_path_is_resolved_against():
    request = await requested({"url": "ws://127.0.0.1:{port}/api/v1/"}, path="echo")
    assert request.startswith(b"GET /api/v1/echo HTTP/1.1\r\n")


async def test_a_path_with_a_slash_stands_alone():
    request = await requested({"url": "ws://127.0.0.1:{port}/api/v1/"}, "/echo")
    assert request.startswith(b"GET /echo HTTP/1.1\r\n")


async def test_query_parameters_are_added_where_they_lack():
    defaults = {"path": "/x?a=1", "params": {"b": "2", "c": "3"}}
    request = await requested(defaults, params={"b": "9"})
    assert request.startswith(b"GET /x?a=1&b=9&c=3 HTTP/1.1\r\n")


async def test_headers_are_added_where_they_are_absent():
    defaults = {"headers": {"X-A": "default", "X-B": "default"}}
    request = await requested(defaults, headers={"x-a": "own"})
    assert b"x-a: own\r\n" in request
    assert b"X-A: default" not in request
    assert b"X-B: default\r\n" in request


async def test_subprotocols_are_those_of_the_request_or_the_default_ones():
    defaults = {"subprotocols": ["default"]}
    assert b"Sec-WebSocket-Protocol: default\r\n" in await requested(defaults)
    assert b"Sec-WebSocket-Protocol: own\r\n" in await requested(
        defaults, subprotocols=["own"]
    )


async def test_a_request_with_a_host_keeps_its_url():
    requests = []

    async def script(peer):
        requests.append(await peer.accept())
        await peer.rest()

    async with scripted(script) as server, client() as c:
        c.install(DefaultRequest, url="wss://elsewhere.example/api/?key=1")
        session = await c.websocket_session(server.url("/own"))
        session.cancel()
    assert requests[0].startswith(b"GET /own HTTP/1.1\r\n")


def test_defaults_that_are_no_good_are_refused_when_installed():
    with pytest.raises(ValueError, match="scheme"):
        client().install(DefaultRequest, url="ftp://x/")
    with pytest.raises(TypeError, match="urll"):
        client().install(DefaultRequest, urll="ws://x/")


# How features stand to each other, and to the engine.


async def test_send_goes_from_small_depths_to_great_ones():
    calls = []

    def at(depth):
        return type(f"At{depth}", (Recording,), {"depth": depth})

    async with scripted(serve) as server, client() as c:
        for depth in (5, 0, -20):
            c.install(at(depth), calls=calls, name=str(depth))
        c.install(Other, calls=calls, name="0 again")
        async with c.ws(server.url("/x")):
            pass
    hooks = [name for name in calls if name.endswith((" send", " /x"))]
    assert hooks == [
        *("5 prepare /x", "0 prepare /x", "-20 prepare /x", "0 again prepare /x"),
        *("-20 send", "0 send", "0 again send", "5 send"),
    ]


async def test_taps_see_every_frame_both_ways_and_in_order():
    class Tap:
        def __init__(self):
            self.seen = []

        def sent(self, message):
            self.seen.append((">>", message))

        def received(self, frames):
            self.seen.extend(("<<", frame) for frame in frames)

    class Tapping(HttpClientFeature):
        async def send(self, request, proceed):
            request.capabilities["frame_taps"] = taps
            return await proceed(request)

    async def script(peer):
        await peer.accept(then=frame(9, b"p") + frame(1, b"early"))
        assert await peer.frame() == (0x8A, b"p")
        assert await peer.frame() == (0x81, b"x")
        await peer.send(frame(1, b"par", fin=False) + frame(0, b"ts"))
        assert (await peer.frame())[0] == 0x88
        await peer.send(close(1000))

    taps = (Tap(), Tap())
    async with scripted(script) as server, client() as c:
        c.install(Tapping)
        async with c.ws(server.url()) as session:
            assert (await session.incoming.receive()).read_text() == "early"
            await session.send("x")
            assert (await session.incoming.receive()).read_text() == "parts"
    bye = CloseReason(CloseReason.Codes.NORMAL)
    assert taps[0].seen == taps[1].seen
    assert sorted(taps[0].seen[:3], key=repr) == sorted(
        [
            ("<<", Frame.Ping(b"p")),
            ("<<", Frame.Text("early")),
            (">>", Frame.Pong(b"p")),
        ],
        key=repr,
    )
    assert taps[0].seen[3:] == [
        (">>", "x"),
        ("<<", Frame.Text("parts")),
        (">>", Frame.Close(bye)),
        ("<<", Frame.Close(bye)),
    ]
