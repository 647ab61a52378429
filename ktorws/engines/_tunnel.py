"""How a proxy is asked to connect to the target: CONNECT, or SOCKS."""

from __future__ import annotations

import asyncio
import base64
import http
from typing import TYPE_CHECKING, Any, cast

from ktorws.engines._transports import give_up
from ktorws.engines._upgrade import HeadReader
from ktorws.exceptions import InvalidHandshakeError
from ktorws.http_head import ConnectResponseParser

if TYPE_CHECKING:
    import socket
    import ssl as tls

    from ktorws.engines._transports import Transports
    from ktorws.engines.proxy import ProxyConfig

_READ_SIZE = 4096
_FOREVER = 7 * 24 * 3600.0  # python-socks wants a limit; the engine has its own


class TunnelError(OSError):
    """The proxy refused, or answered nonsense."""


async def ask_over_socket(
    sock: socket.socket, proxy: ProxyConfig, host: str, port: int
) -> None:
    """Let the socket, which is connected to the proxy, lead to the target.

    Raises:
        OSError: it will not; the caller closes the socket.
    """
    if proxy.scheme.startswith("socks"):
        await _ask_socks(sock, proxy, host, port)
        return
    loop = asyncio.get_running_loop()
    parser = ConnectResponseParser()
    await loop.sock_sendall(sock, _connect_request(proxy, host, port))
    try:
        while not parser.feed(octets := await loop.sock_recv(sock, _READ_SIZE)):
            if not octets:
                parser.feed_eof()
    except InvalidHandshakeError as error:
        raise TunnelError(f"proxy failed: {error}") from error
    _judge(parser)


async def ask_over_tls(
    sock: socket.socket,
    proxy: ProxyConfig,
    host: str,
    port: int,
    *,
    transports: Transports,
    context: tls.SSLContext,
    inner: tls.SSLContext | None,
) -> asyncio.Transport:
    """Agree on TLS with the proxy, then let the transport lead to the target.

    ``inner`` is the context of TLS with the target, which `Transports.hand_on` begins.

    Raises:
        OSError: it will not; the socket is closed then.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[None] = loop.create_future()
    parser = ConnectResponseParser()

    def progress() -> None:
        if not answer.done():
            answer.set_result(None)

    def failed(error: Exception | None) -> None:
        if not answer.done():
            answer.set_exception(error or EOFError())

    reader = HeadReader(parser, progress, failed)
    secure = {"ssl": context, "server_hostname": proxy.host}
    try:
        await transports.connect(loop, lambda: reader, sock, secure, inner)
        transport = cast("asyncio.Transport", reader.transport)
        transport.write(_connect_request(proxy, host, port))
        try:
            await answer
        except EOFError:
            parser.feed_eof()
        _judge(parser)
        _check_alive(transport)
    except BaseException as error:
        answer.cancel()
        if reader.transport is None:
            sock.close()
        else:
            give_up(reader.transport)
        if isinstance(error, InvalidHandshakeError):
            raise TunnelError(f"proxy failed: {error}") from error
        raise
    reader.release()
    return transport


def _connect_request(proxy: ProxyConfig, host: str, port: int) -> bytes:
    target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
    if proxy.username is not None or proxy.password is not None:
        credentials = f"{proxy.username or ''}:{proxy.password or ''}".encode()
        token = base64.b64encode(credentials).decode()
        head += f"Proxy-Authorization: Basic {token}\r\n"
    return f"{head}\r\n".encode()


def _judge(parser: ConnectResponseParser) -> None:
    status = parser.response.status
    if not 200 <= status < 300:  # noqa: PLR2004
        try:  # not the proxy's own words: nobody knows what it puts there
            meaning = f" {http.HTTPStatus(status).phrase}"
        except ValueError:
            meaning = ""
        raise TunnelError(f"proxy refused: {status}{meaning}")
    if parser.left_over:
        raise TunnelError("proxy failed: there are octets behind its answer")


def _check_alive(transport: asyncio.Transport) -> None:
    if transport.is_closing():
        raise TunnelError("proxy failed: it closed the connection")


class _Connected:
    """Stands for a chain's first proxy, whose connection is made already."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    async def connect(self, **_: object) -> socket.socket:
        return self._sock


async def _ask_socks(
    sock: socket.socket, proxy: ProxyConfig, host: str, port: int
) -> None:
    from python_socks import ProxyError, ProxyType  # noqa: PLC0415  an extra
    from python_socks.async_.asyncio import Proxy  # noqa: PLC0415

    five = proxy.scheme.startswith("socks5")
    chained = Proxy(
        ProxyType.SOCKS5 if five else ProxyType.SOCKS4,
        proxy.host,
        proxy.port,
        proxy.username,
        proxy.password,
        rdns=proxy.scheme != "socks4",
        forward=cast("Any", _Connected(sock)),
        loop=asyncio.get_running_loop(),
    )
    try:
        await chained.connect(host, port, timeout=_FOREVER)
    except ProxyError as error:
        closed = type(error.__cause__).__name__ == "IncompleteReadError"
        what = "failed" if closed else "refused"
        raise TunnelError(f"proxy {what}: {error}") from error
    except (UnicodeError, ValueError) as error:  # what it makes of nonsense
        raise TunnelError(f"proxy failed: {error}") from error
