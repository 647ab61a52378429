"""What a hostile scenario is, and what its peer notes down while it attacks.

The peer runs in the test's process, the implementation under attack in another
(`subject.py`), whose memory can be measured.
"""

import asyncio
import contextlib
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.octets import CLOSE

MEGABYTE = 1024 * 1024
#: The limit of the sessions under attack, where a scenario does not set another: far
#: below the default, so that memory that is not bounded shows.
LIMIT = MEGABYTE
SLACK = 8 * MEGABYTE
GOOD = "ClosedReceiveChannelError"
LOST = "ConnectionLostError"
VIOLATION = "ProtocolViolationError"
ANY = "any"


@dataclass
class Seen:
    """What the peer saw of the side under attack."""

    codes: list[Any] = field(default_factory=list)  # of Close frames; None: no code
    frames: int = 0
    after_close: int = 0  # octets behind a Close frame
    end: str = "open"
    status: int | None = None  # of an HTTP answer, on the accepting side
    request: bytes = b""
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One attack, and what must come of it.

    Attributes:
        name: a few words.
        script: ``async def script(peer, seen)``; for the accepting side's scenarios
            the peer is connected and has sent nothing yet.
        act: what the side under attack does: ``read``, ``ignore`` (never receives),
            ``close``, ``send`` (never stops), ``half`` (stays until it ended).
        error: the name of the error type that ends it.
        code: of the Close frame on the wire; None for none; ANY for do not care.
        reason: the code of ``close_reason``; ANY for do not care.
        status: of the HTTP answer of the accepting side; ANY where the answer may be
            lost, since the client still sends when the connection is closed.
        messages: how many messages must be received, or None for any number.
        within: seconds until the error is raised.
        least: seconds that must pass before that.
        slack: bytes of memory beyond ``max_frame_size``.
        options: of `WebSockets`; ``deflate`` gives those of that extension.
        request: options of the request.
        note: a check of what the peer wrote down, as a function of `Seen`.
        elsewhere: whether it makes sense against other clients as well.
        many: how many peers run the script at once.
        known: why it is known to be wrong as yet, or None.
    """

    name: str
    script: Callable[..., Any]
    act: str = "read"
    error: str = GOOD
    code: Any = None
    reason: Any = ANY
    status: Any = None
    messages: int | None = None
    within: float = 4.0
    least: float = 0.0
    slack: int = SLACK
    options: dict[str, Any] = field(default_factory=dict)
    request: dict[str, Any] = field(default_factory=dict)
    note: Callable[[Seen], bool] | None = None
    elsewhere: bool = True
    many: int = 1
    known: str | None = None

    @property
    def limit(self):
        """Bytes of memory that it may take."""
        return self.options.get("max_frame_size", LIMIT) + self.slack


async def watch(peer, seen, *, until_close=True):
    """Note what comes until a Close frame, or until the end."""
    try:
        while True:
            first, payload = await peer.frame()
            seen.frames += 1
            if first & 0x0F == CLOSE:
                code = struct.unpack("!H", payload[:2])[0] if payload else None
                seen.codes.append(code)
                if until_close:
                    await _what_follows(peer, seen)
                    return
    except asyncio.IncompleteReadError:
        seen.end = "eof"
    except TimeoutError:
        seen.end = "silence"
    except OSError:
        seen.end = "reset"


async def _what_follows(peer, seen):
    """Nothing may follow a Close frame but the end."""
    try:
        async with asyncio.timeout(0.1):
            while octets := await peer._reader.read(65536):
                seen.after_close += len(octets)
        seen.end = "eof"
    except TimeoutError:
        seen.end = "waits"
    except OSError:
        seen.end = "reset"


async def pour(peer, octets, total, seen, *, seconds=2.0):
    """Send the same octets again and again: so many in all, for so long at most."""
    sent = 0
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            while sent < total:
                await peer.send(octets)
                sent += len(octets)
                await asyncio.sleep(0)
    seen.notes["poured"] = sent
    return sent


async def drip(peer, octets, *, pause=0.05, seconds=10.0):
    """Send one octet at a time."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            for octet in octets:
                await peer.send(bytes([octet]))
                await asyncio.sleep(pause)


async def discard(peer, seen):
    """Read until the other side is gone."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(20):
            while await peer._reader.read(65536):
                pass
    seen.end = "eof"
