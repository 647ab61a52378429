"""Our own transport under TLS, over real sockets and OpenSSL, on each event loop."""

import asyncio
import contextlib
import gc
import os
import socket
import ssl

import pytest

from ktorws.engines._securing import secured
from tests.certificates import NAMES, authority, client_context, server_context
from tests.network_fixtures import settled

try:
    from ktorws._tls import AVAILABLE, TlsTransport, prepare
except ModuleNotFoundError:
    if os.environ.get("KTORWS_REQUIRE_CYTHON"):
        raise
    pytest.skip("it is not compiled here", allow_module_level=True)

from tests.test_socket_transport import LOOPS, MIB, Frames, Protocol, reset
from tests.test_socket_transport import tcp_pair as slow_tcp_pair

if not AVAILABLE:
    pytest.skip("Python's OpenSSL cannot be found", allow_module_level=True)

VERSIONS = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]
)
SHUTDOWN_TIMEOUT = 5.0


def tcp_pair():
    """Nothing waits for an acknowledgement: a reset would take it."""
    ours, theirs = slow_tcp_pair()
    theirs.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return ours, theirs


class Peer:
    """The other side: a socket that blocks, each call in a thread."""

    def __init__(self, sock):
        self.sock = sock

    async def send(self, octets):
        await asyncio.to_thread(self.sock.sendall, octets)

    async def read_all(self):
        """Up to TLS's end, or the socket's."""

        def read():
            everything = bytearray()
            while octets := self.sock.recv(MIB):
                everything += octets
            return everything

        return await asyncio.to_thread(read)

    def below(self):
        """The socket, without TLS from now on."""
        return socket.socket(fileno=self.sock.detach())


def server_side(sock, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority("tests").issue_cert(*NAMES).configure_cert(context)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # a missing close_notify is told
    if version is not None:
        context.maximum_version = version
    sock.settimeout(5)
    return context.wrap_socket(sock, server_side=True, suppress_ragged_eofs=False)


async def agreed(pair, version=None):
    """Our socket under TLS, and theirs."""
    loop = asyncio.get_running_loop()
    ours, theirs = pair()
    ours.setblocking(False)
    accepting = asyncio.create_task(asyncio.to_thread(server_side, theirs, version))
    sock = await secured(loop, ours, client_context(), "localhost", prepare)
    return sock, await accepting


@pytest.fixture
async def made():
    """Makes transports over socket pairs; nothing of them is left."""
    everything = []

    async def make(
        protocol=None,
        pair=socket.socketpair,
        version=None,
        patience=SHUTDOWN_TIMEOUT,
    ):
        protocol = protocol or Protocol()
        ours, theirs = await agreed(pair, version)
        loop = asyncio.get_running_loop()
        transport = TlsTransport(loop, ours, protocol, patience)
        everything.append((protocol, transport, ours, theirs))
        return protocol, transport, Peer(theirs)

    yield make
    for protocol, transport, ours, theirs in everything:
        transport.abort()
        await protocol.lost
        theirs.close()
        await settled(lambda ours=ours: ours.fileno() == -1)


# Reading.


@VERSIONS
async def test_it_delivers_what_comes(made, version):
    protocol, _, peer = await made(version=version)
    await peer.send(b"one")
    await settled(lambda: protocol.received == b"one")
    await peer.send(b"two")
    await settled(lambda: protocol.received == b"onetwo")


@pytest.mark.parametrize("room", [1, 1000, 16 * 1024, 100_000])
async def test_more_than_the_memory_holds_comes_in_several_reads(made, room):
    protocol, _, peer = await made(Protocol(room=room))
    octets = os.urandom(20_000 if room == 1 else 500_000)
    await peer.send(octets)
    await settled(lambda: len(protocol.received) == len(octets))
    assert protocol.received == octets


async def test_records_that_come_together_are_delivered_at_once(made):
    protocol, transport, peer = await made()
    reads = []
    keep = protocol.buffer_updated
    protocol.buffer_updated = lambda size: (reads.append(size), keep(size))
    transport.pause_reading()
    for number in range(20):
        await peer.send(bytes([number]) * 10)
    transport.resume_reading()
    await settled(lambda: len(protocol.received) == 200)
    assert reads == [200]


async def test_nothing_is_delivered_in_a_pause_and_all_of_it_behind(made):
    """Also not what OpenSSL has read: the socket has nothing more to say of it."""
    protocol, transport, peer = await made(Protocol(room=10))
    keep = protocol.buffer_updated

    def keep_and_pause(size):
        keep(size)
        transport.pause_reading()

    protocol.buffer_updated = keep_and_pause
    await peer.send(b"0123456789" * 3)
    for received in (10, 20, 30):
        await settled(lambda received=received: len(protocol.received) == received)
        await asyncio.sleep(0.02)
        assert len(protocol.received) == received
        transport.resume_reading()


async def test_a_part_of_a_record_is_waited_for(made):
    protocol, _, peer = await made()
    asked = []
    protocol.get_buffer = lambda size: (asked.append(size), protocol.memory)[1]
    below = peer.below()
    for at in range(4):  # of a record that says 16 octets
        below.sendall(b"\x17\x03\x03\x00\x10\x00\x00\x00"[2 * at : 2 * at + 2])
        await asyncio.sleep(0.02)
    assert len(asked) <= 5  # one of them for the tickets
    assert not protocol.lost.done()
    below.close()
    assert await protocol.lost is None


async def test_the_end_that_came_with_the_last_octets_is_seen_behind_them(made):
    protocol, transport, peer = await made()
    transport.pause_reading()
    await peer.send(b"last")
    with pytest.raises(TimeoutError):  # sent; but no answer comes in a pause
        peer.sock.settimeout(0.05)
        await asyncio.to_thread(peer.sock.unwrap)
    transport.resume_reading()
    assert await protocol.lost is None
    assert protocol.received == b"last"
    assert protocol.told == ["eof"]


async def test_it_answers_the_peers_end_with_its_own(made):
    protocol, _, peer = await made()
    await peer.send(b"last")
    below = await asyncio.to_thread(peer.sock.unwrap)
    assert await protocol.lost is None
    assert protocol.received == b"last"
    below.close()


async def test_an_end_of_tcp_alone_is_an_end(made):
    protocol, _, peer = await made()
    await peer.send(b"last")
    peer.below().close()
    assert await protocol.lost is None
    assert protocol.received == b"last"
    assert protocol.told == ["eof"]


@pytest.mark.parametrize("size", [0, 10, 60_000])
async def test_a_reset_takes_nothing_of_what_came_before(made, size):
    protocol, _, peer = await made(Protocol(room=1000), tcp_pair)
    await peer.send(bytes(size))
    reset(peer.below())
    assert isinstance(await protocol.lost, ConnectionResetError)
    assert len(protocol.received) == size


@pytest.mark.parametrize("what", ["octets", "a frame"])
async def test_who_sends_to_a_peer_that_has_reset_still_gets_what_came_before(
    made, what
):
    protocol, transport, peer = await made(Protocol(room=1000), tcp_pair)
    send = transport.write if what == "octets" else Frames(transport).send
    await peer.send(bytes(100_000))
    reset(peer.below())
    for _ in range(3):
        send(b"too late")
        assert transport.get_write_buffer_size() == 0
    error = await protocol.lost
    assert isinstance(error, (ConnectionResetError, BrokenPipeError))
    assert len(protocol.received) == 100_000


@VERSIONS
async def test_octets_that_are_no_tls_are_an_error_of_tls(made, version):
    protocol, _, peer = await made(version=version)
    await peer.send(b"before")
    below = peer.below()
    below.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    error = await protocol.lost
    assert isinstance(error, ssl.SSLError)
    assert "TLS failed: " in str(error)
    assert protocol.received == b"before"
    below.close()


async def test_a_record_that_was_changed_is_an_error_of_tls(made):
    protocol, _, peer = await made()
    below = peer.below()
    below.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
    error = await protocol.lost
    assert isinstance(error, ssl.SSLError)
    assert "bad record mac" in str(error)
    below.close()


async def test_a_protocol_that_fails_is_reported_and_the_connection_lost(made):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
    protocol = Protocol()
    protocol.buffer_updated = lambda size: 1 // 0
    protocol, _, peer = await made(protocol)
    await peer.send(b"one")
    assert isinstance(await protocol.lost, ZeroDivisionError)
    assert len(told) == 1


# Writing.


@VERSIONS
async def test_what_is_written_arrives_in_order(made, version):
    _, transport, peer = await made(version=version)
    numbers = [str(number).encode() for number in range(1000)]
    for number in numbers:
        transport.write(number)
    transport.write(b"")
    transport.close()
    assert await peer.read_all() == b"".join(numbers)


async def test_frames_of_every_size_arrive_in_order(made):
    _, transport, peer = await made()
    frames = Frames(transport)
    for size in (0, 1, 125, 126, *range(2030, 2060), 100_000, 7):
        frames.send(bytes([size & 0xFF]) * size)
    reading = asyncio.create_task(peer.read_all())
    transport.close()
    assert await reading == frames.octets


async def test_small_frames_wait_too_when_the_socket_takes_no_more(made):
    protocol, transport, peer = await made(pair=tcp_pair)
    frames = Frames(transport)
    while protocol.told != ["pause"]:
        frames.send(b"%d" % len(frames.octets) * 20)
    assert transport.get_write_buffer_size() > 64 * 1024
    reading = asyncio.create_task(peer.read_all())
    transport.close()
    assert await reading == frames.octets
    assert transport.get_write_buffer_size() == 0


async def test_what_the_socket_does_not_take_waits_and_the_protocol_is_told(made):
    protocol, transport, peer = await made()
    blocks = [bytes([number]) * 100_000 for number in range(50)]
    for block in blocks:
        transport.write(block)
    assert protocol.told == ["pause"]
    assert 64 * 1024 < transport.get_write_buffer_size() <= 5_000_000
    reading = asyncio.create_task(peer.read_all())
    await settled(lambda: protocol.told == ["pause", "resume"])
    await settled(lambda: transport.get_write_buffer_size() == 0)
    transport.close()
    assert await reading == b"".join(blocks)


async def test_what_waits_is_sent_before_the_end(made):
    protocol, transport, peer = await made()
    octets = os.urandom(3 * MIB)
    transport.write(octets)
    transport.close()
    transport.write(b"ignored")
    assert await peer.read_all() == octets
    assert not protocol.lost.done() or await protocol.lost is None


async def test_who_reads_and_writes_at_once_keeps_the_order(made):
    protocol, transport, peer = await made(Protocol(room=1000))
    ours, theirs = os.urandom(2 * MIB), os.urandom(2 * MIB)

    def talk():
        got = bytearray()
        for at in range(0, len(theirs), MIB // 8):
            peer.sock.sendall(theirs[at : at + MIB // 8])
            while len(got) <= at:
                got += peer.sock.recv(50_000)
        while len(got) < len(ours):
            got += peer.sock.recv(MIB)
        return got

    talking = asyncio.create_task(asyncio.to_thread(talk))
    for at in range(0, len(ours), 1000):
        transport.write(ours[at : at + 1000])
        if at % 100_000 == 0:
            await asyncio.sleep(0)
    assert await talking == ours
    await settled(lambda: len(protocol.received) == len(theirs))
    assert protocol.received == theirs


async def test_only_bytes_are_written(made):
    _, transport, _ = await made()
    for octets in (None, "text", bytearray(b"changes")):
        with pytest.raises(TypeError):
            transport.write(octets)


async def test_there_is_no_half_close(made):
    _, transport, _ = await made()
    assert not transport.can_write_eof()
    with pytest.raises(NotImplementedError):
        transport.write_eof()


# The end.


async def test_the_end_is_told_and_the_peers_awaited(made):
    protocol, transport, peer = await made()
    transport.write(b"last")
    transport.close()
    transport.close()
    assert await peer.read_all() == b"last"  # else SSLEOFError
    assert not protocol.lost.done()
    peer.sock.close()
    assert await protocol.lost is None


async def test_what_comes_behind_close_is_dropped_and_resets_nothing(made):
    protocol, transport, peer = await made(pair=tcp_pair)
    transport.write(b"last")
    await peer.send(bytes(100_000))
    transport.close()
    await peer.send(bytes(100_000))
    assert await peer.read_all() == b"last"
    peer.sock.close()
    assert await protocol.lost is None
    assert len(protocol.received) <= 100_000


@pytest.mark.parametrize("waiting", [0, 10 * MIB])
async def test_a_peer_that_does_not_end_is_left_after_the_timeout(made, waiting):
    protocol, transport, _ = await made(patience=0.2)
    transport.write(bytes(waiting))
    began = asyncio.get_running_loop().time()
    transport.close()
    assert await protocol.lost is None
    assert 0.18 < asyncio.get_running_loop().time() - began < SHUTDOWN_TIMEOUT


async def test_an_abort_drops_what_waits(made):
    protocol, transport, _ = await made()
    transport.write(bytes(10 * MIB))
    transport.close()
    assert not protocol.lost.done()
    transport.abort()
    transport.write(b"ignored")
    assert await protocol.lost is None


async def test_after_the_end_every_call_does_nothing(made):
    protocol, transport, _ = await made()
    transport.abort()
    await protocol.lost
    await asyncio.sleep(0)
    transport.write(b"ignored")
    transport.pause_reading()
    transport.resume_reading()
    transport.close()
    transport.abort()
    assert transport.get_extra_info("ssl_object") is None
    assert transport.get_extra_info("cipher", "none") == "none"


async def test_it_tells_of_its_socket_and_of_tls(made):
    _, transport, peer = await made(pair=tcp_pair)
    assert transport.get_extra_info("peername") == peer.sock.getsockname()
    told = transport.get_extra_info("ssl_object")
    assert told.version() == "TLSv1.3"
    assert transport.get_extra_info("cipher") == told.cipher() == peer.sock.cipher()
    assert transport.get_extra_info("peercert") == told.getpeercert()
    assert ("DNS", "localhost") in told.getpeercert()["subjectAltName"]
    assert transport.get_extra_info("sslcontext") is client_context()
    assert transport.get_extra_info("compression", "none") is None
    assert transport.get_extra_info("socket").fileno() == told.fileno()


@LOOPS
def test_one_that_is_left_open_says_so_and_closes(new_loop):
    loop = new_loop()

    async def leave_open():
        ours, theirs = await agreed(socket.socketpair)
        TlsTransport(asyncio.get_running_loop(), ours, Protocol(), 1.0)
        await asyncio.get_running_loop().shutdown_default_executor()
        return theirs

    with loop.run_until_complete(leave_open()):
        loop.close()
        del loop
        with pytest.warns(ResourceWarning) as warnings:
            gc.collect()
    told = [str(one.message) for one in warnings]
    assert any(text.startswith("unclosed transport <TlsTransport") for text in told)


async def test_a_socket_whose_tls_was_taken_away_is_refused():
    ours, theirs = await agreed(socket.socketpair)
    loop = asyncio.get_running_loop()
    with ours, theirs, pytest.raises(RuntimeError, match="session"):
        ours._sslobj = None
        TlsTransport(loop, ours, Protocol(), 1.0)


# The handshake.


async def test_a_handshake_that_is_cancelled_closes_the_socket():
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    number = ours.fileno()
    with theirs:
        task = asyncio.create_task(
            secured(loop, ours, client_context(), "localhost", prepare)
        )
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(OSError, match="descriptor"):
            os.fstat(number)
        again = await agreed(socket.socketpair)  # of the same number, perhaps
        for sock in again:
            sock.close()


async def test_a_handshake_waits_until_the_socket_takes_more():
    """A first message of 60 KB, and a socket that takes few of them at once."""
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context()
    authority("tests").configure_trust(context)
    context.set_alpn_protocols([str(number) * 60 for number in range(100, 400)])
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    accepting = asyncio.create_task(asyncio.to_thread(server_side, theirs, None))
    made = secured(loop, ours, context, NAMES[0], prepare)
    with await made as sock, await accepting:
        assert sock.version() == "TLSv1.3"


async def test_a_peer_that_has_reset_before_the_handshake_leaves_nothing_open():
    ours, theirs = tcp_pair()
    ours.setblocking(False)
    number = ours.fileno()
    reset(theirs)
    loop = asyncio.get_running_loop()
    with pytest.raises(ConnectionResetError):
        await secured(loop, ours, client_context(), "localhost", prepare)
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(number)


# Others of the same thread.


def between_two_memories(context):
    """A client's side that has nothing to read."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = client_context().wrap_bio(to_client, to_server, server_hostname=NAMES[0])
    server = context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server) * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    with contextlib.suppress(ssl.SSLWantReadError):
        client.read()
    return client


@pytest.mark.parametrize(
    "octets", [b"HTTP/1.1 400 Bad\r\n\r\n", b"\x15\x03\x03\0\2\2\x28"]
)
async def test_a_session_that_breaks_breaks_no_other(made, octets):
    other = between_two_memories(server_context())
    protocol, transport, peer = await made()
    below = peer.below()
    below.sendall(octets)
    assert isinstance(await protocol.lost, ssl.SSLError)
    transport.close()
    with pytest.raises(ssl.SSLWantReadError):
        other.read()
    below.close()


async def test_what_broke_a_session_is_told_whatever_others_do_meanwhile(made):
    _, other, _ = await made()
    protocol, _, peer = await made()
    keep = protocol.buffer_updated
    protocol.buffer_updated = lambda size: (other.write(b"meanwhile"), keep(size))
    sent = socket.socket(fileno=os.dup(peer.sock.fileno()))
    peer.sock.send(b"data")
    sent.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    error = await protocol.lost
    assert str(error) in {
        "TLS failed: wrong version number",
        "TLS failed: bad record type",  # in OpenSSL's newer words
    }
    assert protocol.received == b"data"
    sent.close()
