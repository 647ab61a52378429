"""What `docs/features.md` shows, against a server that is not ours."""

import contextlib
import re
from pathlib import Path

import pytest
import websockets

import ktorws

PAGE = (Path(__file__).parent.parent / "docs/features.md").read_text(encoding="utf-8")
EXAMPLES = {
    match[1]: match[2]
    for match in re.finditer(
        r"^## (\w+)\n\n```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL
    )
}


@contextlib.asynccontextmanager
async def listening(check=None):
    """A server, its URL, the headers that it got and what was said."""
    requests, said = [], []

    async def listen(connection):
        async for message in connection:
            said.append(message)

    def note(connection, request):
        requests.append(request.headers)
        return check(connection, request) if check else None

    async with websockets.serve(listen, "127.0.0.1", 0, process_request=note) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/v1?token=s3cret", requests, said


async def run(name, check=None):
    """The headers that the example's requests had, and what its `main` gave."""
    namespace = {}
    exec(compile(EXAMPLES[name], f"features.md: {name}", "exec"), namespace)
    async with listening(check) as (url, requests, said):
        result = await namespace["main"](url)
    assert said == ["Hello"]
    return requests, result


def test_the_page_shows_nothing_that_is_not_tried_here():
    assert sorted(EXAMPLES) == [
        *("Auth", "HttpCookies", "HttpTimeout", "Logging", "UserAgent")
    ]
    assert PAGE.count("```python\n") == len(EXAMPLES) + 1  # and how to install


async def test_auth_refreshes_the_token_of_yesterday():
    def check(connection, request):
        if request.headers.get("Authorization") != "Bearer fresh":
            return connection.respond(401, "No\n")
        return None

    requests, _ = await run("Auth", check)
    assert [headers["Authorization"] for headers in requests] == [
        *("Bearer yesterday", "Bearer fresh")
    ]


async def test_http_cookies_sends_what_the_storage_has():
    requests, result = await run("HttpCookies")
    assert [headers["Cookie"] for headers in requests] == ["session=abc"]
    assert result == {"session": "abc"}


async def test_http_timeout_lets_a_quick_server_be():
    requests, _ = await run("HttpTimeout")
    assert len(requests) == 1


async def test_user_agent_is_sent():
    requests, _ = await run("UserAgent")
    assert [headers["User-Agent"] for headers in requests] == ["feed-reader/2.1"]


async def test_logging_tells_what_the_page_says(caplog):
    caplog.set_level("INFO", "feed")
    await run("Logging")
    messages = [r.getMessage() for r in caplog.records if r.name == "feed"]
    assert messages[0].startswith("[1] REQUEST: ws://127.0.0.1:")
    assert messages[0].endswith("/v1?token=***")
    assert messages[1].startswith("[1] RESPONSE: 101 Switching Protocols\n-> ")
    assert "[1] >> TEXT, 5 bytes: 'Hello'" in messages
    assert messages[-1] == "[1] CLOSED: CloseReason(code=1000, message='')"
    assert messages[-1] in PAGE


@pytest.mark.parametrize(
    "engine",
    [ktorws.CIO, ktorws.AioHttp, ktorws.Js, ktorws.MockEngine],
    ids=lambda engine: engine.name,
)
@pytest.mark.parametrize("name", ["connect_timeout", "socket_timeout", "frame_taps"])
def test_the_page_says_what_the_engines_can_do(engine, name):
    rows = [line[2:-2].split(" | ") for line in PAGE.splitlines() if line[:2] == "| "]
    [head] = [row for row in rows if row[0] == "feature"]
    [row] = [r for r in rows if f"`{name}`" in r[0] and len(r) == len(head)]
    can = dict(zip(head, row, strict=True))[engine.name] == "yes"
    assert can == (name in engine.capabilities)
