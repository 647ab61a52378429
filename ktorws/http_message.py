"""What an HTTP/1.1 message is made of: tokens, header values, requests, responses."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote

from multidict import CIMultiDict, CIMultiDictProxy, MultiDict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VISIBLE = re.compile(r"[!-~]+")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


def is_token(text: str) -> bool:
    """Whether this is a token of RFC 9110 §5.6.2, as names in HTTP are."""
    return _TOKEN.fullmatch(text) is not None


#: For the names of headers, which are few, and no secrets.
_is_name = functools.lru_cache(maxsize=256)(is_token)


def is_field_value(text: str) -> bool:
    """Whether this can be a header's value: Latin-1 without control characters."""
    if text.isascii() and text.isprintable():  # nearly always, and sooner known
        return True
    return _FIELD_VALUE.fullmatch(text) is not None


def check_text(value: object, what: str) -> str:
    """The value, if it is a string.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a str, not {type(value).__name__}")
    return value


def check_visible(value: object, what: str) -> str:
    """The value, if it is a string of visible ASCII characters.

    Raises:
        ValueError: it has others, or none at all.
        TypeError: it is no string.
    """
    text = check_text(value, what)
    if not _VISIBLE.fullmatch(text):
        raise ValueError(f"{what} has characters that cannot be sent: {text!r}")
    return text


def check_header(name: object, value: object) -> None:
    """Let a header pass that can be sent.

    Raises:
        ValueError: the name is no token, or the value could not be sent unchanged.
        TypeError: one of them is no string.
    """
    if (  # nearly always, and sooner known than all rules
        type(name) is str
        and type(value) is str
        and value.isascii()
        and value.isprintable()
        and _is_name(name)
    ):
        return
    if not _is_name(check_text(name, "Header name")):
        raise ValueError(f"Header name is not a token: {name!r}")
    if not isinstance(value, str) or not is_field_value(value):
        check_text(value, f"Header {name}")
        # The value may be a secret, and errors end in logs.
        raise ValueError(f"Header {name} has characters that cannot be sent")


def list_elements(values: Iterable[str]) -> list[str]:
    """The elements of a comma-separated header, less empty ones (RFC 9110 §5.6.1)."""
    elements = (item.strip(" \t") for value in values for item in value.split(","))
    return [element for element in elements if element]


class RequestRefusedError(Exception):
    """A request that the accepting side answers with an HTTP status, not a session.

    Attributes:
        status: the status code to answer with.
        reason: its reason phrase.
        headers: headers that the answer must have.
        detail: what was wrong, in words that the peer may read.
    """

    def __init__(
        self,
        status: int,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
        detail: str = "",
    ) -> None:
        reason = HTTPStatus(status).phrase if reason is None else reason
        super().__init__(f"{status} {reason}" + (f": {detail}" if detail else ""))
        self.status = status
        self.reason = reason
        self.headers = dict(headers or {})
        self.detail = detail


@dataclass(frozen=True, slots=True, eq=False)
class HttpResponse:
    """What a server answered.

    Attributes:
        status: the three-digit code.
        reason: the reason phrase, possibly empty.
        version: of HTTP, such as ``"1.1"``.
        headers: names in any letter case; values as Latin-1 text.
        body: its start, for a refused handshake; empty behind a 101.
    """

    status: int
    reason: str
    version: str
    headers: CIMultiDictProxy[str] = field(repr=False)  # they may hold secrets
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True, eq=False)
class HttpRequestHead:
    """What a client asked for.

    Attributes:
        method: as sent, such as ``"GET"``.
        target: the request target, still percent-encoded.
        version: of HTTP, such as ``"1.1"``.
        headers: names in any letter case; values as Latin-1 text.
    """

    method: str
    target: str
    version: str
    headers: CIMultiDictProxy[str] = field(repr=False)  # they may hold secrets

    @property
    def path(self) -> str:
        """The decoded path, also of a target in absolute form (RFC 9112 §3.2.2)."""
        path = self.target.partition("?")[0]
        if not path.startswith("/"):
            path = path.partition("://")[2].partition("/")[2]
            path = f"/{path}"
        return unquote(path)

    @property
    def params(self) -> MultiDict[str]:
        """The query's parameters, decoded, in order."""
        query = self.target.partition("?")[2]
        return MultiDict(parse_qsl(query, keep_blank_values=True))


def head_octets(start_line: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """A message's head as it is sent.

    Raises:
        ValueError: a header cannot be sent.
        TypeError: a header is not made of strings.
    """
    lines = [start_line]
    for name, value in headers:
        check_header(name, value)
        lines.append(f"{name}: {value}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def refusal_octets(
    status: int,
    reason: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | str = b"",
) -> bytes:
    """A whole response that opens no session; the connection ends behind it.

    Raises:
        ValueError: the reason or a header cannot be sent.
    """
    body = body.encode() if isinstance(body, str) else body
    reason = HTTPStatus(status).phrase if reason is None else reason
    if not is_field_value(reason):
        raise ValueError(f"Reason has characters that cannot be sent: {reason!r}")
    lines = CIMultiDict({"Connection": "close"})
    lines["Content-Type"] = "text/plain; charset=utf-8"
    lines.update(headers or {})
    lines["Content-Length"] = str(len(body))
    return head_octets(f"HTTP/1.1 {status} {reason}", lines.items()) + body
