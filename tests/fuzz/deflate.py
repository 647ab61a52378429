"""permessage-deflate: what comes of any data, and of what we deflate ourselves."""

import zlib

from ktorws.deflate import WebSocketDeflateExtension
from ktorws.exceptions import (
    FrameTooBigError,
    InvalidTextError,
    ProtocolViolationError,
)
from ktorws.extensions import negotiate_as_client, negotiate_as_server
from ktorws.frame import Frame
from tests.fuzz.inputs import Choices, expect

TAIL = b"\x00\x00\xff\xff"
LIMITS = (100_000, 1, 10, 65_535, 65_536, 65_537, 1000)
BITS = (15, 8, 9, 10, 14)
ERRORS = (ProtocolViolationError, FrameTooBigError, InvalidTextError)


class Naive:
    """RFC 7692 §7.2.2 in its own words: append the tail and inflate."""

    def __init__(self, bits, *, forget):
        self._bits, self._forget = bits, forget
        self._stream = zlib.decompressobj(-bits)

    def message(self, data, limit):
        """The octets; None where they are corrupt, False where there are too many.

        Which of the two is found first is a matter of chunks.
        """
        if self._forget:
            self._stream = zlib.decompressobj(-self._bits)
        inflated = b""
        for part in (data, TAIL):
            octets = part
            while octets:
                try:
                    inflated += self._stream.decompress(octets, limit + 1)
                except zlib.error:
                    return None
                octets = self._stream.unconsumed_tail
                if len(inflated) > limit:
                    return False
                if self._stream.eof:
                    octets = self._stream.unused_data
                    self._stream = zlib.decompressobj(-self._bits)
        return inflated


def valid(octets):
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True


def inflate(octets):
    """Any data gives what zlib gives, or a typed error; never more than the limit."""
    choices = Choices(octets)
    forget, is_text = choices.bits(2)
    bits, limit = choices.one_of(BITS), choices.one_of(LIMITS)
    extension = WebSocketDeflateExtension(
        server_max_window_bits=bits,
        server_no_context_takeover=forget,
        max_inflated_size=limit,
    )
    answer = f"permessage-deflate; server_max_window_bits={bits}"
    answer += "; server_no_context_takeover" * forget
    negotiate_as_client([extension], answer)
    naive = Naive(bits, forget=forget)
    kind = Frame.Text if is_text else Frame.Binary
    while choices.more:
        data = choices.take(256 * choices.byte() + choices.byte())
        wanted = naive.message(data, limit)
        try:
            frame = extension.process_incoming_frame(kind(data, rsv1=True))
        except ERRORS as error:
            if isinstance(error, InvalidTextError):
                expect(is_text and wanted and not valid(wanted), error, data)
            elif isinstance(error, FrameTooBigError):
                expect(wanted in (None, False), error, data)
            else:
                expect(wanted in (None, False), "not corrupt", data)
            return
        expect(frame.read_bytes() == wanted, "not what zlib says", data, wanted)
        expect(len(frame) <= limit, "over the limit")
        expect(frame.fin and not frame.rsv1, frame)
        expect(type(frame) is kind, frame)
        expect(not is_text or valid(wanted), "not UTF-8", wanted)


def deflate(octets):
    """What one side deflates, in any fragments, the other side and zlib inflate."""
    choices = Choices(octets)
    first, second, as_client, zero = choices.bits(4)
    bits = choices.one_of(BITS)
    options = {
        "server_no_context_takeover": first,
        "client_no_context_takeover": second,
        "client_max_window_bits": bits,
        "server_max_window_bits": choices.one_of(BITS),
        "memory_level": 1 + choices.byte() % 9,
        "compression_level": 0 if zero else 9,
        "compress_if_bigger_than": choices.one_of((None, 0, 5)),
    }
    client, server = (WebSocketDeflateExtension(**options) for _ in range(2))
    _, answer = negotiate_as_server([server], [", ".join(map(str, client.protocols))])
    negotiate_as_client([client], answer)
    sender, receiver = (client, server) if as_client else (server, client)
    forget = second if as_client else first
    agreed = client.parameters
    window = (
        agreed.client_max_window_bits if as_client else agreed.server_max_window_bits
    )
    naive = Naive(window, forget=forget)
    while choices.more:
        (fragments,) = choices.bits(1)
        times = choices.one_of((1, 1, 3, 400))
        payload = choices.take(choices.byte()) * times
        cut = choices.byte() * times
        parts = [payload[:cut], payload[cut:]] if fragments else [payload]
        wire = [
            sender.process_outgoing_frame(Frame.Binary(part, fin=number == len(parts)))
            for number, part in enumerate(parts, 1)
        ]
        expect([f.fin for f in wire] == [False] * (len(parts) - 1) + [True], wire)
        expect(not any(f.rsv1 for f in wire[1:]), wire)
        data = b"".join(f.read_bytes() for f in wire)
        whole = Frame.Binary(data, rsv1=wire[0].rsv1)
        received = receiver.process_incoming_frame(whole)
        expect(received.read_bytes() == payload, options, parts)
        if wire[0].rsv1:
            expect(naive.message(data, 1 << 20) == payload, options, parts)
