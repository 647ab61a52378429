"""The public names, their documentation and the codec's stub say the same."""

import ast
import inspect
import re
from enum import Enum
from pathlib import Path
from typing import TypeVar

import pytest

import ktorws
import ktorws.server
import ktorws.testing

ROOT = Path(__file__).parent.parent
STUB = Path(ktorws.__file__).with_name("_frame.pyi")
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")

NAMES = sorted({*ktorws.__all__, *ktorws._EXTRAS})
SERVER_NAMES = [
    "DefaultWebSocketServerSession",
    "ServerCall",
    "WebSocketServer",
    "WebSocketServerSession",
]
TESTING_NAMES = sorted(set(ktorws.testing.__all__) - set(NAMES))
CLASSES = [
    *(v for n in NAMES if inspect.isclass(v := getattr(ktorws, n))),
    *(getattr(ktorws.server, n) for n in SERVER_NAMES),
    *(v for n in TESTING_NAMES if inspect.isclass(v := getattr(ktorws.testing, n))),
]
FUNCTIONS = [
    *(v for n in NAMES if inspect.isfunction(v := getattr(ktorws, n))),
    *(v for n in TESTING_NAMES if inspect.isfunction(v := getattr(ktorws.testing, n))),
]
# What a user makes by a constructor of ours; sessions and channels are given to him.
GIVEN = (
    ktorws.WebSocketSession,
    ktorws.ReceiveChannel,
    ktorws.SendChannel,
    ktorws.testing.LocalServer,
    ktorws.testing.Peer,
)
MADE = [
    kind
    for kind in CLASSES
    if inspect.isfunction(kind.__init__)
    and not issubclass(kind, GIVEN)
    and not issubclass(kind, Enum)
    and not kind.__module__.startswith("ktorws._frame")
]
CONSTANTS = {"CODEC", "DEFAULT_MAX_FRAME_SIZE", "PINGER_DISABLED"}

# Met as what something else gives or takes; their docstrings say all there is.
NOT_IN_THE_PAGES = {
    "AuthProvider",
    "ChannelConfig",
    "ChannelResult",
    "ClientMetrics",
    "ClientWebSocketSession",
    "DEFAULT_MAX_FRAME_SIZE",
    "FrameType",
    "HttpClientCall",
    "HttpRequest",
    "HttpResponse",
    "PINGER_DISABLED",
    "ProxyConfig",
    "RoundTrips",
    "SessionMetrics",
    "SessionStatistics",
    "Traffic",
    "WebSocketContentConverter",
    "WebSocketExtensionFactory",
}


def members(kind):
    """The public functions and properties that a class adds, with their names."""
    for name, value in vars(kind).items():
        if not name.startswith("_"):
            function = getattr(value, "__func__", value)
            if isinstance(function, property) or callable(function):
                yield name, function


MEMBERS = [
    pytest.param(function, id=f"{kind.__name__}.{name}")
    for kind in CLASSES
    if kind.__module__ not in {"ktorws._frame", "ktorws._frame_py"}
    for name, function in members(kind)
]


def stub_names(body):
    """What a stub's module or class declares, less what it imports."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.AnnAssign):
            yield node.target.id


def stub():
    return ast.parse(STUB.read_text(encoding="utf-8")).body


def test_the_names_are_what_import_star_gives():
    namespace = {}
    exec("from ktorws import *", namespace)
    assert set(namespace) - {"__builtins__"} == set(ktorws.__all__)
    assert len(ktorws.__all__) == len(set(ktorws.__all__))


def test_what_the_package_imports_from_itself_is_public_and_the_reverse():
    path = Path(ktorws.__file__)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert imported - {"TYPE_CHECKING"} == set(NAMES)


def test_every_error_is_public():
    errors = {
        name
        for name, value in vars(ktorws.exceptions).items()
        if inspect.isclass(value) and issubclass(value, Exception)
    }
    assert errors <= set(ktorws.__all__)
    for name in errors:
        assert issubclass(getattr(ktorws, name), ktorws.WebSocketError)


def test_every_error_is_in_the_tree_of_its_module_and_in_the_readme():
    for name in vars(ktorws.exceptions):
        if name.endswith("Error"):
            assert f"`{name}`" in ktorws.exceptions.__doc__
            assert re.search(rf"^[│├└─ ]*{name}\b", README, re.MULTILINE), name


@pytest.mark.parametrize("name", [n for n in NAMES if n not in CONSTANTS])
def test_a_public_name_has_a_docstring(name):
    value = getattr(ktorws, name)
    assert value.__doc__
    assert value.__doc__.strip()


@pytest.mark.parametrize("name", [n for n in NAMES if n not in NOT_IN_THE_PAGES])
def test_a_public_name_is_in_the_readme_or_in_contributing(name):
    assert re.search(rf"\b{name}\b", PAGES)


def test_what_the_pages_need_not_name_is_public():
    assert set(NAMES) >= NOT_IN_THE_PAGES


def test_the_pages_name_nothing_of_ours_that_is_not_there():
    wanted = re.findall(r"from (ktorws[\w.]*) import ([^(\n]+)", PAGES)
    assert wanted
    for module, names in wanted:
        for name in names.split(", "):
            assert hasattr(__import__(module, fromlist=["x"]), name.strip())


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_a_public_class_has_a_docstring_of_its_own(kind):
    # A dataclass without one would get its signature, a subclass its parent's.
    assert kind.__dict__.get("__doc__")
    assert not kind.__doc__.startswith(f"{kind.__name__}(")


@pytest.mark.parametrize("function", MEMBERS)
def test_a_public_method_has_a_docstring(function):
    assert function.__doc__


def test_the_servers_public_names_are_those_tested_here():
    defined = {
        name
        for name, value in vars(ktorws.server).items()
        if inspect.isclass(value) and value.__module__ == "ktorws.server"
    }
    assert {name for name in defined if not name.startswith("_")} == set(SERVER_NAMES)


def catch_all(function):
    kinds = inspect.signature(function).parameters.values()
    return [p for p in kinds if p.kind is p.VAR_KEYWORD]


@pytest.mark.parametrize("function", [*FUNCTIONS, *MADE], ids=lambda f: f.__name__)
def test_a_constructor_or_function_takes_no_unknown_options(function):
    assert not catch_all(function)


@pytest.mark.parametrize("function", MEMBERS)
def test_a_method_names_its_options(function):
    if isinstance(function, property) or inspect.isclass(function):
        return
    for parameter in catch_all(function):
        # A TypedDict, or the options of a feature or an extension: typed, not any.
        assert re.match(r"Unpack\[|P\.kwargs", str(parameter.annotation))


def test_the_options_of_ws_are_documented():
    from ktorws.client import RequestOptions

    described = re.findall(r"^    +([\w, ]+): ", RequestOptions.__doc__, re.MULTILINE)
    names = {name for line in described for name in line.split(", ")}
    assert names == set(RequestOptions.__annotations__)


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_the_options_of_a_constructor_are_documented(kind):
    # DefaultRequest refers to HttpRequestBuilder for what the names mean.
    other = ktorws.HttpRequestBuilder if kind is ktorws.DefaultRequest else kind
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.kind is parameter.KEYWORD_ONLY:
            assert re.search(rf"\b{name}\b", kind.__doc__ + other.__doc__), name


def test_the_stub_declares_what_both_codecs_have(codec):
    declared = {name for name in stub_names(stub()) if not name.startswith("_")}
    defined = {
        name
        for name, value in vars(codec).items()
        if not name.startswith("_")
        and (
            getattr(value, "__module__", None) == codec.__name__
            or name in {"CODEC", "DEFAULT_MAX_FRAME_SIZE", "MAX_FRAGMENTS"}
        )
        and not isinstance(value, TypeVar)
    }
    assert declared == defined


def public(codec, name):
    """The members of a class of a codec, also those that only its objects have."""
    kind = getattr(codec, name)
    example = {
        "FrameDecoder": {"masked": False},
        "FrameEncoder": {"masking": True},
    }
    found = kind(**example[name]) if name in example else kind
    return {member for member in dir(found) if not member.startswith("_")}


def test_the_stubs_classes_have_the_members_of_both_codecs(codec):
    classes = {node.name: node for node in stub() if isinstance(node, ast.ClassDef)}
    declared = {name: set(stub_names(node.body)) for name, node in classes.items()}
    for name, names in declared.items():
        inherited = declared["Frame"] if name.endswith("Frame") else set()
        wanted = {n for n in names | inherited if not n.startswith("_")}
        assert public(codec, name) == wanted, name


def test_frame_gives_all_it_promises_from_the_codec_that_runs():
    from ktorws import frame

    for name in frame.__all__:
        assert hasattr(frame, name)
    # Sendable names what a sender takes; the codec has no need of the name.
    assert set(frame.__all__) - {"Sendable"} <= set(stub_names(stub()))


def test_the_version_is_one_that_packaging_takes():
    assert re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc|\.dev)\d+)?", ktorws.__version__)
