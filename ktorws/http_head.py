"""How octets become the head of an HTTP/1.1 message, and where exactly the head ends.

httptools does the parsing. This file adds what httptools lets pass, the limits, and
the place of the end: what is behind a 101 is frames, not HTTP.
"""

from __future__ import annotations

import functools
import re
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NoReturn

from multidict import CIMultiDict, CIMultiDictProxy

from ktorws.exceptions import HandshakeLostError, InvalidHandshakeError
from ktorws.http_message import HttpRequestHead, HttpResponse, RequestRefusedError

MAX_HEAD_SIZE = 64 * 1024  # bytes; start line and headers together
MAX_HEADERS = 128
MAX_BODY = 16 * 1024  # bytes kept of a refusal's body

_SWITCHING_PROTOCOLS = 101
_OK = 200
# A line ends in CRLF and nothing else, none continues the one before (obs-fold,
# RFC 9112 §5.2), and no other control character has a place in a head.
_BAD_OCTETS = re.compile(
    rb"(?<!\r)\n|\r(?!\n|\Z)|\n[ \t]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)
_IN_LINES = bytes(n for n in range(256) if n == 9 or (n > 31 and n != 127))  # noqa: PLR2004


@functools.lru_cache(maxsize=256)
def _name(octets: bytes) -> str:
    """A header's name; those that all peers use are there once."""
    return octets.decode("latin-1")


#: Values that nearly every answer has: there once, as the names.
_USUAL = {text.encode(): text for text in ("websocket", "Upgrade", "upgrade")}


def _is_plain(octets: bytes) -> bool:
    """Whether no octet is bad and all lines are whole.

    The search takes 20 times as long to find that out.
    """
    ends = b"\r\n" * octets.count(b"\r\n")
    return (
        octets.translate(None, _IN_LINES) == ends
        and b"\n " not in octets
        and b"\n\t" not in octets
    )


class HttpHeadParser(ABC):
    """Takes octets in any portions and finds the head in them.

    What is malformed is refused no later than at the end of its line, control
    characters and wrong line ends at once. Work is linear in the octets, whatever
    the portions.

    Args:
        max_head_size: in bytes, of start line and headers together.
        max_headers: how many headers the head may have.
    """

    _parser_name: ClassVar[str]
    _start_line_form: ClassVar[re.Pattern[bytes]]
    _start: ClassVar[bytes] = b""  # what every start line begins with

    def __init__(
        self, *, max_head_size: int = MAX_HEAD_SIZE, max_headers: int = MAX_HEADERS
    ) -> None:
        self._max_head_size = max_head_size
        self._max_headers = max_headers
        self._size = 0
        self._head_complete = False
        self._left_over = bytearray()
        self._begin()

    def _begin(self) -> None:
        import httptools  # noqa: PLC0415  importing ktorws stays light

        self._line = bytearray()  # the line that has not ended yet
        self._tail = b""  # the last three octets: the next ones may complete an end
        self._started = False
        self._text = bytearray()  # the reason phrase or the request target
        self._headers: CIMultiDict[str] = CIMultiDict()
        self._httptools = httptools
        self._parser: Any = getattr(httptools, self._parser_name)(self)

    @property
    def left_over(self) -> bytes:
        """The octets behind the head that are no body: the first frames."""
        return bytes(self._left_over)

    def feed(self, data: bytes | bytearray | memoryview) -> bool:
        """Take octets; True once the head is complete.

        Raises:
            InvalidHandshakeError: as a client, the response is malformed or too big.
            RequestRefusedError: as a server, the request is; 400 or 431.
        """
        octets = memoryview(bytes(data))
        while octets and not self._head_complete:
            octets = self._feed_head(octets)
        if octets:
            self._feed_rest(octets)
        return self._head_complete

    def _feed_head(self, octets: memoryview) -> memoryview:
        """Take what belongs to the head; gives what is behind it."""
        seen = len(self._tail)
        window = self._tail + octets[: self._max_head_size - self._size]
        end = window.find(b"\r\n\r\n") + 4
        complete = end >= 4  # noqa: PLR2004
        if complete:
            window = window[:end]
        if not _is_plain(window) and (
            bad := _BAD_OCTETS.search(window, max(seen - 1, 0))
        ):
            self._refuse(f"HTTP head has illegal octets: {bad.group()!r}")
        new = window[seen:]
        self._size += len(new)
        self._tail = window[-3:]
        self._take_lines(new)
        if complete:
            self._end_of_head()
        elif len(new) < len(octets):
            limit = self._max_head_size
            self._refuse(f"HTTP head is too big, the limit is {limit} bytes", 431)
        return octets[len(new) :]

    def _take_lines(self, new: bytes) -> None:
        # Whole lines only: httptools copies an unfinished value at every call.
        end = new.rfind(b"\n") + 1
        self._line += new[:end] if end else new
        if not self._started:
            start = bytes(self._line[: len(self._start)])
            if not self._start.startswith(start):
                self._refuse(f"Not an HTTP/1.1 response: it starts with {start!r}")
        if not end:
            return
        if not self._started:
            self._started = True
            line = bytes(self._line.partition(b"\r\n")[0])
            if not self._start_line_form.fullmatch(line):
                self._refuse(f"Malformed start line, or not HTTP/1.1: {line[:80]!r}")
        self._parse(bytes(self._line))
        self._line = bytearray(new[end:])
        if len(self._headers) > self._max_headers:
            limit = self._max_headers
            self._refuse(f"HTTP head has too many headers, the limit is {limit}", 431)

    def _parse(self, octets: bytes | memoryview) -> None:
        try:
            self._parser.feed_data(octets)
        except self._httptools.HttpParserUpgrade:
            pass
        except self._httptools.HttpParserError as error:
            if not self._may_stop():
                self._refuse(f"Malformed HTTP: {error}")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; httptools calls this, for a body's trailers too."""
        if not self._head_complete:
            text = _USUAL.get(value) or value.decode("latin-1").strip(" \t")
            self._headers.add(_name(name), text)

    def _feed_rest(self, octets: memoryview) -> None:
        self._left_over += octets

    def _end_of_head(self) -> None:
        self._head_complete = True
        self._parser = None  # ends the cycle of parser and callbacks

    def _may_stop(self) -> bool:
        """Whether httptools may stop here, the message being complete."""
        return False

    @abstractmethod
    def _refuse(self, message: str, status: int = 400) -> NoReturn:
        """Raise this side's error; the status is for an answer."""


class ResponseParser(HttpHeadParser):
    """The client's side: one response, interim ones (1xx but 101) skipped.

    Args:
        max_head_size: in bytes, of all heads together, the interim ones included.
        max_headers: how many headers the head may have.
        max_body: how many bytes of a refusal's body are kept.

    Attributes:
        complete: whether nothing more is wanted: the message is complete, or as
            much of its body was read as anybody will look at.
    """

    _parser_name = "HttpResponseParser"
    _start_line_form = re.compile(rb"HTTP/1\.1 [1-9][0-9]{2}(?: .*)?")
    _start = b"HTTP/1.1 "

    def __init__(
        self,
        *,
        max_head_size: int = MAX_HEAD_SIZE,
        max_headers: int = MAX_HEADERS,
        max_body: int = MAX_BODY,
    ) -> None:
        super().__init__(max_head_size=max_head_size, max_headers=max_headers)
        self.complete = False
        self._max_body = max_body
        self._body = bytearray()
        # Chunk sizes and trailers take room as well, and could do so for ever.
        self._body_octets = 2 * max_body

    def _begin(self) -> None:
        super()._begin()
        self._status = 0
        self._message_complete = False

    @property
    def body(self) -> bytes:
        """The start of the body, as far as it has come."""
        return bytes(self._body)

    @property
    def response(self) -> HttpResponse:
        """The response, once `feed` gave True; its body as far as it has come.

        Raises:
            RuntimeError: the head is not complete.
        """
        if not self._head_complete:
            raise RuntimeError("The response is not there yet")
        reason = self._text.decode("latin-1").strip(" \t")
        headers = CIMultiDictProxy(self._headers)
        return HttpResponse(self._status, reason, "1.1", headers, self.body)

    def feed_eof(self) -> None:
        """Take note that the connection ended, which also ends an unbounded body.

        Raises:
            HandshakeLostError: there was no complete head.
        """
        if not self._head_complete:
            where = "within its head" if self._size else "before it"
            raise HandshakeLostError(
                f"Connection closed instead of a response, {where}"
            )
        self._finish()

    def on_status(self, reason: bytes) -> None:
        """A part of the reason phrase; httptools calls this."""
        if not self._head_complete:
            self._text += reason

    def on_body(self, data: bytes) -> None:
        """A part of the body; httptools calls this."""
        if not self.complete:
            self._body += data[: self._max_body - len(self._body)]
            self.complete = len(self._body) >= self._max_body

    def on_message_complete(self) -> None:
        """The end of the message; httptools calls this."""
        self._message_complete = True
        self.complete = self._head_complete

    def _may_stop(self) -> bool:
        return self._message_complete or self.complete

    def _end_of_head(self) -> None:
        self._status = self._parser.get_status_code()
        if self._status < _OK and self._status != _SWITCHING_PROTOCOLS:
            self._begin()
            return
        self._head_complete = True
        if self._message_complete:
            self._finish()

    def _feed_rest(self, octets: memoryview) -> None:
        if self._status == _SWITCHING_PROTOCOLS:
            super()._feed_rest(octets)
        elif not self.complete:
            octets = octets[: self._body_octets]
            self._body_octets -= len(octets)
            self._parse(octets)
            if self.complete or not self._body_octets:
                self._finish()

    def _finish(self) -> None:
        self.complete = True
        self._parser = None

    def _refuse(self, message: str, status: int = 400) -> NoReturn:
        response = self.response if self._head_complete else None
        raise InvalidHandshakeError(message, response)


class ConnectResponseParser(ResponseParser):
    """A proxy's answer to CONNECT, also as HTTP/1.0; what follows it is no body."""

    _start_line_form = re.compile(rb"HTTP/1\.[01] [1-9][0-9]{2}(?: .*)?")
    _start = b"HTTP/1."

    def _feed_rest(self, octets: memoryview) -> None:
        self._left_over += octets


class RequestParser(HttpHeadParser):
    """The accepting side: one request's head. A body, if any, is in `left_over`."""

    _parser_name = "HttpRequestParser"
    _start_line_form = re.compile(rb'[A-Z-]+ [!-"$-~]+ HTTP/1\.1')

    @property
    def request(self) -> HttpRequestHead:
        """The request, once `feed` gave True.

        Raises:
            RuntimeError: the head is not complete.
        """
        if not self._head_complete:
            raise RuntimeError("The request is not there yet")
        headers = CIMultiDictProxy(self._headers)
        return HttpRequestHead(self._method, self._text.decode(), "1.1", headers)

    def on_url(self, target: bytes) -> None:
        """A part of the request target; httptools calls this."""
        self._text += target

    def _end_of_head(self) -> None:
        self._method = self._parser.get_method().decode()
        super()._end_of_head()

    def _refuse(self, message: str, status: int = 400) -> NoReturn:
        raise RequestRefusedError(status, detail=message)
