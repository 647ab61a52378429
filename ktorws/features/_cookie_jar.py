"""How the standard library's cookie jar is spoken to, and made to follow RFC 6265."""

from __future__ import annotations

import http.cookiejar
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from http.cookiejar import Cookie
    from urllib.request import Request

    from yarl import URL

MAX_COOKIE_SIZE = 4096  # of name and value, in characters; RFC 6265 §6.1 asks for it
MAX_COOKIES_OF_A_DOMAIN = 50
MAX_COOKIES = 3000


class Policy(http.cookiejar.DefaultCookiePolicy):
    """RFC 6265 where the library's default is laxer.

    A cookie without a domain goes to the very host that set it; one of an address
    never to another address.
    """

    def __init__(self) -> None:
        super().__init__(
            strict_domain=True,
            strict_ns_domain=http.cookiejar.DefaultCookiePolicy.DomainStrictNonDomain,
        )

    def set_ok(self, cookie: Cookie, request: Request) -> bool:
        """Whether to take a cookie."""
        size = len(cookie.name) + len(cookie.value or "")
        return size <= MAX_COOKIE_SIZE and super().set_ok(cookie, request)

    def set_ok_domain(self, cookie: Cookie, request: Request) -> bool:
        """Whether a cookie may be for this domain."""
        host = cast("JarRequest", request).host
        if cookie.domain_specified and _is_address(host):
            return cookie.domain.removeprefix(".") == host
        return super().set_ok_domain(cookie, request)


class Jar(http.cookiejar.CookieJar):
    """A jar that servers cannot fill without end: older cookies make room."""

    def __init__(self) -> None:
        super().__init__(Policy())

    def set_cookie(self, cookie: Cookie) -> None:
        """Keep a cookie."""
        super().set_cookie(cookie)
        cookies = list(self)
        near = [other for other in cookies if other.domain == cookie.domain]
        if len(near) > MAX_COOKIES_OF_A_DOMAIN:
            self._drop(near[0])
        elif len(cookies) > MAX_COOKIES:
            self._drop(cookies[0])

    def _drop(self, cookie: Cookie) -> None:
        self.clear(cookie.domain, cookie.path, cookie.name)


class JarRequest:
    """As much of a `urllib.request.Request` as a jar looks at."""

    unverifiable = False

    def __init__(self, url: URL) -> None:
        self._url = str(url)
        self.type = url.scheme
        self.host = self.origin_req_host = url.raw_host or ""
        #: The ``Cookie`` header that the jar makes, or None.
        self.cookies: str | None = None

    def get_full_url(self) -> str:
        """The URL."""
        return self._url

    def has_header(self, _name: str) -> bool:
        """None is in the jar's way."""
        return False

    def get_header(self, _name: str, default: str | None = None) -> str | None:
        """There is none."""
        return default

    def add_unredirected_header(self, name: str, value: str) -> None:
        """Take what the jar makes."""
        if name == "Cookie":
            self.cookies = value


class JarResponse:
    """As much of a response as a jar looks at: the values of ``Set-Cookie``."""

    def __init__(self, cookies: Sequence[str]) -> None:
        self._cookies = list(cookies)

    def info(self) -> JarResponse:
        """The headers."""
        return self

    def get_all(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        """All values of a header."""
        return self._cookies if name == "Set-Cookie" else default


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
