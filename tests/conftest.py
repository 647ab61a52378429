"""The fixtures that many test modules share."""

import asyncio
import importlib
import os

import pytest

MODULES = {"cython": "ktorws._frame", "python": "ktorws._frame_py"}


def pytest_asyncio_loop_factories(config, item):
    """Async tests run on each event loop that is installed."""
    factories = {"asyncio": asyncio.new_event_loop}
    try:
        import uvloop
    except ModuleNotFoundError:
        pass
    else:
        factories["uvloop"] = uvloop.new_event_loop
    return factories


@pytest.fixture(scope="session", params=MODULES)
def codec(request):
    """Each codec in turn: a module with the names of `ktorws._frame`."""
    name = MODULES[request.param]
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name or os.environ.get("KTORWS_REQUIRE_CYTHON"):
            raise
        pytest.skip("the codec is not compiled here")
    assert request.param == module.CODEC
    return module
