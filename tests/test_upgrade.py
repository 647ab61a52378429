"""The octets of an upgrade and the moment when frames take over."""

import asyncio
import tracemalloc

from ktorws.engines._upgrade import HeadReader
from ktorws.exceptions import InvalidHandshakeError
from ktorws.http_head import RequestParser, ResponseParser
from tests.serving import UNMASKED, request

HEAD = b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n"


class Seen:
    """A reader over a parser, and what it called."""

    def __init__(self, progress=lambda: None):
        self.calls = []
        self.parser = ResponseParser()
        self._progress = progress
        self.reader = HeadReader(self.parser, self.progress, self.failed)

    def progress(self):
        self.calls.append("progress")
        self._progress()

    def failed(self, error):
        self.calls.append(error)

    def feed(self, octets):
        window = self.reader.get_buffer(-1)
        window[: len(octets)] = octets
        self.reader.buffer_updated(len(octets))


async def test_nothing_is_called_before_the_head_is_complete():
    seen = Seen()
    seen.feed(HEAD[:-1])
    assert seen.calls == []
    seen.feed(HEAD[-1:])
    assert seen.calls == ["progress"]


async def test_octets_behind_the_head_are_progress_too():
    seen = Seen()
    seen.feed(HEAD)
    seen.feed(b"no")
    assert seen.calls == ["progress", "progress"]
    assert seen.parser.response.body == b"no"


async def test_what_the_parser_refuses_is_handed_on():
    seen = Seen()
    seen.feed(b"SSH-2.0-OpenSSH\r\n")
    (error,) = seen.calls
    assert isinstance(error, InvalidHandshakeError)


async def test_what_the_one_who_waits_raises_is_handed_on():
    cause = RuntimeError("his own")

    def fail():
        raise cause

    seen = Seen(fail)
    seen.feed(HEAD)
    assert seen.calls == ["progress", cause]


def test_the_end_of_the_octets_is_a_failure_and_lets_the_transport_close():
    seen = Seen()
    assert seen.reader.eof_received() is False
    assert seen.calls == [None]


def test_a_lost_connection_is_a_failure_with_its_cause():
    seen = Seen()
    cause = ConnectionResetError()
    seen.reader.connection_lost(cause)
    assert seen.calls == [cause]


def test_the_transport_is_kept_for_the_one_who_takes_it_on():
    seen = Seen()
    assert seen.reader.transport is None
    transport = asyncio.Transport()
    seen.reader.connection_made(transport)
    assert seen.reader.transport is transport


def served():
    """A reader over a request's parser."""
    parser = RequestParser()
    return parser, HeadReader(parser, lambda: None, lambda error: None)


def arrive(reader, octets):
    window = reader.get_buffer(-1)
    window[: len(octets)] = octets
    reader.buffer_updated(len(octets))


async def test_the_connections_of_a_loop_share_one_buffer():
    readers = [served()[1] for _ in range(3)]
    first, *others = [reader.get_buffer(-1) for reader in readers]
    assert all(other is first for other in others)


async def test_a_proactor_gives_each_connection_its_own_buffer(monkeypatch):
    loop = asyncio.get_running_loop()
    monkeypatch.setattr(asyncio, "ProactorEventLoop", type(loop), raising=False)
    (one, first), (other, second) = served(), served()
    assert first.get_buffer(-1) is first.get_buffer(-1)
    assert first.get_buffer(-1) is not second.get_buffer(-1)
    for reader in (first, second):
        arrive(reader, request())
    assert one.request.path == other.request.path == "/echo"


async def test_a_parser_keeps_nothing_of_the_buffer_that_it_shares():
    """Others read into it between any two reads."""
    octets = request(path=b"/mine") + UNMASKED
    for cut in range(1, len(octets)):
        (mine, reader), (_, other) = served(), served()
        arrive(reader, octets[:cut])
        arrive(other, request(path=b"/other")[:cut])
        arrive(reader, octets[cut:])
        arrive(other, b"X" * 16_000)
        assert mine.request.path == "/mine"
        assert mine.request.headers["Host"] == "localhost"
        assert mine.left_over == UNMASKED


async def test_a_connection_that_has_not_asked_costs_no_buffer():
    arrive(served()[1], b"GET")
    number = 1000
    tracemalloc.start()
    try:
        readers = [served() for _ in range(number)]
        for _, reader in readers:
            arrive(reader, b"GET /")
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size / number < 4096  # 16 KiB more with buffers of their own
