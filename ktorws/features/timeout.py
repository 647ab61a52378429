"""How long a connection, a handshake and a silent peer are waited for."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, ClassVar

from ktorws.default_session import positive_seconds
from ktorws.exceptions import OpenTimeoutError
from ktorws.features.base import HttpClientFeature
from ktorws.features.websockets import one_of

if TYPE_CHECKING:
    from datetime import timedelta

    from ktorws.features.base import Proceed
    from ktorws.request import HttpRequestBuilder
    from ktorws.session import WebSocketSession


class HttpTimeout(HttpClientFeature):
    """``client.install(HttpTimeout, …)``, as in Ktor; each limit is off unless given.

    All of them hold within the ``open_timeout`` of `WebSockets`, which limits an
    opening as a whole. An engine that cannot honour one refuses the request, naming
    it. What one request has in its ``capabilities`` wins, in seconds:
    ``request=lambda r: r.capabilities.update({"connect_timeout": 1.0})``.

    Args:
        request_timeout: seconds, or a `timedelta`, for each handshake: from
            connecting to the server's answer; `OpenTimeoutError`. A redirect begins
            anew. As in Ktor it does not limit the session.
        request_timeout_millis: the same in milliseconds.
        connect_timeout: for name lookup and connection; `ConnectError`. Wins over
            the engine's own; `math.inf` for none.
        connect_timeout_millis: the same in milliseconds.
        socket_timeout: how long nothing at all may come from the peer, from the
            request to the session's end; `SocketTimeoutError`, close code 1011.
            Found an eighth of it too late at most; time in which this side did not
            read does not count. A quiet session lives on pings shorter than this.
        socket_timeout_millis: the same in milliseconds.

    Raises:
        ValueError: a limit is not above 0.
        TypeError: one was given in seconds and in milliseconds.
    """

    depth: ClassVar[int] = 30

    def __init__(
        self,
        *,
        request_timeout: float | timedelta | None = None,
        request_timeout_millis: int | None = None,
        connect_timeout: float | timedelta | None = None,
        connect_timeout_millis: int | None = None,
        socket_timeout: float | timedelta | None = None,
        socket_timeout_millis: int | None = None,
    ) -> None:
        self._request = _limit(
            "request_timeout", request_timeout, request_timeout_millis
        )
        self._connect = _limit(
            "connect_timeout", connect_timeout, connect_timeout_millis
        )
        self._socket = _limit("socket_timeout", socket_timeout, socket_timeout_millis)

    async def prepare(self, request: HttpRequestBuilder) -> None:
        """Ask the engine for what only it can do."""
        if self._connect is not None:
            request.capabilities.setdefault("connect_timeout", self._connect)
        if self._socket is not None:
            request.capabilities.setdefault("socket_timeout", self._socket)

    async def send(
        self, request: HttpRequestBuilder, proceed: Proceed
    ) -> WebSocketSession:
        """Send, and wait for the answer so long."""
        limit = asyncio.timeout(self._request)
        try:
            async with limit:
                return await proceed(request)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise OpenTimeoutError(
                f"No answer to the handshake within {self._request:g} s"
            ) from error


def _limit(
    name: str, seconds: float | timedelta | None, millis: int | None
) -> float | None:
    value = one_of(name, seconds, millis)
    if value is None:
        return None
    limit = positive_seconds(name, value)
    return None if limit == math.inf and name != "connect_timeout" else limit
