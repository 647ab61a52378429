"""What other implementations make of the same octets; README.md lists where we differ.

Each implementation's opinion is a `Verdict`. A disagreement that no rule below
explains is a finding.
"""

from typing import NamedTuple

from websockets.frames import Close, CloseCode
from websockets.protocol import CLIENT, OPEN, SERVER, Protocol
from wsproto.connection import Connection, ConnectionType
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    TextMessage,
)

from ktorws.exceptions import FrameTooBigError, InvalidTextError
from ktorws.frame import FrameDecoder
from tests.fuzz.inputs import Choices, expect

LIMITS = (1 << 20, 1, 10, 124, 125, 126, 1000)
CONTROL = {8, 9, 10}


class Verdict(NamedTuple):
    """Whole messages and control frames in order; how it ended; what was open."""

    events: list
    failed: int | None  # the close code of the failure
    error: object = None
    started: int = 0  # the size of a message that has begun


def ours(octets, limit, *, masked):
    decoder = FrameDecoder(masked=masked, max_frame_size=limit)
    events, message = [], None
    for frame in decoder.decode(octets):
        kind, data = int(frame.frame_type), frame.read_bytes()
        if kind in CONTROL:
            events.append((kind, data))
            if kind == 8:
                return Verdict(events, None)
            continue
        message = (message or b"") + data
        if frame.fin:
            events.append((kind, message))
            message = None
    failed = None if decoder.error is None else decoder.error.close_code
    return Verdict(events, failed, decoder.error, len(message or b""))


def websockets(octets, limit, *, masked):
    side = SERVER if masked else CLIENT
    protocol = Protocol(side, state=OPEN, max_size=limit)
    protocol.receive_data(octets)
    events, message, kind = [], b"", 0
    for frame in protocol.events_received():
        opcode = int(frame.opcode)
        if opcode in CONTROL:
            events.append((opcode, bytes(frame.data)))
            continue
        kind, message = opcode or kind, message + bytes(frame.data)
        if frame.fin:
            events.append((kind, message))
            message = b""
    failed = protocol.close_sent if protocol.parser_exc else None
    code = failed.code if isinstance(failed, Close) else None
    return Verdict(events, code, protocol.parser_exc, len(message))


def wsproto(octets, limit, *, masked):
    del limit  # it has none
    kind = ConnectionType.SERVER if masked else ConnectionType.CLIENT
    connection = Connection(kind)
    connection.receive_data(octets)
    events, message = [], b""
    for event in connection.events():
        match event:
            case Ping():
                events.append((9, bytes(event.payload)))
            case Pong():
                events.append((10, bytes(event.payload)))
            case CloseConnection() if connection.state.name == "REMOTE_CLOSING":
                return Verdict([*events, (8, _close(event))], None)
            case CloseConnection():
                return Verdict(events, int(event.code), event.reason, len(message))
            case TextMessage() | BytesMessage():
                text = isinstance(event, TextMessage)
                message += event.data.encode() if text else bytes(event.data)
                if event.message_finished:
                    events.append((1 if text else 2, message))
                    message = b""
    return Verdict(events, None, None, len(message))


def _close(event):
    if event.code == 1005:
        return b""
    return int(event.code).to_bytes(2, "big") + (event.reason or "").encode()


def same_start(mine, theirs):
    shorter = min(len(mine.events), len(theirs.events))
    return mine.events[:shorter] == theirs.events[:shorter]


def sooner(mine, theirs):
    """We fail at the octet that breaks the rule; they wait for more of them."""
    return (
        mine.failed is not None
        and theirs.failed is None
        and mine.events == theirs.events
    )


def several(mine, theirs):
    """Both fail at this frame; it breaks two rules, and the RFC gives no order."""
    return (
        mine.failed is not None
        and theirs.failed is not None
        and mine.events == theirs.events
        and {mine.failed, theirs.failed} <= {1002, 1007, 1009}
    )


def text_is_checked_above(mine, theirs):
    """`websockets` checks text in the layer above its protocol."""
    return (
        isinstance(mine.error, InvalidTextError)
        and "Text message" in str(mine.error)
        and len(theirs.events) >= len(mine.events)
    )


def length_not_minimal(mine, theirs):
    """`websockets` takes lengths in longer forms than needed, and above 2^63."""
    return (
        mine.failed == 1002
        and str(mine.error).startswith(("Payload length", "Control frames must not"))
        and (theirs.failed in {None, 1002, 1009})
        and len(theirs.events) >= len(mine.events)
    )


def close_within_message(mine, theirs):
    """`websockets` refuses a Close between the fragments of a message."""
    return (
        theirs.failed == 1002
        and "incomplete fragmented message" in str(theirs.error)
        and mine.failed is None
        and mine.events[-1:] != []
        and mine.events[-1][0] == 8
        and mine.events[:-1] == theirs.events
    )


def control_frames_count(mine, theirs):
    """`websockets` holds control frames to the limit that is left for the message."""
    if theirs.failed != CloseCode.MESSAGE_TOO_BIG or theirs.error.size > 125:
        return False
    if len(mine.events) > len(theirs.events):
        return mine.events[len(theirs.events)][0] in CONTROL
    return mine.failed is None  # it has not arrived to its end yet


def no_limit(mine, theirs):
    """`wsproto` leaves the size of messages to its user."""
    return isinstance(mine.error, FrameTooBigError) and len(theirs.events) >= len(
        mine.events
    )


RULES = {
    websockets: (
        sooner,
        several,
        text_is_checked_above,
        length_not_minimal,
        close_within_message,
        control_frames_count,
    ),
    wsproto: (sooner, several, no_limit),
}
#: How often each rule explained something; the runner shows them.
SEEN = {}


def compare(octets):
    """All three say the same, or differ as the list says."""
    choices = Choices(octets)
    (masked,) = choices.bits(1)
    limit = choices.one_of(LIMITS)
    data = choices.rest()
    mine = ours(data, limit, masked=masked)
    for judge, rules in RULES.items():
        theirs = judge(data, limit, masked=masked)
        if (mine.events, mine.failed) == (theirs.events, theirs.failed):
            continue
        name = judge.__name__
        expect(same_start(mine, theirs), f"{name} reads other frames", mine, theirs)
        rule = next((rule for rule in rules if rule(mine, theirs)), None)
        expect(rule is not None, f"{name} disagrees", limit, mine, theirs)
        key = f"{name}: {rule.__name__}"
        SEEN[key] = SEEN.get(key, 0) + 1
