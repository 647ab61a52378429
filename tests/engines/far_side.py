"""The server that the promises talk to: a URL's path says how it behaves.

`/echo?visit=7` is one connection of the promise that calls it 7; on `/now?visit=7` one
asks what was seen there. It stands on peers with few methods, so that the same server
can be real or a `MockEngine`'s script.
"""

import asyncio
import contextlib
import dataclasses
import json
import struct
import urllib.parse

import tests.scripted
from tests.octets import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, frame

KINDS = {TEXT: "text", BINARY: "binary", CLOSE: "close", PING: "ping", PONG: "pong"}
BLOCK = bytes(64 * 1024)
LAST_WORDS = frame(TEXT, b"last words")
SHOWN = 16  # octets of a frame that are kept

#: What the end of a connection looks like from here.
Gone = (OSError, EOFError)


@dataclasses.dataclass
class Visit:
    """What was seen of one connection; also what the promises get, as JSON."""

    target: str = ""
    headers: list = dataclasses.field(default_factory=list)
    open: bool = False  # a session came of it
    frames: list = dataclasses.field(default_factory=list)  # kind, size, first octets
    kinds: dict = dataclasses.field(default_factory=dict)  # how many of each kind
    close: list | None = None  # code and text of the client's Close frame
    sent: int = 0

    def saw(self, first, payload):
        kind = KINDS[first & 0x0F]
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind == "close":
            reason = payload and [*struct.unpack("!H", payload[:2])]
            self.close = [*reason, payload[2:].decode()] if reason else []
        else:
            self.frames.append((kind, len(payload), payload[:SHOWN].hex()))


class FarSide:
    """Plays the server of every connection, by ``await far_side.play(peer)``."""

    def __init__(self):
        self._visits = {}
        self._ended = {}
        self._told = {}

    async def play(self, peer):
        target, headers = await peer.request()
        path, _, query = target.partition("?")
        name, *arguments = path.strip("/").split("/")
        options = dict(urllib.parse.parse_qsl(query))
        key = options.get("visit", "")
        if name in {"now", "ended", "go-on"}:
            await self._tell(peer, name, key)
            return
        visit = self._visits[key] = Visit(target, headers)
        guest = _Guest(peer, visit, options, self._event(self._told, key))
        try:
            await getattr(guest, name.replace("-", "_"))(*arguments)
        except TimeoutError:  # the client has not ended its side
            raise
        except Gone:
            pass
        finally:
            self._event(self._ended, key).set()

    async def _tell(self, peer, name, key):
        if name == "go-on":
            self._event(self._told, key).set()
        elif name == "ended":
            await self._event(self._ended, key).wait()
        seen = dataclasses.asdict(self._visits.get(key, Visit()))
        asking = _Guest(peer, Visit(), {}, None)
        with contextlib.suppress(*Gone):
            await asking.accept(frame(TEXT, json.dumps(seen).encode()))
            await asking.until_the_end()

    @staticmethod
    def _event(events, key):
        return events.setdefault(key, asyncio.Event())


class _Guest:
    """One connection; its methods without underscore are behaviours by name."""

    def __init__(self, peer, visit, options, told):
        self._peer = peer
        self._visit = visit
        self._options = options
        self._told = told

    async def accept(self, then=b""):
        headers = {"X-Far": "side"}
        if chosen := self._options.get("choose"):
            headers["Sec-WebSocket-Protocol"] = chosen
        await self._peer.accept(headers, then)
        self._visit.open = True

    async def until_the_end(self, *, echo=False, pong=True):
        """Be a plain server until the client has ended its side."""
        while True:
            first, payload = await self._peer.frame()
            self._visit.saw(first, payload)
            opcode = first & 0x0F
            if opcode == CLOSE:
                await self._peer.send(frame(CLOSE, payload))
                await self._peer.finish()
                return
            if opcode == PING and pong:
                await self._peer.send(frame(PONG, payload))
            elif echo and opcode in {TEXT, BINARY}:
                await self._peer.send(frame(opcode, payload))

    async def _until_it_closes(self):
        """Let the client do its part of a closing handshake that we began."""
        while self._visit.close is None:
            self._visit.saw(*await self._peer.frame())
        await self._peer.finish()

    # Handshakes.

    async def silent(self):
        await self._peer.gone()

    async def hang_up(self):
        await self._peer.finish()

    async def no_http(self):
        await self._peer.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        await self._peer.finish()

    async def wrong_key(self):
        await self._peer.accept({"Sec-WebSocket-Accept": "bm90IHRoZSByaWdodCBvbmU="})
        await self._peer.gone()

    async def refuse(self, status):
        body = b"." * int(self._options.get("size", 0)) or b"shoo"
        await self._peer.refuse(int(status), {"X-Why": "no"}, body)
        await self._peer.gone()

    # Frames.

    async def echo(self, *_):
        await self.accept()
        await self.until_the_end(echo=True)

    async def together(self, number, close=None):
        frames = b"".join(frame(TEXT, b"%d" % each) for each in range(int(number)))
        if close:
            code = struct.pack("!H", 4001)
            await self.accept(frames + frame(CLOSE, code + b"that was all"))
            await self._until_it_closes()
        else:
            await self.accept(frames)
            await self.until_the_end()

    async def drip(self):
        await self._peer.accept({"X-Far": "side"}, frame(TEXT, b"Hello"), drip=True)
        await self.until_the_end()

    async def fragments(self):
        text = "Grüße".encode()
        await self.accept(
            frame(TEXT, text[:3], fin=False)  # within a character
            + frame(PING, b"")
            + frame(CONTINUATION, b"", fin=False)
            + frame(CONTINUATION, text[3:])
            + frame(BINARY, b"\x00\x01", fin=False)
            + frame(CONTINUATION, b"\x02")
        )
        await self.until_the_end()

    async def ping(self):
        await self.accept(frame(PING, b"there?") + frame(TEXT, b"pinged"))
        await self.until_the_end()

    async def no_pong(self):
        await self.accept()
        await self.until_the_end(pong=False)

    async def flood(self, number):
        await self.accept()
        reading = asyncio.ensure_future(self.until_the_end())
        try:
            while self._visit.sent < int(number) and self._visit.close is None:
                head = self._visit.sent.to_bytes(4, "big")
                await self._peer.send(frame(BINARY, head + BLOCK))
                self._visit.sent += 1
            if self._visit.close is None:
                await self._peer.send(frame(CLOSE, b"\x03\xe8"))
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def deaf(self):
        await self.accept()
        self._peer.stop_reading()
        await self._told.wait()
        self._peer.go_on_reading()
        await self.until_the_end()

    # Ends.

    async def close(self, code=None, text=""):
        reason = urllib.parse.unquote(text).encode()
        payload = b"" if code is None else struct.pack("!H", int(code)) + reason
        await self.accept(frame(CLOSE, payload))
        await self._until_it_closes()

    async def no_close(self):
        await self.accept()
        while True:
            self._visit.saw(*await self._peer.frame())

    async def lose(self):
        await self.accept(LAST_WORDS)
        await self._peer.finish()

    async def torn(self):
        await self.accept(LAST_WORDS + frame(BINARY, BLOCK)[:1000])
        await self._peer.finish()

    async def reset(self):
        await self.accept(LAST_WORDS)
        await self._told.wait()
        self._peer.reset()

    async def violate(self):
        await self.accept(LAST_WORDS + b"\x83\x00")  # a reserved opcode
        await self.until_the_end()


class SocketPeer:
    """What `FarSide` plays with, over a peer of `tests.scripted`."""

    def __init__(self, peer):
        self._peer = peer
        self._head = b""
        for name in ("send", "frame", "stop_reading", "go_on_reading", "reset"):
            setattr(self, name, getattr(peer, name))

    async def request(self):
        self._head = await self._peer.head()
        first, *lines = self._head.decode("latin-1").strip().split("\r\n")
        fields = (line.partition(":") for line in lines)
        return first.split(" ")[1], [(n.lower(), v.strip()) for n, _, v in fields]

    async def accept(self, headers, then=b"", *, drip=False):
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        answer = tests.scripted.switching_protocols(self._head, lines.encode()) + then
        if "Sec-WebSocket-Accept" in headers:  # ours instead of the right one
            right = tests.scripted.accept_key(self._head)
            answer = answer.replace(b"Sec-WebSocket-Accept: " + right + b"\r\n", b"")
        for part in (
            [answer[i : i + 1] for i in range(len(answer))] if drip else [answer]
        ):
            await self.send(part)
            await asyncio.sleep(0)

    async def refuse(self, status, headers, body):
        lines = [f"HTTP/1.1 {status} No", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        await self.send("\r\n".join([*lines, "", ""]).encode() + body)

    async def gone(self):
        """Wait until the client has ended its side."""
        await self._peer.rest()

    async def finish(self):
        """End our side, then wait for the client's end."""
        if self._peer.can_half_close:
            self._peer.half_close()
            await self._peer.rest()
        await self._peer.close()


@contextlib.asynccontextmanager
async def serving(*, ssl=None):
    """The far side over real sockets; gives its address."""
    far_side = FarSide()

    async def script(peer):
        with contextlib.suppress(*Gone):  # a client that leaves before its request
            await far_side.play(SocketPeer(peer))

    async with tests.scripted.scripted(script, ssl=ssl) as server:
        yield server.url("", scheme="ws" if ssl is None else "wss")
