"""What every client has to be able to do; each does it in its own best idiom.

A loop that is measured is written out in each class, with no adapter between: a call
in between would cost as much as some clients need for a message.
"""

import ssl

#: No client may refuse the largest message that is sent here.
LIMIT = 128 * 1024 * 1024


class Peer:
    """One client library.

    Args:
        trust: path of the certificate to trust; None for plain connections.
    """

    def __init__(self, trust=None):
        self.trust = trust
        self.ssl = ssl.create_default_context(cafile=trust) if trust else None

    async def open(self, url, *, ping=None):
        """A session; `ping`: seconds from one of the client's pings to the next."""
        raise NotImplementedError

    async def close(self, session):
        """End a session in good order."""
        raise NotImplementedError

    async def receive(self, url, meter, *, count, binary=False):
        """Say one word, then take `count` messages as `str` or bytes, metered."""
        raise NotImplementedError

    async def send(self, url, meter, *, count, message):
        """Send so many, and take the one that says that all are there, metered."""
        raise NotImplementedError

    async def echo(self, url, meter, *, count, message):
        """Send one, take one, so many times, metered."""
        raise NotImplementedError

    async def burst(self, url, meter, *, count, size):
        """Say one word and take `size` texts, so many times, metered."""
        raise NotImplementedError

    async def ticks(self, url, *, count, note, order):
        """Take `count` texts, `note` each, and send `order` at every tenth."""
        raise NotImplementedError

    async def keep(self, url, *, count):
        """Take `count` binary messages and give the last, which the caller keeps."""
        raise NotImplementedError

    async def stop(self):
        """Leave nothing behind."""
