"""The side under attack, in a process of its own: a ktorws client or server.

Takes tasks from its standard input, one after the other, each a line of JSON; prints
what became of it as another.
"""

import asyncio
import contextlib
import ctypes
import gc
import json
import logging
import pathlib
import socket
import ssl
import sys
import time

import aiohappyeyeballs  # noqa: F401  so that importing it is not counted as memory
import httptools  # noqa: F401

from ktorws import CIO, CloseReason, HttpClient, WebSockets
from ktorws.deflate import WebSocketDeflateExtension
from ktorws.server import WebSocketServer

BLOCK = bytes(64 * 1024)
PATIENCE = 25  # seconds, for what must end by itself
LIBC = ctypes.CDLL(None)


def say(value):
    """A line of JSON for the one who started this."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def peak():
    """The most bytes of memory that this process ever had."""
    fields = pathlib.Path("/proc/self/status").read_text().split()
    return int(fields[fields.index("VmHWM:") + 1]) * 1024


def settled():
    """The bytes in use once nothing is kept for later; the peak starts anew there."""
    gc.collect()
    if hasattr(LIBC, "malloc_trim"):
        LIBC.malloc_trim(0)
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return peak()


@contextlib.contextmanager
def resolving(answer):
    """Let the resolver say this, after a delay; it says nothing where it is None."""
    if answer is None:
        yield
        return
    real = socket.getaddrinfo

    def getaddrinfo(host, *rest, **options):
        name = host.decode() if isinstance(host, bytes) else host
        if not name.endswith(".test"):
            return real(host, *rest, **options)
        time.sleep(answer["delay"])
        if answer["addresses"] is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        tcp = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        return [(*tcp, tuple(address)) for address in answer["addresses"]]

    socket.getaddrinfo = getaddrinfo
    try:
        yield
    finally:
        socket.getaddrinfo = real


def feature(options):
    """`WebSockets` with these options."""
    options = dict(options)
    if (deflate := options.pop("deflate", None)) is not None:
        options["extensions"] = [WebSocketDeflateExtension.install(**deflate)]
    return WebSockets(**options)


class Outcome:
    """What became of one session."""

    def __init__(self):
        self.began = time.monotonic()
        self.fields = {"opened": False, "error": None, "reason": None, "messages": 0}

    async def attempt(self, coroutine):
        try:
            return await coroutine
        except Exception as error:
            self.failed(error)
            return None

    def failed(self, error):
        if self.fields["error"] is None:
            self.fields["error"] = type(error).__name__
            self.fields["text"] = str(error)[:200]
            self.fields["seconds"] = time.monotonic() - self.began
            response = getattr(error, "response", None)
            if response is not None:
                self.fields["status"] = response.status
                self.fields["body"] = len(response.body)

    async def follow(self, session, act, hold):
        """Do what the scenario says, until the session has ended."""
        self.fields["opened"] = True
        acts = {"read": _read, "ignore": _ignore, "close": _close, "send": _send}
        limit = asyncio.timeout(PATIENCE)
        try:
            async with limit:
                await acts[act](session, self.fields, hold)
        except Exception as error:
            if limit.expired():
                self.fields["error"] = "nothing"
                session.cancel()
            self.failed(error)
        self.fields["reason"] = (await session.close_reason).code
        self.fields["waiting"] = len(session.incoming)
        session.incoming.cancel()
        await session.wait_closed()
        self.fields["gone"] = time.monotonic() - self.began


async def _read(session, fields, hold):
    while True:
        frame = await session.incoming.receive()
        fields["messages"] += 1
        fields["bytes"] = fields.get("bytes", 0) + len(frame)
        del frame


async def _ignore(session, fields, hold):
    """Receive nothing for a while, then look at how it ended."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(hold):
            await session.wait_closed()
    session.cancel()
    await session.outgoing.send("the end")


async def _close(session, fields, hold):
    await asyncio.sleep(hold)
    await session.close(CloseReason(1000, ""))
    await session.incoming.receive()


async def _send(session, fields, hold):
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(hold):
            while True:
                await session.send(BLOCK)
                fields["sent"] = fields.get("sent", 0) + 1
    await asyncio.wait_for(session.close(), 5)
    await session.outgoing.send("the end")


async def client(task):
    """Open one session and follow it."""
    context = ssl.create_default_context(cafile=task["ca"]) if task["ca"] else None
    http = HttpClient(CIO(ssl=context), features=[feature(task["options"])])
    outcome = Outcome()
    async with http:
        with resolving(task["resolver"]):
            session = await outcome.attempt(
                http.websocket_session(task["url"], **task["request"])
            )
        if session is not None:
            await outcome.follow(session, task["act"], task["hold"])
            del session
    return outcome.fields


async def server(task):
    """Accept sessions until told to stop."""
    logging.disable()
    outcomes = []
    context = None
    if task["certificate"]:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(task["certificate"])
    listening = WebSocketServer(ssl=context, websockets=feature(task["options"]))

    @listening.websocket("/")
    async def handle(session):
        outcome = Outcome()
        outcomes.append(outcome)
        await outcome.follow(session, task["act"], task["hold"])

    async with listening:
        say(listening.port)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, sys.stdin.readline)
        end = time.monotonic() + 5
        while listening._guests and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        left = len(listening._guests)
    fields = outcomes[0].fields if outcomes else {"opened": False, "error": None}
    return {**fields, "left": left}


def run(main, task):
    """What came of it in an event loop of its own, and what the loop complained of."""
    loop_factory = None
    if task["loop"] == "uvloop":
        import uvloop

        loop_factory = uvloop.new_event_loop
    complaints = []
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.get_loop().set_exception_handler(
            lambda _, context: complaints.append(
                f"{context['message']}: {context.get('exception')!r}"
            )
        )
        fields = runner.run(main(task))
        gc.collect()
    return {**fields, "complaints": complaints}


async def warm_up():
    """Talk to oneself, so that what everything needs once is no row's memory."""
    ssl.create_default_context()
    options = feature({"deflate": {}})
    async with WebSocketServer(websockets=options) as listening:

        @listening.websocket("/")
        async def handle(session):
            await session.send((await session.incoming.receive()).data)

        async with HttpClient(CIO, features=[options]) as http:
            async with http.ws(f"ws://localhost:{listening.port}/") as session:
                await session.send(b"x")
                await session.incoming.receive()


def serve(mains):
    """Do the tasks that come. Memory is counted from what is in use at the start."""
    start = settled()
    while line := sys.stdin.readline():
        task = json.loads(line)
        settled()
        fields = run(mains[task["side"]], task)
        memory = peak() - start
        say({**fields, "memory": memory, "kept": settled() - start})


if __name__ == "__main__":
    asyncio.run(warm_up())
    serve({"client": client, "server": server})
