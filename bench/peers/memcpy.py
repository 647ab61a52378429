"""memcpy, by way of `bytes(...)`: what masking is held against."""

from bench.peers.base import Peer


class Memcpy(Peer):
    """Copies what others mask, into a new object likewise."""

    async def mask(self, meter, *, count, size):
        data = memoryview(bytes(size))
        with meter:
            for _ in range(count):
                bytes(data)
