"""How values become frames and frames values: JSON, msgspec and pydantic converters."""

from __future__ import annotations

import json
import types
import typing
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar, overload

from ktorws.exceptions import WebSocketDeserializeError
from ktorws.frame import Frame
from ktorws.frame_type import FrameType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_TYPES_KEPT = 128  # decoders that a converter keeps, one for each type asked for


class WebSocketContentConverter(ABC):
    """Turns values into frames and back (Ktor's ``WebsocketContentConverter``)."""

    @abstractmethod
    async def serialize(self, value: object) -> Frame:
        """The frame to send for a value.

        Raises:
            TypeError: the value is of a type that the format does not know.
            ValueError: the format cannot express the value.
        """

    @abstractmethod
    async def deserialize(self, frame: Frame, expected: object) -> object:
        """The value of the expected type that a frame holds.

        Args:
            frame: one that `is_applicable` accepts.
            expected: a class, or another type such as ``list[int]`` or ``int | None``.

        Raises:
            WebSocketDeserializeError: it holds no such value.
            TypeError: this converter cannot check values for that type.
        """

    @abstractmethod
    def is_applicable(self, frame: Frame) -> bool:
        """Whether frames of this kind can hold a value."""


@overload
async def deserialize(
    converter: WebSocketContentConverter, frame: Frame, expected: type[T]
) -> T: ...
@overload
async def deserialize(
    converter: WebSocketContentConverter, frame: Frame, expected: object
) -> Any: ...  # noqa: ANN401  what a type form stands for
async def deserialize(
    converter: WebSocketContentConverter, frame: Frame, expected: object
) -> object:
    """What `receive_deserialized` gives for a frame, whatever the converter.

    Raises:
        WebSocketDeserializeError: the frame is of the wrong kind, or holds no value
            of the expected type.
    """
    if not converter.is_applicable(frame):
        kind = frame.frame_type.name
        raise WebSocketDeserializeError(
            f"Converter doesn't support frame type {kind}", frame
        )
    value = await converter.deserialize(frame, expected)
    if value is None and not _admits(None, expected):
        raise WebSocketDeserializeError("Frame has null content", frame)
    return value


class JsonConverter(WebSocketContentConverter):
    """JSON by the standard library, in text frames.

    The outermost type is checked, as far as its class: ``list[int]`` admits any list.
    """

    async def serialize(self, value: object) -> Frame:
        """A text frame; NaN and infinities, which JSON has not, are a ValueError."""
        return Frame.Text(
            json.dumps(
                value, allow_nan=False, ensure_ascii=False, separators=(",", ":")
            )
        )

    async def deserialize(self, frame: Frame, expected: object) -> object:
        """The value, if it is of the expected type."""
        try:
            value = json.loads(frame.data.decode(), parse_constant=_no_json)
        except (ValueError, RecursionError) as error:
            raise WebSocketDeserializeError("Illegal JSON", frame) from error
        if _admits(value, expected):
            return value
        if value is None:
            raise WebSocketDeserializeError("Frame has null content", frame)
        raise WebSocketDeserializeError(
            "Can't deserialize value: expected value of type "
            f"{_name(expected)}, got {_name(type(value))}",
            frame,
        )

    def is_applicable(self, frame: Frame) -> bool:
        """Text frames."""
        return frame.frame_type is FrameType.TEXT


class MsgspecConverter(WebSocketContentConverter):
    """Values of any type that msgspec knows, validated while they are read.

    Args:
        format: ``"json"`` in text frames, or ``"msgpack"`` in binary frames.

    Raises:
        ValueError: the format is another.
        ModuleNotFoundError: msgspec is not installed.
    """

    def __init__(self, format: Literal["json", "msgpack"] = "json") -> None:  # noqa: A002
        import msgspec  # noqa: PLC0415  an extra

        if format not in {"json", "msgpack"}:
            raise ValueError(f"format must be json or msgpack: {format!r}")
        self._error: type[Exception] = msgspec.MsgspecError
        self._type = FrameType.TEXT if format == "json" else FrameType.BINARY
        library: Any = msgspec.json if format == "json" else msgspec.msgpack
        self._encode: Callable[[object], bytes] = library.Encoder().encode
        self._decoder: Callable[[object], Any] = lru_cache(_TYPES_KEPT)(library.Decoder)

    async def serialize(self, value: object) -> Frame:
        """A text frame for JSON, a binary one for MessagePack."""
        return Frame.by_type(self._type, self._encode(value))

    async def deserialize(self, frame: Frame, expected: object) -> object:
        """The value, valid in all its parts."""
        try:
            return self._decoder(expected).decode(frame.data)
        except (self._error, ValueError, RecursionError) as error:
            _not_expected(frame, expected, error)

    def is_applicable(self, frame: Frame) -> bool:
        """Frames of the kind that the format uses."""
        return frame.frame_type is self._type


class PydanticConverter(WebSocketContentConverter):
    """JSON in text frames, of any type that pydantic knows, validated.

    Raises:
        ModuleNotFoundError: pydantic is not installed.
    """

    def __init__(self) -> None:
        import pydantic  # noqa: PLC0415  an extra
        import pydantic_core  # noqa: PLC0415

        self._to_json: Callable[[object], bytes] = pydantic_core.to_json
        self._adapter: Callable[[object], Any] = lru_cache(_TYPES_KEPT)(
            pydantic.TypeAdapter
        )

    async def serialize(self, value: object) -> Frame:
        """A text frame; aliases are used where a model has some."""
        return Frame.Text(self._to_json(value))

    async def deserialize(self, frame: Frame, expected: object) -> object:
        """The value, valid in all its parts."""
        try:
            return self._adapter(expected).validate_json(frame.data)
        except (ValueError, RecursionError) as error:
            _not_expected(frame, expected, error)

    def is_applicable(self, frame: Frame) -> bool:
        """Text frames."""
        return frame.frame_type is FrameType.TEXT


def _not_expected(frame: Frame, expected: object, cause: Exception) -> NoReturn:
    # The cause tells what is wrong where; it may quote the peer's data.
    raise WebSocketDeserializeError(
        f"Can't deserialize value: expected value of type {_name(expected)}", frame
    ) from cause


def _no_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _name(expected: object) -> str:
    return expected.__name__ if isinstance(expected, type) else str(expected)


def _admits(value: object, expected: object) -> bool:
    """Whether a value is of a type, as far as its outermost class.

    Raises:
        TypeError: the type is none that values can be checked for.
    """
    return any(_is_instance(value, plain) for plain in _plain_types(expected))


def _is_instance(value: object, plain: Any) -> bool:  # noqa: ANN401  any type form
    if typing.get_origin(plain) is Literal:
        members = typing.get_args(plain)
        return any(value == m and type(value) is type(m) for m in members)
    if isinstance(value, bool):  # an int to Python, but not to JSON
        return plain in {bool, object}
    if plain is float:
        return isinstance(value, int | float)
    return isinstance(value, plain)


def _plain_types(expected: Any) -> Iterator[object]:  # noqa: ANN401  any type form
    """The types that make up a type, each one that `_is_instance` can check."""
    origin = typing.get_origin(expected)
    if origin is typing.Union or origin is types.UnionType:
        for member in typing.get_args(expected):
            yield from _plain_types(member)
    elif origin is typing.Annotated:
        yield from _plain_types(expected.__origin__)
    elif isinstance(expected, typing.NewType):
        yield from _plain_types(expected.__supertype__)
    elif origin is Literal:
        yield expected
    elif expected is Any or expected is None:
        yield object if expected is Any else types.NoneType
    else:
        yield dict if typing.is_typeddict(expected) else origin or expected
