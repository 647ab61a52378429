"""A Ktor-style WebSocket client for asyncio over a frame codec compiled from Cython."""

import importlib
from typing import TYPE_CHECKING

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
from ktorws.engines.proxy import ProxyBuilder, ProxyConfig
from ktorws.exceptions import (
    ChannelOverflowError,
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    ConnectError,
    ConnectionLostError,
    FrameTooBigError,
    HandshakeError,
    HandshakeLostError,
    InvalidHandshakeError,
    InvalidTextError,
    OpenTimeoutError,
    PingTimeoutError,
    ProtocolViolationError,
    SessionCancelledError,
    SocketTimeoutError,
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
from ktorws.features.auth import Auth, AuthProvider, BearerTokens, basic, bearer
from ktorws.features.base import HttpClientFeature
from ktorws.features.cookies import AcceptAllCookiesStorage, HttpCookies
from ktorws.features.default_request import DefaultRequest
from ktorws.features.logging import Logging, LogLevel
from ktorws.features.metrics import (
    ClientMetrics,
    RoundTrips,
    SessionMetrics,
    WebSocketMetrics,
)
from ktorws.features.reconnect import Reconnect
from ktorws.features.timeout import HttpTimeout
from ktorws.features.user_agent import BrowserUserAgent, CurlUserAgent, UserAgent
from ktorws.features.websockets import WebSockets
from ktorws.frame import CODEC, DEFAULT_MAX_FRAME_SIZE, Frame
from ktorws.frame_connection import Traffic
from ktorws.frame_type import FrameType
from ktorws.http_message import HttpResponse
from ktorws.ping_pong import PINGER_DISABLED
from ktorws.receive_channel import ReceiveChannel
from ktorws.reconnecting import Gap
from ktorws.request import HttpRequest, HttpRequestBuilder
from ktorws.send_channel import SendChannel
from ktorws.serialization import (
    JsonConverter,
    MsgspecConverter,
    PydanticConverter,
    WebSocketContentConverter,
)
from ktorws.session import WebSocketSession
from ktorws.session_statistics import SessionStatistics
from ktorws.version import __version__

if TYPE_CHECKING:
    # Not in __all__: whoever imports everything need not have every extra.
    from ktorws.engines.aiohttp import AioHttp as AioHttp

__all__ = [
    "CIO",
    "CODEC",
    "DEFAULT_MAX_FRAME_SIZE",
    "PINGER_DISABLED",
    "AcceptAllCookiesStorage",
    "Auth",
    "AuthProvider",
    "BearerTokens",
    "BrowserUserAgent",
    "ChannelConfig",
    "ChannelOverflow",
    "ChannelOverflowError",
    "ChannelResult",
    "ClientMetrics",
    "ClientWebSocketSession",
    "CloseReason",
    "ClosedReceiveChannelError",
    "ClosedSendChannelError",
    "ConnectError",
    "ConnectionLostError",
    "CurlUserAgent",
    "DefaultClientWebSocketSession",
    "DefaultRequest",
    "DefaultWebSocketSession",
    "Deferred",
    "DeflateParameters",
    "Frame",
    "FrameTooBigError",
    "FrameType",
    "Gap",
    "HandshakeError",
    "HandshakeLostError",
    "HttpClient",
    "HttpClientCall",
    "HttpClientEngine",
    "HttpClientFeature",
    "HttpCookies",
    "HttpRequest",
    "HttpRequestBuilder",
    "HttpResponse",
    "HttpTimeout",
    "InvalidHandshakeError",
    "InvalidTextError",
    "Js",
    "JsonConverter",
    "LogLevel",
    "Logging",
    "MockClock",
    "MockEngine",
    "MockPeer",
    "MsgspecConverter",
    "OpenTimeoutError",
    "Opening",
    "PingTimeoutError",
    "ProtocolViolationError",
    "ProxyBuilder",
    "ProxyConfig",
    "PydanticConverter",
    "ReceiveChannel",
    "Reconnect",
    "RoundTrips",
    "SendChannel",
    "SessionCancelledError",
    "SessionMetrics",
    "SessionStatistics",
    "SocketTimeoutError",
    "Traffic",
    "UnsupportedFrameTypeError",
    "UserAgent",
    "WebSocketChannelsConfig",
    "WebSocketContentConverter",
    "WebSocketConverterNotFoundError",
    "WebSocketDeflateExtension",
    "WebSocketDeserializeError",
    "WebSocketError",
    "WebSocketExtension",
    "WebSocketExtensionFactory",
    "WebSocketExtensionHeader",
    "WebSocketMetrics",
    "WebSocketSession",
    "WebSockets",
    "__version__",
    "basic",
    "bearer",
    "bounded",
    "unlimited",
]

#: What needs an extra, and is imported when it is used: its name and its module.
_EXTRAS = {"AioHttp": "ktorws.engines.aiohttp"}

if not TYPE_CHECKING:  # a checker would take any name for one of these

    def __getattr__(name: str) -> object:
        if name in _EXTRAS:
            return getattr(importlib.import_module(_EXTRAS[name]), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
