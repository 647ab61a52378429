"""The typed face of the compiled `_tls`, which has no plain twin."""

import asyncio
import ssl
from typing import final

from ktorws._transport import SocketTransport

AVAILABLE: bool

def prepare(sock: ssl.SSLSocket) -> None: ...

@final
class TlsTransport(SocketTransport):
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: ssl.SSLSocket,
        protocol: asyncio.BaseProtocol,
        shutdown_timeout: float,
    ) -> None: ...
    def _read_held(self) -> None: ...
