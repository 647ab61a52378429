"""Sessions through an aiohttp.ClientSession: its connections and handshakes.

aiohttp looks up, connects, passes proxies, agrees on TLS, sends the request with its
cookies and credentials, and reads the answer. Then the session has the transport to
itself, as one of `CIO` has: the frames are ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl as tls
from typing import TYPE_CHECKING, ClassVar

from multidict import CIMultiDict, CIMultiDictProxy

from ktorws.client_session import (
    ClientWebSocketSession,
    DefaultClientWebSocketSession,
    HttpClientCall,
)
from ktorws.engines._connection import GONE, new_session
from ktorws.engines.base import HttpClientEngine, Opening
from ktorws.exceptions import (
    ConnectError,
    HandshakeLostError,
    InvalidHandshakeError,
    OpenTimeoutError,
)
from ktorws.handshake import USER_AGENT, ClientHandshake, HttpResponse
from ktorws.http_head import MAX_BODY

try:
    import aiohttp
except ModuleNotFoundError as missing:
    if missing.name != "aiohttp":
        raise
    raise ModuleNotFoundError(
        "The engine AioHttp needs aiohttp: pip install 'ktorws[aiohttp]'",
        name="aiohttp",
    ) from None

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.client_proto import ResponseHandler

    from ktorws.exceptions import WebSocketError
    from ktorws.handshake import Negotiated
    from ktorws.session import WebSocketSession

_SWITCHING = 101
_NO_CONNECTION = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ServerFingerprintMismatch,
)
_NO_ANSWER = (aiohttp.ClientPayloadError, aiohttp.ClientResponseError)

#: Seconds to wait for the rest of a refusal's body.
BODY_TIMEOUT = 1.0


class AioHttp(HttpClientEngine):
    """aiohttp's HTTP client underneath, in the seat of Ktor's OkHttp.

    Needs ``ktorws[aiohttp]``.

    Args:
        preconfigured: a session of the user's, whose connector, cookies, headers,
            proxy, credentials, TLS, middlewares, traces and time limits then apply.
            Its owner closes it, which ends the sessions opened through it. By default
            each handshake has one of its own, without cookies, connections to reuse
            and time limits of its own.
        ssl: for ``wss``, where there is no preconfigured session; used as it is
            given. By default the system's certificates, host names verified.

    Raises:
        ValueError, TypeError: an option is no good.
        ModuleNotFoundError: aiohttp is not installed; raised by the import.
    """

    name: ClassVar[str] = "AioHttp"
    capabilities: ClassVar[frozenset[str]] = frozenset({"frame_taps"})

    def __init__(
        self,
        *,
        preconfigured: aiohttp.ClientSession | None = None,
        ssl: tls.SSLContext | None = None,
    ) -> None:
        if not isinstance(preconfigured, aiohttp.ClientSession | None):
            raise TypeError(f"Not an aiohttp.ClientSession: {preconfigured!r}")
        if not isinstance(ssl, tls.SSLContext | None):
            raise TypeError(f"ssl must be an SSLContext, not {type(ssl).__name__}")
        if preconfigured is not None and ssl is not None:
            raise ValueError("ssl is the business of the preconfigured session")
        self._preconfigured = preconfigured
        self._ssl = ssl

    def check(self, opening: Opening) -> None:
        """Refuse a socket, and what aiohttp would send in another encoding."""
        if opening.sock is not None:
            raise ValueError("AioHttp cannot honour the option sock")
        for name, value in opening.request.headers.items():
            if not value.isascii():
                raise ValueError(f"AioHttp cannot send header {name}: it is not ASCII")

    async def open(self, opening: Opening) -> WebSocketSession:
        """A session over a connection that aiohttp made."""
        handshake = ClientHandshake(
            opening.request, [make() for make in opening.config.extensions]
        )
        response = await self._ask(opening, handshake)
        try:
            body = b"" if response.status == _SWITCHING else await _body_of(response)
            answer = _answer_of(response, body)
            return _established(opening, response, answer, handshake.verify(answer))
        except BaseException:
            response.release()
            raise

    async def _ask(
        self, opening: Opening, handshake: ClientHandshake
    ) -> aiohttp.ClientResponse:
        request = opening.request
        opening.stage = f"asking {request.host} through aiohttp"
        headers = request.headers.copy()
        headers.extend(handshake.headers())
        try:
            async with self._session() as session:
                return await session.request(
                    request.method,
                    request.url,
                    headers=headers,
                    allow_redirects=False,
                    raise_for_status=False,
                )
        except aiohttp.InvalidURL:
            raise  # of a proxy: the caller's mistake
        except (aiohttp.ClientError, TimeoutError, UnicodeError) as error:
            raise _translated(error, opening.stage)  # noqa: B904  has its cause

    @contextlib.asynccontextmanager
    async def _session(self) -> AsyncIterator[aiohttp.ClientSession]:
        """The preconfigured session, or one for this request alone."""
        if self._preconfigured is not None:
            yield self._preconfigured
            return
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=aiohttp.ThreadedResolver(),
                ssl=self._ssl or True,
                limit=0,
                force_close=True,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": USER_AGENT},
            skip_auto_headers=["Accept-Encoding"],
            timeout=aiohttp.ClientTimeout(),
        ) as session:
            yield session
            session.detach()  # the connection outlives it


class _EarlyOctets:
    """Takes from aiohttp what came behind the answer, in a parser's place."""

    def __init__(self) -> None:
        self.octets = b""

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        self.octets += data
        return False, b""

    def feed_eof(self) -> None:
        pass


def _established(
    opening: Opening,
    response: aiohttp.ClientResponse,
    answer: HttpResponse,
    negotiated: Negotiated,
) -> WebSocketSession:
    """From here on the octets are frames: the session takes the transport."""
    made_by = response.connection
    if made_by is None or made_by.protocol is None or not made_by.protocol.upgraded:
        raise InvalidHandshakeError("aiohttp saw no upgrade in the answer", answer)
    kind = ClientWebSocketSession if opening.raw else DefaultClientWebSocketSession
    session, connection = new_session(
        kind,
        asyncio.get_running_loop(),
        opening.config,
        negotiated,
        is_client=True,
        call=HttpClientCall(opening.request, answer),
        capabilities=opening.request.capabilities,
    )
    handler, transport = made_by.protocol, made_by.transport
    early = _EarlyOctets()
    handler.read_timeout = None
    handler.set_parser(early, None)
    session.invoke_on_end(lambda: _let_go(response, handler))
    if transport is None:
        connection.open(GONE, session, early.octets)
        error = handler.exception()
        connection.connection_lost(error if isinstance(error, OSError) else None)
    else:
        transport.pause_reading()  # uvloop asks what the protocol is when it begins
        transport.set_protocol(connection)
        transport.resume_reading()
        connection.open(transport, session, early.octets)
    return session


def _let_go(response: aiohttp.ClientResponse, handler: ResponseHandler) -> None:
    """Tell aiohttp that its connection is gone: it may be waiting for that."""
    handler.connection_lost(None)
    response.close()


def _answer_of(response: aiohttp.ClientResponse, body: bytes) -> HttpResponse:
    headers = CIMultiDict(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in response.raw_headers
    )
    version = response.version
    return HttpResponse(
        response.status,
        response.reason or "",
        "" if version is None else f"{version.major}.{version.minor}",
        CIMultiDictProxy(headers),
        body,
    )


async def _body_of(response: aiohttp.ClientResponse) -> bytes:
    """As much of a refusal's body as comes in time and is kept."""
    body = b""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(BODY_TIMEOUT):
            while piece := await response.content.read(MAX_BODY - len(body)):
                body += piece
    return body


def _translated(error: Exception, stage: str) -> WebSocketError:
    """What an error of aiohttp means."""
    why = str(error) or type(error).__name__
    cause: Exception | None = error
    if isinstance(error, aiohttp.ClientResponseError):
        why = f"{error.status} {error.message}"
        cause = None  # it would show its URL, which of a proxy has the password
    if isinstance(error, _NO_CONNECTION):
        translated: WebSocketError = ConnectError(f"Failed while {stage}: {why}")
    elif isinstance(error, TimeoutError):
        translated = OpenTimeoutError(f"A limit of aiohttp's passed while {stage}")
    elif isinstance(error, aiohttp.ServerDisconnectedError | OSError):
        translated = HandshakeLostError(f"Failed while {stage}: {why}")
    elif isinstance(error, _NO_ANSWER):
        translated = InvalidHandshakeError(f"Failed while {stage}: {why}")
    else:
        translated = ConnectError(f"Failed while {stage}: {why}")
    translated.__cause__ = cause
    translated.__suppress_context__ = True
    return translated
