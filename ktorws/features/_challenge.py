"""What a refusal's ``WWW-Authenticate`` asks for (RFC 9110 §11.6.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

# A quoted string without its end goes on to the last character: no pattern here has
# to try anything twice, whatever a server sends.
_QUOTED = r'"(?:[^"\\]|\\.)*\\?(?:"|$)'
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_ELEMENT = re.compile(rf'(?:[^,"]|{_QUOTED})+', re.DOTALL)
_PARAMETER = re.compile(rf"({_TOKEN})[ \t]*=[ \t]*({_TOKEN}|{_QUOTED})", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


class Challenge(NamedTuple):
    """One way to authenticate.

    Attributes:
        scheme: such as ``"basic"``, in small letters.
        parameters: such as ``realm``; names in small letters.
    """

    scheme: str
    parameters: dict[str, str]


def challenges(values: Iterable[str]) -> list[Challenge]:
    """The challenges of all ``WWW-Authenticate`` headers, in order."""
    found: list[Challenge] = []
    for value in values:
        for element in _ELEMENT.findall(value):
            text = element.strip(" \t")
            parameter = _PARAMETER.fullmatch(text)
            if text and parameter is None:
                scheme, _, text = text.partition(" ")
                found.append(Challenge(scheme.lower(), {}))
                parameter = _PARAMETER.fullmatch(text.strip(" \t"))
            if parameter is not None and found:
                name, given = parameter.groups()
                found[-1].parameters[name.lower()] = _unquoted(given)
    return found


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return _ESCAPED.sub(r"\1", text[1:].removesuffix('"'))
