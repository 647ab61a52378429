"""A first look at throughput: ktorws beside picows, in one run on one machine.

Not the benchmark: it tells whether the shape of the data path is right. The peer is a
plain asyncio program with ready-made octets, in a process of its own. What counts is
the client's CPU time per message; rounds of both clients alternate.

    python bench/look.py [--loop uvloop|asyncio] [--rounds 7] [--messages 300000]
"""

import argparse
import asyncio
import base64
import hashlib
import os
import statistics
import subprocess
import sys
import time

SIZE = 64
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Neutral(asyncio.Protocol):
    """Answers /firehose/N with N texts and reads /sink/N until N octets are there."""

    def connection_made(self, transport):
        self.transport = transport
        self.head = b""
        self.left = None
        self.writable = asyncio.Event()
        self.writable.set()

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()

    def data_received(self, data):
        if self.left is not None:
            self.count(len(data))
            return
        self.head += data
        if b"\r\n\r\n" not in self.head:
            return
        head, _, rest = self.head.partition(b"\r\n\r\n")
        _, mode, number = head.split()[1].decode().split("/")
        key = next(
            line.split(b":", 1)[1].strip()
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
        self.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        self.left = int(number)
        if mode == "firehose":
            self.task = asyncio.ensure_future(self.fire(int(number)))
            self.left = 1 << 62
        self.count(len(rest))

    def count(self, octets):
        self.left -= octets
        if self.left <= 0:
            self.left = 1 << 62
            self.transport.write(b"\x81\x04done")

    async def fire(self, number):
        frame = bytes([0x81, SIZE]) + b"x" * SIZE
        block = frame * 1000
        while number > 0:
            await self.writable.wait()
            self.transport.write(block if number >= 1000 else frame * number)
            number -= 1000


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Neutral, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.Event().wait()


async def ktorws_receive(port, number):
    from ktorws import CIO, HttpClient, WebSockets

    async with HttpClient(CIO).install(WebSockets) as client:
        session = await client.websocket_session(
            f"ws://127.0.0.1:{port}/firehose/{number}"
        )
        began = time.process_time()
        receive = session.incoming.receive
        for _ in range(number):
            (await receive()).read_text()
        took = time.process_time() - began
        session.cancel()
        return took


async def ktorws_receive_many(port, number):
    from ktorws import CIO, HttpClient, WebSockets

    async with HttpClient(CIO).install(WebSockets) as client:
        session = await client.websocket_session(
            f"ws://127.0.0.1:{port}/firehose/{number}"
        )
        began = time.process_time()
        count = 0
        while count < number:
            frames = await session.incoming.receive_many()
            for frame in frames:
                frame.read_text()
            count += len(frames)
        took = time.process_time() - began
        session.cancel()
        return took


async def ktorws_send(port, number):
    from ktorws import CIO, HttpClient, WebSockets

    octets = number * (SIZE + 6)
    async with HttpClient(CIO).install(WebSockets) as client:
        session = await client.websocket_session(f"ws://127.0.0.1:{port}/sink/{octets}")
        message = "x" * SIZE
        began = time.process_time()
        for _ in range(number):
            await session.send(message)
        await session.incoming.receive()
        took = time.process_time() - began
        session.cancel()
        return took


async def picows_receive(port, number):
    import picows

    done = asyncio.get_running_loop().create_future()

    class Listener(picows.WSListener):
        count = 0

        def on_ws_frame(self, transport, frame):
            frame.get_payload_as_utf8_text()
            self.count += 1
            if self.count == number:
                done.set_result(None)

    began = time.process_time()
    transport, _ = await picows.ws_connect(
        Listener, f"ws://127.0.0.1:{port}/firehose/{number}"
    )
    await done
    took = time.process_time() - began
    transport.disconnect()
    return took


async def picows_send(port, number):
    import picows

    octets = number * (SIZE + 6)
    done = asyncio.get_running_loop().create_future()
    writable = asyncio.Event()
    writable.set()

    class Listener(picows.WSListener):
        def on_ws_frame(self, transport, frame):
            done.set_result(None)

        def pause_writing(self):
            writable.clear()

        def resume_writing(self):
            writable.set()

    transport, _ = await picows.ws_connect(
        Listener, f"ws://127.0.0.1:{port}/sink/{octets}"
    )
    message = b"x" * SIZE
    began = time.process_time()
    for index in range(number):
        transport.send(picows.WSMsgType.TEXT, message)
        if not index % 100:
            await asyncio.sleep(0)
        if not writable.is_set():
            await writable.wait()
    await done
    took = time.process_time() - began
    transport.disconnect()
    return took


PAIRS = {
    "receive 64 B": (ktorws_receive, picows_receive),
    "receive_many 64 B": (ktorws_receive_many, picows_receive),
    "send 64 B": (ktorws_send, picows_send),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--loop", default="uvloop", choices=["uvloop", "asyncio"])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--messages", type=int, default=300_000)
    parser.add_argument("--serve", action="store_true")
    arguments = parser.parse_args()
    if arguments.loop == "uvloop":
        import uvloop

        run = uvloop.run
    else:
        run = asyncio.run
    if arguments.serve:
        run(serve())
        return
    command = [sys.executable, __file__, "--serve"]
    cores = sorted(os.sched_getaffinity(0))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        os.sched_setaffinity(server.pid, {cores[-1]})
        os.sched_setaffinity(0, {cores[0]})
        port = int(server.stdout.readline())
        try:
            for name, (ours, theirs) in PAIRS.items():
                compare(name, run, ours, theirs, port, arguments)
        finally:
            server.terminate()


def compare(name, run, ours, theirs, port, arguments):
    number = arguments.messages
    pairs = []
    for _ in range(arguments.rounds):
        pairs.append((run(ours(port, number)), run(theirs(port, number))))
        print(f"\r{name}: {len(pairs)}/{arguments.rounds}", end="", flush=True)
    a, b = (
        statistics.median(column) / number * 1e9 for column in zip(*pairs, strict=True)
    )
    ratio = statistics.median(theirs / ours for ours, theirs in pairs)
    print(
        f"\r{name}: ktorws {a:.0f} ns, picows {b:.0f} ns of CPU a message; "
        f"ktorws is {ratio:.2f} x as fast (median of {arguments.rounds} pairs)"
    )


if __name__ == "__main__":
    main()
