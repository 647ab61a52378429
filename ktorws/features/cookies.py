"""What servers asked to be reminded of, sent to those who did (RFC 6265)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, cast

from ktorws.exceptions import HandshakeError, InvalidHandshakeError
from ktorws.features.base import HttpClientFeature
from ktorws.request import HttpRequestBuilder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from http.cookiejar import CookieJar

    from yarl import URL

    from ktorws.client_session import ClientWebSocketSession
    from ktorws.features.base import Proceed
    from ktorws.session import WebSocketSession


class AcceptAllCookiesStorage:
    """Where `HttpCookies` keeps cookies: in a jar of the standard library.

    Domain, path, ``Secure`` and expiry decide who gets a cookie; as everywhere, its
    port does not (RFC 6265 §8.5). Public suffixes are known by rules of thumb only.

    Args:
        jar: an `http.cookiejar.CookieJar` to use, such as a `MozillaCookieJar`,
            whose own policy then holds. By default one in memory: 50 cookies for a
            domain, 3,000 in all, of 4,096 characters each; older ones make room.

    Attributes:
        jar: the jar: to look at every cookie, or to clear it.
    """

    def __init__(self, *, jar: CookieJar | None = None) -> None:
        # The standard library's takes longer to import than all of ktorws' features.
        from ktorws.features import _cookie_jar  # noqa: PLC0415

        self._http = _cookie_jar
        self.jar: CookieJar = _cookie_jar.Jar() if jar is None else jar

    def get(self, url: str | URL) -> dict[str, str]:
        """The names and values that a request to this URL is sent with.

        Raises:
            ValueError: it is no WebSocket URL.
        """
        pairs = (pair.partition("=") for pair in self._header(url).split("; "))
        found: dict[str, str] = {}
        for name, _, value in pairs:
            if name or value:
                found.setdefault(name, value)  # the longest path comes first
        return found

    def add_cookie(self, url: str | URL, cookie: str) -> None:
        """Keep a cookie as if the server at this URL had set it.

        Args:
            url: a ``ws`` or ``wss`` URL.
            cookie: as in ``Set-Cookie``: ``"name=value; Path=/; Secure"``.

        Raises:
            ValueError: it is no WebSocket URL, or its server may not set this.
        """
        request = cast("Any", self._http.JarRequest(_url(url)))
        response = cast("Any", self._http.JarResponse([cookie]))
        made = self.jar.make_cookies(response, request)
        for new in made:
            self.jar.set_cookie_if_ok(new, request)
        if not any(kept is new for kept in self.jar for new in made):
            raise ValueError(f"Not a cookie that {_url(url).origin()} may set")

    def _header(self, url: str | URL) -> str:
        request = self._http.JarRequest(_url(url))
        self.jar.add_cookie_header(cast("Any", request))
        return request.cookies or ""

    def _store(self, url: URL, cookies: Sequence[str]) -> None:
        response = cast("Any", self._http.JarResponse(cookies))
        self.jar.extract_cookies(response, cast("Any", self._http.JarRequest(url)))


class HttpCookies(HttpClientFeature):
    """``client.install(HttpCookies)``, as in Ktor: a cookie jar.

    Takes the cookies of every answer to a handshake, refusals and redirects
    included, and sends those that the next request's URL is entitled to, beside the
    request's own. A redirect gets those of where it leads.

    Args:
        storage: where cookies are kept; read it, or fill it beforehand.
    """

    depth: ClassVar[int] = 10

    def __init__(self, *, storage: AcceptAllCookiesStorage | None = None) -> None:
        if storage is not None and not isinstance(storage, AcceptAllCookiesStorage):
            raise TypeError("storage must be an AcceptAllCookiesStorage")
        #: Where cookies are kept.
        self.storage = storage or AcceptAllCookiesStorage()

    async def send(
        self, request: HttpRequestBuilder, proceed: Proceed
    ) -> WebSocketSession:
        """Send with cookies, and keep those that come back."""
        storage, url = self.storage, request.build().url
        attempt = request.copy()  # the request itself may be redirected
        attempt.merge_cookies(storage._header(url))  # noqa: SLF001
        try:
            session = await proceed(attempt)
        except InvalidHandshakeError:
            raise
        except HandshakeError as error:
            if error.response is not None:
                cookies = error.response.headers.getall("Set-Cookie", [])
                storage._store(url, cookies)  # noqa: SLF001
            raise
        response = cast("ClientWebSocketSession", session).call.response
        storage._store(url, response.headers.getall("Set-Cookie", []))  # noqa: SLF001
        return session


def _url(url: str | URL) -> URL:
    return HttpRequestBuilder.of(url).build().url
