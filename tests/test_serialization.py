import subprocess
import sys
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NewType, TypedDict

import pytest

from ktorws.exceptions import WebSocketDeserializeError
from ktorws.frame import Frame
from ktorws.serialization import (
    JsonConverter,
    MsgspecConverter,
    PydanticConverter,
    WebSocketContentConverter,
    deserialize,
)


@dataclass
class User:
    name: str
    id: int


class Point(TypedDict):
    x: int


Id = NewType("Id", int)

CONVERTERS = [
    pytest.param(JsonConverter, id="json"),
    pytest.param(MsgspecConverter, id="msgspec"),
    pytest.param(lambda: MsgspecConverter("msgpack"), id="msgpack"),
    pytest.param(PydanticConverter, id="pydantic"),
]
ALL = pytest.mark.parametrize("make", CONVERTERS)
VALIDATING = pytest.mark.parametrize("make", CONVERTERS[1:])
TEXTUAL = pytest.mark.parametrize("make", [CONVERTERS[i] for i in (0, 1, 3)])


async def refusal(converter, frame, expected) -> str:
    with pytest.raises(WebSocketDeserializeError) as caught:
        await deserialize(converter, frame, expected)
    assert caught.value.frame is frame
    return str(caught.value)


@ALL
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"name": "user", "id": 123}, dict),
        ({"name": "é", "id": 1.5}, dict[str, Any]),
        ([1, 2], list[int]),
        ("text", str),
        ("text", str | None),
        (None, int | None),
        (None, None),
        (None, Any),
        (True, bool),
        (7, int),
        (7, Literal[7]),
        (7, Annotated[int, "x"]),
        (7, Id),
        (7, int | str),
    ],
)
async def test_a_value_comes_back(make, value, expected):
    converter = make()
    frame = await converter.serialize(value)
    assert converter.is_applicable(frame)
    assert await deserialize(converter, frame, expected) == value


@ALL
async def test_null_is_taken_only_where_the_type_admits_it(make):
    converter = make()
    frame = await converter.serialize(None)
    for expected in (int, dict, list[int], Literal["a"], int | str):
        await refusal(converter, frame, expected)


@ALL
async def test_a_value_of_another_type_is_refused(make):
    converter = make()
    frame = await converter.serialize({"name": "user"})
    message = await refusal(converter, frame, list[int])
    assert "Can't deserialize value: expected value of type list[int]" in message
    await refusal(converter, await converter.serialize(1), Literal[2])
    await refusal(converter, await converter.serialize("x"), bool)


@TEXTUAL
async def test_json_is_one_compact_text_frame(make):
    frame = await make().serialize({"a": [1, "é"]})
    assert frame == Frame.Text('{"a":[1,"é"]}')


@TEXTUAL
@pytest.mark.parametrize("text", ["", "{", "1 2", "[" * 100_000, "\ufeff1", "nul"])
async def test_what_is_no_json_is_refused(make, text):
    await refusal(make(), Frame.Text(text), list[Any])


@TEXTUAL
async def test_json_in_a_binary_frame_is_refused(make):
    message = await refusal(make(), Frame.Binary(b"1"), int)
    assert message == "Converter doesn't support frame type BINARY"


async def test_message_pack_is_one_binary_frame():
    converter = MsgspecConverter("msgpack")
    assert await converter.serialize([1, None]) == Frame.Binary(b"\x92\x01\xc0")
    message = await refusal(converter, Frame.Text("1"), int)
    assert message == "Converter doesn't support frame type TEXT"
    await refusal(converter, Frame.Binary(b"\xc1"), int)


@VALIDATING
async def test_a_dataclass_is_built(make):
    converter = make()
    frame = await converter.serialize(User("user", 123))
    assert await deserialize(converter, frame, User) == User("user", 123)
    await refusal(converter, await converter.serialize({"name": 1}), User)


@VALIDATING
async def test_the_parts_of_a_value_are_checked(make):
    converter = make()
    await refusal(converter, await converter.serialize([1, "x"]), list[int])


async def test_plain_json_tells_what_it_got():
    converter = JsonConverter()
    assert await refusal(converter, Frame.Text("null"), int) == "Frame has null content"
    message = await refusal(converter, Frame.Text('"x"'), int)
    assert message == "Can't deserialize value: expected value of type int, got str"


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity"])
async def test_plain_json_has_no_infinities(text):
    assert await refusal(JsonConverter(), Frame.Text(text), object) == "Illegal JSON"
    with pytest.raises(ValueError, match="not JSON compliant"):
        await JsonConverter().serialize(float("nan"))


async def test_plain_json_tells_numbers_from_truth():
    converter = JsonConverter()
    await refusal(converter, Frame.Text("true"), int)
    await refusal(converter, Frame.Text("true"), float)
    await refusal(converter, Frame.Text("1"), bool)
    await refusal(converter, Frame.Text("true"), Literal[1])
    assert await deserialize(converter, Frame.Text("true"), object) is True
    assert await deserialize(converter, Frame.Text("1"), float) == 1


async def test_plain_json_takes_any_object_for_a_typed_dict():
    assert await deserialize(JsonConverter(), Frame.Text("{}"), Point) == {}
    await refusal(JsonConverter(), Frame.Text("[]"), Point)


async def test_a_type_that_cannot_be_checked_is_the_callers_mistake():
    with pytest.raises(TypeError):
        await deserialize(JsonConverter(), Frame.Text("1"), "int")


@ALL
async def test_a_value_that_has_no_form_is_the_callers_mistake(make):
    with pytest.raises((TypeError, ValueError)):
        await make().serialize(object())


async def test_the_cause_is_kept_but_its_data_is_not_quoted():
    frame = Frame.Text('{"name":"secret","id":"secret"}')
    for converter in (MsgspecConverter(), PydanticConverter()):
        with pytest.raises(WebSocketDeserializeError) as caught:
            await deserialize(converter, frame, User)
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is not None


async def test_a_converter_of_ones_own_need_not_know_about_null():
    class Nothing(WebSocketContentConverter):
        async def serialize(self, value):
            return Frame.Text("")

        async def deserialize(self, frame, expected):
            return None

        def is_applicable(self, frame):
            return True

    message = await refusal(Nothing(), Frame.Text(""), int)
    assert message == "Frame has null content"
    assert await deserialize(Nothing(), Frame.Text(""), int | None) is None


def test_msgspec_has_two_formats():
    with pytest.raises(ValueError, match="json or msgpack"):
        MsgspecConverter("yaml")


def test_libraries_are_imported_when_they_are_used():
    code = (
        "import sys, ktorws.serialization; "
        "sys.exit(bool({'msgspec', 'pydantic'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
