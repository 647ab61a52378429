"""The fixtures of `pytest_ktorws`, in runs of pytest of their own."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ktorws.testing
import pytest_ktorws

pytest_plugins = ["pytester"]

PAGE = (Path(__file__).parent.parent / "docs" / "testing.md").read_text("utf-8")
CODE_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

FIXTURES = {name for name in vars(pytest_ktorws) if name.startswith("ktorws_")}

#: Nothing but pytest and the plug-in: no runner of coroutines.
ALONE = ("-p", "no:asyncio", "-p", "no:anyio", "-p", "no:hypothesispytest")


@pytest.fixture
def run(pytester):
    """Run a file of tests in a process of its own."""

    def run_it(source, *options, files=None):
        pytester.makepyfile(source, **(files or {}))
        return pytester.runpytest_subprocess("-W", "error", *ALONE, *options)

    return run_it


def test_pytest_finds_the_plug_in_by_its_entry_point():
    points = importlib.metadata.entry_points(group="pytest11", name="ktorws")
    assert {point.load() for point in points} == {pytest_ktorws}


@pytest.mark.timeout(60)
def test_every_fixture_serves_a_test_without_a_plug_in_for_coroutines(run):
    done = run(
        """
        import asyncio
        from ktorws import CIO, Frame, HttpClient, PingTimeoutError, WebSockets


        def client_of(engine, **options):
            return HttpClient(engine).install(WebSockets, **options)


        async def echoes(url):
            async with client_of(CIO) as client, client.ws(url) as session:
                await session.send("Hello")
                return (await session.incoming.receive()).read_text() == "Hello"


        async def echo(session):
            async for message in session.incoming:
                await session.send(message)


        def test_servers_and_a_relay(
            ktorws_echo_server, ktorws_local_server, ktorws_relay, ktorws_nothing_left
        ):
            async def main():
                async with ktorws_nothing_left(), ktorws_echo_server() as server:
                    assert await echoes(server.url())
                    async with ktorws_relay(server.url()) as relay:
                        assert await echoes(relay.url())
                async with ktorws_local_server(echo) as server:
                    assert await echoes(server.url())

            asyncio.run(main())


        def test_scripts(ktorws_scripted_server, ktorws_scripted_client):
            async def script(peer):
                async for frame in peer:
                    peer.send(frame)

            async def main():
                async with ktorws_scripted_server(script) as server:
                    assert await echoes(server.url())
                    async with ktorws_scripted_client(server.url()) as peer:
                        await peer.ask()
                        peer.send("by hand")
                        assert await peer.receive() == Frame.Text("by hand")

            asyncio.run(main())


        def test_a_mock_and_its_time(ktorws_mock_engine, ktorws_clock):
            async def script(peer):
                peer.stall()
                await peer.wait_closed()

            async def main():
                async with ktorws_mock_engine(script, clock=ktorws_clock) as engine:
                    client = client_of(engine, ping_interval=20, timeout=15)
                    session = await client.websocket_session("ws://mock.test/")
                    await ktorws_clock.advance(60)
                    try:
                        await session.incoming.receive()
                    except PingTimeoutError:
                        return
                raise AssertionError("The silence went unnoticed")

            asyncio.run(main())
        """
    )
    done.assert_outcomes(passed=3)


FAILING = """
import asyncio
from ktorws import ConnectionLostError, HttpClient, WebSockets


def test_that_forgets_its_engine(ktorws_mock_engine):
    async def script(peer):
        await peer.receive()
        raise LookupError("not what I expected")

    async def main():
        client = HttpClient(ktorws_mock_engine(script)).install(WebSockets)
        session = await client.websocket_session("ws://mock.test/")
        await session.send("surprise")
        await session.wait_closed()

    asyncio.run(main())
"""


@pytest.mark.timeout(60)
def test_a_failing_script_fails_its_test_though_nobody_closes_the_engine(run):
    done = run(FAILING)
    done.assert_outcomes(passed=1, errors=1)
    done.stdout.fnmatch_lines(["*LookupError: not what I expected*"])


@pytest.mark.timeout(60)
def test_whoever_uses_no_fixture_does_not_pay_for_them(run):
    done = run(
        """
        import sys


        def test_nothing_of_ours_was_imported():
            assert "pytest_ktorws" in sys.modules
            assert not [name for name in sys.modules if name.startswith("ktorws")]
        """
    )
    done.assert_outcomes(passed=1)


async def test_the_fixtures_serve_coroutine_tests(
    ktorws_scripted_server, ktorws_relay, ktorws_nothing_left
):
    async def script(peer):
        peer.send("Hello")

    from ktorws import CIO, HttpClient, WebSockets

    async with (
        ktorws_nothing_left(),
        ktorws_scripted_server(script) as server,
        ktorws_relay(server.url()) as relay,
        HttpClient(CIO) as client,
    ):
        client.install(WebSockets)
        async with client.ws(relay.url()) as session:
            assert (await session.incoming.receive()).read_text() == "Hello"


@pytest.mark.timeout(60)
def test_the_examples_of_the_docs_are_tests_that_pass(pytester):
    blocks = CODE_BLOCK.findall(PAGE)
    pytester.makepyfile("\n\n".join(blocks))
    pytester.makeini(
        "[pytest]\nasyncio_mode=auto\nasyncio_default_fixture_loop_scope=function"
    )
    done = pytester.runpytest_subprocess("-W", "error")
    done.assert_outcomes(passed=PAGE.count("async def test_"))


def test_the_docs_name_every_fixture_and_every_name():
    assert set(re.findall(r"\bktorws_\w+", PAGE)) == FIXTURES
    named = set(re.findall(r"\b\w+\b", PAGE))
    assert set(ktorws.testing.__all__) - {"LocalServer", "ScriptedServer"} <= named


@pytest.mark.parametrize(
    "kind", [ktorws.testing.MockPeer, ktorws.testing.ScriptedPeer, ktorws.testing.Relay]
)
def test_the_docs_name_what_peers_and_relays_do(kind):
    for name in dir(kind):
        if not name.startswith(("_", "take")) and callable(getattr(kind, name)):
            assert re.search(rf"\b{name}\b", PAGE) or name in {"start"}, name


def test_the_plug_in_imports_nothing_but_pytest():
    code = (
        "import sys, pytest; before = set(sys.modules); import pytest_ktorws; "
        "print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["pytest_ktorws"]
