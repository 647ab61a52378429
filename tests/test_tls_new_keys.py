"""New keys within a session under our own TLS transport, on each event loop.

Python's `ssl` cannot ask for them; OpenSSL can.
"""

import _ssl
import asyncio
import contextlib
import ctypes
import errno
import shutil
import socket
import ssl
import subprocess

import pytest

from ktorws.engines._securing import secured
from tests.certificates import NAMES, authority, client_context
from tests.network_fixtures import settled
from tests.test_socket_transport import MIB, Protocol
from tests.test_tls_transport import (
    SHUTDOWN_TIMEOUT,
    TlsTransport,
    prepare,
    tcp_pair,
)

NO_SESSION_RESUMPTION_ON_RENEGOTIATION = 0x10000  # OpenSSL's; `ssl` has no name for it


class Asking:
    """A server's side between memories and a socket, that can ask for new keys."""

    def __init__(self, sock, context):
        self.sock = sock
        self.come, self.go = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.come, self.go, server_side=True)
        self.openssl = ctypes.CDLL(_ssl.__file__)
        # A `_ssl._SSLSocket` begins with a reference and OpenSSL's session.
        place = (
            id(self.tls._sslobj) + object.__basicsize__ + ctypes.sizeof(ctypes.c_void_p)
        )
        self.session = ctypes.c_void_p.from_address(place)

    def pump(self):
        """Send what is to be sent, take what has come."""
        if self.go.pending:
            self.sock.sendall(self.go.read())
        with contextlib.suppress(BlockingIOError):
            self.come.write(self.sock.recv(MIB))

    def read(self):
        self.pump()
        try:
            return self.tls.read(MIB)
        except ssl.SSLWantReadError:
            return b""

    def ask(self, name, *arguments):
        assert getattr(self.openssl, name)(self.session, *arguments) == 1
        self.openssl.SSL_do_handshake(self.session)


@pytest.fixture
async def asked():
    """Makes a transport whose peer can ask."""
    everything = []

    async def make(version, protocol=None):
        loop = asyncio.get_running_loop()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority("tests").issue_cert(*NAMES).configure_cert(context)
        context.maximum_version = version
        context.options |= NO_SESSION_RESUMPTION_ON_RENEGOTIATION
        ours, theirs = tcp_pair()
        ours.setblocking(False)
        theirs.setblocking(False)
        peer = Asking(theirs, context)
        agreeing = secured(loop, ours, client_context(), "localhost", prepare)
        agreeing = asyncio.create_task(agreeing)
        while not agreeing.done():
            peer.pump()
            with contextlib.suppress(ssl.SSLWantReadError):
                peer.tls.do_handshake()
            await asyncio.sleep(0.001)
        peer.read()
        peer.pump()
        protocol = protocol or Protocol()
        transport = TlsTransport(loop, agreeing.result(), protocol, SHUTDOWN_TIMEOUT)
        everything.append((protocol, transport, theirs))
        return protocol, transport, peer

    yield make
    for protocol, transport, theirs in everything:
        transport.abort()
        await protocol.lost
        theirs.close()


async def test_what_comes_with_new_keys_is_seen_though_a_write_took_it(asked):
    """A write that has to agree on keys first reads on, into what is behind them."""
    protocol, transport, peer = await asked(ssl.TLSVersion.TLSv1_2)
    peer.ask("SSL_renegotiate")
    peer.pump()
    await asyncio.sleep(0.02)
    peer.read()  # our hello, and their answer
    peer.pump()
    await asyncio.sleep(0.02)
    peer.read()  # our keys; their end of it is to leave with what follows
    peer.tls.write(b"behind it")
    peer.pump()
    transport.write(b"ours")
    await settled(lambda: protocol.received == b"behind it")
    await settled(lambda: peer.read() == b"ours")


@pytest.mark.parametrize("answered", [0, 1])
async def test_new_keys_without_end_hold_up_nobody_else(asked, answered):
    protocol, transport, peer = await asked(ssl.TLSVersion.TLSv1_3)
    turns = []
    protocol.get_buffer = lambda size: (turns.append(size), protocol.memory)[1]
    for _ in range(40_000):
        peer.ask("SSL_key_update", answered)
    peer.tls.write(b"behind them")
    octets = peer.go.read()
    peer.sock.setblocking(True)
    sending = asyncio.create_task(asyncio.to_thread(peer.sock.sendall, octets))
    await settled(lambda: protocol.received == b"behind them")
    await sending
    assert len(turns) >= len(octets) // (192 * 1024) > 4
    transport.write(b"ours")
    peer.sock.setblocking(False)
    received = []
    await settled(lambda: received.append(peer.read()) or b"ours" in received)


async def test_a_peer_that_asks_and_takes_no_answer_is_left(asked):
    protocol, transport, peer = await asked(ssl.TLSVersion.TLSv1_3)
    ours = transport.get_extra_info("socket")
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    peer.sock.setblocking(True)

    def ask():
        with contextlib.suppress(OSError):
            while True:
                for _ in range(1000):
                    peer.ask("SSL_key_update", 1)
                peer.sock.sendall(peer.go.read())

    asking = asyncio.create_task(asyncio.to_thread(ask))
    error = await protocol.lost
    assert error.errno == errno.ENOBUFS
    await asking


# The same from OpenSSL's own program.


@pytest.fixture
def s_server(tmp_path):
    """Starts ``openssl s_server``; its input is what it sends, or asks for."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no program openssl here")
    certificate = tmp_path / "certificate.pem"
    issued = authority("tests").issue_cert(*NAMES)
    issued.private_key_and_cert_chain_pem.write_to_path(certificate)
    started = []

    def start(*options):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [program, "s_server", "-accept", f"127.0.0.1:{port}"]
        command += ["-cert", certificate, "-key", certificate, *options]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen(command, **pipes, stderr=subprocess.DEVNULL)
        started.append(process)
        return process, port

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize(
    ("version", "command"),
    [("-tls1_3", b"K\n"), ("-tls1_3", b"k\n"), ("-tls1_2", b"r\n")],
    ids=["keys of both", "keys of the peer", "renegotiation"],
)
async def test_new_keys_are_agreed_on_while_both_send(s_server, version, command):
    loop = asyncio.get_running_loop()
    process, port = s_server(version)
    ours = socket.socket()
    await settled(lambda: ours.connect_ex(("127.0.0.1", port)) == 0)
    ours.setblocking(False)
    sock = await secured(loop, ours, client_context(), "localhost", prepare)
    protocol = Protocol()
    transport = TlsTransport(loop, sock, protocol, SHUTDOWN_TIMEOUT)

    def tell(octets):
        process.stdin.write(octets)
        process.stdin.flush()

    tell(b"before\n")
    await settled(lambda: protocol.received == b"before\n")
    tell(command)
    for number in range(100):
        transport.write(b"line %d\n" % number)
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.1)  # else the program may take both as one line
    tell(b"behind\n")
    await settled(lambda: protocol.received == b"before\nbehind\n")
    transport.write(b"last\n")
    transport.close()
    assert await protocol.lost is None
    process.kill()
    said = (await asyncio.to_thread(process.communicate))[0]
    lines = [b"line %d" % number for number in range(100)] + [b"last"]
    assert [line for line in said.splitlines() if line in lines] == lines
