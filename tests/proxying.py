"""Real proxy programs, each in a process of its own, and what is needed to use them."""

import asyncio
import contextlib
import importlib.util
import os
import shutil
import socket
import sys
import time

import pytest

from tests.certificates import authority
from tests.scripted import free_port

PATIENCE = 15  # seconds for a program to listen
USER, SECRET = "user", "s3cret"

# It asks for the main thread's event loop, which later Pythons do not make unasked.
PPROXY = (
    "import asyncio, sys, warnings\n"
    "warnings.simplefilter('ignore')\n"
    "sys.modules['uvloop'] = None\n"
    "from pproxy.server import main\n"
    "asyncio.set_event_loop(asyncio.new_event_loop())\n"
    "main(sys.argv[1:])\n"
)


def needs(program):
    """Skip, with the reason, unless the program is there."""
    found = (
        importlib.util.find_spec(program)
        if program == "pproxy"
        else shutil.which(program)
    )
    if not found:
        pytest.skip(f"{program} is not installed here")


@contextlib.asynccontextmanager
async def program(command, port):
    """The program, from the moment it listens on the port."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    errors = asyncio.ensure_future(process.stderr.read())
    try:
        end = time.monotonic() + PATIENCE
        while not _listens(port):
            if process.returncode is not None:
                pytest.fail(f"{command[0]} ended: {(await errors).decode()}")
            assert time.monotonic() < end, f"{command[0]} does not listen"
            await asyncio.sleep(0.02)
        yield
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await errors


def _listens(port):
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0


def certificate_file(folder, *names):
    """A certificate for these names and its key, as one file."""
    path = folder / "proxy.pem"
    authority("proxy").issue_cert(*names).private_key_and_cert_chain_pem.write_to_path(
        str(path)
    )
    return path


@contextlib.asynccontextmanager
async def pproxy(schemes, *, credentials=False, certificate=None):
    """pproxy, for all schemes that it is to speak; gives its port."""
    needs("pproxy")
    port = free_port()
    listen = f"{schemes}://127.0.0.1:{port}"
    if credentials:
        listen += f"/#{USER}:{SECRET}"
    command = [sys.executable, "-c", PPROXY, "-l", listen]
    if certificate is not None:
        command += ["--ssl", str(certificate)]
    async with program(command, port):
        yield port


@contextlib.asynccontextmanager
async def tinyproxy(folder, *, credentials=False):
    """Debian's tinyproxy; gives its port."""
    needs("tinyproxy")
    port = free_port()
    lines = [f"Port {port}", "Listen 127.0.0.1", "Timeout 60", "Allow 127.0.0.1"]
    if credentials:
        lines.append(f"BasicAuth {USER} {SECRET}")
    path = folder / "tinyproxy.conf"
    path.write_text("\n".join(lines) + "\n")
    async with program(["tinyproxy", "-d", "-c", str(path)], port):
        yield port


@contextlib.asynccontextmanager
async def microsocks(*, credentials=False):
    """Debian's microsocks, SOCKS5 only; gives its port."""
    needs("microsocks")
    port = free_port()
    command = ["microsocks", "-i", "127.0.0.1", "-p", str(port)]
    if credentials:
        command += ["-u", USER, "-P", SECRET]
    async with program(command, port):
        yield port
