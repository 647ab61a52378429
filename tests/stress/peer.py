"""A peer of octets in a process of its own: blocking sockets, a thread for each.

The path of the request says how it behaves; see `BEHAVIOURS`. It prints its port.
SIGUSR1 resets the connections of ``/hole``, SIGUSR2 half-closes them.
"""

import argparse
import base64
import contextlib
import hashlib
import random
import select
import signal
import socket
import ssl
import struct
import threading
import time

from tests.octets import BINARY, CLOSE, PING, PONG, TEXT, close, frame

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BATCH = 4096
NOBODY = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 5\r\n\r\nnever"

resets = threading.Event()
half_closes = threading.Event()


class Frames:
    """The frames of one connection, unmasked; None once there are no more."""

    def __init__(self, sock, buffer):
        self._sock = sock
        self._buffer = bytearray(buffer)

    def left_over(self):
        return self._buffer

    def _need(self, size):
        while len(self._buffer) < size:
            octets = self._sock.recv(65536)
            if not octets:
                raise EOFError
            self._buffer += octets

    def next(self):
        self._need(2)
        opcode = self._buffer[0]
        length = self._buffer[1] & 0x7F
        start = {126: 4, 127: 10}.get(length, 2)
        self._need(start)
        if length == 126:
            (length,) = struct.unpack_from("!H", self._buffer, 2)
        elif length == 127:
            (length,) = struct.unpack_from("!Q", self._buffer, 2)
        end = start + 4 + length
        self._need(end)
        key = bytes(self._buffer[start : start + 4])
        payload = bytes(self._buffer[start + 4 : end])
        del self._buffer[:end]
        return opcode, unmask(payload, key)


class OneAtATime:
    """A TLS connection that one thread reads and another writes.

    OpenSSL allows only one in it, which Python sees to from 3.13 on.
    """

    def __init__(self, sock):
        self._sock = sock
        self._lock = threading.Lock()

    def recv(self, size):
        while True:
            with self._lock:
                self._sock.settimeout(0)
                try:
                    return self._sock.recv(size)
                except ssl.SSLWantReadError:
                    pass
                finally:
                    self._sock.settimeout(None)
            select.select([self._sock], [], [], 0.1)

    def sendall(self, octets):
        with self._lock:
            self._sock.sendall(octets)

    def shutdown(self, how):
        with self._lock:
            socket.socket.shutdown(self._sock, how)  # TLS is told nothing

    def setsockopt(self, *option):
        self._sock.setsockopt(*option)


def unmask(payload, key):
    size = len(payload)
    keys = (key * (size // 4 + 1))[:size]
    mixed = int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")
    return mixed.to_bytes(size, "big")


def shake_hands(sock):
    head = b""
    while b"\r\n\r\n" not in head:
        octets = sock.recv(4096)
        if not octets:
            raise EOFError
        head += octets
    head, rest = head.split(b"\r\n\r\n", 1)
    lines = head.split(b"\r\n")
    path = lines[0].split()[1].decode()
    if path == "/refused":
        sock.sendall(NOBODY)
        raise EOFError
    (key,) = (
        line.split(b":", 1)[1].strip()
        for line in lines
        if line.lower().startswith(b"sec-websocket-key:")
    )
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    sock.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    return path.strip("/").split("/"), Frames(sock, rest)


def finish(sock, frames):
    """Our Close, theirs, the end of TCP."""
    sock.sendall(close(1000))
    while frames.next()[0] & 0xF != CLOSE:
        pass


def flood(sock, frames, count):
    """So many numbered texts as fast as they go, then Close."""
    for start in range(0, int(count), BATCH):
        numbers = range(start, min(start + BATCH, int(count)))
        sock.sendall(b"".join([b"\x81\x40%064d" % number for number in numbers]))
    finish(sock, frames)


def trickle(sock, frames, count, seed):
    """So many numbered texts in small bursts with pauses, then Close."""
    chance = random.Random(int(seed))
    number = 0
    while number < int(count):
        end = min(number + chance.randint(1, 8), int(count))
        sock.sendall(b"".join(b"\x81\x08%08d" % n for n in range(number, end)))
        number = end
        if chance.random() < 0.8:
            time.sleep(chance.random() * 0.001)
    finish(sock, frames)


def sink(sock, frames, count):
    """Take so many numbered texts, now and then not at all; tell what came."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    chance = random.Random(1)
    verdict = b"all, once, in order"
    for number in range(int(count)):
        got = frames.next()
        if got != (0x81, b"%064d" % number):
            verdict = b"%d: %r" % (number, got)
            break
        if chance.random() < 0.0005:
            time.sleep(chance.uniform(0.001, 0.05))
    sock.sendall(frame(TEXT, verdict))
    finish(sock, frames)


def tally(sock, frames, seed):
    """Take texts ``number:…`` slowly, and list the numbers at each ``report``."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    chance = random.Random(int(seed))
    numbers = []
    while True:
        opcode, payload = frames.next()
        if opcode & 0xF == CLOSE:
            sock.sendall(frame(CLOSE, payload))
            return
        if payload == b"report":
            sock.sendall(frame(TEXT, b" ".join(numbers)))
            continue
        if payload == b"pause":
            time.sleep(0.3)
            continue
        numbers.append(payload.split(b":", 1)[0])
        if chance.random() < 0.02:
            time.sleep(chance.random() * 0.003)


def echo(sock, frames):
    """Send data back, answer pings and Close."""
    while True:
        opcode, payload = frames.next()
        if opcode & 0xF == CLOSE:
            sock.sendall(frame(CLOSE, payload))
            return
        if opcode & 0xF == PING:
            sock.sendall(frame(PONG, payload))
        elif opcode & 0xF != PONG:
            fin = bool(opcode & 0x80)
            sock.sendall(frame(opcode & 0xF, payload, fin=fin))


def hole(sock, frames):
    """Read nothing; wait for a signal."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    while not resets.wait(0.01):
        if half_closes.is_set():
            half_closes.clear()
            # The system's own: no close_notify where there is TLS.
            socket.socket.shutdown(sock, socket.SHUT_WR)
    reset(sock)


def mixed(sock, frames, seed):
    """Numbered messages of every kind while echoing; an end of any kind."""
    if isinstance(sock, ssl.SSLSocket):
        sock = OneAtATime(sock)
        frames = Frames(sock, frames.left_over())
    chance = random.Random(int(seed))
    talk = threading.Thread(target=_talk, args=(sock, chance), daemon=True)
    talk.start()
    with contextlib.suppress(OSError, EOFError, ValueError):
        while True:
            opcode, _ = frames.next()
            if opcode & 0xF == CLOSE:
                break
    talk.join()


def _talk(sock, chance):
    with contextlib.suppress(OSError, ValueError):
        for number in range(chance.randint(20, 400)):
            text = b"%08d" % number + bytes(chance.choice((0, 10, 300, 70_000)))
            match chance.randrange(4):
                case 0:
                    sock.sendall(frame(TEXT, text))
                case 1:
                    sock.sendall(frame(BINARY, text))
                case 2:
                    sock.sendall(frame(BINARY, text[:5], fin=False))
                    sock.sendall(frame(PING, b"between"))
                    sock.sendall(frame(0, text[5:]))
                case _:
                    sock.sendall(frame(PING, b"p") + frame(TEXT, text))
            time.sleep(chance.choice((0, 0.001, 0.02)))
        match chance.randrange(4):
            case 0:
                reset(sock)
            case 1:
                sock.shutdown(socket.SHUT_RDWR)
            case _:
                sock.sendall(close(1000 + chance.randrange(4)))


def reset(sock):
    """Have the close of `converse` reset the connection, and end who reads it.

    It is not closed here: another thread may read it, and would then read whatever
    connection gets its descriptor next.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.shutdown(socket.SHUT_RD)


BEHAVIOURS = {f.__name__: f for f in (flood, trickle, sink, tally, echo, hole, mixed)}


def converse(sock, context):
    with contextlib.suppress(OSError, EOFError, ValueError), sock:
        if context is not None:
            sock = context.wrap_socket(sock, server_side=True)
        with sock:
            (name, *arguments), frames = shake_hands(sock)
            BEHAVIOURS[name](sock, frames, *arguments)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--certificate")
    certificate = parser.parse_args().certificate
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    signal.signal(signal.SIGUSR1, lambda *_: resets.set())
    signal.signal(signal.SIGUSR2, lambda *_: half_closes.set())
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        print(listener.getsockname()[1], flush=True)  # noqa: T201
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=converse, args=(sock, context), daemon=True).start()


if __name__ == "__main__":
    main()
