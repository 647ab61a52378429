# ruff: noqa: SLF001  the classes of a codec know each other's insides
"""The codec in plain Python: the oracle of the tests, used where nothing is compiled.

It keeps the promises of ``_frame.pyi`` as plainly as it can; speed is `_frame`'s.
"""

from __future__ import annotations

import codecs
import os
from typing import TYPE_CHECKING, ClassVar, Final, Self, TypeVar, final

from ktorws.close_reason import CloseReason, is_sendable
from ktorws.exceptions import (
    FrameTooBigError,
    InvalidTextError,
    ProtocolViolationError,
)
from ktorws.frame_type import FrameType

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from typing_extensions import Buffer

    Sendable: TypeAlias = "Frame | str | Buffer"

_F = TypeVar("_F", bound="Frame")

CODEC: Final = "python"
DEFAULT_MAX_FRAME_SIZE: Final = 16 * 1024 * 1024
MAX_FRAGMENTS: Final = 131072

# RFC 6455 §5.2. Octet 0: FIN, RSV1-3 and the opcode.
_FIN = 0x80
_RSV1 = 0x40
_RSV2 = 0x20
_RSV3 = 0x10
_RSV = _RSV1 | _RSV2 | _RSV3
_OPCODE = 0x0F
_CONTINUATION = 0x0
_CONTROL = 0x8
# Octet 1: MASK, and the payload length or a mark of how many octets hold it.
_MASK = 0x80
_LENGTH = 0x7F
_LENGTH_16 = 126
_LENGTH_64 = 127

_EXTENDED_SIZE = {_LENGTH_16: 2, _LENGTH_64: 8}
_KEY_SIZE = 4
_MAX_CONTROL_SIZE = 125
_MAX_16 = 0xFFFF
_LENGTH_BOUND = 1 << 63
_KEY_BLOCK = 1024
_MIN_READ_SIZE = 1024
_MAX_READ_SIZE = 1024 * 1024

_SHORT_CLOSE = "Close payload must be empty or at least 2 bytes"
_BAD_REASON = "Close reason is not valid UTF-8"


class Frame:
    """A frame received, or ready to be sent. It never changes."""

    __slots__ = ("_data", "_fin", "_rsv")

    Text: ClassVar[type[TextFrame]]
    Binary: ClassVar[type[BinaryFrame]]
    Close: ClassVar[type[CloseFrame]]
    Ping: ClassVar[type[PingFrame]]
    Pong: ClassVar[type[PongFrame]]

    _type: ClassVar[FrameType]
    _data: bytes
    _fin: bool
    _rsv: int

    def __new__(cls, *_args: object, **_options: object) -> Self:
        """Refuse: a frame is always one of the five kinds."""
        raise TypeError(
            "Use Frame.Text, Frame.Binary, Frame.Close, Frame.Ping, Frame.Pong "
            "or Frame.by_type"
        )

    def __init_subclass__(cls) -> None:
        """Keep the five kinds final, as they are in the compiled codec."""
        if cls.__base__ is not Frame:
            raise TypeError("The kinds of Frame are final")

    @property
    def frame_type(self) -> FrameType:
        """What the frame is."""
        return self._type

    @property
    def fin(self) -> bool:
        """Whether the message ends with this frame."""
        return self._fin

    @property
    def rsv1(self) -> bool:
        """The first of the bits that belong to extensions."""
        return bool(self._rsv & _RSV1)

    @property
    def rsv2(self) -> bool:
        """The second of the bits that belong to extensions."""
        return bool(self._rsv & _RSV2)

    @property
    def rsv3(self) -> bool:
        """The third of the bits that belong to extensions."""
        return bool(self._rsv & _RSV3)

    @property
    def data(self) -> bytes:
        """The payload, unmasked."""
        return self._data

    def read_bytes(self) -> bytes:
        """The payload, unmasked."""
        return self._data

    @staticmethod
    def by_type(
        frame_type: FrameType | int, data: Buffer = b"", **flags: bool
    ) -> Frame:
        """Make the frame of this type; ``fin`` and the bits are for data frames."""
        match frame_type:
            case FrameType.TEXT:
                return TextFrame(data, **flags)
            case FrameType.BINARY:
                return BinaryFrame(data, **flags)
        _flags(**flags)
        match frame_type:
            case FrameType.CLOSE:
                return CloseFrame(data)
            case FrameType.PING:
                return PingFrame(data)
            case FrameType.PONG:
                return PongFrame(data)
        raise ValueError(f"Unknown frame type: {frame_type!r}")

    def __len__(self) -> int:
        return len(self._data)

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object, /) -> bool:
        return (
            self._key() == other._key() if isinstance(other, Frame) else NotImplemented
        )

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        flags = {"rsv1": self.rsv1, "rsv2": self.rsv2, "rsv3": self.rsv3}
        return "Frame.{}({} byte{}{}{})".format(
            self._type.name.capitalize(),
            len(self._data),
            "" if len(self._data) == 1 else "s",
            "" if self._fin else ", fin=False",
            "".join(f", {name}=True" for name, value in flags.items() if value),
        )

    def _key(self) -> tuple[FrameType, bool, int, bytes]:
        return self._type, self._fin, self._rsv, self._data


@final
class TextFrame(Frame):
    """Text, or a fragment of text."""

    __slots__ = ()
    _type = FrameType.TEXT

    def __new__(cls, text: str | Buffer, **flags: bool) -> TextFrame:
        """Take a string, or octets that may end within a character."""
        if isinstance(text, str):
            data = text.encode()
        else:
            data = _octets(
                text, "Frame.Text takes a str or a bytes-like object, not {}"
            )
        return _make(cls, data, *_flags(**flags))

    def read_text(self) -> str:
        """The text.

        Raises:
            ValueError: the frame is a fragment, and may end within a character.
        """
        if not self._fin:
            raise ValueError(
                "Text can only be read from a frame that is not a fragment"
            )
        return self._data.decode()


@final
class BinaryFrame(Frame):
    """Octets, or a fragment of them."""

    __slots__ = ()
    _type = FrameType.BINARY

    def __new__(cls, data: Buffer, **flags: bool) -> BinaryFrame:
        """Take octets of any number."""
        data = _octets(data, "Frame.Binary takes a bytes-like object, not {}")
        return _make(cls, data, *_flags(**flags))


@final
class CloseFrame(Frame):
    """The end of a session, with its reason where there is one."""

    __slots__ = ()
    _type = FrameType.CLOSE

    def __new__(cls, reason: CloseReason | Buffer | None = None) -> CloseFrame:
        """Take a reason that may be sent (RFC 6455 §7.4), or none."""
        if reason is None or reason == CloseReason(CloseReason.Codes.NO_STATUS):
            return _make(cls, b"")
        if isinstance(reason, CloseReason):
            data = reason.code.to_bytes(2, "big") + reason.message.encode()
        else:
            data = _octets(
                reason, "Frame.Close takes a CloseReason or a bytes-like object, not {}"
            )
        _control(data, cls._type)
        if data and len(data) < 2:
            raise ValueError(_SHORT_CLOSE)
        if data and not is_sendable(int.from_bytes(data[:2], "big")):
            code = int.from_bytes(data[:2], "big")
            raise ValueError(
                f"Close code {code} must not be sent (RFC 6455 section 7.4)"
            )
        if not is_utf8(data[2:]):
            raise ValueError(_BAD_REASON)
        return _make(cls, data)

    def read_reason(self) -> CloseReason | None:
        """The reason, or None where the payload is empty."""
        if not self._data:
            return None
        code = int.from_bytes(self._data[:2], "big")
        return CloseReason(code, self._data[2:].decode())


@final
class PingFrame(Frame):
    """A question that a Pong with the same data answers."""

    __slots__ = ()
    _type = FrameType.PING

    def __new__(cls, data: Buffer = b"") -> PingFrame:
        """Take at most 125 bytes."""
        data = _octets(data, "Frame.Ping takes a bytes-like object, not {}")
        return _make(cls, _control(data, cls._type))


@final
class PongFrame(Frame):
    """The answer to a Ping, or a sign of life."""

    __slots__ = ()
    _type = FrameType.PONG

    def __new__(cls, data: Buffer = b"") -> PongFrame:
        """Take at most 125 bytes."""
        data = _octets(data, "Frame.Pong takes a bytes-like object, not {}")
        return _make(cls, _control(data, cls._type))


Frame.Text = TextFrame
Frame.Binary = BinaryFrame
Frame.Close = CloseFrame
Frame.Ping = PingFrame
Frame.Pong = PongFrame

_CLASSES: dict[int, type[Frame]] = {
    frame_class._type: frame_class
    for frame_class in (TextFrame, BinaryFrame, CloseFrame, PingFrame, PongFrame)
}


def _make(cls: type[_F], data: bytes, fin: int = _FIN, rsv: int = 0) -> _F:
    frame: _F = object.__new__(cls)
    frame._data = data
    frame._fin = bool(fin)
    frame._rsv = rsv
    return frame


def _flags(
    *, fin: bool = True, rsv1: bool = False, rsv2: bool = False, rsv3: bool = False
) -> tuple[int, int]:
    rsv = (_RSV1 if rsv1 else 0) | (_RSV2 if rsv2 else 0) | (_RSV3 if rsv3 else 0)
    return (_FIN if fin else 0), rsv


def _octets(data: Buffer, rule: str) -> bytes:
    if type(data) is bytes:
        return data
    try:
        return memoryview(data).tobytes()
    except TypeError:
        raise TypeError(rule.format(type(data).__name__)) from None


def _control(data: bytes, frame_type: FrameType) -> bytes:
    if len(data) > _MAX_CONTROL_SIZE:
        raise ValueError(
            "Control frames must not exceed 125 bytes (RFC 6455 section 5.5), "
            f"but this {frame_type.name} has {len(data)}"
        )
    return data


def _unfinished(octets: bytes, *, final: bool) -> bytes:
    """The part of a character that the octets end with; UnicodeDecodeError if bad."""
    rest = octets[codecs.utf_8_decode(octets, "strict", final)[1] :]
    if rest[:1] == b"\xed" and rest[1:] >= b"\xa0":
        rest.decode()  # a surrogate, for which Python waits for the third octet
    return rest


@final
class ReadBuffer:
    """Memory that the sockets of one loop are read into."""

    def __init__(self, size: int = 65536) -> None:
        """Allocate ``size`` bytes."""
        if size < _MIN_READ_SIZE:
            raise ValueError(
                f"A read buffer needs at least {_MIN_READ_SIZE} bytes, not {size}"
            )
        self._memory = bytearray(size)

    def _with_room(self, size: int) -> bytearray:
        """The memory; enlarged, where it is too small, for good."""
        if size > len(self._memory):
            self._memory = bytearray(size)  # another one: views of the first may exist
        return self._memory


@final
class MaskKeys:
    """Hands out masking keys, which nobody can foresee (RFC 6455 §5.3)."""

    def __init__(self, source: Callable[[int], bytes] | None = None) -> None:
        """Take the keys from ``source(n)``, which gives n random bytes."""
        self._source = os.urandom if source is None else source
        self._block = b""

    def _take(self) -> bytes:
        if not self._block:
            block = self._source(_KEY_BLOCK)
            if type(block) is not bytes or len(block) != _KEY_BLOCK:
                raise ValueError(
                    f"The source of masking keys must give {_KEY_BLOCK} bytes"
                )
            self._block = block
        key, self._block = self._block[:_KEY_SIZE], self._block[_KEY_SIZE:]
        return key


class _Counters:
    """What one direction has carried so far."""

    def __init__(self) -> None:
        self.frames = self.continued = self.payload = self.octets = 0
        self.controls = {FrameType.PING: 0, FrameType.PONG: 0, FrameType.CLOSE: 0}

    def all(self, frames: int) -> tuple[int, int, int, int, int, int, int]:
        pings, pongs, closes = self.controls.values()
        messages = frames - self.continued - pings - pongs - closes
        return frames, messages, pings, pongs, closes, self.payload, self.octets


class _Message:
    """The data message that is arriving: what its later fragments depend on."""

    def __init__(self, octet_0: int) -> None:
        self.frame_type = octet_0 & _OPCODE
        self.rsv = octet_0 & _RSV
        # An extension transforms what the bits mark: it is no text yet.
        self.checked = self.frame_type == FrameType.TEXT and not self.rsv
        self.tail = b""
        self.size = 0
        self.fragments = 0
        self.data = bytearray()


@final
class SpareMemory:
    """Where the compiled codec has large octets; this one has no use for it."""

    __slots__ = ()


@final
class FrameDecoder:
    """Turns the octets of one peer into frames, and says where they break a rule."""

    def __init__(
        self,
        *,
        masked: bool,
        max_frame_size: int = DEFAULT_MAX_FRAME_SIZE,
        reserved: int = 0,
        reassemble: bool = False,
        buffer: ReadBuffer | None = None,
        memory: SpareMemory | None = None,
    ) -> None:
        """Start before the first octet of the first frame."""
        self.max_frame_size = max_frame_size
        self._masked = masked
        self._reserved = reserved
        self._reassemble = reassemble
        self._buffer = buffer
        self._window = bytearray()
        self._error: ProtocolViolationError | FrameTooBigError | None = None
        self._special = False
        self._size = 0
        self._header = bytearray()
        self._wanted = 1  # octets of the header until something can be judged
        self._length = 0
        self._payload: bytearray | None = None
        self._message: _Message | None = None
        self._counters = _Counters()

    @property
    def max_frame_size(self) -> int:
        """The most payload a frame, or a message of many frames, may have."""
        return self._max_frame_size

    @max_frame_size.setter
    def max_frame_size(self, size: int) -> None:
        if not isinstance(size, int):
            raise TypeError(f"max_frame_size must be an int, not {type(size).__name__}")
        if not 1 <= size < _LENGTH_BOUND:
            raise ValueError(
                f"max_frame_size must be at least 1 and below 2^63: {size}"
            )
        self._max_frame_size = size

    @property
    def special(self) -> bool:
        """Whether the last octets gave a control frame, a fragment or an error.

        A frame with reserved bits counts too.
        """
        return self._special

    @property
    def size(self) -> int:
        """The payload bytes in the last list."""
        return self._size

    @property
    def error(self) -> ProtocolViolationError | FrameTooBigError | None:
        """What the peer did wrong; nothing is decoded after it."""
        return self._error

    def get_buffer(self, sizehint: int = -1) -> memoryview:
        """Memory for the next octets, as `asyncio.BufferedProtocol` wants it.

        ``sizehint`` is kept to, up to 1 MiB.
        """
        if self._buffer is None:
            self._buffer = ReadBuffer()
        self._window = self._buffer._with_room(min(sizehint, _MAX_READ_SIZE))
        return memoryview(self._window)

    def buffer_updated(self, nbytes: int) -> list[Frame]:
        """The frames that the first octets of the buffer complete."""
        if not 0 <= nbytes <= len(self._window):
            raise ValueError(f"The buffer has {len(self._window)} bytes, not {nbytes}")
        return self.decode(memoryview(self._window)[:nbytes])

    def decode(self, data: Buffer) -> list[Frame]:
        """The frames that these octets complete."""
        octets = _octets(data, "decode() takes a bytes-like object, not {}")
        frames: list[Frame] = []
        self._special = False
        self._size = 0
        if self._error is None:
            try:
                self._read(octets, frames)
            except (ProtocolViolationError, FrameTooBigError) as error:
                self._error = error.with_traceback(None)
                self._special = True
                self._payload = self._message = None
            self._counters.frames += len(frames)
            self._counters.payload += self._size
            self._counters.octets += len(octets)
        return frames

    def counts(self) -> tuple[int, int, int, int, int, int, int]:
        """Frames, messages, pings, pongs, closes, payload octets, octets in all."""
        counters = self._counters
        swallowed = counters.continued if self._reassemble else 0
        return counters.all(counters.frames + swallowed)

    def clear(self) -> None:
        """Forget what came of a frame or message that is not complete."""
        self._header.clear()
        self._wanted = 1
        self._payload = self._message = None

    def _read(self, octets: bytes, frames: list[Frame]) -> None:
        position = 0
        while position < len(octets):
            if self._payload is None:
                missing = self._wanted - len(self._header)
                self._header += octets[position : position + missing]
                position += missing
                if len(self._header) == self._wanted:
                    self._judge_header()
            else:
                missing = self._length - len(self._payload)
                self._add_payload(octets[position : position + missing])
                position += missing
            if self._payload is not None and len(self._payload) == self._length:
                frame = self._complete(bytes(self._payload))
                self._header.clear()
                self._wanted = 1
                self._payload = None
                if frame is not None:
                    frames.append(frame)
                    self._size += len(frame)

    def _judge_header(self) -> None:
        header = self._header
        if len(header) == 1:
            self._judge_octet_0(header[0])
            self._wanted = 2
            return
        extended = _EXTENDED_SIZE.get(header[1] & _LENGTH, 0)
        if len(header) == 2:
            self._judge_octet_1(*header)
            self._wanted += extended
        if len(header) == 2 + extended:
            self._length = (
                int.from_bytes(header[2:], "big") if extended else header[1] & _LENGTH
            )
            self._judge_length()
            self._wanted += _KEY_SIZE if self._masked else 0
        if len(header) == self._wanted:
            self._payload = bytearray()

    def _judge_octet_0(self, octet: int) -> None:
        opcode = octet & _OPCODE
        first = opcode in (FrameType.TEXT, FrameType.BINARY)
        if octet & _RSV & ~(self._reserved if first else 0):
            raise ProtocolViolationError(
                "Reserved bits must be 0 unless an extension uses them"
            )
        if opcode != _CONTINUATION and opcode not in _CLASSES:
            raise ProtocolViolationError(f"Unknown opcode: 0x{opcode:x}")
        if opcode >= _CONTROL and not octet & _FIN:
            raise ProtocolViolationError("Control frames must be final")
        if opcode == _CONTINUATION and self._message is None:
            raise ProtocolViolationError(
                "Continuation frame without a message to continue"
            )
        if first and self._message is not None:
            raise ProtocolViolationError(
                "New data frame before the previous message was finished"
            )

    def _judge_octet_1(self, octet_0: int, octet: int) -> None:
        if self._masked and not octet & _MASK:
            raise ProtocolViolationError("Frames from a client must be masked")
        if not self._masked and octet & _MASK:
            raise ProtocolViolationError("Frames from a server must not be masked")
        if octet_0 & _CONTROL and octet & _LENGTH > _MAX_CONTROL_SIZE:
            raise ProtocolViolationError("Control frames must not exceed 125 bytes")

    def _judge_length(self) -> None:
        octet_0, octet_1 = self._header[:2]
        length = self._length
        if length >= _LENGTH_BOUND:
            raise ProtocolViolationError("Payload length must be below 2^63")
        form = octet_1 & _LENGTH
        if (form == _LENGTH_16 and length < _LENGTH_16) or (
            form == _LENGTH_64 and length <= _MAX_16
        ):
            raise ProtocolViolationError(
                "Payload length must use the shortest encoding"
            )
        if octet_0 & _CONTROL:
            return
        message = self._message or _Message(octet_0)
        size = length + message.size
        if size > self._max_frame_size:
            raise FrameTooBigError(
                f"Frame is too big: {size}, the limit is {self._max_frame_size}", size
            )
        message.size = size
        message.fragments += 1
        if message.fragments > MAX_FRAGMENTS:
            raise FrameTooBigError(
                f"Message has too many fragments: the limit is {MAX_FRAGMENTS}", size
            )
        self._message = message

    def _add_payload(self, octets: bytes) -> None:
        assert self._payload is not None
        if self._masked:
            key = self._header[-_KEY_SIZE:]
            octets = apply_mask(octets, key, len(self._payload))
        self._payload += octets
        if not self._header[0] & _CONTROL:
            self._check_text(octets, final=False)

    def _check_text(self, octets: bytes, *, final: bool) -> None:
        message = self._message
        assert message is not None
        if message.checked:
            try:
                message.tail = _unfinished(message.tail + octets, final=final)
            except UnicodeDecodeError:
                raise InvalidTextError("Text message is not valid UTF-8") from None

    def _complete(self, payload: bytes) -> Frame | None:
        octet_0 = self._header[0]
        opcode = octet_0 & _OPCODE
        if opcode & _CONTROL:
            if opcode == FrameType.CLOSE:
                _judge_close(payload)
            self._special = True
            self._counters.controls[FrameType(opcode)] += 1
            return _make(_CLASSES[opcode], payload)
        fin = octet_0 & _FIN
        message = self._message
        assert message is not None
        if fin:
            self._check_text(b"", final=True)
            self._message = None
        else:
            self._counters.continued += 1
        frame_class, rsv = _CLASSES[message.frame_type], message.rsv
        if self._reassemble:
            message.data += payload
            payload = bytes(message.data) if fin else b""
            self._special |= bool(fin and rsv)
            return _make(frame_class, payload, _FIN, rsv) if fin else None
        if opcode == _CONTINUATION:
            rsv = 0
        self._special |= not fin or opcode == _CONTINUATION or bool(rsv)
        return _make(frame_class, payload, fin, rsv)


def _judge_close(payload: bytes) -> None:
    if not payload:
        return
    if len(payload) < 2:
        raise ProtocolViolationError(_SHORT_CLOSE)
    code = int.from_bytes(payload[:2], "big")
    if not is_sendable(code):
        raise ProtocolViolationError(f"Close code is not allowed: {code}")
    if not is_utf8(payload[2:]):
        raise InvalidTextError(_BAD_REASON)


class FrameEncoder:
    """Turns frames into the octets of one side of a connection.

    A call that raises leaves everything as it was.
    """

    def __init__(
        self,
        *,
        masking: bool,
        keys: MaskKeys | None = None,
        memory: SpareMemory | None = None,
    ) -> None:
        """Start before the first frame."""
        self.masking = masking
        self._keys = keys
        self._pending = bytearray()
        self._open: FrameType | None = None  # of the message still to be finished
        self._checked = False
        self._tail = b""
        self._counters = _Counters()

    @property
    def pending(self) -> int:
        """The size of what `take` would give."""
        return len(self._pending)

    def append(self, message: Sendable) -> int:
        """Add the octets of one frame to the buffer; the buffer's size."""
        self._pending += self.encode(message)
        return len(self._pending)

    def take(self) -> bytes:
        """What was appended since the last call."""
        octets = bytes(self._pending)
        self._pending = bytearray()
        return octets

    def counts(self) -> tuple[int, int, int, int, int, int, int]:
        """As `FrameDecoder.counts`, of what was encoded."""
        return self._counters.all(self._counters.frames)

    def encode(self, message: Sendable) -> bytes:
        """The octets of one frame."""
        frame = message if isinstance(message, Frame) else self._wrap(message)
        kind, data, fin = frame._type, frame._data, _FIN if frame._fin else 0
        if kind.control_frame:
            octets = self._serialize(_FIN | kind, data)
            self._counters.controls[kind] += 1
            return octets
        if self._open is None:
            octet_0 = fin | frame._rsv | kind
            checked = kind is FrameType.TEXT and not frame._rsv
        elif self._open is kind:
            octet_0 = fin | _CONTINUATION
            checked = self._checked
        else:
            raise ValueError(
                f"Cannot send a {kind.name} frame within a fragmented "
                f"{self._open.name} message"
            )
        tail = b""
        if checked:
            try:
                tail = _unfinished(self._tail + data, final=frame._fin)
            except UnicodeDecodeError:
                raise ValueError("Text to send is not valid UTF-8") from None
        octets = self._serialize(octet_0, data)
        self._open = None if fin else kind
        self._checked, self._tail = checked, tail
        self._counters.continued += not fin
        return octets

    def _wrap(self, message: str | Buffer) -> Frame:
        rule = "Cannot send {}: a Frame, str or bytes-like object is needed"
        data = message if isinstance(message, str) else _octets(message, rule)
        if self._open is not None:
            raise ValueError(
                "Cannot send a new message before the fragmented one is finished"
            )
        return TextFrame(data) if isinstance(data, str) else BinaryFrame(data)

    def _serialize(self, octet_0: int, data: bytes) -> bytes:
        if len(data) <= _MAX_CONTROL_SIZE:
            form, extended = len(data), b""
        elif len(data) <= _MAX_16:
            form, extended = _LENGTH_16, len(data).to_bytes(2, "big")
        else:
            form, extended = _LENGTH_64, len(data).to_bytes(8, "big")
        mask, key = 0, b""
        if self.masking:
            if self._keys is None:
                self._keys = MaskKeys()
            mask, key = _MASK, self._keys._take()
        head = bytes((octet_0, mask | form)) + extended + key
        self._counters.frames += 1
        self._counters.payload += len(data)
        self._counters.octets += len(head) + len(data)
        return head + (apply_mask(data, key) if mask else data)


class PayloadBuffer:
    """Bytes put together from pieces."""

    def __init__(self) -> None:
        self._payload = bytearray()

    def append(self, piece: bytes) -> int:
        """Add a piece; gives the size of all."""
        self._payload += piece
        return len(self._payload)

    def take(self) -> bytes:
        """All of it; the buffer is empty then."""
        payload, self._payload = bytes(self._payload), bytearray()
        return payload


def apply_mask(data: Buffer, key: Buffer, offset: int = 0) -> bytes:
    """The data masked or unmasked, as if ``offset`` bytes came before it."""
    octets = _octets(data, "apply_mask() takes a bytes-like object, not {}")
    key = _octets(key, "The key must be a bytes-like object, not {}")
    if len(key) != _KEY_SIZE:
        raise ValueError(f"A masking key has {_KEY_SIZE} bytes, not {len(key)}")
    if offset < 0:
        raise ValueError(f"The offset must not be negative: {offset}")
    size = len(octets)
    turn = offset % _KEY_SIZE
    stream = ((key[turn:] + key[:turn]) * (size // _KEY_SIZE + 1))[:size]
    masked = int.from_bytes(octets, "little") ^ int.from_bytes(stream, "little")
    return masked.to_bytes(size, "little")


def is_utf8(data: Buffer) -> bool:
    """Whether the data is valid UTF-8 (RFC 3629: no surrogates, no long forms)."""
    try:
        _octets(data, "is_utf8() takes a bytes-like object, not {}").decode()
    except UnicodeDecodeError:
        return False
    return True
