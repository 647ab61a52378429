"""How the address of a WebSocket endpoint is spelt, read and resolved (RFC 3986)."""

from __future__ import annotations

import functools
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote_plus

from yarl import URL

from ktorws.http_message import check_text, check_visible, is_token

if TYPE_CHECKING:
    from collections.abc import Collection

    from multidict import MultiDict

SCHEMES = ("ws", "wss")
MAX_PORT = 0xFFFF

_URL_CHARACTERS = "%/?:@!$&'()*+,;=~-._[]"  # legal, or quoted already


class UrlParts(NamedTuple):
    """What a URL names: None or empty where it names nothing."""

    scheme: str
    host: str | None
    port: int | None
    path: str


def parse_url(url: object) -> UrlParts:
    """The parts of a URL, less user information and fragment.

    What is legal in path and query stays as it is; the rest is percent-encoded.

    Raises:
        ValueError: it is no WebSocket URL, nor a path.
        TypeError: it is neither a string nor a `yarl.URL`.
    """
    return _parsed(check_text(str(url) if isinstance(url, URL) else url, "URL"))


@functools.lru_cache(maxsize=128)  # services come back to the same peers
def _parsed(text: str) -> UrlParts:
    if not text.isprintable() or text != text.strip():
        raise ValueError(f"URL has illegal characters: {text!r}")
    parsed = URL(text, encoded=True)
    if parsed.scheme and parsed.scheme not in SCHEMES:
        start = "" if "://" in text else ", and begin the URL with ws:// or wss://"
        raise ValueError(f"URL scheme is {parsed.scheme!r}: use ws or wss{start}")
    if parsed.scheme and not parsed.raw_host:
        raise ValueError(f"URL has no host: {text!r}")
    path = quote(parsed.raw_path, safe=_URL_CHARACTERS)
    if query := parsed.raw_query_string:
        path += f"?{quote(query, safe=_URL_CHARACTERS)}"
    return UrlParts(parsed.scheme, parsed.raw_host, parsed.explicit_port, path)


def build_url(
    scheme: str,
    host: str | None,
    port: int | None,
    path: str,
    params: MultiDict[str | int | float],
) -> URL:
    """A URL out of its parts; the path is taken as it is, its ``?query`` too.

    Raises:
        ValueError: a part has characters that cannot be sent, or is out of range.
        TypeError: a part is of the wrong type.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"URL scheme is {scheme!r}: use ws or wss")
    check_port(port)
    check_text(path, "Path")
    host = check_text(host or "localhost", "Host")
    added = URL.build(query=params).raw_query_string if params else ""
    return _built(scheme, host, port or None, path, added)


@functools.lru_cache(maxsize=128)
def _built(scheme: str, host: str, port: int | None, path: str, added: str) -> URL:
    path, _, query = path.partition("#")[0].partition("?")
    path = path if path.startswith("/") else f"/{path}"
    query = "&".join(filter(None, (query, added)))
    target = check_visible(f"{path}?{query}" if query else path, "Path and query")
    authority = _encoded_name(host) + (f":{port}" if port else "")
    return URL(f"{scheme}://{authority}{target}", encoded=True)


def resolve_path(path: str, base: str, given: Collection[str]) -> str:
    """A path and its query, where `base` fills in what is absent.

    Args:
        path: with a leading slash it stands alone, else beside the base's last part.
        base: the default path and query.
        given: names of query parameters that the base must not add.
    """
    path, _, query = path.partition("?")
    base_path, _, base_query = base.partition("?")
    if not path:
        path = base_path
    elif not path.startswith("/"):
        path = base_path[: base_path.rfind("/") + 1] + path
    names = {*given, *parameter_names(query)}
    parts = [query] if query else []
    parts += [
        part
        for part in base_query.split("&")
        if part and names.isdisjoint(parameter_names(part))
    ]
    return f"{path}?{'&'.join(parts)}" if parts else path


def parameter_names(query: str) -> list[str]:
    """The decoded names of a query's parameters."""
    parts = query.split("&")
    return [unquote_plus(part.partition("=")[0]) for part in parts if part]


def check_port(port: object) -> None:
    """Let None and 0 to 65535 pass.

    Raises:
        ValueError: it is another number.
        TypeError: it is no integer.
    """
    if port is None:
        return
    if not isinstance(port, int) or isinstance(port, bool):
        raise TypeError(f"Port must be an int, not {type(port).__name__}")
    if not 0 <= port <= MAX_PORT:
        raise ValueError(f"Port must be between 0 and {MAX_PORT}, 0 for none: {port}")


@functools.lru_cache(maxsize=256)
def _encoded_name(host: str) -> str:
    """The host as a URL has it: IDNA, IPv6 in brackets."""
    text = host.removeprefix("[").removesuffix("]")
    text = text.replace("%25", "%")  # how a URL spells an IPv6 zone's percent sign
    if ":" in text:
        address = IPv6Address(text)
        if address.scope_id is not None and not is_token(address.scope_id):
            raise ValueError(f"Host has an illegal zone: {host!r}")
        return f"[{address}]"
    if not text.isprintable() or "%" in text:
        raise ValueError(f"Host has illegal characters: {host!r}")
    return URL.build(scheme="ws", host=text).raw_host or ""
