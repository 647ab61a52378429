"""A conversation with a server in another process, then traffic at full speed.

python examples/demo.py [--seconds 2.5]
"""

import argparse
import asyncio
import contextlib
import os
import statistics
import struct
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ktorws import (
    CIO,
    CODEC,
    CloseReason,
    Frame,
    HttpClient,
    WebSockets,
    __version__,
)
from ktorws import DefaultClientWebSocketSession as Session

try:
    from uvloop import new_event_loop
except ModuleNotFoundError:
    from asyncio import new_event_loop  # type: ignore[assignment]

SERVER = Path(__file__).with_name("echo_server.py")
ECHO = "/route/path/to/ws"
FIREHOSE = "/firehose"
NUMBER = struct.Struct("!Q")
PADDING = bytes(256 - NUMBER.size)
PATIENCE = 10.0  # seconds beyond the planned ones, before a phase has failed


class DemoError(Exception):
    """Something was lost, or came out wrong."""


@dataclass
class Traffic:
    """What a phase has moved so far."""

    title: str
    sent: int = 0
    received: int = 0
    received_bytes: int = 0
    began: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0
    latencies: list[float] = field(default_factory=list)
    reason: CloseReason | None = None

    def summary(self) -> str:
        seconds = self.seconds or max(time.perf_counter() - self.began, 1e-9)
        return (
            f"{self.title}: {self.received:>9,} messages received, "
            f"{self.received / seconds:>9,.0f}/s, "
            f"{self.received_bytes / seconds / 1e6:6.1f} MB/s"
        )


@contextlib.asynccontextmanager
async def server() -> AsyncIterator[int]:
    """The server's port; it runs meanwhile, in a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", str(SERVER), "--port", "0"),
        stdout=asyncio.subprocess.PIPE,
        # Ctrl-C is for us: we close our sessions, and then end the server.
        start_new_session=os.name == "posix",
    )
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode().strip()
        if not line:
            raise DemoError("The server did not start")
        print(f"The server runs as process {process.pid}, we are {os.getpid()}.")
        print(f"  {line}")
        yield int(line.removesuffix(ECHO).rpartition(":")[2])
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        code = await process.wait()
        how = "in good order" if code == 0 else f"with status {code}"
        print(f"The server has ended, {how}.")


async def converse(client: HttpClient, port: int) -> None:
    """What the README's example does, and how it ends."""
    print("\nA conversation")
    async with client.ws(
        method="GET", host="127.0.0.1", port=port, path=ECHO
    ) as session:
        status = session.call.response.status
        print(f"  we connect to {ECHO}: the server answers {status}")
        for message in (
            "Hello, Text frame",
            Frame.Text("Hello World"),
            Frame.Binary(b"\x00\x01"),
        ):
            await session.send(message)
            print(f"  we send           {message!r}")
        expected = ["Hello, Text frame", "Hello World", b"\x00\x01"]
        for wanted in expected:
            match await session.incoming.receive():
                case Frame.Text() as frame:
                    got: str | bytes = frame.read_text()
                case frame:
                    got = frame.read_bytes()
            print(f"  the server echoes {got!r}")
            if got != wanted:
                raise DemoError(f"{got!r} came instead of {wanted!r}")
        print(f"  1,000 round trips, one by one: {await round_trip(session)} each")
    print(f"  we close: {await session.close_reason}")


async def round_trip(session: Session) -> str:
    """How long a message and its echo take, the median of many."""
    times = []
    for _ in range(1000):
        began = time.perf_counter()
        await session.send("ping")
        await session.incoming.receive()
        times.append(time.perf_counter() - began)
    return f"{statistics.median(times) * 1e6:.0f} µs (median)"


async def echo(session: Session, done: Traffic, end: float) -> None:
    """Send without waiting for answers; every answer must come, in order."""

    async def send() -> None:
        while time.perf_counter() < end:
            for _ in range(100):
                await session.send(NUMBER.pack(done.sent) + PADDING)
                done.sent += 1

    async with asyncio.TaskGroup() as group:
        sending = group.create_task(send())
        while not sending.done() or done.received < done.sent:
            for frame in await session.incoming.receive_many():
                (number,) = NUMBER.unpack_from(frame.data)
                if number != done.received:
                    raise DemoError(f"Echo {number} came instead of {done.received}")
                done.received += 1
                done.received_bytes += len(frame)


async def drink(session: Session, done: Traffic, end: float) -> None:
    """Receive what the server sends at full speed; none may be missing."""
    stopping = False
    async for frame in session.incoming:
        if int(frame.data) != done.received:
            raise DemoError(f"Message {done.received} is missing")
        done.received += 1
        done.received_bytes += len(frame)
        if not stopping and time.perf_counter() > end:
            stopping = True
            await session.send("Thank you")
    told = (await session.close_reason).message
    if told != f"{done.received} sent":
        raise DemoError(f"{done.received} messages came, the server says: {told}")


async def phase(client: HttpClient, port: int, done: Traffic, seconds: float) -> None:
    """One session at full speed, watched while it lasts."""
    path, work = (ECHO, echo) if done.title == "echo" else (FIREHOSE, drink)
    async with asyncio.timeout(seconds + PATIENCE):
        async with client.ws(host="127.0.0.1", port=port, path=path) as session:
            done.began = time.perf_counter()
            with watched(session, done):
                await work(session, done, done.began + seconds)
            done.seconds = time.perf_counter() - done.began
        done.reason = await session.close_reason


@contextlib.contextmanager
def watched(session: Session, done: Traffic) -> Iterator[None]:
    """Keep a line on the screen up to date; where there is none, write some lines."""
    live = sys.stdout.isatty()
    start, end = ("\r", "") if live else ("", "\n")

    async def watch() -> None:
        while True:
            await asyncio.sleep(0.1 if live else 0.5)
            if session.latency is not None:
                done.latencies.append(session.latency)
            print(f"{start}  {done.summary()}", end=end, flush=True)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
        if live:
            print(f"{start}  {done.summary()}")


async def demo(seconds: float) -> None:
    loop = type(asyncio.get_running_loop()).__module__.partition(".")[0]
    print(f"ktorws {__version__}, {CODEC} codec, {loop}'s event loop\n")
    both = [Traffic("echo"), Traffic("firehose")]
    async with server() as port, HttpClient(CIO) as client:
        client.install(WebSockets, ping_interval_millis=100, timeout_millis=15_000)
        await converse(client, port)
        print("\nFull speed: 256-byte messages both ways, then 64-byte texts to us")
        for traffic in both:
            await phase(client, port, traffic, seconds)
        summarize(both, loop)


def summarize(both: list[Traffic], loop: str) -> None:
    print("\nSummary")
    for traffic in both:
        print(f"  {traffic.summary()}")
        if traffic.latencies:
            median = statistics.median(traffic.latencies) * 1000
            print(f"    a ping's round trip in this traffic: {median:.2f} ms (median)")
        print(f"    closed: {traffic.reason}")
    print(f"  codec {CODEC}, loop {loop}; nothing was lost, all came in order\n")


def run() -> int:
    parser = argparse.ArgumentParser(description="Watch ktorws at work.")
    parser.add_argument("--seconds", type=float, default=2.5, help="for each phase")
    seconds: float = parser.parse_args().seconds
    try:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(demo(seconds))
    except KeyboardInterrupt:
        print("\nInterrupted; everything is closed.")
        return 130
    except (Exception, ExceptionGroup) as error:
        print(f"\nThe demo failed: {type(error).__name__}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(run())
