"""One Node and one Chromium for all tests: booting Pyodide takes seconds."""

import importlib.util

import pytest

from tests.browser.hosts import ROOT, Host, why_not

FILES = [
    "tests/conversation.py",
    "tests/browser/inside.py",
    "tests/browser/promised.py",
    *(
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests/engines/promises").glob("*.py")
    ),
]


def serve():
    """`examples/browser/serve.py` as a module."""
    path = ROOT / "examples/browser/serve.py"
    spec = importlib.util.spec_from_file_location("serve", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", params=["node", "chromium"])
def host(request):
    """Pyodide with ktorws, in each kind of process in turn."""
    if reason := why_not(request.param):
        pytest.skip(reason)
    with serve().files("ws://127.0.0.1/") as base:
        host = Host(request.param, base, FILES)
        yield host
        host.stop()
