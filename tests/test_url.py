import pytest
from multidict import MultiDict
from yarl import URL

from ktorws.url import (
    build_url,
    check_port,
    parameter_names,
    parse_url,
    resolve_path,
)


def test_a_url_has_four_parts():
    assert parse_url("wss://u:p@h:81/x?y#z") == ("wss", "h", 81, "/x?y")
    assert parse_url("ws://h") == ("ws", "h", None, "/")
    assert parse_url(URL("ws://h/a b")) == ("ws", "h", None, "/a%20b")
    assert parse_url("x?y") == ("", None, None, "x?y")
    assert parse_url("") == ("", None, None, "")


@pytest.mark.parametrize("url", ["http://h", "ws:/x", " ws://h", "ws://h\n"])
def test_what_is_no_websocket_url_is_refused(url):
    with pytest.raises(ValueError, match="URL"):
        parse_url(url)


def test_a_url_is_a_string():
    with pytest.raises(TypeError, match="URL must be a str, not bytes"):
        parse_url(b"ws://h")


@pytest.mark.parametrize(
    ("parts", "url"),
    [
        (("ws", None, None, ""), "ws://localhost/"),
        (("wss", "h", 0, "x"), "wss://h/x"),
        (("ws", "::1", 81, "/x?y#z"), "ws://[::1]:81/x?y"),
        (("ws", "BÜCHER.example", None, "/%2f"), "ws://xn--bcher-kva.example/%2f"),
    ],
)
def test_parts_are_put_together(parts, url):
    assert str(build_url(*parts, MultiDict())) == url


def test_parameters_follow_the_query():
    params = MultiDict({"b": "é &", "c": 1.5})
    url = build_url("ws", "h", None, "/x?a=%2F", params)
    assert url.raw_path_qs == "/x?a=%2F&b=%C3%A9+%26&c=1.5"


@pytest.mark.parametrize(
    "parts",
    [
        ("http", "h", None, "/"),
        ("ws", "h", 65536, "/"),
        ("ws", "h", None, "/a b"),
        ("ws", "h i", None, "/"),
        ("ws", "fe80::1%(", None, "/"),
        ("ws", "fe80::1%/", None, "/"),
        ("ws", "a%41", None, "/"),
    ],
)
def test_parts_that_cannot_be_sent_are_refused(parts):
    with pytest.raises(ValueError):  # noqa: PT011  from several libraries
        build_url(*parts, MultiDict())


@pytest.mark.parametrize(
    ("path", "base", "resolved"),
    [
        ("", "", ""),
        ("/x", "/a/b?c=1", "/x?c=1"),
        ("x", "/a/b", "/a/x"),
        ("x?c=2", "/a/b?c=1&d", "/a/x?c=2&d"),
        ("", "/a?e=1&&f%20=2", "/a?f%20=2"),
    ],
)
def test_a_path_is_resolved_against_a_base(path, base, resolved):
    assert resolve_path(path, base, {"e"}) == resolved


def test_parameter_names_are_decoded():
    assert parameter_names("a=1&b%20c&&d+e=") == ["a", "b c", "d e"]


def test_a_port_is_an_integer_in_range():
    for port in (None, 0, 1, 65535):
        check_port(port)
    for port in (-1, 65536):
        with pytest.raises(ValueError, match="between 0 and 65535"):
            check_port(port)
    for wrong in ("1", 1.0, True):
        with pytest.raises(TypeError, match="Port must be an int"):
            check_port(wrong)
