"""The client's door: features in, sessions out."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from typing import (
    TYPE_CHECKING,
    Any,
    ParamSpec,
    Self,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
)

from ktorws.attempts import Attempts, Pauses, Requests
from ktorws.close_reason import CloseReason
from ktorws.engines._choice import engine_of
from ktorws.engines.base import HttpClientEngine, Opening, check_capabilities
from ktorws.exceptions import ConnectError, OpenTimeoutError
from ktorws.features.base import HttpClientFeature, open_session, tell_failed
from ktorws.features.reconnect import Reconnect
from ktorws.features.redirect import HttpRedirect
from ktorws.features.websockets import WebSockets
from ktorws.reconnecting import ReconnectingSessions
from ktorws.request import HttpRequestBuilder
from ktorws.session_context import SessionContext

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Iterable

    from yarl import URL

    from ktorws.attempts import UrlSource
    from ktorws.client_session import (
        ClientWebSocketSession,
        DefaultClientWebSocketSession,
    )
    from ktorws.reconnecting import Gap
    from ktorws.request import Headers, Params
    from ktorws.session import WebSocketSession

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=HttpClientFeature)


class RequestOptions(TypedDict, total=False):
    """What the functions that open a session take besides a URL.

    Attributes:
        method: only ``"GET"`` can be sent.
        host, port, path: the parts of a URL, instead of one; the path is sent as it
            is, and may have a query.
        headers: additional ones.
        params: query parameters, encoded and appended.
        subprotocols: what to offer, the preferred one first.
        request: called with the `HttpRequestBuilder` before features see it.
        sock: a connected socket to use; the session closes it.
    """

    method: str
    host: str | None
    port: int | None
    path: str | None
    headers: Headers | None
    params: Params | None
    subprotocols: Iterable[str]
    request: Callable[[HttpRequestBuilder], object] | None
    sock: socket.socket | None


class HttpClient:
    """Opens sessions through an engine; features say how.

    An async context manager. Belongs to one event loop.

    Args:
        engine: an engine or its class, such as `CIO`, the default (`Js` in a browser).
            One that is given as an object stays open when the client is closed.
        features: those to install, made already; `install` makes and adds others.
        follow_redirects: follow redirects of the handshake, 10 at most.
    """

    def __init__(
        self,
        engine: HttpClientEngine | type[HttpClientEngine] | None = None,
        *,
        features: Iterable[HttpClientFeature] = (),
        follow_redirects: bool = True,
    ) -> None:
        self._owns_engine = not isinstance(engine, HttpClientEngine)
        self.engine = engine_of(engine)
        self._options: dict[Callable[..., HttpClientFeature], dict[str, Any]] = {}
        self._features: dict[type[HttpClientFeature], HttpClientFeature] = {}
        if follow_redirects:
            self._features[HttpRedirect] = HttpRedirect()
        for feature in features:
            if not isinstance(feature, HttpClientFeature):
                raise TypeError(f"Not a feature: {feature!r}")
            self._features[type(feature)] = feature
        self._sessions: set[WebSocketSession] = set()
        self._pauses = Pauses()
        self._used = False
        self._closed = False

    # Features.

    def install(
        self,
        feature: Callable[P, HttpClientFeature],
        /,
        *args: P.args,
        **options: P.kwargs,
    ) -> Self:
        """Install a feature; a second time adds to its options, as in Ktor.

        Raises:
            RuntimeError: the client has been used already.
            TypeError, ValueError: the feature refuses an option.
        """
        if isinstance(feature, HttpClientFeature):
            raise TypeError("install() takes a feature's class, features= the object")
        if args:
            raise TypeError("A feature's options are keyword arguments")
        if self._used:
            raise RuntimeError("Features are installed before the first request")
        merged = {**self._options.get(feature, {}), **options}
        made = feature(*args, **cast("Any", merged))
        if not isinstance(made, HttpClientFeature):
            raise TypeError(f"Not a feature: {feature!r}")
        self._options[feature] = merged
        self._features[type(made)] = made
        return self

    def feature(self, kind: type[F]) -> F:
        """The installed feature of this class.

        Raises:
            RuntimeError: it is not installed.
        """
        found = self.feature_or_none(kind)
        if found is None:
            raise RuntimeError(
                f"Feature {kind.__name__} is not installed. "
                f"Use client.install({kind.__name__}) first"
            )
        return found

    def feature_or_none(self, kind: type[F]) -> F | None:
        """The installed feature of this class, or None."""
        found = (f for f in self._features.values() if isinstance(f, kind))
        return next(found, None)

    # Sessions.

    def ws(
        self,
        url: str | URL | None = None,
        *,
        block: Callable[[DefaultClientWebSocketSession], Awaitable[R]] | None = None,
        **options: Unpack[RequestOptions],
    ) -> SessionContext[DefaultClientWebSocketSession, R]:
        """A session for the time of a block; `websocket` is its long name.

        ``async with client.ws(…) as session:``, or ``await client.ws(…, block=f)``,
        which gives what ``f(session)`` gives. At the end of the block the session is
        closed: see `WebSocketSession`. A URL's own scheme wins over ``ws``.

        Raises:
            RuntimeError: `WebSockets` is not installed, or the client is closed.
            ValueError, TypeError: the request is no good; nothing was sent.
            ConnectError: there is no connection.
            OpenTimeoutError: ``open_timeout`` passed first.
            HandshakeError: the server refused; carries the response.
            InvalidHandshakeError: the server's answer is wrong.
        """
        return SessionContext(self._opener("ws", url, options, raw=False), block)

    websocket = ws

    def wss(
        self,
        url: str | URL | None = None,
        *,
        block: Callable[[DefaultClientWebSocketSession], Awaitable[R]] | None = None,
        **options: Unpack[RequestOptions],
    ) -> SessionContext[DefaultClientWebSocketSession, R]:
        """As `ws`, over TLS unless the URL's own scheme says else."""
        return SessionContext(self._opener("wss", url, options, raw=False), block)

    async def websocket_session(
        self, url: str | URL | None = None, **options: Unpack[RequestOptions]
    ) -> DefaultClientWebSocketSession:
        """A session that the caller closes. Raises as `ws`."""
        opened = await self._opener("ws", url, options, raw=False)()
        return cast("DefaultClientWebSocketSession", opened)

    def ws_reconnecting(
        self,
        url: UrlSource | None = None,
        *,
        on_connected: Callable[[DefaultClientWebSocketSession, int], object]
        | None = None,
        block: Callable[[DefaultClientWebSocketSession, Gap | None], Awaitable[R]]
        | None = None,
        **options: Unpack[RequestOptions],
    ) -> ReconnectingSessions[R]:
        """Sessions one after the other, each with the `Gap` before it.

        ::

            async for connection in client.ws_reconnecting(url):
                async with connection as (session, gap):
                    ...

        or ``await client.ws_reconnecting(…, block=f)``, with ``f(session, gap)``. The
        session's loss ends the inner block, also as an error out of it, and another
        session follows, as the options of `Reconnect` say. All else ends the loop: an
        error of the block's own, which arrives unchanged; a block that leaves an open
        session or closes it; a Close frame with code 1000. What is final is raised.
        Cancelling it leaves nothing behind.

        Args:
            url: as for `ws`, or a function, async or not, that gives it. It is called
                for each attempt, as are ``request`` and the features.
            on_connected: called with the session and the number of the attempt, and
                awaited if it can be, before the block is; to subscribe anew. What it
                raises fails the attempt.
            block: run for each session; its last result is what awaiting gives.
            options: as for `ws`, but no ``sock``.
        """
        known = None if callable(url) else url
        pattern, configure, sock = self._request("ws", known, options)
        if sock is not None:
            raise TypeError("A socket serves one session: ws_reconnecting takes none")
        attempts = Attempts(
            self.feature_or_none(Reconnect) or Reconnect(),
            Requests(pattern, url, configure),
            open_=lambda request: self._open(request, None, raw=False),
            on_connected=on_connected,
            pauses=self._pauses,
            clock=lambda: self.engine.clock,
        )
        return ReconnectingSessions(attempts, block)

    def ws_raw(
        self,
        url: str | URL | None = None,
        *,
        block: Callable[[ClientWebSocketSession], Awaitable[R]] | None = None,
        **options: Unpack[RequestOptions],
    ) -> SessionContext[ClientWebSocketSession, R]:
        """As `ws`, but a raw session: every frame, nothing answered for you."""
        return SessionContext(self._opener("ws", url, options, raw=True), block)

    websocket_raw = ws_raw

    def wss_raw(
        self,
        url: str | URL | None = None,
        *,
        block: Callable[[ClientWebSocketSession], Awaitable[R]] | None = None,
        **options: Unpack[RequestOptions],
    ) -> SessionContext[ClientWebSocketSession, R]:
        """As `ws_raw`, over TLS unless the URL's own scheme says else."""
        return SessionContext(self._opener("wss", url, options, raw=True), block)

    async def websocket_raw_session(
        self, url: str | URL | None = None, **options: Unpack[RequestOptions]
    ) -> ClientWebSocketSession:
        """A raw session that the caller closes. Raises as `ws`."""
        opened = await self._opener("ws", url, options, raw=True)()
        return cast("ClientWebSocketSession", opened)

    # The end.

    async def close(self) -> None:
        """Close every session with code 1001 (going away), then the engine.

        Takes the sessions' ``close_timeout`` at most. Calling it again does nothing.
        """
        self._closed = True
        self._pauses.end()
        reason = CloseReason(CloseReason.Codes.GOING_AWAY, "")
        try:
            await asyncio.gather(*(s.close(reason) for s in tuple(self._sessions)))
        except asyncio.CancelledError:
            for session in tuple(self._sessions):
                session.cancel()
            raise
        if self._owns_engine:
            await self.engine.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close the client."""
        await self.close()

    # How it works.

    def _opener(
        self, scheme: str, url: str | URL | None, options: RequestOptions, *, raw: bool
    ) -> Callable[[], Awaitable[Any]]:
        """Check what can be checked at once; what it gives opens the session."""
        request, configure, sock = self._request(scheme, url, options)
        if configure is not None:
            configure(request)
        return lambda: self._open(request, sock, raw=raw)

    def _request(
        self, scheme: str, url: str | URL | None, options: RequestOptions
    ) -> tuple[
        HttpRequestBuilder,
        Callable[[HttpRequestBuilder], object] | None,
        socket.socket | None,
    ]:
        """Check the options; the request, who changes it, and a socket."""
        self.feature(WebSockets)
        self._check_open()
        if unknown := options.keys() - RequestOptions.__annotations__.keys():
            raise TypeError(f"Unknown options: {', '.join(sorted(unknown))}")
        parts = dict(options)
        configure = parts.pop("request", None)
        sock = parts.pop("sock", None)
        request = HttpRequestBuilder.of(url, scheme=scheme, **cast("Any", parts))
        return request, cast("Any", configure), cast("socket.socket | None", sock)

    async def _open(
        self, request: HttpRequestBuilder, sock: socket.socket | None, *, raw: bool
    ) -> WebSocketSession:
        self._check_open()
        self._used = True
        config = self.feature(WebSockets).config
        if raw:  # its frames are as they are on the wire, as in Ktor
            config = dataclasses.replace(config, extensions=())
        opening: Opening | None = None

        async def engine(request: HttpRequestBuilder) -> WebSocketSession:
            nonlocal opening
            if sock is not None and opening is not None:
                raise ConnectError("The socket given served the first attempt already")
            opening = Opening(request.build(), config, raw, sock)
            check_capabilities(self.engine, opening)
            self.engine.check(opening)
            return await self.engine.open(opening)

        features = tuple(self._features.values())
        limit = asyncio.timeout(config.open_timeout)
        try:
            async with limit:
                session = await open_session(features, request, engine)
        except Exception as error:
            failure = error
            if isinstance(error, TimeoutError) and limit.expired():
                stage = "preparing the request" if opening is None else opening.stage
                failure = OpenTimeoutError(
                    f"No session within {config.open_timeout:g} s: "
                    f"timed out while {stage}"
                )
            tell_failed(features, request, failure)
            if failure is error:
                raise
            raise failure from error
        self._keep(session)
        return session

    def _keep(self, session: WebSocketSession) -> None:
        if self._closed:
            session.cancel()
        self._check_open()
        self._sessions.add(session)
        session.invoke_on_end(functools.partial(self._sessions.discard, session))

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("The client is closed")
