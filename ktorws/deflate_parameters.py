"""The parameters of permessage-deflate, and which of them are legal (RFC 7692 §7.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ktorws.extensions import WebSocketExtensionHeader

MIN_BITS, MAX_BITS = 8, 15

_BITS = {str(bits) for bits in range(MIN_BITS, MAX_BITS + 1)}


@dataclass(frozen=True, slots=True)
class DeflateParameters:
    """What both sides agreed on (RFC 7692 §7.1).

    Attributes:
        server_no_context_takeover: the server begins anew with each message.
        client_no_context_takeover: so the client.
        server_max_window_bits: 8 to 15; how far back the server's matches reach.
        client_max_window_bits: so the client's.
    """

    server_no_context_takeover: bool = False
    client_no_context_takeover: bool = False
    server_max_window_bits: int = MAX_BITS
    client_max_window_bits: int = MAX_BITS


@dataclass(frozen=True, slots=True)
class HeaderParameters:
    """The parameters of one header; None where a number was not given."""

    server_no_context_takeover: bool
    client_no_context_takeover: bool
    server_max_window_bits: int | None
    client_max_window_bits: int | None
    #: In an offer, it may stand without a number.
    names_client_max_window_bits: bool


def parse_parameters(
    header: WebSocketExtensionHeader, *, is_offer: bool
) -> HeaderParameters:
    """The parameters, if RFC 7692 §7.1 lets them be.

    Raises:
        ValueError: one is unknown, repeated, or has an illegal value.
    """
    found: dict[str, str] = {}
    for name, value in header.parse_parameters():
        if name in found:
            raise ValueError(f"Extension parameter is repeated: {name}")
        found[name] = value
    flags = [
        _flag(name, found)
        for name in ("server_no_context_takeover", "client_no_context_takeover")
    ]
    named = "client_max_window_bits" in found
    if is_offer and found.get("client_max_window_bits") == "":
        del found["client_max_window_bits"]
    bits = [
        _bits(name, found)
        for name in ("server_max_window_bits", "client_max_window_bits")
    ]
    if found:
        raise ValueError(f"Extension parameter is unknown: {', '.join(found)}")
    return HeaderParameters(flags[0], flags[1], bits[0], bits[1], named)


def _flag(name: str, found: dict[str, str]) -> bool:
    value = found.pop(name, None)
    if value:
        raise ValueError(f"Extension parameter {name} takes no value: {value}")
    return value is not None


def _bits(name: str, found: dict[str, str]) -> int | None:
    value = found.pop(name, None)
    if value is None:
        return None
    if value not in _BITS:
        raise ValueError(f"Extension parameter {name} must be 8 to 15: {value!r}")
    return int(value)
