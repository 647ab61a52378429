"""A session under load loses nothing, and its memory stays bounded."""

import json
import subprocess
import sys

import pytest

from tests.stress.harness import ROOT, times

MESSAGES = 1_000_000
MEGABYTES = 50


def carry(direction, loop, peer, authority):
    count = times(MESSAGES if authority is None else MESSAGES // 10)
    command = [
        *(sys.executable, "-m", "tests.stress.load"),
        *(direction, loop, peer.url(""), str(count)),
        *(["--authority", str(authority)] if authority else []),
    ]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    figures = json.loads(done.stdout)
    kind = "TCP" if authority is None else "TLS"
    print(f"\n    {direction}, {loop}, {kind}: {figures}", end="")  # noqa: T201
    assert figures["messages"] == count
    assert figures["megabytes"] < MEGABYTES


@pytest.mark.timeout(240)
def test_a_reader_that_sometimes_sleeps_gets_every_message_once_in_order(
    loop, peer, authority
):
    carry("receive", loop, peer, authority)


@pytest.mark.timeout(240)
def test_a_peer_that_sometimes_sleeps_gets_every_message_once_in_order(
    loop, peer, authority
):
    carry("send", loop, peer, authority)
