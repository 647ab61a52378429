"""For tests of programs that use ktorws: peers, servers, faults and time."""

from ktorws.engines._peer import Peer
from ktorws.engines.mock import MockClock, MockEngine, MockPeer
from ktorws.testing._leftovers import nothing_left
from ktorws.testing._relay import Relay, relay_to
from ktorws.testing._scripted import (
    ScriptedClient,
    ScriptedPeer,
    ScriptedServer,
    scripted_client,
    scripted_server,
)
from ktorws.testing._servers import LocalServer, echo_server, local_server

__all__ = [
    "LocalServer",
    "MockClock",
    "MockEngine",
    "MockPeer",
    "Peer",
    "Relay",
    "ScriptedClient",
    "ScriptedPeer",
    "ScriptedServer",
    "echo_server",
    "local_server",
    "nothing_left",
    "relay_to",
    "scripted_client",
    "scripted_server",
]
