"""Who the user is: credentials for the server that he asked for, and no other."""

from __future__ import annotations

import base64
import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, TypeAlias, TypeVar

from ktorws.exceptions import HandshakeError
from ktorws.features._challenge import challenges
from ktorws.features._shared_call import SharedCall
from ktorws.features.base import HttpClientFeature
from ktorws.http_message import check_text, check_visible

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from ktorws.features.base import Proceed
    from ktorws.http_message import HttpResponse
    from ktorws.request import HttpRequest, HttpRequestBuilder
    from ktorws.session import WebSocketSession

T = TypeVar("T")
#: Says whether a request gets credentials before the server asks for them.
SendWithoutRequest: TypeAlias = "bool | Callable[[HttpRequest], bool]"

_UNAUTHORIZED = 401
_HOME = "ktorws.Auth.home"  # the attribute for the origin that was asked for


@dataclass(frozen=True, slots=True)
class BearerTokens:
    """What a bearer is known by; never shown.

    Attributes:
        access_token: sent to the server (RFC 6750 §2.1).
        refresh_token: what a new one can be had for, or None.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse a token that cannot be sent, without telling what it is."""
        try:
            check_visible(self.access_token, "access_token")
        except ValueError:
            raise ValueError(
                "access_token has characters that cannot be sent"
            ) from None


_MaybeTokens: TypeAlias = "BearerTokens | Awaitable[BearerTokens | None] | None"
LoadTokens: TypeAlias = "Callable[[], _MaybeTokens]"
RefreshTokens: TypeAlias = "Callable[[BearerTokens | None], _MaybeTokens]"


class AuthProvider(ABC):
    """One way to authenticate, for `Auth`; derive from it for others.

    Attributes:
        scheme: its name in challenges, in small letters.
        realm: which realm it is for, or None for any.

    Args:
        realm: as above.
        send_without_request: whether to send credentials before the server asks; or
            a function that tells for each `HttpRequest`.
    """

    scheme: ClassVar[str]

    def __init__(
        self,
        *,
        realm: str | None = None,
        send_without_request: SendWithoutRequest = False,
    ) -> None:
        self.realm = realm
        self._send_without_request = send_without_request

    def sends_without_request(self, request: HttpRequest) -> bool:
        """Whether this request gets credentials before the server asks for them."""
        wanted = self._send_without_request
        return wanted(request) if callable(wanted) else wanted

    def is_applicable(self, parameters: Mapping[str, str]) -> bool:
        """Whether a challenge of this scheme is for this provider."""
        return self.realm is None or parameters.get("realm") == self.realm

    @abstractmethod
    async def authorization(self) -> str | None:
        """The value of the ``Authorization`` header, or None where there is none."""

    async def renewed(self, refused: str | None) -> str | None:
        """Another value in place of a refused one, or None where there is none.

        Called with None where `authorization` gave nothing.
        """
        del refused
        return None


class BasicAuthProvider(AuthProvider):
    """A name and a password (RFC 7617); `basic` makes it."""

    scheme = "basic"

    def __init__(
        self,
        username: str,
        password: str,
        *,
        realm: str | None,
        send_without_request: SendWithoutRequest,
    ) -> None:
        super().__init__(realm=realm, send_without_request=send_without_request)
        if ":" in check_text(username, "username"):
            raise ValueError("username must not have a colon (RFC 7617 §2)")
        octets = f"{username}:{check_text(password, 'password')}".encode()
        self._authorization = f"Basic {base64.b64encode(octets).decode()}"

    async def authorization(self) -> str | None:
        """Always the same."""
        return self._authorization


class BearerAuthProvider(AuthProvider):
    """Tokens that can be renewed (RFC 6750); `bearer` makes it."""

    scheme = "bearer"

    def __init__(
        self,
        load_tokens: LoadTokens,
        refresh_tokens: RefreshTokens | None,
        *,
        realm: str | None,
        send_without_request: SendWithoutRequest,
    ) -> None:
        super().__init__(realm=realm, send_without_request=send_without_request)
        self._load_tokens = load_tokens
        self._refresh_tokens = refresh_tokens
        self._tokens: BearerTokens | None = None
        self._load = SharedCall(self._loaded)
        self._refresh = SharedCall(self._refreshed)

    def clear_token(self) -> None:
        """Forget the tokens: the next request loads them anew."""
        self._tokens = None

    async def authorization(self) -> str | None:
        """The token at hand, or one that is loaded now."""
        if self._tokens is None:
            await self._load()
        return self._current()

    async def renewed(self, refused: str | None) -> str | None:
        """The token that took the refused one's place meanwhile, or a refreshed one."""
        if self._current() == refused:
            await self._refresh()
        return self._current()

    def _current(self) -> str | None:
        return None if self._tokens is None else f"Bearer {self._tokens.access_token}"

    async def _loaded(self) -> None:
        self._tokens = _checked(await _called(self._load_tokens), "load_tokens")

    async def _refreshed(self) -> None:
        """Failing or cancelled, it leaves what there was: it may yet be refreshed."""
        new = None
        if self._refresh_tokens is not None:
            new = await _called(self._refresh_tokens, self._tokens)
        self._tokens = _checked(new, "refresh_tokens")


def basic(
    username: str,
    password: str,
    *,
    realm: str | None = None,
    send_without_request: SendWithoutRequest = False,
) -> BasicAuthProvider:
    """Ktor's ``basic { … }``: a name and a password (RFC 7617), for `Auth`.

    Args:
        username: without a colon; sent as UTF-8.
        password: likewise.
        realm: answer challenges of this realm only.
        send_without_request: send them before the server asks, to spare a round
            trip; or a function that tells for each `HttpRequest`.

    Raises:
        ValueError: there is a colon in the name.
    """
    return BasicAuthProvider(
        username, password, realm=realm, send_without_request=send_without_request
    )


def bearer(
    *,
    load_tokens: LoadTokens,
    refresh_tokens: RefreshTokens | None = None,
    realm: str | None = None,
    send_without_request: SendWithoutRequest = True,
) -> BearerAuthProvider:
    """Ktor's ``bearer { … }``: tokens that can be renewed (RFC 6750), for `Auth`.

    Both functions may be coroutine functions. Neither is called twice at a time:
    openings that need tokens meanwhile wait for the same call, within their
    ``open_timeout``. What they raise arrives unchanged.

    Args:
        load_tokens: gives the `BearerTokens` to begin with, or None; called again
            when there are none.
        refresh_tokens: called with the tokens that a server refused (or None), gives
            others, or None where that cannot be done: then the refusal is raised.
        realm: answer challenges of this realm only.
        send_without_request: send the token at once, rather than when the server
            asks; or a function that tells for each `HttpRequest`.
    """
    return BearerAuthProvider(
        load_tokens,
        refresh_tokens,
        realm=realm,
        send_without_request=send_without_request,
    )


class Auth(HttpClientFeature):
    """``client.install(Auth, providers=[…])``: Ktor's ``install(Auth) { … }``.

    A handshake that is refused with status 401 is sent again with the credentials of
    the first provider that the challenge is for; without a challenge, of the only
    provider. Credentials that were refused are renewed once, and the request is
    sent once more; the second refusal is raised as `HandshakeError`.

    Credentials go to the origin (scheme, host and port) that the caller asked for: a
    redirect to another one gets none, nor does what that one redirects to. A request
    with an ``Authorization`` of its own is left alone.

    Args:
        providers: what `basic` and `bearer` give, the preferred one first.

    Raises:
        TypeError: a provider is none.
    """

    def __init__(self, *, providers: Iterable[AuthProvider]) -> None:
        #: What it was given.
        self.providers = tuple(providers)
        for provider in self.providers:
            if not isinstance(provider, AuthProvider):
                raise TypeError("providers takes what basic() and bearer() give")

    async def send(
        self, request: HttpRequestBuilder, proceed: Proceed
    ) -> WebSocketSession:
        """Send with credentials, and again where others are asked for."""
        built = request.build()
        if "Authorization" in built.headers or not _is_home(request, built):
            return await proceed(request)
        sent: dict[AuthProvider, str] = {}
        renewed: set[AuthProvider] = set()
        authorization = await self._unasked(built, sent)
        while True:
            try:
                return await proceed(_with(request, authorization))
            except HandshakeError as error:
                provider = self._asked_for(error.response)
                if provider is None or provider in renewed:
                    raise
                if provider in sent:
                    renewed.add(provider)
                    authorization = await provider.renewed(sent[provider])
                else:
                    authorization = await _first(provider, renewed)
                if authorization is None:
                    raise
                sent[provider] = authorization

    async def _unasked(
        self, request: HttpRequest, sent: dict[AuthProvider, str]
    ) -> str | None:
        for provider in self.providers:
            if provider.sends_without_request(request):
                authorization = await provider.authorization()
                if authorization is not None:
                    sent[provider] = authorization
                    return authorization
        return None

    def _asked_for(self, response: HttpResponse | None) -> AuthProvider | None:
        if response is None or response.status != _UNAUTHORIZED:
            return None
        asked = challenges(response.headers.getall("WWW-Authenticate", []))
        if not asked and len(self.providers) == 1:
            return self.providers[0]
        for provider in self.providers:
            for challenge in asked:
                if challenge.scheme == provider.scheme and provider.is_applicable(
                    challenge.parameters
                ):
                    return provider
        return None


async def _first(provider: AuthProvider, renewed: set[AuthProvider]) -> str | None:
    """What a provider has that sent nothing yet; it may have to be made."""
    authorization = await provider.authorization()
    if authorization is None:
        renewed.add(provider)
        authorization = await provider.renewed(None)
    return authorization


def _is_home(request: HttpRequestBuilder, built: HttpRequest) -> bool:
    """Whether this goes to the origin that was asked for, and never left it."""
    home = request.attributes.setdefault(_HOME, built.origin)
    if home != built.origin:
        request.attributes[_HOME] = None
    return bool(home == built.origin)


def _with(request: HttpRequestBuilder, authorization: str | None) -> HttpRequestBuilder:
    """A copy: the request itself, which may be redirected, never has credentials."""
    attempt = request.copy()
    if authorization is not None:
        attempt.headers["Authorization"] = authorization
    return attempt


async def _called(function: Callable[..., T | Awaitable[T]], *arguments: object) -> T:
    result = function(*arguments)
    return await result if inspect.isawaitable(result) else result


def _checked(tokens: object, name: str) -> BearerTokens | None:
    if tokens is not None and not isinstance(tokens, BearerTokens):
        raise TypeError(f"{name} must give BearerTokens or None")
    return tokens
