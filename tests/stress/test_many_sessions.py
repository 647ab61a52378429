"""A thousand sessions in one process leave nothing behind, however they end."""

import json
import subprocess
import sys

import pytest

from tests.stress.harness import ROOT, Peer, times

SESSIONS = 1_000
NOISE = 100_000  # bytes; a thousand forgotten sessions would be millions


@pytest.mark.timeout(120)
@pytest.mark.parametrize("kind", ["tcp", "tls", "debug"])
@pytest.mark.parametrize("end", ["closed", "left-open", "refused"])
def test_a_thousand_sessions_leave_nothing(loop, tls_files, end, kind):
    certificate, authority = tls_files if kind == "tls" else (None, None)
    count = max(times(SESSIONS), 200)
    with Peer("websockets_peer", certificate) as peer:
        command = [
            *(sys.executable, "-m", "tests.stress.many_sessions"),
            *(end, loop, peer.url(""), str(count)),
            *(["--debug"] if kind == "debug" else []),
            *(["--authority", str(authority)] if authority else []),
        ]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    print(f"\n    {end}, {loop}, {kind}: {figures}", end="")  # noqa: T201
    assert figures.pop("bytes") < NOISE
    assert figures == {"sessions": count, "tasks": 0, "descriptors": 0}
