import pytest

from ktorws.extensions import (
    WebSocketExtension,
    WebSocketExtensionHeader,
    check_conflicts,
    negotiate_as_client,
    negotiate_as_server,
    offer,
    parse_websocket_extensions,
)

Header = WebSocketExtensionHeader


class Named(WebSocketExtension):
    """Uses its name wherever the other side does, unless it is told not to."""

    def __init__(self, name="named", *, parameters=(), willing=True):
        if not name:
            raise ValueError("An extension needs a name")
        self.header = Header(name, parameters)
        self.willing = willing

    @property
    def protocols(self):
        return [self.header]

    def client_negotiation(self, negotiated):
        return self.willing and any(h.name == self.header.name for h in negotiated)

    def server_negotiation(self, requested):
        return [h for h in requested if h.name == self.header.name][:1]

    def process_outgoing_frame(self, frame):
        return frame

    def process_incoming_frame(self, frame):
        return frame


class Compressing(Named):
    rsv1 = True


class Packing(Named):
    rsv1 = True
    rsv3 = True


class Silent(Named):
    @property
    def protocols(self):
        return []

    def client_negotiation(self, negotiated):
        return True


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        ("foo", [Header("foo")]),
        # RFC 6455 §9.1
        ("bar; baz=2", [Header("bar", ("baz=2",))]),
        ("foo, bar; baz=2", [Header("foo"), Header("bar", ("baz=2",))]),
        # as Ktor's own test has it
        (
            "superspeed, colormode; depth=16",
            [Header("superspeed"), Header("colormode", ("depth=16",))],
        ),
        ("a;b;c=1;d", [Header("a", ("b", "c=1", "d"))]),
        ("\ta ;\tb = 1 , c ", [Header("a", ("b=1",)), Header("c")]),
        ('a; b="10"', [Header("a", ("b=10",))]),
        ('a; b="1\\0"; c', [Header("a", ("b=10", "c"))]),
        (", a,, b ,", [Header("a"), Header("b")]),
    ],
)
def test_a_header_is_parsed(value, headers):
    assert parse_websocket_extensions(value) == headers


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        ",",
        "a b",
        "a;",
        "a;;b",
        ";a",
        "=a",
        "a=b",
        "a; b=",
        "a; =b",
        "a; b=c=d",
        "a; b c",
        "a; b=c d",
        'a; b="c',
        'a; b="c\\"',
        'a; b=""',
        'a; b="c d"',
        'a; b="c,d"',
        'a; b="c"d',
        '"a"',
        "a(b)",
        "a\0",
        "é",
        "a; é=1",
        "a\r\n",
    ],
)
def test_a_header_outside_the_grammar_is_refused(value):
    with pytest.raises(ValueError, match=r"Malformed|not a token"):
        parse_websocket_extensions(value)


def test_parameters_have_keys_and_perhaps_values():
    header = Header("permessage-deflate", ["client_max_window_bits", "x=1"])
    assert header.parse_parameters() == [("client_max_window_bits", ""), ("x", "1")]
    assert str(header) == "permessage-deflate; client_max_window_bits; x=1"
    assert str(Header("a")) == "a"
    assert parse_websocket_extensions(str(header)) == [header]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("", ()), ("a,b", ()), ("a", ("b\r\nX: y",)), ("a", ("b=",)), ("a", ("b=c d",))],
)
def test_a_header_that_cannot_be_sent_is_refused(name, parameters):
    with pytest.raises(ValueError, match="not a token"):
        Header(name, parameters)


def test_a_factory_makes_a_new_extension_for_each_connection():
    factory = Compressing.install("x", parameters=["y=1"])
    first, second = factory(), factory()
    assert first is not second
    assert type(first) is Compressing is factory.extension
    assert first.protocols == second.protocols == [Header("x", ("y=1",))]


def test_a_wrong_option_is_refused_at_install():
    with pytest.raises(TypeError):
        Named.install(nmae="x")
    with pytest.raises(ValueError, match="needs a name"):
        Named.install("")


def test_reserved_bits_are_those_of_a_frame():
    assert Named().reserved == Named.install().reserved == 0
    assert Compressing().reserved == 0x40
    assert Packing.install().reserved == 0x50


def test_two_extensions_with_one_reserved_bit_are_refused():
    check_conflicts([Named.install(), Compressing.install(), Named.install()])
    with pytest.raises(ValueError, match="Compressing and Packing"):
        check_conflicts([Compressing.install(), Named.install(), Packing.install()])


def test_offers_are_separated_by_commas():
    assert offer([Named("a", parameters=["x"]), Silent(), Named("b")]) == "a; x, b"
    assert offer([Silent()]) == ""


def test_a_client_uses_what_the_server_accepted():
    a, b, silent = Named("a"), Named("b"), Silent()
    assert negotiate_as_client([a, silent, b], "b; x=1") == [silent, b]
    assert negotiate_as_client([a, b, silent], None) == [silent]


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("c", "not offered: c"),
        ("A", "not offered: A"),
        ("a, a", "twice"),
        ("b", "declined"),
        ("a;", "Malformed"),
        ("", "Malformed"),
        ("x, y", "same reserved bit"),
    ],
)
def test_a_client_refuses_another_answer(answer, rule):
    extensions = [Named("a"), Named("b", willing=False), Compressing("x"), Packing("y")]
    with pytest.raises(ValueError, match=rule):
        negotiate_as_client(extensions, answer)


def test_a_server_answers_what_it_knows():
    a, b = Named("a"), Named("b")
    assert negotiate_as_server([a, b], ["c, b; x", "a"]) == ([a, b], "a, b; x")
    assert negotiate_as_server([a, b], ["c"]) == ([], "")
    assert negotiate_as_server([a], []) == ([], "")


def test_a_server_uses_a_reserved_bit_once():
    x, y = Compressing("x"), Packing("y")
    assert negotiate_as_server([x, y], ["y, x"]) == ([x], "x")


def test_a_server_refuses_a_malformed_offer():
    with pytest.raises(ValueError, match="Malformed"):
        negotiate_as_server([Named("a")], ["a;"])
