"""What a person sees while it goes on: one live line, or a line for each row."""

import sys
import time


class Progress:
    """On a terminal the line is rewritten; elsewhere each row is said once."""

    def __init__(self, steps, stream=None):
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._steps = steps
        self._done = 0
        self._began = time.monotonic()
        self._said = None

    def more(self, steps):
        """There will be so many more of them."""
        self._steps += steps

    def step(self, row, loop, wire, client, number, rounds):
        """One sample more is begun."""
        self._done += 1
        what = f"{row.name} · {loop} · {wire}"
        share = min(self._done / self._steps, 1)
        spent = time.monotonic() - self._began
        if self._live:
            turn = number if number == "warm-up" else f"round {number}/{rounds}"
            line = f"{share:4.0%} {spent:4.0f} s  {what} · {turn} · {client}"
            self._stream.write(f"\r\x1b[K{line[:110]}")
        elif what != self._said:
            self._stream.write(f"{share:4.0%} {spent:4.0f} s  {what}\n")
        self._said = what
        self._stream.flush()

    def clear(self):
        """Make room for the report."""
        if self._live:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
