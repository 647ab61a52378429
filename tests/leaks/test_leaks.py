"""Programs that would grow if anything leaked, each in a process of its own."""

import json
import subprocess
import sys

import pytest

from tests.stress.harness import LOOPS, ROOT, Peer, times

NOISE = 20_000  # bytes; less than one for each call


def assert_flat(left):
    assert left["objects"] == {}
    assert left["references"] == {}
    assert left["traced"] < 100_000
    assert left["resident"] < 4 * 2**20


def printed(module, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.timeout(300)
@pytest.mark.parametrize("codec", ["cython", "python"])
def test_the_codec_keeps_no_memory(codec):
    traced, memory = map(int, printed("tests.leaks.codec", codec).split())
    assert traced < NOISE
    assert memory < 2**20


@pytest.mark.parametrize("loop", LOOPS)
def test_no_event_loop_outlives_its_sessions(loop):
    assert printed("tests.leaks.loops", loop) == "0\n"


@pytest.mark.timeout(120)
@pytest.mark.parametrize("loop", LOOPS)
def test_a_session_is_freed_with_all_that_it_held(loop):
    count = max(times(1_000), 100)
    with Peer("websockets_peer") as peer:
        left = printed("tests.leaks.sessions", loop, peer.url("echo"), str(count))
    assert left == "{}\n"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("loop", LOOPS)
def test_ten_thousand_sessions_leave_nothing_behind(loop):
    count = times(10_000)
    with Peer("websockets_peer") as peer:
        left = json.loads(
            printed("tests.leaks.many_sessions", loop, peer.url("echo"), str(count))
        )
    assert_flat(left)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("loop", LOOPS)
def test_ten_thousand_sessions_that_compress_leave_nothing_behind(loop):
    count = times(10_000)
    left = json.loads(printed("tests.leaks.deflate", loop, str(count)))
    assert left["compressed"] == count * 6  # three messages each way
    assert_flat(left)
