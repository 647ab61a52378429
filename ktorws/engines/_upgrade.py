"""The octets of an HTTP upgrade, up to the moment when frames take over.

The one who waits for the head is called from within the read that completes it, so
that he can hand the transport on before another octet, or the end, arrives.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from ktorws.http_head import HttpHeadParser

_READ_SIZE = 16 * 1024


def _ignore(_: object = None) -> None:
    """Be called, and do nothing."""


class HeadReader(asyncio.BufferedProtocol):
    """Feeds a parser; says when there is something new, or nothing more to come.

    Args:
        parser: takes the octets.
        progress: called after octets for which the parser's ``feed`` gave True; may
            raise like the parser.
        failed: called with what either raised, or with None when the connection
            ended; not after `progress` gave the transport away.
    """

    def __init__(
        self,
        parser: HttpHeadParser,
        progress: Callable[[], None],
        failed: Callable[[Exception | None], None],
    ) -> None:
        self.transport: asyncio.Transport | None = None
        #: Whether to turn away a connection that is still to be made, as after TLS.
        self.unwanted = False
        self._parser = parser
        self._progress = progress
        self._failed = failed
        self._memory = bytearray(_READ_SIZE)
        self._view = memoryview(self._memory)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport, if anybody wants it."""
        self.transport = cast("asyncio.Transport", transport)
        if self.unwanted:
            self.transport.abort()

    def release(self) -> None:
        """Keep nothing of a connection that was given away."""
        self.transport = None
        self._progress = self._failed = _ignore

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to read into."""
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        """Feed the parser."""
        try:
            if self._parser.feed(self._view[:nbytes]):
                self._progress()
        except Exception as error:
            self._failed(error)

    def eof_received(self) -> bool:
        """The peer sends no more."""
        self._failed(None)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._failed(error)
