"""The octets of an HTTP upgrade, up to the moment when frames take over.

The one who waits for the head is called from within the read that completes it, so
that he can hand the transport on before another octet, or the end, arrives.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from ktorws.engines._shared import head_memory, shared_by
from ktorws.engines._transports import give_up, send_no_more

if TYPE_CHECKING:
    from collections.abc import Callable

    from ktorws.http_head import HttpHeadParser

#: After a refusal, how many seconds and bytes are waited for the peer's end.
LINGER = 1.0
LINGER_SIZE = 4 * 1024 * 1024


def _ignore(_: object = None) -> None:
    """Be called, and do nothing."""


class HeadReader(asyncio.BufferedProtocol):
    """Feeds a parser; says when there is something new, or nothing more to come.

    Args:
        parser: takes the octets.
        progress: called after octets for which the parser's ``feed`` gave True; may
            raise like the parser.
        failed: called with what either raised, or with None when the connection
            ended; after `refuse` once, when it has; not after `progress` gave the
            transport away.
    """

    def __init__(
        self,
        parser: HttpHeadParser,
        progress: Callable[[], None],
        failed: Callable[[Exception | None], None],
    ) -> None:
        self.transport: asyncio.Transport | None = None
        #: How many reads brought something.
        self.reads = 0
        #: Whether to turn away a connection that is still to be made, as after TLS.
        self.unwanted = False
        self._parser = parser
        self._progress = progress
        self._failed = failed
        self._memory: memoryview | None = None
        self._deadline: asyncio.TimerHandle | None = None  # once it was refused
        self._dropped = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, if anybody wants it."""
        self.transport = cast("asyncio.Transport", transport)
        if self.unwanted:
            self.transport.abort()

    def release(self) -> None:
        """Keep nothing of a connection that was given away."""
        self.transport = None
        self._progress = self._failed = _ignore

    def refuse(self, octets: bytes) -> None:
        """Send these last octets; close when the peer does, `LINGER` later at most.

        Closing with unread octets would reset the connection, and the peer might never
        see the refusal: what still arrives is read and dropped.
        """
        transport = cast("asyncio.Transport", self.transport)
        transport.write(octets)
        if transport.can_write_eof():
            send_no_more(transport)
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(LINGER, give_up, transport)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read into."""
        if self._memory is None:
            shared = shared_by(asyncio.get_running_loop())
            self._memory = shared.head or head_memory()
        return self._memory

    def buffer_updated(self, nbytes: int) -> None:
        """Feed the parser, which keeps a copy of what it needs."""
        self.reads += 1
        if self._deadline is not None:
            self._drop(nbytes)
            return
        try:
            if self._parser.feed(cast("memoryview", self._memory)[:nbytes]):
                self._progress()
        except Exception as error:
            self._failed(error)

    def eof_received(self) -> bool:
        """The peer sends no more."""
        if self._deadline is None:
            self._failed(None)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._failed(error)

    def _drop(self, nbytes: int) -> None:
        self._dropped += nbytes
        if self._dropped > LINGER_SIZE and self.transport is not None:
            # Later, for asyncio's TLS reads on while it closes, and would call again.
            transport, self.transport = self.transport, None
            asyncio.get_running_loop().call_soon(give_up, transport)
