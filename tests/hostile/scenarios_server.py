"""Hostile clients: every scenario whose victim is the accepting side."""

from tests.hostile.scenario import family
from tests.hostile.scenarios_both import Side, shared
from tests.hostile.server_requests import REQUESTS, read_status
from tests.octets import KEY
from tests.scripted import UPGRADE_REQUEST


async def _ask(peer, seen, *, headers=b"", then=b""):
    await peer.send(UPGRADE_REQUEST % (b"/", headers) + then)
    await read_status(peer, seen)


SERVER = [*family("requests", REQUESTS), *shared(Side(_ask, KEY))]
