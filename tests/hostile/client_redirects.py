"""Servers that send a handshake elsewhere."""

import asyncio
import contextlib
import re

from tests.hostile.client_handshake import INVALID, REFUSED
from tests.hostile.client_refusals import QUICK, SLOW
from tests.hostile.scenario import MEGABYTE, Scenario, pour
from tests.scripted import scripted

SECRETS = {
    "Authorization": "Bearer secret",
    "Cookie": "a=secret",
    "Proxy-Authorization": "Basic secret",
}
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def _to(location, status=b"302 Found"):
    return b"HTTP/1.1 %s\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (
        status,
        location,
    )


def _redirecting(location, status=b"302 Found", then=b"", *, pause=0.0):
    """To this place, where PORT is our own; one that is "moved" is not found."""

    async def script(peer, seen):
        request = await peer.head()
        seen.frames += 1
        seen.request += request
        await asyncio.sleep(pause)
        if b"moved" in request.partition(b"\r\n")[0]:
            await peer.send(NOT_FOUND)
            return
        port = re.search(rb"\r\nHost: [^\r]*:(\d+)", request)[1]
        await peer.send(_to(location.replace(b"PORT", port), status))
        await pour(peer, then, 64 * MEGABYTE if then else 0, seen)

    return script


def _to_another(location, *, back=False):
    """To a server on a port of its own, which may send the client back."""

    async def script(peer, seen):
        home = peer._writer.get_extra_info("sockname")[1]
        request = await peer.head()
        seen.frames += 1
        seen.request += request
        if b"GET /home" in request:
            await peer.send(NOT_FOUND)
            return

        came = asyncio.Event()

        async def another(other):
            came.set()
            seen.notes["came"] = True
            with contextlib.suppress(OSError, EOFError, TimeoutError):
                seen.request += await other.head()
                place = b"ws://127.0.0.1:%d/home" % home
                await other.send(_to(place) if back else NOT_FOUND)

        async with scripted(another) as elsewhere:
            await peer.send(_to(location.replace(b"PORT", b"%d" % elsewhere.port)))
            with contextlib.suppress(TimeoutError):  # it may be on its way there
                await asyncio.wait_for(came.wait(), 0.5)

    return script


def _secrets(seen):
    """Whether each request, in order, carried any; not every client goes on."""
    return ["secret" in request for request in seen.request.split("GET ")[1:]]


def _keys_of_their_own(seen):
    keys = re.findall(r"Sec-WebSocket-Key: (\S+)", seen.request)
    return len(keys) == 11 == len(set(keys))


def _credentials():
    # Behind the last place is nothing, which says that the client went there.
    secret = {"error": REFUSED, "request": {"headers": SECRETS}}
    yield Scenario(
        name="redirect: another host gets no credentials",
        script=_redirecting(b"ws://localhost:PORT/moved"),
        text="404",
        note=lambda seen: _secrets(seen) in ([True], [True, False]),
        **secret,
    )
    yield Scenario(
        name="redirect: another port gets no credentials",
        script=_to_another(b"ws://127.0.0.1:PORT/"),
        text="404",
        note=lambda seen: _secrets(seen) in ([True], [True, False]),
        **secret,
    )
    yield Scenario(
        name="redirect: credentials do not come back with the client",
        script=_to_another(b"ws://127.0.0.1:PORT/", back=True),
        text="404",
        note=lambda seen: _secrets(seen) in ([True], [True, False, False]),
        **secret,
    )
    yield Scenario(
        name="redirect: the same origin gets credentials",
        script=_redirecting(b"/moved"),
        note=lambda seen: _secrets(seen) == [True, True],
        elsewhere=False,
        **secret,
    )
    yield Scenario(
        name="redirect: no credentials out of the new URL",
        script=_redirecting(b"ws://user:stolen@localhost:PORT/moved"),
        error=REFUSED,
        note=lambda seen: "Authorization" not in seen.request,
    )


def _insecure():
    """From wss to ws: whoever answers there must not even be asked."""
    for name, location in {
        "ws": b"ws://127.0.0.1:PORT/",
        "http": b"http://127.0.0.1:PORT/",
        "WS": b"WS://127.0.0.1:PORT/",
    }.items():
        yield Scenario(
            name=f"redirect: from wss to {name}",
            script=_to_another(location),
            tls=True,
            error=REFUSED,
            text="from wss to ws",
            request={"headers": SECRETS},
            note=lambda seen: seen.frames == 1 and "came" not in seen.notes,
        )


def _places():
    for name, location in {
        "no location": b"",
        "to a file": b"file:///etc/passwd",
        "to javascript": b"javascript:alert(1)",
        "with a space": b"/mo ved\tx",
        "to no host": b"ws://",
        "to port 99999": b"ws://127.0.0.1:99999/",
        "to a broken address": b"ws://[::1/",
        "of 60,000 characters": b"/" + b"a" * 60_000 + b"moved",
        "in Latin-1": b"/caf\xe9moved",
        "to a host with a space": b"ws://a b/",
    }.items():
        yield Scenario(
            name=f"redirect: {name}",
            script=_redirecting(location),
            error=REFUSED,
            within=6,
        )
    # Line ends that the client would have to decode to fall for them.
    yield Scenario(
        name="redirect: with a header in the path",
        script=_redirecting(b"/moved%0d%0aX-Injected:%20yes"),
        error=REFUSED,
        note=lambda seen: "\r\nX-Injected" not in seen.request,
    )
    yield Scenario(
        name="redirect: with a request in the query",
        script=_redirecting(b"/moved?a=%0d%0a%0d%0aGET%20/stolen%20HTTP/1.1"),
        error=REFUSED,
        note=lambda seen: seen.frames == 2 and "\nGET /stolen" not in seen.request,
    )


def _loops():
    yield Scenario(
        name="redirect: for ever",
        script=_redirecting(b"/again"),
        error=REFUSED,
        note=lambda seen: seen.frames == 11,
        elsewhere=False,
    )
    yield Scenario(
        name="redirect: for ever, slowly",
        script=_redirecting(b"/again", pause=0.3),
        error=SLOW,
        least=0.9,
        within=2.0,
        options=QUICK,
        note=lambda seen: 2 <= seen.frames <= 4,
    )
    yield Scenario(
        name="redirect: each request has a key of its own",
        script=_redirecting(b"/again"),
        error=REFUSED,
        note=_keys_of_their_own,
        elsewhere=False,
    )
    yield Scenario(
        name="redirect: two places",
        script=_redirecting(b"/moved\r\nLocation: /stolen"),
        error=REFUSED,
        note=lambda seen: "GET /stolen" not in seen.request,
    )
    yield Scenario(
        name="redirect: with a body without end",
        script=_redirecting(b"/moved\r\nX: y", then=b"z" * 1024),
        error=REFUSED,
        text="404",
    )
    yield Scenario(
        name="redirect: a 101 that names a place is no redirect",
        script=_redirecting(b"/moved", status=b"101 Switching Protocols"),
        error=INVALID,
        note=lambda seen: seen.frames == 1,
    )


REDIRECTS = [*_credentials(), *_insecure(), *_places(), *_loops()]
