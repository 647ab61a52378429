"""The targets by name: a function, its seeds, and words a mutation may insert."""

import pathlib
from typing import NamedTuple

FOLDER = pathlib.Path(__file__).parent / "corpus"

HTTP_WORDS = (
    *(b"\r\n", b"\r\n\r\n", b"\n", b"\r", b": ", b" ", b"\t", b",", b";", b"=", b'"'),
    *(b"\\", b"\x00", b"\x7f", b"\xe9", b"%00", b"%", b"://", b"?", b"#", b"*"),
    *(b"HTTP/1.1 ", b"HTTP/1.0", b"101", b"100 Continue", b"200 OK", b"GET", b"/"),
    *(b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n", b"Host: a\r\n"),
    *(b"Sec-WebSocket-Accept: ", b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Version: "),
    *(b"Sec-WebSocket-Protocol: chat\r\n", b"Sec-WebSocket-Extensions: ", b"13"),
    *(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", b"dGhlIHNhbXBsZSBub25jZQ==", b"x: y\r\n"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
    *(b"permessage-deflate", b"client_max_window_bits", b"server_max_window_bits"),
    *(b"client_no_context_takeover", b"server_no_context_takeover", b"15", b"8"),
)
FRAME_WORDS = (
    *(b"\x81", b"\x01", b"\x80", b"\x00", b"\x82", b"\x02", b"\x88\x02\x03\xe8"),
    *(b"\x88\x00", b"\x89\x00", b"\x8a\x00", b"\x89\x80\x00\x00\x00\x00", b"\xc1"),
    *(b"\x7e\x00\x7e", b"\x7e\x00\x7d", b"\x7f" + bytes(8), b"\xfe", b"\xff", b"\x7d"),
    *(b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xed\xa0\x80", b"\xc3", b"\xf4\x90"),
    *(b"\x7f\x80" + bytes(7), b"\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
)
DEFLATE_WORDS = (
    *(b"\x00\x00\xff\xff", b"\x01\x00\x00\xff\xff", b"\x00", b"\x03\x00", b"\xff"),
    *(b"\xf2\x48\xcd\xc9\xc9\x07\x00", b"\xf2\x00\x11\x00\x00", b"\x4c\x4c", b"\x05"),
)


class Target(NamedTuple):
    run: object
    words: tuple

    @property
    def name(self):
        return self.run.__name__

    @property
    def seeds(self):
        lines = (FOLDER / f"{self.name}.hex").read_text().split()
        return [bytes.fromhex(line) for line in lines]


def load():
    """All targets; imported late, so that atheris can look into what they import."""
    from tests.fuzz import codec, deflate, opening

    targets = [
        Target(codec.decode, FRAME_WORDS),
        Target(codec.large, FRAME_WORDS),
        Target(codec.encode, FRAME_WORDS),
        Target(codec.text, FRAME_WORDS),
        Target(opening.response, HTTP_WORDS),
        Target(opening.request, HTTP_WORDS),
        Target(opening.negotiation, HTTP_WORDS),
        Target(deflate.inflate, DEFLATE_WORDS),
        Target(deflate.deflate, DEFLATE_WORDS),
    ]
    try:
        from tests.fuzz import peers
    except ImportError:  # without websockets or wsproto there is nobody to ask
        pass
    else:
        targets.append(Target(peers.compare, FRAME_WORDS))
    return {target.name: target for target in targets}
