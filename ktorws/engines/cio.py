"""Our own engine: sessions over asyncio's transports, TCP, TLS or Unix sockets."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import math
import socket
import ssl as tls
import sys
from typing import TYPE_CHECKING, Any, ClassVar

from ktorws.engines._client_upgrade import ClientUpgrade
from ktorws.engines._dial import Dialler, addresses_of, connect_unix
from ktorws.engines._silence import WATCHING
from ktorws.engines._transports import Transports, give_up
from ktorws.engines._tunnel import ask_over_socket, ask_over_tls
from ktorws.engines.base import HttpClientEngine, Opening
from ktorws.engines.proxy import SOCKS, ProxyConfig, proxy_of_environment
from ktorws.exceptions import ConnectError, WebSocketError

if TYPE_CHECKING:
    from yarl import URL

    from ktorws.request import HttpRequest
    from ktorws.session import WebSocketSession

_IN_A_BROWSER = sys.platform == "emscripten"


class CIO(HttpClientEngine):
    """Coroutine-based I/O, as Ktor calls its own engine: asyncio or uvloop.

    Args:
        connect_timeout: seconds for name lookup and TCP (or Unix socket) connection,
            and for the proxy until it leads to the target; within the session's
            ``open_timeout``; None for no limit of its own.
        ssl: for ``wss``; used as it is given. By default the system's certificates,
            host names verified.
        server_hostname: the name to ask for (SNI) and to verify, where it is not the
            URL's host.
        local_address: ``(host, port)`` to connect from; port 0 for any.
        happy_eyeballs_delay: seconds before the next address is tried in parallel
            (RFC 8305); None to try one after the other.
        unix_socket: path of a Unix socket to connect to, whatever the URL's host.
        transport: ``"auto"`` takes our own transports, or where they will not do
            (Windows, TLS through a proxy that speaks TLS itself, a Python that has
            OpenSSL built in, an `ssl` with methods or session classes of its own, a
            message callback or kernel TLS) aiofastnet's for TLS, where they are
            installed and safe, and else the loop's own; ``"asyncio"`` always the
            loop's own; ``"aiofastnet"`` insists.
        proxy: its URL, or what `ProxyBuilder` gives; SOCKS needs ``ktorws[socks]``.
        trust_env: let environment variables (``https_proxy``, ``no_proxy``, …) name
            the proxy, where none is given here.

    Raises:
        ValueError: an option's value is no good.
        ModuleNotFoundError: ``"aiofastnet"`` is not installed, or python-socks.
        RuntimeError: this is a browser.
    """

    name: ClassVar[str] = "CIO"
    capabilities: ClassVar[frozenset[str]] = WATCHING | {"connect_timeout"}

    def __init__(
        self,
        *,
        connect_timeout: float | None = 5.0,
        ssl: tls.SSLContext | None = None,
        server_hostname: str | None = None,
        local_address: tuple[str, int] | None = None,
        happy_eyeballs_delay: float | None = 0.25,
        unix_socket: str | None = None,
        proxy: str | URL | ProxyConfig | None = None,
        trust_env: bool = False,
        transport: str = "auto",
    ) -> None:
        if _IN_A_BROWSER:
            raise RuntimeError("CIO needs sockets, and a browser has none: use Js")
        if connect_timeout is not None and not connect_timeout > 0:
            raise ValueError(f"connect_timeout must be above 0, not {connect_timeout}")
        if ssl is not None and not isinstance(ssl, tls.SSLContext):
            raise TypeError(f"ssl must be an SSLContext, not {type(ssl).__name__}")
        if unix_socket is not None and local_address is not None:
            raise ValueError("A Unix socket has no local_address")
        if unix_socket is not None and (proxy is not None or trust_env):
            raise ValueError("A Unix socket has no proxy, nor trust_env")
        self._connect_timeout = connect_timeout
        self._ssl = ssl
        self._server_hostname = server_hostname
        self._dialler = Dialler(local_address, happy_eyeballs_delay)
        self._unix_socket = unix_socket
        self._proxy = None if proxy is None else _installed(ProxyConfig.of(proxy))
        self._trust_env = trust_env
        self._transports = Transports(transport)

    def check(self, opening: Opening) -> None:
        """Refuse a socket that will not do, and what a proxy makes impossible."""
        if opening.sock is not None:
            _check_sock(opening.sock)
            if self._proxy is not None:
                raise ValueError("A sock that is given has no proxy")
        proxy = self._proxy_for(opening)
        if proxy is not None and "Proxy-Authorization" in opening.request.headers:
            raise ValueError(
                "The header Proxy-Authorization would go to the target: "
                "give the proxy's credentials in its URL"
            )

    async def open(self, opening: Opening) -> WebSocketSession:
        """A session over a connection of its own."""
        loop = asyncio.get_running_loop()
        upgrade = ClientUpgrade(loop, opening)
        link: socket.socket | asyncio.Transport | None = opening.sock
        try:
            if link is None:
                link = await self._connect(opening)
            elif isinstance(link, socket.socket):
                link.setblocking(False)  # noqa: FBT003
            return await self._upgrade(loop, link, upgrade)
        except BaseException:
            upgrade.abandon()
            if isinstance(link, socket.socket):
                if upgrade.reader.transport is None:
                    link.close()
            elif link is not None:
                give_up(link)
            raise

    def _proxy_for(self, opening: Opening) -> ProxyConfig | None:
        if self._proxy is None and self._trust_env and opening.sock is None:
            proxy = proxy_of_environment(opening.request)
            return None if proxy is None else _installed(proxy)
        return self._proxy

    async def _connect(self, opening: Opening) -> socket.socket | asyncio.Transport:
        opening.stage = f"connecting to {self._unix_socket or opening.request.host}"
        seconds = opening.request.capabilities.get(
            "connect_timeout", self._connect_timeout
        )
        limit = asyncio.timeout(None if seconds == math.inf else seconds)
        try:
            async with limit:
                if self._unix_socket is not None:
                    return await connect_unix(self._unix_socket)
                proxy = self._proxy_for(opening)
                if proxy is not None:
                    return await self._connect_through(proxy, opening)
                return await self._connect_directly(opening)
        except (OSError, UnicodeError) as error:  # the latter for names beyond IDNA
            what, why = "Failed", f": {_told(error)}"
            if limit.expired():
                what, why = "Timed out", f", after {seconds:g} s"
            raise ConnectError(f"{what} while {opening.stage}{why}") from error

    async def _connect_through(
        self, proxy: ProxyConfig, opening: Opening
    ) -> socket.socket | asyncio.Transport:
        """A way to the target; over TLS to the proxy it is no plain socket."""
        host, port = opening.request.host, opening.request.port
        addresses = await self._look_up(opening, proxy.host, proxy.port, "the proxy ")
        sock = await self._dialler.connect(addresses)
        sock.setblocking(False)  # noqa: FBT003
        if proxy.scheme == "https":
            opening.stage = f"asking {proxy}, over TLS, for {host} port {port}"
            return await ask_over_tls(
                sock,
                proxy,
                host,
                port,
                transports=self._transports,
                context=proxy.ssl or default_context(),
                inner=self._secure(opening.request).get("ssl"),
            )
        opening.stage = f"asking {proxy} for {host} port {port}"
        try:
            await ask_over_socket(sock, proxy, host, port)
        except BaseException:
            sock.close()
            raise
        return sock

    async def _look_up(
        self, opening: Opening, host: str, port: int, role: str = ""
    ) -> list[Any]:
        opening.stage = f"looking up {role}{host}"
        addresses = await addresses_of(host, port)
        opening.stage = f"connecting to {role}{host} port {port}"
        return addresses

    async def _connect_directly(self, opening: Opening) -> socket.socket:
        request = opening.request
        addresses = await self._look_up(opening, request.host, request.port)
        return await self._dialler.connect(addresses)

    async def _upgrade(
        self,
        loop: asyncio.AbstractEventLoop,
        link: socket.socket | asyncio.Transport,
        upgrade: ClientUpgrade,
    ) -> WebSocketSession:
        request = upgrade.opening.request
        secure = self._secure(request)
        if secure:
            upgrade.opening.stage = f"agreeing on TLS with {request.host}"
        try:
            if isinstance(link, socket.socket):
                await self._transports.connect(
                    loop, lambda: upgrade.reader, link, secure
                )
            else:
                await self._transports.hand_on(loop, upgrade.reader, link, secure)
            upgrade.opening.stage = f"waiting for the answer of {request.host}"
            return await upgrade.ask()
        except (OSError, tls.CertificateError) as error:
            if isinstance(error, WebSocketError):
                raise
            raise ConnectError(
                f"Failed while {upgrade.opening.stage}: {_told(error)}"
            ) from error

    def _secure(self, request: HttpRequest) -> dict[str, Any]:
        """The options of TLS with the target; none for ``ws``."""
        if not request.secure:
            return {}
        return {
            "ssl": self._ssl or default_context(),
            "server_hostname": self._server_hostname or request.host,
        }


def _check_sock(sock: socket.socket) -> None:
    if isinstance(sock, tls.SSLSocket):
        raise TypeError(
            "sock must not be an SSLSocket: give it without TLS, and CIO an SSLContext"
        )
    if sock.type != socket.SOCK_STREAM:
        raise ValueError(f"sock must be a stream socket, not {sock.type.name}")


def _told(error: Exception) -> str:
    """What happened; TLS transports have no word for an end within the handshake."""
    if not str(error) and isinstance(error, ConnectionResetError):
        return "the peer ended the connection"
    return str(error) or type(error).__name__


@functools.cache
def default_context() -> tls.SSLContext:
    """TLS with the system's certificates, made once: reading them takes long."""
    context = tls.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


def _installed(proxy: ProxyConfig) -> ProxyConfig:
    """The proxy, if what it needs is there."""
    if proxy.scheme in SOCKS and importlib.util.find_spec("python_socks") is None:
        raise ModuleNotFoundError(
            f"A proxy of scheme {proxy.scheme} needs ktorws[socks]", name="python_socks"
        )
    return proxy
