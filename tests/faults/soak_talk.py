"""One session of the soak, from our side: its traffic, its end, what must hold then."""

import asyncio
import contextlib

from ktorws import (
    ClosedSendChannelError,
    CloseReason,
    ConnectionLostError,
    Frame,
    PingTimeoutError,
    ProtocolViolationError,
    SessionCancelledError,
    WebSocketError,
)
from tests.faults.messages import Ledger, message
from tests.faults.soak_peer import PAUSE, SIZES, half_close, pieces

INTERVAL, TIMEOUT, CLOSE_TIMEOUT = 2, 4, 10
MARGIN = 3  # seconds that a waiter may take longer, in a process with all the others

# How a session ends: what receive() raises then (None: it ends quietly), the code of
# close_reason, and whether all that the peer sent must have come, and all of ours.
ENDS = {
    "peer_close": (None, 1000, True, False),
    "peer_close_4000": (None, 4000, True, False),
    "peer_close_empty": (None, 1005, True, False),
    "peer_fin": (ConnectionLostError, 1006, True, False),
    "peer_fin_in_frame": (ConnectionLostError, 1006, True, False),
    "peer_rst": (ConnectionLostError, 1006, False, False),
    "peer_rst_in_frame": (ConnectionLostError, 1006, False, False),
    "peer_violate": (ProtocolViolationError, 1002, True, False),
    "peer_silent": (PingTimeoutError, 1011, True, False),
    "our_close": (None, 1000, True, True),
    "our_close_4001": (None, 4001, True, True),
    "our_close_frame": (None, 1000, True, True),
    "our_error": (None, 1011, False, True),
    "our_cancel": (SessionCancelledError, 1000, False, False),
    "our_task_cancelled": (None, 1000, False, False),
    "our_rst": (ConnectionLostError, 1006, False, False),
    "our_half_close": (ConnectionLostError, 1006, False, False),
}


class OurError(Exception):
    """What a user's block might raise."""


class Talk:
    """One session from this side."""

    def __init__(self, soak, key, chance):
        self.soak = soak
        self.key = key
        self.chance = chance
        self.end = chance.choice(list(ENDS))
        self.kind = chance.choice(soak.kinds)
        self.seconds = chance.uniform(0.2, 2 * soak.mean_life)
        self.heard = Ledger(f"p{key}")
        self.sent = 0
        self.cause = None  # of the session's end, where the transport failed
        self.problems = []

    def __str__(self):
        return f"{self.end} by {self.kind.name} after {self.cause!r}"

    @property
    def may_have_lost(self):
        """Whether a write failed, and so what was unread may be gone."""
        return self.kind.loses_unread and isinstance(self.cause, BrokenPipeError)

    async def run(self):
        url = f"{self.kind.url}/{self.key}/{self.key}/{self.end}/{self.seconds:.2f}"
        self.session = await self.kind.http.websocket_session(url)
        self.soak.open += 1
        reading = asyncio.create_task(self.read())
        speaking = asyncio.create_task(self.speak())
        try:
            if self.end.startswith("our_"):
                done, _ = await asyncio.wait([reading], timeout=self.seconds)
                if not done:
                    # The counts are compared: let a message in the making be sent.
                    self.speaking = False
                    await speaking
                    await getattr(self, self.end)()
                limit = CLOSE_TIMEOUT
            else:
                limit = self.seconds + INTERVAL + TIMEOUT
            await self.ended(reading, speaking, limit)
        finally:
            reading.cancel()
            speaking.cancel()
            self.soak.open -= 1
        return self.session.close_reason.get_completed().code

    async def read(self):
        """Count and check until the end; gives what ended it."""
        incoming = self.session.incoming
        try:
            async for frame in incoming:
                self.heard.take_frame(frame)
                if self.chance.random() < 0.01:
                    await asyncio.sleep(self.chance.uniform(0.05, 2))
        except Exception as error:
            return error
        return None

    speaking = True

    async def speak(self):
        """Send until the end; gives what ended it."""
        try:
            while self.speaking:
                await asyncio.sleep(min(self.chance.expovariate(1 / PAUSE), 2))
                for _ in range(self.chance.choice((1, 1, 1, 2, 5))):
                    await self.send()
        except Exception as error:
            return error
        return None

    async def send(self):
        session = self.session
        whole = message(f"c{self.key}", self.sent, self.chance.choice(SIZES))
        if self.chance.random() < 0.1:
            kind = 1 if isinstance(whole, str) else 2
            parts = [
                part.encode() if kind == 1 else part
                for part in pieces(whole, self.chance)
            ]
            for part in parts[:-1]:
                await session.send(Frame.by_type(kind, part, fin=False))
                if self.chance.random() < 0.2:
                    await session.send(Frame.Ping(b"between"))
            await session.send(Frame.by_type(kind, parts[-1]))
        else:
            await session.send(whole)
        self.sent += 1
        if self.chance.random() < 0.05:
            await session.flush()

    # How we end it.

    async def our_close(self):
        await self.session.close()

    async def our_close_4001(self):
        await self.session.close(CloseReason(4001, "ours"))

    async def our_close_frame(self):
        await self.session.send(Frame.Close(CloseReason(1000, "later")))

    async def our_error(self):
        with contextlib.suppress(OurError):
            async with self.session:
                raise OurError

    async def our_cancel(self):
        self.session.cancel()

    async def our_task_cancelled(self):
        async def block():
            async with self.session:
                await asyncio.sleep(60)

        task = asyncio.create_task(block())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])

    async def our_rst(self):
        transport = self.session._connection._transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(1, 13, b"\1\0\0\0\0\0\0\0")  # SO_LINGER, no time
        transport.abort()

    async def our_half_close(self):
        await self.session.flush()
        half_close(self.session._connection._transport)

    # What must hold then.

    async def ended(self, reading, speaking, limit):
        session = self.session
        waiters = {
            "receive": reading,
            "send": speaking,
            "wait_closed": asyncio.create_task(session.wait_closed()),
            "close_reason": asyncio.create_task(_value(session.close_reason)),
        }
        # Steps of the loop's own time: it stands still now and then.
        for _ in range(int(2 * (limit + MARGIN))):
            if not (await asyncio.wait(waiters.values(), timeout=0.5))[1]:
                break
        for name, task in waiters.items():
            if not task.done():
                self.problems.append(f"{name} did not wake: {task.get_stack()}")
                task.cancel()
        if self.problems:
            session.cancel()
            return
        kind, code, _, _ = ENDS[self.end]
        self.cause = getattr(reading.result(), "__cause__", None)
        self.expect("receive", reading.result(), kind)
        sending = speaking.result()
        if sending is not None:
            self.expect("send", sending, kind or ClosedSendChannelError)
        if session.close_reason.get_completed().code != code:
            self.problems.append(f"not {code}: {session.close_reason.get_completed()}")
        try:
            await session.send("too late")
        except WebSocketError as error:
            self.expect("late send", error, kind or ClosedSendChannelError)
        else:
            self.problems.append("a late send succeeded")

    def expect(self, name, error, kind):
        if type(error) is not (kind or type(None)):
            self.problems.append(
                f"{name}: {error!r} after {error and error.__cause__!r}"
            )


async def _value(deferred):
    return await deferred
