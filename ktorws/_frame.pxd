# What the compiled codec keeps, and what each piece of state means.

from cpython.object cimport PyObject
from libc.stdint cimport uint8_t, uint64_t


cdef extern from "_utf8.h" nogil:
    ctypedef struct ktorws_utf8:
        uint8_t need
        uint8_t low
        uint8_t high


cdef class Frame:
    cdef bytes _data         # the payload; None while only the text is known
    cdef str _text           # a whole text's characters; None while not decoded
    cdef Py_ssize_t _size    # of the payload in octets
    cdef uint8_t _flags      # FIN and RSV1-3, as in octet 0
    cdef uint8_t _opcode     # of the message, never CONTINUATION

    cdef bytes octets(self)


cdef class TextFrame(Frame):
    pass


cdef class BinaryFrame(Frame):
    pass


cdef class CloseFrame(Frame):
    pass


cdef class PingFrame(Frame):
    pass


cdef class PongFrame(Frame):
    pass


cdef class _Memory:
    cdef uint8_t *octets
    cdef Py_ssize_t size


cdef class ReadBuffer:
    cdef _Memory memory
    cdef Py_ssize_t size
    cdef ReadBuffer larger
    cdef object view

    cdef whole(self)
    cdef ReadBuffer with_room(self, Py_ssize_t size)


cdef class MaskKeys:
    cdef object source       # (size) -> bytes, unpredictable
    cdef bytes block
    cdef Py_ssize_t used     # octets of the block that were handed out

    cdef int take(self, uint8_t *key) except -1


# What one direction has carried so far; see `_counted`.
ctypedef struct Counters:
    uint64_t frames          # of the encoder; of the decoder, those it gave
    uint64_t continued       # of data, and not the last of their message
    uint64_t pings
    uint64_t pongs
    uint64_t closes
    uint64_t payload         # octets
    uint64_t octets          # of the frames, headers included


cdef class SpareMemory:
    cdef PyObject *blocks[2]  # bytes objects, of which others may have references
    cdef int oldest           # the one to give up first

    cdef PyObject *take(self, Py_ssize_t least, Py_ssize_t most) except NULL
    cdef int keep(self, PyObject *block) except -1


cdef class FrameDecoder:
    # How the peer must behave.
    cdef bint masked
    cdef bint reassemble
    cdef uint8_t reserved
    cdef Py_ssize_t limit
    # What the last octets gave.
    cdef readonly bint special
    cdef readonly Py_ssize_t size
    cdef readonly object error
    cdef Counters counters
    # Where the next octets go.
    cdef ReadBuffer buffer
    cdef SpareMemory memory
    cdef ReadBuffer scratch  # where the window is, unless in place
    cdef uint8_t *window
    cdef Py_ssize_t window_size
    cdef bint in_place       # the window is the payload's own memory
    cdef bint torn           # octets are being taken, or that ended by an exception
    # A header of which only the start is there.
    cdef uint8_t header[14]
    cdef Py_ssize_t header_size
    # The frame that is arriving, from its header on.
    cdef bint in_payload
    cdef bint fin
    cdef uint8_t opcode      # as on the wire
    cdef uint8_t next_flags  # RSV1-3
    cdef uint8_t key[4]
    cdef Py_ssize_t length
    cdef Py_ssize_t received
    cdef uint8_t control[125]
    # The message that it belongs to.
    cdef uint8_t message_opcode  # 0 between messages
    cdef uint8_t message_flags   # RSV1-3 of its first frame
    cdef bint message_is_text    # and must be UTF-8
    cdef Py_ssize_t message_size  # data octets of the frames before this one
    cdef Py_ssize_t fragments
    cdef ktorws_utf8 utf8
    # Its payload, or this fragment's, as far as it is there: a bytes object that
    # nobody else has seen, hence resizable.
    cdef PyObject *payload
    cdef Py_ssize_t capacity
    cdef Py_ssize_t filled

    cdef list read(self, Py_ssize_t nbytes)
    cdef Frame read_one(self, Py_ssize_t nbytes)
    cdef int open_window(self, Py_ssize_t room) except -1
    cdef int count(self, Py_ssize_t size, list frames) except -1
    cdef int take_window(self, Py_ssize_t size, list frames) except -1
    cdef int feed(self, uint8_t *data, Py_ssize_t size, list frames) except -1
    cdef Py_ssize_t take_plain(
        self, uint8_t *data, Py_ssize_t size, list frames
    ) except -1
    cdef Py_ssize_t plain_head(
        self, uint8_t *data, Py_ssize_t size, Py_ssize_t *length
    ) noexcept
    cdef Frame whole(self, uint8_t opcode, uint8_t *data, Py_ssize_t length)
    cdef Py_ssize_t read_header(self, const uint8_t *data, Py_ssize_t size) except -2
    cdef bint judge_octet_0(self, uint8_t octet) except -1
    cdef bint judge_octet_1(self, uint8_t octet) except -1
    cdef bint judge_length(self, Py_ssize_t at, uint64_t length) except -1
    cdef bint judge_text(
        self, const uint8_t *data, Py_ssize_t size, bint end
    ) except -1
    cdef int begin_payload(self) except -1
    cdef Py_ssize_t fill(self, uint8_t *data, Py_ssize_t size, list frames) except -1
    cdef int arrived(self, uint8_t *data, Py_ssize_t size, list frames) except -1
    cdef int reserve(self, Py_ssize_t more) except -1
    cdef int resize(self, Py_ssize_t size) except -1
    cdef int emit_whole(self, uint8_t *data, list frames) except -1
    cdef int emit_control(self, uint8_t *data, list frames) except -1
    cdef int finish_data(self, list frames) except -1
    cdef int go_on(self) except -1
    cdef bytes take_payload(self)
    cdef bint violate(self, error) except -1
    cdef int drop_payload(self) except -1


# One message on its way out: where its octets are, and the encoder's state after it.
ctypedef struct Outgoing:
    uint8_t octet            # octet 0 of the frame
    const uint8_t *data
    Py_ssize_t size
    Py_ssize_t header_size
    uint8_t mask             # MASK or 0
    uint8_t key[4]
    uint8_t message_opcode
    bint message_is_text
    ktorws_utf8 utf8


cdef class FrameEncoder:
    cdef public bint masking
    cdef MaskKeys keys
    cdef SpareMemory memory
    # The fragmented message that is being sent.
    cdef uint8_t message_opcode  # 0 between messages
    cdef bint message_is_text    # and must be UTF-8
    cdef ktorws_utf8 utf8
    # Frames that were appended and not yet taken: a bytes object of our own.
    cdef PyObject *cork
    cdef Py_ssize_t capacity
    cdef readonly Py_ssize_t pending
    cdef Py_ssize_t hint     # how much was taken last time
    cdef Counters counters

    cdef bytes octets_of(self, message, uint8_t *to, Py_ssize_t *room)
    cdef Py_ssize_t gather(self, message) except -1
    cdef look_at(self, message, Outgoing *out)
    cdef look_at_text(self, str text, Outgoing *out)
    cdef look_at_bytes(self, bytes data, Outgoing *out)
    cdef look_at_frame(self, Frame frame, Outgoing *out)
    cdef int draw_key(self, Outgoing *out) except -1
    cdef int write(self, uint8_t *to, Outgoing *out) noexcept
    cdef int make_room(self, Py_ssize_t size) except -1


cdef class PayloadBuffer:
    cdef PyObject *payload
    cdef Py_ssize_t capacity
    cdef Py_ssize_t filled
