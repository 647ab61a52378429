"""What all tests share: fixtures, both event loops, a deadline."""

import asyncio
import functools
import importlib
import inspect
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


#: Seconds, unless a test's own timeout marker gives it more.
DEADLINE = 25


def pytest_collection_modifyitems(items):
    """Give each coroutine test a deadline that its event loop keeps.

    pytest-timeout's alarm cannot interrupt uvloop, so it is the second line only.
    """
    for item in items:
        if inspect.iscoroutinefunction(getattr(item, "obj", None)):
            marker = item.get_closest_marker("timeout")
            seconds = marker.args[0] - 5 if marker and marker.args else DEADLINE
            item.obj = _with_deadline(item.obj, seconds)


def _with_deadline(test, seconds):
    @functools.wraps(test)
    async def run(*arguments, **fixtures):
        async with asyncio.timeout(seconds):
            await test(*arguments, **fixtures)

    return run
