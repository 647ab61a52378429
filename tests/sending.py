"""A send channel over a connection that only takes notes."""

import asyncio

from ktorws.channels import bounded
from ktorws.send_channel import SendChannel


class Outgoing(SendChannel):
    def __init__(self, config=None):
        self.written = []
        self.backlog = 0
        self.closed_with = []
        self.overflowed = []
        self.refuses = None
        self.pause_after = None
        super().__init__(
            asyncio.get_running_loop(),
            bounded() if config is None else config,
            write=self._note,
            connection=self,
            close=self._note_close,
            on_overflow=self._overflow,
        )

    @property
    def backlog_bytes(self):
        return self.backlog

    def resume(self):
        self.backlog = 0
        super().resume()

    def _note_close(self, frame):
        if self.is_closed_for_send:
            return False
        self.closed_with.append(frame)
        return True

    def _note(self, message):
        if self.refuses is not None:
            raise self.refuses
        self.written.append(message)
        if isinstance(message, str):
            self.backlog += len(message) * self._full
        if self.pause_after is not None:
            self.pause_after -= 1
            if self.pause_after == 0:
                self.pause_after = None
                self.pause()

    def _overflow(self, error):
        self.overflowed.append(error)
        self.end(error)
