# ruff: noqa: SLF001  a loop and its sessions know each other's insides
"""One session after the other: what is lost between two of them is never hidden."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeAlias, TypeVar

from ktorws.close_reason import CloseReason
from ktorws.exceptions import (
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    SessionCancelledError,
    WebSocketError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from types import TracebackType

    from ktorws.attempts import Attempts
    from ktorws.client_session import DefaultClientWebSocketSession

    Session: TypeAlias = DefaultClientWebSocketSession

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Gap:
    """What lies between two sessions: whatever the server sent meanwhile is lost.

    Attributes:
        cause: why the earlier session ended: its failure, such as
            `ConnectionLostError`, or `ClosedReceiveChannelError` where the server
            closed it in good order.
        offline: seconds from that end until the later session was open and its
            ``on_connected`` done.
        attempt: the number of the attempt that succeeded, counted from 1 since the
            last session that lasted (see `Reconnect`).
    """

    cause: WebSocketError
    offline: float
    attempt: int

    @property
    def close_reason(self) -> CloseReason | None:
        """How the earlier session ended, as its own ``close_reason`` says."""
        return self.cause.close_reason


class ReconnectingSessions(Generic[R]):
    """What ``client.ws_reconnecting(…)`` gives: iterate, or await it with a ``block``.

    For one task; it can be run once.
    """

    def __init__(
        self,
        attempts: Attempts,
        block: Callable[[Session, Gap | None], Awaitable[R]] | None,
    ) -> None:
        self._attempts = attempts
        self._block = block
        self._given: NextSession | None = None
        self._lost: tuple[WebSocketError, float] | None = None  # by what, and when
        self._is_over = False
        self._error: WebSocketError | None = None

    def __aiter__(self) -> Self:
        if self._block is not None:
            raise TypeError("With a block, await the call instead of iterating it")
        return self

    async def __anext__(self) -> NextSession:
        """The next session, to be entered; ends when one was closed for good.

        Raises:
            WebSocketError: this ended the last session, and it is final.
            RuntimeError: the one before was not entered, or is entered still.
        """
        if self._is_over:
            error, self._error = self._error, None
            if error is not None:
                raise error
            raise StopAsyncIteration
        if self._given is not None:
            raise RuntimeError(
                "Enter each session of the loop: "
                "`async with connection as (session, gap):`"
            )
        self._given = NextSession(self)
        return self._given

    def __await__(self) -> Generator[Any, Any, R]:
        return self._run().__await__()

    async def _run(self) -> R:
        block, self._block = self._block, None
        if block is None:
            raise TypeError("Use `async for`, or give a block")
        async for connection in self:
            async with connection as (session, gap):
                result = await block(session, gap)
        return result

    async def _connect(self) -> tuple[Session, Gap | None]:
        try:
            session = await self._attempts.session()
        except BaseException:
            self._end()
            raise
        if self._lost is None:
            return session, None
        cause, since = self._lost
        now = self._attempts.time()
        return session, Gap(cause, now - since, self._attempts.patience.attempt)

    def _end(self, error: WebSocketError | None = None) -> None:
        """No session follows; this is still to be told."""
        self._is_over = True
        self._error = error

    def _may_follow(self, cause: WebSocketError, opened: float, ended: float) -> bool:
        """Whether another session follows one that ended so."""
        if not self._attempts.may_follow(cause, opened, ended):
            self._end(None if _is_normal(cause) else cause)
            return False
        self._lost = cause, ended
        self._given = None
        return True


class NextSession:
    """One turn of the loop: entering it connects, leaving it closes the session.

    It gives the session and the `Gap` before it, None for the first. An error by which
    this session tells its own loss ends the block and no more, unless it is final.
    """

    def __init__(self, loop: ReconnectingSessions[Any]) -> None:
        self._loop = loop
        self._session: Session | None = None
        self._entered = False
        self._opened = self._ended = 0.0

    async def __aenter__(self) -> tuple[Session, Gap | None]:
        """Wait for as long as is due, connect, and resubscribe.

        Raises:
            Exception: as `HttpClient.ws`, or what ``url``, ``request``, a feature or
                ``on_connected`` raised: it is final, or a limit is reached.
        """
        if self._entered:
            raise RuntimeError("A session can be entered once only")
        self._entered = True
        self._session, gap = await self._loop._connect()
        self._opened = self._loop._attempts.time()
        self._session.close_reason.invoke_on_completion(self._note_end)
        return self._session, gap

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        """Close the session, and decide whether another follows."""
        session, loop = self._session, self._loop
        assert session is not None
        cause = None if session.is_active else _end_of(session)
        if cause is None or not (error is None or _tells_of(error, cause)):
            # The block leaves an open session, or for a reason of its own.
            loop._end()
            await session.__aexit__(kind, error, trace)
            return False
        if _is_ours(session, cause):
            loop._end()
            await session.__aexit__(None, None, None)
            return False
        session.incoming.cancel()
        session.cancel()  # a server must not hold us up by keeping the old connection
        follows = loop._may_follow(cause, self._opened, self._ended)
        if error is not None and not follows:
            loop._end()  # the block's error tells it
        return follows

    def _note_end(self) -> None:
        self._ended = self._loop._attempts.time()


def _end_of(session: Session) -> WebSocketError:
    """Why it has ended, or is ending."""
    error = session.outgoing.try_send("").error
    assert error is not None
    if not isinstance(error, ClosedSendChannelError):
        return error
    closed = ClosedReceiveChannelError(*error.args)
    closed.close_reason = error.close_reason
    return closed


def _tells_of(error: BaseException, cause: WebSocketError) -> bool:
    """Whether a session that ended so tells it by this, to one task or to several.

    An error of another session does not, though it may be of the same type.
    """
    if isinstance(error, BaseExceptionGroup):
        return all(_tells_of(each, cause) for each in error.exceptions)
    kinds = (type(cause), ClosedReceiveChannelError, ClosedSendChannelError)
    return isinstance(error, kinds) and error.close_reason == cause.close_reason


def _is_ours(session: Session, cause: WebSocketError) -> bool:
    """Whether this side closed or cancelled the session."""
    if isinstance(cause, ClosedReceiveChannelError):
        return not session.closed_by_peer
    return isinstance(cause, SessionCancelledError)


def _is_normal(cause: WebSocketError) -> bool:
    reason = cause.close_reason
    in_order = isinstance(cause, ClosedReceiveChannelError)
    return in_order and reason is not None and reason.code == CloseReason.Codes.NORMAL
