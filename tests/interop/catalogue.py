"""The servers that are not ours: how each starts, what it can do."""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PEERS = Path(__file__).parent / "peers"
BUILT = ROOT / "build" / "interop"
JARS = Path("/usr/share/java")
GO = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode"}
BY_HAND = "`make interop-all` installs it"

NO_FRAGMENTS = {"fragments_from_them", "raw_fragments_from_them"}
NO_PING = {"ping_from_them"}
# Of our Close frame it tells the application the code only; or nothing.
NO_REASON = {"close_from_us_with_a_reason"}
NO_CODE = NO_REASON | {"close_from_us_with_a_code"}
NO_BIG_FRAME = {"a_big_message"}  # a frame may have 16 MiB

# RFC 6455 §5.4: control frames may come in the middle of a fragmented message.
FORGETS = {
    "ping_between_fragments_from_us": "takes a Ping between fragments for the end "
    "of compression"
}


@dataclass(frozen=True, eq=False)
class Peer:
    """A server in a file of `PEERS`, which prints the ports it listens on.

    Attributes:
        name: its name in the report.
        file: the file.
        arguments: what it gets before the certificate and its key.
        modules: Python modules that it is made of.
        programs: programs that it is made of.
        files: other things that must be there.
        heavy: whether it takes long to install or to compile.
        deflate: whether it knows permessage-deflate.
        slow: whether it takes as long for a frame as others for many.
        cannot: the scenarios that its interface has no words for.
        fails: the scenarios that it fails when messages are compressed, and why.
        ignores: a parameter of compression that it takes and does not keep to.
    """

    name: str
    file: str
    arguments: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    heavy: bool = False
    slow: bool = False
    deflate: bool = True
    cannot: frozenset[str] | set[str] = frozenset()
    fails: dict[str, str] = field(default_factory=dict)
    ignores: str | None = None

    def __str__(self):
        return self.name

    @functools.cache  # noqa: B019  the peers stay till the end
    def missing(self):
        """Why it cannot run here, or None."""
        for name in self.modules:
            if importlib.util.find_spec(name) is None:
                return f"the Python package {name} is not installed"
        for name in self.programs:
            if shutil.which(name) is None:
                return f"there is no {name} here; {BY_HAND}"
        for name in self.files:
            if not Path(name).exists():
                return f"there is no {name} here; {BY_HAND}"
        if self.file.endswith(".js") and not node_has_ws():
            return "Node's package ws is not on NODE_PATH; `make interop` installs it"
        return None

    def command(self):
        """What starts it, compiled if it has to be."""
        path = PEERS / self.file
        match path.suffix:
            case ".py":
                command = [sys.executable, str(path)]
            case ".js":
                command = ["node", str(path)]
            case ".go":
                command = [compiled(path, ["go", "build", "-o"], ["{path}"], GO)]
            case ".java":
                jars = ":".join(map(str, sorted(JARS.glob("tomcat10-*.jar"))))
                options = ["-encoding", "UTF-8", "-nowarn", "-Xlint:-deprecation"]
                classes = compiled(
                    path, ["javac", *options, "-cp", jars, "-d"], ["{path}"]
                )
                command = ["java", "-cp", f"{classes}:{jars}", path.stem]
            case ".cpp":
                after = ["{path}", "-lssl", "-lcrypto", "-lpthread"]
                command = [compiled(path, ["g++", "-O1", "-w", "-o"], after)]
        return [*command, *self.arguments]


def node_has_ws():
    """Whether Node.js finds its package ws."""
    if shutil.which("node") is None:
        return False
    found = subprocess.run(
        ["node", "-e", "require('ws')"], check=False, capture_output=True
    )
    return not found.returncode


def compiled(path, before, after, environment=None):
    """What comes of a source file, newer than it."""
    target = BUILT / path.stem
    if not target.exists() or target.stat().st_mtime < path.stat().st_mtime:
        BUILT.mkdir(parents=True, exist_ok=True)
        after = [argument.format(path=path) for argument in after]
        subprocess.run(
            [*before, str(target), *after],
            check=True,
            env={**os.environ, **(environment or {})},
        )
        target.touch()
    return str(target)


def _asgi(name, *arguments, modules=(), cannot=frozenset(), **options):
    return Peer(
        "-".join((name, *arguments)),
        f"{name}_server.py",
        arguments,
        modules=(name, *modules),
        cannot=NO_FRAGMENTS | NO_PING | cannot,
        **options,
    )


SERVERS = [
    Peer("websockets", "websockets_server.py", modules=("websockets",)),
    Peer("aiohttp", "aiohttp_server.py", modules=("aiohttp",)),
    Peer("node-ws", "node_server.js", programs=("node",)),
    _asgi("uvicorn", "websockets", modules=("websockets",)),
    _asgi("uvicorn", "websockets-sansio", modules=("websockets",)),
    _asgi("uvicorn", "wsproto", modules=("wsproto",), fails=FORGETS),
    _asgi("hypercorn", modules=("wsproto",), cannot=NO_CODE, fails=FORGETS),
    _asgi("granian", cannot=NO_REASON | NO_BIG_FRAME, deflate=False, slow=True),
    Peer(
        "tornado",
        "tornado_server.py",
        modules=("tornado",),
        cannot=NO_FRAGMENTS,
        fails=FORGETS,
        ignores="server_no_context_takeover",
    ),
    Peer(
        "socketify",
        "socketify_server.py",
        modules=("socketify",),
        ignores="server_max_window_bits",
    ),
    Peer("nginx", "nginx_front.py", programs=("nginx",)),
    Peer("haproxy", "haproxy_front.py", programs=("haproxy",)),
    Peer(
        "gorilla",
        "gorilla_server.go",
        programs=("go",),
        files=(f"{GO['GOPATH']}/src/github.com/gorilla/websocket",),
        ignores="server_max_window_bits",
        heavy=True,
    ),
    Peer(
        "tomcat",
        "TomcatServer.java",
        programs=("java", "javac"),
        files=(str(JARS / "tomcat10-websocket.jar"),),
        heavy=True,
    ),
    Peer(
        "beast",
        "beast_server.cpp",
        programs=("g++",),
        files=(
            "/usr/include/boost/beast/websocket.hpp",
            "/usr/include/openssl/ssl.h",
        ),
        heavy=True,
    ),
]
