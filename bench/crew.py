"""The worker processes, one for each client, loop and wire, and how to talk to them."""

import json
import select
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
START = 10.0  # seconds that a job may take beyond its own patience


class WorkerError(Exception):
    """A job that came to nothing; says why."""


class Worker:
    """One client in a process of its own; a context manager."""

    def __init__(self, client, loop, trust):
        command = [sys.executable, "-m", "bench.worker", client, loop]
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115  a pipe could fill up
        self._process = subprocess.Popen(
            [*command, trust] if trust else command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def do(self, job):
        """One job's numbers."""
        try:
            self._process.stdin.write(json.dumps(job) + "\n")
            self._process.stdin.flush()
            answer = self._answer(job["patience"] + START)
        except BrokenPipeError:
            answer = ""
        if not answer:
            self._process.kill()
            raise WorkerError(self._last_words())
        result = json.loads(answer)
        if "error" in result:
            raise WorkerError(result["error"])
        return result

    def stop(self):
        """End the process, by force if it must be."""
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._said.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.stop()

    def _answer(self, seconds):
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        return self._process.stdout.readline() if ready else ""

    def _last_words(self):
        self._process.wait()
        self._said.seek(0)
        lines = self._said.read().strip().splitlines()
        return lines[-1] if lines else "it said nothing and ended, or took too long"


class Crew:
    """The workers that live on from row to row."""

    def __init__(self, trust):
        self._trust = trust
        self._workers = {}

    def worker(self, client, loop, wire):
        """The worker for this, started when it is needed first."""
        key = client, loop, wire
        if key not in self._workers:
            self._workers[key] = self.fresh(*key)
        return self._workers[key]

    def fresh(self, client, loop, wire):
        """A worker that its caller stops."""
        return Worker(client, loop, self._trust if wire == "tls" else None)

    def drop(self, client, loop, wire):
        """Start another one next time."""
        worker = self._workers.pop((client, loop, wire), None)
        if worker is not None:
            worker.stop()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        for key in list(self._workers):
            self.drop(*key)
