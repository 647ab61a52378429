"""A session for the time of a block: entered, or awaited with a handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import TracebackType

    from ktorws.client_session import ClientWebSocketSession

R = TypeVar("R")
S = TypeVar("S", bound="ClientWebSocketSession")


class SessionContext(Generic[S, R]):
    """What ``client.ws(…)`` gives: ``async with`` it, or await it with a ``block``."""

    def __init__(
        self,
        open_: Callable[[], Awaitable[S]],
        block: Callable[[S], Awaitable[R]] | None,
    ) -> None:
        self._open = open_
        self._block = block
        self._session: S | None = None

    async def __aenter__(self) -> S:
        """Open the session."""
        if self._block is not None:
            raise TypeError("With a block, await the call instead of entering it")
        if self._session is not None:
            raise RuntimeError("A session context can be entered once only")
        self._session = await self._open()
        return self._session

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it, as `WebSocketSession` does when its own block ends."""
        if self._session is not None:
            await self._session.__aexit__(kind, error, trace)

    def __await__(self) -> Generator[Any, Any, R]:
        return self._run().__await__()

    async def _run(self) -> R:
        block, self._block = self._block, None
        if block is None:
            raise TypeError(
                "Use `async with`, or give a block, or await websocket_session()"
            )
        async with self as session:
            return await block(session)
