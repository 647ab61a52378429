"""What a client says that it is."""

import pytest
import websockets

from ktorws import (
    BrowserUserAgent,
    CurlUserAgent,
    DefaultRequest,
    HttpClient,
    UserAgent,
    WebSockets,
    __version__,
)
from tests.network_fixtures import client


async def seen_by_a_server(c, **options):
    """The ``User-Agent`` headers that a server which is not ours gets."""
    seen = []

    async def note(connection):
        seen.extend(connection.request.headers.get_all("User-Agent"))

    async with c, websockets.serve(note, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        async with c.ws(host="127.0.0.1", port=port, **options) as session:
            async for _ in session.incoming:
                pass
    return seen


async def test_without_the_feature_it_is_ktorws():
    assert await seen_by_a_server(client()) == [f"ktorws/{__version__}"]


async def test_the_agent_is_sent():
    c = client().install(UserAgent, agent="feed-reader/2.1")
    assert await seen_by_a_server(c) == ["feed-reader/2.1"]
    assert c.feature(UserAgent).agent == "feed-reader/2.1"


async def test_a_request_keeps_its_own():
    c = client().install(UserAgent, agent="feed-reader/2.1")
    own = {"user-agent": "own"}
    assert await seen_by_a_server(c, headers=own) == ["own"]


async def test_that_of_a_default_request_stays_if_it_came_first():
    c = client().install(DefaultRequest, headers={"User-Agent": "default"})
    c.install(UserAgent, agent="feed-reader/2.1")
    assert await seen_by_a_server(c) == ["default"]


@pytest.mark.parametrize(
    ("kind", "start"), [(BrowserUserAgent, "Mozilla/5.0 "), (CurlUserAgent, "curl/")]
)
async def test_it_can_pose_as_another(kind, start):
    (seen,) = await seen_by_a_server(client().install(kind))
    assert seen.startswith(start)
    c = HttpClient(features=[WebSockets(), kind()])
    assert await seen_by_a_server(c) == [seen]


def test_an_agent_that_cannot_be_sent_is_refused_when_installed():
    with pytest.raises(ValueError, match="User-Agent"):
        client().install(UserAgent, agent="a\r\nX: b")
    with pytest.raises(TypeError, match="User-Agent"):
        client().install(UserAgent, agent=5)
    with pytest.raises(TypeError, match="agent"):
        client().install(UserAgent)
