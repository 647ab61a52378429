"""The neutral server: how it is built, started and asked what it costs."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE / "server"
BUILD = HERE.parent / "build" / "bench"
FLAGS = ["-std=gnu11", "-O2", "-Wall", "-Wextra"]


class NoCompilerError(Exception):
    """There is nothing to build the server with; says what is missing."""


def compiler():
    """The C compiler's path."""
    found = shutil.which(os.environ.get("CC", "cc"))
    if found is None:
        raise NoCompilerError("the neutral server needs a C compiler (cc)")
    return found


def has_openssl():
    """Whether OpenSSL's headers are here (Debian: libssl-dev)."""
    test = b"#include <openssl/ssl.h>\n"
    command = [compiler(), "-E", "-x", "c", "-"]
    return not subprocess.run(
        command, input=test, capture_output=True, check=False
    ).returncode


def build(folder=BUILD):
    """Compile the server where its sources are newer; gives its path, whether TLS."""
    tls = has_openssl()
    program = folder / ("neutral-tls" if tls else "neutral")
    newest = max(path.stat().st_mtime for path in SOURCES.iterdir())
    if not program.exists() or program.stat().st_mtime < newest:
        folder.mkdir(parents=True, exist_ok=True)
        options = ["-DWITH_TLS"] if tls else []
        libraries = ["-lssl", "-lcrypto"] if tls else []
        source = str(SOURCES / "neutral.c")
        command = [compiler(), *FLAGS, *options, source, "-o", str(program), *libraries]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise NoCompilerError(f"the server does not compile:\n{made.stderr}")
    return program, tls


class NotNeutralError(Exception):
    """The scheduler would favour some clients over others; says why."""


class Neutral:
    """The server, running from `__enter__` to `__exit__`.

    Attributes:
        folder: where it was built.
        pid: its process.
        trust: path of the certificate to trust, or None where there is no TLS.
    """

    def __init__(self, folder=BUILD):
        self.folder = folder
        self.trust = None
        self._secrets = None

    def __enter__(self):
        program, tls = build(self.folder)
        files = self._certificate() if tls else []
        self._process = subprocess.Popen(
            [program, *files],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._ports = [int(word) for word in self._process.stdout.readline().split()]
        return self

    def __exit__(self, kind, error, trace):
        self._process.stdin.close()  # that is how it is told to end
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        if self._secrets is not None:
            self._secrets.cleanup()

    def url(self, path, *, secure=False):
        """Where a client connects to."""
        scheme = "wss" if secure else "ws"
        return f"{scheme}://127.0.0.1:{self._ports[secure]}{path}"

    def pin(self, cores):
        """Let it run on these cores only."""
        os.sched_setaffinity(self.pid, cores)

    def preempt_nobody(self):
        """Let a client that wakes it go on until it sleeps, as if it were elsewhere."""
        try:
            os.sched_setscheduler(self.pid, os.SCHED_BATCH, os.sched_param(0))
        except OSError as error:
            raise NotNeutralError(
                f"the server cannot be a batch process (SCHED_BATCH): {error}"
            ) from error

    def _certificate(self):
        """Files for TLS; sets `trust`. Without the library there is no TLS."""
        try:
            import trustme
        except ModuleNotFoundError:
            return []
        authority = trustme.CA()
        issued = authority.issue_cert("127.0.0.1")
        self._secrets = tempfile.TemporaryDirectory()  # another server may run too
        folder = Path(self._secrets.name)
        self.trust = str(folder / "trust.pem")
        chain, key = folder / "chain.pem", folder / "key.pem"
        authority.cert_pem.write_to_path(self.trust)
        chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(str(key))
        return [str(chain), str(key)]
