"""What a client says that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktorws.features.base import HttpClientFeature
from ktorws.http_message import check_header

if TYPE_CHECKING:
    from ktorws.request import HttpRequestBuilder

_BROWSER = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
_CURL = "curl/8.14.1"


class UserAgent(HttpClientFeature):
    """``client.install(UserAgent, agent="…")``: the ``User-Agent`` of each request.

    A request with one of its own keeps it. Without this feature it is
    ``ktorws/`` and the version.

    Args:
        agent: the header's value.

    Raises:
        ValueError: it cannot be sent.
        TypeError: it is no string.
    """

    def __init__(self, *, agent: str) -> None:
        check_header("User-Agent", agent)
        #: What was given.
        self.agent = agent

    async def prepare(self, request: HttpRequestBuilder) -> None:
        """Add the header where there is none."""
        request.headers.setdefault("User-Agent", self.agent)


def BrowserUserAgent() -> UserAgent:  # noqa: N802  Ktor's name, installed as a class
    """``client.install(BrowserUserAgent)``: pose as a browser, as in Ktor."""
    return UserAgent(agent=_BROWSER)


def CurlUserAgent() -> UserAgent:  # noqa: N802
    """``client.install(CurlUserAgent)``: pose as curl, as in Ktor."""
    return UserAgent(agent=_CURL)
