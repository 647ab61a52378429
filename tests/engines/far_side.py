"""The server that the promises talk to: a URL's path says how it behaves.

`/echo?visit=7` is one connection of the promise that calls it 7; on `/now?visit=7` one
asks what was seen there. It is one script: a `scripted_server`'s or a `MockEngine`'s.
"""

import asyncio
import dataclasses
import json
import struct
import urllib.parse

from ktorws import ConnectionLostError, Frame
from ktorws.handshake import server_accept
from tests.octets import BINARY, CLOSE, CONTINUATION, PING, TEXT, frame

BLOCK = bytes(64 * 1024)
LAST_WORDS = frame(TEXT, b"last words")
SHOWN = 16  # octets of a frame that are kept
WRONG_KEY = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: bm90IHRoZSByaWdodCBvbmU=\r\n\r\n"
)


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

    def saw(self, frame):
        kind = frame.frame_type.name.lower()
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if kind == "close":
            reason = frame.read_reason()
            self.close = [reason.code, reason.message] if reason else []
        else:
            self.frames.append((kind, len(frame), frame.data[:SHOWN].hex()))


class FarSide:
    """Plays the server of every connection, by ``await far_side.play(peer)``."""

    def __init__(self):
        self._visits = {}
        self._ended = {}
        self._told = {}

    async def play(self, peer):
        target, headers = asked(peer.request)
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
        except ConnectionLostError:
            pass
        finally:
            self._event(self._ended, key).set()

    async def _tell(self, peer, name, key):
        if name == "go-on":
            self._event(self._told, key).set()
        elif name == "ended":
            await self._event(self._ended, key).wait()
        peer.send(json.dumps(dataclasses.asdict(self._visits.get(key, Visit()))))

    @staticmethod
    def _event(events, key):
        return events.setdefault(key, asyncio.Event())


def asked(request):
    """Target and headers of a request, whatever kind of peer it came to."""
    headers = [(name.lower(), value) for name, value in request.headers.items()]
    if offered := getattr(request, "subprotocols", ()):  # no header in a mock's
        headers.append(("sec-websocket-protocol", ", ".join(offered)))
    return request.target, headers


class _Guest:
    """One connection; its methods without underscore are behaviours by name."""

    def __init__(self, peer, visit, options, told):
        self._peer = peer
        self._visit = visit
        self._options = options
        self._told = told

    def accept(self, then=b""):
        chosen = self._options.get("choose")
        self._peer.accept(subprotocol=chosen, headers={"X-Far": "side"})
        self._peer.send_octets(then)
        self._visit.open = True

    async def until_the_end(self, *, echo=False, pong=True):
        """Be a plain server until the client has ended its side."""
        while True:
            frame = await self._peer.receive()
            self._visit.saw(frame)
            match frame:
                case Frame.Close():
                    self._peer.send(Frame.Close(frame.data))
                    await self._finish()
                    return
                case Frame.Ping() if pong:
                    self._peer.send(Frame.Pong(frame.data))
                case Frame.Text() | Frame.Binary() if echo:
                    self._peer.send(frame)

    async def _until_it_closes(self):
        """Let the client do its part of a closing handshake that we began."""
        while self._visit.close is None:
            self._visit.saw(await self._peer.receive())
        await self._finish()

    async def _finish(self):
        """End our side, then wait for the client's end."""
        self._peer.lose()
        await self._peer.wait_closed()

    # Handshakes.

    async def silent(self):
        await asyncio.Event().wait()  # it is cancelled when the client gives up

    async def hang_up(self):
        await self._finish()

    async def no_http(self):
        self._peer.answer(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")
        await self._finish()

    async def wrong_key(self):
        self._peer.answer(WRONG_KEY)
        await self._peer.receive()  # nothing but the client's end

    async def refuse(self, status):
        body = b"." * int(self._options.get("size", 0)) or b"shoo"
        self._peer.refuse(int(status), headers={"X-Why": "no"}, body=body)
        await self._peer.wait_closed()

    # Frames.

    async def echo(self, *_):
        self.accept()
        await self.until_the_end(echo=True)

    async def together(self, number, close=None):
        frames = b"".join(frame(TEXT, b"%d" % each) for each in range(int(number)))
        if close:
            code = struct.pack("!H", 4001)
            self.accept(frames + frame(CLOSE, code + b"that was all"))
            await self._until_it_closes()
        else:
            self.accept(frames)
            await self.until_the_end()

    async def drip(self):
        accept = server_accept(self._peer.request.headers["Sec-WebSocket-Key"])
        lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket"]
        lines += ["Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}", "", ""]
        first, *octets = "\r\n".join(lines).encode() + frame(TEXT, b"Hello")
        self._peer.answer(bytes([first]))
        for octet in octets:
            self._peer.send_octets(bytes([octet]))
            await self._peer.flush()
            await asyncio.sleep(0)
        await self.until_the_end()

    async def fragments(self):
        text = "Grüße".encode()
        self.accept(
            frame(TEXT, text[:3], fin=False)  # within a character
            + frame(PING, b"")
            + frame(CONTINUATION, b"", fin=False)
            + frame(CONTINUATION, text[3:])
            + frame(BINARY, b"\x00\x01", fin=False)
            + frame(CONTINUATION, b"\x02")
        )
        await self.until_the_end()

    async def ping(self):
        self.accept(frame(PING, b"there?") + frame(TEXT, b"pinged"))
        await self.until_the_end()

    async def no_pong(self):
        self.accept()
        await self.until_the_end(pong=False)

    async def flood(self, number):
        self.accept()
        reading = asyncio.ensure_future(self.until_the_end())
        try:
            while self._visit.sent < int(number) and self._visit.close is None:
                head = self._visit.sent.to_bytes(4, "big")
                self._peer.send(head + BLOCK)
                await self._peer.flush()
                self._visit.sent += 1
            if self._visit.close is None:
                self._peer.send(Frame.Close(b"\x03\xe8"))
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def deaf(self):
        self.accept()
        self._peer.stall()
        await self._told.wait()
        self._peer.resume()
        await self.until_the_end()

    # Ends.

    async def close(self, code=None, text=""):
        reason = urllib.parse.unquote(text).encode()
        payload = b"" if code is None else struct.pack("!H", int(code)) + reason
        self.accept(frame(CLOSE, payload))
        await self._until_it_closes()

    async def no_close(self):
        self.accept()
        while True:
            self._visit.saw(await self._peer.receive())

    async def lose(self):
        self.accept(LAST_WORDS)
        await self._finish()

    async def torn(self):
        self.accept(LAST_WORDS + frame(BINARY, BLOCK)[:1000])
        await self._finish()

    async def reset(self):
        self.accept(LAST_WORDS)
        await self._told.wait()
        self._peer.lose(ConnectionResetError("reset"))

    async def violate(self):
        self.accept(LAST_WORDS + b"\x83\x00")  # a reserved opcode
        await self.until_the_end()
