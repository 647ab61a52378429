"""The feature that everything here is about: how a client's sessions behave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktorws.channels import WebSocketChannelsConfig
from ktorws.default_session import interval_in_seconds, positive_seconds
from ktorws.extensions import WebSocketExtensionFactory, check_conflicts
from ktorws.features.base import HttpClientFeature
from ktorws.frame import DEFAULT_MAX_FRAME_SIZE
from ktorws.ping_pong import PINGER_DISABLED
from ktorws.serialization import WebSocketContentConverter
from ktorws.session_config import SessionConfig

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from ktorws.extensions import WebSocketExtension


class WebSockets(HttpClientFeature):
    """``client.install(WebSockets, …)``, as in Ktor.

    Args:
        ping_interval: seconds, or a `timedelta`, from a pong to the next ping; None
            for no pings, which is the default.
        ping_interval_millis: the same in milliseconds; 0 or below for no pings.
        timeout: seconds, or a `timedelta`, within which a ping must be answered;
            15 by default. Alone decides when a silent peer is given up.
        timeout_millis: the same in milliseconds.
        max_frame_size: limit in bytes of an incoming frame, and of a message in
            fragments; 16 MiB by default. Beyond it the session ends with code 1009.
        channels: how much a session's channels hold.
        extensions: what to offer; see `WebSocketExtension.install`.
        content_converter: for ``send_serialized`` and ``receive_deserialized``.
        open_timeout: seconds for everything up to the open session, redirects
            included; 10 by default.
        close_timeout: seconds to wait for the peer when closing; 10 by default.

    Raises:
        ValueError: a value is out of range, or extensions conflict.
        TypeError: an option was given in seconds and in milliseconds.
    """

    def __init__(
        self,
        *,
        ping_interval: float | timedelta | None = None,
        ping_interval_millis: int | None = None,
        timeout: float | timedelta | None = None,
        timeout_millis: int | None = None,
        max_frame_size: int = DEFAULT_MAX_FRAME_SIZE,
        channels: WebSocketChannelsConfig | None = None,
        extensions: Iterable[WebSocketExtensionFactory[WebSocketExtension]] = (),
        content_converter: WebSocketContentConverter | None = None,
        open_timeout: float | timedelta = 10.0,
        close_timeout: float | timedelta = 10.0,
    ) -> None:
        interval = one_of("ping_interval", ping_interval, ping_interval_millis)
        limit = one_of("timeout", timeout, timeout_millis)
        factories = tuple(extensions)
        if not all(isinstance(f, WebSocketExtensionFactory) for f in factories):
            raise TypeError("extensions takes what an extension's install() gives")
        check_conflicts(factories)
        if not isinstance(max_frame_size, int) or max_frame_size < 1:
            raise ValueError(
                f"max_frame_size must be at least 1, not {max_frame_size!r}"
            )
        if channels is not None and not isinstance(channels, WebSocketChannelsConfig):
            raise TypeError("channels must be a WebSocketChannelsConfig")
        if content_converter is not None and not isinstance(
            content_converter, WebSocketContentConverter
        ):
            raise TypeError("content_converter must be a WebSocketContentConverter")
        #: The options as sessions get them.
        self.config = SessionConfig(
            ping_interval=interval_in_seconds(interval),
            timeout=15.0 if limit is None else positive_seconds("timeout", limit),
            max_frame_size=max_frame_size,
            channels=channels or WebSocketChannelsConfig(),
            extensions=factories,
            content_converter=content_converter,
            open_timeout=positive_seconds("open_timeout", open_timeout),
            close_timeout=positive_seconds("close_timeout", close_timeout),
        )

    @property
    def ping_interval(self) -> float | None:
        """Seconds, or None for no pings."""
        return self.config.ping_interval

    @property
    def ping_interval_millis(self) -> int:
        """Milliseconds; `PINGER_DISABLED` (0) for no pings."""
        interval = self.config.ping_interval
        return PINGER_DISABLED if interval is None else round(interval * 1000)

    @property
    def timeout(self) -> float:
        """Seconds."""
        return self.config.timeout

    @property
    def timeout_millis(self) -> int:
        """Milliseconds."""
        return round(self.config.timeout * 1000)

    @property
    def max_frame_size(self) -> int:
        """Bytes."""
        return self.config.max_frame_size


def one_of(
    name: str, seconds: float | timedelta | None, millis: int | None
) -> float | timedelta | None:
    """An option that can be given in seconds or in milliseconds, as seconds.

    Raises:
        TypeError: it was given in both.
    """
    if millis is None:
        return seconds
    if seconds is not None:
        raise TypeError(f"Give either {name} or {name}_millis, not both")
    return millis / 1000
