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

    The promises, the same for every engine; `tests/engines` holds each by its name.
    What an engine cannot keep is one of its documented limits.

    Opening:

    * outcome: `open` gives an open session or raises one of its errors, no other.
    * refusal: a refused handshake's error has the status, headers and body's start.
    * request: the server gets path, query, headers and subprotocols as asked for.
    * options: what the engine cannot honour is refused by `check`, by name; also
      a request that needs a capability which the engine does not list.
    * traces: after a failure or a cancellation no socket, task or timer is left.

    Frames:

    * first: no frame that comes with the handshake's answer, or behind it, is lost.
    * whole: messages arrive whole, unchanged and in order, of any size, both ways.
    * answers: a default session answers pings, and gives data alone to its reader.
    * inward: while nobody receives, the peer is stopped within the channel's limits.
    * outward: while the peer takes nothing, senders wait within the channel's limits.
    * cancelled: a cancelled receive loses no frame, a cancelled send has sent none.

    Ends:

    * codes: close codes and reasons arrive unchanged, both ways.
    * loss: a lost connection is an error, a close is none; frames before both arrive.
    * together: the connection ends with the session, however that ends.
    * deadline: no end waits longer for the peer than its time limit.
    * nothing: `close` of client and engine leaves nothing.
    """

    #: As people call it.
    name: ClassVar[str]

    #: Which of a request's `Capabilities` it honours; the client refuses the others.
    capabilities: ClassVar[frozenset[str]] = frozenset()

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


def check_capabilities(engine: HttpClientEngine, opening: Opening) -> None:
    """Refuse a request that needs what the engine does not list.

    Raises:
        ValueError: names the capability.
    """
    for name in opening.request.capabilities:
        if name not in engine.capabilities:
            raise ValueError(f"{engine.name} cannot honour the option {name}")
