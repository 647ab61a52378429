"""Where a server sends a handshake instead, and what must not follow it there."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from yarl import URL

from ktorws.exceptions import HandshakeError
from ktorws.features.base import HttpClientFeature

if TYPE_CHECKING:
    from ktorws.features.base import Proceed
    from ktorws.request import HttpRequestBuilder
    from ktorws.session import WebSocketSession

MAX_REDIRECTS = 10

_STATUSES = {301, 302, 303, 307, 308}
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
#: Whoever may see these is named by the origin, so they stay with it.
_CREDENTIALS = ("Authorization", "Cookie", "Proxy-Authorization", "Host")


class HttpRedirect(HttpClientFeature):
    """Follows redirects of the handshake; in every client unless it is told not to.

    Never from ``wss`` to ``ws``. `Authorization`, `Cookie`, `Proxy-Authorization` and
    a `Host` of the caller's stay behind when scheme, host or port changes.

    Args:
        max_redirects: beyond these the last answer is raised as `HandshakeError`.
    """

    #: The others see each step, wherever they were installed.
    depth: ClassVar[int] = -10

    def __init__(self, *, max_redirects: int = MAX_REDIRECTS) -> None:
        self._max_redirects = max_redirects

    async def send(
        self, request: HttpRequestBuilder, proceed: Proceed
    ) -> WebSocketSession:
        """Send, and send again to where the answer points."""
        for _ in range(self._max_redirects):
            try:
                return await proceed(request)
            except HandshakeError as error:
                target = _target(request, error)
                if target is None:
                    raise
                request = _redirected(request, target, error)
        return await proceed(request)


def _target(request: HttpRequestBuilder, error: HandshakeError) -> URL | None:
    response = error.response
    if response is None or response.status not in _STATUSES:
        return None
    location = response.headers.get("Location")
    if not location:
        return None
    try:
        target = request.build().url.join(URL(location))
        scheme = _SCHEMES.get(target.scheme)
        return target.with_scheme(scheme) if scheme and target.raw_host else None
    except ValueError:
        return None


def _redirected(
    request: HttpRequestBuilder, target: URL, error: HandshakeError
) -> HttpRequestBuilder:
    old = request.build()
    if old.secure and target.scheme != "wss":
        raise HandshakeError(
            f"Redirect from wss to ws is not followed: {target.origin()}",
            error.response,
        ) from error
    moved = request.copy()
    moved.params.clear()  # the old query stays behind
    try:
        moved.take_url(target)
        elsewhere = moved.build().origin != old.origin
    except ValueError:  # the server's mistake, not the caller's
        raise error from None
    if elsewhere:
        for name in _CREDENTIALS:
            moved.headers.popall(name, None)
    return moved
