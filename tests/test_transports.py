"""Which transports carry the octets."""

import importlib.util
import socket
import ssl

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
        tls = counted(_transports._tls_transport())
        monkeypatch.setattr(_transports, "_tls_transport", lambda: tls)
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
    monkeypatch.setattr(_transports, "_tls_transport", lambda: None)
    assert await receive_greeting("auto", secure=True) == "hi"
    assert used == ["aiofastnet"] * installed


def trusting():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


async def test_a_log_of_keys_and_a_message_callback_are_served(tmp_path):
    context, heard = trusting(), []
    context.keylog_filename = str(tmp_path / "keys")
    context._msg_callback = lambda *what: heard.append(what)
    assert await receive_greeting("auto", secure=True, context=context) == "hi"
    assert "TRAFFIC_SECRET" in (tmp_path / "keys").read_text()
    assert heard


class OfItsOwn(ssl.SSLContext):
    """Makes sessions in another way, as truststore's does."""

    def wrap_bio(self, *args, **options):
        return super().wrap_bio(*args, **options)


def context_with_key_log(tmp_path):
    context = ssl.create_default_context()
    context.keylog_filename = str(tmp_path / "keys")
    return context


def context_with_message_callback(_):
    context = ssl.create_default_context()
    context._msg_callback = lambda *_: None
    return context


def context_of_its_own(_):
    return OfItsOwn(ssl.PROTOCOL_TLS_CLIENT)


async def test_a_context_with_methods_of_its_own_is_left_to_the_loop(used):
    context = OfItsOwn(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert await receive_greeting("auto", secure=True, context=context) == "hi"
    assert not used


@pytest.mark.parametrize(
    "unsafe", [context_with_key_log, context_with_message_callback, context_of_its_own]
)
async def test_who_insists_on_aiofastnet_gets_an_error_instead(unsafe, tmp_path, used):
    context = unsafe(tmp_path)
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
