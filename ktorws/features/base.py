"""Where a feature can hook into a request and the session that comes of it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, ClassVar, TypeAlias

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
    keyword arguments. Hooks are called in the order of installation; `send` is, among
    features of one `depth`.

    A feature that needs something of the engine says so in the request's
    ``capabilities``, in `prepare` or `send`: an engine that cannot do it refuses the
    request by name. One that is to see the session's frames adds a `FrameTap` to its
    ``frame_taps``, in `send`, one for each attempt.
    """

    #: How near to the engine `send` is: redirects are followed at -10, what is
    #: installed stands at 0, credentials and cookies are added, attempts logged and
    #: timed below that.
    depth: ClassVar[int] = 0

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
    for feature in sorted(features, key=_depth)[::-1]:
        proceed = _step(feature, proceed)
    session = await proceed(request)
    try:
        for feature in features:
            feature.session_opened(session)
    except BaseException:
        session.cancel()
        raise
    listening = [feature for feature in features if _listens(feature)]
    if listening:
        session.invoke_on_end(lambda: _tell_closed(listening, session))
    return session


def _depth(feature: HttpClientFeature) -> int:
    return feature.depth


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


def _listens(feature: HttpClientFeature) -> bool:
    hook = getattr(feature.session_closed, "__func__", None)
    return hook is not HttpClientFeature.session_closed


def _step(feature: HttpClientFeature, proceed: Proceed) -> Proceed:
    if type(feature).send is HttpClientFeature.send:
        return proceed
    return lambda request: feature.send(request, proceed)
