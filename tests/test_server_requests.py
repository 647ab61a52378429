"""What is asked of the server, and how it answers: handshakes, refusals, routes."""

import asyncio
import contextlib

import pytest

from ktorws.server import (
    WebSocketServer,
)
from tests.network_fixtures import SECURE, nothing_left, settled
from tests.octets import (
    close,
)
from tests.scripted import dialled
from tests.serving import BYE, MASKED, UNMASKED, made, request, tls_to

# RFC 6455 §1.3
ACCEPT = b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"


async def answer_to(octets, **options):
    """All that comes back for these octets, until the server ends the connection."""
    async with nothing_left(), made(**options) as server:
        async with dialled(server.port) as peer:
            await peer.send(octets)
            return await peer.rest()


# Handshakes.


@SECURE
async def test_the_answer_is_that_of_the_rfc(secure):
    async with nothing_left(), made(secure=secure) as server:
        async with dialled(server.port, **tls_to(secure)) as peer:
            head = await peer.ask(b"/echo")
            assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
            for line in (b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n", ACCEPT):
                assert line in head
            assert b"Sec-WebSocket-Protocol" not in head
            await peer.send(BYE)
            assert await peer.rest() == close(1000)


async def test_frames_in_the_packet_of_the_request_are_answered():
    async with made() as server, dialled(server.port) as peer:
        await peer.ask(b"/echo", then=MASKED)
        assert await peer.read(7) == UNMASKED
        await peer.send(BYE)
        assert await peer.rest() == close(1000)


async def test_a_request_in_single_octets_is_understood():
    async with made() as server, dialled(server.port) as peer:
        for octet in request() + MASKED:
            await peer.send(bytes([octet]))
            await asyncio.sleep(0)
        assert (await peer.head()).startswith(b"HTTP/1.1 101 ")
        assert await peer.read(7) == UNMASKED


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (request(path=b"/elsewhere"), b"404 Not Found"),
        (request(method=b"POST"), b"405 Method Not Allowed"),
        (request(version=b"HTTP/1.0"), b"400 Bad Request"),
        (request().replace(b"\r\n", b"\n"), b"400 Bad Request"),
        (request(without=b"Host"), b"400 Bad Request"),
        (request(b"Host: other"), b"400 Bad Request"),
        (request(without=b"Upgrade"), b"400 Bad Request"),
        (request(without=b"Connection"), b"400 Bad Request"),
        (request(without=b"Sec-WebSocket-Key"), b"400 Bad Request"),
        (request(b"Sec-WebSocket-Key: again"), b"400 Bad Request"),
        (request().replace(b"dGhl", b"----"), b"400 Bad Request"),
        (request(b"Content-Length: 3"), b"400 Bad Request"),
        (request(b"Transfer-Encoding: chunked"), b"400 Bad Request"),
        (request(b"Sec-WebSocket-Extensions: ;"), b"400 Bad Request"),
        (request(without=b"Sec-WebSocket-Version"), b"426 Upgrade Required"),
        (request().replace(b"on: 13", b"on: 12"), b"426 Upgrade Required"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n", b"400 Bad Request"),
        (b"GET /" + b"x" * 70_000, b"431 Request Header Fields Too Large"),
        (request(b"X: " + b"x" * 70_000), b"431 Request Header Fields Too Large"),
        (request(*[b"X: x"] * 200), b"431 Request Header Fields Too Large"),
    ],
)
async def test_a_bad_request_is_told_so(octets, status):
    answer = await answer_to(octets)
    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert b"Connection: close\r\n" in answer or status.startswith(b"426")


async def test_a_wrong_version_is_told_the_right_one():
    answer = await answer_to(request().replace(b"on: 13", b"on: 12"))
    assert b"Sec-WebSocket-Version: 13\r\n" in answer


async def test_the_allowed_method_is_told():
    assert b"Allow: GET\r\n" in await answer_to(request(method=b"POST"))


async def test_a_client_that_sends_nothing_is_left_after_open_timeout():
    answer = await answer_to(b"", open_timeout=0.05)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_a_dripping_client_does_not_stretch_open_timeout():
    async with nothing_left(), made(open_timeout=0.05) as server:
        async with dialled(server.port) as peer:
            drip = asyncio.create_task(peer.rest())
            await peer.send(b"GET /")
            while not drip.done():
                with contextlib.suppress(OSError):
                    await peer.send(b"x")
                await asyncio.sleep(0.005)
            assert (await drip).startswith(b"HTTP/1.1 408 Request Timeout\r\n")


@pytest.mark.parametrize("sent", [b"", b"GET /ec"])
async def test_a_client_that_leaves_before_it_asked_leaves_nothing(sent):
    async with nothing_left(), made() as server:
        async with dialled(server.port) as peer:
            await peer.send(sent)
            await settled(lambda: len(server._guests) == 1)
            peer.reset()
        await settled(lambda: not server._guests)


async def test_an_error_in_the_handshake_is_a_500_and_logged(caplog, monkeypatch):
    def broken(*_):
        raise LookupError("broken")

    monkeypatch.setattr(WebSocketServer, "_route", broken)
    answer = await answer_to(request())
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"broken" not in answer
    assert "handshake failed" in caplog.text


# Routes.


async def test_a_path_is_matched_whole_and_decoded():
    server = WebSocketServer()

    @server.websocket("/grüße an/alle")
    async def handler(session):
        await session.send(session.call.request.params["name"])

    async with server, dialled(server.port) as peer:
        await peer.ask(b"/gr%C3%BC%C3%9Fe%20an/alle?name=x%26y")
        assert await peer.frame() == (0x81, b"x&y")


def test_a_path_without_slash_is_refused():
    with pytest.raises(ValueError, match="slash"):
        WebSocketServer().websocket("echo")


def with_subprotocols():
    server = WebSocketServer()

    @server.websocket("/", protocol="chat")
    async def chat(session):
        await session.send("chat")

    @server.websocket("/", protocol="superchat")
    async def superchat(session):
        await session.send(session.subprotocol)

    return server


async def test_a_route_is_chosen_by_subprotocol():
    async with with_subprotocols() as server, dialled(server.port) as peer:
        head = await peer.ask(headers=b"Sec-WebSocket-Protocol: x, superchat\r\n")
        assert b"Sec-WebSocket-Protocol: superchat\r\n" in head
        assert await peer.frame() == (0x81, b"superchat")


@pytest.mark.parametrize("offer", [b"", b"Sec-WebSocket-Protocol: x, y\r\n"])
async def test_a_client_without_the_subprotocol_is_refused(offer):
    async with with_subprotocols() as server, dialled(server.port) as peer:
        head = await peer.ask(headers=offer)
        assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")


async def test_a_route_without_subprotocol_answers_none():
    async with made() as server, dialled(server.port) as peer:
        head = await peer.ask(b"/echo", headers=b"Sec-WebSocket-Protocol: chat\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Sec-WebSocket-Protocol" not in head
