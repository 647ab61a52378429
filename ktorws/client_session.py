"""What a client's session knows beyond any other: the handshake that led to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ktorws.default_session import DefaultWebSocketSession
from ktorws.session import WebSocketSession

if TYPE_CHECKING:
    from ktorws.frame import Frame
    from ktorws.http_message import HttpResponse
    from ktorws.request import HttpRequest


@dataclass(frozen=True, slots=True)
class HttpClientCall:
    """A handshake.

    Attributes:
        request: what was asked for, after redirects.
        response: the server's answer: status 101 and headers.
    """

    request: HttpRequest
    response: HttpResponse


class ClientWebSocketSession(WebSocketSession):
    """A raw session of a client: every frame, nothing answered for you."""

    _peer_closed_first = False

    @property
    def call(self) -> HttpClientCall:
        """The handshake that led to this session."""
        return cast("HttpClientCall", self._call)

    @property
    def closed_by_peer(self) -> bool:
        """Whether the peer sent a Close frame, and had it sent before ours."""
        return self._peer_closed_first

    def _closed_by_peer(self, frame: Frame.Close) -> None:
        self._peer_closed_first = not self._close_sent
        super()._closed_by_peer(frame)


class DefaultClientWebSocketSession(DefaultWebSocketSession, ClientWebSocketSession):
    """A session of a client with pings, pongs and the closing handshake handled."""
