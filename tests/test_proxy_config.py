"""How proxies are named, found in the environment, and refused."""

import socket
import ssl

import pytest
from yarl import URL

from ktorws import (
    CIO,
    HttpClient,
    HttpRequestBuilder,
    ProxyBuilder,
    ProxyConfig,
    WebSockets,
)
from ktorws.engines.proxy import proxy_of_environment


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    for name in ("ws", "wss", "http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_proxy".upper(), raising=False)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://p.example:3128", ("http", "p.example", 3128, None, None)),
        ("http://p.example", ("http", "p.example", 80, None, None)),
        ("https://p.example/", ("https", "p.example", 443, None, None)),
        ("socks5://p.example", ("socks5", "p.example", 1080, None, None)),
        ("SOCKS5H://[::1]:9050", ("socks5h", "::1", 9050, None, None)),
        ("p.example:8080", ("http", "p.example", 8080, None, None)),
        ("user:a%40b@p.example:1", ("http", "p.example", 1, "user", "a@b")),
        ("socks4a://user@p.example", ("socks4a", "p.example", 1080, "user", None)),
        (URL("http://p.example:1"), ("http", "p.example", 1, None, None)),
    ],
)
def test_a_url_names_a_proxy(url, parts):
    proxy = ProxyConfig.of(url)
    told = proxy.scheme, proxy.host, proxy.port, proxy.username, proxy.password
    assert told == parts
    assert ProxyConfig.of(proxy) is proxy


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("ftp://u:s3cret@p.example", "scheme"),
        ("http://", "a host"),
        ("http://u:s3cret@p.example:99999", "malformed|port"),
        ("http://u:s3cret@p.example:0", "port must be 1 to 65535"),
        ("http://u:s3cret@p.example/path", "no more"),
        ("http://u:s3cret@p.example?q", "no more"),
        ("http://u:s3cret@p.example#f", "no more"),
        ("http://u:s3cret@[::1", "malformed"),
        ("http://u%3a:s3cret@p.example", "colon"),
        ("socks4://u:s3cret@p.example", "no passwords"),
        ("socks5://u@p.example", "a user name and a password"),
        ("socks5://\u00fc:s3cret@p.example", "ASCII"),
        (f"socks5://u:s3cret{'x' * 250}@p.example", "1 to 255 bytes"),
    ],
)
def test_what_names_no_proxy_is_refused_without_showing_credentials(url, rule):
    with pytest.raises(ValueError, match=rule) as refused:
        CIO(proxy=url)
    assert "s3cret" not in repr(refused.value)
    assert refused.value.__cause__ is None


def test_a_proxy_shows_no_credentials():
    proxy = ProxyConfig.of("http://user:s3cret@p.example:1")
    for shown in (repr(proxy), str(proxy), f"{proxy}"):
        assert "s3cret" not in shown
        assert "user" not in shown.replace("username", "")


def test_the_builder_makes_what_ktors_makes():
    context = ssl.create_default_context()
    https = ProxyBuilder.http("https://p.example", ssl=context)
    assert (https.scheme, https.ssl) == ("https", context)
    socks = ProxyBuilder.socks("p.example", 1081, username="u", password="p")
    assert socks == ProxyConfig("socks5", "p.example", 1081, "u", "p")
    with pytest.raises(ValueError, match="begins with http"):
        ProxyBuilder.http("socks5://p.example")
    with pytest.raises(ValueError, match="https proxy has ssl"):
        ProxyBuilder.http("http://p.example", ssl=context)


@pytest.mark.parametrize("wrong", [5, b"http://p.example", True])
def test_what_is_no_url_is_a_type_error(wrong):
    with pytest.raises(TypeError, match="a URL or a ProxyConfig"):
        CIO(proxy=wrong)


@pytest.mark.parametrize("options", [{"proxy": "http://p"}, {"trust_env": True}])
def test_a_unix_socket_has_no_proxy(options):
    with pytest.raises(ValueError, match="A Unix socket has no proxy"):
        CIO(unix_socket="/tmp/socket", **options)


async def refusal(engine, **options):
    """What is raised instead of sending anything."""
    async with HttpClient(engine).install(WebSockets) as c:
        with pytest.raises(ValueError, match=r".") as refused:
            await c.websocket_session("ws://target.invalid/", **options)
    return str(refused.value)


async def test_a_socket_that_is_given_has_no_proxy():
    with socket.socket() as sock:
        said = await refusal(CIO(proxy="http://p.invalid"), sock=sock)
    assert said == "A sock that is given has no proxy"


async def test_credentials_for_a_proxy_are_not_sent_to_the_target():
    headers = {"proxy-authorization": "Basic s3cret"}
    said = await refusal(CIO(proxy="http://p.invalid"), headers=headers)
    assert "would go to the target" in said
    assert "s3cret" not in said


async def test_a_variable_that_names_no_proxy_is_refused_by_name(monkeypatch):
    monkeypatch.setenv("http_proxy", "gopher://u:s3cret@p.invalid")
    said = await refusal(CIO(trust_env=True))
    assert said.startswith("http_proxy in the environment: A proxy's scheme is one of")
    assert "s3cret" not in said


# The environment.


def found(url):
    proxy = proxy_of_environment(HttpRequestBuilder.of(url).build())
    return None if proxy is None else str(proxy)


@pytest.mark.parametrize(
    ("variables", "ws", "wss"),
    [
        ({}, None, None),
        ({"http_proxy": "http://h:1"}, "http://h:1", None),
        ({"HTTPS_PROXY": "http://s:1"}, None, "http://s:1"),
        ({"ALL_PROXY": "socks5://a:1"}, "socks5://a:1", "socks5://a:1"),
        ({"all_proxy": "a:1", "http_proxy": "h:1"}, "http://h:1", "http://a:1"),
        ({"ws_proxy": "w:1", "http_proxy": "h:1"}, "http://w:1", None),
        ({"WSS_PROXY": "w:1", "https_proxy": "s:1"}, None, "http://w:1"),
        ({"HTTP_PROXY": "upper:1", "http_proxy": "lower:1"}, "http://lower:1", None),
        ({"http_proxy": "", "all_proxy": "a:1"}, "http://a:1", "http://a:1"),
    ],
)
def test_variables_name_the_proxy_by_scheme(monkeypatch, variables, ws, wss):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert found("ws://target.example/") == ws
    assert found("wss://target.example/") == wss


@pytest.mark.parametrize(
    ("excepted", "url", "direct"),
    [
        ("target.example", "ws://target.example/", True),
        ("target.example", "ws://other.example/", False),
        ("target.example", "ws://sub.target.example/", True),
        (".example", "ws://target.example/", True),
        ("target.example:81", "ws://target.example:81/", True),
        ("target.example:81", "ws://target.example:82/", False),
        ("127.0.0.1, ::1", "ws://127.0.0.1:80/", True),
        ("127.0.0.1, ::1", "ws://[::1]:80/", True),
        ("*", "wss://target.example/", True),
        ("", "wss://target.example/", False),
    ],
)
def test_no_proxy_names_what_is_reached_directly(monkeypatch, excepted, url, direct):
    monkeypatch.setenv("all_proxy", "http://p:1")
    monkeypatch.setenv("NO_PROXY", excepted)
    assert (found(url) is None) is direct
