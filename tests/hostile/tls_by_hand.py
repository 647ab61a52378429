"""TLS as the attacker speaks it: each record is in his hands before it is sent."""

import contextlib
import ssl


class TlsByHand:
    """TLS over a peer's plain connection."""

    def __init__(self, peer, context, *, server_side):
        self._peer = peer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        name = None if server_side else "localhost"
        self._tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_side,
            server_hostname=name,
        )

    async def handshake(self):
        await self._do(self._tls.do_handshake)

    async def hello(self):
        """The first records of this side's handshake, which nobody has sent yet."""
        while not self._outgoing.pending:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                if not self._outgoing.pending:
                    await self._take()
        return self._outgoing.read()

    async def head(self):
        """A message's head."""
        octets = b""
        while not octets.endswith(b"\r\n\r\n"):
            octets += await self._do(self._tls.read, 65536)
        return octets

    def sealed(self, octets):
        """The records that carry these octets."""
        self._tls.write(octets)
        return self._outgoing.read()

    def goodbye(self):
        """The record that ends this side in good order (close_notify)."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self._tls.unwrap()
        return self._outgoing.read()

    async def _do(self, call, *arguments):
        while True:
            try:
                result = call(*arguments)
            except ssl.SSLWantReadError:
                await self._give()
                await self._take()
            else:
                await self._give()
                return result

    async def _give(self):
        if octets := self._outgoing.read():
            await self._peer.send(octets)

    async def _take(self):
        octets = await self._peer._reader.read(65536)
        if not octets:
            raise EOFError
        self._incoming.write(octets)
