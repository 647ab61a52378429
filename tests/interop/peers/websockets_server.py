"""The server of `scenarios` by ``websockets``; gets a certificate and its key."""

import asyncio
import contextlib
import ssl
import sys

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

reports = asyncio.Queue()


async def echo(ws):
    async for message in ws:
        await ws.send(message)


async def fragments(ws):
    await ws.send(["one, ", "two, ", "drei €"])
    await ws.send([b"\x00", b"\x01", b"\x02"])
    await ws.wait_closed()


async def ping(ws):
    await (await ws.ping("payload"))
    await ws.send("pong")
    await ws.wait_closed()


async def bye(ws):
    await ws.close(4001, "server says bye")


async def report(ws):
    with contextlib.suppress(ConnectionClosed):
        await ws.recv()
    reports.put_nowait(f"{ws.close_code} {ws.close_reason}")


async def reported(ws):
    await ws.send(await reports.get())
    await ws.wait_closed()


async def numbers(ws):
    for number in range(int(await ws.recv())):
        await ws.send(str(number))
    await ws.send("end")
    await ws.wait_closed()


async def count(ws):
    number = 0
    async for message in ws:
        if message == "end":
            await ws.send(str(number))
        elif message == str(number):
            number += 1


HANDLERS = (echo, fragments, ping, bye, report, reported, numbers, count)
PATHS = {f"/{handler.__name__}": handler for handler in HANDLERS}


def choose(_, offered):
    return "echo" if "echo" in offered else None


async def handle(ws):
    await PATHS[ws.request.path](ws)


async def main():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*sys.argv[1:])
    options = {"max_size": None, "select_subprotocol": choose}
    async with (
        serve(handle, "127.0.0.1", 0, **options) as plain,
        serve(handle, "127.0.0.1", 0, ssl=context, **options) as tls,
    ):
        ports = [next(iter(s.sockets)).getsockname()[1] for s in (plain, tls)]
        sys.stdout.write("{} {}\n".format(*ports))
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
