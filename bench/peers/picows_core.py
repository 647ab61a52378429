"""picows' core interface: callbacks, and no coroutine on the way of a message."""

import asyncio

import picows

from bench.peers.base import LIMIT, Peer

TEXT, BINARY = picows.WSMsgType.TEXT, picows.WSMsgType.BINARY
CLOSE = picows.WSMsgType.CLOSE


class Listener(picows.WSListener):
    """Ends the session when told to; counts down to `done` in the classes below."""

    def __init__(self, left=0):
        self.left = left
        self.done = asyncio.get_running_loop().create_future()

    def on_ws_frame(self, transport, frame):
        if frame.msg_type is CLOSE:
            transport.disconnect()

    def on_ws_disconnected(self, transport):
        if not self.done.done():
            self.done.set_result(None)

    def finish(self):
        if not self.done.done():
            self.done.set_result(None)


class TextReceiver(Listener):
    def on_ws_frame(self, transport, frame):
        frame.get_payload_as_utf8_text()
        self.left -= 1
        if not self.left:
            self.finish()


class BytesReceiver(Listener):
    def on_ws_frame(self, transport, frame):
        frame.get_payload_as_bytes()
        self.left -= 1
        if not self.left:
            self.finish()


class ViewReceiver(Listener):
    def on_ws_frame(self, transport, frame):
        frame.get_payload_as_memoryview()
        self.left -= 1
        if not self.left:
            self.finish()


class Keeper(Listener):
    def on_ws_frame(self, transport, frame):
        self.data = frame.get_payload_as_bytes()
        self.left -= 1
        if not self.left:
            self.finish()


class Sender(Listener):
    def __init__(self):
        super().__init__()
        self.writable = asyncio.Event()
        self.writable.set()

    def on_ws_frame(self, transport, frame):
        self.finish()

    def pause_writing(self):
        self.writable.clear()

    def resume_writing(self):
        self.writable.set()


class Echoer(Listener):
    def __init__(self, left, message):
        super().__init__(left)
        self.message = message

    def on_ws_frame(self, transport, frame):
        frame.get_payload_as_bytes()
        self.left -= 1
        if self.left:
            transport.send(BINARY, self.message)
        else:
            self.finish()


class ViewEchoer(Echoer):
    def on_ws_frame(self, transport, frame):
        frame.get_payload_as_memoryview()
        self.left -= 1
        if self.left:
            transport.send(BINARY, self.message)
        else:
            self.finish()


class BurstReceiver(Listener):
    def __init__(self, left, size):
        super().__init__(left)
        self.size = self.missing = size

    def on_ws_frame(self, transport, frame):
        frame.get_payload_as_utf8_text()
        self.missing -= 1
        if self.missing:
            return
        self.missing = self.size
        self.left -= 1
        if self.left:
            transport.send(TEXT, "go")
        else:
            self.finish()


class TickReceiver(Listener):
    def __init__(self, left, note, order):
        super().__init__(left)
        self.note, self.order = note, order

    def on_ws_frame(self, transport, frame):
        self.note(frame.get_payload_as_utf8_text())
        self.left -= 1
        if not self.left % 10:
            transport.send(TEXT, self.order)
        if not self.left:
            self.finish()


class PicowsCore(Peer):
    """Payloads as objects of their own, which may be kept."""

    bytes_receiver, echoer = BytesReceiver, Echoer

    async def _connect(self, make, url, ping=None):
        pings = {}
        if ping is not None:
            pings = {
                "enable_auto_ping": True,
                "auto_ping_idle_timeout": ping,
                "auto_ping_reply_timeout": ping,
                "auto_ping_strategy": picows.WSAutoPingStrategy.PING_PERIODICALLY,
            }
        return await picows.ws_connect(
            make, url, ssl_context=self.ssl, max_frame_size=LIMIT, **pings
        )

    async def open(self, url, *, ping=None):
        return (await self._connect(Listener, url, ping))[0]

    async def close(self, session):
        session.send_close(picows.WSCloseCode.OK)
        session.disconnect()
        await session.wait_disconnected()

    async def receive(self, url, meter, *, count, binary=False):
        kind = self.bytes_receiver if binary else TextReceiver
        session, listener = await self._connect(lambda: kind(count), url)
        with meter:
            session.send(TEXT, "go")
            await listener.done
        await self.close(session)

    async def send(self, url, meter, *, count, message):
        session, listener = await self._connect(Sender, url)
        kind = TEXT if isinstance(message, str) else BINARY
        send, writable = session.send, listener.writable
        is_writable = writable.is_set
        with meter:
            for _ in range(count):
                send(kind, message)
                if not is_writable():
                    await writable.wait()
            await listener.done
        await self.close(session)

    async def echo(self, url, meter, *, count, message):
        session, listener = await self._connect(
            lambda: self.echoer(count, message), url
        )
        with meter:
            session.send(BINARY, message)
            await listener.done
        await self.close(session)

    async def burst(self, url, meter, *, count, size):
        session, listener = await self._connect(lambda: BurstReceiver(count, size), url)
        with meter:
            session.send(TEXT, "go")
            await listener.done
        await self.close(session)

    async def ticks(self, url, *, count, note, order):
        session, listener = await self._connect(
            lambda: TickReceiver(count, note, order), url
        )
        session.send(TEXT, "go")
        await listener.done
        await self.close(session)

    async def keep(self, url, *, count):
        session, listener = await self._connect(lambda: Keeper(count), url)
        session.send(TEXT, "go")
        await listener.done
        await self.close(session)
        data, listener.data = listener.data, None
        return data


class PicowsViews(PicowsCore):
    """Payloads as views, which hold good until the callback returns."""

    bytes_receiver, echoer = ViewReceiver, ViewEchoer
