"""How a session is got, attempt after attempt, each with a request of its own."""

from __future__ import annotations

import asyncio
import copy
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, TypeAlias, cast

from ktorws.features.reconnect import Patience

if TYPE_CHECKING:
    from collections.abc import Callable

    from yarl import URL

    from ktorws.client_session import DefaultClientWebSocketSession
    from ktorws.features.reconnect import Reconnect
    from ktorws.ping_pong import Clock
    from ktorws.request import HttpRequestBuilder

    Session: TypeAlias = DefaultClientWebSocketSession

logger = logging.getLogger(__name__)

#: A URL, or what gives it anew for each attempt.
UrlSource: TypeAlias = "str | URL | Callable[[], str | URL | Awaitable[str | URL]]"


class Pauses:
    """The waits of a client, which end with it.

    Attributes:
        are_over: whether the client is closed.
    """

    def __init__(self) -> None:
        self.are_over = False
        self._waiting: set[asyncio.Event] = set()

    async def wait(self, clock: Clock, seconds: float) -> None:
        """Wait so long, or until the client is closed."""
        woken = asyncio.Event()
        timer = clock.call_later(seconds, woken.set)
        self._waiting.add(woken)
        try:
            await woken.wait()
        finally:
            timer.cancel()
            self._waiting.discard(woken)

    def end(self) -> None:
        """Wake whoever waits."""
        self.are_over = True
        for woken in self._waiting:
            woken.set()


class Requests:
    """Makes a request for each attempt: from a pattern, a URL and a function."""

    def __init__(
        self,
        pattern: HttpRequestBuilder,
        url: UrlSource | None,
        configure: Callable[[HttpRequestBuilder], object] | None,
    ) -> None:
        self._pattern = pattern
        self._url = url if callable(url) else None  # else the pattern has it
        self._configure = configure

    async def next(self) -> HttpRequestBuilder:
        """One that nobody has seen before."""
        request = copy.deepcopy(self._pattern)
        if self._url is not None:
            url = self._url()
            request.take_url(await url if isinstance(url, Awaitable) else url)
        if self._configure is not None:
            self._configure(request)
        return request


class Attempts:
    """Tries until there is a session, and knows how often and how long."""

    def __init__(
        self,
        policy: Reconnect,
        requests: Requests,
        *,
        open_: Callable[[HttpRequestBuilder], Awaitable[object]],
        on_connected: Callable[[Session, int], object] | None,
        pauses: Pauses,
        clock: Callable[[], Clock],
    ) -> None:
        self._policy = policy
        self._requests = requests
        self._open = open_
        self._on_connected = on_connected
        self._pauses = pauses
        self._clock = clock
        self._patience: Patience | None = None
        self._delay: float | None = None

    @property
    def patience(self) -> Patience:
        """What is left of it; begins with the first attempt."""
        if self._patience is None:
            self._patience = Patience(self._policy, self.time())
        return self._patience

    def time(self) -> float:
        """Seconds by the sessions' clock."""
        return self._clock().time()

    async def session(self) -> Session:
        """The next session, open and subscribed.

        Raises:
            Exception: the last attempt's failure, which is final or one too many.
        """
        patience = self.patience
        while True:
            if self._delay is not None:
                await self._pauses.wait(self._clock(), self._delay)
            patience.attempt += 1
            outcome = await self._try()
            # Raised here and not where it was caught: failures must not form a chain.
            if not isinstance(outcome, Exception):
                return outcome
            if self._pauses.are_over or not self._may_go_on(outcome):
                raise outcome

    def may_follow(self, cause: Exception, opened: float, ended: float) -> bool:
        """Whether there may be another session behind one that lived and ended so."""
        if ended - opened >= self._policy.reset_after:
            self.patience.reset(ended)
        return self._may_go_on(cause)

    async def _try(self) -> Session | Exception:
        session: Session | None = None
        try:
            session = cast("Session", await self._open(await self._requests.next()))
            if self._on_connected is not None:
                told = self._on_connected(session, self.patience.attempt)
                if isinstance(told, Awaitable):
                    await told
        except BaseException as error:
            if session is not None:
                session.cancel()
            if not isinstance(error, Exception):
                raise
            return error
        return session

    def _may_go_on(self, error: Exception) -> bool:
        self._delay = self.patience.delay_after(error, self.time())
        if self._delay is None:
            return False
        logger.info(
            "Attempt %d in %.2f s, after %s: %s",
            *(self.patience.attempt + 1, self._delay, type(error).__name__, error),
        )
        return True
