"""The side under attack, in a process of its own: a ktorws client or server.

Takes its task as JSON from the command line and prints what became of it as JSON.
"""

import asyncio
import contextlib
import gc
import json
import logging
import pathlib
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


def say(value):
    """A line of JSON for the one who started this."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def peak():
    """The most bytes of memory that this process ever had."""
    fields = pathlib.Path("/proc/self/status").read_text().split()
    return int(fields[fields.index("VmHWM:") + 1]) * 1024


def forget_peak():
    """Let the peak be what is in use now."""
    gc.collect()
    pathlib.Path("/proc/self/clear_refs").write_text("5")


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
    forget_peak()
    before = peak()
    outcome = Outcome()
    async with http:
        session = await outcome.attempt(
            http.websocket_session(task["url"], **task["request"])
        )
        if session is not None:
            await outcome.follow(session, task["act"], task["hold"])
            del session
    outcome.fields["memory"] = peak() - before
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

    forget_peak()
    before = peak()
    async with listening:
        say(listening.port)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, sys.stdin.readline)
        end = time.monotonic() + 5
        while listening._guests and time.monotonic() < end:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        left = len(listening._guests)
    fields = outcomes[0].fields if outcomes else {"opened": False, "error": None}
    return {**fields, "memory": peak() - before, "left": left}


def main():
    task = json.loads(sys.argv[1])
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
        fields = runner.run({"client": client, "server": server}[task["side"]](task))
        gc.collect()
    say({**fields, "complaints": complaints})


if __name__ == "__main__":
    main()
