"""The examples run: those in `examples/`, the README's and CONTRIBUTING's."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import websockets

import ktorws
from ktorws import CIO, HandshakeError, HttpClient, WebSockets
from ktorws.testing import echo_server as local_echo_server

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

CODE_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ENDS_BY_ITSELF = sorted(
    {path.name for path in EXAMPLES.glob("*.py")}
    - {"echo_server.py", "echo_client.py", "demo.py"}
)
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(Path(ktorws.__file__).parent.parent),
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "utf-8",
}

posix = pytest.mark.skipif(os.name != "posix", reason="ends a process by a signal")


def command(path, *arguments):
    return [sys.executable, "-W", "error", "-u", str(path), *arguments]


def run(path, *arguments):
    return subprocess.run(
        command(path, *arguments),
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        timeout=25,
        check=False,
    )


def start(path, *arguments):
    return subprocess.Popen(
        command(path, *arguments),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        preexec_fn=_interruptible if os.name == "posix" else None,  # noqa: PLW1509
    )


def _interruptible():
    # A shell ignores SIGINT for what it runs in the background, and that is inherited.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextlib.contextmanager
def echo_server():
    """The server of the examples: its process and its port."""
    process = start(EXAMPLES / "echo_server.py", "--port", "0")
    try:
        line = process.stdout.readline()
        yield process, int(re.search(r":(\d+)/", line)[1])
    finally:
        process.kill()
        process.communicate()


def example_of_the_readme():
    return CODE_BLOCK.search(README)[1]


def at_port(code, port, tmp_path):
    """The example in a file, with nothing but its port changed."""
    assert code.count("port=8080") == 1
    path = tmp_path / "example.py"
    path.write_text(code.replace("port=8080", f"port={port}"), encoding="utf-8")
    return path


async def in_thread(function, *arguments):
    import asyncio

    return await asyncio.to_thread(function, *arguments)


def test_the_readmes_example_is_the_one_in_the_folder():
    assert (EXAMPLES / "echo_client.py").read_text("utf-8") == example_of_the_readme()


def test_the_readmes_first_screen_shows_the_commands_and_the_example():
    first = README[: README.index("## ")]
    assert "make demo" in first
    assert "make test" in first
    assert example_of_the_readme() in first


def test_the_readmes_example_talks_to_the_echo_server(tmp_path):
    with echo_server() as (_, port):
        done = run(at_port(example_of_the_readme(), port, tmp_path))
    assert (done.stdout, done.stderr) == ("Hello, Text frame\n", "")
    assert done.returncode == 0


async def test_the_readmes_example_talks_to_a_server_that_is_not_ours(tmp_path):
    heard = []

    async def echo(connection):
        heard.append(connection.request.path)
        async for message in connection:
            heard.append(message)
            with contextlib.suppress(websockets.ConnectionClosed):
                await connection.send(message)  # the example takes one, and closes

    async with websockets.serve(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        done = await in_thread(run, at_port(example_of_the_readme(), port, tmp_path))
    assert (done.stdout, done.stderr) == ("Hello, Text frame\n", "")
    assert done.returncode == 0
    path, *messages = heard
    assert path == "/route/path/to/ws"
    assert messages == ["Hello, Text frame", "Hello World", b"\x00\x01"]


@pytest.mark.parametrize("name", ENDS_BY_ITSELF)
def test_an_example_runs(name):
    done = run(EXAMPLES / name)
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout


def test_the_demo_tells_the_conversation_and_sums_up():
    done = run(EXAMPLES / "demo.py", "--seconds", "0.2")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "the server echoes 'Hello, Text frame'" in done.stdout
    assert "the server echoes b'\\x00\\x01'" in done.stdout
    summary = done.stdout.partition("\nSummary\n")[2]
    assert len(re.findall(r"[1-9][\d,]* messages received", summary)) == 2
    assert f"codec {ktorws.CODEC}, loop " in summary
    assert summary.count("reason=NORMAL") == 2
    assert done.stdout.rstrip().endswith("The server has ended, in good order.")


def test_the_demo_fails_when_something_is_lost(tmp_path):
    server = (EXAMPLES / "echo_server.py").read_text("utf-8")
    lossy = server.replace("            sent += 1\n", "            sent += 2\n")
    assert lossy != server
    (tmp_path / "echo_server.py").write_text(lossy, "utf-8")
    demo = tmp_path / "demo.py"
    demo.write_bytes((EXAMPLES / "demo.py").read_bytes())
    done = run(demo, "--seconds", "0.1")
    assert done.returncode == 1
    assert "Message 1 is missing" in done.stderr
    assert "Summary" not in done.stdout


def test_the_demo_fails_where_the_server_does_not_start(tmp_path):
    (tmp_path / "echo_server.py").write_text("raise SystemExit(3)\n")
    demo = tmp_path / "demo.py"
    demo.write_bytes((EXAMPLES / "demo.py").read_bytes())
    done = run(demo)
    assert done.returncode == 1
    assert "The server did not start" in done.stderr


@posix
@pytest.mark.timeout(90)
def test_the_demo_ends_its_server_when_it_is_interrupted():
    demo = start(EXAMPLES / "demo.py", "--seconds", "20")
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if line.startswith("Full speed"):
            break
    demo.send_signal(signal.SIGINT)
    rest, _ = demo.communicate(timeout=60)
    assert demo.returncode == 130
    assert rest.endswith("Interrupted; everything is closed.\n")
    server = int(re.search(r"process (\d+)", "".join(lines))[1])
    with pytest.raises(ProcessLookupError):
        os.kill(server, 0)


@posix
async def test_the_echo_server_tells_its_guests_when_it_ends():
    with echo_server() as (process, port):
        async with HttpClient(CIO) as client:
            client.install(WebSockets)
            url = f"ws://127.0.0.1:{port}/route/path/to/ws"
            async with client.ws(url) as session:
                process.send_signal(signal.SIGTERM)
                reason = await session.close_reason
        assert reason.code == ktorws.CloseReason.Codes.GOING_AWAY
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


@posix
async def test_a_guest_that_leaves_while_the_server_sends_is_no_error_in_its_log():
    # The handler's send() raises ClosedSendChannelError: the end of a session in good
    # order, not a failure of the handler.
    with echo_server() as (process, port):
        async with HttpClient(CIO) as client:
            client.install(WebSockets)
            url = f"ws://127.0.0.1:{port}/route/path/to/ws"
            async with client.ws(url) as session:
                for _ in range(20_000):
                    session.outgoing.try_send(bytes(256))
                await session.incoming.receive()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert process.stderr.read() == ""


# What CONTRIBUTING shows how to add.


def shown(name):
    """A class that CONTRIBUTING defines."""
    blocks = [b for b in CODE_BLOCK.findall(CONTRIBUTING) if f"class {name}(" in b]
    namespace = {}
    exec(compile("".join(blocks), f"CONTRIBUTING.md: {name}", "exec"), namespace)
    return namespace[name]


def test_contributing_shows_nothing_that_is_not_tried_here():
    names = re.findall(r"^class (\w+)\(", CONTRIBUTING, re.MULTILINE)
    assert names == ["KnownHosts", "BearerToken", "Reverse"]


async def test_the_engine_of_contributing_opens_sessions_to_known_hosts_only():
    engine = shown("KnownHosts")(hosts={"127.0.0.1"})
    async with local_echo_server() as server, HttpClient(engine) as client:
        client.install(WebSockets)
        async with client.ws(server.url()) as session:
            await session.send("known")
            assert (await session.incoming.receive()).read_text() == "known"
        with pytest.raises(ValueError, match="Not a known host: localhost"):
            await client.websocket_session("ws://localhost/")
        await engine.close()


async def test_the_feature_of_contributing_sends_a_token_and_renews_it():
    seen = []

    def check(_connection, request):
        seen.append(request.headers["Authorization"])
        if request.headers["Authorization"] != "Bearer new":
            return _connection.respond(401, "No\n")
        return None

    async def handler(connection):
        await connection.wait_closed()

    tokens = iter(["old", "new"])
    async with (
        websockets.serve(handler, "127.0.0.1", 0, process_request=check) as server,
        HttpClient(CIO) as client,
    ):
        client.install(WebSockets)
        client.install(shown("BearerToken"), fetch=lambda: next(tokens))
        port = server.sockets[0].getsockname()[1]
        async with client.ws(host="127.0.0.1", port=port):
            pass
    assert seen == ["Bearer old", "Bearer new"]


async def test_the_feature_of_contributing_passes_other_refusals_on():
    def check(connection, _request):
        return connection.respond(403, "No\n")

    async with (
        websockets.serve(None, "127.0.0.1", 0, process_request=check) as server,
        HttpClient(CIO) as client,
    ):
        client.install(WebSockets)
        client.install(shown("BearerToken"), fetch=iter(["only one"]).__next__)
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(HandshakeError) as caught:
            await client.websocket_session(host="127.0.0.1", port=port)
    assert caught.value.response.status == 403


async def test_the_extension_of_contributing_works_on_both_sides():
    reverse = shown("Reverse")
    options = WebSockets(extensions=[reverse.install()])
    async with (
        local_echo_server(websockets=options) as server,
        HttpClient(CIO, features=[options]) as client,
    ):
        async with client.ws(server.url()) as session:
            assert isinstance(session.extension(reverse), reverse)
            await session.send("Grüße")
            assert (await session.incoming.receive()).read_text() == "Grüße"
        answer = session.call.response.headers["Sec-WebSocket-Extensions"]
    assert answer == "x-reverse"


async def test_the_extension_of_contributing_is_not_used_where_the_server_lacks_it():
    reverse = shown("Reverse")
    async with local_echo_server() as server, HttpClient(CIO) as client:
        client.install(WebSockets, extensions=[reverse.install()])
        async with client.ws(server.url()) as session:
            assert session.extension_or_none(reverse) is None
            await session.send("abc")
            assert (await session.incoming.receive()).read_text() == "abc"


def test_the_json_example_prints_what_came_back():
    lines = run(EXAMPLES / "json_messages.py").stdout.splitlines()
    assert lines[0] == "{'sum': 6}"
    assert "expected value of type list[int]" in lines[1]
