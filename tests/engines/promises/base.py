"""How a promise is written down, run, and told what the far side saw."""

import asyncio
import dataclasses
import json
import sys
import urllib.parse
import uuid

from ktorws import (
    HttpClient,
    WebSocketChannelsConfig,
    WebSocketDeflateExtension,
    WebSockets,
    bounded,
)

SOON = 0.15  # seconds; a limit that is meant to be reached
PATIENCE = 10  # seconds, for what must happen
BLOCK = bytes(range(256)) * 256  # 64 KiB
MUCH = 400  # blocks: more than any pair of sockets holds
NARROW_IN = {"channels": WebSocketChannelsConfig(incoming=bounded(8))}
NARROW_OUT = {"channels": WebSocketChannelsConfig(outgoing=bounded(8))}

#: By name.
PROMISES = {}

#: Options that an engine honours or refuses by name: those of `install(WebSockets)`,
#: and those of `client.ws`, where "raw" is `client.ws_raw` and "sock" a socket.
OPTIONS = {
    "channels": NARROW_IN["channels"],
    "extensions": (WebSocketDeflateExtension.install(),),
    "max_frame_size": 1000,
    "ping_interval": 60,
    "headers": {"X-Asked": "for"},
    "raw": None,
    "sock": None,
}

#: What an engine may lack besides: its limits, in words. An adapter gives the reasons.
LIMITS = {
    "a network",
    "dropping a connection",
    "every close code",
    "an answer in pieces",
    "opening without the subprotocol that was asked for",
    "refusals",
    "response headers",
    "stopping the peer",
    "telling what a peer broke",
    "telling what is wrong with an answer",
    "waiting for a slow peer",
}


@dataclasses.dataclass(frozen=True)
class Promise:
    """One test of one promise.

    Attributes:
        name: the function's.
        holds: the promise, as the docstring of `HttpClientEngine` names it.
        needs: what an engine may lack, by the names that `Adapter.limits` uses.
        options: of `install(WebSockets)`.
        body: ``async def body(client, far)``.
    """

    name: str
    holds: str
    needs: frozenset
    options: dict
    body: object


def promise(holds, *needs, **options):
    """Register a coroutine function; it is named as a test is, a sentence."""

    def register(body):
        made = Promise(body.__name__, holds, frozenset(needs), options, body)
        assert made.needs <= LIMITS | OPTIONS.keys()
        assert PROMISES.setdefault(made.name, made) is made
        return body

    return register


async def hold(name, engine, base, dead):
    """Run one promise.

    Args:
        name: a key of `PROMISES`.
        engine: the engine to hold it against; stays open.
        base: where the far side is, such as ``ws://127.0.0.1:1234``.
        dead: a URL where nobody listens.
    """
    made = PROMISES[name]
    async with HttpClient(engine).install(WebSockets) as asking:
        far = Far(base, dead, asking)
        async with HttpClient(engine).install(WebSockets, **made.options) as client:
            async with asyncio.timeout(PATIENCE):
                await made.body(client, far)


async def ask_for(option, engine, base):
    """Open a session with one of `OPTIONS`; gives the text of the refusal, or None."""
    installed, asked = {}, {}
    if option in {"headers", "sock"}:
        asked[option] = OPTIONS[option] or _socket_to(base)
    elif option != "raw":
        installed[option] = OPTIONS[option]
    async with HttpClient(engine).install(WebSockets, **installed) as client:
        open_ = client.ws_raw if option == "raw" else client.ws
        try:
            async with open_(f"{base}/echo", **asked) as session:
                await session.send("Hello")
                assert await text_of(session) == "Hello"
        except ValueError as error:
            if option == "sock":  # it is still ours
                getattr(asked[option], "close", lambda: None)()
            return str(error)
    return None


def _socket_to(base):
    if sys.platform == "emscripten":  # its sockets are WebSockets in disguise
        return object()
    import socket

    try:
        parts = urllib.parse.urlsplit(base)
        return socket.create_connection((parts.hostname, parts.port), PATIENCE)
    except (OSError, TypeError):  # no network here: it is to be refused
        return object()


class Far:
    """The far side: where it is, and what it saw."""

    def __init__(self, base, dead, client):
        self.base = base
        self.dead = dead
        self._client = client

    def visit(self, path, **query):
        """The URL of a behaviour, for one connection."""
        return Visit(self, path, uuid.uuid4().hex, query)

    async def ask(self, question, key):
        """What a visit's connection looks like from the far side."""
        async with self._client.ws(f"{self.base}/{question}?visit={key}") as session:
            return json.loads((await session.incoming.receive()).read_text())


class Visit:
    """One connection to the far side."""

    def __init__(self, far, path, key, query):
        self._far = far
        self._key = key
        more = "".join(f"&{name}={value}" for name, value in query.items())
        self.url = f"{far.base}/{path}?visit={key}{more}"

    async def now(self):
        """What the far side has seen so far: a dict, see `far_side.Visit`."""
        return await self._far.ask("now", self._key)

    async def ended(self):
        """The same, once the client's side of the connection has ended."""
        return await self._far.ask("ended", self._key)

    async def until(self, condition):
        """Wait until the far side has seen what meets the condition."""
        while not condition(await self.now()):  # noqa: ASYNC110  it is elsewhere
            await asyncio.sleep(0.005)

    async def asked(self):
        """Wait until the far side has the request."""
        await self.until(lambda seen: seen["target"])

    async def go_on(self):
        """Let the far side do what it waits with."""
        await self._far.ask("go-on", self._key)


async def raised(error, awaitable):
    """The error of exactly this class that awaiting raises."""
    try:
        got = await awaitable
    except error as caught:
        got = caught
        if type(caught) is error:
            return caught
    raise AssertionError(f"{error.__name__} awaited, not {got!r}")


async def text_of(session):
    return (await session.incoming.receive()).read_text()


async def stands_still(look, *, rounds=6):
    """Wait until a number has stopped to grow, and give it."""
    still, last = 0, await look()
    while still < rounds:
        await asyncio.sleep(0.02)
        value = await look()
        still, last = (still + 1, value) if value == last else (0, value)
    return last


def others(tasks):
    """Tasks that were not among these."""
    return {task for task in asyncio.all_tasks() - tasks if not task.done()}


async def until_no_task_is_left(tasks):
    while left := others(tasks):
        try:
            await asyncio.sleep(0.005)
        except asyncio.CancelledError:
            raise AssertionError(f"Left behind: {left}") from None
