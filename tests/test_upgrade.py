"""The octets of an upgrade and the moment when frames take over."""

import asyncio

from ktorws.engines._upgrade import HeadReader
from ktorws.exceptions import InvalidHandshakeError
from ktorws.http_head import ResponseParser

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


def test_nothing_is_called_before_the_head_is_complete():
    seen = Seen()
    seen.feed(HEAD[:-1])
    assert seen.calls == []
    seen.feed(HEAD[-1:])
    assert seen.calls == ["progress"]


def test_octets_behind_the_head_are_progress_too():
    seen = Seen()
    seen.feed(HEAD)
    seen.feed(b"no")
    assert seen.calls == ["progress", "progress"]
    assert seen.parser.response.body == b"no"


def test_what_the_parser_refuses_is_handed_on():
    seen = Seen()
    seen.feed(b"SSH-2.0-OpenSSH\r\n")
    (error,) = seen.calls
    assert isinstance(error, InvalidHandshakeError)


def test_what_the_one_who_waits_raises_is_handed_on():
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
