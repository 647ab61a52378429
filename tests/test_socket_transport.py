"""Our own transport, over real sockets, on each event loop."""

import asyncio
import gc
import os
import socket
import struct

import pytest

from ktorws.frame import FrameEncoder
from ktorws.sending import Cork
from tests.network_fixtures import settled

try:
    from ktorws._transport import SocketTransport
except ModuleNotFoundError:
    if os.environ.get("KTORWS_REQUIRE_CYTHON"):
        raise
    pytest.skip("it is not compiled here", allow_module_level=True)

uvloop = pytest.importorskip("uvloop")

LOOPS = pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop]
)
MIB = 1 << 20


class Protocol(asyncio.BufferedProtocol):
    """Keeps what it is told."""

    def __init__(self, room=64 * 1024, keep_open=False):
        self.memory = bytearray(room)
        self.received = bytearray()
        self.told = []
        self.keep_open = keep_open
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, sizehint):
        return self.memory

    def buffer_updated(self, nbytes):
        self.received += self.memory[:nbytes]

    def eof_received(self):
        self.told.append("eof")
        return self.keep_open

    def pause_writing(self):
        self.told.append("pause")

    def resume_writing(self):
        self.told.append("resume")

    def connection_lost(self, error):
        self.lost.set_result(error)


@pytest.fixture
async def made():
    """Makes transports over socket pairs; nothing of them is left."""
    everything = []

    def make(protocol=None, pair=socket.socketpair):
        protocol = protocol or Protocol()
        ours, theirs = pair()
        ours.setblocking(False)
        theirs.setblocking(False)
        transport = SocketTransport(asyncio.get_running_loop(), ours, protocol)
        everything.append((protocol, transport, ours, theirs))
        return protocol, transport, theirs

    yield make
    for protocol, transport, ours, theirs in everything:
        transport.abort()
        await protocol.lost
        theirs.close()
        await settled(lambda ours=ours: ours.fileno() == -1)


def tcp_pair():
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    return ours, theirs


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


async def read_all(sock):
    loop = asyncio.get_running_loop()
    everything = bytearray()
    while octets := await loop.sock_recv(sock, MIB):
        everything += octets
    return everything


# Reading.


async def test_it_delivers_what_comes(made):
    protocol, _, theirs = made()
    assert protocol.transport
    theirs.send(b"one")
    await settled(lambda: protocol.received == b"one")
    theirs.send(b"two")
    await settled(lambda: protocol.received == b"onetwo")


async def test_more_than_the_memory_holds_comes_in_several_reads(made):
    protocol, _, theirs = made(Protocol(room=1000))
    await asyncio.get_running_loop().sock_sendall(theirs, bytes(100_000))
    await settled(lambda: len(protocol.received) == 100_000)


async def test_nothing_is_delivered_in_a_pause_and_all_of_it_behind(made):
    protocol, transport, theirs = made()
    transport.pause_reading()
    transport.pause_reading()
    theirs.send(b"one")
    await asyncio.sleep(0.02)
    assert not protocol.received
    transport.resume_reading()
    transport.resume_reading()
    await settled(lambda: protocol.received == b"one")


async def test_it_closes_at_the_end_of_what_comes(made):
    protocol, transport, theirs = made()
    theirs.send(b"last")
    theirs.close()
    assert await protocol.lost is None
    assert protocol.received == b"last"
    assert protocol.told == ["eof"]
    assert transport.is_closing()


async def test_a_protocol_may_go_on_sending_behind_the_end(made):
    protocol, transport, theirs = made(Protocol(keep_open=True))
    theirs.shutdown(socket.SHUT_WR)
    await settled(lambda: protocol.told == ["eof"])
    transport.write(b"answer")
    transport.close()
    assert await read_all(theirs) == b"answer"
    assert await protocol.lost is None


@pytest.mark.parametrize("size", [0, 10, 60_000])
async def test_a_reset_takes_nothing_of_what_came_before(made, size):
    """uvloop calls once, and not again, when a socket has an error."""
    protocol, _, theirs = made(Protocol(room=1000), tcp_pair)
    await asyncio.get_running_loop().sock_sendall(theirs, bytes(size))
    reset(theirs)
    assert isinstance(await protocol.lost, ConnectionResetError)
    assert len(protocol.received) == size


async def test_a_reset_is_seen_behind_a_pause(made):
    protocol, transport, theirs = made(Protocol(room=1000), tcp_pair)
    transport.pause_reading()
    await asyncio.get_running_loop().sock_sendall(theirs, bytes(5000))
    reset(theirs)
    await asyncio.sleep(0.02)
    assert not protocol.lost.done()
    transport.resume_reading()
    assert isinstance(await protocol.lost, ConnectionResetError)
    assert len(protocol.received) == 5000


@pytest.mark.parametrize("what", ["octets", "a frame"])
async def test_who_sends_to_a_peer_that_has_reset_still_gets_what_came_before(
    made, what
):
    protocol, transport, theirs = made(Protocol(room=1000), tcp_pair)
    send = transport.write if what == "octets" else Frames(transport).send
    await asyncio.get_running_loop().sock_sendall(theirs, bytes(100_000))
    reset(theirs)
    for _ in range(3):
        send(b"too late")
        assert transport.get_write_buffer_size() == 0
    error = await protocol.lost
    assert isinstance(error, (ConnectionResetError, BrokenPipeError))
    assert len(protocol.received) == 100_000


async def test_who_had_a_backlog_when_the_reset_came_still_gets_what_came_before(made):
    protocol, transport, theirs = made(Protocol(room=1000), tcp_pair)
    while not transport.get_write_buffer_size():
        transport.write(bytes(MIB))
    await asyncio.get_running_loop().sock_sendall(theirs, bytes(5000))
    reset(theirs)
    error = await protocol.lost
    assert isinstance(error, (ConnectionResetError, BrokenPipeError))
    assert len(protocol.received) == 5000


@pytest.mark.parametrize("act", ["write", "close", "abort", "pause", "nothing"])
async def test_what_is_done_while_the_loop_lets_go_leaves_nothing_in_it(made, act):
    """uvloop keeps a poll that is closed, unless it is told to forget the socket."""
    loop = asyncio.get_running_loop()
    protocol, transport, theirs = made(Protocol(room=1000), tcp_pair)
    acts = {
        "write": lambda: transport.write(b"too late"),
        "close": transport.close,
        "abort": transport.abort,
        "pause": lambda: (
            transport.pause_reading(),
            loop.call_later(0.01, transport.resume_reading),
        ),
        "nothing": lambda: None,
    }
    keep = protocol.buffer_updated

    def keep_and_act_soon(nbytes):
        if not protocol.received:
            loop.call_soon(acts[act])
        keep(nbytes)

    protocol.buffer_updated = keep_and_act_soon
    number = transport.get_extra_info("socket").fileno()
    await loop.sock_sendall(theirs, bytes(5000))
    reset(theirs)
    await protocol.lost
    if act not in {"close", "abort"}:
        assert len(protocol.received) == 5000
    await asyncio.sleep(0.01)
    pair = sorted(socket.socketpair(), key=lambda sock: sock.fileno() != number)
    with pair[0] as again, pair[1] as other:
        assert again.fileno() == number
        again.setblocking(False)
        loop.call_later(0.01, other.send, b"anew")
        assert await loop.sock_recv(again, 100) == b"anew"


async def test_a_peer_that_takes_no_more_but_stays_is_no_reason_to_wait(made):
    protocol, transport, theirs = made()
    theirs.shutdown(socket.SHUT_RD)
    transport.write(b"too late")
    assert isinstance(await protocol.lost, BrokenPipeError)


async def test_who_is_in_a_pause_when_sending_fails_learns_it_at_once(made):
    protocol, transport, theirs = made(pair=tcp_pair)
    transport.pause_reading()
    reset(theirs)
    transport.write(b"too late")
    error = await protocol.lost
    assert isinstance(error, (ConnectionResetError, BrokenPipeError))


@pytest.mark.parametrize("act", ["pause_reading", "close", "abort"])
async def test_who_pauses_or_ends_when_sending_has_failed_learns_why(made, act):
    protocol, transport, theirs = made(pair=tcp_pair)
    await asyncio.get_running_loop().sock_sendall(theirs, bytes(1000))
    reset(theirs)
    transport.write(b"too late")
    getattr(transport, act)()
    error = await protocol.lost
    assert isinstance(error, (ConnectionResetError, BrokenPipeError))


@pytest.mark.parametrize("where", ["get_buffer", "buffer_updated", "eof_received"])
async def test_a_protocol_that_fails_is_reported_and_the_connection_lost(made, where):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
    error = RuntimeError("no")

    def fail(*_):
        raise error

    protocol = Protocol()
    setattr(protocol, where, fail)
    protocol, transport, theirs = made(protocol)
    theirs.send(b"one")
    theirs.close()
    assert await protocol.lost is error
    (what,) = told
    assert what["exception"] is error
    assert what["transport"] is transport


# Writing.


async def test_what_is_written_arrives_in_order(made):
    _, transport, theirs = made()
    numbers = [str(number).encode() for number in range(1000)]
    for number in numbers:
        transport.write(number)
    transport.write(b"")
    transport.close()
    assert await read_all(theirs) == b"".join(numbers)


class Frames:
    """Sends frames by themselves, as a session does, and knows what is to arrive."""

    def __init__(self, transport):
        self.cork = Cork(asyncio.get_running_loop(), FrameEncoder(masking=False), MIB)
        self.cork.open(transport, lambda: None)
        self.octets = bytearray()

    def send(self, message):
        self.octets += FrameEncoder(masking=False).encode(message)
        self.cork.begin_anew()
        self.cork.write(message)


async def test_frames_of_every_size_arrive_in_order(made):
    _, transport, theirs = made()
    frames = Frames(transport)
    for size in (0, 1, 125, 126, *range(2030, 2060), 100_000, 7):
        frames.send(bytes([size & 0xFF]) * size)
    transport.close()
    assert await read_all(theirs) == frames.octets


@pytest.mark.parametrize("size", [30, 100, 996, 1995])  # some are sent in part
async def test_small_frames_wait_too_when_the_socket_takes_no_more(made, size):
    protocol, transport, theirs = made(pair=tcp_pair)
    frames = Frames(transport)
    number = 0
    while protocol.told != ["pause"]:
        number += 1
        frames.send((b"%d " % number * size)[:size])
    assert 64 * 1024 < transport.get_write_buffer_size() < 67 * 1024
    transport.close()
    assert await read_all(theirs) == frames.octets
    assert protocol.told == ["pause", "resume"]
    assert transport.get_write_buffer_size() == 0


async def test_a_frame_behind_the_half_close_is_refused(made):
    _, transport, _ = made()
    transport.write_eof()
    with pytest.raises(RuntimeError, match="after write_eof"):
        Frames(transport).send(b"too late")


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_a_frame_behind_the_end_is_dropped(made, end):
    protocol, transport, theirs = made()
    getattr(transport, end)()
    Frames(transport).send(b"too late")
    assert transport.get_write_buffer_size() == 0
    assert await protocol.lost is None
    assert await read_all(theirs) == b""


async def test_what_the_socket_does_not_take_waits_and_the_protocol_is_told(made):
    protocol, transport, theirs = made()
    blocks = [bytes([number]) * 100_000 for number in range(50)]
    for block in blocks:
        transport.write(block)
    assert protocol.told == ["pause"]
    assert 64 * 1024 < transport.get_write_buffer_size() <= 5_000_000
    transport.close()
    assert await read_all(theirs) == b"".join(blocks)
    assert protocol.told == ["pause", "resume"]
    assert transport.get_write_buffer_size() == 0
    assert await protocol.lost is None


async def test_who_writes_within_resume_writing_keeps_the_order(made):
    protocol, transport, theirs = made()
    protocol.resume_writing = lambda: transport.write(b"last")
    transport.write(bytes(3 * MIB))
    reading = asyncio.create_task(read_all(theirs))
    await settled(lambda: transport.get_write_buffer_size() == 0)
    transport.close()
    assert await reading == bytes(3 * MIB) + b"last"


async def test_the_half_close_comes_behind_what_was_written(made):
    protocol, transport, theirs = made()
    assert transport.can_write_eof()
    transport.write(bytes(3 * MIB))
    transport.write_eof()
    transport.write_eof()
    with pytest.raises(RuntimeError, match="write_eof"):
        transport.write(b"more")
    assert await read_all(theirs) == bytes(3 * MIB)
    assert not protocol.lost.done()
    theirs.send(b"answer")
    await settled(lambda: protocol.received == b"answer")


async def test_a_half_close_that_fails_is_the_end(made):
    protocol, transport, theirs = made(pair=tcp_pair)
    transport.pause_reading()
    reset(theirs)
    await asyncio.sleep(0.01)
    transport.write_eof()
    assert isinstance(await protocol.lost, OSError)


async def test_limits_decide_when_the_protocol_pauses(made):
    protocol, transport, theirs = made()
    transport.set_write_buffer_limits(high=5 * MIB)
    transport.write(bytes(3 * MIB))
    assert not protocol.told
    transport.set_write_buffer_limits(high=0)
    assert protocol.told == ["pause"]
    transport.close()
    await read_all(theirs)
    assert protocol.told == ["pause", "resume"]


async def test_only_bytes_are_written(made):
    _, transport, _ = made()
    for octets in (None, "text", bytearray(b"changes")):
        with pytest.raises(TypeError):
            transport.write(octets)


async def test_memory_without_room_is_no_end(made):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
    protocol, _, theirs = made(Protocol(room=0))
    theirs.send(b"one")
    assert isinstance(await protocol.lost, RuntimeError)
    assert told


@pytest.mark.parametrize("limits", [{"high": -1}, {"high": 1, "low": 2}, {"low": -1}])
async def test_limits_that_make_no_sense_are_refused(made, limits):
    _, transport, _ = made()
    with pytest.raises(ValueError, match=">="):
        transport.set_write_buffer_limits(**limits)


async def test_an_abort_drops_what_waits(made):
    protocol, transport, theirs = made()
    transport.write(bytes(10 * MIB))
    transport.close()
    assert not protocol.lost.done()
    transport.abort()
    transport.write(b"ignored")
    assert await protocol.lost is None
    assert len(await read_all(theirs)) < 10 * MIB


async def test_a_protocol_that_fails_to_pause_is_reported_and_goes_on(made):
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: told.append(what))
    protocol = Protocol()
    protocol.pause_writing = lambda: 1 // 0
    _, transport, theirs = made(protocol)
    transport.write(bytes(3 * MIB))
    transport.close()
    assert len(await read_all(theirs)) == 3 * MIB
    assert isinstance(told[0]["exception"], ZeroDivisionError)


# The end.


async def test_after_the_end_every_call_does_nothing(made):
    protocol, transport, _ = made()
    transport.close()
    transport.close()
    await protocol.lost
    await asyncio.sleep(0)
    transport.write(b"ignored")
    transport.write_eof()
    transport.pause_reading()
    transport.resume_reading()
    transport.abort()
    assert transport.get_extra_info("socket") is None


async def test_it_tells_of_its_socket(made):
    _, transport, theirs = made(pair=tcp_pair)
    assert transport.get_extra_info("peername") == theirs.getsockname()
    assert transport.get_extra_info("sockname") == theirs.getpeername()
    sock = transport.get_extra_info("socket")
    assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert transport.get_extra_info("cipher", "none") == "none"


@LOOPS
def test_one_that_is_left_open_says_so_and_closes(new_loop):
    loop = new_loop()
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)

        async def leave_open():
            SocketTransport(asyncio.get_running_loop(), ours, Protocol())

        loop.run_until_complete(leave_open())
        loop.close()
        del loop
        with pytest.warns(ResourceWarning, match="unclosed transport"):
            gc.collect()
        assert ours.fileno() == -1
