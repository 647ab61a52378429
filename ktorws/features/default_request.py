"""What every request of a client has, unless it says otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ktorws.features.base import HttpClientFeature
from ktorws.request import HttpRequestBuilder

if TYPE_CHECKING:
    from collections.abc import Iterable

    from yarl import URL

    from ktorws.request import Headers, Params


class DefaultRequest(HttpClientFeature):
    """Ktor's ``defaultRequest``: a base URL, query parameters, headers.

    A request with a host of its own keeps its URL; one without takes host and port
    from here, resolves its path against the base path, and gets the query
    parameters that it lacks. Headers are added where they are absent.

    Args:
        url: the base URL, with scheme and host; or give its parts.
        host: see `HttpRequestBuilder`; so the others.

    Raises:
        ValueError: the URL or the port is no good.
    """

    def __init__(
        self,
        *,
        url: str | URL | None = None,
        host: str | None = None,
        port: int | None = None,
        path: str | None = None,
        headers: Headers | None = None,
        params: Params | None = None,
        subprotocols: Iterable[str] = (),
    ) -> None:
        self._defaults = HttpRequestBuilder.of(
            url,
            host=host,
            port=port,
            path=path,
            headers=headers,
            params=params,
            subprotocols=subprotocols,
        )

    async def prepare(self, request: HttpRequestBuilder) -> None:
        """Fill in what the request leaves open."""
        request.merge(self._defaults)
