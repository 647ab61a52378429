import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from ktorws import http_message
from ktorws.http_message import (
    HttpRequestHead,
    RequestRefusedError,
    check_header,
    check_visible,
    head_octets,
    is_field_value,
    is_token,
    list_elements,
    refusal_octets,
)


def head(target: str) -> HttpRequestHead:
    return HttpRequestHead("GET", target, "1.1", CIMultiDictProxy(CIMultiDict()))


def test_tokens_are_those_of_rfc_9110():
    assert is_token("!#$%&'*+-.^_`|~09azAZ")
    for text in ("", "a b", "a,", "a:", '"', "(", "é", "a\n"):
        assert not is_token(text)


def test_a_field_value_has_no_control_characters():
    assert is_field_value("")
    assert is_field_value("a\t b\xff")
    for text in ("\n", "a\r", "\0", "\x7f", "Ā"):
        assert not is_field_value(text)


def test_visible_text_has_no_space():
    assert check_visible("/a?b", "Path") == "/a?b"
    for text in ("", "a b", "é", "a\n"):
        with pytest.raises(ValueError, match="Path has characters"):
            check_visible(text, "Path")
    with pytest.raises(TypeError, match="Path must be a str, not bytes"):
        check_visible(b"/", "Path")


def test_a_header_that_can_be_sent_passes():
    check_header("X", "y")
    for name, value in ((b"X", "y"), ("X", b"y")):
        with pytest.raises(TypeError):
            check_header(name, value)
    with pytest.raises(ValueError, match="not a token"):
        check_header("X:", "y")
    with pytest.raises(ValueError, match="Header X has characters"):
        check_header("X", "y\n")


def test_empty_elements_of_a_list_are_left_out():
    assert list_elements(["a, b\t,", ",c", ""]) == ["a", "b", "c"]


def test_a_head_ends_with_an_empty_line():
    assert head_octets("A B", [("X", "\xe9")]) == b"A B\r\nX: \xe9\r\n\r\n"
    assert head_octets("A B", []) == b"A B\r\n\r\n"


def test_a_target_has_a_path_and_parameters():
    assert head("/a%20b?c=d%20e&f&c=").path == "/a b"
    assert list(head("/?c=d+e&f&c=").params.items()) == [
        ("c", "d e"),
        ("f", ""),
        ("c", ""),
    ]
    assert head("//x/y").path == "//x/y"
    assert head("http://h/x?y=z").path == "/x"
    assert head("http://h").path == "/"


def test_a_refused_request_says_why():
    error = RequestRefusedError(403, detail="Not you")
    assert (error.status, error.reason, error.headers) == (403, "Forbidden", {})
    assert str(error) == "403 Forbidden: Not you"
    assert str(RequestRefusedError(499, "Gone", {"A": "b"})) == "499 Gone"


def test_a_refusal_counts_its_body_in_bytes():
    assert refusal_octets(400, body="é").endswith(b"Content-Length: 2\r\n\r\n\xc3\xa9")


def test_a_reason_cannot_smuggle_anything():
    with pytest.raises(ValueError, match="Reason has characters"):
        refusal_octets(400, "a\r\nX: y")


def test_only_names_of_headers_are_remembered():
    before = http_message._is_name.cache_info().currsize
    assert is_token("a-secret-that-is-a-subprotocol")
    assert http_message._is_name.cache_info().currsize == before
