"""Serves the page of this folder, all that it needs, and a server to talk to.

    make browser        # installs Pyodide, builds the wheel, and runs this
    python examples/browser/serve.py [--port 8000]

Pyodide comes from npm's package of that name, ktorws from its pure wheel; both are
looked for in ``build/browser``, where ``make browser`` leaves them.
"""

import argparse
import asyncio
import contextlib
import functools
import http.server
import json
import pathlib
import signal
import threading
from collections.abc import Iterator

from ktorws.server import DefaultWebSocketServerSession, WebSocketServer

HERE = pathlib.Path(__file__).parent
BUILT = HERE.parent.parent / "build" / "browser"
FOLDERS = {
    "": HERE,
    "pyodide": BUILT / "node_modules" / "pyodide",
    "wheels": BUILT / "wheels",
}
ECHO = "/route/path/to/ws"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves the files of `FOLDERS`, and ``config.json``, which tells what to use."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".mjs": "text/javascript",
        ".py": "text/plain; charset=utf-8",
        ".wasm": "application/wasm",
    }

    def __init__(self, *args: object, config: dict[str, object]) -> None:
        self.config = config
        super().__init__(*args)  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        """Find the file in the folder that the path begins with."""
        first, slash, rest = path.lstrip("/").partition("/")
        folder, rest = (FOLDERS.get(first), rest) if slash else (HERE, first)
        self.directory = str(folder or HERE)
        return super().translate_path(f"/{rest}")

    def do_GET(self) -> None:
        if self.path != "/config.json":
            super().do_GET()
            return
        body = json.dumps(self.config).encode()
        self.send_response(http.HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay quiet: the page tells what goes on."""


@contextlib.contextmanager
def files(echo: str, port: int = 0) -> Iterator[str]:
    """Serve the files in a thread; gives the page's address."""
    wheels = sorted(path.name for path in FOLDERS["wheels"].glob("*.whl"))
    if not wheels or not FOLDERS["pyodide"].exists():
        raise SystemExit(f"There is no Pyodide, or no wheel, in {BUILT}: make browser")
    handler = functools.partial(Handler, config={"echo": echo, "wheels": wheels})
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


async def echo(session: DefaultWebSocketServerSession) -> None:
    await session.send("Welcome! Everything you send comes back.")
    async for message in session.incoming:
        await session.send(message)


async def main(port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # on Windows
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = WebSocketServer("127.0.0.1", 0)
    server.websocket(ECHO)(echo)
    async with server:
        with files(f"ws://127.0.0.1:{server.port}{ECHO}", port) as address:
            print(f"Open {address}/ in a browser", flush=True)
            await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Serve ktorws to a browser.")
    parser.add_argument("--port", type=int, default=8000, help="0 for any")
    asyncio.run(main(parser.parse_args().port))
