"""Hostile servers: every scenario whose victim is the client."""

import asyncio

from tests.hostile import attacks_deflate, attacks_frames
from tests.hostile.client_handshake import HANDSHAKE
from tests.hostile.scenario import (
    ANY,
    LIMIT,
    LOST,
    MEGABYTE,
    Scenario,
    discard,
    drip,
    pour,
    watch,
)
from tests.octets import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    RSV1,
    TEXT,
    close,
    cut,
    frame,
    header,
)

DEFLATE_AGREED = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
CHUNK = 64 * 1024


def _attacking(attack):
    async def script(peer, seen):
        agreed = DEFLATE_AGREED if "deflate" in attack.options else b""
        octets = attack.octets(None)
        await peer.accept(headers=agreed)
        sending = asyncio.create_task(peer.send(octets))
        await watch(peer, seen)
        sending.cancel()
        await asyncio.wait({sending})
        if not sending.cancelled():
            sending.exception()

    return Scenario(
        name=attack.name,
        script=script,
        error=attack.error,
        code=attack.code,
        reason=attack.reason,
        messages=attack.messages,
        options=attack.options,
        within=attack.within,
        known=attack.known,
    )


def _torn():
    for where, octets in attacks_frames.TORN.items():

        async def ended(peer, seen, octets=octets):
            await peer.accept(then=octets)
            await peer.close()

        async def reset(peer, seen, octets=octets):
            await peer.accept(then=octets)
            await asyncio.sleep(0.05)
            peer.reset()

        async def half(peer, seen, octets=octets):
            await peer.accept(then=octets)
            peer.half_close()
            await discard(peer, seen)

        for name, script in (("EOF", ended), ("RST", reset), ("half-close", half)):
            yield Scenario(
                name=f"{name} {where}", script=script, **attacks_frames.TORN_EXPECTED
            )


async def _endless_fragments(peer, seen):
    await peer.accept(then=frame(BINARY, b"x", fin=False))
    piece = frame(CONTINUATION, b"x" * 100, fin=False) * 500
    reading = asyncio.create_task(watch(peer, seen))
    await pour(peer, piece, 64 * MEGABYTE, seen)
    await reading


async def _empty_fragments(peer, seen):
    await peer.accept(then=frame(TEXT, fin=False))
    piece = frame(CONTINUATION, fin=False) * 10_000
    reading = asyncio.create_task(watch(peer, seen))
    await pour(peer, piece, 64 * MEGABYTE, seen)
    await reading


async def _unread_pongs(peer, seen):
    """Pings without end; their answers are never read."""
    await peer.accept()
    peer.stop_reading()
    await pour(peer, frame(PING, b"x" * 125) * 400, 200 * MEGABYTE, seen)
    peer.reset()


async def _raw_flood(peer, seen):
    await peer.accept()
    await pour(peer, frame(PONG, b"x" * 125) * 400, 100 * MEGABYTE, seen)
    await peer.send(close(1000))
    await watch(peer, seen)


def _flood(octets, total=256 * MEGABYTE):
    async def script(peer, seen):
        await peer.accept()
        reading = asyncio.create_task(discard(peer, seen))
        await pour(peer, octets, total, seen, seconds=1.0)
        await reading

    return script


def _dripped(octets):
    async def script(peer, seen):
        await peer.accept()
        await drip(peer, octets, pause=0)
        await watch(peer, seen)

    return script


async def _never_answers(peer, seen):
    await peer.accept()
    await watch(peer, seen, until_close=False)


async def _answers_garbage(peer, seen):
    await peer.accept()
    await peer.frame()
    await peer.send(b"\xff" * 100)
    await discard(peer, seen)


async def _floods_instead(peer, seen):
    """Data without end after our Close frame."""
    await peer.accept()
    await pour(peer, frame(BINARY, bytes(CHUNK)), 512 * MEGABYTE, seen, seconds=5)
    seen.end = "gone"


async def _answers_and_stays(peer, seen):
    """The closing handshake is done, but TCP is never closed."""
    await peer.accept()
    await peer.frame()
    await peer.send(close(1000))
    await discard(peer, seen)


async def _closes_and_stays(peer, seen):
    await peer.accept(then=close(1000))
    await watch(peer, seen, until_close=False)


async def _never_reads(peer, seen):
    await peer.accept()
    peer.stop_reading()
    await peer.hold()


async def _one_huge_after_another(peer, seen):
    await peer.accept()
    for _ in range(20):
        await peer.send(frame(BINARY, bytes(16 * MEGABYTE)))
    await peer.send(close(1000))
    await watch(peer, seen)


async def _announced(peer, seen):
    """The largest frame allowed is announced, and never comes."""
    await peer.accept(then=header(BINARY, 16 * MEGABYTE) + b"x")
    await peer.hold()


async def _silent(peer, seen):
    await peer.accept()
    await discard(peer, seen)


async def _wrong_pongs(peer, seen):
    """Every ping is answered by a pong that is not the one asked for."""
    await peer.accept()
    while True:
        await peer.frame()
        await peer.send(frame(PONG, b"wrong"))


async def _deflated_flood(peer, seen):
    """Small messages, each of the limit's size once it is inflated."""
    await peer.accept(headers=DEFLATE_AGREED)
    bomb = frame(BINARY, attacks_deflate.deflated(LIMIT), rsv=RSV1)
    reading = asyncio.create_task(discard(peer, seen))
    await pour(peer, bomb * 50, 2 * MEGABYTE, seen, seconds=1.0)
    await reading


def _pressure():
    yield Scenario(
        name="endless fragments",
        script=_endless_fragments,
        error="FrameTooBigError",
        code=1009,
        messages=0,
    )
    yield Scenario(
        name="empty fragments without end",
        script=_empty_fragments,
        error="FrameTooBigError",
        code=1009,
        messages=0,
    )
    yield Scenario(
        name="pings whose answers nobody reads",
        script=_unread_pongs,
        error=LOST,
        code=None,
        messages=0,
    )
    yield Scenario(
        name="a flood of pongs", script=_raw_flood, code=1000, messages=0, within=6
    )
    ignoring = {"act": "ignore", "error": ANY, "code": ANY, "elsewhere": True}
    yield Scenario(
        name="tiny frames that nobody receives",
        script=_flood(frame(TEXT, b"x") * 10_000),
        note=lambda seen: seen.notes["poured"] < 64 * MEGABYTE,
        **ignoring,
    )
    yield Scenario(
        name="empty frames that nobody receives",
        script=_flood(frame(TEXT) * 10_000),
        note=lambda seen: seen.notes["poured"] < 64 * MEGABYTE,
        **ignoring,
    )
    yield Scenario(
        name="large frames that nobody receives",
        script=_flood(frame(BINARY, bytes(CHUNK))),
        note=lambda seen: seen.notes["poured"] < 64 * MEGABYTE,
        **ignoring,
    )
    yield Scenario(
        name="small bombs that nobody receives",
        script=_deflated_flood,
        options={"deflate": {}},
        known=attacks_deflate.ONE_READ,
        **ignoring,
    )
    yield Scenario(
        name="20 messages of 16 MB, one at a time",
        script=_one_huge_after_another,
        code=1000,
        messages=20,
        options={"max_frame_size": 16 * MEGABYTE},
        # The message that was received, while the next one arrives.
        slack=8 * MEGABYTE + 16 * MEGABYTE,
        within=10,
    )
    yield Scenario(
        name="a large frame announced, and never sent",
        script=_announced,
        act="ignore",
        error=ANY,
        code=ANY,
        options={"max_frame_size": 16 * MEGABYTE},
        slack=-8 * MEGABYTE,
    )
    for size in (1, 2, 3):
        octets = frame(TEXT, b"a" * 126) + frame(PING, b"b") + frame(TEXT, b"c")
        yield Scenario(
            name=f"frames in packets of {size}",
            script=_dripped_in(octets + close(1000), size),
            code=1000,
            messages=2,
        )


def _dripped_in(octets, size):
    async def script(peer, seen):
        await peer.accept()
        for piece in cut(octets, size):
            await peer.send(piece)
            await asyncio.sleep(0.001)
        await watch(peer, seen)

    return script


def _ends():
    quick = {"open_timeout": 5, "close_timeout": 0.5}
    yield Scenario(
        name="Close is never answered",
        script=_never_answers,
        act="close",
        code=1000,
        reason=1000,
        least=0.5,
        within=2.5,
        options=quick,
    )
    yield Scenario(
        name="Close is answered by garbage",
        script=_answers_garbage,
        act="close",
        error=ANY,
        code=ANY,
        reason=1000,
        within=2.5,
        options=quick,
    )
    yield Scenario(
        name="Close is answered by data without end",
        script=_floods_instead,
        act="close",
        error=ANY,
        code=ANY,
        within=2.5,
        options=quick,
    )
    yield Scenario(
        name="Close is answered and TCP stays open",
        script=_answers_and_stays,
        act="close",
        code=ANY,
        reason=1000,
        within=2.5,
        options=quick,
    )
    yield Scenario(
        name="Close comes and TCP stays open",
        script=_closes_and_stays,
        code=1000,
        reason=1000,
        within=2.5,
        options=quick,
    )
    yield Scenario(
        name="sending to one who never reads",
        script=_never_reads,
        act="send",
        error=ANY,
        code=ANY,
        within=6,
        options=quick,
    )
    pings = {"ping_interval": 0.2, "timeout": 0.4}
    yield Scenario(
        name="no pong ever",
        script=_silent,
        error="PingTimeoutError",
        code=ANY,
        least=0.5,
        options=pings,
    )
    yield Scenario(
        name="wrong pongs only",
        script=_wrong_pongs,
        error="PingTimeoutError",
        code=ANY,
        least=0.5,
        options=pings,
    )


CLIENT = [
    *HANDSHAKE,
    *(
        _attacking(attack)
        for attack in (*attacks_frames.ATTACKS, *attacks_deflate.ATTACKS)
    ),
    *_torn(),
    *_pressure(),
    *_ends(),
]
