"""Hostile servers: every scenario whose victim is the client."""

import asyncio
import os
import socket

from tests.hostile.client_addresses import ADDRESSES
from tests.hostile.client_handshake import HANDSHAKE
from tests.hostile.client_redirects import REDIRECTS
from tests.hostile.client_refusals import REFUSALS
from tests.hostile.client_tls import TLS
from tests.hostile.scenario import MEGABYTE, Scenario, family, watch
from tests.hostile.scenarios_both import IGNORING, Side, shared
from tests.octets import BINARY, PING, TEXT, close, cut, frame, header


async def _accept(peer, seen, *, headers=b"", then=b""):
    await peer.accept(headers=headers, then=then)


async def _one_huge_after_another(peer, seen):
    message = frame(BINARY, bytes(16 * MEGABYTE))
    await peer.accept()
    for _ in range(20):
        await peer.send(message)
    await peer.send(close(1000))
    await watch(peer, seen)


async def _announced(peer, seen):
    """The largest frame allowed is announced, and never comes."""
    await peer.accept(then=header(BINARY, 16 * MEGABYTE) + b"x")
    await peer.hold()


def _in_packets_of(size):
    octets = frame(TEXT, b"a" * 126) + frame(PING, b"b") + frame(TEXT, b"c")

    async def script(peer, seen):
        await peer.accept()
        for piece in cut(octets + close(1000), size):
            await peer.send(piece)
            await asyncio.sleep(0.001)
        await watch(peer, seen)

    return script


async def _urgent(peer, seen):
    """Octets out of TCP's band are no part of the stream."""
    await peer.accept(then=frame(TEXT, b"one"))
    fd = os.dup(peer._writer.get_extra_info("socket").fileno())
    with socket.socket(fileno=fd) as sock:
        sock.send(b"!", socket.MSG_OOB)
    await peer.send(frame(TEXT, b"two") + close(1000))
    await watch(peer, seen)


def _sizes():
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
        options={"max_frame_size": 16 * MEGABYTE},
        slack=-8 * MEGABYTE,
        **IGNORING,
    )


def _packets():
    yield Scenario(name="urgent data", script=_urgent, code=1000, messages=2)
    for size in (1, 2, 3):
        yield Scenario(
            name=f"frames in packets of {size}",
            script=_in_packets_of(size),
            code=1000,
            messages=2,
        )


CLIENT = [
    *family("addresses", ADDRESSES),
    *family("TLS", TLS),
    *family("handshake", HANDSHAKE),
    *family("refusals and endless answers", REFUSALS),
    *family("redirects", REDIRECTS),
    *shared(Side(_accept, None)),
    *family("pressure", _sizes()),
    *family("messages and sizes", _packets()),
]
