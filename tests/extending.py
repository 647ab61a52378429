"""Extensions that leave a trace in every frame they touch."""

from ktorws.exceptions import ProtocolViolationError
from ktorws.extensions import WebSocketExtension, WebSocketExtensionHeader
from ktorws.frame import Frame


class Visible(WebSocketExtension):
    """Accepts whatever is offered under its name."""

    wire_name = "x-visible"

    @property
    def protocols(self):
        return [WebSocketExtensionHeader(self.wire_name)]

    def client_negotiation(self, negotiated):
        return any(header.name == self.wire_name for header in negotiated)

    def server_negotiation(self, requested):
        return [header for header in requested if header.name == self.wire_name]

    def outgoing(self, data):
        return data

    def incoming(self, data):
        return data

    def process_outgoing_frame(self, frame):
        return Frame.by_type(frame.frame_type, self.outgoing(frame.data), fin=frame.fin)

    def process_incoming_frame(self, frame):
        return Frame.by_type(frame.frame_type, self.incoming(frame.data), fin=frame.fin)


class Reversing(Visible):
    wire_name = "x-reversing"

    def outgoing(self, data):
        return data[::-1]

    incoming = outgoing


class Bracketing(Visible):
    """Puts brackets round what is sent, and takes off those of what is received."""

    wire_name = "x-bracketing"

    def outgoing(self, data):
        return b"(" + data + b")"

    def incoming(self, data):
        if not (data.startswith(b"(") and data.endswith(b")")):
            raise ProtocolViolationError("Brackets are missing")
        return data[1:-1]


class Failing(Visible):
    """Breaks on what it does not like."""

    wire_name = "x-failing"

    def outgoing(self, data):
        if data == b"bad":
            raise RuntimeError("cannot send this")
        return data

    def incoming(self, data):
        if data == b"bad":
            raise RuntimeError("cannot receive this")
        return data
