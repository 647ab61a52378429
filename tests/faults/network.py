"""Two network namespaces with a cable between them, and what can befall it."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from tests.faults.relay import enter
from tests.stress.harness import ROOT

NEAR, FAR = "10.209.0.1", "10.209.0.2"
FAR_BY_RELAY = "10.209.1.2"
PACKAGES = {"ip": "iproute2", "iptables": "iptables"}


def requirements():
    """Skip, and say why, where there can be no namespaces."""
    if sys.platform != "linux":
        pytest.skip("network namespaces are Linux's")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for name, package in PACKAGES.items():
        if shutil.which(name) is None:
            pytest.skip(f"there is no {name} here; Debian's {package} has it")


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def inside(namespace):
    """What this thread opens meanwhile is in that namespace."""
    with open("/proc/thread-self/ns/net", "rb") as home:
        enter(namespace)
        try:
            yield
        finally:
            enter(f"../../proc/self/fd/{home.fileno()}")


class Network:
    """The namespaces ``near``, for us, and ``far``, for the peer."""

    def __init__(self):
        self.near, self.far = (f"ktorws-{os.getpid()}-{name}" for name in ("n", "f"))

    def __enter__(self):
        self._forget_the_dead()
        try:
            for name in (self.near, self.far):
                run("ip", "netns", "add", name)
                run("ip", "-n", name, "link", "set", "lo", "up")
            ends = f"link add cable netns {self.near} type veth peer cable netns"
            run("ip", *ends.split(), self.far)
            for name, address in ((self.near, NEAR), (self.far, FAR)):
                run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", "cable")
                run("ip", "-n", name, "link", "set", "cable", "up")
                rule = "INPUT -m statistic --mode random --probability 0.01 -j DROP"
                for action in ("-A", "-D"):
                    self._iptables(name, action, *rule.split())
        except OSError as error:
            self.__exit__()
            pytest.skip(f"no network namespaces here: {error}")
        return self

    def __exit__(self, *error):
        for name in (self.near, self.far):
            subprocess.run(
                ["ip", "netns", "delete", name], capture_output=True, check=False
            )

    @staticmethod
    def _forget_the_dead():
        """Delete namespaces that a run which was killed has left."""
        for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else ():
            prefix, _, rest = name.partition("-")
            number = rest.partition("-")[0]
            if prefix == "ktorws" and not os.path.exists(f"/proc/{number}"):
                subprocess.run(["ip", "netns", "delete", name], check=False)

    @staticmethod
    def _iptables(name, *arguments):
        return run("ip", "netns", "exec", name, "iptables", "-w", *arguments)

    def connect(self, port, host=FAR):
        """A connected socket of the near side."""
        with inside(self.near):
            return socket.create_connection((host, port), timeout=10)

    def lose(self, probability):
        """Drop packets at random, on arrival at either side."""
        rule = f"-p tcp -m statistic --mode random --probability {probability}"
        for name in (self.near, self.far):
            self._iptables(name, "-A", "INPUT", *rule.split(), "-j", "DROP")

    def swallow(self):
        """Drop everything: a black hole."""
        for name in (self.near, self.far):
            self._iptables(name, "-I", "INPUT", "-j", "DROP")

    def reset(self):
        """Answer what we send by RST."""
        rule = "-p tcp -j REJECT --reject-with tcp-reset"
        self._iptables(self.far, "-I", "INPUT", *rule.split())

    def heal(self):
        """Undo all that; gives how many packets were dropped or refused."""
        count = 0
        for name in (self.near, self.far):
            lines = self._iptables(name, "-L", "INPUT", "-v", "-x", "-n").splitlines()
            count += sum(int(line.split()[0]) for line in lines[2:])
            self._iptables(name, "-F", "INPUT")
        return count

    @contextlib.contextmanager
    def relay(self, counts, **faults):
        """A second cable, at `FAR_BY_RELAY`, with these faults; fills ``counts``."""
        if not os.path.exists("/dev/net/tun"):
            pytest.skip("no TUN devices here")
        options = [f"--{name}={value}" for name, value in faults.items()]
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.relay", self.near, self.far, *options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout.readline() == "up\n"
            yield
            counts.update(json.loads(process.communicate(timeout=5)[0]))
        finally:
            process.kill()
            process.communicate()


class Peer:
    """`tests/faults/peer.py` in the far namespace."""

    def __init__(self, network, certificate):
        self._command = [
            *("ip", "netns", "exec", network.far, sys.executable),
            *("-m", "tests.faults.peer", "--certificate", str(certificate)),
        ]
        self._process = None

    def start(self):
        """Start it unless it runs."""
        if self._process is None:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, stdout=subprocess.PIPE, text=True
            )
            with self._process.stdout as output:
                self.ports = tuple(map(int, output.readline().split()))

    def stop(self):
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._process.send_signal(signal.SIGCONT)

    def kill(self):
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.kill()
