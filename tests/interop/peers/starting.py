"""What servers need to start that cannot be told to listen on any port."""

import contextlib
import socket
import sys
import time


def bound():
    """A socket that is bound to a free port."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


def free_ports():
    """Two ports that are free; another process may yet be faster."""
    with bound() as plain, bound() as tls:
        return plain.getsockname()[1], tls.getsockname()[1]


def tell(plain, tls):
    """Tell the tests which ports to connect to."""
    sys.stdout.write(f"{plain} {tls}\n")
    sys.stdout.flush()


def tell_when_open(*ports):
    """As `tell`, when connections are accepted."""
    for port in ports:
        end = time.monotonic() + 15
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            time.sleep(0.02)
    tell(*ports)
