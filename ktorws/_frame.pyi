"""The typed face of both codecs: the compiled `_frame` and its twin `_frame_py`."""

from collections.abc import Callable
from typing import Final, Never, Self, TypeAlias, final

from typing_extensions import Buffer, disjoint_base

from ktorws.close_reason import CloseReason
from ktorws.exceptions import FrameTooBigError, ProtocolViolationError
from ktorws.frame_type import FrameType

CODEC: Final[str]
DEFAULT_MAX_FRAME_SIZE: Final[int]
MAX_FRAGMENTS: Final[int]

@disjoint_base
class Frame:
    def __init__(self, *args: Never, **options: Never) -> None: ...
    Text: TypeAlias = TextFrame
    Binary: TypeAlias = BinaryFrame
    Close: TypeAlias = CloseFrame
    Ping: TypeAlias = PingFrame
    Pong: TypeAlias = PongFrame
    @property
    def frame_type(self) -> FrameType: ...
    @property
    def fin(self) -> bool: ...
    @property
    def rsv1(self) -> bool: ...
    @property
    def rsv2(self) -> bool: ...
    @property
    def rsv3(self) -> bool: ...
    @property
    def data(self) -> bytes: ...
    def read_bytes(self) -> bytes: ...
    @staticmethod
    def by_type(
        frame_type: FrameType | int,
        data: Buffer = b"",
        *,
        fin: bool = True,
        rsv1: bool = False,
        rsv2: bool = False,
        rsv3: bool = False,
    ) -> Frame: ...
    def __len__(self) -> int: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class TextFrame(Frame):
    def __init__(
        self,
        text: str | Buffer,
        *,
        fin: bool = True,
        rsv1: bool = False,
        rsv2: bool = False,
        rsv3: bool = False,
    ) -> None: ...
    def read_text(self) -> str: ...

@final
class BinaryFrame(Frame):
    def __init__(
        self,
        data: Buffer,
        *,
        fin: bool = True,
        rsv1: bool = False,
        rsv2: bool = False,
        rsv3: bool = False,
    ) -> None: ...

@final
class CloseFrame(Frame):
    def __init__(self, reason: CloseReason | Buffer | None = None) -> None: ...
    def read_reason(self) -> CloseReason | None: ...

@final
class PingFrame(Frame):
    def __init__(self, data: Buffer = b"") -> None: ...

@final
class PongFrame(Frame):
    def __init__(self, data: Buffer = b"") -> None: ...

_Sendable: TypeAlias = Frame | str | Buffer

@final
class ReadBuffer:
    def __new__(cls, size: int = 65536) -> Self: ...

@final
class MaskKeys:
    def __new__(cls, source: Callable[[int], bytes] | None = None) -> Self: ...

@final
class SpareMemory: ...

@final
class FrameDecoder:
    def __new__(
        cls,
        *,
        masked: bool,
        max_frame_size: int = ...,
        reserved: int = 0,
        reassemble: bool = False,
        buffer: ReadBuffer | None = None,
        memory: SpareMemory | None = None,
    ) -> Self: ...
    max_frame_size: int
    @property
    def special(self) -> bool: ...
    @property
    def size(self) -> int: ...
    @property
    def error(self) -> ProtocolViolationError | FrameTooBigError | None: ...
    def decode(self, data: Buffer) -> list[Frame]: ...
    def get_buffer(self, sizehint: int = -1) -> memoryview: ...
    def buffer_updated(self, nbytes: int) -> list[Frame]: ...
    def clear(self) -> None: ...
    def counts(self) -> tuple[int, int, int, int, int, int, int]: ...

@final
class FrameEncoder:
    def __new__(
        cls,
        *,
        masking: bool,
        keys: MaskKeys | None = None,
        memory: SpareMemory | None = None,
    ) -> Self: ...
    masking: bool
    @property
    def pending(self) -> int: ...
    def encode(self, message: _Sendable) -> bytes: ...
    def append(self, message: _Sendable) -> int: ...
    def take(self) -> bytes: ...
    def counts(self) -> tuple[int, int, int, int, int, int, int]: ...

@final
class PayloadBuffer:
    def append(self, piece: bytes) -> int: ...
    def take(self) -> bytes: ...

def apply_mask(data: Buffer, key: Buffer, offset: int = 0) -> bytes: ...
def is_utf8(data: Buffer) -> bool: ...
