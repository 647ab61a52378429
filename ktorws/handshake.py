"""The opening handshake of RFC 6455 §4, for both sides, without I/O."""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ktorws.exceptions import HandshakeError, InvalidHandshakeError
from ktorws.extensions import negotiate_as_client, negotiate_as_server, offer
from ktorws.http_message import (
    HttpRequestHead,
    HttpResponse,
    RequestRefusedError,
    head_octets,
    is_token,
    list_elements,
    refusal_octets,
)
from ktorws.version import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from multidict import CIMultiDictProxy

    from ktorws.extensions import WebSocketExtension
    from ktorws.request import HttpRequest

__all__ = [
    "Accepted",
    "ClientHandshake",
    "HttpRequestHead",
    "HttpResponse",
    "Negotiated",
    "RequestRefusedError",
    "accept",
    "check_request",
    "choose_subprotocol",
    "refusal_octets",
    "server_accept",
]

KEY_SIZE = 16  # bytes, before base64
VERSION = "13"
USER_AGENT = f"ktorws/{__version__}"

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SWITCHING_PROTOCOLS = 101
_NO_BODY = {"", "0"}


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What both sides agreed on.

    Attributes:
        subprotocol: the chosen one, or None.
        extensions: those in use, in the order in which frames pass them when sent.
    """

    subprotocol: str | None = None
    extensions: list[WebSocketExtension] = field(default_factory=list)


class Accepted(NamedTuple):
    """A request that becomes a session once `octets` are sent."""

    octets: bytes
    negotiated: Negotiated


def server_accept(key: str) -> str:
    """The ``Sec-WebSocket-Accept`` that answers a key (RFC 6455 §4.2.2)."""
    digest = hashlib.sha1(
        key.strip(" \t").encode("latin-1") + _GUID, usedforsecurity=False
    )
    return base64.b64encode(digest.digest()).decode()


class ClientHandshake:
    """One request for a session and the check of its answer.

    Args:
        request: what is asked for.
        extensions: new ones, for this connection only.

    Attributes:
        key: the ``Sec-WebSocket-Key``, from 16 random bytes.
    """

    def __init__(
        self, request: HttpRequest, extensions: Sequence[WebSocketExtension] = ()
    ) -> None:
        self.request = request
        self.extensions = extensions
        self.key = base64.b64encode(os.urandom(KEY_SIZE)).decode()

    def octets(self) -> bytes:
        """The head of the request, which has no body."""
        request = self.request
        headers = request.headers.copy()
        lines = [("Host", headers.pop("Host", request.host_header))]
        lines += headers.items()
        if "User-Agent" not in headers:
            lines.append(("User-Agent", USER_AGENT))
        if "Accept" not in headers:
            lines.append(("Accept", "*/*"))
        lines += self.headers()
        return head_octets(f"{request.method} {request.target} HTTP/1.1", lines)

    def headers(self) -> list[tuple[str, str]]:
        """What makes the request one for a session, besides the caller's headers."""
        # Some servers compare "Upgrade" letter by letter, capital included.
        lines = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
        lines += [("Sec-WebSocket-Key", self.key), ("Sec-WebSocket-Version", VERSION)]
        if self.request.subprotocols:
            subprotocols = ", ".join(self.request.subprotocols)
            lines.append(("Sec-WebSocket-Protocol", subprotocols))
        if extensions := offer(self.extensions):
            lines.append(("Sec-WebSocket-Extensions", extensions))
        return lines

    def verify(self, response: HttpResponse) -> Negotiated:
        """What was agreed on, if the server opened a session (RFC 6455 §4.1).

        Raises:
            HandshakeError: it answered with another status than 101.
            InvalidHandshakeError: its 101 breaks a rule.
        """
        if response.status != _SWITCHING_PROTOCOLS:
            status = f"{response.status} {response.reason}".rstrip()
            raise HandshakeError(
                f"Handshake exception, expected status code 101 but was {status}",
                response,
            )
        try:
            self._verify_upgrade(response)
            subprotocol = self._verify_subprotocol(response.headers)
            answer = _only(response.headers, "Sec-WebSocket-Extensions")
            extensions = negotiate_as_client(self.extensions, answer)
        except ValueError as error:
            raise InvalidHandshakeError(str(error), response) from error
        return Negotiated(subprotocol, extensions)

    def _verify_upgrade(self, response: HttpResponse) -> None:
        headers = response.headers
        if not _is_http_1_1(response.version):
            raise ValueError(f"Server should speak HTTP/1.1, not {response.version}")
        if not _has(headers, "Upgrade", "websocket"):
            raise ValueError("Server should specify header Upgrade: websocket")
        if not _has(headers, "Connection", "upgrade"):
            raise ValueError("Server should specify header Connection: Upgrade")
        received = _only(headers, "Sec-WebSocket-Accept")
        if received is None:
            raise ValueError("Server should specify header Sec-WebSocket-Accept")
        expected = server_accept(self.key)
        if received.strip(" \t") != expected:  # no other character is white here
            raise ValueError(
                "Failed to verify server accept header. "
                f"Expected: {expected}, received: {received}"
            )

    def _verify_subprotocol(self, headers: CIMultiDictProxy[str]) -> str | None:
        subprotocol = _only(headers, "Sec-WebSocket-Protocol")
        if subprotocol is not None and subprotocol not in self.request.subprotocols:
            raise ValueError(f"Server chose an unoffered subprotocol: {subprotocol!r}")
        return subprotocol


def choose_subprotocol(offered: Iterable[str], supported: Iterable[str]) -> str | None:
    """The first one offered that is supported: the client says what it prefers."""
    known = set(supported)
    return next((name for name in offered if name in known), None)


def check_request(request: HttpRequestHead) -> str:
    """The request's key, if it asks for a session as RFC 6455 §4.2.1 wants it.

    Raises:
        RequestRefusedError: it does not; 400, 405 or 426.
    """
    headers = request.headers
    if request.method != "GET":
        _refuse(405, "The handshake is a GET request", {"Allow": "GET"})
    if not _is_http_1_1(request.version):
        _refuse(400, "The handshake needs HTTP/1.1")
    if len(headers.getall("Host", [])) != 1:
        _refuse(400, "Header Host must be there once")
    if (
        "Transfer-Encoding" in headers
        or headers.get("Content-Length", "") not in _NO_BODY
    ):
        _refuse(400, "The handshake has no body")
    if not _has(headers, "Upgrade", "websocket"):
        _refuse(400, "Header Upgrade must be websocket")
    if not _has(headers, "Connection", "upgrade"):
        _refuse(400, "Header Connection must name Upgrade")
    if headers.getall("Sec-WebSocket-Version", []) != [VERSION]:
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade, close"}
        _refuse(
            426,
            f"The WebSocket version must be {VERSION}",
            {**upgrade, "Sec-WebSocket-Version": VERSION},
        )
    keys = headers.getall("Sec-WebSocket-Key", [])
    if len(keys) != 1 or not _is_key(keys[0]):
        _refuse(400, "Header Sec-WebSocket-Key must be 16 bytes in base64, once")
    return keys[0]


def accept(
    request: HttpRequestHead,
    *,
    subprotocols: Iterable[str] = (),
    extensions: Iterable[WebSocketExtension] = (),
    headers: Mapping[str, str] | None = None,
) -> Accepted:
    """The answer that opens a session, and what it agrees on.

    A client that offers none of the subprotocols gets a session without one; a
    server that insists looks at the result before it sends anything.

    Args:
        request: what the client sent.
        subprotocols: those that the server speaks.
        extensions: those that the server knows; new ones, for this connection only.
        headers: more headers for the answer.

    Raises:
        RequestRefusedError: the request is not as RFC 6455 §4.2.1 wants it.
        ValueError: one of `headers` cannot be sent.
    """
    key = check_request(request)
    offered = list_elements(request.headers.getall("Sec-WebSocket-Protocol", []))
    if len(set(offered)) != len(offered) or not all(map(is_token, offered)):
        _refuse(400, "Subprotocols must be tokens that differ")
    offers = request.headers.getall("Sec-WebSocket-Extensions", [])
    try:
        used, answer = negotiate_as_server(extensions, offers)
    except ValueError as error:
        raise RequestRefusedError(400, detail=str(error)) from error
    subprotocol = choose_subprotocol(offered, subprotocols)
    lines = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
    lines.append(("Sec-WebSocket-Accept", server_accept(key)))
    if subprotocol is not None:
        lines.append(("Sec-WebSocket-Protocol", subprotocol))
    if answer:
        lines.append(("Sec-WebSocket-Extensions", answer))
    lines += (headers or {}).items()
    octets = head_octets("HTTP/1.1 101 Switching Protocols", lines)
    return Accepted(octets, Negotiated(subprotocol, used))


def _has(headers: CIMultiDictProxy[str], name: str, token: str) -> bool:
    """Whether a header that lists tokens has this one, in any letter case."""
    values = headers.getall(name, [])
    if len(values) == 1 and values[0].lower() == token:
        return True
    elements = list_elements(values)
    return token in {element.lower() for element in elements}


def _only(headers: CIMultiDictProxy[str], name: str) -> str | None:
    values = headers.getall(name, [])
    if len(values) > 1:
        raise ValueError(f"Server should specify header {name} once")
    return values[0] if values else None


def _is_http_1_1(version: str) -> bool:
    major, _, minor = version.partition(".")
    return (
        major.isdecimal() and minor.isdecimal() and (int(major), int(minor)) >= (1, 1)
    )


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == KEY_SIZE
    except ValueError:
        return False


def _refuse(
    status: int, detail: str, headers: Mapping[str, str] | None = None
) -> NoReturn:
    raise RequestRefusedError(status, None, headers, detail)
