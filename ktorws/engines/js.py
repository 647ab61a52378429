"""The WebSocket of a browser, under Pyodide: all that is known of JavaScript here.

The browser makes the handshake, masks, answers pings and the peer's Close frame, and
gives whole messages. It tells little of all that, and lets a program change less.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from multidict import CIMultiDict, CIMultiDictProxy

from ktorws.channels import WebSocketChannelsConfig
from ktorws.client_session import DefaultClientWebSocketSession, HttpClientCall
from ktorws.close_reason import CloseReason, is_sendable
from ktorws.default_session import interval_in_seconds
from ktorws.deferred import Deferred
from ktorws.engines._shared import LoopClock
from ktorws.engines.base import HttpClientEngine, Opening
from ktorws.exceptions import (
    ConnectError,
    FrameTooBigError,
    ProtocolViolationError,
    UnsupportedFrameTypeError,
)
from ktorws.frame import Frame
from ktorws.http_message import HttpResponse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta

    from ktorws.frame import Sendable
    from ktorws.ping_pong import Clock
    from ktorws.session import WebSocketSession

#: An object of JavaScript's, as Pyodide shows it.
JavaScript: TypeAlias = Any

#: Bytes after which a sender yields, and waits if the browser holds as many.
SEND_LIMIT = 64 * 1024

#: Seconds between two looks at what the browser holds: no event tells it.
POLL = 0.005

_NO_PINGS = "a browser sends no pings for a program"


class Js(HttpClientEngine):
    """The browser's WebSocket, as in Ktor: for Pyodide in a page, a worker or Node.

    Whatever keeps a browser from connecting is a `ConnectError` that does not say
    what: a browser keeps it to itself. Options that it cannot honour are refused by
    `check`. `docs/engines-js.md` has all limits.

    Raises:
        RuntimeError: there is no WebSocket here.
    """

    name: ClassVar[str] = "Js"

    def __init__(self) -> None:
        try:
            import js  # noqa: PLC0415  Pyodide's
        except ModuleNotFoundError:
            raise RuntimeError(
                "Js is for Pyodide, in a browser or in Node: use CIO here"
            ) from None
        self._constructor: JavaScript = getattr(js, "WebSocket", None)
        if self._constructor is None:
            raise RuntimeError(
                "There is no WebSocket here: in Node, "
                'set globalThis.WebSocket = require("ws") first'
            )

    def check(self, opening: Opening) -> None:
        """Refuse what a browser cannot do."""
        for asked, option, reason in _limits(opening):
            if asked:
                raise ValueError(f"Js cannot honour {option}: {reason}")

    async def open(self, opening: Opening) -> WebSocketSession:
        """A session over a WebSocket of its own."""
        request = opening.request
        opening.stage = f"waiting for the browser to reach {request.host_header}"
        connection = JsConnection(asyncio.get_running_loop(), opening)
        connection.connect(self._constructor)
        try:
            return await connection.opened
        except BaseException:
            connection.abandon()
            raise


class _Session(DefaultClientWebSocketSession):
    """A session that cannot ping."""

    @property
    def ping_interval(self) -> float | None:
        """None: a browser sends no pings for a program."""
        return None

    @ping_interval.setter
    def ping_interval(self, value: float | timedelta | None) -> None:
        if interval_in_seconds(value) is not None:
            raise ValueError(f"Js cannot honour ping_interval: {_NO_PINGS}")


class JsConnection:
    """A session's `FrameConnection` over a JavaScript WebSocket.

    Attributes:
        opened: the session, or why there is none.
    """

    is_client = True
    #: A browser reads on, so there is no time in which it heard nothing.
    deafness = 0.0

    def __init__(self, loop: asyncio.AbstractEventLoop, opening: Opening) -> None:
        self.loop = loop
        self.clock: Clock = LoopClock(loop)
        self.max_frame_size = opening.config.max_frame_size
        self.opened: asyncio.Future[_Session] = loop.create_future()
        self._opening = opening
        self._socket: JavaScript
        self._session: _Session
        self._listeners: dict[str, JavaScript] = {}
        self._failure: Exception | None = None  # what an error event told
        self._violated = False
        self._ended = False
        self._full = False
        self._unasked = 0  # bytes given to the browser since it was last asked
        self._flushed: Deferred[None] | None = None
        self._poll: asyncio.TimerHandle | None = None

    def connect(self, constructor: JavaScript) -> None:
        """Let the browser begin; events come from the loop's next iteration on.

        Raises:
            ConnectError: the browser refuses the URL or the page's wish to use it.
        """
        from pyodide.ffi import JsException, create_proxy, to_js  # noqa: PLC0415

        request = self._opening.request
        try:
            socket = constructor.new(
                str(request.url), to_js(list(request.subprotocols))
            )
        except JsException as error:  # a bad URL, or ws in a page that came by https
            raise ConnectError(
                f"Failed while {self._opening.stage}: {error.name}"
            ) from error
        socket.binaryType = "arraybuffer"
        self._socket = socket
        self._to_js = to_js
        for event in ("open", "message", "error", "close"):
            listener = create_proxy(getattr(self, f"_on_{event}"))
            self._listeners[event] = listener
            socket.addEventListener(event, listener)

    def abandon(self) -> None:
        """Leave nothing behind when nobody waits for the session any more."""
        self.opened.cancel()
        if self.opened.cancelled():
            self._socket.close()
        elif self.opened.exception() is None:
            self._session.cancel()

    # What the session calls.

    @property
    def masking(self) -> bool:
        """Always: a browser masks."""
        return True

    @masking.setter
    def masking(self, value: bool) -> None:
        if not value:
            raise ValueError("Js cannot honour masking=False: a browser always masks")

    @property
    def backlog_bytes(self) -> int:
        """Payload bytes that the browser holds."""
        return int(self._socket.bufferedAmount)

    @property
    def is_writable(self) -> bool:
        """Whether the browser holds little."""
        return not self._full

    def write(self, message: Sendable) -> None:
        """Hand one message to the browser.

        Raises:
            UnsupportedFrameTypeError: a ping, a pong or a fragment.
        """
        if isinstance(message, Frame.Close):
            self._close(message.read_reason())
            return
        payload, size = self._payload(message)
        self._socket.send(payload)
        self._unasked += size
        if self._unasked >= SEND_LIMIT:
            self._weigh()

    async def flush(self) -> None:
        """Wait until the browser holds nothing."""
        if self._flushed is None:
            if not self.backlog_bytes:
                return
            self._flushed = Deferred(self.loop)
            self._look_later()
        await self._flushed

    def pause_reading(self) -> None:
        """Do nothing: a browser cannot be told to."""

    def resume_reading(self) -> None:
        """Do nothing."""

    def end(self, *, linger: bool) -> None:
        """Close; what was written goes first, and the browser always lingers."""
        self._end_flush()
        self._close(None)

    def abort(self) -> None:
        """Close, and do not wait for it."""
        self._close(None)
        self.loop.call_soon(self._lose, None)

    # What the browser calls.

    def _on_open(self, _event: JavaScript) -> None:
        """Make the session at once: the next event may be its first message."""
        if self.opened.done():
            return
        opening, socket = self._opening, self._socket
        self._session = _Session(
            self,
            opening.config,
            call=HttpClientCall(opening.request, _response(socket)),
            subprotocol=str(socket.protocol) or None,
        )
        self.opened.set_result(self._session)

    def _on_message(self, event: JavaScript) -> None:
        if self._ended or self._violated:
            return
        data = event.data
        if isinstance(data, str):
            frame: Frame = Frame.Text(data)
        else:
            frame = Frame.Binary(data.to_bytes())
        size = len(frame)
        if size > self.max_frame_size:
            self._violated = True
            self._session.violated(
                FrameTooBigError(
                    f"Frame is too big: {size}, the limit is {self.max_frame_size}",
                    size,
                )
            )
        else:
            self._session.incoming.deliver([frame], size)

    def _on_error(self, event: JavaScript) -> None:
        """A browser tells nothing here; Node's ws does."""
        if message := getattr(event, "message", None):
            self._failure = ConnectionError(str(message))

    def _on_close(self, event: JavaScript) -> None:
        self.loop.call_soon(self._release)
        if not self.opened.done():
            why = self._failure or "the browser does not say why"
            error = ConnectError(f"Failed while {self._opening.stage}: {why}")
            error.__cause__ = self._failure
            self.opened.set_exception(error)
        elif not self.opened.cancelled() and not self._ended:
            if not self._violated:
                self._closed_by_peer(int(event.code), str(event.reason))
            self._lose(self._failure)

    # How it works.

    def _payload(self, message: Sendable) -> tuple[JavaScript, int]:
        """A message as JavaScript takes it, and its size in bytes."""
        if isinstance(message, str):
            return message, len(message.encode())  # JavaScript would mend surrogates
        frame = message if isinstance(message, Frame) else Frame.Binary(message)
        if not isinstance(frame, Frame.Text | Frame.Binary):
            kind = frame.frame_type.name.lower()
            raise UnsupportedFrameTypeError(f"Js cannot send a {kind} frame")
        if not frame.fin or frame.rsv1 or frame.rsv2 or frame.rsv3:
            raise UnsupportedFrameTypeError(f"Js sends whole messages only: {frame!r}")
        if isinstance(frame, Frame.Text):
            return frame.read_text(), len(frame)
        return self._to_js(frame.data), len(frame)

    def _close(self, reason: CloseReason | None) -> None:
        """Begin the closing handshake; does nothing where it has begun.

        A program may use few codes; the Close frame has none in place of the others.
        """
        if reason is not None and (reason.code == 1000 or reason.code >= 3000):  # noqa: PLR2004
            self._socket.close(reason.code, reason.message)
        else:
            self._socket.close()

    def _closed_by_peer(self, code: int, message: str) -> None:
        """Tell the session of a Close frame, if one was received."""
        codes = CloseReason.Codes
        if code == codes.CLOSED_ABNORMALLY:
            return
        if code == codes.NO_STATUS:
            frame = Frame.Close()
        elif is_sendable(code):
            frame = Frame.Close(CloseReason(code, message))
        else:
            self._session.violated(
                ProtocolViolationError(f"Close code is not allowed: {code}")
            )
            return
        self._session.frames_received([frame], len(frame))

    def _lose(self, error: Exception | None) -> None:
        """The connection is gone, or not waited for."""
        if self._ended:
            return
        self._ended = True
        self._end_flush()
        if self._poll is not None:
            self._poll.cancel()
        self._session.connection_lost(error)

    def _release(self) -> None:
        """Let JavaScript forget this object."""
        for event, listener in self._listeners.items():
            self._socket.removeEventListener(event, listener)
            listener.destroy()
        self._listeners.clear()

    def _weigh(self) -> None:
        """Give others their turn, and stop senders if the browser holds much."""
        self._unasked = 0
        self._session.outgoing.demand_turn()
        if not self._full and self.backlog_bytes >= SEND_LIMIT:
            self._full = True
            self._session.writing_paused()
            self._look_later()

    def _look_later(self) -> None:
        if self._poll is None and not self._ended:
            self._poll = self.clock.call_later(POLL, self._look)

    def _look(self) -> None:
        """See how much the browser still holds."""
        self._poll = None
        backlog = self.backlog_bytes
        if self._full and backlog < SEND_LIMIT:
            self._full = False
            self._session.writing_resumed()
        if not backlog:
            self._end_flush()
        if self._full or self._flushed is not None:
            self._look_later()

    def _end_flush(self) -> None:
        flushed, self._flushed = self._flushed, None
        if flushed is not None:
            flushed.complete(None)


def _limits(opening: Opening) -> Iterator[tuple[bool, str, str]]:
    """What was asked for, and why a browser cannot do it."""
    request, config = opening.request, opening.config
    incoming = config.channels.incoming
    chosen = incoming != WebSocketChannelsConfig().incoming
    headers = ", ".join(dict.fromkeys(request.headers))
    yield opening.raw, "a raw session", "a browser shows no frames, only messages"
    yield opening.sock is not None, "sock", "a browser makes its own connections"
    yield bool(headers), f"headers ({headers})", "a browser sends none but its own"
    yield config.ping_interval is not None, "ping_interval", _NO_PINGS
    yield bool(config.extensions), "extensions", "a browser agrees on its own"
    yield (
        incoming.can_suspend and chosen,
        "channels, incoming with ChannelOverflow.SUSPEND",
        "a browser does not stop reading; use CLOSE or unlimited()",
    )


def _response(socket: JavaScript) -> HttpResponse:
    """The little that a browser tells of the server's answer."""
    headers: CIMultiDict[str] = CIMultiDict()
    if socket.protocol:
        headers["Sec-WebSocket-Protocol"] = str(socket.protocol)
    if socket.extensions:
        headers["Sec-WebSocket-Extensions"] = str(socket.extensions)
    return HttpResponse(101, "Switching Protocols", "1.1", CIMultiDictProxy(headers))
