"""When to try again after a failure, how long to wait before, and when to give up."""

from __future__ import annotations

import random
import time
from datetime import UTC
from typing import TYPE_CHECKING

from ktorws.close_reason import CloseReason
from ktorws.default_session import positive_seconds
from ktorws.exceptions import (
    ChannelOverflowError,
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    HandshakeError,
    HandshakeLostError,
    InvalidHandshakeError,
)
from ktorws.features.base import HttpClientFeature

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

Codes = CloseReason.Codes

#: Refusals that a later attempt may not meet; all others are for good.
_PASSING = {408, 425, 429, *range(500, 600)} - {501, 505}

#: Close codes that say: do not come back, or not like this. 3000 (unauthorized) and
#: 3003 (forbidden) are registered with IANA; from 4000 on only the application knows.
_FINAL_CODES = {
    Codes.NORMAL,
    Codes.PROTOCOL_ERROR,
    Codes.CANNOT_ACCEPT,
    Codes.NOT_CONSISTENT,
    Codes.VIOLATED_POLICY,
    Codes.TOO_BIG,
    Codes.NO_EXTENSION,
    3000,
    3003,
}


class Reconnect(HttpClientFeature):
    """How `HttpClient.ws_reconnecting` tries again; changes nothing for `ws`.

    The wait before an attempt is drawn evenly from 0 to a ceiling (full jitter). The
    ceiling starts at ``initial`` and is multiplied by ``factor`` with each failure
    until it is ``maximum``. What a refusal says in ``Retry-After``, as seconds or as
    a date, comes on top. Failures, attempts and time are counted in a row: a session
    that lasted for ``reset_after`` ends the row. The loss of one that did not last
    is a failure like any other.

    All times are seconds or a `timedelta`.

    Args:
        initial: the first ceiling; 1 s by default.
        maximum: the last ceiling; 30 s by default.
        factor: from one ceiling to the next; 2 by default.
        max_retry_after: the longest ``Retry-After`` that is obeyed; what asks for
            more gets this. 300 s by default.
        reset_after: how long a session must live to count as a success; 30 s by
            default.
        max_attempts: give up after so many in a row; None for no limit, the default.
        max_time: give up rather than begin an attempt later than this after the row
            began; None for no limit, the default.
        is_final: judges each failure in place of `is_final_by_default`; True to give
            up at once.

    Raises:
        ValueError: a value is out of range.
        TypeError: a value is of the wrong type.
    """

    def __init__(
        self,
        *,
        initial: float | timedelta = 1.0,
        maximum: float | timedelta = 30.0,
        factor: float = 2.0,
        max_retry_after: float | timedelta = 300.0,
        reset_after: float | timedelta = 30.0,
        max_attempts: int | None = None,
        max_time: float | timedelta | None = None,
        is_final: Callable[[Exception], bool] | None = None,
    ) -> None:
        self.initial = positive_seconds("initial", initial)
        self.maximum = positive_seconds("maximum", maximum)
        self.factor = positive_seconds("factor", factor)
        self.max_retry_after = positive_seconds("max_retry_after", max_retry_after)
        self.reset_after = positive_seconds("reset_after", reset_after)
        self.max_attempts = max_attempts
        self.max_time = (
            None if max_time is None else positive_seconds("max_time", max_time)
        )
        if self.maximum < self.initial:
            raise ValueError(
                f"maximum must not be below initial, {self.initial:g}: {maximum!r}"
            )
        if self.factor < 1:
            raise ValueError(f"factor must be at least 1, not {factor!r}")
        if max_attempts is not None and (
            not isinstance(max_attempts, int) or max_attempts < 1
        ):
            raise ValueError(f"max_attempts must be at least 1, not {max_attempts!r}")
        if is_final is not None and not callable(is_final):
            raise TypeError(f"is_final must be a function, not {is_final!r}")
        self.is_final = is_final or self.is_final_by_default

    @staticmethod
    def is_final_by_default(error: Exception) -> bool:
        """Whether another attempt would most likely fail in the same way.

        Final are: refusals but 408, 425, 429 and 5xx (501 and 505 are final); an
        answer that breaks HTTP or RFC 6455; a certificate that does not verify; a
        peer that breaks RFC 6455 or sends too big a frame; a Close frame with 1000,
        1002, 1003, 1007 to 1010, 3000 or 3003; and whatever is neither of the network
        nor of the system.
        """
        match error:
            case HandshakeLostError() | ChannelOverflowError():
                return False
            case InvalidHandshakeError():
                return True
            case HandshakeError():
                return error.response is None or error.response.status not in _PASSING
            case ClosedReceiveChannelError() | ClosedSendChannelError():
                reason = error.close_reason
                return reason is not None and reason.code in _FINAL_CODES
            case OSError():  # of the system, or a lost or failed connection of ours
                return _is_about_a_certificate(error)
            case _:
                return True


class Patience:
    """Where a row of failures stands.

    Attributes:
        attempt: how many attempts the row has, the one under way included.
    """

    def __init__(self, policy: Reconnect, now: float) -> None:
        self._policy = policy
        self.reset(now)

    def reset(self, now: float) -> None:
        """Begin a new row."""
        self.attempt = 0
        self._since = now
        self._ceiling = self._policy.initial

    def delay_after(self, error: Exception, now: float) -> float | None:
        """Seconds to wait after this failure, or None to give up."""
        policy = self._policy
        if policy.is_final(error):
            return None
        if policy.max_attempts is not None and self.attempt >= policy.max_attempts:
            self._note(error, now)
            return None
        asked = min(retry_after(error), policy.max_retry_after)
        delay = asked + random.uniform(0, self._ceiling)
        self._ceiling = min(self._ceiling * policy.factor, policy.maximum)
        limit = policy.max_time
        if limit is not None and now + delay > self._since + limit:
            self._note(error, now)
            return None
        return delay

    def _note(self, error: Exception, now: float) -> None:
        error.add_note(
            f"Given up after {self.attempt} attempts in {now - self._since:.1f} s"
        )


def retry_after(error: Exception) -> float:
    """Seconds that a refusal asks to wait (RFC 9110 §10.2.3); 0 where it does not."""
    if not isinstance(error, HandshakeError) or error.response is None:
        return 0.0
    headers = error.response.headers
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    then = _timestamp(value)
    if then is None:
        return 0.0
    # By the server's own clock, where it tells the time: ours may be wrong.
    now = _timestamp(headers.get("Date", ""))
    return max(then - (time.time() if now is None else now), 0.0)


def _timestamp(date: str) -> float | None:
    """Seconds since 1970 for a date of HTTP (RFC 9110 §5.6.7); None for no date."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415  slow to import

    try:
        found = parsedate_to_datetime(date)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _is_about_a_certificate(error: BaseException | None) -> bool:
    """Whether a certificate that was not verified is behind this."""
    while error is not None:
        # By name: ssl is the engines', and there is none in a browser.
        if any(k.__name__ == "SSLCertVerificationError" for k in type(error).__mro__):
            return True
        error = error.__cause__
    return False
