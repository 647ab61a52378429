"""The compiled codec against its plain twin: they must agree in everything."""

import contextlib

from ktorws import _frame_py
from ktorws.exceptions import FrameTooBigError, ProtocolViolationError
from tests.fuzz.inputs import Choices, expect, pieces

try:
    from ktorws import _frame
except ImportError:  # then the plain one is compared with itself, cut otherwise
    _frame = _frame_py

LIMITS = (16 * 1024 * 1024, 1, 2, 10, 125, 126, 1000, 65535, 65536, 40_000)
ERRORS = (ProtocolViolationError, FrameTooBigError)


def shape(frame):
    bits = (frame.fin, frame.rsv1, frame.rsv2, frame.rsv3)
    return (int(frame.frame_type), *bits, frame.read_bytes())


def failure(error):
    return None if error is None else (type(error), str(error), error.close_code)


def decoded(decoder, octets, size):
    """What a decoder says about octets in such pieces, call by call."""
    calls = []
    for piece in pieces(octets, size):
        frames = decoder.decode(piece)
        for frame in frames:
            judge(frame)
        calls.append((list(map(shape, frames)), decoder.special, decoder.size))
    return calls, failure(decoder.error)


def read(decoder, octets, size):
    """The same, by way of the buffer that a transport reads into."""
    frames = []
    while octets:
        hint = min(len(octets), size or 65536) if len(octets) % 2 else -1
        window = decoder.get_buffer(hint)
        expect(len(window) >= hint, hint)
        taken = min(size or 65536, len(window), len(octets))
        window[:taken] = octets[:taken]
        frames += decoder.buffer_updated(taken)
        octets = octets[taken:]
    return list(map(shape, frames)), failure(decoder.error)


def judge(frame):
    """What holds for every frame that a decoder lets out."""
    size = len(frame.read_bytes())
    expect(len(frame) == size, frame)
    if frame.frame_type.control_frame:
        expect(frame.fin and size <= 125, frame)
    if int(frame.frame_type) == 8:
        frame.read_reason()
    if int(frame.frame_type) == 1 and frame.fin and not frame.rsv1:
        # The last fragment of a message may begin within a character.
        with contextlib.suppress(UnicodeDecodeError):
            frame.read_text()


def decode(octets):
    """Any octets, however they are cut, mean the same to both decoders."""
    choices = Choices(octets)
    masked, reassemble, rsv1, rsv3 = choices.bits(4)
    options = {
        "masked": masked,
        "reassemble": reassemble,
        "reserved": 0x40 * rsv1 | 0x10 * rsv3,
        "max_frame_size": choices.one_of(LIMITS),
    }
    size = choices.byte()
    data = choices.rest()

    ours = decoded(_frame.FrameDecoder(**options), data, size)
    plain = decoded(_frame_py.FrameDecoder(**options), data, size)
    expect(ours == plain, "the twins differ", options, size, ours, plain)

    frames = [frame for call in ours[0] for frame in call[0]]
    in_one = decoded(_frame.FrameDecoder(**options), data, max(len(data), 1))
    whole = [frame for call in in_one[0] for frame in call[0]]
    expect((whole, in_one[1]) == (frames, ours[1]), "the cuts count", ours, in_one)
    windows = read(_frame.FrameDecoder(**options), data, size)
    expect(windows == (frames, ours[1]), "the window counts", ours, windows)


def large(octets):
    """So where payloads are large enough to be received into their own memory.

    The input is a recipe: a frame's two first octets, its size, how it is cut.
    """
    choices = Choices(octets)
    reassemble, masked = choices.bits(2)
    limit = choices.one_of((16 * 1024 * 1024, 100_000, 200_000))
    options = {"reassemble": reassemble, "masked": masked, "max_frame_size": limit}
    data = bytearray()
    for _ in range(4):
        if not choices.more:
            break
        octet, filler, near = choices.byte(), choices.byte(), choices.byte()
        base = choices.one_of((32768, 0, 65536, 126, 1 << 17, 40_000))
        size = max(base + near - 128, 0)
        data.append(octet)
        data += length(size, masked=masked)
        data += bytes(4 if masked else 0)
        data += bytes([filler]) * size
    cuts = choices.one_of((65536, 40_000, 32768, 70_000, 4000, 1 << 20))
    ours = read(_frame.FrameDecoder(**options), bytes(data), cuts)
    plain = read(_frame_py.FrameDecoder(**options), bytes(data), cuts)
    expect(ours == plain, "the twins differ", options, bytes(data[:14]), cuts)
    whole = decoded(_frame.FrameDecoder(**options), bytes(data), max(len(data), 1))
    frames = [frame for call in whole[0] for frame in call[0]]
    expect((frames, whole[1]) == ours, "the cuts count", options, bytes(data[:14]))


def length(size, *, masked):
    mask = 0x80 if masked else 0
    if size < 126:
        return bytes([mask | size])
    if size < 65536:
        return bytes([mask | 126]) + size.to_bytes(2, "big")
    return bytes([mask | 127]) + size.to_bytes(8, "big")


def outcome(call, *arguments, **options):
    """What a call gives, or which error it raises; never another kind."""
    try:
        return call(*arguments, **options)
    except (TypeError, ValueError) as error:
        return type(error), str(error)


class Keys:
    """The same keys for both; not predictable ones would make nothing repeatable."""

    def __init__(self, codec, seed):
        block = bytes((seed + 7 * i) & 0xFF for i in range(1024))
        self.keys = codec.MaskKeys(lambda size: block[:size])


def messages(choices):
    """What is to be sent: kind, payload, FIN, reserved bits."""
    while choices.more:
        kind = choices.one_of((1, 2, 8, 9, 10, "str", "bytes", "view"))
        fin, rsv1, rsv3, append = choices.bits(4)
        payload = choices.take(choices.byte())
        if payload[:1] == b"R":  # a long one, by repetition
            payload *= 300
        yield kind, payload, not fin, rsv1, rsv3, append


def made(codec, kind, payload, *, fin, rsv1, rsv3):
    if kind == "str":
        return payload.decode("utf-8", "surrogatepass" if fin else "replace")
    if kind in {"bytes", "view"}:
        return memoryview(payload) if kind == "view" else payload
    return codec.Frame.by_type(kind, payload, fin=fin, rsv1=rsv1, rsv3=rsv3)


def encode(octets):
    """Both encoders send the same octets, and a decoder finds in them what was sent."""
    choices = Choices(octets)
    masking, _ = choices.bits(2)
    seed = choices.byte()
    encoders = [
        codec.FrameEncoder(masking=masking, keys=Keys(codec, seed).keys)
        for codec in (_frame, _frame_py)
    ]
    wire, sent = b"", []
    for kind, payload, fin, rsv1, rsv3, append in messages(choices):
        results = []
        for codec, encoder in zip((_frame, _frame_py), encoders, strict=True):
            message = outcome(made, codec, kind, payload, fin=fin, rsv1=rsv1, rsv3=rsv3)
            if isinstance(message, tuple):
                results.append(message)
                continue
            result = outcome(encoder.append if append else encoder.encode, message)
            if append and isinstance(result, int):
                result = encoder.take()
            results.append(result)
        expect(results[0] == results[1], "the twins differ", kind, payload, results)
        if isinstance(results[0], bytes):
            wire += results[0]
            sent.append(_payload(message))
    decoder = _frame.FrameDecoder(masked=masking, reserved=0x50)
    frames = decoder.decode(wire)
    expect(decoder.error is None, "sent what is illegal", decoder.error, wire)
    expect([f.read_bytes() for f in frames] == sent, "sent something else", wire)


def _payload(message):
    if isinstance(message, str):
        return message.encode()
    return bytes(message) if not hasattr(message, "fin") else message.read_bytes()


def text(octets):
    """Masking and UTF-8, whole, as two functions of the codec."""
    for codec in (_frame, _frame_py):
        try:
            octets.decode()
            valid = True
        except UnicodeDecodeError:
            valid = False
        expect(codec.is_utf8(octets) == valid, "not UTF-8's opinion", octets)
    key, offset, data = octets[:4], len(octets) % 7, octets[4:]
    if len(key) == 4:
        masked = _frame.apply_mask(data, key, offset)
        naive = bytes(o ^ key[(i + offset) % 4] for i, o in enumerate(data))
        expect(masked == naive == _frame_py.apply_mask(data, key, offset), data, key)
