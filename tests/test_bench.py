"""The neutral server of the benchmark speaks RFC 6455, and counts right."""

import asyncio
import contextlib
import errno
import os
import socket
import sys

import pytest

from ktorws import CIO, CloseReason, Frame, HttpClient, WebSockets

pytest.importorskip("bench.neutral", reason="there is no bench/ beside the tests")
websockets_client = pytest.importorskip("websockets.asyncio.client")

from bench.neutral import (  # noqa: E402
    Neutral,
    NoCompilerError,
    NotNeutralError,
    has_openssl,
)

HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: WebSocket\r\n"
    b"Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
NO_KEY = b"\x00\x00\x00\x00"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if not sys.platform.startswith("linux"):
        pytest.skip("the neutral server needs Linux (epoll)")
    try:
        with Neutral(tmp_path_factory.mktemp("neutral")) as running:
            yield running
    except NoCompilerError as error:
        pytest.skip(str(error))


@pytest.fixture(params=["plain", "tls"])
def secure(request, server):
    if request.param == "tls" and server.trust is None:
        pytest.skip("the neutral server has no TLS: OpenSSL's headers are missing")
    return request.param == "tls"


def context_of(server, *, secure):
    import ssl

    return ssl.create_default_context(cafile=server.trust) if secure else None


@contextlib.asynccontextmanager
async def ktorws_session(server, path, *, secure=False):
    engine = CIO(ssl=context_of(server, secure=secure))
    async with HttpClient(engine).install(WebSockets, close_timeout=3) as client:
        async with client.ws(server.url(path, secure=secure)) as session:
            yield session


def other_session(server, path, *, secure=False):
    options = {"ssl": context_of(server, secure=True)} if secure else {}
    return websockets_client.connect(
        server.url(path, secure=secure), compression=None, max_size=None, **options
    )


def by_hand(server, path=b"/echo", request=HANDSHAKE):
    """A socket that has sent this request and read the answer's head."""
    port = int(server.url("").rpartition(":")[2])
    made = socket.create_connection(("127.0.0.1", port), timeout=5)
    made.sendall(request % path if b"%s" in request else request)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = made.recv(1)
        assert piece, head
        head += piece
    return made, head


def all_of(made):
    """What comes until the server ends the connection."""
    octets = b""
    while piece := made.recv(65536):
        octets += piece
    return octets


SIZES = [0, 1, 125, 126, 65535, 65536, 1 << 20]


@pytest.mark.parametrize("size", SIZES)
async def test_ktorws_gets_back_what_it_sent(server, secure, size):
    async with ktorws_session(server, "/echo", secure=secure) as session:
        await session.send(b"\x01\x02\x03" * (size // 3) + b"\x04" * (size % 3))
        frame = await session.incoming.receive()
        assert isinstance(frame, Frame.Binary)
        assert frame.data == b"\x01\x02\x03" * (size // 3) + b"\x04" * (size % 3)


async def test_another_client_gets_back_what_it_sent(server, secure):
    async with other_session(server, "/echo", secure=secure) as session:
        for size in SIZES:
            await session.send(b"\x80" * size)
            assert await session.recv() == b"\x80" * size
        await session.send("Grüße")
        assert await session.recv() == "Grüße"


async def test_the_firehose_sends_so_many_for_each_message_and_no_more(server, secure):
    path = "/firehose/1000/64"
    async with ktorws_session(server, path, secure=secure) as session:
        for _ in range(3):
            await session.send("go")
            for _ in range(1000):
                frame = await session.incoming.receive()
                assert frame.read_text() == "x" * 64
        await asyncio.sleep(0.02)
        assert session.incoming.is_empty


async def test_another_client_counts_the_same_in_batches_of_seven(server, secure):
    async with other_session(server, "/firehose/100/300/7", secure=secure) as session:
        await session.send("go")
        assert [await session.recv() for _ in range(100)] == ["x" * 300] * 100
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(session.recv(), 0.02)


async def test_the_firehose_sends_large_binary_messages(server, secure):
    path = "/firehose/3/5000000?binary"
    async with ktorws_session(server, path, secure=secure) as session:
        await session.send("go")
        for _ in range(3):
            assert (await session.incoming.receive()).data == b"x" * 5_000_000


async def test_the_sink_speaks_when_all_messages_are_there(server, secure):
    async with ktorws_session(server, "/sink/500", secure=secure) as session:
        for _ in range(2):
            for size in range(499):
                await session.send("y" * (size * 3))
            await asyncio.sleep(0.01)
            assert session.incoming.is_empty
            await session.send(b"z" * 300_000)
            assert (await session.incoming.receive()).read_text() == "500"


async def test_the_sink_counts_a_message_in_fragments_once(server):
    async with ktorws_session(server, "/sink/2") as session:
        await session.send(Frame.Text("one", fin=False))
        await session.send(Frame.Text("two", fin=False))
        await session.send(Frame.Text("three"))
        await asyncio.sleep(0.01)
        assert session.incoming.is_empty
        await session.send("four")
        assert (await session.incoming.receive()).read_text() == "2"


async def test_ticks_carry_the_servers_clock(server, secure):
    import time

    path = "/ticks/40/1000/10"
    async with other_session(server, path, secure=secure) as session:
        began = time.monotonic_ns()
        await session.send("go")
        texts = [await session.recv() for _ in range(40)]
        assert all(began < int(text[:20]) < time.monotonic_ns() for text in texts)
        assert sorted(set(map(len, texts))) == [64, 256, 1024, 8192]
        assert len({text[:20] for text in texts}) == 4


@pytest.mark.parametrize("path", ["/echo", "/idle", "/sink/9", "/firehose/9/9"])
async def test_a_ping_is_answered_and_a_close_too(server, secure, path):
    async with other_session(server, path, secure=secure) as session:
        await (await session.ping(b"payload"))
        await session.close(4321, "done")
    assert session.close_code == 4321
    async with ktorws_session(server, path, secure=secure) as session:
        await session.close(CloseReason(4322, ""))
    assert (await session.close_reason).code == 4322


async def test_a_ping_is_answered_amid_the_firehose(server):
    async with HttpClient(CIO).install(WebSockets) as client:
        async with client.ws_raw(server.url("/firehose/200000/64")) as session:
            await session.send("go")
            await session.incoming.receive()
            await session.send(Frame.Ping(b"hi"))
            received = 1
            while isinstance(frame := await session.incoming.receive(), Frame.Text):
                received += 1
            assert isinstance(frame, Frame.Pong)
            assert frame.data == b"hi"
            assert received < 200_000


def test_the_accept_key_is_that_of_the_rfc(server):
    made, head = by_hand(server)
    made.close()
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"Upgrade: WebSocket", b"400"),
        (b"Connection: keep-alive, Upgrade", b"400"),
        (b"Sec-WebSocket-Version: 13", b"400"),
        (b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"400"),
    ],
)
def test_a_request_without_what_the_rfc_wants_is_refused(server, line, status):
    made, head = by_hand(server, request=HANDSHAKE.replace(line, b"X: y"))
    assert head.split()[1] == status
    assert all_of(made) == b""
    made.close()


@pytest.mark.parametrize("path", [b"/", b"/sink/", b"/firehose/5", b"/firehose/0/9"])
def test_an_unknown_path_is_not_found(server, path):
    made, head = by_hand(server, path)
    assert head.split()[1] == b"404"
    made.close()


def test_frames_may_come_octet_by_octet(server):
    # RFC 6455 §5.7: "Hello", masked; here as two fragments with a ping between
    made, _ = by_hand(server)
    for octet in (
        b"\x01\x83\x37\xfa\x21\x3d\x7f\x9f\x4d"
        b"\x89\x82" + NO_KEY + b"hi" + b"\x80\x82" + NO_KEY + b"lo"
    ):
        made.sendall(bytes([octet]))
    made.sendall(b"\x88\x82" + NO_KEY + b"\x03\xe8")
    assert all_of(made) == b"\x01\x03Hel\x8a\x02hi\x80\x02lo\x88\x02\x03\xe8"
    made.close()


def test_frames_may_come_with_the_request(server):
    frame = b"\x81\x82" + NO_KEY + b"hi" + b"\x88\x80" + NO_KEY
    made, _ = by_hand(server, request=HANDSHAKE % b"/echo" + frame)
    assert all_of(made) == b"\x81\x02hi\x88\x02\x03\xe8"
    made.close()


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (b"\x81\x02hi", 1002),  # not masked
        (b"\xc1\x80" + NO_KEY, 1002),  # RSV1
        (b"\x83\x80" + NO_KEY, 1002),  # no such opcode
        (b"\x8b\x80" + NO_KEY, 1002),
        (b"\x09\x80" + NO_KEY, 1002),  # a ping in fragments
        (b"\x89\xfe\x00\x7e" + NO_KEY + b"x" * 126, 1002),  # a ping too long
        (b"\x82\xfe\x00\x7d" + NO_KEY + b"x" * 125, 1002),  # not the shortest length
        (b"\x82\xff" + (65535).to_bytes(8) + NO_KEY, 1002),
        (b"\x82\xff" + (1 << 63).to_bytes(8) + NO_KEY, 1002),
        (b"\x82\xff" + (1 << 40).to_bytes(8) + NO_KEY, 1009),
    ],
)
@pytest.mark.parametrize("path", [b"/echo", b"/sink/5"])
def test_a_broken_rule_ends_the_session(server, path, octets, code):
    made, _ = by_hand(server, path)
    made.sendall(octets)
    assert all_of(made) == b"\x88\x02" + code.to_bytes(2)
    made.close()


def test_a_client_that_stops_reading_holds_up_nobody_else(server):
    stuck, _ = by_hand(server, b"/firehose/100000/64")
    stuck.sendall(b"\x81\x80" + NO_KEY)
    made, _ = by_hand(server)
    made.sendall(b"\x81\x82" + NO_KEY + b"hi" + b"\x88\x80" + NO_KEY)
    assert all_of(made) == b"\x81\x02hi\x88\x02\x03\xe8"
    made.close()
    stuck.close()


def test_the_server_ends_when_its_input_does(server):
    with Neutral(server.folder) as another:
        pid = another.pid
        os.kill(pid, 0)
        assert another.trust is None or another.trust != server.trust
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert has_openssl() == (server.trust is not None)


def test_the_server_preempts_nobody_when_told_so(server):
    with Neutral(server.folder) as another:
        try:
            another.preempt_nobody()
        except NotNeutralError as error:
            pytest.skip(str(error))
        assert os.sched_getscheduler(another.pid) == os.SCHED_BATCH


def test_a_scheduler_that_cannot_do_so_is_named(server, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "not implemented")

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    with pytest.raises(NotNeutralError, match="SCHED_BATCH"):
        server.preempt_nobody()
