"""What a WebSocket extension is, and how both sides agree on some (RFC 6455 §9)."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, ClassVar, Generic, ParamSpec, TypeVar

from ktorws.http_message import is_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ktorws.frame import Frame
    from ktorws.session import WebSocketSession

P = ParamSpec("P")
E_co = TypeVar("E_co", bound="WebSocketExtension", covariant=True)

RSV1 = 0x40
RSV2 = 0x20
RSV3 = 0x10

_SPACE = r"[ \t]*"
_EMPTY = re.compile(r"[ \t,]*")
_NAME = re.compile(rf"{_SPACE}([^ \t,;=\"]+){_SPACE}")
_VALUE = re.compile(rf"={_SPACE}(?:([^ \t,;=\"]+)|\"((?:[^\"\\]|\\.)*)\"){_SPACE}")
_ESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class WebSocketExtensionHeader:
    """One extension in a ``Sec-WebSocket-Extensions`` header.

    Attributes:
        name: the extension's registered name.
        parameters: ``"key"`` or ``"key=value"`` each, in order.

    Raises:
        ValueError: a name, key or value is no token.
    """

    name: str
    parameters: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that the header can be sent."""
        object.__setattr__(self, "parameters", tuple(self.parameters))
        if not is_token(self.name):
            raise ValueError(f"Extension name is not a token: {self.name!r}")
        for parameter in self.parameters:
            key, equals, value = parameter.partition("=")
            if not is_token(key) or (equals and not is_token(value)):
                raise ValueError(f"Extension parameter is not a token: {parameter!r}")

    def parse_parameters(self) -> list[tuple[str, str]]:
        """Keys and values; the value is empty where there is none."""
        pairs = (parameter.partition("=") for parameter in self.parameters)
        return [(key, value) for key, _, value in pairs]

    def __str__(self) -> str:
        """As on the wire: ``permessage-deflate; client_max_window_bits=15``."""
        return "; ".join((self.name, *self.parameters))


def parse_websocket_extensions(value: str) -> list[WebSocketExtensionHeader]:
    """The extensions in a ``Sec-WebSocket-Extensions`` header (RFC 6455 §9.1).

    Raises:
        ValueError: the header does not follow the grammar.
    """
    headers = []
    position = _skip_empty(value, 0)
    while position < len(value):
        match = _NAME.match(value, position)
        if not match:
            raise _malformed(value)
        parameters, position = _parse_parameters(value, match.end())
        headers.append(WebSocketExtensionHeader(match[1], parameters))
        if position < len(value) and value[position] != ",":
            raise _malformed(value)
        position = _skip_empty(value, position)
    if not headers:
        raise _malformed(value)
    return headers


def _skip_empty(value: str, position: int) -> int:
    """Where the list goes on; RFC 9110 §5.6.1.2 wants empty elements ignored."""
    match = _EMPTY.match(value, position)
    return match.end() if match else position


def _parse_parameters(value: str, position: int) -> tuple[tuple[str, ...], int]:
    parameters = []
    while value.startswith(";", position):
        name = _NAME.match(value, position + 1)
        if not name:
            raise _malformed(value)
        parameter, position = name[1], name.end()
        if value.startswith("=", position):
            argument = _VALUE.match(value, position)
            if not argument:
                raise _malformed(value)
            text = argument[1] or _ESCAPED.sub(r"\1", argument[2])
            parameter, position = f"{parameter}={text}", argument.end()
            if not is_token(text):
                raise ValueError(f"Extension parameter is not a token: {parameter!r}")
        parameters.append(parameter)
    return tuple(parameters), position


def _malformed(value: str) -> ValueError:
    return ValueError(f"Malformed Sec-WebSocket-Extensions: {value[:200]!r}")


class WebSocketExtensionFactory(Generic[E_co]):
    """Makes one extension object for each connection; from `install`.

    Attributes:
        extension: the class of the objects.
    """

    def __init__(self, extension: type[E_co], make: Callable[[], E_co]) -> None:
        self.extension = extension
        self._make = make

    def __call__(self) -> E_co:
        """A new extension, for one connection."""
        return self._make()

    @property
    def reserved(self) -> int:
        """The reserved bits that the extension uses: RSV1, RSV2, RSV3 together."""
        return reserved_bits(self.extension)


class WebSocketExtension(ABC):
    """Something both sides agreed to do to frames (Ktor's ``WebSocketExtension``).

    An object serves one connection. `install` makes the factory that
    ``extensions=[…]`` takes, with the arguments of the class's constructor.

    Attributes:
        rsv1: whether it uses the first reserved bit of a frame; so `rsv2`, `rsv3`.
    """

    rsv1: ClassVar[bool] = False
    rsv2: ClassVar[bool] = False
    rsv3: ClassVar[bool] = False

    @classmethod
    def install(
        cls: Callable[P, E_co], *args: P.args, **kwargs: P.kwargs
    ) -> WebSocketExtensionFactory[E_co]:
        """A factory of this class; takes what its constructor takes.

        Raises:
            ValueError: whatever the constructor refuses, at once.
            TypeError: the same.
        """
        first = cls(*args, **kwargs)
        return WebSocketExtensionFactory(type(first), lambda: cls(*args, **kwargs))

    @property
    def reserved(self) -> int:
        """The reserved bits it uses, as in a frame's first octet."""
        return reserved_bits(type(self))

    @property
    @abstractmethod
    def protocols(self) -> Sequence[WebSocketExtensionHeader]:
        """What a client offers, the preferred one first; empty to offer nothing."""

    @abstractmethod
    def client_negotiation(
        self, negotiated: Sequence[WebSocketExtensionHeader]
    ) -> bool:
        """Whether to be used, given all that the server accepted.

        Raises:
            ValueError: the server's parameters are no good.
        """

    @abstractmethod
    def server_negotiation(
        self, requested: Sequence[WebSocketExtensionHeader]
    ) -> list[WebSocketExtensionHeader]:
        """What to answer to all that the client offered; empty not to be used."""

    def session_opened(  # noqa: B027  most need not know
        self, session: WebSocketSession
    ) -> None:
        """Take note of the session that the extension serves."""

    def session_ended(self) -> None:  # noqa: B027  as above
        """Free what frames needed: none will be sent or received any more."""

    @abstractmethod
    def process_outgoing_frame(self, frame: Frame) -> Frame:
        """The frame to send instead of this one."""

    @abstractmethod
    def process_incoming_frame(self, frame: Frame) -> Frame:
        """The frame to deliver instead of this one."""


def reserved_bits(extension: type[WebSocketExtension]) -> int:
    """The reserved bits of an extension, as in a frame's first octet."""
    return RSV1 * extension.rsv1 | RSV2 * extension.rsv2 | RSV3 * extension.rsv3


def check_conflicts(
    factories: Iterable[WebSocketExtensionFactory[WebSocketExtension]],
) -> None:
    """Let extensions pass that can be used together.

    Raises:
        ValueError: two of them use the same reserved bit.
    """
    for first, second in combinations(factories, 2):
        if first.reserved & second.reserved:
            raise ValueError(
                f"Extensions {first.extension.__name__} and "
                f"{second.extension.__name__} use the same reserved bit"
            )


def offer(extensions: Iterable[WebSocketExtension]) -> str:
    """A client's ``Sec-WebSocket-Extensions``; empty if there is nothing to offer."""
    return ", ".join(str(header) for e in extensions for header in e.protocols)


def negotiate_as_client(
    extensions: Sequence[WebSocketExtension], answer: str | None
) -> list[WebSocketExtension]:
    """The extensions in use after the server's answer, in their order.

    Raises:
        ValueError: the answer is malformed, or breaks RFC 6455 §9.1.
    """
    headers = [] if answer is None else parse_websocket_extensions(answer)
    names = [header.name for header in headers]
    if len(set(names)) != len(names):
        raise ValueError(f"Server accepted an extension twice: {', '.join(names)}")
    offered = {header.name for e in extensions for header in e.protocols}
    for name in names:
        if name not in offered:
            raise ValueError(
                f"Server accepted an extension that was not offered: {name}"
            )
    used = [e for e in extensions if e.client_negotiation(headers)]
    wanted = {header.name for e in used for header in e.protocols}
    for name in names:
        if name not in wanted:
            raise ValueError(f"Server's parameters of extension {name} were declined")
    for first, second in combinations(used, 2):
        if first.reserved & second.reserved:
            raise ValueError(
                "Server accepted extensions that use the same reserved bit"
            )
    return used


def negotiate_as_server(
    extensions: Iterable[WebSocketExtension], offers: Sequence[str]
) -> tuple[list[WebSocketExtension], str]:
    """The extensions to use, and the ``Sec-WebSocket-Extensions`` that says so.

    An extension whose reserved bits an earlier one has taken is left out.

    Raises:
        ValueError: the client's offer is malformed.
    """
    requested = [header for o in offers for header in parse_websocket_extensions(o)]
    used: list[WebSocketExtension] = []
    answers: list[WebSocketExtensionHeader] = []
    taken = 0
    for extension in extensions:
        if taken & extension.reserved:
            continue
        if answer := extension.server_negotiation(requested):
            used.append(extension)
            answers += answer
            taken |= extension.reserved
    return used, ", ".join(map(str, answers))
