"""How a socket comes to be connected: names, addresses, TCP and Unix sockets."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Dialler:
    """Connects over TCP.

    Args:
        local_address: ``(host, port)`` to connect from, or None.
        happy_eyeballs_delay: seconds before the next address is tried in parallel.
    """

    def __init__(
        self,
        local_address: tuple[str, int] | None,
        happy_eyeballs_delay: float | None,
    ) -> None:
        self._local_address = local_address
        self._happy_eyeballs_delay = happy_eyeballs_delay

    async def connect(self, addresses: list[Any]) -> socket.socket:
        """A socket that is connected to one of the addresses (RFC 8305).

        Raises:
            OSError: to none of them.
        """
        if len(addresses) == 1 and self._local_address is None:
            family, kind, protocol, _, address = addresses[0]
            return await _connected(socket.socket(family, kind, protocol), address)

        import aiohappyeyeballs  # noqa: PLC0415  not where another engine serves

        local = None
        if self._local_address is not None:
            local = await addresses_of(*self._local_address)
        return await aiohappyeyeballs.start_connection(
            addresses,
            local_addr_infos=local,
            happy_eyeballs_delay=self._happy_eyeballs_delay,
        )

    async def connect_within_loop(
        self,
        addresses: list[Any],
        protocol: Callable[[], asyncio.BaseProtocol],
    ) -> asyncio.Transport | None:
        """A transport without a socket of ours, where that is cheaper; or None.

        uvloop connects within libuv for a third of what a socket costs that is
        connected first, 0.1 ms; but to one address only.
        """
        loop = asyncio.get_running_loop()
        if (
            not type(loop).__module__.startswith("uvloop")
            or len(addresses) != 1
            or self._local_address is not None
        ):
            return None
        host, port, *scope = addresses[0][4]
        if any(scope):
            return None
        transport, _ = await loop.create_connection(protocol, host, port)
        return transport


async def connect_unix(path: str) -> socket.socket:
    """A socket that is connected to this path."""
    return await _connected(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path)


async def addresses_of(host: str, port: int) -> list[Any]:
    """The host's addresses; asks nobody where the host is one."""
    literal = _literal(host)
    if literal is None:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        if not found:  # of a loop's or resolver's own; the system's raises
            raise OSError("No address was found")
        return found
    family, tail, has_scope = literal
    if has_scope:
        return socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    return [(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port, *tail))]


async def _connected(sock: socket.socket, address: Any) -> socket.socket:  # noqa: ANN401
    """The socket, connected to this address; or closed, by an error."""
    try:
        sock.setblocking(False)  # noqa: FBT003
        await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


@functools.lru_cache(maxsize=256)
def _literal(host: str) -> tuple[socket.AddressFamily, tuple[int, ...], bool] | None:
    """Of an address: its family, what stands behind its port, and if it has a scope."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.version == 4:  # noqa: PLR2004
        return socket.AF_INET, (), False
    return socket.AF_INET6, (0, 0), address.scope_id is not None
