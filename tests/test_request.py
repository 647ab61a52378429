import dataclasses

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ktorws.request import HttpRequest, HttpRequestBuilder

of = HttpRequestBuilder.of


def url_of(*args, **parts) -> str:
    return str(of(*args, **parts).build().url)


def test_parts_make_a_url():
    request = of(host="127.0.0.1", port=8080, path="/route/path/to/ws").build()
    assert str(request.url) == "ws://127.0.0.1:8080/route/path/to/ws"
    assert request.method == "GET"
    assert not request.secure
    assert (request.host, request.port) == ("127.0.0.1", 8080)
    assert request.origin == ("ws", "127.0.0.1", 8080)
    assert request.host_header == "127.0.0.1:8080"
    assert request.target == "/route/path/to/ws"


def test_nothing_at_all_is_the_root_of_localhost():
    request = of().build()
    assert (request.host, request.port, request.target) == ("localhost", 80, "/")


@pytest.mark.parametrize("port", [None, 0])
def test_no_port_is_the_default_of_the_scheme(port):
    assert of(host="h", port=port).build().port == 80
    request = of(scheme="wss", host="h", port=port).build()
    assert (request.port, request.host_header, request.secure) == (443, "h", True)


@pytest.mark.parametrize(("scheme", "port"), [("ws", 80), ("wss", 443)])
def test_the_host_header_leaves_the_default_port_out(scheme, port):
    assert of(scheme=scheme, host="h", port=port).build().host_header == "h"
    assert of(scheme=scheme, host="h", port=81).build().host_header == "h:81"


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_out_of_range_is_refused(port):
    with pytest.raises(ValueError, match="between 0 and 65535"):
        of(host="h", port=port)


@pytest.mark.parametrize("port", ["80", 80.0, True])
def test_a_port_that_is_no_integer_is_refused(port):
    with pytest.raises(TypeError):
        of(host="h", port=port)


def test_the_scheme_of_a_url_wins():
    assert of("ws://h/x", scheme="wss").build().origin == ("ws", "h", 80)
    assert of("WSS://h/x", scheme="ws").build().origin == ("wss", "h", 443)


def test_a_url_without_a_scheme_takes_the_given_one():
    assert of("//h:81/x", scheme="wss").build().origin == ("wss", "h", 81)


@pytest.mark.parametrize("url", ["http://h/", "https://h/", "localhost:80/x", "a:b"])
def test_another_scheme_is_refused(url):
    with pytest.raises(ValueError, match="use ws or wss"):
        of(url)


def test_another_scheme_by_keyword_is_refused():
    with pytest.raises(ValueError, match="use ws or wss"):
        of(scheme="http").build()


@pytest.mark.parametrize(
    ("url", "target"),
    [("/echo", "/echo"), ("echo?x=1", "/echo?x=1"), ("", "/"), ("?x", "/?x")],
)
def test_a_url_can_be_a_path_alone(url, target):
    request = of(url).build()
    assert (request.host, request.target) == ("localhost", target)


@pytest.mark.parametrize("url", ["ws:///x", "ws:/x", "ws:x", "ws://:80/x"])
def test_a_url_with_a_scheme_needs_a_host(url):
    with pytest.raises(ValueError, match="host"):
        of(url)


@pytest.mark.parametrize(
    "url",
    [
        "ws://h/\r\nX: y",
        "ws://h/\n",
        " ws://h/",
        "ws://h/ ",
        "ws://h\t/",
        "ws://h\0/",
        "ws://h\\@evil/",
        "ws://h:99999/",
        "ws://h:x/",
        "ws://[zz]/",
    ],
)
def test_a_url_with_illegal_characters_is_refused(url):
    with pytest.raises(ValueError, match=r"URL|[Pp]ort|IPv6"):
        of(url)


def test_a_url_keeps_its_spelling_as_far_as_it_is_legal():
    url = "ws://h/a%2Fb%41/../c?x=%2F%3D+y&z"
    assert url_of(url) == url
    assert url_of(URL(url, encoded=True)) == url


def test_what_is_not_legal_in_a_url_is_quoted():
    assert of("ws://h/a b/é?q=ü|").build().target == "/a%20b/%C3%A9?q=%C3%BC%7C"


def test_user_information_and_fragment_are_never_sent():
    assert url_of("ws://user:secret@h/x?y#fragment") == "ws://h/x?y"
    assert of(path="/x?y#fragment").build().target == "/x?y"


def test_a_path_is_taken_as_it_is():
    assert of(path="echo%20me?a=%2f").build().target == "/echo%20me?a=%2f"
    assert of(path="//h/x").build().target == "//h/x"


@pytest.mark.parametrize("path", ["/a b", "/a\r\nX: y", "/é", "/a\0", "/a?b\n"])
def test_a_path_that_cannot_be_sent_is_refused(path):
    with pytest.raises(ValueError, match="cannot be sent"):
        of(path=path).build()


def test_parameters_are_appended_to_the_query():
    request = of("/x?a=1", params={"b": "y z&", "c": 2}).build()
    assert request.target == "/x?a=1&b=y+z%26&c=2"
    params = [("a", "1"), ("a", "2")]
    assert of(path="x", params=params).build().target == "/x?a=1&a=2"


@pytest.mark.parametrize("value", [None, True, b"x"])
def test_a_parameter_of_another_type_is_refused(value):
    with pytest.raises(TypeError):
        of(params={"a": value}).build()


@pytest.mark.parametrize("parts", [{"host": "h"}, {"port": 80}, {"path": "/"}])
def test_a_url_and_parts_of_one_do_not_go_together(parts):
    with pytest.raises(TypeError):
        of("ws://h/", **parts)


@pytest.mark.parametrize(
    ("host", "encoded", "header"),
    [
        ("Bücher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("a_b.example", "a_b.example", "a_b.example"),
        ("::1", "::1", "[::1]"),
        ("[::1]", "::1", "[::1]"),
        ("fe80::1%eth0", "fe80::1%eth0", "[fe80::1]"),
    ],
)
def test_a_host_is_encoded(host, encoded, header):
    request = of(host=host).build()
    assert (request.host, request.host_header) == (encoded, header)
    assert of(host=host, port=81).build().host_header == f"{header}:81"


def test_an_ipv6_zone_in_a_url_is_decoded():
    assert of("ws://[fe80::1%25eth0]:81/x").build().host == "fe80::1%eth0"


@pytest.mark.parametrize(
    "host",
    [
        "a b",
        "a\r\nX: y",
        "a\0",
        "a/b",
        "a:80",
        "a@b",
        "a#b",
        "a?b",
        "a%20b",
        "a\u2028b",
        "::zz",
        "fe80::1%/x",
        "é" * 100,
    ],
)
def test_a_host_that_is_none_is_refused(host):
    with pytest.raises(ValueError):  # noqa: PT011  from several libraries
        of(host=host).build()


def test_headers_are_kept_in_order():
    headers = [("X-B", "1"), ("x-b", "2"), ("A", "\xe9\t ~")]
    assert list(of(headers=headers).build().headers.items()) == headers
    assert of(headers={"Host": "other"}).build().headers["host"] == "other"


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\n", "a\r", "a\0", "\x7f", "€"])
def test_a_header_value_cannot_smuggle_anything(value):
    with pytest.raises(ValueError, match="Header Authorization") as caught:
        of(headers={"Authorization": value}).build()
    assert value not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "é", "a\0"])
def test_a_header_name_must_be_a_token(name):
    with pytest.raises(ValueError, match="not a token"):
        of(headers={name: "x"}).build()


@pytest.mark.parametrize("value", [1, None, b"x"])
def test_a_header_value_of_another_type_is_refused(value):
    with pytest.raises(TypeError):
        of(headers={"X": value}).build()


@pytest.mark.parametrize(
    "name",
    [
        "Upgrade",
        "connection",
        "Sec-WebSocket-Key",
        "Sec-WebSocket-Version",
        "Sec-WebSocket-Extensions",
        "Transfer-Encoding",
        "Content-Length",
    ],
)
def test_a_header_of_the_handshake_cannot_be_given(name):
    with pytest.raises(ValueError, match="is set by the handshake and cannot be given"):
        of(headers={name: "x"}).build()


def test_the_host_header_can_be_given_once_only():
    with pytest.raises(ValueError, match="once"):
        of(headers=[("Host", "a"), ("host", "b")]).build()


def test_subprotocols_are_offered_in_order():
    request = of(subprotocols=["b", "a"]).build()
    assert request.subprotocols == ("b", "a")


def test_a_subprotocol_header_is_taken_as_subprotocols():
    headers = {"sec-websocket-protocol": "a, b"}
    request = of(headers=headers, subprotocols=["c"]).build()
    assert request.subprotocols == ("c", "a", "b")
    assert not request.headers


@pytest.mark.parametrize("subprotocol", ["", "a b", "a,b", "a\r\nX: y", "é"])
def test_a_subprotocol_must_be_a_token(subprotocol):
    with pytest.raises(ValueError, match="not a token"):
        of(subprotocols=[subprotocol]).build()


def test_a_subprotocol_cannot_be_offered_twice():
    with pytest.raises(ValueError, match="must differ"):
        of(subprotocols=["a", "a"]).build()


@pytest.mark.parametrize("subprotocols", ["chat", [1], [None]])
def test_subprotocols_of_another_type_are_refused(subprotocols):
    with pytest.raises(TypeError):
        of(subprotocols=subprotocols).build()


@pytest.mark.parametrize("method", ["POST", "get", "GET / HTTP/1.1\r\n", ""])
def test_a_handshake_is_a_get_request(method):
    with pytest.raises(ValueError, match="The WebSocket handshake is a GET request"):
        of(method=method).build()


@pytest.mark.parametrize(
    "parts", [{"method": None}, {"host": b"h"}, {"path": b"/"}, {"url": b"ws://h"}]
)
def test_a_part_of_another_type_is_refused(parts):
    with pytest.raises(TypeError):
        of(**parts).build()


def test_a_built_request_stays_as_it_is():
    builder = of("ws://h/x", headers={"A": "b"})
    builder.attributes["k"] = "v"
    request = builder.build()
    builder.headers["A"] = "c"
    builder.attributes.clear()
    assert request.headers["A"] == "b"
    assert request.attributes == {"k": "v"}
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.method = "POST"


def test_headers_are_not_shown():
    request = of("ws://h/x", headers={"Authorization": "secret"}).build()
    assert "secret" not in repr(request)


def test_a_changed_copy_is_checked_as_well():
    request = of("ws://h/x").build()
    other = dataclasses.replace(request, url=URL("wss://other/"))
    assert other.origin == ("wss", "other", 443)
    with pytest.raises(ValueError, match="Not a WebSocket URL"):
        dataclasses.replace(request, url=URL("https://other/"))
    with pytest.raises(ValueError, match="cannot be sent"):
        dataclasses.replace(request, url=URL("ws://h/a b", encoded=True))


def test_a_request_made_by_hand_cannot_carry_a_subprotocol_header():
    headers = CIMultiDictProxy(CIMultiDict({"Sec-WebSocket-Protocol": "a"}))
    with pytest.raises(ValueError, match="Sec-WebSocket-Protocol"):
        HttpRequest("GET", URL("ws://h/"), headers)


def merged(request: HttpRequestBuilder, defaults: HttpRequestBuilder) -> HttpRequest:
    request.merge(defaults)
    return request.build()


@pytest.mark.parametrize(
    ("path", "base", "target"),
    [
        ("", "/api/v1", "/api/v1"),
        ("/echo", "/api/v1", "/echo"),
        ("echo", "/api/v1", "/api/echo"),
        ("echo", "/api/v1/", "/api/v1/echo"),
        ("echo", "", "/echo"),
        ("echo?a=1", "/x?a=2&b=%2F&b=4", "/echo?a=1&b=%2F&b=4"),
        ("", "/x?b", "/x?b"),
        ("?a", "/x", "/x?a"),
    ],
)
def test_a_default_url_fills_in_what_is_absent(path, base, target):
    request = merged(of(path), of(f"ws://h:81{base}"))
    assert (request.host, request.port, request.target) == ("h", 81, target)


def test_a_request_with_a_host_keeps_its_url():
    request = merged(of("ws://own/x"), of("wss://h:81/y?z", params={"a": "b"}))
    assert str(request.url) == "ws://own/x"


def test_the_port_of_a_request_wins():
    assert merged(of(port=82), of("ws://h:81/")).port == 82


def test_default_parameters_are_added_where_absent():
    defaults = of("ws://h/", params=[("a", "0"), ("b", "1"), ("b", "2"), ("c", "3")])
    request = merged(of("/x?a=1", params={"c": "9"}), defaults)
    assert request.target == "/x?a=1&c=9&b=1&b=2"


def test_a_secure_default_is_never_weakened():
    assert merged(of("/x"), of("wss://h/")).origin == ("wss", "h", 443)
    assert merged(of("/x", scheme="wss"), of("ws://h/")).origin == ("wss", "h", 443)


def test_default_headers_are_added_where_absent():
    defaults = of(headers=[("A", "1"), ("A", "2"), ("B", "3")], subprotocols=["p"])
    request = merged(of("ws://h/", headers={"b": "own"}), defaults)
    assert request.headers.getall("A") == ["1", "2"]
    assert request.headers.getall("B") == ["own"]
    assert request.subprotocols == ("p",)


def test_cookies_are_united_and_own_ones_win():
    defaults = of(headers={"Cookie": "a=0; b=1"})
    request = merged(of(headers={"Cookie": "a=2; c=3"}), defaults)
    assert request.headers.getall("Cookie") == ["b=1; a=2; c=3"]
    assert merged(of(), defaults).headers["Cookie"] == "a=0; b=1"


def test_own_subprotocols_and_attributes_win():
    defaults = of(subprotocols=["p"])
    defaults.attributes.update(k=1, m=2)
    builder = of(subprotocols=["q"])
    builder.attributes["k"] = 3
    request = merged(builder, defaults)
    assert request.subprotocols == ("q",)
    assert request.attributes == {"k": 3, "m": 2}
    assert defaults.attributes == {"k": 1, "m": 2}


def test_a_copy_is_a_builder_of_its_own():
    one = HttpRequestBuilder.of("ws://x/a", headers={"X-A": "1"}, params={"p": "1"})
    one.attributes["key"] = "kept"
    one.capabilities["connect_timeout"] = 1.0
    other = one.copy()
    assert other.build().url == one.build().url
    assert other.build().capabilities == {"connect_timeout": 1.0}
    other.headers["X-A"] = "2"
    other.params["p"] = "2"
    other.subprotocols.append("chat")
    other.attributes["key"] = "changed"
    other.capabilities["socket_timeout"] = 2.0
    built = one.build()
    assert (built.headers["X-A"], built.target) == ("1", "/a?p=1")
    assert (built.subprotocols, built.attributes) == ((), {"key": "kept"})
    assert built.capabilities == {"connect_timeout": 1.0}


@pytest.mark.parametrize(
    ("own", "more", "merged"),
    [
        (None, "a=1; b=2", "a=1; b=2"),
        ("a=0", "a=1; b=2", "b=2; a=0"),
        ("a=0; b=0", "a=1; b=2", "a=0; b=0"),
        ("a=0", "", "a=0"),
        ("a=0", None, "a=0"),
        (None, None, None),
    ],
)
def test_cookies_are_added_where_they_lack(own, more, merged):
    builder = HttpRequestBuilder.of(headers={"Cookie": own} if own else {})
    builder.merge_cookies(more)
    assert builder.build().headers.get("Cookie") == merged
