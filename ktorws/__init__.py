"""A Ktor-style WebSocket client for asyncio over a frame codec compiled from Cython."""

from ktorws.channels import (
    ChannelConfig,
    ChannelOverflow,
    ChannelResult,
    WebSocketChannelsConfig,
    bounded,
    unlimited,
)
from ktorws.client import HttpClient
from ktorws.client_session import (
    ClientWebSocketSession,
    DefaultClientWebSocketSession,
    HttpClientCall,
)
from ktorws.close_reason import CloseReason
from ktorws.default_session import DefaultWebSocketSession
from ktorws.deferred import Deferred
from ktorws.deflate import WebSocketDeflateExtension
from ktorws.deflate_parameters import DeflateParameters
from ktorws.engines.base import HttpClientEngine, Opening
from ktorws.engines.cio import CIO
from ktorws.engines.js import Js
from ktorws.engines.mock import MockClock, MockEngine, MockPeer
from ktorws.exceptions import (
    ChannelOverflowError,
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    ConnectError,
    ConnectionLostError,
    FrameTooBigError,
    HandshakeError,
    InvalidHandshakeError,
    InvalidTextError,
    OpenTimeoutError,
    PingTimeoutError,
    ProtocolViolationError,
    SessionCancelledError,
    UnsupportedFrameTypeError,
    WebSocketConverterNotFoundError,
    WebSocketDeserializeError,
    WebSocketError,
)
from ktorws.extensions import (
    WebSocketExtension,
    WebSocketExtensionFactory,
    WebSocketExtensionHeader,
)
from ktorws.features.base import HttpClientFeature
from ktorws.features.default_request import DefaultRequest
from ktorws.features.websockets import WebSockets
from ktorws.frame import CODEC, DEFAULT_MAX_FRAME_SIZE, Frame
from ktorws.frame_type import FrameType
from ktorws.http_message import HttpResponse
from ktorws.ping_pong import PINGER_DISABLED
from ktorws.receive_channel import ReceiveChannel
from ktorws.request import HttpRequest, HttpRequestBuilder
from ktorws.send_channel import SendChannel
from ktorws.serialization import (
    JsonConverter,
    MsgspecConverter,
    PydanticConverter,
    WebSocketContentConverter,
)
from ktorws.session import WebSocketSession
from ktorws.version import __version__

__all__ = [
    "CIO",
    "CODEC",
    "DEFAULT_MAX_FRAME_SIZE",
    "PINGER_DISABLED",
    "ChannelConfig",
    "ChannelOverflow",
    "ChannelOverflowError",
    "ChannelResult",
    "ClientWebSocketSession",
    "CloseReason",
    "ClosedReceiveChannelError",
    "ClosedSendChannelError",
    "ConnectError",
    "ConnectionLostError",
    "DefaultClientWebSocketSession",
    "DefaultRequest",
    "DefaultWebSocketSession",
    "Deferred",
    "DeflateParameters",
    "Frame",
    "FrameTooBigError",
    "FrameType",
    "HandshakeError",
    "HttpClient",
    "HttpClientCall",
    "HttpClientEngine",
    "HttpClientFeature",
    "HttpRequest",
    "HttpRequestBuilder",
    "HttpResponse",
    "InvalidHandshakeError",
    "InvalidTextError",
    "Js",
    "JsonConverter",
    "MockClock",
    "MockEngine",
    "MockPeer",
    "MsgspecConverter",
    "OpenTimeoutError",
    "Opening",
    "PingTimeoutError",
    "ProtocolViolationError",
    "PydanticConverter",
    "ReceiveChannel",
    "SendChannel",
    "SessionCancelledError",
    "UnsupportedFrameTypeError",
    "WebSocketChannelsConfig",
    "WebSocketContentConverter",
    "WebSocketConverterNotFoundError",
    "WebSocketDeflateExtension",
    "WebSocketDeserializeError",
    "WebSocketError",
    "WebSocketExtension",
    "WebSocketExtensionFactory",
    "WebSocketExtensionHeader",
    "WebSocketSession",
    "WebSockets",
    "__version__",
    "bounded",
    "unlimited",
]
