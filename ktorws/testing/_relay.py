"""A faulty network in front of a server: a TCP relay that a test controls."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Literal

from yarl import URL

from ktorws.testing._wire import LINGER, reset

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

#: Octets carried at once, and how many such portions a delay holds in one direction.
PORTION = 64 * 1024
HELD = 16

Side = Literal["client", "server"]
SIDES: tuple[Side, ...] = ("client", "server")


class Relay:
    """Carries octets between clients and a server, and does harm; see `relay_to`.

    TLS passes through as it is. A fault holds for the connections there are and for
    those to come, until `restore`; ``towards`` names the side that suffers it.

    Attributes:
        port: where it listens.
        accepted: how many connections were made to it.
    """

    port: int

    def __init__(self, target: URL) -> None:
        self.accepted = 0
        self._target = target
        self._links: set[_Link] = set()
        self._listener: asyncio.Server | None = None
        self._restored = asyncio.Event()
        self.restore()

    def url(self, path: str = "/") -> str:
        """The address of a path of the server, by way of the relay."""
        return f"{self._target.scheme}://127.0.0.1:{self.port}{path}"

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._links)

    # Faults.

    def drop(self, *, towards: Side | None = None) -> None:
        """Swallow everything, ends as well: a network that is gone without a word."""
        self._restored.clear()
        for side in _sides(towards):
            self._dropping[side] = True

    def delay(self, seconds: float, *, towards: Side | None = None) -> None:
        """Carry what comes from now on so many seconds later, in order."""
        if not seconds >= 0:
            raise ValueError(f"seconds must be at least 0, not {seconds!r}")
        for side in _sides(towards):
            self._delays[side] = seconds

    def truncate(self, *, after: int, towards: Side = "client") -> None:
        """Carry so many more octets of each connection, then end it for both sides."""
        if after < 0:
            raise ValueError(f"after must be at least 0, not {after!r}")
        self._limits[towards] = after
        for link in tuple(self._links):
            link.left[towards] = after
            if not after:
                link.end()

    def reset(self) -> None:
        """Reset the connections that there are now (RST), for both sides."""
        for link in tuple(self._links):
            link.reset()

    def refuse(self) -> None:
        """Reset new connections as soon as they are made: a server that is down."""
        self._refusing = True

    def restore(self) -> None:
        """Do no more harm. What was swallowed stays lost.

        A connection that was made, or that one side has ended, while everything was
        swallowed is reset.
        """
        self._dropping: dict[Side, bool] = dict.fromkeys(SIDES, False)
        self._delays: dict[Side, float] = dict.fromkeys(SIDES, 0.0)
        self._limits: dict[Side, int | None] = dict.fromkeys(SIDES)
        self._refusing = False
        for link in self._links:
            link.left.update(self._limits)
        self._restored.set()

    # How it works.

    async def start(self) -> None:
        """Listen."""
        self._listener = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End everything."""
        if self._listener is not None:
            self._listener.close()
        links = tuple(self._links)
        for link in links:
            link.reset()
        await asyncio.gather(*(link.task for link in links), return_exceptions=True)

    def _accepted(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.accepted += 1
        if self._refusing:
            reset(writer.transport)
            return
        link = _Link(self, reader, writer)
        link.left.update(self._limits)
        self._links.add(link)
        link.task.add_done_callback(lambda _: self._links.discard(link))


class _Link:
    """One client's connection, and the one to the server that belongs to it."""

    def __init__(
        self, relay: Relay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.left: dict[Side, int | None] = dict.fromkeys(SIDES)
        self._relay = relay
        self._readers: dict[Side, asyncio.StreamReader] = {"client": reader}
        self._writers: dict[Side, asyncio.StreamWriter] = {"client": writer}
        self._ending = False
        self.task = asyncio.create_task(self._run())

    def reset(self) -> None:
        for writer in self._writers.values():
            reset(writer.transport)
        self.task.cancel()

    def end(self) -> None:
        """As after a truncation."""
        if not self._ending:
            self._ending = True
            self.task.cancel()

    async def _run(self) -> None:
        try:
            await self._connect()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._carry("client", "server"))
                group.create_task(self._carry("server", "client"))
        except* OSError:
            self._reset_both()
        except* asyncio.CancelledError:
            if self._ending:
                await self._leave()
        finally:
            for writer in self._writers.values():
                writer.close()

    def _reset_both(self) -> None:
        for writer in self._writers.values():
            reset(writer.transport)

    async def _connect(self) -> None:
        if self._relay._dropping["server"]:  # noqa: SLF001  one room
            await self._relay._restored.wait()  # noqa: SLF001
            raise ConnectionResetError
        target = self._relay._target  # noqa: SLF001
        reader, writer = await asyncio.open_connection(target.host, target.port)
        self._readers["server"], self._writers["server"] = reader, writer

    async def _carry(self, source: Side, to: Side) -> None:
        """Take octets from one side to the other, in order, when they are due."""
        held: asyncio.Queue[tuple[float, bytes | OSError]] = asyncio.Queue(HELD)
        taking = asyncio.create_task(self._take(source, to, held))
        try:
            while True:
                due, octets = await held.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                if not await self._give(to, octets):
                    return
        finally:
            taking.cancel()

    async def _take(
        self,
        source: Side,
        to: Side,
        held: asyncio.Queue[tuple[float, bytes | OSError]],
    ) -> None:
        loop = asyncio.get_running_loop()
        octets: bytes | OSError = b"begin"
        while octets and isinstance(octets, bytes):
            try:
                octets = await self._readers[source].read(PORTION)
            except OSError as error:
                octets = error
            due = loop.time() + self._relay._delays[to]  # noqa: SLF001
            await held.put((due, octets))

    async def _give(self, to: Side, octets: bytes | OSError) -> bool:
        """Hand on octets, or an end; False after an end."""
        writer = self._writers[to]
        if self._relay._dropping[to]:  # noqa: SLF001
            if octets and isinstance(octets, bytes):
                return True
            await self._relay._restored.wait()  # noqa: SLF001
            raise ConnectionResetError
        if isinstance(octets, OSError):
            raise octets
        left = self.left[to]
        if left is not None:
            octets = octets[:left]
            self.left[to] = left - len(octets)
        if octets:
            writer.write(octets)
            await writer.drain()
        else:
            writer.write_eof()
        if left is not None and not self.left[to]:
            self.end()
        return bool(octets)

    async def _leave(self) -> None:
        """End both sides gently: octets that nobody reads would reset them."""
        for writer in self._writers.values():
            with contextlib.suppress(OSError):
                writer.write_eof()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LINGER):
                await asyncio.gather(*map(_drain, self._readers.values()))


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(PORTION):
        pass


def _sides(towards: Side | None) -> tuple[Side, ...]:
    if towards is None:
        return SIDES
    if towards not in SIDES:
        raise ValueError(f"towards must be 'client' or 'server', not {towards!r}")
    return (towards,)


@contextlib.asynccontextmanager
async def relay_to(url: str) -> AsyncIterator[Relay]:
    """A relay in front of the server at this URL, which may be anybody's.

    It carries octets faithfully until it is told otherwise::

        async with echo_server() as server, relay_to(server.url()) as relay:
            async with client.ws(relay.url()) as session:
                relay.reset()
                ...

    Leaving the block resets the connections that are left.

    Args:
        url: ``ws`` or ``wss``; its host and port are where the relay leads to.
    """
    relay = Relay(URL(url))
    await relay.start()
    try:
        yield relay
    finally:
        await relay.close()
