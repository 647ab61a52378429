"""TLS contexts for both sides, from certificate authorities made for this run."""

import functools
import ssl

import trustme

NAMES = ("localhost", "127.0.0.1", "::1", "xn--bcher-kva.example")


@functools.cache
def authority(name):
    """A certificate authority of its own for each name."""
    return trustme.CA(organization_name=name)


@functools.cache
def server_context(*names):
    """A server's context with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority("tests").issue_cert(*(names or NAMES)).configure_cert(context)
    return context


@functools.cache
def client_context(authority_name="tests"):
    """A client's context that trusts this authority and no other."""
    context = ssl.create_default_context()
    authority(authority_name).configure_trust(context)
    return context
