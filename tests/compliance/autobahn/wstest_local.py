"""wstest with three changes that leave its verdicts alone. Python 2.7.
1. Every listener binds 127.0.0.1 (upstream binds 0.0.0.0).
2. The UTF-8 validator of incoming messages gets a fast path: wsaccel's does 4.6 MB/s and takes 79% of the
   server's time in groups 12 and 13. What the fast path can't prove valid goes to the original one.
   WST_SLOW=1 keeps the original.
3. It compresses at level 1: at zlib's default of 6 that takes 58% of its time in groups 12 and 13. WST_SLOW=1
   keeps the default.
"""

import os, re, sys, warnings, zlib

warnings.simplefilter("ignore")
from autobahntestsuite import choosereactor  # upstream: must be first
from twisted.internet import reactor

_tcp, _ssl = reactor.listenTCP, reactor.listenSSL
reactor.listenTCP = lambda port, f, backlog=50, interface="127.0.0.1": _tcp(
    port, f, backlog, interface or "127.0.0.1"
)
reactor.listenSSL = lambda port, f, ctx, backlog=50, interface="127.0.0.1": _ssl(
    port, f, ctx, backlog, interface or "127.0.0.1"
)

from autobahn.websocket import protocol

Slow = protocol.Utf8Validator
SURROGATE = re.compile(b"\xed[\xa0-\xbf]")


class FastUtf8Validator(object):
    def __init__(self):
        self.slow = Slow()
        self.reset()

    def reset(self):
        self.slow.reset()
        self.clean = True
        self.total = 0

    def validate(self, ba):
        n, off = len(ba), 0
        while (
            not self.clean and off < n
        ):  # finish a code point begun in an earlier chunk
            r = self.slow.validate(ba[off : off + 1])
            if not r[0]:
                self.total += off
                return False, False, off, self.total
            off += 1
            self.clean = r[1]
        if off < n:
            end, k = n, 1
            while (
                k <= 3 and k <= n - off
            ):  # leave an unfinished last code point to the slow one
                c = ord(ba[n - k])
                if c < 0x80:
                    break
                if c >= 0xC0:
                    if (2 if c < 0xE0 else 3 if c < 0xF0 else 4) > k:
                        end = n - k
                    break
                k += 1
            body = ba[off:end]
            try:
                body.decode("utf-8")
                tail = (
                    off if SURROGATE.search(body) else end
                )  # Python 2 lets surrogates pass
            except UnicodeDecodeError:
                tail = off
            if tail < n:
                r = self.slow.validate(ba[tail:])
                if not r[0]:
                    self.total += tail + r[2]
                    return False, False, tail + r[2], self.total
                self.clean = r[1]
            else:
                self.clean = True
        self.total += n
        return True, self.clean, n, self.total


if __name__ == "__main__":
    if not os.environ.get("WST_SLOW"):
        protocol.Utf8Validator = FastUtf8Validator
        zlib.Z_DEFAULT_COMPRESSION = 1  # read at each use
    from autobahntestsuite.wstest import run

    run()
