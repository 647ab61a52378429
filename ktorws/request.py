"""What a caller asks for: the parts of a WebSocket URL, headers and subprotocols.

Everything is checked here, before anything is sent: no octet of a request can be
smuggled in through a name, a value or an address.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeAlias, TypedDict

from multidict import CIMultiDict, CIMultiDictProxy, MultiDict

from ktorws.http_message import (
    check_header,
    check_text,
    check_visible,
    is_token,
    list_elements,
)
from ktorws.url import (
    SCHEMES,
    build_url,
    check_port,
    parameter_names,
    parse_url,
    resolve_path,
)

if TYPE_CHECKING:
    from yarl import URL

    from ktorws.frame_connection import FrameTap

Headers: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]
Params: TypeAlias = (
    Mapping[str, str | int | float] | Iterable[tuple[str, str | int | float]]
)

#: What the handshake itself says; nobody else may (RFC 6455 §4.1, RFC 9112 §6).
CONTROLLED_HEADERS = (
    "Upgrade",
    "Connection",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Version",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Protocol",
    "Transfer-Encoding",
    "Content-Length",
)


class Capabilities(TypedDict, total=False):
    """What an engine must be able to do for a request, beside opening a session.

    Attributes:
        connect_timeout: seconds for name lookup and connection; `math.inf` for no
            limit.
        socket_timeout: seconds without an octet of the peer after which it is given
            up.
        frame_taps: who sees the frames.
    """

    connect_timeout: float
    socket_timeout: float
    frame_taps: tuple[FrameTap, ...]


@dataclass(frozen=True, slots=True, eq=False)
class HttpRequest:
    """A handshake request that may be sent as it is.

    Attributes:
        method: always ``"GET"`` (RFC 6455 §4.1).
        url: ``ws`` or ``wss``, encoded, without user information and fragment.
        headers: the caller's; the handshake adds its own.
        subprotocols: what is offered, the preferred one first.
        attributes: whatever features keep with a request; never sent.
        capabilities: what the engine must be able to do; see `Capabilities`.

    Raises:
        ValueError: a part is not fit to be sent.
        TypeError: a part is of the wrong type.
    """

    method: str
    url: URL
    headers: CIMultiDictProxy[str] = field(repr=False)
    subprotocols: tuple[str, ...] = ()
    attributes: dict[Any, Any] = field(default_factory=dict, repr=False)
    capabilities: Capabilities = field(default_factory=Capabilities, repr=False)

    def __post_init__(self) -> None:
        """Check every part."""
        if check_text(self.method, "Method") != "GET":
            raise ValueError(
                f"The WebSocket handshake is a GET request, not {self.method!r}"
            )
        if self.url.scheme not in SCHEMES or not self.url.raw_host:
            raise ValueError(f"Not a WebSocket URL: {str(self.url)!r}")
        check_visible(self.host, "Host")
        check_visible(self.target, "Path and query")
        _check_headers(self.headers)
        _check_subprotocols(self.subprotocols)

    @property
    def secure(self) -> bool:
        """Whether the connection is to use TLS."""
        return self.url.scheme == "wss"

    @property
    def host(self) -> str:
        """The host to connect to: ASCII (IDNA), an IPv6 address without brackets."""
        return self.url.raw_host or ""

    @property
    def port(self) -> int:
        """The port to connect to."""
        return self.url.explicit_port or (443 if self.secure else 80)

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: what credentials belong to."""
        return (self.url.scheme, self.host, self.port)

    @property
    def host_header(self) -> str:
        """The Host header's value: no default port, no IPv6 zone (RFC 6874 §4)."""
        host = self.host.partition("%")[0]
        host = f"[{host}]" if ":" in host else host
        default = 443 if self.secure else 80
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """Path and query, for the request line."""
        return self.url.raw_path_qs or "/"


class HttpRequestBuilder:
    """A request that can still be changed, by the caller and by features.

    Attributes:
        method: of HTTP; only ``"GET"`` can be built.
        scheme: ``"ws"`` or ``"wss"``.
        scheme_named: whether the caller's URL named the scheme.
        host: a name or an address, or None for the default.
        port: 1 to 65535; None or 0 for the scheme's default.
        path: percent-encoded, sent as it is; a ``?query`` is part of it.
        params: appended to the query, encoded.
        headers: any number; ``Sec-WebSocket-Protocol`` means subprotocols.
        subprotocols: what to offer, the preferred one first.
        attributes: free for features; never sent.
        capabilities: what the engine must be able to do, as Ktor's ``setCapability``;
            one that cannot refuses the request by name.
    """

    def __init__(self) -> None:
        self.method = "GET"
        self.scheme = "ws"
        self.scheme_named = False
        self.host: str | None = None
        self.port: int | None = None
        self.path = ""
        self.params: MultiDict[str | int | float] = MultiDict()
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.subprotocols: list[str] = []
        self.attributes: dict[Any, Any] = {}
        self.capabilities: Capabilities = {}

    @classmethod
    def of(
        cls,
        url: str | URL | None = None,
        *,
        scheme: str = "ws",
        method: str = "GET",
        host: str | None = None,
        port: int | None = None,
        path: str | None = None,
        headers: Headers | None = None,
        params: Params | None = None,
        subprotocols: Iterable[str] = (),
    ) -> Self:
        """A builder from a URL, or from its parts (Ktor's ``ws(…)`` overloads).

        The scheme in a URL wins over ``scheme``. A URL without scheme and authority
        (``"/echo"``) is a path alone. User information in a URL is dropped, and so
        is a fragment: neither is ever sent.

        Raises:
            ValueError: the URL or the port is no good.
            TypeError: a URL came together with parts of one, or a type is wrong.
        """
        builder = cls()
        builder.method = method
        builder.scheme = scheme
        if url is not None:
            if host is not None or port is not None or path is not None:
                raise TypeError("Give either a URL or host, port and path, not both")
            builder.take_url(url)
        else:
            builder.host = host
            builder.port = port
            builder.path = path or ""
            check_port(port)
        builder.headers.extend(headers or ())
        builder.params.extend(params or ())
        if isinstance(subprotocols, str):
            raise TypeError("subprotocols must be a sequence of strings, not a string")
        builder.subprotocols.extend(subprotocols)
        return builder

    def copy(self) -> Self:
        """Another builder of the same request; changing one leaves the other."""
        other = copy.copy(self)
        other.params = MultiDict(self.params)
        other.headers = CIMultiDict(self.headers)
        other.subprotocols = list(self.subprotocols)
        other.attributes = dict(self.attributes)
        other.capabilities = self.capabilities.copy()
        return other

    def take_url(self, url: str | URL) -> None:
        """Go to another URL; one that is a path alone drops host and port.

        Raises:
            ValueError: it is no WebSocket URL, nor a path.
            TypeError: it is neither a string nor a `yarl.URL`.
        """
        scheme, self.host, self.port, self.path = parse_url(url)
        self.scheme = scheme or self.scheme
        self.scheme_named = bool(scheme)

    def merge(self, defaults: HttpRequestBuilder) -> None:
        """Fill in what this request leaves open (Ktor's ``DefaultRequest``).

        A request with a host keeps its URL. Another takes host and port, resolves
        its path against the default one, and gets the default query parameters
        that it has not itself; it becomes ``wss`` where the default is, unless its
        URL named the scheme. Headers, subprotocols and attributes are taken where
        absent; cookies are united.
        """
        if not self.host:
            if not self.scheme_named and defaults.scheme == "wss":
                self.scheme = "wss"
            self.host = defaults.host
            self.port = self.port or defaults.port
            self._merge_path(defaults)
        self.merge_cookies(defaults.headers.get("Cookie"))
        self.headers.extend(
            [item for item in defaults.headers.items() if item[0] not in self.headers]
        )
        self.subprotocols = self.subprotocols or list(defaults.subprotocols)
        self.attributes = defaults.attributes | self.attributes

    def merge_cookies(self, cookies: str | None) -> None:
        """Add those of a ``Cookie`` header that this request has not itself."""
        own = self.headers.getall("Cookie", [])
        names = {c.partition("=")[0].strip() for v in own for c in v.split(";")}
        missing = [
            cookie.strip()
            for cookie in (cookies or "").split(";")
            if cookie.strip() and cookie.partition("=")[0].strip() not in names
        ]
        if missing:
            self.headers["Cookie"] = "; ".join([*missing, *own])

    def _merge_path(self, defaults: HttpRequestBuilder) -> None:
        given = {*parameter_names(self.path.partition("?")[2]), *self.params}
        self.path = resolve_path(self.path, defaults.path, given)
        self.params.extend(
            [item for item in defaults.params.items() if item[0] not in given]
        )

    def build(self) -> HttpRequest:
        """The request as it will be sent.

        Raises:
            ValueError: a part is not fit to be sent.
            TypeError: a part is of the wrong type.
        """
        headers = CIMultiDict(self.headers)
        subprotocols = list(self.subprotocols)
        if "Sec-WebSocket-Protocol" in headers:
            subprotocols += list_elements(headers.popall("Sec-WebSocket-Protocol"))
        return HttpRequest(
            self.method,
            build_url(self.scheme, self.host, self.port, self.path, self.params),
            CIMultiDictProxy(headers),
            tuple(subprotocols),
            dict(self.attributes),
            self.capabilities.copy(),
        )


def _check_headers(headers: CIMultiDictProxy[str]) -> None:
    if not headers:
        return
    for name, value in headers.items():
        check_header(name, value)
    for name in CONTROLLED_HEADERS:
        if name in headers:
            raise ValueError(
                f"Header {name} is set by the handshake and cannot be given"
            )
    if len(headers.getall("Host", [])) > 1:
        raise ValueError("Header Host can be given once only")


def _check_subprotocols(subprotocols: tuple[str, ...]) -> None:
    for subprotocol in subprotocols:
        if not is_token(check_text(subprotocol, "Subprotocol")):
            raise ValueError(f"Subprotocol is not a token: {subprotocol!r}")
    if len(set(subprotocols)) != len(subprotocols):
        raise ValueError(f"Subprotocols must differ: {', '.join(subprotocols)}")
