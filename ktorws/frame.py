"""Which codec runs: the compiled one, or its plain twin where there is none.

The twin serves interpreters without a C compiler. A compiled codec that is there but
broken raises its own ImportError: it must never be replaced in silence.
"""

from typing import TYPE_CHECKING

__all__ = [
    "CODEC",
    "DEFAULT_MAX_FRAME_SIZE",
    "Frame",
    "FrameDecoder",
    "FrameEncoder",
    "MaskKeys",
    "PayloadBuffer",
    "ReadBuffer",
    "Sendable",
    "SpareMemory",
    "is_utf8",
]

if TYPE_CHECKING:
    from typing import TypeAlias

    from typing_extensions import Buffer

    from ktorws._frame import (
        CODEC,
        DEFAULT_MAX_FRAME_SIZE,
        Frame,
        FrameDecoder,
        FrameEncoder,
        MaskKeys,
        PayloadBuffer,
        ReadBuffer,
        SpareMemory,
        is_utf8,
    )

    Sendable: TypeAlias = Frame | str | Buffer
else:
    try:
        from ktorws._frame import (
            CODEC,
            DEFAULT_MAX_FRAME_SIZE,
            Frame,
            FrameDecoder,
            FrameEncoder,
            MaskKeys,
            PayloadBuffer,
            ReadBuffer,
            SpareMemory,
            is_utf8,
        )
    except ModuleNotFoundError as error:
        if error.name != "ktorws._frame":
            raise
        from ktorws._frame_py import (
            CODEC,
            DEFAULT_MAX_FRAME_SIZE,
            Frame,
            FrameDecoder,
            FrameEncoder,
            MaskKeys,
            PayloadBuffer,
            ReadBuffer,
            SpareMemory,
            is_utf8,
        )

    #: What can be sent: a frame, a str as text, a bytes-like object as binary.
    Sendable = Frame | str | bytes | bytearray | memoryview
