"""nginx before the server of ``websockets``; gets a certificate and its key."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.interop.peers.backend import plain_port
from tests.interop.peers.starting import free_ports, tell_when_open

CONFIGURATION = """
daemon off;
worker_processes 1;
pid {folder}/pid;
error_log stderr error;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  ssl_certificate {cert};
  ssl_certificate_key {key};
  server {{
    listen 127.0.0.1:{plain};
    listen 127.0.0.1:{tls} ssl;
    location / {{
      proxy_pass http://127.0.0.1:{backend};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection upgrade;
      proxy_set_header Host $host;
    }}
  }}
}}
"""


def main(cert, key):
    plain, tls = free_ports()
    with tempfile.TemporaryDirectory() as folder:
        names = {"folder": folder, "cert": cert, "key": key}
        backend = plain_port("websockets_server.py", cert, key)
        path = Path(folder, "nginx.conf")
        path.write_text(
            CONFIGURATION.format(plain=plain, tls=tls, backend=backend, **names)
        )
        with subprocess.Popen(
            ["nginx", "-e", "stderr", "-p", folder, "-c", str(path)]
        ) as nginx:
            tell_when_open(plain, tls)
            nginx.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
