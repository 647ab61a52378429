"""Proxies that mean harm, octet by octet: each one a typed error, and in time."""

import asyncio
import re
import time

import pytest

from ktorws import (
    CIO,
    ConnectError,
    HttpClient,
    InvalidHandshakeError,
    OpenTimeoutError,
    ProxyBuilder,
    WebSockets,
)
from tests.certificates import client_context, server_context
from tests.network_fixtures import nothing_left, settled
from tests.scripted import scripted

KINDS = pytest.mark.parametrize(
    ("scheme", "transport"),
    [("http", "auto"), ("https", "asyncio"), ("https", "aiofastnet")],
    ids=["http", "https-asyncio", "https-aiofastnet"],
)
GONE = (OSError, RuntimeError)  # the latter is uvloop's, for a handle that is closed
PROMPT = 4  # seconds; less than any limit that is not set here
OK = b"HTTP/1.1 200 OK\r\n\r\n"
GREETED = b"\x05\x02"  # SOCKS5: name and password, please


def answering(*pieces, hold=True):
    """Say this to whatever is asked."""

    async def script(peer):
        await peer._reader.read(1)
        for piece in pieces:
            await peer.send(piece)
            await asyncio.sleep(0.01)
        if hold:
            await peer.hold()

    return script


async def endless(peer):
    await peer._reader.read(1)
    await peer.send(b"HTTP/1.1 200 OK\r\n")
    try:
        while True:
            await peer.send(b"X-More: " + b"x" * 4000 + b"\r\n")
            await asyncio.sleep(0)  # the client is of the same loop
    except GONE:
        pass


async def drip(peer):
    await peer._reader.read(1)
    try:
        while True:
            await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await asyncio.sleep(0.02)
    except GONE:
        pass


async def drip_socks(peer):
    await peer._reader.read(1)
    await peer.send(b"\x05\x00")
    await peer.send(b"\x05\x00\x00\x03\xff")
    try:
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.05)
    except GONE:
        pass


HTTP = {
    "407": (answering(b"HTTP/1.1 407 s3cret\r\n\r\n"), "refused: 407 Proxy Auth"),
    "unknown status": (answering(b"HTTP/1.1 599 s3cret\r\n\r\n"), "refused: 599$"),
    "redirect": (
        answering(b"HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n"),
        "refused: 302 Found",
    ),
    "101": (
        answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
        "refused: 101",
    ),
    "garbage": (answering(b"\x00\x01\x02" * 100), "failed: "),
    "another protocol": (answering(b"SSH-2.0-OpenSSH_9\r\n"), "failed: Not an HTTP"),
    "no version": (answering(b"HTTP/2 200\r\n\r\n"), "failed: "),
    "status of letters": (answering(b"HTTP/1.1 abc OK\r\n\r\n"), "failed: "),
    "line ends": (answering(b"HTTP/1.1 200 OK\n\n"), "failed: HTTP head has illegal"),
    "endless": (endless, "failed: HTTP head is too"),
    "close at once": (answering(hold=False), "failed: Connection closed.* before it"),
    "close within": (
        answering(b"HTTP/1.1 200 O", hold=False),
        "failed: Connection closed.*within its head",
    ),
    "octets behind": (answering(OK + b"\x81\x05Hello"), "octets behind its answer"),
    "two answers": (answering(OK * 2), "octets behind its answer"),
    "body": (
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHello"),
        "octets behind its answer",
    ),
}

SOCKS = {
    "garbage": (answering(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "SOCKS version"),
    "close at once": (answering(hold=False), "failed: "),
    "close within": (answering(b"\x05", hold=False), "failed: "),
    "no method": (answering(b"\x05\xff"), "refused|failed"),
    "a method not offered": (answering(b"\x05\x01"), "refused|failed"),
    "wrong password": (answering(GREETED, b"\x01\x01"), "authentication failure"),
    "host unreachable": (
        answering(GREETED, b"\x01\x00", b"\x05\x04\x00\x01" + bytes(6)),
        "(?i)refused: .*unreachable",
    ),
    "unknown reply": (
        answering(GREETED, b"\x01\x00", b"\x05\x99\x00\x01" + bytes(6)),
        "reply code",
    ),
    "unknown address": (
        answering(GREETED, b"\x01\x00", b"\x05\x00\x00\x77" + bytes(6)),
        "address type",
    ),
    "no name": (
        answering(GREETED, b"\x01\x00", b"\x05\x00\x00\x03\x02\xff\xff\x00\x00"),
        "failed",
    ),
}


def engine(scheme, port, **options):
    host = "localhost" if scheme == "https" else "127.0.0.1"
    user = "user" if scheme == "socks4a" else "user:s3cret"
    url = f"{scheme}://{user}@{host}:{port}"
    if scheme == "https":
        url = ProxyBuilder.http(url, ssl=client_context())
    return CIO(ssl=client_context(), proxy=url, **options)


async def failure(scheme, script, error=ConnectError, *, target="wss", **options):
    """The error, its seconds, and nothing left behind it."""
    tls = server_context() if scheme == "https" else None
    open_timeout = options.pop("open_timeout", 10.0)
    async with nothing_left(), scripted(script, ssl=tls) as proxy:
        async with HttpClient(engine(scheme, proxy.port, **options)) as c:
            c.install(WebSockets, open_timeout=open_timeout)
            begin = time.monotonic()
            with pytest.raises(error) as raised:
                await c.websocket_session(f"{target}://target.invalid/")
            took = time.monotonic() - begin
    each = raised.value
    while each is not None:
        assert "s3cret" not in f"{each!r} {each}"
        each = each.__cause__ or each.__context__
    return str(raised.value), took


@KINDS
@pytest.mark.parametrize("name", HTTP)
async def test_an_http_proxy_that_answers_wrongly_is_refused(scheme, transport, name):
    script, expected = HTTP[name]
    said, took = await failure(scheme, script, transport=transport)
    assert took < PROMPT
    assert f"asking {scheme}://" in said
    assert re.search(expected, said)


@pytest.mark.parametrize("name", SOCKS)
async def test_a_socks_proxy_that_answers_wrongly_is_refused(name):
    script, expected = SOCKS[name]
    said, took = await failure("socks5", script)
    assert took < PROMPT
    assert "asking socks5://" in said
    assert re.search(expected, said)


@pytest.mark.parametrize("target", ["ws", "wss"])
@KINDS
async def test_a_proxy_that_closes_instead_of_leading_to_the_target(
    scheme, transport, target
):
    script = answering(OK, hold=False)
    error = (ConnectError, InvalidHandshakeError)
    said, took = await failure(
        scheme, script, error, target=target, transport=transport
    )
    assert "target.invalid" in said or "Connection closed" in said
    assert took < PROMPT


@pytest.mark.parametrize(
    ("scheme", "script"),
    [
        ("http", drip),
        ("http", answering()),
        ("https", drip),
        ("https", answering()),
        ("socks5", drip_socks),
        ("socks5", answering()),
        ("socks4a", answering(b"\x00")),
    ],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
async def test_a_proxy_that_never_comes_to_an_end_is_left_in_time(scheme, script):
    said, took = await failure(scheme, script, connect_timeout=0.5)
    assert "Timed out while asking" in said
    assert took < PROMPT


async def test_open_timeout_bounds_the_proxy_as_well():
    said, took = await failure(
        "http", drip, OpenTimeoutError, open_timeout=0.2, connect_timeout=None
    )
    assert "timed out while asking http://127.0.0.1:" in said
    assert took < PROMPT


async def test_tls_with_a_proxy_that_speaks_none_fails_in_time():
    async def script(peer):
        await peer._reader.read(1)
        await peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with nothing_left(), scripted(script) as proxy:
        async with HttpClient(engine("https", proxy.port)) as c:
            with pytest.raises(ConnectError, match="over TLS"):
                await c.install(WebSockets).websocket_session("ws://target.invalid/")


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
async def test_cancelling_while_the_proxy_thinks_leaves_nothing(scheme):
    tls = server_context() if scheme == "https" else None
    async with nothing_left(), scripted(answering(), ssl=tls) as proxy:
        async with HttpClient(engine(scheme, proxy.port)) as c:
            c.install(WebSockets)
            opening = asyncio.ensure_future(
                c.websocket_session("wss://target.invalid/")
            )
            await settled(lambda: proxy.connections)
            await asyncio.sleep(0.05)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
