import pytest
from hypothesis import given
from hypothesis import strategies as st

from ktorws.exceptions import InvalidHandshakeError
from ktorws.http_head import RequestParser, ResponseParser
from ktorws.http_message import RequestRefusedError

SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
REQUEST = (
    b"GET /chat?room=a%20b&room=c HTTP/1.1\r\n"
    b"Host: server.example.com\r\n"
    b"Upgrade: websocket\r\n"
    b"Connection: Upgrade\r\n\r\n"
)
FRAMES = b"\x81\x05Hello\r\n\r\n\x88\x00"
CHUNKED = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n"


def outcome(octets: bytes, sizes: list[int], parser=None):
    """What a parser makes of octets in portions of these sizes."""
    parser = parser or ResponseParser(max_head_size=400, max_headers=8, max_body=20)
    try:
        while octets:
            size = sizes.pop() if sizes else len(octets)
            parser.feed(octets[:size])
            octets = octets[size:]
    except InvalidHandshakeError as error:
        return (type(error), error.response and error.response.status)
    except RequestRefusedError as error:
        return (type(error), error.status)
    if isinstance(parser, RequestParser):
        request = parser.request
        return (request.target, list(request.headers.items()), parser.left_over)
    if not parser.feed(b""):
        return None
    response = parser.response
    items = list(response.headers.items())
    return (response.status, response.reason, items, parser.body, parser.left_over)


def refused(octets: bytes) -> str:
    with pytest.raises(InvalidHandshakeError) as caught:
        ResponseParser().feed(octets)
    return str(caught.value)


def request_refused(octets: bytes) -> int:
    with pytest.raises(RequestRefusedError) as caught:
        RequestParser().feed(octets)
    return caught.value.status


def test_frames_behind_a_101_are_left_over():
    parser = ResponseParser()
    assert parser.feed(SWITCHING + FRAMES)
    assert parser.left_over == FRAMES
    assert parser.complete
    assert parser.response.status == 101
    assert parser.response.reason == "Switching Protocols"
    assert parser.response.version == "1.1"
    assert parser.response.headers["upgrade"] == "websocket"
    assert parser.response.body == b""


def test_frames_that_come_later_are_left_over_too():
    parser = ResponseParser()
    assert parser.feed(bytearray(SWITCHING))
    assert parser.feed(memoryview(FRAMES))
    assert parser.left_over == FRAMES


def test_a_101_is_taken_even_without_an_upgrade_header():
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.1 101\r\nX:  y \t\r\nX: \r\n\r\n" + FRAMES)
    assert parser.response.headers.getall("x") == ["y", ""]
    assert parser.response.reason == ""
    assert parser.left_over == FRAMES


def test_an_incomplete_head_is_no_response():
    parser = ResponseParser()
    assert not parser.feed(SWITCHING[:-1])
    with pytest.raises(RuntimeError):
        _ = parser.response
    with pytest.raises(RuntimeError):
        _ = RequestParser().request


@pytest.mark.parametrize(
    "octets",
    [
        SWITCHING + FRAMES,
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + SWITCHING + FRAMES,
        b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\ngo away",
        CHUNKED + b"2\r\ngo\r\n5;x=y\r\n away\r\n0\r\nT: x\r\n\r\nmore",
        CHUNKED + b"40\r\n" + b"x" * 100,
        CHUNKED + b"1;" + b"x" * 100,
        CHUNKED + b"2\r\ngo\r\nzz\r\n",
        b"HTTP/1.1 500 E\r\n\r\n" + b"y" * 50,
        b"HTTP/1.1 204 None\r\nX: y\r\n\r\nHTTP/1.1 101 X\r\n\r\n",
        b"HTTP/1.1 101 S\r\nX: a\r\n b\r\n\r\n",
        b"HTTP/1.1 101 S\r\nX: a\rb\r\n\r\n",
        b"HTTP/1.1 101 S\nX: a\n\n",
        b"HTTP/1.1 101 S\r\n" + b"X: y\r\n" * 20 + b"\r\n",
        b"HTTP/1.1 101 S\r\nX: " + b"y" * 500,
        b"HTTP/1.1 100 C\r\n\r\n" * 30,
    ],
)
@given(sizes=st.lists(st.integers(1, 9)))
def test_any_split_of_a_response_gives_the_same(octets, sizes):
    assert outcome(octets, sizes) == outcome(octets, [1] * len(octets))
    assert outcome(octets, []) == outcome(octets, [1] * len(octets))


@given(octets=st.binary(max_size=60), sizes=st.lists(st.integers(1, 9)))
def test_any_split_of_anything_gives_the_same(octets, sizes):
    octets = SWITCHING[:-2] + octets + b"\r\n\r\n"
    assert outcome(octets, sizes) == outcome(octets, [1] * len(octets))


@given(sizes=st.lists(st.integers(1, 9)))
def test_any_split_of_a_request_gives_the_same(sizes):
    whole = outcome(REQUEST + FRAMES, [], RequestParser())
    assert outcome(REQUEST + FRAMES, sizes, RequestParser()) == whole


def test_single_octets_are_parsed_a_line_at_a_time(monkeypatch):
    # httptools copies an unfinished header at each call, which would be quadratic.
    parsed = []
    parse = ResponseParser._parse
    monkeypatch.setattr(
        ResponseParser,
        "_parse",
        lambda self, o: (parsed.append(len(o)), parse(self, o)),
    )
    head = b"HTTP/1.1 101 S\r\nX: " + b"y" * 60_000 + b"\r\n\r\n"
    parser = ResponseParser()
    for position in range(len(head)):
        parser.feed(head[position : position + 1])
    assert parser.complete
    assert parsed == [16, 60_005, 2]


def test_interim_responses_are_skipped():
    parser = ResponseParser()
    assert not parser.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert not parser.feed(b"HTTP/1.1 103 Early Hints\r\nX: 1\r\n\r\n")
    assert parser.feed(SWITCHING)
    assert "X" not in parser.response.headers


def test_endless_interim_responses_are_too_big():
    assert "too big" in refused(b"HTTP/1.1 100 C\r\n\r\n" * 10_000)


@pytest.mark.parametrize(
    ("octets", "rule"),
    [
        (b"HTTP/1.0", "Not an HTTP/1.1 response"),
        (b"HTTP/2", "Not an HTTP/1.1 response"),
        (b"HTTP/1.2 200 OK", "Not an HTTP/1.1 response"),
        (b"SSH-2.0-OpenSSH", "Not an HTTP/1.1 response"),
        (b"http/1.1 200 OK", "Not an HTTP/1.1 response"),
        (b"\r\nHTTP/1.1 200 OK", "Not an HTTP/1.1 response"),
        (b"RTSP/1.0 200 OK", "Not an HTTP/1.1 response"),
        (b"\x15\x03\x01\x00\x02", "illegal octets"),
        (b"HTTP/1.1 200 OK\n", "illegal octets"),
        (b"HTTP/1.1 200 OK\r\nX: y\n", "illegal octets"),
        (b"HTTP/1.1 200 OK\r\nX: y\r\n\n", "illegal octets"),
        (b"HTTP/1.1 200 OK\r\rX", "illegal octets"),
        (b"HTTP/1.1 200 O\0K", "illegal octets"),
        (b"HTTP/1.1 200 O\x7fK", "illegal octets"),
        (b"HTTP/1.1 200 OK\r\nX: a\0b", "illegal octets"),
        (b"HTTP/1.1 200 OK\r\nX: a\r\n b", "illegal octets"),
        (b"HTTP/1.1 200 OK\r\n\tX: a", "illegal octets"),
        (b"HTTP/1.1 20 OK\r\n", "Malformed start line"),
        (b"HTTP/1.1 2000 OK\r\n", "Malformed start line"),
        (b"HTTP/1.1 000 OK\r\n", "Malformed start line"),
        (b"HTTP/1.1  200 OK\r\n", "Malformed start line"),
        (b"HTTP/1.1 200OK\r\n", "Malformed start line"),
        (b"HTTP/1.1 200 OK\r\nX : a\r\n", "Malformed HTTP"),
        (b"HTTP/1.1 200 OK\r\n: a\r\n", "Malformed HTTP"),
        (b"HTTP/1.1 200 OK\r\nX\r\n", "Malformed HTTP"),
        (b"HTTP/1.1 200 OK\r\nX(y: a\r\n", "Malformed HTTP"),
        (b"HTTP/1.1 200 OK\r\nX\xe9: a\r\n", "Malformed HTTP"),
        (
            b"HTTP/1.1 403 F\r\nContent-Length: 3\r\nContent-Length: 3\r\n",
            "Malformed HTTP",
        ),
        (b"HTTP/1.1 403 F\r\nContent-Length: 3, 3\r\n", "Malformed HTTP"),
        (b"HTTP/1.1 403 F\r\nContent-Length: +3\r\n", "Malformed HTTP"),
        (b"HTTP/1.1 403 F\r\nContent-Length: -3\r\n", "Malformed HTTP"),
        (b"HTTP/1.1 403 F\r\nContent-Length: " + b"9" * 30 + b"\r\n", "Malformed"),
        (CHUNKED[:-2] + b"Content-Length: 3\r\n\r\n", "Malformed HTTP"),
        (CHUNKED + b"zz\r\n", "Malformed HTTP"),
        (CHUNKED + b"1\r\nabc", "Malformed HTTP"),
        (CHUNKED + b"1\na\n0\n\n", "Malformed HTTP"),
        (CHUNKED + b"f" * 30 + b"\r\n", "Malformed HTTP"),
    ],
)
def test_a_malformed_response_is_refused_as_soon_as_it_shows(octets, rule):
    assert rule in refused(octets)


def test_a_malformed_body_still_tells_what_was_refused():
    with pytest.raises(InvalidHandshakeError) as caught:
        ResponseParser().feed(CHUNKED + b"2\r\ngo\r\nzz\r\n")
    assert caught.value.response.status == 403
    assert caught.value.response.body == b"go"


def test_an_endless_status_line_is_refused_at_the_limit():
    parser = ResponseParser(max_head_size=100)
    assert not parser.feed(b"HTTP/1.1 200 " + b"x" * 87)
    with pytest.raises(InvalidHandshakeError, match="too big, the limit is 100 bytes"):
        parser.feed(b"x")


def test_a_head_of_exactly_the_limit_is_taken():
    assert ResponseParser(max_head_size=len(SWITCHING)).feed(SWITCHING + FRAMES)
    with pytest.raises(InvalidHandshakeError):
        ResponseParser(max_head_size=len(SWITCHING) - 1).feed(SWITCHING)


def test_more_headers_than_the_limit_are_refused():
    head = b"HTTP/1.1 101 S\r\n" + b"X: y\r\n" * 128
    assert ResponseParser().feed(head + b"\r\n")
    assert "too many headers, the limit is 128" in refused(head + b"X: y\r\n\r\n")


def test_a_refusal_is_reported_with_its_body():
    parser = ResponseParser()
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\n\r\n"
    assert parser.feed(head + b"go")
    assert not parser.complete
    assert parser.feed(b" awaymore")
    assert parser.complete
    assert parser.body == b"go away"
    assert parser.response.body == b"go away"
    assert parser.left_over == b""


def test_a_refusal_that_names_an_upgrade_has_a_body_all_the_same():
    parser = ResponseParser()
    parser.feed(
        b"HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nContent-Length: 2\r\n\r\nno"
    )
    assert (parser.complete, parser.body, parser.left_over) == (True, b"no", b"")


def test_an_endless_body_is_capped():
    parser = ResponseParser(max_body=10)
    parser.feed(b"HTTP/1.1 403 Forbidden\r\n\r\n" + b"x" * 100)
    assert (parser.complete, parser.body) == (True, b"x" * 10)
    parser.feed(b"x")
    assert parser.body == b"x" * 10


def test_a_body_that_is_all_chunk_extensions_is_capped():
    parser = ResponseParser(max_body=10)
    parser.feed(CHUNKED + b"1;" + b"x" * 17)
    assert not parser.complete
    parser.feed(b"x")
    assert (parser.complete, parser.body) == (True, b"")


def test_trailers_are_no_headers():
    parser = ResponseParser()
    parser.feed(CHUNKED + b"0\r\nT: x\r\n\r\n")
    assert parser.complete
    assert "T" not in parser.response.headers


def test_a_response_without_a_body_is_complete_with_its_head():
    parser = ResponseParser()
    assert parser.feed(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert parser.complete


def test_the_end_of_the_connection_ends_an_unbounded_body():
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 403 Forbidden\r\n\r\nno")
    assert not parser.complete
    parser.feed_eof()
    assert (parser.complete, parser.body) == (True, b"no")


@pytest.mark.parametrize(
    ("octets", "where"), [(b"", "before it"), (b"HTTP/1.1 1", "within its head")]
)
def test_the_end_of_the_connection_is_no_response(octets, where):
    parser = ResponseParser()
    parser.feed(octets)
    with pytest.raises(InvalidHandshakeError, match=where):
        parser.feed_eof()


def test_a_request_is_parsed_up_to_its_frames():
    parser = RequestParser()
    assert parser.feed(REQUEST + FRAMES)
    request = parser.request
    assert (request.method, request.version) == ("GET", "1.1")
    assert request.target == "/chat?room=a%20b&room=c"
    assert request.path == "/chat"
    assert request.params.getall("room") == ["a b", "c"]
    assert request.headers["HOST"] == "server.example.com"
    assert parser.left_over == FRAMES


def test_a_body_of_a_request_is_left_over():
    parser = RequestParser()
    assert parser.feed(b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
    assert (parser.request.method, parser.left_over) == ("POST", b"abc")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        (b"/a%2Fb%C3%A9?x=/y", "/a/bé"),
        (b"//other.example/x", "//other.example/x"),
        (b"http://server.example.com/x/y?z", "/x/y"),
        (b"http://server.example.com", "/"),
    ],
)
def test_the_path_of_a_target_is_decoded(target, path):
    parser = RequestParser()
    parser.feed(b"GET " + target + b" HTTP/1.1\r\n\r\n")
    assert parser.request.path == path


@pytest.mark.parametrize(
    "octets",
    [
        b"GET / HTTP/1.0\r\n",
        b"GET / HTTP/2.0\r\n",
        b"PRI * HTTP/2.0\r\n",
        b"GET /\r\n",
        b"GET  / HTTP/1.1\r\n",
        b"GET /a b HTTP/1.1\r\n",
        b"GET /a#b HTTP/1.1\r\n",
        b"GET /\xe9 HTTP/1.1\r\n",
        b"GET / HTTP/1.1 \r\n",
        b"GET / RTSP/1.0\r\n",
        b"FOO / HTTP/1.1\r\n",
        b"get / HTTP/1.1\r\n",
        b"\r\nGET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\n",
        b"\x16\x03\x01\x02\x00",
        b"GET /\0",
        b"GET / HTTP/1.1\r\nX: a\r\n b",
        b"GET / HTTP/1.1\r\nX : a\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n",
    ],
)
def test_a_malformed_request_is_refused_with_400(octets):
    assert request_refused(octets) == 400


def test_a_request_over_a_limit_is_refused_with_431():
    assert request_refused(b"GET /" + b"x" * 70_000) == 431
    assert request_refused(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 129 + b"\r\n") == 431
