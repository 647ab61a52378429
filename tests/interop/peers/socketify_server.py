"""socketify, which is uWebSockets; gets a certificate and its key."""

import os
import sys
from collections import deque

from socketify import App, AppOptions, CompressOptions, OpCode

from tests.interop.peers.starting import free_ports, tell_when_open

reports = deque()
waiting = deque()


def send(ws, message, opcode=OpCode.TEXT):
    ws.send(message, opcode, compress=True)


def echo(ws, message, opcode):
    # A str for text that happens to be empty comes as None.
    send(ws, message or b"", opcode)


def fragments(ws):
    ws.send_first_fragment("one, ", OpCode.TEXT)
    ws.send_fragment("two, ")
    ws.send_last_fragment("drei €")
    ws.send_first_fragment(b"\x00", OpCode.BINARY)
    ws.send_fragment(b"\x01")
    ws.send_last_fragment(b"\x02")


def pong(ws, data):
    if data in {b"payload", "payload"}:
        send(ws, "pong")


def report(ws, code, message):
    text = message.decode() if isinstance(message, bytes) else message
    reports.append(f"{code} {text}")
    if waiting:
        send(waiting.popleft(), reports.popleft())


def reported(ws):
    if reports:
        send(ws, reports.popleft())
    else:
        waiting.append(ws)


def numbers(ws, message, opcode):
    def all_of_them(ws):
        for number in range(int(message)):
            send(ws, str(number))
        send(ws, "end")

    ws.cork(all_of_them)


def count(ws, message, opcode):
    key = ws.get_user_data()["number"]
    if message == "end":
        send(ws, str(key[0]))
    elif message == str(key[0]):
        key[0] += 1


def upgrade(response, request, context):
    offered = request.get_header("sec-websocket-protocol") or ""
    chosen = "echo" if "echo" in offered.replace(" ", "").split(",") else None
    response.upgrade(
        request.get_header("sec-websocket-key"),
        chosen,
        request.get_header("sec-websocket-extensions"),
        context,
        {"number": [0]},
    )


PATHS = {
    "/echo": {"message": echo},
    "/fragments": {"open": fragments},
    "/ping": {"open": lambda ws: ws.send(b"payload", OpCode.PING), "pong": pong},
    "/bye": {"open": lambda ws: ws.end(4001, "server says bye")},
    "/report": {"close": report},
    "/reported": {"open": reported},
    "/numbers": {"message": numbers},
    "/count": {"message": count},
}


def serve(port, options):
    app = App(options)
    for path, handlers in PATHS.items():
        settings = {
            "compression": CompressOptions.SHARED_COMPRESSOR,
            "max_payload_length": 1 << 25,
            "max_backpressure": 1 << 26,
            "upgrade": upgrade,
            **handlers,
        }
        app.ws(path, settings)
    app.listen(port, lambda _: None)
    app.run()


if __name__ == "__main__":
    cert, key = sys.argv[1:]
    plain, tls = free_ports()
    if os.fork() == 0:  # one process has one application
        serve(tls, AppOptions(key_file_name=key, cert_file_name=cert))
    if os.fork() == 0:
        tell_when_open(plain, tls)
        os._exit(0)
    serve(plain, None)
