"""The certificate of the peers over TLS, and the peers."""

import pytest
import trustme

pytest.register_assert_rewrite("tests.stress.harness")

from tests.stress.harness import LOOPS, Peer  # noqa: E402


@pytest.fixture(scope="session")
def tls_files(tmp_path_factory):
    """The peer's certificate with its key, and the authority that signed it."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "peer.pem")
    authority.cert_pem.write_to_path(folder / "authority.pem")
    return folder / "peer.pem", folder / "authority.pem"


@pytest.fixture(params=LOOPS)
def loop(request):
    return request.param


@pytest.fixture(params=["tcp", "tls"])
def authority(request, tls_files):
    """The authority to trust where the peer speaks TLS, or None."""
    return tls_files[1] if request.param == "tls" else None


@pytest.fixture(params=["auto", "asyncio", "aiofastnet"])
def transport(request):
    return request.param


@pytest.fixture
def peer(authority, tls_files):
    with Peer(certificate=authority and tls_files[0]) as peer:
        yield peer
