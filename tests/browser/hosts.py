"""Pyodide in a process of its own, in Node or in Chromium, with ktorws installed."""

import asyncio
import json
import os
import queue
import shutil
import subprocess
import threading
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
HERE = Path(__file__).parent
MODULES = Path(os.environ.get("NODE_PATH", ROOT / "build/browser/node_modules"))
CHROMIUM = Path("/usr/bin/chromium")

BOOT_TIMEOUT = 120  # seconds; 5 to 10 are usual
JOB_TIMEOUT = 60

LOAD = """
import json, pathlib, sys
sys.path.insert(0, "/home/pyodide")
for name, text in json.loads(args).items():
    path = pathlib.Path("/home/pyodide", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
""
"""

CALL = """
import asyncio, importlib, json, traceback
module, name, arguments = json.loads(args)
try:
    async with asyncio.timeout(20):
        result = await getattr(importlib.import_module(module), name)(*arguments)
    answer = {"result": result}
except BaseException as error:
    answer = {"error": "".join(traceback.format_exception(error))}
json.dumps(answer)
"""


def why_not(kind):
    """Why there is no such host here, or None."""
    if shutil.which("node") is None:
        return "there is no Node"
    for package in ("pyodide", "ws", "playwright-core"):
        if not (MODULES / package).exists():
            return f"the npm package {package} is not installed: make test-browser"
    if kind == "chromium" and not CHROMIUM.exists():
        return "Debian's chromium is not installed"
    return None


class Host:
    """Runs coroutine functions of the given files, one at a time."""

    def __init__(self, kind, base, files):
        """Boot with what ``base`` serves; the files are importable there."""
        self.kind = kind
        self._lines = queue.Queue()
        self._process = subprocess.Popen(
            ["node", str(HERE / "host.mjs"), kind, base],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ
            | {
                "NODE_PATH": str(MODULES),
                "NODE_TLS_REJECT_UNAUTHORIZED": "0",  # the certificates are the tests'
                "NODE_NO_WARNINGS": "1",
            },
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._answer(BOOT_TIMEOUT)
            self._run(LOAD, {name: (ROOT / name).read_text("utf-8") for name in files})
        except BaseException:
            self._process.kill()
            self.stop()
            raise

    async def call(self, module, name, *arguments):
        """What ``await module.name(*arguments)`` gives in there, by way of JSON.

        Raises:
            AssertionError: it raised; carries the traceback.
        """
        job = [module, name, arguments]
        answer = json.loads(await asyncio.to_thread(self._run, CALL, job))
        assert "error" not in answer, f"In {self.kind}:\n{answer['error']}"
        return answer["result"]

    def stop(self):
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()

    def _run(self, code, args):
        job = json.dumps({"code": code, "args": args})
        self._process.stdin.write(f"{job}\n")
        self._process.stdin.flush()
        return self._answer(JOB_TIMEOUT)

    def _answer(self, seconds):
        line = self._lines.get(timeout=seconds)
        assert line is not None, f"{self.kind} has ended"
        answer = json.loads(line)
        assert "error" not in answer, answer.get("error")
        return answer["result"]

    def _read(self):
        for line in self._process.stdout:
            if line.startswith("{"):  # else Pyodide tells of its doings
                self._lines.put(line)
        self._lines.put(None)
