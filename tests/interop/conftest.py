"""Servers that are not ours, each in its own process, and the matrix of results."""

import contextlib
import os
import select
import subprocess
import sys
from collections import Counter, defaultdict
from typing import NamedTuple

import pytest

from tests.certificates import NAMES, authority
from tests.interop.catalogue import PEERS, ROOT, Peer

pytest.register_assert_rewrite("tests.interop.scenarios")

PATIENCE = 20  # seconds for a server to start
COLUMNS = [(deflate, tls) for tls in (False, True) for deflate in (False, True)]

_results = defaultdict(lambda: defaultdict(Counter))
_reasons = {}


class Server(NamedTuple):
    """A server that listens on two ports."""

    peer: Peer
    plain: int
    tls: int

    def url(self, path, *, secure):
        port = self.tls if secure else self.plain
        return f"{'wss' if secure else 'ws'}://localhost:{port}{path}"


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Paths of a certificate, of its key, and of who signed it, in PEM."""
    made = authority("tests").issue_cert(*NAMES)
    folder = tmp_path_factory.mktemp("certificate")
    paths = folder / "certificate.pem", folder / "key.pem", folder / "authority.pem"
    paths[0].write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    paths[1].write_bytes(made.private_key_pem.bytes())
    paths[2].write_bytes(authority("tests").cert_pem.bytes())
    return [str(path) for path in paths]


@contextlib.contextmanager
def child(command, folder, **environment):
    """A process that ends with all its children, even if the tests are killed."""
    process = subprocess.Popen(
        [sys.executable, str(PEERS / "guarded.py"), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(folder),
            **environment,
        },
    )
    try:
        yield process
    finally:
        process.stdin.close()
        process.wait(PATIENCE)
        process.stdout.close()


@pytest.fixture(scope="session")
def servers(certificate, tmp_path_factory):
    """Starts the server of a peer when it is first asked for; it stays till the end."""
    started = {}
    folder = tmp_path_factory.mktemp("servers")
    with contextlib.ExitStack() as stack:

        def start(peer):
            if peer.name not in started:
                command = [*peer.command(), *certificate[:2]]
                process = stack.enter_context(child(command, folder))
                ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
                line = process.stdout.readline() if ready else b""
                assert line, f"{command} did not start"
                started[peer.name] = Server(peer, *map(int, line.split()))
            return started[peer.name]

        yield start


@pytest.fixture
def server(request, servers):
    """The server of the peer that is the parameter."""
    reason = request.param.missing()
    if reason is not None:
        pytest.skip(reason)
    return servers(request.param)


def pytest_configure(config):
    """Name the marker of what `make test` need not have."""
    config.addinivalue_line(
        "markers", "heavy: talks to a program that comes from Debian, if it is there"
    )
    config.addinivalue_line("markers", "peer(name): what the matrix calls the peer")


def pytest_itemcollected(item):
    """Note where in the matrix a test stands."""
    values = item.callspec.params if hasattr(item, "callspec") else {}
    marker = item.get_closest_marker("peer")
    peer = marker.args[0] if marker else values.get("server")
    if peer is not None and {"deflate", "secure"} <= values.keys():
        place = (str(peer), values["deflate"], values["secure"])
        item.user_properties.append(("interop", place))


def pytest_runtest_logreport(report):
    """Count what became of a test."""
    place = dict(report.user_properties).get("interop")
    if place is None or (report.when != "call" and report.passed):
        return
    name, *column = place
    outcome = "failed as known" if hasattr(report, "wasxfail") else report.outcome
    _results[name][tuple(column)][outcome] += 1
    if outcome == "skipped" and isinstance(report.longrepr, tuple):
        _reasons[name] = report.longrepr[2].removeprefix("Skipped: ")


def pytest_terminal_summary(terminalreporter):
    """Print the matrix."""
    if not _results:
        return
    terminalreporter.section("interop: peer by compression and TLS")
    heads = [
        f"{'wss' if tls else 'ws'}{' deflate' if deflate else ''}"
        for deflate, tls in COLUMNS
    ]
    width = max(map(len, _results))
    line = "{:{}}  " + "  ".join(["{:<28}"] * len(heads))
    terminalreporter.write_line(line.format("", width, *heads).rstrip())
    for name, row in _results.items():
        cells = [_cell(row[column]) for column in COLUMNS]
        terminalreporter.write_line(line.format(name, width, *cells).rstrip())
        if name in _reasons:
            terminalreporter.write_line(f"{'':{width}}  skipped: {_reasons[name]}")


def _cell(counts):
    return ", ".join(f"{number} {what}" for what, number in counts.items()) or "-"
