"""How a session is to behave: everything `install(WebSockets, …)` can say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ktorws.channels import WebSocketChannelsConfig
from ktorws.frame import DEFAULT_MAX_FRAME_SIZE

if TYPE_CHECKING:
    from ktorws.extensions import WebSocketExtension, WebSocketExtensionFactory
    from ktorws.serialization import WebSocketContentConverter


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionConfig:
    """How a session is opened, behaves and ends; times in seconds, sizes in bytes."""

    ping_interval: float | None = None
    timeout: float = 15.0
    max_frame_size: int = DEFAULT_MAX_FRAME_SIZE
    channels: WebSocketChannelsConfig = field(default_factory=WebSocketChannelsConfig)
    extensions: tuple[WebSocketExtensionFactory[WebSocketExtension], ...] = ()
    content_converter: WebSocketContentConverter | None = None
    open_timeout: float = 10.0
    close_timeout: float = 10.0
