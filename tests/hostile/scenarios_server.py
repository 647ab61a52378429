"""Hostile clients: every scenario whose victim is the accepting side."""

import asyncio

from tests.hostile import attacks_deflate, attacks_frames
from tests.hostile.scenario import (
    ANY,
    LOST,
    MEGABYTE,
    Scenario,
    discard,
    pour,
    watch,
)
from tests.hostile.server_requests import QUICK, REQUESTS, read_status
from tests.octets import BINARY, CONTINUATION, KEY, PING, PONG, TEXT, close, frame
from tests.scripted import UPGRADE_REQUEST

DEFLATE_OFFER = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


async def _ask(peer, seen, headers=b"", then=b""):
    await peer.send(UPGRADE_REQUEST % (b"/", headers) + then)
    await read_status(peer, seen)


def _attacking(attack):
    async def script(peer, seen):
        octets = attack.octets(KEY)
        await _ask(peer, seen, DEFLATE_OFFER if "deflate" in attack.options else b"")
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
    for where, octets in {
        "before a frame": b"",
        "within a header": b"\x82",
        "within a key": b"\x82\x81\x01\x02",
        "within a payload": b"\x82\xfe\x01\x00" + KEY + b"half",
        "within a message": b"\x01\x81" + KEY + b"x",
    }.items():

        async def ended(peer, seen, octets=octets):
            await _ask(peer, seen, then=octets)

        async def reset(peer, seen, octets=octets):
            await _ask(peer, seen, then=octets)
            await asyncio.sleep(0.05)
            peer.reset()

        async def half(peer, seen, octets=octets):
            await _ask(peer, seen, then=octets)
            peer.half_close()
            await discard(peer, seen)

        for name, script in (("EOF", ended), ("RST", reset), ("half-close", half)):
            yield Scenario(
                name=f"{name} {where}", script=script, **attacks_frames.TORN_EXPECTED
            )


# Pressure and ends.


def _flood(octets, total=256 * MEGABYTE):
    async def script(peer, seen):
        await _ask(peer, seen)
        reading = asyncio.create_task(discard(peer, seen))
        await pour(peer, octets, total, seen, seconds=1.0)
        await reading

    return script


async def _unread_pongs(peer, seen):
    await _ask(peer, seen)
    peer.stop_reading()
    pings = frame(PING, b"x" * 125, key=KEY) * 400
    await pour(peer, pings, 200 * MEGABYTE, seen)
    peer.reset()


async def _pongs(peer, seen):
    await _ask(peer, seen)
    await pour(peer, frame(PONG, b"x" * 125, key=KEY) * 400, 100 * MEGABYTE, seen)
    await peer.send(close(1000, key=KEY))
    await watch(peer, seen)


def _fragments(piece):
    async def script(peer, seen):
        await _ask(peer, seen, then=frame(TEXT, fin=False, key=KEY))
        reading = asyncio.create_task(watch(peer, seen))
        await pour(peer, piece, 64 * MEGABYTE, seen)
        await reading

    return script


async def _never_reads(peer, seen):
    await _ask(peer, seen)
    peer.stop_reading()
    await asyncio.sleep(4)
    peer.reset()


async def _silent(peer, seen):
    await _ask(peer, seen)
    await discard(peer, seen)


async def _never_answers(peer, seen):
    await _ask(peer, seen)
    await watch(peer, seen, until_close=False)


async def _answers_garbage(peer, seen):
    await _ask(peer, seen)
    await peer.frame()
    await peer.send(b"\xff" * 100)
    await discard(peer, seen)


async def _floods_instead(peer, seen):
    await _ask(peer, seen)
    block = frame(BINARY, bytes(64 * 1024), key=KEY)
    await pour(peer, block, 512 * MEGABYTE, seen, seconds=5)


async def _closes_and_stays(peer, seen):
    await _ask(peer, seen, then=close(1000, key=KEY))
    await watch(peer, seen, until_close=False)
    await asyncio.sleep(1)


def _pressure():
    yield Scenario(
        name="endless fragments",
        script=_fragments(frame(CONTINUATION, b"x" * 100, fin=False, key=KEY) * 500),
        error="FrameTooBigError",
        code=1009,
        messages=0,
    )
    yield Scenario(
        name="empty fragments without end",
        script=_fragments(frame(CONTINUATION, fin=False, key=KEY) * 10_000),
        error="FrameTooBigError",
        code=1009,
        messages=0,
    )
    yield Scenario(
        name="pings whose answers nobody reads",
        script=_unread_pongs,
        error=LOST,
        messages=0,
    )
    yield Scenario(
        name="a flood of pongs", script=_pongs, code=1000, messages=0, within=6
    )
    for name, octets in {
        "tiny": frame(TEXT, b"x", key=KEY) * 10_000,
        "empty": frame(TEXT, key=KEY) * 10_000,
        "large": frame(BINARY, bytes(64 * 1024), key=KEY),
    }.items():
        yield Scenario(
            name=f"{name} frames that nobody receives",
            script=_flood(octets),
            act="ignore",
            error=ANY,
            code=ANY,
            note=lambda seen: seen.notes["poured"] < 64 * MEGABYTE,
        )


def _ends():
    yield Scenario(
        name="sending to one who never reads",
        script=_never_reads,
        act="send",
        error=ANY,
        code=ANY,
        within=6,
        options=QUICK,
    )
    closing = {"act": "close", "options": QUICK, "within": 2.5}
    yield Scenario(
        name="Close is never answered",
        script=_never_answers,
        code=1000,
        reason=1000,
        least=0.5,
        **closing,
    )
    yield Scenario(
        name="Close is answered by garbage",
        script=_answers_garbage,
        error=ANY,
        code=ANY,
        reason=1000,
        **closing,
    )
    yield Scenario(
        name="Close is answered by data without end",
        script=_floods_instead,
        error=ANY,
        code=ANY,
        **closing,
    )
    yield Scenario(
        name="Close comes and TCP stays open",
        script=_closes_and_stays,
        code=1000,
        reason=1000,
        options=QUICK,
    )
    yield Scenario(
        name="no pong ever",
        script=_silent,
        error="PingTimeoutError",
        code=ANY,
        least=0.5,
        options={"ping_interval": 0.2, "timeout": 0.4},
    )


SERVER = [
    *REQUESTS,
    *(
        _attacking(attack)
        for attack in (*attacks_frames.ATTACKS, *attacks_deflate.ATTACKS)
    ),
    *_torn(),
    *_pressure(),
    *_ends(),
]
