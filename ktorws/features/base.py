"""Where a feature can hook into a request and the session that comes of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ktorws.request import HttpRequestBuilder
    from ktorws.session import WebSocketSession

logger = logging.getLogger(__name__)

#: Sends a request through the features behind and the engine.
Proceed: TypeAlias = "Callable[[HttpRequestBuilder], Awaitable[WebSocketSession]]"


class HttpClientFeature:
    """Something installed in a client; override what is needed.

    Made once for each client, from the options of `HttpClient.install`, all of them
    keyword arguments. Hooks are called in the order of installation.
    """

    async def prepare(self, request: HttpRequestBuilder) -> None:
        """Change a request before it is first sent."""

    async def send(
        self, request: HttpRequestBuilder, proceed: Proceed
    ) -> WebSocketSession:
        """Send a request, and see what comes of it.

        Gives the session, or raises. May send another request, or the same one
        again, after a `HandshakeError`, whose ``response`` is the server's answer.
        """
        return await proceed(request)

    def session_opened(self, session: WebSocketSession) -> None:
        """Take note of a session before the user gets it."""

    def session_failed(self, request: HttpRequestBuilder, error: Exception) -> None:
        """Take note that the caller gets this error instead of a session.

        All that features did about it is over then. Not called for a cancellation.
        """

    def session_closed(self, session: WebSocketSession) -> None:
        """Take note that a session's connection is gone."""


async def open_session(
    features: Sequence[HttpClientFeature],
    request: HttpRequestBuilder,
    engine: Proceed,
) -> WebSocketSession:
    """Take a request through all features to the engine."""
    for feature in features:
        await feature.prepare(request)
    proceed = engine
    for feature in reversed(features):
        proceed = _step(feature, proceed)
    session = await proceed(request)
    try:
        for feature in features:
            feature.session_opened(session)
    except BaseException:
        session.cancel()
        raise
    session.invoke_on_end(lambda: _tell_closed(features, session))
    return session


def tell_failed(
    features: Sequence[HttpClientFeature], request: HttpRequestBuilder, error: Exception
) -> None:
    """Tell all features that no session came of a request."""
    for feature in features:
        try:
            feature.session_failed(request, error)
        except Exception:
            logger.exception("%s failed in session_failed", type(feature).__name__)


def _tell_closed(
    features: Sequence[HttpClientFeature], session: WebSocketSession
) -> None:
    for feature in features:
        try:
            feature.session_closed(session)
        except Exception:
            logger.exception("%s failed in session_closed", type(feature).__name__)


def _step(feature: HttpClientFeature, proceed: Proceed) -> Proceed:
    if type(feature).send is HttpClientFeature.send:
        return proceed
    return lambda request: feature.send(request, proceed)
