"""Starts peers and loops, and counts what is left behind."""

import asyncio
import contextlib
import gc
import logging
import os
import pathlib
import signal
import ssl
import subprocess
import sys
import time

import uvloop

from ktorws import CIO, HttpClient, WebSockets

ROOT = pathlib.Path(__file__).parents[2]
SHORT = os.environ.get("KTORWS_STRESS") == "short"
LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
SETTLING = 5  # seconds that what was let go may take to be gone


def times(full):
    """How many: all of them, or a tenth in a short run."""
    return full // 10 if SHORT else full


def resident():
    """Bytes of this process in memory."""
    fields = pathlib.Path("/proc/self/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors():
    """What the file descriptors of this process are open for."""
    links = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            links.append(os.readlink(f"/proc/self/fd/{name}"))
    return sorted(links)


class Peer:
    """A script of this folder in its own process; the name of its module."""

    def __init__(self, module="peer", certificate=None):
        options = ["--certificate", str(certificate)] if certificate else []
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.stress.{module}", *options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._scheme = "wss" if certificate else "ws"
        self.port = int(self._process.stdout.readline())

    def url(self, path):
        return f"{self._scheme}://127.0.0.1:{self.port}/{path}"

    def freeze(self):
        """Keep every connection, and do nothing: the black hole."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)  # until it has stopped

    def kill(self):
        self._process.kill()

    def reset(self):
        self._process.send_signal(signal.SIGUSR1)

    def half_close(self):
        self._process.send_signal(signal.SIGUSR2)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def trusting(authority):
    """An `SSLContext` for clients that knows the tests' authority."""
    context = ssl.create_default_context(cafile=str(authority))
    context.keylog_filename = None
    return context


def client(*, transport="asyncio", authority=None, **options):
    """A client of the peer's."""
    context = None if authority is None else trusting(authority)
    return HttpClient(
        CIO(transport=transport, ssl=context), features=[WebSockets(**options)]
    )


class Complaints(logging.Handler):
    """What asyncio logs, and what reaches a loop's exception handler."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.heard = []

    def emit(self, record):
        if not record.getMessage().startswith("Executing "):  # slow in debug mode
            self.heard.append(record.getMessage())

    def handle_exception(self, loop, context):
        self.heard.append(f"{context['message']}: {context.get('exception')!r}")

    def __enter__(self):
        logging.getLogger("asyncio").addHandler(self)
        return self

    def __exit__(self, kind, error, trace):
        logging.getLogger("asyncio").removeHandler(self)
        if error is None:
            assert not self.heard


def run(main, loop, *, debug=False):
    """What the coroutine gives; nothing may be complained of or left behind."""
    with (
        Complaints() as complaints,
        asyncio.Runner(loop_factory=LOOPS[loop], debug=debug) as runner,
    ):
        runner.get_loop().set_exception_handler(complaints.handle_exception)
        return runner.run(_leaving_nothing(main))


async def _leaving_nothing(main):
    # libuv keeps a descriptor from the first socket on: let it have that now.
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    server.close()
    await server.wait_closed()
    before = descriptors()
    result = await main
    await settled(before)
    gc.collect()
    await asyncio.sleep(0)
    return result


async def settled(before):
    """Wait until the descriptors are as before, and no other task is there."""
    end = time.monotonic() + SETTLING
    while True:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        now = descriptors()
        if now == before and not tasks:
            return
        if time.monotonic() > end:
            assert not tasks
            assert now == before
        await asyncio.sleep(0.01)
