"""Octets into a decoder, and what must come of it."""

from ktorws.exceptions import FrameTooBigError, InvalidTextError


def decoder(codec, **options):
    return codec.FrameDecoder(**{"masked": False} | options)


def receive(decoder, octets, size):
    """Feed octets as a transport does, ``size`` at most in one read."""
    frames = []
    while octets:
        window = decoder.get_buffer(-1)
        taken = min(size, len(window), len(octets))
        window[:taken] = octets[:taken]
        frames += decoder.buffer_updated(taken)
        octets = octets[taken:]
    return frames


def assert_violation(decoder, error_class, text):
    error = decoder.error
    assert type(error) is error_class
    assert str(error) == text
    if error_class is FrameTooBigError:
        assert error.close_code == 1009
    else:
        assert error.close_code == (1007 if error_class is InvalidTextError else 1002)
        assert error.violation == text


def assert_fails_at_its_last_octet(decoder, octets, error_class, text):
    """Feed octets one at a time; the error must come with the last, not before."""
    frames = []
    for octet in octets[:-1]:
        frames += decoder.decode(bytes([octet]))
        assert decoder.error is None
    assert decoder.decode(octets[-1:]) == []
    assert_violation(decoder, error_class, text)
    return frames
