"""How a proxy is named, and which one serves a request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from yarl import URL

from ktorws.http_message import check_visible

if TYPE_CHECKING:
    import ssl as tls

    from ktorws.request import HttpRequest

HTTP = ("http", "https")
SOCKS = ("socks4", "socks4a", "socks5", "socks5h")
_PORTS = {"http": 80, "https": 443}
_SOCKS_PORT = 1080
_SOCKS_LIMIT = 255  # octets of a user name or password (RFC 1929)


@dataclass(frozen=True, slots=True)
class ProxyConfig:
    """A proxy; `ProxyBuilder` makes it, or `ProxyConfig.of` from a URL.

    Attributes:
        scheme: ``http`` for CONNECT, ``https`` for the same over TLS to the proxy,
            ``socks4``, ``socks4a``, ``socks5`` or ``socks5h``. All but ``socks4``
            leave the look-up of the target's name to the proxy.
        host: of the proxy.
        port: of the proxy.
        username: for the proxy alone; never shown.
        password: likewise.
        ssl: for ``https``; by default the system's certificates, names verified.

    Raises:
        ValueError: a part is no good; credentials are not shown.
    """

    scheme: str
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    ssl: tls.SSLContext | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Check every part."""
        if self.scheme not in HTTP + SOCKS:
            known = ", ".join(HTTP + SOCKS)
            raise ValueError(f"A proxy's scheme is one of {known}, not {self.scheme!r}")
        check_visible(self.host, "The proxy's host")
        if not 0 < self.port <= 0xFFFF:  # noqa: PLR2004
            raise ValueError(f"The proxy's port must be 1 to 65535, not {self.port}")
        if self.ssl is not None and self.scheme != "https":
            raise ValueError("Only an https proxy has ssl")
        self._check_credentials()

    def _check_credentials(self) -> None:
        if self.username is None and self.password is None:
            return
        user, password = self.username or "", self.password or ""
        if self.scheme in HTTP:
            if ":" in user:
                raise ValueError("A proxy's user name cannot have a colon (RFC 7617)")
        elif self.scheme in {"socks4", "socks4a"}:
            if password:
                raise ValueError("SOCKS4 has user names, but no passwords")
            if not user.isascii() or "\0" in user:
                raise ValueError("A user name for SOCKS4 must be ASCII")
        elif not (user.isascii() and password.isascii()):
            raise ValueError("User name and password for SOCKS5 must be ASCII here")
        elif not (0 < len(user) <= _SOCKS_LIMIT and 0 < len(password) <= _SOCKS_LIMIT):
            raise ValueError(
                "SOCKS5 takes a user name and a password of 1 to 255 bytes each"
            )

    def __str__(self) -> str:
        """Its address, without credentials."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @classmethod
    def of(
        cls, proxy: str | URL | ProxyConfig, *, ssl: tls.SSLContext | None = None
    ) -> ProxyConfig:
        """The proxy that a URL names: ``http://user:secret@proxy.example:3128``.

        Without a scheme ``http`` is meant, as in environment variables; without a port
        80, 443 or 1080.

        Raises:
            ValueError: it names none; the URL is not shown, as it may have credentials.
            TypeError: it is no URL.
        """
        if isinstance(proxy, ProxyConfig):
            return proxy
        text = _text_of(proxy)
        try:
            url = URL(text if "://" in text else f"http://{text}")
            scheme, host, port = url.scheme, url.raw_host, url.explicit_port
            user, password = url.user, url.password
            bare = url.raw_path in {"", "/"} and not url.raw_query_string
        except ValueError:
            raise ValueError("The proxy's URL is malformed") from None
        if not host or not bare or url.raw_fragment:
            raise ValueError("A proxy's URL has a scheme, a host and a port, no more")
        if port is None:
            port = _PORTS.get(scheme, _SOCKS_PORT)
        return cls(scheme, host, port, user, password, ssl)


def _text_of(url: object) -> str:
    if not isinstance(url, str | URL):
        kind = type(url).__name__
        raise TypeError(f"proxy must be a URL or a ProxyConfig, not {kind}")
    return str(url).strip()


class ProxyBuilder:
    """As in Ktor: ``CIO(proxy=ProxyBuilder.http("http://proxy.example:3128"))``."""

    @staticmethod
    def http(url: str | URL, *, ssl: tls.SSLContext | None = None) -> ProxyConfig:
        """A proxy that takes CONNECT; ``https`` for TLS to the proxy.

        Raises:
            ValueError: it is no such URL, or ``ssl`` is given without ``https``.
        """
        proxy = ProxyConfig.of(url, ssl=ssl)
        if proxy.scheme not in HTTP:
            raise ValueError("An HTTP proxy's URL begins with http:// or https://")
        return proxy

    @staticmethod
    def socks(
        host: str,
        port: int = _SOCKS_PORT,
        *,
        username: str | None = None,
        password: str | None = None,
    ) -> ProxyConfig:
        """A SOCKS5 proxy, which looks the target's name up itself (RFC 1928).

        Raises:
            ValueError: a part is no good.
        """
        return ProxyConfig("socks5", host, port, username, password)


def proxy_of_environment(request: HttpRequest) -> ProxyConfig | None:
    """The proxy that variables, or the system's settings, name for this request.

    ``wss_proxy``, ``https_proxy`` and ``all_proxy`` in this order for ``wss``;
    ``ws_proxy``, ``http_proxy`` and ``all_proxy`` for ``ws``; ``no_proxy`` lists hosts
    to be reached directly. Upper case counts as well, lower case wins.

    Raises:
        ValueError: the variable names no proxy.
    """
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  it is large

    proxies = getproxies()
    names = ("wss", "https", "all") if request.secure else ("ws", "http", "all")
    name = next((name for name in names if proxies.get(name)), None)
    host = request.host
    address = host if ":" in host else f"{host}:{request.port}"
    if name is None or proxy_bypass(address):
        return None
    try:
        return ProxyConfig.of(proxies[name])
    except ValueError as error:
        raise ValueError(f"{name}_proxy in the environment: {error}") from None
