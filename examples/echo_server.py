"""A server that sends back what it gets, and one that never stops sending.

    python examples/echo_server.py [--port 8080]

* ``/route/path/to/ws`` echoes every message.
* ``/firehose`` sends numbered messages at full speed until it gets one; then it closes
  with how many it sent.

It ends on Ctrl-C or SIGTERM, and tells its guests.
"""

import argparse
import asyncio
import contextlib
import signal

from ktorws import ClosedSendChannelError, CloseReason
from ktorws.server import DefaultWebSocketServerSession, WebSocketServer

ECHO = "/route/path/to/ws"
FIREHOSE = "/firehose"


async def echo(session: DefaultWebSocketServerSession) -> None:
    async for message in session.incoming:
        await session.send(message)


async def firehose(session: DefaultWebSocketServerSession) -> None:
    sent = 0
    with contextlib.suppress(ClosedSendChannelError):
        while session.incoming.is_empty:
            await session.send(f"{sent:064d}")
            sent += 1
    await session.close(CloseReason(CloseReason.Codes.NORMAL, f"{sent} sent"))


async def main(port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # on Windows
            asyncio.get_running_loop().add_signal_handler(number, stop.set)

    server = WebSocketServer("127.0.0.1", port)
    server.websocket(ECHO)(echo)
    server.websocket(FIREHOSE)(firehose)
    async with server:
        print(f"Listening on ws://127.0.0.1:{server.port}{ECHO}", flush=True)
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Echo WebSocket messages.")
    parser.add_argument("--port", type=int, default=8080, help="0 for any")
    try:
        from uvloop import new_event_loop
    except ModuleNotFoundError:
        from asyncio import new_event_loop  # type: ignore[assignment]
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main(parser.parse_args().port))
