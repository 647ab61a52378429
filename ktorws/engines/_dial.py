"""How a socket comes to be connected: names, addresses, TCP and Unix sockets."""

from __future__ import annotations

import asyncio
import errno
import functools
import ipaddress
import os
import socket
import sys
from typing import Any

#: What a socket says that is not connected yet.
_EARLY = {errno.EINPROGRESS, errno.EALREADY, errno.EINTR}


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
        if not _connected_at_once(sock, address):
            await asyncio.get_running_loop().sock_connect(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _connected_at_once(sock: socket.socket, address: Any) -> bool:  # noqa: ANN401
    """Whether the socket is connected to this address, begun with or not.

    Within one machine it is by the time that it is asked again, which costs less than
    to let the loop watch it.
    """
    if sys.platform != "linux":  # others do not say so, or want to begin themselves
        return False
    error = sock.connect_ex(address)
    if error == errno.EINPROGRESS:
        error = sock.connect_ex(address)
    if error in _EARLY:
        return False
    if error:
        raise OSError(error, f"Cannot connect to {address}: {os.strerror(error)}")
    return True


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
