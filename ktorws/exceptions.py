"""Everything that can go wrong, and what the peer is told.

The second column is the close code that the peer is told.

* `WebSocketError`
    * `HandshakeError`                    -     refused; carries the response
        * `InvalidHandshakeError`         -     the answer breaks HTTP or RFC 6455 §4
            * `HandshakeLostError`        -     the connection ended before the answer
    * `ConnectError`                      -     no connection: DNS, TCP, TLS or proxy
    * `OpenTimeoutError`                  -     no session within ``open_timeout``
    * `ProtocolViolationError`            1002  the peer broke RFC 6455
        * `InvalidTextError`              1007  text or a close reason is not UTF-8
    * `FrameTooBigError`                  1009  a frame, or the message that it
                                                continues, is over the limit
    * `ChannelOverflowError`              1008  a bounded channel set to CLOSE is full
    * `ConnectionLostError`               -     it ended without a Close frame
        * `PingTimeoutError`              1011  no pong came within ``timeout``
        * `SocketTimeoutError`            1011  no octet came for ``socket_timeout``
    * `SessionCancelledError`             1000  `cancel` ended the session
    * `ClosedReceiveChannelError`         -     no frame will ever come
    * `ClosedSendChannelError`            -     no frame can be sent any more
    * `UnsupportedFrameTypeError`         -     this engine cannot send such a frame
    * `WebSocketConverterNotFoundError`   -     no ``content_converter`` is configured
    * `WebSocketDeserializeError`         -     a frame is not what was asked for

A channel that was closed in good order raises `ClosedReceiveChannelError` or
`ClosedSendChannelError`. One that a failure closed raises that failure, from every
call that waits or comes later. Both carry `close_reason`. The caller's own mistakes
are `ValueError`, `TypeError` and `RuntimeError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

if TYPE_CHECKING:
    from ktorws.close_reason import CloseReason
    from ktorws.frame import Frame
    from ktorws.handshake import HttpResponse


class WebSocketError(Exception):
    """The base of all errors that ktorws raises about a peer or a session.

    Attributes:
        close_reason: why the session ended, where it has ended.
        close_code: what the peer is told when this error ends a session, or None
            where nobody can be told.
    """

    close_code: ClassVar[int | None] = None
    close_reason: CloseReason | None = None

    def renewed(self) -> Self:
        """A copy to raise, so that no traceback grows each time it is raised."""
        copy = type(self).__new__(type(self), *self.args)
        copy.args = self.args
        copy.__dict__.update(self.__dict__)
        copy.__cause__ = self.__cause__
        return copy


class HandshakeError(WebSocketError):
    """The server answered, but not with a WebSocket session.

    Attributes:
        response: the answer: status, headers and the start of the body; None where
            it was no HTTP response.
    """

    def __init__(self, message: str, response: HttpResponse | None = None) -> None:
        super().__init__(message)
        self.response = response


class InvalidHandshakeError(HandshakeError):
    """The answer is not HTTP/1.1, or breaks a rule of RFC 6455 §4."""


class HandshakeLostError(InvalidHandshakeError, ConnectionError):
    """The connection ended before the whole head of an answer had come."""


class ConnectError(WebSocketError, ConnectionError):
    """No connection could be made; ``__cause__`` is what the system reported."""


class OpenTimeoutError(WebSocketError, TimeoutError):
    """The session was not open within ``open_timeout``."""


class ProtocolViolationError(WebSocketError):
    """The peer broke a rule of RFC 6455.

    Attributes:
        violation: the rule.
    """

    close_code = 1002

    def __init__(self, violation: str) -> None:
        super().__init__(violation)
        self.violation = violation


class InvalidTextError(ProtocolViolationError):
    """A text message or a close reason is not valid UTF-8 (RFC 6455 §8.1)."""

    close_code = 1007


class FrameTooBigError(WebSocketError):
    """A frame, or the message that it continues, is over ``max_frame_size``.

    Attributes:
        frame_size: the size in bytes that would have been reached.
    """

    close_code = 1009

    def __init__(self, message: str, frame_size: int) -> None:
        super().__init__(message)
        self.frame_size = frame_size


class ChannelOverflowError(WebSocketError):
    """A bounded channel that was told to close rather than to wait was full."""

    close_code = 1008


class ConnectionLostError(WebSocketError, ConnectionError):
    """The connection ended without a Close frame; ``__cause__`` tells more."""


class PingTimeoutError(ConnectionLostError, TimeoutError):
    """A ping was not answered within the session's ``timeout``."""

    close_code = 1011


class SocketTimeoutError(ConnectionLostError, TimeoutError):
    """Nothing came from the peer for the ``socket_timeout`` of `HttpTimeout`."""

    close_code = 1011


class SessionCancelledError(WebSocketError):
    """The session was ended by `WebSocketSession.cancel`."""


class ClosedReceiveChannelError(WebSocketError):
    """The session has ended, and every frame that arrived was received."""


class ClosedSendChannelError(WebSocketError):
    """A Close frame was sent or received; no more frames can be sent."""


class UnsupportedFrameTypeError(WebSocketError):
    """This engine cannot send such a frame."""


class WebSocketConverterNotFoundError(WebSocketError):
    """`install(WebSockets)` was given no ``content_converter``."""


class WebSocketDeserializeError(WebSocketError):
    """A frame cannot be turned into the type that was asked for.

    Attributes:
        frame: the frame, so that nothing received is lost.
    """

    def __init__(self, message: str, frame: Frame) -> None:
        super().__init__(message)
        self.frame = frame
