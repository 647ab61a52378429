"""The opening handshake, read from whatever a peer may send in its place."""

from ktorws import handshake
from ktorws.deflate import WebSocketDeflateExtension
from ktorws.exceptions import HandshakeError, InvalidHandshakeError
from ktorws.extensions import (
    negotiate_as_client,
    negotiate_as_server,
    parse_websocket_extensions,
)
from ktorws.frame import Frame
from ktorws.http_head import RequestParser, ResponseParser
from ktorws.http_message import RequestRefusedError, refusal_octets
from ktorws.request import HttpRequestBuilder
from tests.fuzz.inputs import Choices, expect, pieces

KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 §1.3
SUBPROTOCOLS = ("chat", "superchat")
REQUEST = HttpRequestBuilder.of("ws://example.com/", subprotocols=SUBPROTOCOLS).build()
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
PLAIN = {
    "upgrade": "websocket",
    "connection": "upgrade",
    "sec-websocket-accept": ACCEPT,
}
LIMITS = {"max_head_size": 2000, "max_headers": 20}
MESSAGE = Frame.Text("Hello, hello, hello")
BITS = (None, 8, 9, 10, 12, 15)


def extension(choices):
    server_alone, client_alone = choices.bits(2)
    return WebSocketDeflateExtension(
        server_no_context_takeover=server_alone,
        client_no_context_takeover=client_alone,
        server_max_window_bits=choices.one_of(BITS),
        client_max_window_bits=choices.one_of(BITS),
        memory_level=1,
    )


def parsed(parser, octets, size):
    """Whether the head is complete, or the error."""
    try:
        for piece in pieces(octets, size):
            parser.feed(piece)
            if getattr(parser, "complete", False) and parser.response.status != 101:
                break
    except (InvalidHandshakeError, RequestRefusedError) as error:
        return error
    return parser._head_complete


def judge_head(head):
    """Lines end in CRLF, none continues another, none has control characters."""
    expect(head.endswith(b"\r\n\r\n"), head)
    for line in head.removesuffix(b"\r\n\r\n").split(b"\r\n"):
        bad = [octet for octet in line if (octet < 32 and octet != 9) or octet == 127]
        expect(not bad, "control characters", line)
        expect(line[:1] not in {b" ", b"\t"}, "a line that goes on", line)


def response(octets):
    """A response means the same however it is cut, and only typed errors come."""
    choices = Choices(octets)
    size = choices.byte()
    offers = [extension(choices)] if choices.byte() & 1 else []
    data = choices.rest()
    whole, cut = (ResponseParser(max_body=500, **LIMITS) for _ in range(2))
    results = [parsed(whole, data, len(data) or 1), parsed(cut, data, size)]
    expect(len({type(r) for r in results}) == 1, "the cuts count", results)
    if results[0] is False:
        for parser in (whole, cut):
            try:
                parser.feed_eof()
            except InvalidHandshakeError:
                continue
            expect(False, "no response, and no error")
    if results[0] is not True:
        return
    ours, theirs = whole.response, cut.response
    expect(
        (ours.status, ours.reason, list(ours.headers.items()))
        == (theirs.status, theirs.reason, list(theirs.headers.items())),
        "the cuts count",
    )
    expect(ours.status == 101 or ours.status >= 200, ours.status)
    expect(len(whole.body) <= 500, "too much of the body")
    if ours.status == 101:
        expect(whole.left_over == cut.left_over, "the cuts count")
        expect(data.endswith(whole.left_over), "frames were changed")
        judge_head(data.removesuffix(whole.left_over))
    shaken = handshake.ClientHandshake(REQUEST, offers)
    shaken.key = KEY
    try:
        negotiated = shaken.verify(ours)
    except (HandshakeError, InvalidHandshakeError):
        named = {name.lower(): value for name, value in ours.headers.items()}
        named["connection"] = named.get("connection", "").lower()
        right = ours.status == 101 and named == PLAIN and len(ours.headers) == 3
        expect(not right, "refused without a reason")
        return
    expect(ours.status == 101, ours)
    expect(negotiated.subprotocol in (None, *SUBPROTOCOLS), negotiated)
    expect(negotiated.extensions in ([], offers), negotiated)
    expect(
        ours.headers.getall("Sec-WebSocket-Accept") == [ACCEPT],
        ours.headers,
    )


def request(octets):
    """A request means the same however it is cut, and any refusal can be sent."""
    choices = Choices(octets)
    size = choices.byte()
    known = [extension(choices)] if choices.byte() & 1 else []
    data = choices.rest()
    whole, cut = (RequestParser(**LIMITS) for _ in range(2))
    results = [parsed(whole, data, len(data) or 1), parsed(cut, data, size)]
    expect(len({type(r) for r in results}) == 1, "the cuts count", results)
    if isinstance(results[0], RequestRefusedError):
        sendable(results[0])
    if results[0] is not True:
        return
    ours, theirs = whole.request, cut.request
    expect(
        (ours.method, ours.target, list(ours.headers.items()))
        == (theirs.method, theirs.target, list(theirs.headers.items())),
        "the cuts count",
    )
    expect(whole.left_over == cut.left_over, "the cuts count")
    expect(data.endswith(whole.left_over), "frames were changed")
    judge_head(data.removesuffix(whole.left_over))
    expect(ours.path.startswith("/"), ours.path)
    list(ours.params.items())
    try:
        accepted = handshake.accept(ours, subprotocols=SUBPROTOCOLS, extensions=known)
    except RequestRefusedError as error:
        sendable(error)
        return
    if ours.headers["Sec-WebSocket-Key"] == KEY:
        expect(f"Sec-WebSocket-Accept: {ACCEPT}\r\n".encode() in accepted.octets)
    # What we answer, our own client must take for an answer.
    parser = ResponseParser()
    expect(parser.feed(accepted.octets), accepted)
    expect(parser.left_over == b"", accepted)
    expect(accepted.octets.count(b"\r\n\r\n") == 1, accepted)


def sendable(error):
    octets = refusal_octets(error.status, error.reason, error.headers, error.detail)
    parser = ResponseParser()
    expect(parser.feed(octets), octets)
    expect(parser.response.status == error.status, octets)


def negotiation(octets):
    """Both roles take or refuse any header; what a server answers, a client takes."""
    choices = Choices(octets)
    ours, theirs = extension(choices), extension(choices)
    text = choices.rest().decode("latin-1")
    try:
        headers = parse_websocket_extensions(text)
    except ValueError:
        headers = []
    if headers:
        again = parse_websocket_extensions(", ".join(map(str, headers)))
        expect(again == headers, text)
    try:
        used, answer = negotiate_as_server([theirs], [text])
    except ValueError:
        expect(not headers, "refused, though it can be read", text)
    else:
        expect(bool(headers), "accepted, though it cannot be read", text)
        expect(bool(used) == bool(answer), text, answer)
        if answer:
            (header,) = parse_websocket_extensions(answer)
            expect(header.name == "permessage-deflate", answer)
    try:
        agreed = negotiate_as_client([ours], text)
    except ValueError:
        pass
    else:
        expect(agreed == [ours], text)
        expect(len(headers) == 1, "took more than was offered", text)
        talk(ours)
    offer = ", ".join(map(str, ours.protocols))
    used, answer = negotiate_as_server([theirs], [offer])
    if used:
        expect(negotiate_as_client([ours], answer) == [ours], offer, answer)
        expect(ours.parameters == theirs.parameters, offer, answer)
        talk(ours, theirs)


def talk(ours, theirs=None):
    """A message passes whatever was agreed on."""
    frame = ours.process_outgoing_frame(MESSAGE)
    if theirs is not None:
        received = theirs.process_incoming_frame(frame)
        expect(received == MESSAGE, ours.parameters)
