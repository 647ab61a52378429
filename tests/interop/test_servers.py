"""Our client and servers that are not ours."""

import pytest

from ktorws import Frame, InvalidHandshakeError
from ktorws.deflate import WebSocketDeflateExtension
from tests.interop.catalogue import SERVERS
from tests.interop.scenarios import (
    HEAVY,
    LIGHT,
    a_big_message_in_fragments,
    hold,
)
from tests.network_fixtures import SECURE, client

DEFLATE = pytest.mark.parametrize("deflate", [False, True], ids=["raw", "deflate"])
ONE_LOOP = pytest.mark.asyncio(loop_factories=["asyncio"])
PYTHONIC = [peer for peer in SERVERS if peer.name in {"websockets", "aiohttp"}]
OTHERS = [peer for peer in SERVERS if peer not in PYTHONIC]

pytestmark = pytest.mark.interop


def marks(peer):
    # The first test of a peer may have to compile it.
    return [pytest.mark.heavy, pytest.mark.timeout(180)] if peer.heavy else []


EVERY_SERVER = pytest.mark.parametrize(
    "server",
    [pytest.param(peer, id=peer.name, marks=marks(peer)) for peer in SERVERS],
    indirect=True,
)


def every(scenarios, peers=SERVERS):
    """The scenarios that each server has words for."""
    return pytest.mark.parametrize(
        ("server", "scenario"),
        [
            pytest.param(
                peer,
                scenario,
                id=f"{peer.name}-{scenario.__name__}",
                marks=marks(peer),
            )
            for peer in peers
            for scenario in scenarios
            if scenario.__name__ not in peer.cannot
        ],
        indirect=["server"],
    )


def our_client(deflate, **options):
    """A client that offers compression or does not; options are the extension's."""
    extensions = [WebSocketDeflateExtension.install(**options)] if deflate else []
    return client(extensions=extensions, max_frame_size=1 << 25)


@DEFLATE
@SECURE
@every(LIGHT, PYTHONIC)
async def test_a_conversation_on_each_loop(scenario, secure, deflate, server):
    await hold(scenario, server, our_client(deflate), secure=secure)


@DEFLATE
@SECURE
@every(LIGHT, OTHERS)
@ONE_LOOP
async def test_a_conversation(scenario, secure, deflate, server, request):
    if deflate and (reason := server.peer.fails.get(scenario.__name__)):
        mark = pytest.mark.xfail(reason=f"{server.peer} {reason}", strict=False)
        request.applymarker(mark)
    await hold(scenario, server, our_client(deflate), secure=secure)


@DEFLATE
@SECURE
@every(HEAVY)
@ONE_LOOP
async def test_much_of_it(scenario, secure, deflate, server):
    await hold(scenario, server, our_client(deflate), secure=secure)


@DEFLATE
@pytest.mark.parametrize("secure", [False], ids=["plain"])
@every([a_big_message_in_fragments])
@ONE_LOOP
async def test_many_big_fragments(scenario, secure, deflate, server):
    await hold(scenario, server, our_client(deflate), secure=secure)


@DEFLATE
@SECURE
@EVERY_SERVER
@ONE_LOOP
async def test_compression_is_agreed_on_where_both_know_it(secure, deflate, server):
    async def look(client, url):
        async with client.ws(url("/echo")) as session:
            agreed = bool(session.extensions)
            assert agreed is (deflate and server.peer.deflate)
            header = session.call.response.headers.get("Sec-WebSocket-Extensions")
            assert bool(header) is agreed

    await hold(look, server, our_client(deflate), secure=secure)


SETTINGS = [
    {"server_no_context_takeover": True},
    {"client_no_context_takeover": True},
    {"server_no_context_takeover": True, "client_no_context_takeover": True},
    *({"client_max_window_bits": bits} for bits in range(8, 15)),
    *({"server_max_window_bits": bits} for bits in range(9, 15)),
    {"compression_level": 0},
    {"compression_level": 9, "memory_level": 9},
    {"compression_level": 1, "memory_level": 1},
    {"compress_if_bigger_than": 100},
]


def send_some_of(settings):
    async def messages(client, url):
        async with client.ws(url("/echo")) as session:
            for text in ("again " * n for n in (1, 7, 100, 100, 20_000)):
                await session.send(text)
                answer = await session.incoming.receive()
                assert answer == Frame.Text(text), settings

    return messages


@pytest.mark.parametrize(("deflate", "secure"), [(True, False)], ids=["deflate-plain"])
@EVERY_SERVER
@ONE_LOOP
async def test_every_way_to_compress(secure, deflate, server):
    for settings in SETTINGS:
        messages, ours = send_some_of(settings), our_client(deflate, **settings)
        if server.peer.ignores in settings:
            # RFC 7692 §7.1: it had to keep to it, or to decline.
            with pytest.raises(InvalidHandshakeError):
                await hold(messages, server, ours, secure=secure)
        else:
            await hold(messages, server, ours, secure=secure)
