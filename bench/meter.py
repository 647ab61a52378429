"""The clocks of one measured stretch: our CPU time, the server's, and the wall."""

import time
from pathlib import Path


def cpu_time_of(pid):
    """CPU seconds of another process's main thread."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


class Meter:
    """Used as ``with meter:``, once for each measurement.

    Attributes:
        cpu: seconds of CPU of this process, all threads.
        wall: seconds.
        server_cpu: seconds of CPU of the server.
    """

    def __init__(self, server_pid=None):
        self._server = server_pid
        self.cpu = self.wall = self.server_cpu = None

    def __enter__(self):
        self._server_began = self._server_cpu()
        self._began = time.perf_counter()
        self._cpu_began = time.process_time()
        return self

    def __exit__(self, kind, error, trace):
        self.cpu = time.process_time() - self._cpu_began
        self.wall = time.perf_counter() - self._began
        self.server_cpu = self._server_cpu() - self._server_began

    def _server_cpu(self):
        return cpu_time_of(self._server) if self._server else 0.0
