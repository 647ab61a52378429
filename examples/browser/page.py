"""What the page does, in the browser's own Python: connect, send, show frames."""

import asyncio
import sys
from collections.abc import Coroutine
from datetime import datetime

from js import document
from pyodide.ffi import JsProxy
from pyodide.ffi.wrappers import add_event_listener

import ktorws
from ktorws import Frame, HttpClient, WebSocketError, WebSockets, WebSocketSession


def element(name: str) -> JsProxy:
    return document.getElementById(name)


def show(kind: str, what: str, text: str, size: int | None = None) -> None:
    """Add a line to the log."""
    row = document.createElement("li")
    row.className = kind
    cells = {"time": f"{datetime.now():%H:%M:%S}", "b": what, "span": text}
    if size is not None:
        cells["i"] = f"{size} B"
    for tag, content in cells.items():
        cell = document.createElement(tag)
        cell.textContent = content
        row.append(cell)
    log = element("log")
    log.append(row)
    log.scrollTop = log.scrollHeight


def show_frame(kind: str, arrow: str, frame: Frame) -> None:
    match frame:
        case Frame.Text():
            show(kind, f"{arrow} text", frame.read_text(), len(frame))
        case Frame.Binary():
            show(kind, f"{arrow} binary", frame.data.hex(" "), len(frame))


class Page:
    """One client, and one session at a time."""

    def __init__(self) -> None:
        self.client = HttpClient().install(WebSockets)  # Js, as this is a browser
        self.session: WebSocketSession | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def toggle(self, event: JsProxy) -> None:
        event.preventDefault()
        self.run(self.converse() if self.session is None else self.session.close())

    def send_text(self, event: JsProxy) -> None:
        event.preventDefault()
        self.run(self.send(Frame.Text(element("message").value)))

    def send_binary(self, _event: JsProxy) -> None:
        self.run(self.send(Frame.Binary(element("message").value.encode())))

    async def converse(self) -> None:
        """Open a session and show what it brings, until it ends."""
        url = element("url").value
        element("toggle").disabled = True
        try:
            async with self.client.ws(url) as self.session:
                self.opened(is_open=True)
                show("opened", "open", url)
                async for frame in self.session.incoming:
                    show_frame("received", "←", frame)
                show("ended", "closed", str(await self.session.close_reason))
        except (WebSocketError, ValueError) as error:
            show("ended", "failed", str(error))
        finally:
            self.session = None
            self.opened(is_open=False)

    async def send(self, frame: Frame) -> None:
        try:
            await self.session.send(frame)
        except WebSocketError as error:
            show("ended", "not sent", str(error))
        else:
            show_frame("sent", "→", frame)

    def opened(self, *, is_open: bool) -> None:
        element("toggle").disabled = False
        element("toggle").textContent = "Close" if is_open else "Connect"
        element("url").disabled = is_open
        for name in ("text", "binary"):
            element(name).disabled = not is_open


def main(url: str) -> None:
    page = Page()
    add_event_listener(element("open"), "submit", page.toggle)
    add_event_listener(element("send"), "submit", page.send_text)
    add_event_listener(element("binary"), "click", page.send_binary)
    element("url").value = url
    page.opened(is_open=False)
    python = sys.version.partition(" ")[0]
    element("status").textContent = (
        f"ktorws {ktorws.__version__} on Python {python}, "
        f"engine {page.client.engine.name}, codec {ktorws.CODEC}"
    )
