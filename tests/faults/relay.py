"""A wire with faults: two TUN devices in two namespaces, and this between them.

relay.py NEAR FAR --delay 0.05 --jitter 0.02 --reorder 0.1 --duplicate 0.1 --lose 0.01

The addresses are 10.209.1.1 (near) and 10.209.1.2 (far). It prints a line once the
devices are up, and, when its input ends, how many packets met with what, as JSON.
"""

import argparse
import collections
import ctypes
import fcntl
import heapq
import itertools
import json
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
CLONE_NEWNET = 0x40000000
HOLD = 0.03  # seconds that a packet is held so that others overtake it
NAMES = {"near": ("10.209.1.1", "10.209.1.2"), "far": ("10.209.1.2", "10.209.1.1")}


def enter(namespace):
    """This thread goes into the namespace; Python 3.11 has no `os.setns`."""
    descriptor = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")
    os.close(descriptor)


def device(namespace, own, other):
    """A TUN device in the namespace, up and with its address."""
    enter(namespace)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH14x", b"wire", IFF_TUN | IFF_NO_PI))
    for command in (
        ["addr", "add", own, "peer", other, "dev", "wire"],
        ["link", "set", "wire", "up"],
    ):
        subprocess.run(["ip", *command], check=True)
    return tun


class Wire:
    """Packets under way."""

    def __init__(self, options):
        self._options = options
        self._chance = random.Random(options.seed)
        self._under_way = []
        self._numbers = itertools.count()
        self._last = collections.defaultdict(float)  # when the latest will arrive
        self.counts = collections.Counter(
            packets=0, reordered=0, duplicated=0, lost=0, delayed=0
        )

    def take(self, packet, to):
        options, luck = self._options, self._chance.random
        self.counts["packets"] += 1
        if luck() < options.lose:
            self.counts["lost"] += 1
            return
        arrival = time.monotonic() + options.delay + options.jitter * luck()
        self.counts["delayed"] += bool(options.delay)
        if luck() < options.reorder:
            self.counts["reordered"] += 1
            arrival += HOLD
        else:
            arrival = self._last[to] = max(arrival, self._last[to])
        self._send(arrival, packet, to)
        if luck() < options.duplicate:
            self.counts["duplicated"] += 1
            self._send(arrival + HOLD * luck(), packet, to)

    def _send(self, arrival, packet, to):
        heapq.heappush(self._under_way, (arrival, next(self._numbers), packet, to))

    def arrive(self):
        """Hand over what is due; gives the seconds until the next is, or None."""
        while self._under_way:
            left = self._under_way[0][0] - time.monotonic()
            if left > 0:
                return left
            _, _, packet, to = heapq.heappop(self._under_way)
            os.write(to, packet)
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("near")
    parser.add_argument("far")
    parser.add_argument("--seed", default="wire")
    for name in ("delay", "jitter", "reorder", "duplicate", "lose"):
        parser.add_argument(f"--{name}", type=float, default=0)
    options = parser.parse_args()
    wire = Wire(options)
    near, far = (device(getattr(options, name), *NAMES[name]) for name in NAMES)
    others = {near: far, far: near}
    print("up", flush=True)  # noqa: T201
    while True:
        ready, _, _ = select.select([near, far, sys.stdin], [], [], wire.arrive())
        if sys.stdin in ready:
            break
        for tun in ready:
            packet = os.read(tun, 65536)
            if packet[0] >> 4 == 4:
                wire.take(packet, others[tun])
    print(json.dumps(wire.counts))  # noqa: T201


if __name__ == "__main__":
    main()
