"""For tests of programs that use ktorws: peers, servers, faults and time."""

from ktorws.engines._peer import Peer
from ktorws.engines.mock import MockClock, MockEngine, MockPeer
from ktorws.testing._scripted import (
    ScriptedClient,
    ScriptedPeer,
    ScriptedServer,
    scripted_client,
    scripted_server,
)

__all__ = [
    "MockClock",
    "MockEngine",
    "MockPeer",
    "Peer",
    "ScriptedClient",
    "ScriptedPeer",
    "ScriptedServer",
    "scripted_client",
    "scripted_server",
]
