"""A connection over a transport that records, and octets that arrive."""

import asyncio

from ktorws.client_session import DefaultClientWebSocketSession
from ktorws.engines._connection import Connection
from ktorws.session_config import SessionConfig


class RecordingTransport(asyncio.Transport):
    """Takes ``room`` octets at once and holds the rest, as a socket would."""

    def __init__(self, *, room=1 << 40, half_closes=True):
        super().__init__()
        self.room = room
        self.held = 0
        self.high = 64 * 1024
        self.low = self.high // 4
        self.protocol = None
        self.calls = []
        self._half_closes = half_closes
        self._paused = False

    @property
    def written(self):
        return [octets for name, octets in self.calls if name == "write"]

    @property
    def names(self):
        return [name for name, _ in self.calls]

    def set_protocol(self, protocol):
        self.protocol = protocol

    def write(self, data):
        self.calls.append(("write", bytes(data)))
        taken = min(self.room, len(data))
        self.room -= taken
        self.held += len(data) - taken
        self._judge()

    def drain(self, size):
        """The peer takes so many octets."""
        taken = min(size, self.held)
        self.held -= taken
        self.room += size - taken
        if self._paused and self.held <= self.low:
            self._paused = False
            self.protocol.resume_writing()

    def _judge(self):
        if self.held > self.high and not self._paused:
            self._paused = True
            self.protocol.pause_writing()

    def set_write_buffer_limits(self, high=None, low=None):
        self.high = 64 * 1024 if high is None else high
        self.low = self.high // 4 if low is None else low
        self._judge()

    def get_write_buffer_size(self):
        return self.held

    def can_write_eof(self):
        return self._half_closes

    def write_eof(self):
        self.calls.append(("write_eof", b""))

    def is_closing(self):
        return bool({"close", "abort"} & set(self.names))

    def close(self):
        self.calls.append(("close", b""))

    def abort(self):
        self.calls.append(("abort", b""))

    def pause_reading(self):
        self.calls.append(("pause_reading", b""))

    def resume_reading(self):
        self.calls.append(("resume_reading", b""))


def opened(*, left_over=b"", masking=False, transport=None, make=Connection, **config):
    """A session, its connection and its transport, which records."""
    transport = transport or RecordingTransport()
    connection = make(
        asyncio.get_running_loop(),
        is_client=True,
        max_frame_size=1 << 24,
        reassemble=True,
    )
    connection.masking = masking
    session = DefaultClientWebSocketSession(connection, SessionConfig(**config))
    connection.open(transport, session, left_over)
    return session, connection, transport


def arrive(connection, octets):
    """Octets come in as a transport brings them."""
    while octets:
        window = connection.get_buffer(-1)
        taken = min(len(window), len(octets))
        window[:taken] = octets[:taken]
        connection.buffer_updated(taken)
        octets = octets[taken:]


async def tick():
    await asyncio.sleep(0)
