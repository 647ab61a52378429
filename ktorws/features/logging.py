"""What is told of handshakes and sessions, and what is never told."""

from __future__ import annotations

import itertools
import logging
from enum import Enum
from typing import TYPE_CHECKING, ClassVar, cast

from ktorws.default_session import DefaultWebSocketSession
from ktorws.exceptions import HandshakeError
from ktorws.features.base import HttpClientFeature
from ktorws.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ktorws.client_session import ClientWebSocketSession
    from ktorws.close_reason import CloseReason
    from ktorws.features.base import Proceed
    from ktorws.frame import Sendable
    from ktorws.http_message import HttpResponse
    from ktorws.request import HttpRequest, HttpRequestBuilder
    from ktorws.session import WebSocketSession

_SECRET = {"authorization", "cookie", "proxy-authorization", "set-cookie"}
_MASK = "***"
_NUMBER = "ktorws.Logging.number"  # the attribute that tells attempts apart


class LogLevel(Enum):
    """How much `Logging` tells, as in Ktor: of what, and whether of headers, bodies."""

    ALL = (True, True, True)
    HEADERS = (True, True, False)
    BODY = (True, False, True)
    INFO = (True, False, False)
    NONE = (False, False, False)

    def __init__(self, info: bool, headers: bool, body: bool) -> None:  # noqa: FBT001
        self.info = info
        self.headers = headers
        self.body = body


class Logging(HttpClientFeature):
    """``client.install(Logging, level=LogLevel.HEADERS)``, as in Ktor.

    `INFO` tells of every handshake that is sent, redirects and retries included, of
    its answer, and of the session's end; `HEADERS` their headers too; `BODY` the
    start of a refusal's body and every frame, as on the wire, so compressed where an
    extension did that; `ALL` all of it. Records have level `logging.INFO`.

    The values of ``Authorization``, ``Cookie``, ``Set-Cookie``,
    ``Proxy-Authorization`` and of query parameters are masked. Payloads are not:
    they are cut.

    Args:
        level: how much to tell; `HEADERS` by default.
        logger: whom to tell; by default the standard library's ``ktorws.HttpClient``.
        filter: which requests to tell of; all by default.
        sanitize_header: given a header's name, whether to mask it as well.
        max_payload: how many bytes or characters of a payload or body are told.

    Raises:
        ValueError: `max_payload` is below 0.
        TypeError: `level` is no `LogLevel`.
    """

    depth: ClassVar[int] = 20

    def __init__(
        self,
        *,
        level: LogLevel = LogLevel.HEADERS,
        logger: logging.Logger | None = None,
        filter: Callable[[HttpRequest], bool] | None = None,  # noqa: A002  Ktor's name
        sanitize_header: Callable[[str], bool] | None = None,
        max_payload: int = 200,
    ) -> None:
        if not isinstance(level, LogLevel):
            raise TypeError(f"level must be a LogLevel, not {type(level).__name__}")
        if max_payload < 0:
            raise ValueError(f"max_payload must not be below 0: {max_payload}")
        #: How much is told.
        self.level = level
        self._logger = logger or logging.getLogger("ktorws.HttpClient")
        self._filter = filter
        self._sanitize = sanitize_header
        self._max_payload = max_payload
        self._numbers = itertools.count(1)

    async def send(
        self, request: HttpRequestBuilder, proceed: Proceed
    ) -> WebSocketSession:
        """Tell what is sent, and what comes of it."""
        built = request.build()
        if not self.level.info or (self._filter and not self._filter(built)):
            return await proceed(request)
        number = next(self._numbers)
        attempt = request.copy()
        attempt.attributes[_NUMBER] = number
        tap = _Tap(self._logger, number, self._max_payload)
        if self.level.body:
            taps = attempt.capabilities.get("frame_taps", ())
            attempt.capabilities["frame_taps"] = (*taps, tap)
        self._tell(number, f"REQUEST: {_shown_url(built)}", built.headers.items())
        try:
            session = await proceed(attempt)
        except HandshakeError as error:
            self._tell_refusal(number, error)
            raise
        except BaseException as error:
            self._tell(number, f"FAILED: {_named(error)}")
            raise
        self._tell_response(
            number, cast("ClientWebSocketSession", session).call.response
        )
        tap.begin()
        return session

    def session_closed(self, session: WebSocketSession) -> None:
        """Tell of the end."""
        request = cast("ClientWebSocketSession", session).call.request
        number = request.attributes.get(_NUMBER)
        if number is not None:
            self._tell(number, f"CLOSED: {_reason_of(session)!r}")

    def _tell_refusal(self, number: int, error: HandshakeError) -> None:
        if error.response is None:
            self._tell(number, f"FAILED: {_named(error)}")
            return
        self._tell_response(number, error.response)
        if self.level.body and error.response.body:
            self._tell(number, f"BODY: {_cut(error.response.body, self._max_payload)}")

    def _tell_response(self, number: int, response: HttpResponse) -> None:
        first = f"RESPONSE: {response.status} {response.reason}"
        self._tell(number, first, response.headers.items())

    def _tell(
        self, number: int, first: str, headers: Iterable[tuple[str, str]] = ()
    ) -> None:
        lines = [f"[{number}] {first}"]
        if self.level.headers:
            lines += [f"-> {name}: {self._shown(name, v)}" for name, v in headers]
        self._logger.info("%s", "\n".join(map(_printable, lines)))

    def _shown(self, name: str, value: str) -> str:
        if name.lower() in _SECRET or (self._sanitize and self._sanitize(name)):
            return _MASK
        return _shown_target(value) if name.lower() == "location" else value


class _Tap:
    """Tells of each frame of one session, once the handshake has been told."""

    def __init__(self, logger: logging.Logger, number: int, most: int) -> None:
        self._logger = logger
        self._number = number
        self._most = most
        self._early: list[str] | None = []

    def begin(self) -> None:
        early, self._early = self._early, None
        for line in early or ():
            self._logger.info("%s", line)

    def sent(self, message: Sendable) -> None:
        self._tell(">>", message)

    def received(self, frames: list[Frame]) -> None:
        for frame in frames:
            self._tell("<<", frame)

    def _tell(self, way: str, message: Sendable) -> None:
        if self._logger.isEnabledFor(logging.INFO):
            shown = _shown_message(message, self._most)
            line = f"[{self._number}] {way} {shown}"
            if self._early is None:
                self._logger.info("%s", line)
            else:
                self._early.append(line)


def _shown_message(message: Sendable, most: int) -> str:
    """A frame's kind, flags and size in bytes, and as much of its payload as told."""
    if isinstance(message, str):
        message = Frame.Text(message)
    elif not isinstance(message, Frame):
        message = Frame.Binary(message)
    start = f"{message.frame_type.name}, {len(message)} bytes"
    if isinstance(message, Frame.Close):
        return f"{start}: {message.read_reason()!r}"
    start += "" if message.fin else ", to be continued"
    start += ", RSV1" if message.rsv1 else ""
    whole = message.fin and not message.rsv1
    if isinstance(message, Frame.Text) and whole:
        return f"{start}: {_cut(message.read_text(), most)}"
    return f"{start}: {_cut(message.data, most)}"


def _reason_of(session: WebSocketSession) -> CloseReason | None:
    """Why it ended; None for a raw session, whose frames are the user's affair."""
    if isinstance(session, DefaultWebSocketSession):
        return session.close_reason.get_completed()
    return None


def _printable(line: str) -> str:
    """A line that is one, and no more: some of it is the peer's."""
    return line if line.isprintable() else line.encode("unicode_escape").decode()


def _cut(payload: str | bytes, most: int) -> str:
    return repr(payload[:most]) + ("…" if len(payload) > most else "")


def _shown_url(request: HttpRequest) -> str:
    address = f"{request.url.scheme}://{request.host_header}"
    return address + _shown_target(request.target)


def _shown_target(target: str) -> str:
    """Without the values of a query, which often hold tokens."""
    path, mark, query = target.partition("?")
    parts = (part.rpartition("=") for part in query.split("&"))
    masked = "&".join(f"{name}{sign}{_MASK}" for name, sign, _ in parts)
    return f"{path}?{masked}" if mark else path


def _named(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
