"""Fixtures of `ktorws.testing`, as a plug-in of pytest.

It stands beside the package, for pytest imports every plug-in that is installed: ktorws
itself is imported by the first test that asks for a fixture.

A fixture is what to call, or an object; what it gives is entered by ``async with`` in
the test. So any runner of coroutines will do, and none is needed to have this here.
"""

# ruff: noqa: PLC0415  see above

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    from ktorws import testing


@pytest.fixture
def ktorws_clock() -> testing.MockClock:
    """A `MockClock`: time that stands still until it is told to pass."""
    from ktorws.testing import MockClock

    return MockClock()


@pytest.fixture
def ktorws_mock_engine() -> Iterator[type[testing.MockEngine]]:
    """`MockEngine`; the test fails if a script does, even if it closes no engine."""
    from ktorws.testing import MockEngine

    made: list[MockEngine] = []

    class Watched(MockEngine):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[arg-type]
            made.append(self)

    yield Watched
    errors = [error for engine in made for error in engine.failures()]
    if errors:
        raise ExceptionGroup("Scripts of a MockEngine failed", errors)


@pytest.fixture
def ktorws_echo_server() -> Callable[..., testing.LocalServer]:
    """`ktorws.testing.echo_server`: a server that sends back every message."""
    from ktorws.testing import echo_server

    return echo_server


@pytest.fixture
def ktorws_local_server() -> Callable[..., testing.LocalServer]:
    """`ktorws.testing.local_server`: a server whose sessions go to a handler."""
    from ktorws.testing import local_server

    return local_server


@pytest.fixture
def ktorws_scripted_server() -> Callable[
    ..., AbstractAsyncContextManager[testing.ScriptedServer]
]:
    """`ktorws.testing.scripted_server`: follows a script, over real sockets."""
    from ktorws.testing import scripted_server

    return scripted_server


@pytest.fixture
def ktorws_scripted_client() -> Callable[
    ..., AbstractAsyncContextManager[testing.ScriptedClient]
]:
    """`ktorws.testing.scripted_client`: a client by hand, to test a server."""
    from ktorws.testing import scripted_client

    return scripted_client


@pytest.fixture
def ktorws_relay() -> Callable[..., AbstractAsyncContextManager[testing.Relay]]:
    """`ktorws.testing.relay_to`: a network with faults in front of a server."""
    from ktorws.testing import relay_to

    return relay_to


@pytest.fixture
def ktorws_nothing_left() -> Callable[..., AbstractAsyncContextManager[None]]:
    """`ktorws.testing.nothing_left`: fails if tasks or sockets are left."""
    from ktorws.testing import nothing_left

    return nothing_left
