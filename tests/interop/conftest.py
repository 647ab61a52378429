"""Servers that are not ours, each in a process of its own."""

import os
import select
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.certificates import NAMES, authority

pytest.register_assert_rewrite("tests.interop.scenarios")

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PATIENCE = 20  # seconds for a server to start


class Server(NamedTuple):
    """A server that listens on two ports."""

    plain: int
    tls: int

    def url(self, path, *, secure):
        port = self.tls if secure else self.plain
        return f"{'wss' if secure else 'ws'}://localhost:{port}{path}"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Paths of a certificate and of its key, in PEM."""
    made = authority("tests").issue_cert(*NAMES)
    folder = tmp_path_factory.mktemp("certificate")
    paths = folder / "certificate.pem", folder / "key.pem"
    paths[0].write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    paths[1].write_bytes(made.private_key_pem.bytes())
    return [str(path) for path in paths]


@pytest.fixture(scope="module")
def start(certificate):
    """Starts a command that prints its two ports, and ends it with the module."""
    processes = []

    def run(*command):
        process = subprocess.Popen(
            [*command, *certificate],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        processes.append(process)
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
        assert ready, f"{command} did not start"
        return Server(*map(int, process.stdout.readline().split()))

    yield run
    for process in processes:
        process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()


@pytest.fixture(scope="module")
def start_python(start):
    """As `start`, for a server written in Python that lies here."""
    return lambda name: start(sys.executable, str(HERE / name))
