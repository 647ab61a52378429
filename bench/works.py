"""What a client is told to do, and which numbers come of it.

Every work gives named numbers, of which one decides; less is better for all of them.
"""

import asyncio
import gc
import time
from pathlib import Path

from bench.meter import Meter

MIB = 1024 * 1024
#: Sessions opened and closed before any is counted: imports, caches, first buffers.
WARM = 20


async def timed(peer, job):
    """CPU, wall and server CPU of one message, in nanoseconds."""
    meter = Meter(job["server"])
    options = dict(job["options"])
    count = options["count"]
    if "message" in options:
        kind, size = options["message"]
        options["message"] = "x" * size if kind == "text" else b"x" * size
    method = getattr(peer, job["work"])
    if job["url"]:
        await method(job["url"], meter, **options)
    else:
        await method(meter, **options)
    count *= options.get("size", 1) if job["work"] == "burst" else 1
    return {
        "cpu": meter.cpu / count * 1e9,
        "wall": meter.wall / count * 1e9,
        "server": meter.server_cpu / count * 1e9,
    }


async def opening(peer, job):
    """CPU and wall of opening one session after another, in nanoseconds each."""
    await _warm(peer, job["url"])
    meter = Meter(job["server"])
    count = job["options"]["count"]
    with meter:
        sessions = [await peer.open(job["url"]) for _ in range(count)]
    await _close(peer, sessions)
    return {
        "cpu": meter.cpu / count * 1e9,
        "wall": meter.wall / count * 1e9,
        "server": meter.server_cpu / count * 1e9,
    }


async def idle_memory(peer, job):
    """Bytes of memory for one session that is open and does nothing."""
    await _warm(peer, job["url"])
    count = job["options"]["count"]
    before = _memory("RssAnon")
    sessions = [await peer.open(job["url"]) for _ in range(count)]
    await asyncio.sleep(0.2)
    after = _memory("RssAnon")
    await _close(peer, sessions)
    return {"bytes": (after - before) / count}


async def pinged(peer, job):
    """CPU of keeping sessions alive with pings, in nanoseconds for a ping."""
    options = job["options"]
    sessions = [
        await peer.open(job["url"], ping=options["interval"])
        for _ in range(options["count"])
    ]
    await asyncio.sleep(options["interval"])
    meter = Meter(job["server"])
    with meter:
        await asyncio.sleep(options["seconds"])
    await _close(peer, sessions)
    pings = options["count"] * options["seconds"] / options["interval"]
    return {
        "cpu": meter.cpu / pings * 1e9,
        "percent": meter.cpu / meter.wall * 100,
        "server": meter.server_cpu / pings * 1e9,
    }


async def big(peer, job):
    """Memory for one large message: its peak, and what is left, over its size."""
    options = job["options"]
    small = job["url"].replace(str(options["size"]), "1000")
    await peer.keep(small, count=1)
    before = _memory("VmRSS")
    _forget_peak()
    message = await peer.keep(job["url"], count=1)
    peak = _memory("VmHWM")
    assert len(message) == options["size"], len(message)
    del message
    left = _memory("VmRSS")
    return {
        "peak": (peak - before) / options["size"],
        "left": (left - before) / options["size"],
    }


async def latency(peer, job):
    """Nanoseconds from the server's clock to the application's, under mixed load."""
    took = []
    clock, note = time.monotonic_ns, took.append
    options = job["options"]
    meter = Meter(job["server"])
    with meter:
        await asyncio.gather(
            *(
                peer.ticks(
                    job["url"],
                    count=options["count"],
                    note=lambda text: note(clock() - int(text[:20])),
                    order="x" * 256,
                )
                for _ in range(options["sessions"])
            )
        )
    took.sort()
    return {
        "p50": took[len(took) // 2],
        "p99": took[len(took) * 99 // 100],
        "p99.9": took[len(took) * 999 // 1000],
        "cpu": meter.cpu / len(took) * 1e9,
    }


def work(name):
    """The coroutine function that does it."""
    return {
        "opening": opening,
        "idle_memory": idle_memory,
        "pinged": pinged,
        "big": big,
        "latency": latency,
    }.get(name, timed)


async def _warm(peer, url):
    await _close(peer, [await peer.open(url) for _ in range(WARM)])
    await asyncio.sleep(0.05)


async def _close(peer, sessions):
    """All of them, some at a time."""
    for at in range(0, len(sessions), 100):
        await asyncio.gather(*map(peer.close, sessions[at : at + 100]))


def _forget_peak():
    Path("/proc/self/clear_refs").write_text("5")


def _memory(field):
    """Bytes of this process, as Linux counts them, after collecting garbage."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.split()[0]) * 1024
    raise LookupError(field)
