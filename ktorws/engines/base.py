"""What an engine promises, whatever carries its sessions.

An engine opens sessions and nothing else: requests come to it whole and checked, and
features, redirects and time limits are the client's affair.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import socket

    from ktorws.ping_pong import Clock
    from ktorws.request import HttpRequest
    from ktorws.session import WebSocketSession
    from ktorws.session_config import SessionConfig


@dataclass(slots=True)
class Opening:
    """One attempt to open a session.

    Attributes:
        request: what to ask for.
        config: how the session is to behave.
        raw: every frame is wanted, nothing is to be answered.
        sock: a connected socket to use, or None to connect one.
        stage: what the engine does now, in words for an error.
    """

    request: HttpRequest
    config: SessionConfig
    raw: bool = False
    sock: socket.socket | None = None
    stage: str = "starting"


class HttpClientEngine(ABC):
    """Opens sessions.

    The promises, the same for every engine:

    * `open` gives a session that is open, or raises one of the errors below. What
      was made on the way is gone then, also after a cancellation.
    * No frame that arrives with or after the handshake is lost, and all come in order.
    * An option that the engine cannot honour is refused by `check`, never ignored.
    * The session's connection ends when the session does, and `close` leaves nothing.
    """

    #: As people call it.
    name: ClassVar[str]

    @abstractmethod
    async def open(self, opening: Opening) -> WebSocketSession:
        """A session; a `ClientWebSocketSession` for ``raw``, else a default one.

        Raises:
            HandshakeError: the server refused; carries the response.
            InvalidHandshakeError: the server's answer is wrong.
            ConnectError: there is no connection.
        """

    def check(self, opening: Opening) -> None:  # noqa: B027  most can do all
        """Refuse what this engine cannot do; called before `open`.

        Raises:
            ValueError: names the option.
        """

    async def close(self) -> None:  # noqa: B027  most hold nothing
        """Give back what the engine holds; sessions are closed before."""

    @property
    def clock(self) -> Clock:
        """What its sessions' time goes by: the running loop, or a test's clock."""
        return asyncio.get_running_loop()
