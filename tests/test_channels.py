"""The limits of channels and the results of attempts on them."""

import pytest

from ktorws.channels import (
    ChannelConfig,
    ChannelOverflow,
    ChannelResult,
    WebSocketChannelsConfig,
    bounded,
    unlimited,
)
from ktorws.exceptions import ClosedReceiveChannelError


def test_channels_are_bounded_in_frames_and_bytes_by_default():
    config = WebSocketChannelsConfig()
    for channel in (config.incoming, config.outgoing):
        assert channel.capacity == 1024
        assert channel.max_bytes == 1024 * 1024
        assert channel.on_overflow is ChannelOverflow.SUSPEND


def test_bounded_takes_what_ktors_takes():
    config = bounded(512, ChannelOverflow.CLOSE)
    assert config.capacity == 512
    assert config.on_overflow is ChannelOverflow.CLOSE


def test_bytes_can_be_limited_or_not():
    assert bounded(max_bytes=100).max_bytes == 100
    assert bounded(max_bytes=None).max_bytes is None


def test_unlimited_has_no_limit():
    assert unlimited().capacity is None
    assert unlimited().max_bytes is None


@pytest.mark.parametrize("value", [0, -1, 1.5, "many"])
@pytest.mark.parametrize("name", ["capacity", "max_bytes"])
def test_a_limit_is_a_positive_integer(name, value):
    with pytest.raises(ValueError, match=name):
        bounded(**{name: value})


def test_an_overflow_is_one_of_the_two():
    with pytest.raises(TypeError):
        bounded(1, "suspend")


@pytest.mark.parametrize(
    ("config", "can"),
    [
        (bounded(), True),
        (bounded(1), True),
        (bounded(1, ChannelOverflow.CLOSE), False),
        (unlimited(), False),
        (ChannelConfig(None, max_bytes=1), True),
    ],
)
def test_only_a_limited_channel_set_to_suspend_can_suspend(config, can):
    assert config.can_suspend is can


def test_configurations_are_values():
    assert bounded(7) == bounded(7)
    assert hash(bounded(7)) == hash(bounded(7))
    with pytest.raises(AttributeError):
        bounded(7).capacity = 8


def test_a_result_is_a_success_a_closed_channel_or_neither():
    success = ChannelResult(is_success=True, value_or_none="value")
    assert success.is_success
    assert not success.is_closed
    closed = ChannelResult(is_success=False, error=ClosedReceiveChannelError())
    assert not closed.is_success
    assert closed.is_closed
    neither = ChannelResult(is_success=False)
    assert not neither.is_success
    assert not neither.is_closed
