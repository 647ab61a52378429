"""The network, the peer, and one who opens sessions between them."""

import contextlib
import ssl

import pytest
import trustme

pytest.register_assert_rewrite("tests.stress.harness", "tests.faults.network")

from ktorws import CIO, HttpClient, WebSockets  # noqa: E402
from tests.faults.network import (  # noqa: E402
    FAR,
    FAR_BY_RELAY,
    Network,
    Peer,
    requirements,
)
from tests.faults.traffic import PAIRS  # noqa: E402

#: Which transport carries what `carrier` says.
TRANSPORTS = {
    "tcp": "auto",
    "loop's": "asyncio",
    "tls": "asyncio",
    "fast": "aiofastnet",
}


@pytest.fixture(scope="session")
def two_namespaces():
    requirements()
    with Network() as network:
        yield network


@pytest.fixture
def network(two_namespaces):
    yield two_namespaces
    two_namespaces.heal()


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    """The peer's certificate with its key, and the authority that signed it."""
    folder = tmp_path_factory.mktemp("pki")
    authority = trustme.CA()
    pair = authority.issue_cert(FAR, FAR_BY_RELAY).private_key_and_cert_chain_pem
    pair.write_to_path(folder / "peer.pem")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    return folder / "peer.pem", folder / "authority.pem"


@pytest.fixture(scope="session")
def one_peer(two_namespaces, pki):
    with Peer(two_namespaces, pki[0]) as peer:
        yield peer


@pytest.fixture
def peer(one_peer):
    """The peer, which the test may kill."""
    one_peer.start()
    return one_peer


@pytest.fixture(params=PAIRS, ids="-".join)
def pair(request):
    return request.param


@pytest.fixture
def loop(pair):
    return pair[0]


@pytest.fixture
def carrier(pair):
    """What carries the sessions: TCP, by ours or the loop's, TLS by it or the fast."""
    return pair[1]


@pytest.fixture
def opened(network, peer, pki, carrier):
    """`async with opened(path, **options) as session`; closes no session."""

    @contextlib.asynccontextmanager
    async def open_session(path, *, host=FAR, **options):
        secure = carrier in {"tls", "fast"}
        context = ssl.create_default_context(cafile=str(pki[1]))
        context.keylog_filename = None
        transport = TRANSPORTS[carrier]
        port = peer.ports[secure]
        url = f"{'wss' if secure else 'ws'}://{host}:{port}/{path}"
        engine = CIO(transport=transport, ssl=context)
        async with HttpClient(engine, features=[WebSockets(**options)]) as http:
            sock = network.connect(port, host)
            session = await http.websocket_session(url, sock=sock)
            try:
                yield session
            finally:
                if not session.has_ended:
                    session.cancel()
                    await session.wait_closed()

    return open_session
