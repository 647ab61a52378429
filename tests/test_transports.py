"""Which transports carry the octets."""

import importlib.util
import os
import socket
import ssl
from types import SimpleNamespace

import aiofastnet
import pytest

from ktorws import CIO, ConnectError
from ktorws.engines import _transports
from ktorws.engines._transports import SocketTransport, Transports
from tests.certificates import client_context
from tests.network_fixtures import SECURE, TRANSPORT, client, scheme_of, settled, tls_of
from tests.octets import TEXT, frame
from tests.scripted import scripted


@pytest.fixture
def used(monkeypatch):
    """Whose transports were made, unless the loop's."""
    made = []
    create = aiofastnet.create_connection

    async def counting(*args, **options):
        made.append("aiofastnet")
        return await create(*args, **options)

    def counted(transport):
        def make(*args):
            made.append("ours")
            return transport(*args)

        return make

    monkeypatch.setattr(aiofastnet, "create_connection", counting)
    if SocketTransport:
        monkeypatch.setattr(_transports, "SocketTransport", counted(SocketTransport))
        tls = _transports._tls()
        ours = SimpleNamespace(
            prepare=tls.prepare, TlsTransport=counted(tls.TlsTransport)
        )
        monkeypatch.setattr(_transports, "_tls", lambda: ours)
    return made


async def greet(peer):
    await peer.accept(then=frame(TEXT, b"hi"))
    await peer.frame()


async def receive_greeting(transport, secure, context=None):
    engine = CIO(ssl=context or client_context(), transport=transport)
    async with (
        scripted(greet, **tls_of(secure)) as server,
        client(engine) as c,
        c.ws(server.url(scheme=scheme_of(secure))) as session,
    ):
        return (await session.incoming.receive()).read_text()


@SECURE
@TRANSPORT
async def test_each_kind_of_transport_carries_frames(transport, secure, used):
    assert await receive_greeting(transport, secure) == "hi"
    auto = ["ours"] if SocketTransport else ["aiofastnet"] if secure else []
    wanted = {"auto": auto, "aiofastnet": ["aiofastnet"], "asyncio": []}
    assert used == wanted[transport]


@pytest.mark.parametrize("installed", [True, False])
async def test_auto_does_without_what_is_not_there(used, monkeypatch, installed):
    if not installed:
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(_transports, "_tls", lambda: None)
    assert await receive_greeting("auto", secure=True) == "hi"
    assert used == ["aiofastnet"] * installed


def trusting():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def test_a_log_of_keys_is_written(tmp_path):
    context = trusting()
    context.keylog_filename = str(tmp_path / "keys")
    assert await receive_greeting("auto", secure=True, context=context) == "hi"
    assert "TRAFFIC_SECRET" in (tmp_path / "keys").read_text()


class OfItsOwn(ssl.SSLContext):
    """Makes sessions in another way, as truststore's does."""

    def wrap_bio(self, *args, **options):
        return super().wrap_bio(*args, **options)


def context_of_its_own():
    context = OfItsOwn(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def context_with_a_method_of_its_own():
    context = trusting()
    context.wrap_bio = context.wrap_bio
    return context


def context_with_message_callback():
    context = trusting()
    context._msg_callback = lambda *_: None
    return context


UNUSUAL = pytest.mark.parametrize(
    "unusual",
    [
        context_of_its_own,
        context_with_a_method_of_its_own,
        context_with_message_callback,
    ],
)


@UNUSUAL
async def test_auto_leaves_an_unusual_context_to_the_loop(unusual, used):
    assert await receive_greeting("auto", secure=True, context=unusual()) == "hi"
    assert not used


async def test_kernel_tls_is_left_to_who_can_do_it(used):
    context = trusting()
    context.options |= _transports._OP_ENABLE_KTLS
    assert await receive_greeting("auto", secure=True, context=context) == "hi"
    assert used == ["aiofastnet"]


async def test_a_class_that_stands_for_ssls_own_does_not_pass_for_it(monkeypatch):
    context = context_of_its_own()
    monkeypatch.setattr(ssl, "SSLContext", OfItsOwn)
    assert _transports._own_tls(context) is None


@pytest.mark.parametrize("transport", ["auto", "asyncio"])
async def test_what_the_contexts_class_of_sessions_verifies_is_verified(transport):
    class Pinned(ssl.SSLObject):
        def do_handshake(self):
            super().do_handshake()
            raise ssl.SSLCertVerificationError("another pin")

    context = trusting()
    context.sslobject_class = Pinned
    with pytest.raises(ConnectError, match="another pin"):
        await receive_greeting(transport, secure=True, context=context)


def context_with_key_log():
    context = trusting()
    context.keylog_filename = os.devnull
    return context


@UNUSUAL
async def test_who_insists_on_aiofastnet_gets_an_error_instead(unusual, used):
    with pytest.raises(ValueError, match="keylog_filename"):
        await receive_greeting("aiofastnet", secure=True, context=unusual())
    assert not used


async def test_a_log_of_keys_is_not_for_aiofastnet(used):
    context = context_with_key_log()
    with pytest.raises(ValueError, match="keylog_filename"):
        await receive_greeting("aiofastnet", secure=True, context=context)
    assert not used


def test_who_insists_on_what_is_not_installed_is_told_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"ktorws\[fast\]"):
        CIO(transport="aiofastnet")


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="'quic'"):
        Transports("quic")


@TRANSPORT
async def test_a_tls_failure_closes_the_socket(transport):
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with pytest.raises(ConnectError):
            async with client(transport=transport) as c:
                await c.websocket_session("wss://localhost/", sock=ours)
        await settled(lambda: ours.fileno() == -1)
