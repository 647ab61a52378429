"""The arrows between the modules point down, and the files stay small."""

import ast
import sys
from pathlib import Path

import pytest

import ktorws

PACKAGE = Path(ktorws.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# From the lowest floor to the highest, two of them side by side. A package stands for
# what is in it; the empty name is the top.
FLOORS = [
    (0, "words", "exceptions close_reason frame_type version"),
    (1, "codec", "_frame _frame_py frame"),
    (
        2,
        "protocol",
        "http_message http_head url request handshake extensions deflate "
        "deflate_parameters",
    ),
    (
        3,
        "sessions",
        "channels _queue _queue_py frame_queue _sending _sending_py sending "
        "receive_channel send_channel deferred "
        "closing ping_pong serialization frame_connection session_config session "
        "default_session client_session extended_channels session_statistics",
    ),
    (4, "engines", "engines _transport _tls"),
    (4, "features", "features"),
    (5, "client", "client attempts reconnecting session_context"),
    (5, "server", "server"),
    (6, "testing", "testing"),
]
LEVELS = {floor: level for level, floor, _ in FLOORS} | {"top": 7}
FLOOR_OF = {name: floor for _, floor, names in FLOORS for name in names.split()}

# Not below this level, or only on these floors.
ASYNCIO_FROM = LEVELS["sessions"]
SOCKETS_ON = {"engines", "server", "testing"}
SOCKETS = {"socket", "ssl", "aiohappyeyeballs", "aiofastnet", "select", "selectors"}
BROWSER = {"js", "pyodide"}

MAX_LINES = 400
# One secret each, twice: as the compiled codec, which is one file, its twin is one.
LONG = {"_frame_py.py"}


def module_of(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def floor_of(module):
    """The floor of a module of ours, also of a name in one."""
    parts = module.split(".")[1:]
    for size in range(len(parts), 0, -1):
        if floor := FLOOR_OF.get(".".join(parts[:size])):
            return floor
    return "top"


def is_type_checking(test):
    name = test.id if isinstance(test, ast.Name) else getattr(test, "attr", None)
    return name == "TYPE_CHECKING"


def imports(tree):
    """What is imported at run time, wherever it stands."""
    pending = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and is_type_checking(node.test):
            pending += node.orelse
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            pending += ast.iter_child_nodes(node)


def imports_of(path):
    return sorted(set(imports(ast.parse(path.read_text(encoding="utf-8")))))


def is_ours(name):
    return name.partition(".")[0] == "ktorws"


def may_import(importer, imported):
    """Whether an import goes to a lower floor, or stays on its own."""
    here, there = floor_of(importer), floor_of(imported)
    return here == there or LEVELS[there] < LEVELS[here]


def each(paths):
    return pytest.mark.parametrize("path", paths, ids=module_of)


@each(FILES)
def test_every_module_has_a_floor(path):
    module = module_of(path)
    assert module == "ktorws" or floor_of(module) != "top"


def test_every_floor_is_inhabited():
    modules = {module_of(path).partition(".")[2] for path in FILES}
    compiled = {"_frame", "_queue", "_sending", "_tls", "_transport"}
    absent = set(FLOOR_OF) - modules - compiled
    assert not absent


@each(FILES)
def test_imports_point_down(path):
    module = module_of(path)
    wrong = [
        name
        for name in imports_of(path)
        if is_ours(name) and not may_import(module, name)
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("ktorws.session", "ktorws.frame.Frame", True),
        ("ktorws.session", "ktorws.default_session.DefaultWebSocketSession", True),
        ("ktorws.session", "ktorws.client.HttpClient", False),
        ("ktorws.frame", "ktorws.session", False),
        ("ktorws.frame", "ktorws._frame.Frame", True),
        ("ktorws.engines.cio", "ktorws.engines._connection.Connection", True),
        ("ktorws.engines.cio", "ktorws.features.base.HttpClientFeature", False),
        ("ktorws.features.redirect", "ktorws.engines.base", False),
        ("ktorws.client", "ktorws.server.WebSocketServer", False),
        ("ktorws.testing", "ktorws.server.WebSocketServer", True),
        ("ktorws.server", "ktorws.testing.Relay", False),
        ("ktorws.handshake", "ktorws.HttpClient", False),
    ],
)
def test_the_rule_itself_tells_up_from_down(importer, imported, allowed):
    assert may_import(importer, imported) is allowed


def test_imports_in_functions_count_and_those_for_types_do_not():
    source = (
        "import typing\n"
        "if typing.TYPE_CHECKING:\n    import socket\n"
        "else:\n    import asyncio\n"
        "def f():\n    from ktorws.client import HttpClient\n"
    )
    found = set(imports(ast.parse(source)))
    assert found == {"typing", "asyncio", "ktorws.client.HttpClient"}


@each([p for p in FILES if LEVELS[floor_of(module_of(p))] < ASYNCIO_FROM])
def test_asyncio_begins_with_the_sessions(path):
    assert not [n for n in imports_of(path) if n.partition(".")[0] == "asyncio"]


@each([p for p in FILES if floor_of(module_of(p)) not in SOCKETS_ON])
def test_sockets_and_tls_are_the_engines_and_the_servers(path):
    assert not [n for n in imports_of(path) if n.partition(".")[0] in SOCKETS]


@each([p for p in FILES if module_of(p) != "ktorws.engines.js"])
def test_the_browser_is_one_engines(path):
    assert not [n for n in imports_of(path) if n.partition(".")[0] in BROWSER]


@each(FILES)
def test_nothing_comes_from_elsewhere_but_what_is_declared(path):
    """The dependencies of pyproject.toml, and the extras in the modules for them."""
    declared = {"aiohappyeyeballs", "httptools", "multidict", "yarl"}
    extras = {
        "ktorws.engines._transports": {"aiofastnet"},
        "ktorws.engines._tunnel": {"python_socks"},
        "ktorws.engines.aiohttp": {"aiohttp"},
        "ktorws.features.opentelemetry": {"opentelemetry"},
        "ktorws.features.prometheus": {"prometheus_client"},
        "ktorws.engines.js": BROWSER,
        "ktorws.serialization": {"msgspec", "pydantic", "pydantic_core"},
        "ktorws.testing.plugin": {"pytest"},
    }
    allowed = declared | extras.get(module_of(path), set())
    names = {name.partition(".")[0] for name in imports_of(path)}
    assert names <= {"ktorws", "__future__", *allowed, *sys.stdlib_module_names}


@each([p for p in FILES if p.name not in LONG])
def test_a_file_has_one_secret_and_few_lines(path):
    lines = path.read_bytes().count(b"\n")
    assert lines <= MAX_LINES


@each(FILES)
def test_a_module_says_what_it_knows(path):
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert doc
    assert len(doc.partition("\n")[0]) <= 88
