"""Which engine serves a client: the one named, or the one for this place."""

from __future__ import annotations

import sys

from ktorws.engines.base import HttpClientEngine


def engine_of(
    engine: HttpClientEngine | type[HttpClientEngine] | None,
) -> HttpClientEngine:
    """An engine for an engine, its class or nothing.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(engine, HttpClientEngine):
        return engine
    if engine is None:
        if sys.platform == "emscripten":
            from ktorws.engines.js import Js  # noqa: PLC0415  not where another serves

            return Js()
        from ktorws.engines.cio import CIO  # noqa: PLC0415

        return CIO()
    if isinstance(engine, type) and issubclass(engine, HttpClientEngine):
        return engine()
    raise TypeError(f"Not an engine: {engine!r}")
