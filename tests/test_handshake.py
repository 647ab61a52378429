import base64

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from ktorws import __version__
from ktorws.exceptions import HandshakeError, InvalidHandshakeError
from ktorws.extensions import WebSocketExtension, WebSocketExtensionHeader
from ktorws.handshake import (
    ClientHandshake,
    HttpResponse,
    Negotiated,
    RequestRefusedError,
    accept,
    check_request,
    choose_subprotocol,
    refusal_octets,
    server_accept,
)
from ktorws.http_head import RequestParser, ResponseParser
from ktorws.request import HttpRequestBuilder

# RFC 6455 §1.3
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
REQUEST = (
    b"GET /chat HTTP/1.1\r\n"
    b"Host: server.example.com\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Origin: http://example.com\r\n"
    b"Sec-WebSocket-Protocol: chat, superchat\r\n"
    b"Sec-WebSocket-Version: 13\r\n"
    b"\r\n"
)
RESPONSE = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
    b"Sec-WebSocket-Protocol: chat\r\n"
    b"\r\n"
)


class Extension(WebSocketExtension):
    """Agrees to its name; `parameters` are a ValueError on the client's side."""

    def __init__(self, name="x"):
        self.header = WebSocketExtensionHeader(name)

    @property
    def protocols(self):
        return [self.header]

    def client_negotiation(self, negotiated):
        if any(header.parameters for header in negotiated):
            raise ValueError("No parameters, please")
        return self.header in negotiated

    def server_negotiation(self, requested):
        return [self.header] if self.header in requested else []

    def process_outgoing_frame(self, frame):
        return frame

    def process_incoming_frame(self, frame):
        return frame


class Reserving(Extension):
    rsv1 = True


def handshake(*extensions, **parts) -> ClientHandshake:
    parts = {"host": "server.example.com", "path": "/chat"} | parts
    client = ClientHandshake(HttpRequestBuilder.of(**parts).build(), extensions)
    client.key = KEY
    return client


def response(octets: bytes) -> HttpResponse:
    parser = ResponseParser()
    assert parser.feed(octets)
    return parser.response


def request(octets: bytes):
    parser = RequestParser()
    assert parser.feed(octets)
    return parser.request


def verified(client: ClientHandshake, octets: bytes) -> Negotiated:
    return client.verify(response(octets))


def refused(octets: bytes, **options) -> RequestRefusedError:
    with pytest.raises(RequestRefusedError) as caught:
        accept(request(octets), **options)
    return caught.value


def test_the_key_of_the_rfc_is_answered_as_there():
    assert server_accept(KEY) == ACCEPT


def test_the_request_is_as_the_rfc_wants_it():
    client = handshake(
        headers={"Origin": "http://example.com", "Accept": "x", "user-agent": "y"},
        subprotocols=["chat", "superchat"],
    )
    assert client.octets() == (
        b"GET /chat HTTP/1.1\r\n"
        b"Host: server.example.com\r\n"
        b"Origin: http://example.com\r\n"
        b"Accept: x\r\n"
        b"user-agent: y\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Protocol: chat, superchat\r\n"
        b"\r\n"
    )


def test_a_request_names_its_program_and_nothing_that_is_not_there():
    octets = handshake(Extension("a"), Extension("b"), host="h", port=81).octets()
    assert octets == (
        b"GET /chat HTTP/1.1\r\n"
        b"Host: h:81\r\n"
        b"User-Agent: ktorws/" + __version__.encode() + b"\r\n"
        b"Accept: */*\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Extensions: a, b\r\n"
        b"\r\n"
    )


def test_the_host_header_can_be_given():
    octets = handshake(headers={"A": "1", "host": "other"}).octets()
    assert octets.startswith(b"GET /chat HTTP/1.1\r\nHost: other\r\nA: 1\r\n")
    assert octets.lower().count(b"host:") == 1


def test_each_handshake_has_a_fresh_key_of_16_bytes():
    target = HttpRequestBuilder.of(host="h").build()
    keys = {ClientHandshake(target).key for _ in range(100)}
    assert len(keys) == 100
    assert all(len(base64.b64decode(key)) == 16 for key in keys)


def test_the_answer_of_the_rfc_is_accepted():
    client = handshake(subprotocols=["chat", "superchat"])
    assert verified(client, RESPONSE) == Negotiated("chat", [])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Connection: Upgrade", b"Connection: keep-alive, Upgrade"),
        (b"Connection: Upgrade", b"Connection: keep-alive\r\nconnection: UPGRADE"),
        (b"Upgrade: websocket", b"UPGRADE: WebSocket"),
        (b"Sec-WebSocket-Accept:", b"sec-websocket-accept:\t"),
        (b"Sec-WebSocket-Protocol: chat\r\n", b""),
        (b"Switching Protocols", b""),
        (b"\r\n\r\n", b"\r\nServer: x\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_legal_variants_are_accepted(old, new):
    verified(handshake(subprotocols=["chat"]), RESPONSE.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        (b"Upgrade: websocket\r\n", b"", "header Upgrade: websocket"),
        (b"Upgrade: websocket", b"Upgrade: h2c", "header Upgrade: websocket"),
        (b"Connection: Upgrade\r\n", b"", "header Connection: Upgrade"),
        (b"Connection: Upgrade", b"Connection: close", "header Connection: Upgrade"),
        (
            b"Sec-WebSocket-Accept",
            b"X",
            "Server should specify header Sec-WebSocket-Accept",
        ),
        (
            ACCEPT.encode(),
            ACCEPT.lower().encode(),
            "Failed to verify server accept header. "
            f"Expected: {ACCEPT}, received: {ACCEPT.lower()}",
        ),
        (ACCEPT.encode(), b"", "Failed to verify server accept header"),
        (
            b"\r\n\r\n",
            b"\r\nSec-WebSocket-Accept: " + ACCEPT.encode() + b"\r\n\r\n",
            "header Sec-WebSocket-Accept once",
        ),
        (b": chat", b": other", "unoffered subprotocol: 'other'"),
        (b": chat", b": CHAT", "unoffered subprotocol"),
        (b": chat", b": chat, superchat", "unoffered subprotocol"),
        (b": chat", b":", "unoffered subprotocol"),
        (
            b"\r\n\r\n",
            b"\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
            "header Sec-WebSocket-Protocol once",
        ),
        (b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: z\r\n\r\n", "not offered: z"),
        (b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: x;\r\n\r\n", "Malformed"),
        (b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: x, x\r\n\r\n", "twice"),
        (b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: x; y\r\n\r\n", "No parameters"),
        (b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: x, v\r\n\r\n", "reserved bit"),
        (
            b"\r\n\r\n",
            b"\r\nSec-WebSocket-Extensions: x\r\nSec-WebSocket-Extensions: w\r\n\r\n",
            "header Sec-WebSocket-Extensions once",
        ),
    ],
)
def test_a_101_that_breaks_a_rule_is_refused(old, new, rule):
    extensions = [Reserving("x"), Extension("w"), Reserving("v")]
    client = handshake(*extensions, subprotocols=["chat", "superchat"])
    with pytest.raises(InvalidHandshakeError) as caught:
        verified(client, RESPONSE.replace(old, new))
    assert rule in str(caught.value)
    assert caught.value.response.status == 101


def test_a_subprotocol_without_an_offer_is_refused():
    with pytest.raises(InvalidHandshakeError, match="unoffered"):
        verified(handshake(), RESPONSE)


@pytest.mark.parametrize("version", ["1.0", "0.9", ""])
def test_a_101_of_an_older_http_is_refused(version):
    headers = CIMultiDictProxy(CIMultiDict({"Upgrade": "websocket"}))
    with pytest.raises(InvalidHandshakeError, match=r"HTTP/1\.1"):
        handshake().verify(HttpResponse(101, "", version, headers))


def test_accepted_extensions_are_in_use():
    x, w = Extension("x"), Extension("w")
    octets = RESPONSE.replace(b"Protocol: chat", b"Extensions: w")
    assert verified(handshake(x, w), octets) == Negotiated(None, [w])


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (b"HTTP/1.1 403 Forbidden\r\nX: y\r\n\r\n", "403 Forbidden"),
        (b"HTTP/1.1 200\r\nX: y\r\n\r\n", "200"),
        (b"HTTP/1.1 301 Moved\r\nX: y\r\nLocation: /z\r\n\r\n", "301 Moved"),
    ],
)
def test_another_status_is_a_refusal_with_its_response(octets, status):
    with pytest.raises(HandshakeError) as caught:
        verified(handshake(), octets)
    assert type(caught.value) is HandshakeError
    assert str(caught.value) == (
        f"Handshake exception, expected status code 101 but was {status}"
    )
    assert caught.value.response.headers["X"] == "y"


def test_the_server_answers_as_the_rfc_does():
    accepted = accept(request(REQUEST), subprotocols=["superchat", "chat"])
    assert accepted.octets == RESPONSE
    assert accepted.negotiated == Negotiated("chat", [])


def test_the_server_names_what_it_uses():
    octets = REQUEST.replace(b"Protocol: chat, superchat", b"Extensions: y, x")
    extension = Extension("x")
    accepted = accept(request(octets), extensions=[extension], headers={"Server": "s"})
    assert accepted.negotiated == Negotiated(None, [extension])
    assert accepted.octets == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"Sec-WebSocket-Extensions: x\r\n"
        b"Server: s\r\n"
        b"\r\n"
    )


def test_both_sides_agree():
    client = handshake(Extension("x"), subprotocols=["a", "b"])
    server = Extension("x")
    accepted = accept(request(client.octets()), subprotocols=["b"], extensions=[server])
    negotiated = client.verify(response(accepted.octets))
    assert negotiated.subprotocol == accepted.negotiated.subprotocol == "b"
    assert negotiated.extensions == list(client.extensions)
    assert accepted.negotiated.extensions == [server]


def test_the_client_says_which_subprotocol_it_prefers():
    assert choose_subprotocol(["a", "b"], ["b", "a"]) == "a"
    assert choose_subprotocol(["a"], ["b"]) is None
    assert choose_subprotocol([], ["b"]) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Connection: Upgrade", b"connection: keep-alive, upgrade"),
        (b"Upgrade: websocket", b"Upgrade: h2c, WebSocket"),
        (b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
        (b"chat, superchat", b"chat\r\nSec-WebSocket-Protocol: superchat"),
    ],
)
def test_legal_variants_of_a_request_are_accepted(old, new):
    assert check_request(request(REQUEST.replace(old, new))) == KEY
    assert accept(request(REQUEST.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (b"GET", b"POST", 405),
        (b"Host: server.example.com\r\n", b"", 400),
        (b"Host:", b"Host: x\r\nHost:", 400),
        (b"Upgrade: websocket\r\n", b"", 400),
        (b"Upgrade: websocket", b"Upgrade: h2c", 400),
        (b"Connection: Upgrade\r\n", b"", 400),
        (b"Connection: Upgrade", b"Connection: close", 400),
        (b"Version: 13", b"Version: 8", 426),
        (b"Version: 13", b"Version: 13\r\nSec-WebSocket-Version: 13", 426),
        (b"Sec-WebSocket-Version: 13\r\n", b"", 426),
        (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"", 400),
        (b"Sec-WebSocket-Key", b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Key", 400),
        (KEY.encode(), b"dGhlIHNhbXBsZSBub25j", 400),
        (KEY.encode(), b"dGhl!HNhbXBsZSBub25jZQ==", 400),
        (KEY.encode(), b"\xe9", 400),
        (KEY.encode(), b"", 400),
        (b"chat, superchat", b"chat, chat", 400),
        (b"chat, superchat", b"chat room", 400),
        (b"\r\n\r\n", b"\r\nSec-WebSocket-Extensions: x;\r\n\r\n", 400),
        (b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n", 400),
        (b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused(old, new, status):
    error = refused(REQUEST.replace(old, new), extensions=[Extension("x")])
    assert error.status == status
    assert error.detail


def test_another_version_is_told_the_right_one():
    error = refused(REQUEST.replace(b"Version: 13", b"Version: 8"))
    assert str(error) == "426 Upgrade Required: The WebSocket version must be 13"
    assert error.headers == {
        "Upgrade": "websocket",
        "Connection": "Upgrade, close",
        "Sec-WebSocket-Version": "13",
    }
    octets = refusal_octets(error.status, error.reason, error.headers, error.detail)
    assert octets == (
        b"HTTP/1.1 426 Upgrade Required\r\n"
        b"Connection: Upgrade, close\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Upgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\n"
        b"Content-Length: 32\r\n"
        b"\r\n"
        b"The WebSocket version must be 13"
    )


def test_a_request_of_an_older_http_is_refused():
    octets = request(REQUEST)
    older = type(octets)(octets.method, octets.target, "1.0", octets.headers)
    with pytest.raises(RequestRefusedError, match=r"needs HTTP/1\.1"):
        check_request(older)


def test_a_refusal_is_a_whole_response():
    assert refusal_octets(404) == (
        b"HTTP/1.1 404 Not Found\r\n"
        b"Connection: close\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Length: 0\r\n"
        b"\r\n"
    )
    octets = refusal_octets(403, "Go", {"content-type": "a/b"}, b"no")
    parser = ResponseParser()
    parser.feed(octets)
    assert (parser.complete, parser.body) == (True, b"no")
    assert parser.response.headers.getall("Content-Type") == ["a/b"]
    assert parser.response.reason == "Go"


@pytest.mark.parametrize("text", ["a\r\nX: y", "a\0", "€"])
def test_a_server_cannot_smuggle_anything_either(text):
    with pytest.raises(ValueError, match="cannot be sent"):
        refusal_octets(403, text)
    with pytest.raises(ValueError, match="cannot be sent"):
        refusal_octets(403, headers={"X": text})
    with pytest.raises(ValueError, match="cannot be sent"):
        accept(request(REQUEST), headers={"X": text})
    with pytest.raises(ValueError, match="not a token"):
        accept(request(REQUEST), headers={text: "x"})
