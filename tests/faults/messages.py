"""Numbered messages with checksums: what is lost, torn, doubled or mixed up shows."""

import random
import zlib

_OCTETS = random.Random(7).randbytes(300_000)
_ALPHABET = "".join(map(chr, (*range(32, 127), 252, 8364)))
_LETTERS = "".join(random.Random(8).choices(_ALPHABET, k=150_000))


def message(key, number, size=0):
    """The message of this number in the stream named key: text and binary in turn."""
    if number % 2:
        body = _OCTETS[number % 97 : number % 97 + size]
        return b"%s%08x:%s" % (_head(key, number), zlib.crc32(body), body)
    body = _LETTERS[number % 97 : number % 97 + size]
    head = _head(key, number).decode()
    return f"{head}{zlib.crc32(body.encode()):08x}:{body}"


def _head(key, number):
    return f"{key}:{number}:".encode()


class Ledger:
    """Takes one stream's messages; remembers the first that is not as it must be."""

    def __init__(self, key):
        self._key = key
        self.count = 0
        self.problem = None

    def take(self, got):
        """A str or bytes, as it was received."""
        octets = got.encode() if isinstance(got, str) else got
        head = _head(self._key, self.count)
        start = len(head)
        sound = (
            isinstance(got, bytes if self.count % 2 else str)
            and octets.startswith(head)
            and octets[start + 8 : start + 9] == b":"
            and octets[start : start + 8] == b"%08x" % zlib.crc32(octets[start + 9 :])
        )
        if not sound and self.problem is None:
            shown = repr(got[:60])
            self.problem = f"{self._key}: not message {self.count}: {shown}"
        self.count += 1

    def take_frame(self, frame):
        """A whole message as a ktorws session delivers it."""
        self.take(frame.read_text() if frame.frame_type == 1 else frame.read_bytes())
