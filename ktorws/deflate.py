"""permessage-deflate: compressed messages (RFC 7692)."""

from __future__ import annotations

import importlib
import zlib
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from ktorws.deflate_parameters import (
    MAX_BITS,
    MIN_BITS,
    DeflateParameters,
    parse_parameters,
)
from ktorws.exceptions import (
    FrameTooBigError,
    InvalidTextError,
    ProtocolViolationError,
)
from ktorws.extensions import WebSocketExtension, WebSocketExtensionHeader
from ktorws.frame import DEFAULT_MAX_FRAME_SIZE, Frame, PayloadBuffer, is_utf8

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ktorws.deflate_parameters import HeaderParameters
    from ktorws.session import WebSocketSession

NAME = "permessage-deflate"

_TAIL = b"\x00\x00\xff\xff"  # what a sync flush ends with; never sent (RFC 7692 §7.2.1)
_EMPTY = b"\x00"  # a message without octets (RFC 7692 §7.2.3.6)
_CHUNK = 64 * 1024  # bytes inflated at a time, hence how far a limit can be passed
# In one message. Each costs a new stream and may hold nothing: two octets, 10 µs.
_MAX_FINAL_BLOCKS = 1024

#: Modules with zlib's interface; all but the first are installed separately.
_BACKENDS = {"zlib": "zlib", "zlib-ng": "zlib_ng.zlib_ng", "isal": "isal.isal_zlib"}

Backend = Literal["zlib", "zlib-ng", "isal"]


class WebSocketDeflateExtension(WebSocketExtension):
    """Compresses whole messages; install it in ``WebSockets(extensions=[…])``.

    Args:
        client_no_context_takeover: the client's messages are compressed one by one,
            which costs size and saves memory.
        server_no_context_takeover: so the server's.
        client_max_window_bits: 8 to 15; the client's window, 2 to that power in
            bytes; None for whatever the other side prefers.
        server_max_window_bits: so the server's.
        compression_level: 0 to 9 (isal: to 3), or -1 for the backend's default.
        memory_level: 1 to 9; a compressor takes 2 to that power + 9 bytes.
        compress_if: compress a message only if this, called with its (first) frame,
            gives true.
        compress_if_bigger_than: compress only what has more bytes; so a first
            fragment decides for its message.
        max_inflated_size: limit in bytes of an incoming message when inflated; by
            default the session's ``max_frame_size``.
        backend: ``"zlib"``, or ``"zlib-ng"`` or ``"isal"`` where these are installed.

    Raises:
        ValueError: an option is out of range.
        ModuleNotFoundError: the backend is not installed.
    """

    rsv1: ClassVar[bool] = True

    def __init__(
        self,
        *,
        client_no_context_takeover: bool = False,
        server_no_context_takeover: bool = False,
        client_max_window_bits: int | None = None,
        server_max_window_bits: int | None = None,
        compression_level: int = -1,
        memory_level: int = 8,
        compress_if: Callable[[Frame], bool] | None = None,
        compress_if_bigger_than: int | None = None,
        max_inflated_size: int | None = None,
        backend: Backend = "zlib",
    ) -> None:
        for bits in (client_max_window_bits, server_max_window_bits):
            if bits is not None:
                _check_range("max_window_bits", bits, MIN_BITS, MAX_BITS)
        _check_range("compression_level", compression_level, -1, 9)
        _check_range("memory_level", memory_level, 1, 9)
        if max_inflated_size is not None and max_inflated_size < 1:
            raise ValueError(f"max_inflated_size must be above 0: {max_inflated_size}")
        if backend not in _BACKENDS:
            raise ValueError(f"backend must be one of {', '.join(_BACKENDS)}")
        self._zlib: Any = importlib.import_module(_BACKENDS[backend])
        self._level = compression_level
        self._memory_level = memory_level
        self._asked = DeflateParameters(
            server_no_context_takeover,
            client_no_context_takeover,
            server_max_window_bits or MAX_BITS,
            client_max_window_bits or MAX_BITS,
        )
        self._compress_if = compress_if
        self._bigger_than = (
            -1 if compress_if_bigger_than is None else (compress_if_bigger_than)
        )
        self._max_inflated_size = max_inflated_size
        self._session: WebSocketSession | None = None
        self._overrides: dict[int, tuple[Frame, bool]] = {}
        # Whether the message being sent in fragments is compressed; None between.
        self._sending: bool | None = None
        self._use(self._asked, is_client=True)
        if backend != "zlib":
            self._new_deflater()  # refuses a level that the backend does not have

    # What was agreed on, and what one message is to be.

    @property
    def parameters(self) -> DeflateParameters:
        """What both sides agreed on."""
        return self._agreed

    def override(self, frame: Frame, *, compress: bool) -> Frame:
        """Decide for this frame's message, whatever the conditions say; gives it.

        ``await session.send(deflate.override(frame, compress=False))``: holds for the
        next time that this very object is sent.
        """
        self._overrides[id(frame)] = (frame, compress)
        return frame

    # Negotiation.

    @property
    def protocols(self) -> Sequence[WebSocketExtensionHeader]:
        """The client's offer."""
        asked = self._asked
        parameters = []
        if asked.server_no_context_takeover:
            parameters.append("server_no_context_takeover")
        if asked.client_no_context_takeover:
            parameters.append("client_no_context_takeover")
        if asked.server_max_window_bits < MAX_BITS:
            parameters.append(f"server_max_window_bits={asked.server_max_window_bits}")
        if asked.client_max_window_bits < MAX_BITS:
            parameters.append(f"client_max_window_bits={asked.client_max_window_bits}")
        else:
            parameters.append("client_max_window_bits")
        return [WebSocketExtensionHeader(NAME, tuple(parameters))]

    def client_negotiation(
        self, negotiated: Sequence[WebSocketExtensionHeader]
    ) -> bool:
        """Whether the server accepted, held to what was offered (RFC 7692 §7.1)."""
        header = next((h for h in negotiated if h.name == NAME), None)
        if header is None:
            return False
        asked = self._asked
        answer = parse_parameters(header, is_offer=False)
        if asked.server_no_context_takeover and not answer.server_no_context_takeover:
            raise ValueError("Server should have agreed to server_no_context_takeover")
        server_bits = answer.server_max_window_bits or MAX_BITS
        client_bits = answer.client_max_window_bits or asked.client_max_window_bits
        if server_bits > asked.server_max_window_bits:
            raise ValueError(
                f"Server should have kept its window to {asked.server_max_window_bits} "
                f"bits: {server_bits}"
            )
        if client_bits > asked.client_max_window_bits:
            raise ValueError(
                f"Server should have kept the offered client_max_window_bits: "
                f"{client_bits}"
            )
        agreed = DeflateParameters(
            answer.server_no_context_takeover,
            answer.client_no_context_takeover or asked.client_no_context_takeover,
            server_bits,
            client_bits,
        )
        self._use(agreed, is_client=True)
        return True

    def server_negotiation(
        self, requested: Sequence[WebSocketExtensionHeader]
    ) -> list[WebSocketExtensionHeader]:
        """The answer to the first offer that can be met; none, where none can."""
        for header in requested:
            if header.name == NAME:
                try:
                    offer = parse_parameters(header, is_offer=True)
                except ValueError:
                    continue  # RFC 7692 §7.1: such an offer is declined
                answer = self._answer(offer)
                if answer is not None:
                    return [answer]
        return []

    def _answer(self, offer: HeaderParameters) -> WebSocketExtensionHeader | None:
        asked = self._asked
        limits_client = asked.client_max_window_bits < MAX_BITS
        if limits_client and not offer.names_client_max_window_bits:
            return None  # the client would not understand (RFC 7692 §7.1.2.2)
        agreed = DeflateParameters(
            asked.server_no_context_takeover or offer.server_no_context_takeover,
            asked.client_no_context_takeover or offer.client_no_context_takeover,
            min(asked.server_max_window_bits, offer.server_max_window_bits or MAX_BITS),
            min(asked.client_max_window_bits, offer.client_max_window_bits or MAX_BITS),
        )
        parameters = []
        if agreed.server_no_context_takeover:
            parameters.append("server_no_context_takeover")
        if agreed.client_no_context_takeover:
            parameters.append("client_no_context_takeover")
        if agreed.server_max_window_bits < MAX_BITS or offer.server_max_window_bits:
            parameters.append(f"server_max_window_bits={agreed.server_max_window_bits}")
        if agreed.client_max_window_bits < MAX_BITS:
            parameters.append(f"client_max_window_bits={agreed.client_max_window_bits}")
        self._use(agreed, is_client=False)
        return WebSocketExtensionHeader(NAME, tuple(parameters))

    def _use(self, agreed: DeflateParameters, *, is_client: bool) -> None:
        server = (agreed.server_no_context_takeover, agreed.server_max_window_bits)
        client = (agreed.client_no_context_takeover, agreed.client_max_window_bits)
        self._agreed = agreed
        self._forget_sent, self._deflate_bits = client if is_client else server
        self._forget_received, self._inflate_bits = server if is_client else client
        self._deflater: Any = None
        self._inflater: _Inflater | None = None

    # Frames.

    def session_opened(self, session: WebSocketSession) -> None:
        """Keep the session, whose limit counts."""
        self._session = session

    def session_ended(self) -> None:
        """Free the windows."""
        self._deflater = self._inflater = None

    def process_outgoing_frame(self, frame: Frame) -> Frame:
        """The frame compressed, if its message is to be."""
        first = self._sending is None
        compress = self._is_wanted(frame) if first else self._sending
        self._sending = None if frame.fin else compress
        if not compress:
            return frame
        data = self._deflated(frame.data, end=frame.fin)
        if frame.fin and self._forget_sent:
            self._deflater = None
        return Frame.by_type(frame.frame_type, data, fin=frame.fin, rsv1=first)

    def _is_wanted(self, frame: Frame) -> bool:
        _, forced = self._overrides.pop(id(frame), (None, None))
        if forced is not None:
            return forced
        if len(frame) <= self._bigger_than:
            return False
        return self._compress_if is None or self._compress_if(frame)

    def _deflated(self, data: bytes, *, end: bool) -> bytes:
        if self._deflater is None:
            self._deflater = self._new_deflater()
        deflated = self._deflater.compress(data)
        deflated += self._deflater.flush(zlib.Z_SYNC_FLUSH)
        if not end:
            return bytes(deflated)
        # After nothing new a flush gives nothing, not even its tail.
        return bytes(deflated[: -len(_TAIL)]) if deflated else _EMPTY

    def _new_deflater(self) -> Any:  # noqa: ANN401  a backend's own class
        module, bits = self._zlib, self._deflate_bits
        if bits == MIN_BITS:
            # zlib cannot write a window of 256 bytes. Of its 512 it uses matches up
            # to 250 bytes back (512 less its look-ahead of 262), so these will do.
            # Other backends may reach further.
            module, bits = zlib, MIN_BITS + 1
        level = {} if self._level < 0 else {"level": self._level}
        return module.compressobj(
            **level, method=zlib.DEFLATED, wbits=-bits, memLevel=self._memory_level
        )

    def process_incoming_frame(self, frame: Frame) -> Frame:
        """The message inflated, if it is compressed.

        Raises:
            ProtocolViolationError: its data is corrupt.
            FrameTooBigError: inflated it is over the limit.
            InvalidTextError: inflated it is not UTF-8.
        """
        if not frame.rsv1:
            return frame
        if self._inflater is None:
            self._inflater = _Inflater(self._zlib, self._inflate_bits)
        data = self._inflater.inflate(frame.data, self._limit())
        if self._forget_received:
            self._inflater = None
        if isinstance(frame, Frame.Text):
            if not is_utf8(data):
                raise InvalidTextError("Text message is not valid UTF-8")
            return Frame.Text(data)
        return Frame.Binary(data)

    def _limit(self) -> int:
        if self._max_inflated_size is not None:
            return self._max_inflated_size
        if self._session is not None:
            return self._session.max_frame_size
        return DEFAULT_MAX_FRAME_SIZE


class _Inflater:
    """Inflates the messages of one direction of one connection."""

    def __init__(self, module: Any, bits: int) -> None:  # noqa: ANN401  as above
        self._zlib = module
        self._bits = bits
        self._stream = module.decompressobj(-bits)
        self._final_blocks = 0

    def inflate(self, data: bytes, limit: int) -> bytes:
        """One whole message; reads at most one chunk further than the limit.

        Raises:
            ProtocolViolationError: the data is corrupt.
            FrameTooBigError: it is over the limit.
        """
        inflated = PayloadBuffer()
        self._final_blocks = 0
        try:
            # In chunks: zlib copies all input that it has not used at each call.
            whole = memoryview(data)
            for start in range(0, len(data), _CHUNK):
                self._feed(whole[start : start + _CHUNK], inflated, limit)
            self._feed(_TAIL, inflated, limit)
        except self._zlib.error as error:
            raise ProtocolViolationError("Compressed message is corrupt") from error
        return inflated.take()

    def _feed(
        self, octets: bytes | memoryview, inflated: PayloadBuffer, limit: int
    ) -> None:
        more = True
        while more:
            piece = self._stream.decompress(octets, _CHUNK)
            size = inflated.append(piece)
            if size > limit:
                raise FrameTooBigError(
                    f"Inflated message is too big, the limit is {limit}", size
                )
            octets = self._stream.unconsumed_tail
            more = bool(octets) or len(piece) == _CHUNK
            if self._stream.eof:
                # A final block ends the sender's stream: the next one is a new one,
                # with a new window (RFC 7692 §7.2.3.4).
                self._final_blocks += 1
                if self._final_blocks > _MAX_FINAL_BLOCKS:
                    raise ProtocolViolationError("Message has too many final blocks")
                octets = self._stream.unused_data
                more = bool(octets)
                self._stream = self._zlib.decompressobj(-self._bits)


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low} and {high}, not {value}")
