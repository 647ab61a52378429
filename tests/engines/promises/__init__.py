"""What `ktorws.engines.base` promises, held against any engine anywhere.

Nothing here knows pytest or a socket: this file runs inside Pyodide as well. Each
promise is a coroutine function that gets a client and the far side, a server outside
(`far_side.py`) that behaves as a URL's path says and tells what it saw.
"""

from . import ends, frames, opening  # noqa: F401  they register their promises
from .base import LIMITS, OPTIONS, PATIENCE, PROMISES, ask_for, hold

__all__ = ["LIMITS", "OPTIONS", "PATIENCE", "PROMISES", "ask_for", "hold"]
