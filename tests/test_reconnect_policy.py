"""What is final, how long to wait, when to give up: `Reconnect` by itself."""

import datetime
import email.utils
import random
import re
import ssl
from pathlib import Path

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

import ktorws
from ktorws import (
    ChannelOverflowError,
    ClosedReceiveChannelError,
    ClosedSendChannelError,
    CloseReason,
    ConnectError,
    ConnectionLostError,
    Frame,
    FrameTooBigError,
    HandshakeError,
    HandshakeLostError,
    HttpClient,
    HttpResponse,
    InvalidHandshakeError,
    InvalidTextError,
    OpenTimeoutError,
    PingTimeoutError,
    ProtocolViolationError,
    Reconnect,
    SessionCancelledError,
    WebSocketConverterNotFoundError,
    WebSocketDeserializeError,
)
from ktorws.engines.mock import MockEngine
from ktorws.features.reconnect import Patience, retry_after

EPOCH = "Sun, 06 Nov 1994 08:49:37 GMT"


def refused(status, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    found = CIMultiDictProxy(CIMultiDict(named))
    return HandshakeError("No", HttpResponse(status, "No", "1.1", found))


def closed(code, kind=ClosedReceiveChannelError):
    error = kind(str(code))
    error.close_reason = CloseReason(code)
    return error


def unreachable(cause):
    error = ConnectError("No")
    error.__cause__ = cause
    return error


PASSING = [
    *map(refused, (408, 425, 429, 500, 502, 503, 504, 520, 599)),
    *map(closed, (1001, 1005, 1011, 1012, 1013, 1014, 3008, 4000, 4401)),
    closed(1012, ClosedSendChannelError),
    HandshakeLostError("Connection closed instead of a response"),
    unreachable(ConnectionRefusedError()),
    unreachable(ssl.SSLEOFError()),
    OpenTimeoutError(),
    ConnectionLostError(),
    PingTimeoutError(),
    ChannelOverflowError(),
    TimeoutError(),
    OSError("the token's server is away"),
]
FINAL = [
    *map(refused, (200, 302, 400, 401, 403, 404, 407, 410, 426, 501, 505)),
    *map(closed, (1000, 1002, 1003, 1007, 1008, 1009, 1010, 3000, 3003)),
    closed(1008, ClosedSendChannelError),
    HandshakeError("Redirect from wss to ws is not followed"),
    InvalidHandshakeError("not HTTP"),
    unreachable(ssl.SSLCertVerificationError()),
    unreachable(unreachable(ssl.SSLCertVerificationError())),
    ProtocolViolationError("RSV1"),
    InvalidTextError("not UTF-8"),
    FrameTooBigError("too big", 5),
    SessionCancelledError(),
    WebSocketConverterNotFoundError(),
    WebSocketDeserializeError("no int", Frame.Text("x")),
    ValueError("no URL"),
    RuntimeError("closed"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
def test_what_may_pass_is_tried_again(error):
    assert not Reconnect().is_final(error)


@pytest.mark.parametrize("error", FINAL, ids=repr)
def test_what_would_fail_again_is_final(error):
    assert Reconnect().is_final(error)
    assert Patience(Reconnect(), 0).delay_after(error, 0) is None


def test_another_verdict_takes_the_place_of_the_default_and_may_ask_it():
    def verdict(error):
        reason = getattr(error, "close_reason", None)
        mine = reason is not None and reason.code == 4401
        return mine or Reconnect.is_final_by_default(error)

    policy = Reconnect(is_final=verdict)
    assert policy.is_final(closed(4401))
    assert policy.is_final(closed(1008))
    assert not policy.is_final(closed(4400))


# Waiting.


@pytest.fixture
def longest(monkeypatch):
    """The wait is always the ceiling."""
    monkeypatch.setattr(random, "uniform", lambda _low, high: high)


LOST = ConnectionLostError("lost")


def test_ceilings_grow_by_the_factor_up_to_the_maximum(longest):
    patience = Patience(Reconnect(initial=0.5, maximum=5, factor=3), 0)
    assert [patience.delay_after(LOST, 0) for _ in range(5)] == [0.5, 1.5, 4.5, 5, 5]


def test_a_new_row_begins_with_the_first_ceiling(longest):
    patience = Patience(Reconnect(), 0)
    patience.attempt = 7
    assert [patience.delay_after(LOST, 0) for _ in range(2)] == [1, 2]
    patience.reset(10)
    assert patience.delay_after(LOST, 10) == 1
    assert patience.attempt == 0


def test_ceilings_do_not_overflow(longest):
    patience = Patience(Reconnect(initial=1e-9, factor=1e9), 0)
    delays = [patience.delay_after(LOST, 0) for _ in range(2000)]
    assert delays[-1] == 30


def test_waits_are_spread_evenly_from_nothing_to_the_ceiling():
    policy = Reconnect(initial=8, maximum=8)
    patience = Patience(policy, 0)
    delays = [patience.delay_after(LOST, 0) for _ in range(4000)]
    assert min(delays) >= 0
    assert max(delays) <= 8
    for quarter in range(4):
        inside = [d for d in delays if quarter * 2 <= d < quarter * 2 + 2]
        assert 800 < len(inside) < 1200


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (refused(503, Retry_After="7"), 7),
        (refused(429, Retry_After=" 7 "), 7),
        (refused(503, Retry_After="0"), 0),
        (refused(503), 0),
        (refused(503, Retry_After="-7"), 0),
        (refused(503, Retry_After="7.5"), 0),
        (refused(503, Retry_After="soon"), 0),
        (refused(503, Retry_After="\xb2"), 0),
        (refused(503, Retry_After="9" * 400), float("inf")),
        (refused(503, Retry_After=EPOCH), 0),
        (refused(503, Retry_After="Sun, 06 Nov 1994 08:49:99 GMT"), 0),
        (
            refused(503, Retry_After="Sun, 06 Nov 1994 08:50:07 GMT", Date=f"{EPOCH}"),
            30,
        ),
        (
            refused(503, Retry_After="Sunday, 06-Nov-94 08:50:07 GMT", Date=EPOCH),
            30,
        ),
        (refused(503, Retry_After="Sun Nov  6 08:50:07 1994", Date=EPOCH), 30),
        (refused(503, Retry_After=EPOCH, Date="Sun, 06 Nov 1994 08:50:07 GMT"), 0),
        (HandshakeError("no response"), 0),
        (LOST, 0),
    ],
    ids=repr,
)
def test_retry_after_is_seconds_or_a_date(error, seconds):
    assert retry_after(error) == seconds


def test_a_date_without_the_servers_own_is_taken_by_our_clock():
    then = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    date = email.utils.format_datetime(then, usegmt=True)
    assert 3590 < retry_after(refused(503, Retry_After=date)) <= 3600


def test_retry_after_comes_on_top_of_the_spread_and_is_capped(longest):
    patience = Patience(Reconnect(max_retry_after=100), 0)
    assert patience.delay_after(refused(503, Retry_After="7"), 0) == 7 + 1
    assert patience.delay_after(refused(503, Retry_After="777"), 0) == 100 + 2


# Giving up.


def test_attempts_are_limited_and_the_error_tells_how_many_there_were():
    patience, error = Patience(Reconnect(max_attempts=3), 0), ConnectError("No")
    for attempt in (1, 2):
        patience.attempt = attempt
        assert patience.delay_after(error, 0) is not None
    patience.attempt = 3
    assert patience.delay_after(error, 8) is None
    assert error.__notes__ == ["Given up after 3 attempts in 8.0 s"]


def test_no_attempt_begins_after_the_time_is_over(longest):
    patience = Patience(Reconnect(max_time=10), 100)
    assert patience.delay_after(LOST, 100) == 1
    assert patience.delay_after(LOST, 108) == 2
    assert patience.delay_after(ConnectError("No"), 108) is None


# Options.


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"initial": 0}, ValueError, "initial must be above 0"),
        ({"initial": "1"}, TypeError, "initial"),
        ({"maximum": 0.5}, ValueError, "maximum must not be below initial, 1: 0.5"),
        ({"factor": 0.5}, ValueError, "factor must be at least 1"),
        ({"max_retry_after": 0}, ValueError, "max_retry_after"),
        ({"reset_after": -1}, ValueError, "reset_after"),
        ({"max_attempts": 0}, ValueError, "max_attempts must be at least 1"),
        ({"max_attempts": 1.5}, ValueError, "max_attempts"),
        ({"max_time": 0}, ValueError, "max_time"),
        ({"is_final": 401}, TypeError, "is_final must be a function"),
        ({"initail": 1}, TypeError, "initail"),
    ],
    ids=str,
)
def test_a_wrong_option_is_refused_at_install(options, error, words):
    with pytest.raises(error, match=words):
        HttpClient(MockEngine()).install(Reconnect, **options)


def test_times_may_be_timedeltas():
    policy = Reconnect(
        initial=datetime.timedelta(milliseconds=5), max_time=datetime.timedelta(1)
    )
    assert (policy.initial, policy.max_time) == (0.005, 86400)


def test_the_verdict_that_the_docs_show_judges_as_they_say():
    page = (Path(__file__).parent.parent / "docs/reconnect.md").read_text("utf-8")
    code = re.search(r"^def is_final.*?(?=^client)", page, re.DOTALL | re.MULTILINE)[0]
    namespace = dict(vars(ktorws))
    exec(code, namespace)
    policy = Reconnect(is_final=namespace["is_final"])
    assert policy.is_final(closed(4401))
    assert not policy.is_final(closed(1000))
    assert policy.is_final(closed(1008))
    assert policy.is_final(refused(401))
