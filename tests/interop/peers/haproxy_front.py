"""HAProxy before the server of ``websockets``; gets a certificate and its key."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.interop.peers.backend import plain_port
from tests.interop.peers.starting import free_ports, tell_when_open

CONFIGURATION = """
global
  maxconn 256
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  timeout tunnel 60s
frontend front
  bind 127.0.0.1:{plain}
  bind 127.0.0.1:{tls} ssl crt {pem}
  default_backend back
backend back
  server one 127.0.0.1:{backend}
"""


def main(cert, key):
    plain, tls = free_ports()
    with tempfile.TemporaryDirectory() as folder:
        pem, path = Path(folder, "both.pem"), Path(folder, "haproxy.cfg")
        pem.write_bytes(Path(cert).read_bytes() + Path(key).read_bytes())
        backend = plain_port("websockets_server.py", cert, key)
        path.write_text(
            CONFIGURATION.format(plain=plain, tls=tls, pem=pem, backend=backend)
        )
        with subprocess.Popen(["haproxy", "-db", "-q", "-f", str(path)]) as haproxy:
            tell_when_open(plain, tls)
            haproxy.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
