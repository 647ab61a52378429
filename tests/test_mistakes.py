"""What somebody who errs is told: the name of what was wrong, in terms he knows."""

import pytest

from ktorws import (
    CIO,
    ClosedReceiveChannelError,
    CloseReason,
    HttpClient,
    JsonConverter,
    WebSockets,
    bounded,
)
from ktorws.engines.mock import MockEngine

URL = "ws://example.org/"


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"ping_intervall": 20}, TypeError, "ping_intervall"),
        ({"ping_interval": 1, "ping_interval_millis": 2}, TypeError, "not both"),
        ({"timeout": 0}, ValueError, "timeout must be above 0, not 0"),
        ({"max_frame_size": "3"}, ValueError, "at least 1, not '3'"),
        ({"channels": bounded(3)}, TypeError, "WebSocketChannelsConfig"),
        ({"extensions": [WebSockets]}, TypeError, r"install\(\)"),
        ({"content_converter": JsonConverter}, TypeError, "content_converter"),
    ],
    ids=str,
)
def test_a_wrong_option_is_refused_at_install(options, error, words):
    with pytest.raises(error, match=words):
        HttpClient(CIO).install(WebSockets, **options)


def test_an_object_where_install_wants_the_class_is_told_so():
    with pytest.raises(TypeError, match="takes a feature's class"):
        HttpClient(CIO).install(WebSockets())


async def test_a_missing_feature_is_named_with_its_remedy():
    async with HttpClient(MockEngine()) as client:
        with pytest.raises(RuntimeError, match=r"client\.install\(WebSockets\)"):
            await client.websocket_session(URL)


async def test_a_misspelt_option_of_ws_is_named_without_our_internals():
    async with HttpClient(MockEngine()) as client:
        client.install(WebSockets)
        with pytest.raises(TypeError, match="header") as caught:
            await client.websocket_session(URL, header={})
    assert str(caught.value) == "Unknown options: header"


@pytest.mark.parametrize("url", ["127.0.0.1:8080/chat", "localhost:8080/chat"])
async def test_a_url_without_a_scheme_is_told_which_one_it_needs(url):
    async with HttpClient(MockEngine()) as client:
        client.install(WebSockets)
        with pytest.raises(ValueError, match="begin the URL with ws://"):
            await client.websocket_session(url)


async def test_what_cannot_be_sent_is_named_by_what_can():
    async with MockEngine() as engine, HttpClient(engine) as client:
        client.install(WebSockets)
        async with client.ws(URL) as session:
            with pytest.raises(TypeError, match="str") as caught:
                await session.send(5)
    assert "Frame.Binary" not in str(caught.value)


async def test_a_receive_behind_the_block_tells_why_the_session_ended():
    async with MockEngine() as engine, HttpClient(engine) as client:
        client.install(WebSockets)
        async with client.ws(URL) as session:
            pass
        with pytest.raises(ClosedReceiveChannelError) as caught:
            await session.incoming.receive()
    assert caught.value.close_reason == CloseReason(CloseReason.Codes.NORMAL, "")
