"""How one transport and one session meet: octets in, octets out, pauses both ways.

Reads go straight from the transport into the decoder, which gives all frames of one
read in one list. Writes are corked, as `Cork` says.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from ktorws.default_session import DefaultWebSocketSession
from ktorws.deferred import Deferred
from ktorws.engines._reading import reading_of
from ktorws.engines._shared import shared_by
from ktorws.engines._transports import give_up, send_no_more
from ktorws.frame import Frame, FrameDecoder, FrameEncoder
from ktorws.frame_connection import Traffic
from ktorws.frame_queue import Intake
from ktorws.sending import Cork

if TYPE_CHECKING:
    from collections.abc import Callable

    from ktorws.engines._reading import Reading
    from ktorws.frame import Sendable
    from ktorws.handshake import Negotiated
    from ktorws.ping_pong import Clock
    from ktorws.request import Capabilities
    from ktorws.session import WebSocketSession
    from ktorws.session_config import SessionConfig

S = TypeVar("S", bound="WebSocketSession")

#: Bytes gathered in one loop iteration before they are written and the sender yields.
CORK_LIMIT = 64 * 1024

#: Seconds without an octet after which nothing more is taken to come from a peer
#: whose Close frame cannot be told from what broke the rules before it.
SILENCE = 0.2


class _Gone(asyncio.Transport):
    """Stands where a transport was: takes every call, does nothing."""

    def is_closing(self) -> bool:
        return True

    def can_write_eof(self) -> bool:
        return False

    def _ignore(self, *_: object, **__: object) -> None:
        pass

    set_protocol = pause_reading = resume_reading = _ignore
    write = close = abort = _ignore


#: For a connection whose transport ended before it was opened.
GONE = _Gone()


class Connection(asyncio.BufferedProtocol):
    """A session's `FrameConnection` over an asyncio transport."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        is_client: bool,
        max_frame_size: int,
        reassemble: bool,
        reserved: int = 0,
    ) -> None:
        shared = shared_by(loop)
        self.loop = loop
        self.clock: Clock = shared.clock
        self.is_client = is_client
        self._decoder = FrameDecoder(
            masked=not is_client,
            max_frame_size=max_frame_size,
            reserved=reserved,
            reassemble=reassemble,
            buffer=shared.frames,
            memory=shared.received,
        )
        self._encoder = FrameEncoder(
            masking=is_client, keys=shared.keys, memory=shared.sent
        )
        self._cork = Cork(loop, self._encoder, CORK_LIMIT)
        # Bound compiled methods: no Python frame where none is needed.
        self.get_buffer = self._decoder.get_buffer  # type: ignore[method-assign]
        self.write: Callable[[Sendable], None] = self._cork.write
        self.intake: Intake
        self._transport: asyncio.Transport
        self._reading: Reading
        self._session: WebSocketSession
        self._ending = False
        self._lingering = False  # not to be closed before the peer's Close has come
        self._silence: asyncio.TimerHandle | None = None
        self._deaf_since: float | None = None
        self._deaf_for = 0.0
        self._flushed: Deferred[None] | None = None

    def open(
        self, transport: asyncio.Transport, session: WebSocketSession, left_over: bytes
    ) -> None:
        """Begin with the octets that came behind the handshake."""
        self._transport = transport
        self._session = session
        self.intake = Intake(
            self._decoder, self._cork, session.incoming, self._to_session
        )
        self.buffer_updated = self.intake.buffer_updated  # type: ignore[method-assign]
        if session.extensions:
            self._show_all()
        self._reading = reading_of(self.loop, transport)
        self._cork.open(transport, session.outgoing.demand_turn)
        transport.set_protocol(self)
        if left_over:
            self._to_session(self._decoder.decode(left_over))

    # What the session calls.

    @property
    def masking(self) -> bool:
        """Whether outgoing payloads are masked."""
        return self._encoder.masking

    @masking.setter
    def masking(self, value: bool) -> None:
        self._encoder.masking = value

    @property
    def max_frame_size(self) -> int:
        """The limit in bytes of an incoming frame or message."""
        return self._decoder.max_frame_size

    @max_frame_size.setter
    def max_frame_size(self, value: int) -> None:
        self._decoder.max_frame_size = value

    @property
    def backlog_bytes(self) -> int:
        """Bytes that wait here for a transport that takes no more."""
        return self._encoder.pending

    @property
    def is_writable(self) -> bool:
        """Whether what is written goes out without waiting here."""
        return not self._cork.is_full

    @property
    def deafness(self) -> float:
        """For how many seconds in all reading was paused."""
        if self._deaf_since is None:
            return self._deaf_for
        return self._deaf_for + self.clock.time() - self._deaf_since

    @property
    def received(self) -> Traffic:
        """What has arrived; the decoder counts."""
        return Traffic._make(self._decoder.counts())

    @property
    def sent(self) -> Traffic:
        """What was written; the encoder counts."""
        return Traffic._make(self._encoder.counts())

    async def flush(self) -> None:
        """Wait until all that was written has left the transport's buffer."""
        self._cork.write_gathered()
        if self._flushed is None:
            self._flushed = Deferred(self.loop)
            self._await_flushed()
        if self._flushed is not None:
            await self._flushed

    def pause_reading(self) -> None:
        """Deliver no more until told to."""
        if self._deaf_since is None and not self._ending:
            self._deaf_since = self.clock.time()
            self._reading.pause_reading()

    def resume_reading(self) -> None:
        """Deliver again."""
        if self._deaf_since is not None:
            self._deaf_for = self.deafness
            self._deaf_since = None
            if not self._ending:
                self._reading.resume_reading()

    def end(self, *, linger: bool) -> None:
        """Send what was written, then close.

        Closing with unread octets would reset the connection, and the peer might
        never see our Close frame. So where the transport can half-close, what still
        arrives is read and dropped until the peer closes too; elsewhere, with
        ``linger``, until its Close frame has come, or silence where it broke a rule.
        """
        if self._ending:
            return
        self._cork.write_gathered()
        self.resume_reading()
        self._stop_delivering()
        self._lingering = linger and not self._transport.can_write_eof()
        if self._lingering and self._decoder.error is not None:
            self._expect_no_more()
        self._end_flush()  # the session says whether it ended in good order
        if self._encoder.pending:
            return  # resume_writing goes on
        self._close_transport()

    def abort(self) -> None:
        """Close at once."""
        self.resume_reading()
        self._stop_delivering()
        if self._lingering:
            give_up(self._transport)
        else:
            self._transport.abort()

    # What the transport calls.

    def buffer_updated(self, nbytes: int) -> None:
        """So many octets are in `get_buffer`'s memory."""
        self.intake.buffer_updated(nbytes)

    def eof_received(self) -> bool:
        """The peer sends no more; the transport closes by itself."""
        if self._session.is_active:  # no Close frame, and no deadline to wait for it
            self._transport.abort()
        return False

    def pause_writing(self) -> None:
        """The transport has more than enough."""
        self._cork.pause()
        self._session.writing_paused()

    def resume_writing(self) -> None:
        """The transport has room: the backlog first."""
        self._cork.is_full = False
        if self._flushed is not None:
            self._transport.set_write_buffer_limits()
        self._cork.write_gathered()
        if self._flushed is not None:
            self._await_flushed()
        if self._cork.is_full:
            return
        self._cork.is_gathering = False
        if self._ending:
            self._close_transport()
        else:
            self._session.writing_resumed()

    def connection_lost(self, error: Exception | None) -> None:
        """The transport is closed."""
        self._stop_delivering()
        self._cork.close()  # uvloop's transport would raise
        self._end_flush()
        if error is not None:
            error.__traceback__ = None  # asyncio's frames hold what was read into
        self._session.connection_lost(error)
        # Session and connection refer to each other: what is large (asyncio's TLS has
        # a buffer of 256 KiB) would stay until the garbage collector finds them.
        self._transport = self._reading = GONE
        if self._silence is not None:
            self._silence.cancel()
        self._decoder.clear()
        self._encoder.take()

    # How it works.

    def _show_all(self) -> None:
        """From now on let the session see every frame first."""
        if not self._ending:
            self.intake.instead = self._read_for_session

    def _read_for_session(self, nbytes: int) -> None:
        frames = self._decoder.buffer_updated(nbytes)
        self._cork.begin_anew()
        self._to_session(frames)

    def _stop_delivering(self) -> None:
        self._ending = True
        self.intake.instead = self._read_and_drop

    def _read_and_drop(self, nbytes: int) -> None:
        """Of these frames only the peer's Close matters: nothing comes behind it."""
        if not self._lingering:
            return
        frames = self._decoder.buffer_updated(nbytes)
        if any(isinstance(frame, Frame.Close) for frame in frames):
            self._stop_lingering()
        elif self._decoder.error is not None:
            self._expect_no_more()

    def _to_session(self, frames: list[Frame]) -> None:
        self._session.frames_received(frames, self._decoder.size)
        if self._decoder.error is not None:
            self._session.violated(self._decoder.error)

    def _expect_no_more(self) -> None:
        """Wait for silence, where no more frames can be read."""
        if self._silence is not None:
            self._silence.cancel()
        self._silence = self.clock.call_later(SILENCE, self._stop_lingering)

    def _stop_lingering(self) -> None:
        self._lingering = False
        if not self._encoder.pending:
            self._transport.close()

    def _close_transport(self) -> None:
        """All was written."""
        if self._transport.can_write_eof():
            send_no_more(self._transport)
        elif not self._lingering:
            self._transport.close()

    def _await_flushed(self) -> None:
        """Be told when the transport is empty; TLS tells it once for each pause."""
        if self._encoder.pending or self._transport.get_write_buffer_size():
            self._transport.set_write_buffer_limits(high=0)
        else:
            self._end_flush()

    def _end_flush(self) -> None:
        flushed, self._flushed = self._flushed, None
        if flushed is not None:
            if not self._ending:
                self._transport.set_write_buffer_limits()
            flushed.complete(None)


def new_session(
    kind: type[S],
    loop: asyncio.AbstractEventLoop,
    config: SessionConfig,
    negotiated: Negotiated,
    *,
    is_client: bool,
    call: object,
    clock: Clock | None = None,
    capabilities: Capabilities | None = None,
) -> tuple[S, Connection]:
    """A session of this kind for a handshake that is done; `Connection.open` is next.

    Args:
        kind: a default session gets whole messages, a raw one each frame.
        loop: whose transport it will be.
        config: how the session is to behave.
        negotiated: what the handshake agreed on.
        is_client: which side this is.
        call: the handshake.
        clock: time and timers, where they are not the event loop's.
        capabilities: what else the connection must be able to do.
    """
    make: Callable[..., Connection] = Connection
    if capabilities:
        from ktorws.engines._watched import watched  # noqa: PLC0415  few need it

        make = watched(capabilities)
    connection = make(
        loop,
        is_client=is_client,
        max_frame_size=config.max_frame_size,
        reassemble=issubclass(kind, DefaultWebSocketSession),
        reserved=sum(extension.reserved for extension in negotiated.extensions),
    )
    if clock is not None:
        connection.clock = clock
    session = kind(
        connection,
        config,
        call=call,
        subprotocol=negotiated.subprotocol,
        extensions=negotiated.extensions,
    )
    return session, connection
