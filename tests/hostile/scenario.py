"""What a hostile scenario is, and what its peer notes down while it attacks.

The peer runs in the process of its lane, the implementation under attack in another
(`subject.py`), whose memory can be measured.
"""

import asyncio
import contextlib
import dataclasses
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
NONE = "none"


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
class Expected:
    """What must come of an attack.

    Attributes:
        name: a few words.
        error: the name of the error type that ends the session.
        code: of the Close frame on the wire; None for none; ANY for do not care.
        reason: the code of ``close_reason``; ANY for do not care.
        messages: how many messages must be received, or None for any number.
        within: seconds until the error is raised.
        options: of `WebSockets`; ``deflate`` gives those of that extension.
        known: why it is known to be wrong as yet, or None.
        family: the scenarios that belong together.
    """

    name: str
    error: str = GOOD
    code: Any = None
    reason: Any = ANY
    messages: int | None = None
    within: float = 4.0
    options: dict[str, Any] = field(default_factory=dict)
    known: str | None = None
    family: str = ""


def family(name, members):
    """These scenarios or attacks, as members of a family."""
    return [dataclasses.replace(member, family=name) for member in members]


@dataclass(frozen=True, kw_only=True)
class Scenario(Expected):
    """One attack, and what must come of it.

    Attributes:
        script: ``async def script(peer, seen)``; for the accepting side's scenarios
            the peer is connected and has sent nothing yet.
        act: what the side under attack does: ``read``, ``ignore`` (never receives),
            ``close``, ``send`` (never stops).
        text: what the error must say, among other things.
        status: of the HTTP answer of the accepting side; NONE for no answer; ANY
            where it may be lost, since the client still sends when the connection is
            closed.
        least: seconds that must pass before the error is raised.
        slack: bytes of memory beyond ``max_frame_size``.
        request: options of the request.
        note: a check of what the peer wrote down, as a function of `Seen`.
        elsewhere: whether it makes sense against other clients as well.
        many: how many peers run the script at once.
        tls: whether it is over TLS in any case.
        by_hand: the script itself speaks the TLS of its side.
        prepare: makes what the script sends, before time is counted.
        resolver: for a host that is a name: an async context manager that gets the
            scripted server's port, and gives what the resolver answers.
    """

    script: Callable[..., Any]
    act: str = "read"
    text: str = ""
    status: Any = None
    least: float = 0.0
    slack: int = SLACK
    request: dict[str, Any] = field(default_factory=dict)
    note: Callable[[Seen], bool] | None = None
    elsewhere: bool = True
    many: int = 1
    tls: bool = False
    by_hand: bool = False
    prepare: Callable[[], object] | None = None
    resolver: Callable[[int], Any] | None = None

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


async def attack(peer, seen, octets):
    """Send the octets and watch, whether or not anybody takes them."""
    async with sending(peer, octets):
        await watch(peer, seen)


@contextlib.asynccontextmanager
async def sending(peer, octets):
    """Send the octets meanwhile, as far as anybody takes them."""
    task = asyncio.create_task(peer.send(octets))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.exception()


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
