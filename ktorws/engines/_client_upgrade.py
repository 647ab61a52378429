"""The client's handshake over one transport: a session comes of it, or an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from ktorws.client_session import (
    ClientWebSocketSession,
    DefaultClientWebSocketSession,
    HttpClientCall,
)
from ktorws.engines._connection import new_session
from ktorws.engines._shared import shared_by
from ktorws.engines._silence import Silence
from ktorws.engines._upgrade import HeadReader
from ktorws.exceptions import HandshakeError, InvalidHandshakeError, WebSocketError
from ktorws.handshake import ClientHandshake
from ktorws.http_head import ResponseParser

if TYPE_CHECKING:
    import asyncio

    from ktorws.engines.base import Opening
    from ktorws.http_message import HttpResponse
    from ktorws.session import WebSocketSession

#: Seconds to wait for the rest of a refusal's body.
BODY_TIMEOUT = 1.0


class ClientUpgrade:
    """One handshake over one transport."""

    def __init__(self, loop: asyncio.AbstractEventLoop, opening: Opening) -> None:
        self.opening = opening
        self._loop = loop
        self._handshake = ClientHandshake(
            opening.request, [make() for make in opening.config.extensions]
        )
        self._parser = ResponseParser()
        self._session: asyncio.Future[WebSocketSession] = loop.create_future()
        self._body_timer: asyncio.TimerHandle | None = None
        self.reader = HeadReader(self._parser, self._progress, self._failed)
        self._silence = self._expected_silence()

    async def ask(self) -> WebSocketSession:
        """Send the request and wait for what comes of it."""
        if self.reader.transport is not None:
            self.reader.transport.write(self._handshake.octets())
        if self._silence is not None:
            self._silence.start()
        session = await self._session
        self.reader.release()
        self._listen_no_more()
        return session

    def abandon(self) -> None:
        """Leave nothing behind."""
        self._listen_no_more()
        if self._body_timer is not None:
            self._body_timer.cancel()
        if self._session.done() and not self._session.cancelled():
            if self._session.exception() is None:
                self._session.result().cancel()
        else:
            self._session.cancel()
        if self.reader.transport is not None:
            self.reader.transport.abort()

    def _expected_silence(self) -> Silence | None:
        """What ends the handshake when the server says nothing for too long."""
        seconds = self.opening.request.capabilities.get("socket_timeout")
        if seconds is None:
            return None
        return Silence(
            shared_by(self._loop).clock,
            seconds,
            heard=lambda: self.reader.reads,
            deafness=lambda: 0.0,
            dead=self._raise,
        )

    def _raise(self, error: WebSocketError) -> None:
        if not self._session.done():
            self._session.set_exception(error)

    def _listen_no_more(self) -> None:
        if self._silence is not None:
            self._silence.stop()

    def _progress(self) -> None:
        """The response's head is complete, and maybe more."""
        if self._session.done():
            return
        response = self._parser.response
        if response.status == 101:  # noqa: PLR2004  Switching Protocols
            self._session.set_result(self._established(response))
        elif self._parser.complete:
            self._refused()
        elif self._body_timer is None:
            self._body_timer = self._loop.call_later(BODY_TIMEOUT, self._refused)

    def _established(self, response: HttpResponse) -> WebSocketSession:
        """From here on the octets are frames: the session takes the transport."""
        negotiated = self._handshake.verify(response)
        opening = self.opening
        kind = ClientWebSocketSession if opening.raw else DefaultClientWebSocketSession
        session, connection = new_session(
            kind,
            self._loop,
            opening.config,
            negotiated,
            is_client=True,
            call=HttpClientCall(opening.request, response),
            capabilities=opening.request.capabilities,
        )
        connection.open(
            cast("asyncio.Transport", self.reader.transport),
            session,
            self._parser.left_over,
        )
        return session

    def _refused(self) -> None:
        """Raise what the response means, with as much of its body as came."""
        if self._session.done():
            return
        try:
            self._handshake.verify(self._parser.response)
        except HandshakeError as error:
            self._session.set_exception(error)

    def _failed(self, error: Exception | None) -> None:
        if self._session.done():
            return
        if error is None or isinstance(error, OSError):
            try:
                self._parser.feed_eof()
            except InvalidHandshakeError as invalid:
                invalid.__cause__ = error
                self._session.set_exception(invalid)
            else:
                self._refused()
        else:
            self._session.set_exception(error)
