"""Attacks on an open session that are the same for both sides."""

import asyncio
import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from tests.hostile import attacks_deflate, attacks_frames
from tests.hostile.scenario import (
    ANY,
    LOST,
    MEGABYTE,
    Expected,
    Scenario,
    attack,
    discard,
    drip,
    family,
    pour,
    watch,
)
from tests.octets import BINARY, CONTINUATION, PING, PONG, TEXT, close, frame

CHUNK = 64 * 1024
#: Deadlines short enough to be seen to be kept.
QUICK = {"open_timeout": 1.0, "close_timeout": 0.5}
PINGING = {"ping_interval": 0.2, "timeout": 0.4}
#: What becomes of one who does not look at the session before it is over.
IGNORING = {"act": "ignore", "error": ANY, "code": ANY}


@dataclass(frozen=True)
class Side:
    """How the attacker opens a session, and the key with which he masks, or None.

    ``await open(peer, seen, headers=…, then=…)`` does the handshake, with these
    headers and with octets in the same packet.
    """

    open: Callable[..., Any]
    key: bytes | None

    def frame(self, opcode, payload=b"", **options):
        return frame(opcode, payload, key=self.key, **options)

    def close(self, code=1000):
        return close(code, key=self.key)


def shared(side):
    """All of them, for one side."""
    yield from (_attacking(side, attack) for attack in attacks_frames.ATTACKS)
    yield from (_attacking(side, attack) for attack in attacks_deflate.ATTACKS)
    yield from family("torn connections", _torn(side))
    yield from family("pressure", _pressure(side))
    yield from family("ends and deadlines", _ends(side))


def _attacking(side, chosen):
    octets = functools.cache(lambda: chosen.octets(side.key))

    async def script(peer, seen):
        await side.open(peer, seen, headers=chosen.headers)
        await attack(peer, seen, octets())

    expected = {f.name: getattr(chosen, f.name) for f in fields(Expected)}
    return Scenario(script=script, prepare=octets, **expected)


async def _eof(peer, seen):
    await peer.close()


async def _reset(peer, seen):
    await asyncio.sleep(0.05)
    peer.reset()


async def _half_close(peer, seen):
    peer.half_close()
    await discard(peer, seen)


async def _cut_tls(peer, seen):
    """TCP ends without the end of TLS (close_notify) before it."""
    await asyncio.sleep(0.05)
    peer._writer.transport.abort()


def _torn(side):
    for where, octets in attacks_frames.torn(side.key).items():
        for name, end, tls in (
            ("EOF", _eof, False),
            ("RST", _reset, False),
            ("half-close", _half_close, False),
            ("TLS cut", _cut_tls, True),
            ("TLS ended", _eof, True),
        ):

            async def script(peer, seen, octets=octets, end=end):
                await side.open(peer, seen, then=octets)
                await end(peer, seen)

            yield Scenario(
                name=f"{name} {where}",
                script=script,
                tls=tls,
                error=LOST,
                reason=1006,
                messages=1 if where == "behind a message" else 0,
            )
    for name, end in (("TLS cut", _cut_tls), ("EOF", _eof)):

        async def script(peer, seen, end=end):
            await side.open(peer, seen, then=side.close())
            await peer.frame()
            await end(peer, seen)

        yield Scenario(
            name=f"{name} behind the closing handshake",
            script=script,
            tls=end is _cut_tls,
            code=ANY,
            reason=1000,
            messages=0,
        )


# More than anybody can take.


def _flood(side, octets, total=256 * MEGABYTE, headers=b""):
    async def script(peer, seen):
        await side.open(peer, seen, headers=headers)
        reading = asyncio.create_task(discard(peer, seen))
        await pour(peer, octets, total, seen, seconds=1.0)
        await reading

    return script


def _fragments(side, piece):
    async def script(peer, seen):
        first = side.frame(TEXT, fin=False)
        await side.open(peer, seen, then=first)
        reading = asyncio.create_task(watch(peer, seen))
        await pour(peer, piece, 64 * MEGABYTE, seen)
        await reading

    return script


def _unread_pongs(side):
    """Pings without end; their answers are never read."""

    async def script(peer, seen):
        await side.open(peer, seen)
        peer.stop_reading()
        pings = side.frame(PING, b"x" * 125) * 400
        await pour(peer, pings, 200 * MEGABYTE, seen)
        peer.reset()

    return script


def _many_pongs(side):
    async def script(peer, seen):
        await side.open(peer, seen)
        pongs = side.frame(PONG, b"x" * 125) * 400
        await pour(peer, pongs, 100 * MEGABYTE, seen)
        await peer.send(side.close())
        await watch(peer, seen)

    return script


def _pressure(side):
    too_big = {"error": "FrameTooBigError", "code": 1009, "messages": 0}
    full = side.frame(CONTINUATION, b"x" * 100, fin=False) * 500
    empty = side.frame(CONTINUATION, fin=False) * 10_000
    yield Scenario(name="endless fragments", script=_fragments(side, full), **too_big)
    yield Scenario(
        name="empty fragments without end", script=_fragments(side, empty), **too_big
    )
    yield Scenario(
        name="pings whose answers nobody reads",
        script=_unread_pongs(side),
        error=LOST,
        messages=0,
    )
    yield Scenario(
        name="a flood of pongs",
        script=_many_pongs(side),
        code=1000,
        messages=0,
        within=6,
    )
    for name, octets in {
        "tiny": side.frame(TEXT, b"x") * 10_000,
        "empty": side.frame(TEXT) * 10_000,
        "large": side.frame(BINARY, bytes(CHUNK)),
    }.items():
        yield Scenario(
            name=f"{name} frames that nobody receives",
            script=_flood(side, octets),
            note=lambda seen: seen.notes["poured"] < 64 * MEGABYTE,
            **IGNORING,
        )
    # Small messages, each of the limit's size once it is inflated.
    yield Scenario(
        name="small bombs that nobody receives",
        script=_flood(
            side,
            attacks_deflate.bomb(side.key) * 50,
            2 * MEGABYTE,
            attacks_deflate.AGREED,
        ),
        options=attacks_deflate.DEFLATE,
        **IGNORING,
    )


# Ends that do not come, or come otherwise.


def _then(side, rest):
    """Open the session, then the rest."""

    async def script(peer, seen):
        await side.open(peer, seen)
        await rest(peer, seen)

    return script


async def _never_answers(peer, seen):
    await watch(peer, seen, until_close=False)


async def _never_reads(peer, seen):
    peer.stop_reading()
    await asyncio.sleep(4)
    peer.reset()


def _answering_with(octets):
    """This for the Close frame of the other side."""

    async def rest(peer, seen):
        await peer.frame()
        await peer.send(octets)
        await discard(peer, seen)

    return rest


def _ending_by(end):
    async def rest(peer, seen):
        await peer.frame()
        await end(peer, seen)

    return rest


def _answering_slowly(octets, pause):
    async def rest(peer, seen):
        await peer.frame()
        sending = asyncio.create_task(drip(peer, octets, pause=pause, seconds=4))
        await discard(peer, seen)
        sending.cancel()

    return rest


def _flooding(octets):
    async def rest(peer, seen):
        await pour(peer, octets, 512 * MEGABYTE, seen, seconds=5)
        seen.end = "gone"

    return rest


def _closing_and_staying(side):
    async def rest(peer, seen):
        await peer.send(side.close())
        await watch(peer, seen, until_close=False)

    return rest


def _wrong_pongs(side):
    """Every ping is answered by a pong that is not the one asked for."""

    async def rest(peer, seen):
        while True:
            await peer.frame()
            await peer.send(side.frame(PONG, b"wrong"))

    return rest


def _octets_instead_of_pongs(side):
    """A message that goes on and on is no answer to a ping."""

    async def rest(peer, seen):
        await peer.send(side.frame(BINARY, bytes(CHUNK))[:10])
        async with asyncio.timeout(4):
            dripping = asyncio.create_task(drip(peer, bytes(1000), pause=0.02))
            await discard(peer, seen)
        dripping.cancel()

    return rest


def _ends(side):
    closing = {"act": "close", "options": QUICK, "within": 2.5}
    any_end = {"error": ANY, "code": ANY, **closing}
    yield Scenario(
        name="Close is never answered",
        script=_then(side, _never_answers),
        code=1000,
        reason=1000,
        least=0.5,
        **closing,
    )
    for name, rest in {
        "garbage": _answering_with(b"\xff" * 100),
        "another code": _answering_with(close(1001, key=side.key)),
        "EOF": _ending_by(_eof),
        "RST": _ending_by(_reset),
        "a Close octet by octet, too slowly": _answering_slowly(side.close(), 0.3),
        "pings without end": _answering_slowly(side.frame(PING) * 100, 0.02),
    }.items():
        yield Scenario(
            name=f"Close is answered by {name}",
            script=_then(side, rest),
            reason=1000,
            **any_end,
        )
    yield Scenario(
        name="Close is answered by data without end",
        script=_then(side, _flooding(side.frame(BINARY, bytes(CHUNK)))),
        **any_end,
    )
    yield Scenario(
        name="Close is answered and TCP stays open",
        script=_then(side, _answering_with(side.close())),
        code=ANY,
        reason=1000,
        **closing,
    )
    yield Scenario(
        name="Close comes and TCP stays open",
        script=_then(side, _closing_and_staying(side)),
        code=1000,
        reason=1000,
        within=2.5,
        options=QUICK,
    )
    yield Scenario(
        name="sending to one who never reads",
        script=_then(side, _never_reads),
        act="send",
        error=ANY,
        code=ANY,
        within=6,
        options=QUICK,
    )
    for name, rest in {
        "no pong ever": discard,
        "wrong pongs only": _wrong_pongs(side),
        "octets without end, but no pong": _octets_instead_of_pongs(side),
    }.items():
        yield Scenario(
            name=name,
            script=_then(side, rest),
            error="PingTimeoutError",
            code=ANY,
            least=0.5,
            options=PINGING,
        )
