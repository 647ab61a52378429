"""The page of `examples/browser`, used as a person would."""

import json
import os
import subprocess
import sys

import pytest

from tests.browser.hosts import HERE, MODULES, ROOT, why_not

SERVE = ROOT / "examples/browser/serve.py"
SCREENSHOT = ROOT / "build/browser/page.png"
GREETING = "Grüße <b>an</b> alle, 世界 🙂"


@pytest.fixture
def address():
    if reason := why_not("chromium"):
        pytest.skip(reason)
    server = subprocess.Popen(
        [sys.executable, "-W", "error", str(SERVE), "--port", "0"],
        stdout=subprocess.PIPE,
        encoding="utf-8",
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    try:
        yield server.stdout.readline().split()[1]
    finally:
        server.terminate()
        assert server.wait(10) == 0
        server.stdout.close()


@pytest.mark.timeout(150)
def test_a_person_connects_sends_and_sees_frames(address):
    done = subprocess.run(
        ["node", str(HERE / "page.mjs"), address, str(SCREENSHOT)],
        capture_output=True,
        encoding="utf-8",
        env=os.environ | {"NODE_PATH": str(MODULES)},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["errors"] == []
    assert "engine Js, codec python" in seen["status"]
    size = len(GREETING.encode())
    octets = GREETING.encode().hex(" ")
    opened, welcome, *echoes, closed, failed = seen["log"]
    assert opened[0] == "open"
    assert welcome[:2] == ["← text", "Welcome! Everything you send comes back."]
    assert echoes == [
        ["→ text", "Hello, Text frame", "17 B"],
        ["← text", "Hello, Text frame", "17 B"],
        ["→ text", GREETING, f"{size} B"],
        ["← text", GREETING, f"{size} B"],
        ["→ binary", octets, f"{size} B"],
        ["← binary", octets, f"{size} B"],
    ]
    assert closed == ["closed", "CloseReason(reason=NORMAL, message=)"]
    assert failed[0] == "failed"
    assert "does not say why" in failed[1]
