# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: freethreading_compatible=True, auto_pickle=False, autotestdict=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""The frames of RFC 6455 §5 as octets: masking, header parsing, UTF-8, encoding.

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-------+-+-------------+-------------------------------+
    |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
    |I|S|S|S|  (4)  |A|     (7)     |             (16/64)           |
    |N|V|V|V|       |S|             |   (if payload len==126/127)   |
    | |1|2|3|       |K|             |                               |
    +-+-+-+-+-------+-+-------------+-------------------------------+

Frames are immutable and may be shared by threads. A decoder, an encoder, a
`ReadBuffer` and a `MaskKeys` belong to one event loop, hence to one thread; the
critical sections keep memory whole where another one calls them all the same.
"""

cimport cython
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from cpython.buffer cimport PyBuffer_FillInfo, PyBuffer_IsContiguous
from cpython.list cimport PyList_GET_SIZE
from cpython.memoryview cimport (
    PyMemoryView_FromObject,
    PyMemoryView_GET_BUFFER,
)
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject, PyTypeObject
from cpython.unicode cimport PyUnicode_AsUTF8String, PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

import os

from ktorws.close_reason import CloseReason, is_sendable
from ktorws.exceptions import (
    FrameTooBigError,
    InvalidTextError,
    ProtocolViolationError,
)
from ktorws.frame_type import FrameType


cdef extern from "_mask.h" nogil:
    void ktorws_mask(
        uint8_t *dst, const uint8_t *src, size_t size, const uint8_t *key, size_t offset
    )

cdef extern from "_utf8.h" nogil:
    bint ktorws_is_ascii(const uint8_t *data, size_t size)
    bint ktorws_utf8_feed(ktorws_utf8 *state, const uint8_t *data, size_t size)

cdef extern from "Python.h":
    int PyUnicode_IS_ASCII(str text)
    str PyUnicode_New(Py_ssize_t size, Py_UCS4 most)
    void *PyUnicode_DATA(str text)
    Py_ssize_t PyUnicode_GET_LENGTH(str text)
    PyObject *_new_bytes "PyBytes_FromStringAndSize"(
        const char *data, Py_ssize_t size
    ) except NULL
    int _resize_bytes "_PyBytes_Resize"(PyObject **octets, Py_ssize_t size) except -1
    char *_bytes_memory "PyBytes_AS_STRING"(PyObject *octets)
    void Py_XINCREF(PyObject *object)
    void Py_XDECREF(PyObject *object)
    Py_ssize_t Py_REFCNT(PyObject *object)
    Py_ssize_t _bytes_size "PyBytes_GET_SIZE"(PyObject *octets)
    void PyType_Modified(PyTypeObject *type)
    ctypedef struct _TypeDict "PyTypeObject":
        PyObject *tp_dict


cdef extern from *:
    """
    /* Bytes that are written again are other bytes. The field has no other name. */
    #ifdef _MSC_VER
    #pragma warning(push)
    #pragma warning(disable: 4996)
    #else
    #pragma GCC diagnostic push
    #pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    #endif
    static inline void ktorws_forget_hash(PyObject *octets)
    {
        ((PyBytesObject *)octets)->ob_shash = -1;
    }
    #ifdef _MSC_VER
    #pragma warning(pop)
    #else
    #pragma GCC diagnostic pop
    #endif
    #define ktorws_is_released(view) \
        (((PyMemoryViewObject *)(view))->flags & _Py_MEMORYVIEW_RELEASED)
    """
    void ktorws_forget_hash(PyObject *octets)
    bint ktorws_is_released(object view)


cdef enum:
    # Octet 0: FIN, RSV1-3 and the opcode.
    FIN = 0x80
    RSV1 = 0x40
    RSV2 = 0x20
    RSV3 = 0x10
    RSV = 0x70
    OPCODE = 0x0F
    # Octet 1: MASK and the payload length, or how many octets the length takes.
    MASK = 0x80
    LENGTH = 0x7F
    LENGTH_16 = 126
    LENGTH_64 = 127

cdef enum:
    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA

cdef enum:
    MAX_HEADER = 14
    MAX_CONTROL = 125
    READ_SIZE = 65536
    # A payload is received straight into its own memory when at least this much of
    # it is to come; below, one read is likely to hold the next frames as well.
    IN_PLACE = 32768
    # A header can declare any length: memory is taken in steps as octets arrive.
    STEP = 1048576
    KEYS_SIZE = 1024
    CORK_SIZE = 1024
    # Of this size up to that one, bytes are kept to be written over.
    LARGE = 131072
    LARGEST = 4194304

CODEC = "cython"
DEFAULT_MAX_FRAME_SIZE = 16 * 1024 * 1024
MAX_FRAGMENTS = 131072
cdef Py_ssize_t _MAX_FRAGMENTS = MAX_FRAGMENTS


# --- Frames ---------------------------------------------------------------------


@cython.freelist(256)
@cython.no_gc
cdef class Frame:
    """A frame, received or to be sent: immutable, equal by kind, bits and payload."""

    def __init__(self, *args, **options):
        raise TypeError(
            "Use Frame.Text, Frame.Binary, Frame.Close, Frame.Ping, Frame.Pong "
            "or Frame.by_type"
        )

    @property
    def frame_type(self):
        """Which kind of frame it is; a fragment has the kind of its message."""
        return FrameType(self._opcode)

    @property
    def fin(self):
        """Whether it is whole, or the last fragment of its message."""
        return (self._flags & FIN) != 0

    @property
    def rsv1(self):
        """The first reserved bit."""
        return (self._flags & RSV1) != 0

    @property
    def rsv2(self):
        """The second reserved bit."""
        return (self._flags & RSV2) != 0

    @property
    def rsv3(self):
        """The third reserved bit."""
        return (self._flags & RSV3) != 0

    @property
    def data(self):
        """The payload."""
        return self.octets()

    def read_bytes(self):
        """The payload; of a fragment, this fragment's. Does not copy."""
        return self.octets()

    cdef bytes octets(self):
        cdef bytes data
        with cython.critical_section(self):
            if self._data is None:
                if self._text is None:
                    self._data = b""
                else:
                    self._data = PyUnicode_AsUTF8String(self._text)
            data = self._data
        return data

    @staticmethod
    def by_type(
        frame_type, data=b"", *, fin=True, rsv1=False, rsv2=False, rsv3=False
    ):
        """A frame of a kind that is known at run time only.

        Control frames ignore ``fin`` and the reserved bits.

        Raises:
            ValueError: no such frame type, or a control frame's payload is illegal.
        """
        cdef int opcode = FrameType(frame_type)
        if opcode == TEXT:
            return TextFrame(data, fin=fin, rsv1=rsv1, rsv2=rsv2, rsv3=rsv3)
        if opcode == BINARY:
            return BinaryFrame(data, fin=fin, rsv1=rsv1, rsv2=rsv2, rsv3=rsv3)
        if opcode == CLOSE:
            return CloseFrame(data)
        return PingFrame(data) if opcode == PING else PongFrame(data)

    def __len__(self):
        return self._size

    def __bool__(self):
        return True

    def __eq__(self, other):
        if not isinstance(other, Frame):
            return NotImplemented
        cdef Frame that = <Frame>other
        return (
            self._opcode == that._opcode
            and self._flags == that._flags
            and self._size == that._size
            and self.octets() == that.octets()
        )

    def __hash__(self):
        return hash((self._opcode, self._flags, self.octets()))

    def __reduce__(self):
        return _restore, (self._opcode, self._flags, self.octets())

    def __repr__(self):
        cdef str unit = "byte" if self._size == 1 else "bytes"
        cdef list parts = [f"{self._size} {unit}"]
        if not self._flags & FIN:
            parts.append("fin=False")
        for name, bit in (("rsv1", RSV1), ("rsv2", RSV2), ("rsv3", RSV3)):
            if self._flags & bit:
                parts.append(f"{name}=True")
        kind = FrameType(self._opcode).name.capitalize()
        return f"Frame.{kind}({', '.join(parts)})"


@cython.final
@cython.no_gc
cdef class TextFrame(Frame):
    """``Frame.Text``: characters, or a fragment of their UTF-8 octets."""

    def __init__(self, text, *, fin=True, rsv1=False, rsv2=False, rsv3=False):
        _check_new(self)
        if isinstance(text, str):
            if type(text) is not str:
                text = str.__str__(text)
            if PyUnicode_IS_ASCII(<str>text):
                self._size = PyUnicode_GET_LENGTH(<str>text)
            else:
                self._data = PyUnicode_AsUTF8String(text)
                self._size = PyBytes_GET_SIZE(self._data)
            self._text = <str>text
        else:
            self._data = _payload(text, "Frame.Text takes a str or bytes-like object")
            self._size = PyBytes_GET_SIZE(self._data)
        self._opcode = TEXT
        self._flags = _flags(fin, rsv1, rsv2, rsv3)

    def read_text(self):
        """The text.

        Raises:
            ValueError: this is a fragment, or its octets are not UTF-8
                (`UnicodeDecodeError`); neither comes out of a default session.
        """
        cdef str text
        if not self._flags & FIN:
            raise ValueError(
                "Text can only be read from a frame that is not a fragment"
            )
        with cython.critical_section(self):
            if self._text is None:
                self._text = self.octets().decode()
            text = self._text
        return text


@cython.final
@cython.no_gc
cdef class BinaryFrame(Frame):
    """``Frame.Binary``: octets, or a fragment of them."""

    def __init__(self, data, *, fin=True, rsv1=False, rsv2=False, rsv3=False):
        _check_new(self)
        self._data = _payload(data, "Frame.Binary takes a bytes-like object")
        self._size = PyBytes_GET_SIZE(self._data)
        self._opcode = BINARY
        self._flags = _flags(fin, rsv1, rsv2, rsv3)


@cython.final
@cython.no_gc
cdef class CloseFrame(Frame):
    """``Frame.Close``: nothing more comes, perhaps for a reason (RFC 6455 §5.5.1)."""

    def __init__(self, reason=None):
        _check_new(self)
        if reason is None:
            self._data = b""
        elif isinstance(reason, CloseReason):
            self._data = _close_payload(reason)
        else:
            self._data = _payload(
                reason, "Frame.Close takes a CloseReason or a bytes-like object"
            )
            _check_control(CLOSE, self._data)
            error = _close_error(self._data, _NOT_SENDABLE)
            if error is not None:
                raise ValueError(str(error))
        self._size = PyBytes_GET_SIZE(self._data)
        self._opcode = CLOSE
        self._flags = FIN

    def read_reason(self):
        """The code and the text, or None where the frame is empty."""
        cdef bytes data = self.octets()
        if not data:
            return None
        return CloseReason(int.from_bytes(data[:2], "big"), data[2:].decode())


@cython.final
@cython.no_gc
cdef class PingFrame(Frame):
    """``Frame.Ping``: asks for a pong with the same payload (RFC 6455 §5.5.2)."""

    def __init__(self, data=b""):
        _check_new(self)
        self._data = _payload(data, "Frame.Ping takes a bytes-like object")
        _check_control(PING, self._data)
        self._size = PyBytes_GET_SIZE(self._data)
        self._opcode = PING
        self._flags = FIN


@cython.final
@cython.no_gc
cdef class PongFrame(Frame):
    """``Frame.Pong``: answers a ping, or is a sign of life (RFC 6455 §5.5.3)."""

    def __init__(self, data=b""):
        _check_new(self)
        self._data = _payload(data, "Frame.Pong takes a bytes-like object")
        _check_control(PONG, self._data)
        self._size = PyBytes_GET_SIZE(self._data)
        self._opcode = PONG
        self._flags = FIN


cdef _name_kinds():
    # Plain class attributes, so that `case Frame.Text():` costs a dictionary look-up.
    cdef dict names = <dict>(<_TypeDict *>Frame).tp_dict
    names["Text"] = TextFrame
    names["Binary"] = BinaryFrame
    names["Close"] = CloseFrame
    names["Ping"] = PingFrame
    names["Pong"] = PongFrame
    PyType_Modified(<PyTypeObject *>Frame)


_name_kinds()


def _restore(int opcode, int flags, bytes data):
    """Rebuild a frame that was pickled or copied."""
    return _make(opcode, flags, data)


cdef inline Frame _new(int opcode):
    if opcode == TEXT:
        return TextFrame.__new__(TextFrame)
    if opcode == BINARY:
        return BinaryFrame.__new__(BinaryFrame)
    if opcode == CLOSE:
        return CloseFrame.__new__(CloseFrame)
    if opcode == PING:
        return PingFrame.__new__(PingFrame)
    return PongFrame.__new__(PongFrame)


cdef inline int _check_new(Frame frame) except -1:
    """Other threads may read what is made already: it never changes."""
    if frame._opcode:
        raise TypeError("Frames are immutable")
    return 0


cdef inline Frame _make(int opcode, int flags, bytes data):
    cdef Frame frame = _new(opcode)
    frame._opcode = opcode
    frame._flags = flags
    frame._data = data
    frame._size = PyBytes_GET_SIZE(data)
    return frame


cdef int _flags(bint fin, bint rsv1, bint rsv2, bint rsv3) noexcept:
    return (
        (FIN if fin else 0)
        | (RSV1 if rsv1 else 0)
        | (RSV2 if rsv2 else 0)
        | (RSV3 if rsv3 else 0)
    )


cdef bytes _payload(data, str rule):
    """The octets of any contiguous buffer; a copy unless they are ``bytes``."""
    if type(data) is bytes:
        return <bytes>data
    if isinstance(data, str):
        raise TypeError(f"{rule}, not str")
    try:
        view = PyMemoryView_FromObject(data)
    except TypeError:
        raise TypeError(f"{rule}, not {type(data).__name__}") from None
    return view.tobytes()


cdef _check_control(int opcode, bytes data):
    if len(data) > MAX_CONTROL:
        raise ValueError(
            f"Control frames must not exceed {MAX_CONTROL} bytes "
            f"(RFC 6455 section 5.5), but this {FrameType(opcode).name} has {len(data)}"
        )


cdef bytes _close_payload(reason):
    if reason.code == 1005 and not reason.message:
        return b""
    if not is_sendable(reason.code):
        raise ValueError(_NOT_SENDABLE.format(reason.code))
    return reason.code.to_bytes(2, "big") + reason.message.encode()


_NOT_SENDABLE = "Close code {} must not be sent (RFC 6455 section 7.4)"
_NOT_ALLOWED = "Close code is not allowed: {}"


cdef _close_error(bytes data, str bad_code):
    """What RFC 6455 §5.5.1 and §7.4 hold against a Close payload, or None."""
    cdef ktorws_utf8 state
    cdef const uint8_t *octets = <const uint8_t *>PyBytes_AS_STRING(data)
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    if size == 0:
        return None
    if size == 1:
        return ProtocolViolationError("Close payload must be empty or at least 2 bytes")
    code = octets[0] << 8 | octets[1]
    if not is_sendable(code):
        return ProtocolViolationError(bad_code.format(code))
    state.need = 0
    if not ktorws_utf8_feed(&state, octets + 2, size - 2) or state.need:
        return InvalidTextError("Close reason is not valid UTF-8")
    return None


# --- Memory and keys that the connections of one loop share ------------------------


@cython.final
cdef class _Memory:
    """What a `ReadBuffer` and its view have in common: neither refers to the other."""

    def __cinit__(self, Py_ssize_t size):
        self.octets = <uint8_t *>PyMem_Malloc(size)
        if self.octets is NULL:
            raise MemoryError
        self.size = size

    def __dealloc__(self):
        PyMem_Free(self.octets)

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, self.octets, self.size, 0, flags)


@cython.final
cdef class ReadBuffer:
    """Scratch memory to read into; empty between two calls of the loop.

    One serves every decoder of an event loop that reads and delivers in one step.

    Raises:
        ValueError: the size is below 1024 bytes.
    """

    def __cinit__(self, Py_ssize_t size=READ_SIZE):
        if size < 1024:
            raise ValueError(f"A read buffer needs at least 1024 bytes, not {size}")
        self.memory = _Memory(size)
        self.size = size

    @cython.critical_section
    cdef whole(self):
        """A view of all of it; the same each time, since every read asks for one."""
        if self.view is None or ktorws_is_released(self.view):
            self.view = PyMemoryView_FromObject(self.memory)
        return self.view

    cdef ReadBuffer with_room(self, Py_ssize_t size):
        """This one, or a larger one, which is kept for the next who needs it."""
        if size <= self.size:
            return self
        if self.larger is None or self.larger.size < size:
            self.larger = ReadBuffer(size)
        return self.larger


@cython.final
cdef class MaskKeys:
    """Masking keys that nobody can predict (RFC 6455 §5.3), taken from blocks.

    ``source(size)`` gives unpredictable octets; `os.urandom` unless a test says else.
    """

    def __cinit__(self, source=None):
        self.source = os.urandom if source is None else source
        self.block = b""
        self.used = 0

    cdef int take(self, uint8_t *key) except -1:
        with cython.critical_section(self):
            if self.used == PyBytes_GET_SIZE(self.block):
                block = self.source(KEYS_SIZE)
                if type(block) is not bytes or len(block) != KEYS_SIZE:
                    raise ValueError(
                        f"The source of masking keys must give {KEYS_SIZE} bytes"
                    )
                self.block = <bytes>block
                self.used = 0
            memcpy(key, PyBytes_AS_STRING(self.block) + self.used, 4)
            self.used += 4
        return 0


# --- What was carried ---------------------------------------------------------------


cdef inline void _count_control(Counters *counters, uint8_t opcode) noexcept:
    if opcode == PING:
        counters.pings += 1
    elif opcode == PONG:
        counters.pongs += 1
    else:
        counters.closes += 1


cdef tuple _counted(Counters *counters, uint64_t frames):
    """Frames, messages, pings, pongs, closes, payload octets, octets in all."""
    return (
        frames,
        frames
        - counters.continued
        - counters.pings
        - counters.pongs
        - counters.closes,
        counters.pings,
        counters.pongs,
        counters.closes,
        counters.payload,
        counters.octets,
    )


@cython.final
cdef class SpareMemory:
    """The last large payloads or frames: the next is written over one that is gone.

    New memory for each would come from the system page by page, and go back, which
    costs several times as much as masking. One serves all connections of an event
    loop in one direction, with two: who has received a message often keeps it until
    he has the next.
    """

    def __dealloc__(self):
        Py_XDECREF(self.blocks[0])
        Py_XDECREF(self.blocks[1])

    @cython.critical_section
    cdef PyObject *take(self, Py_ssize_t least, Py_ssize_t most) except NULL:
        """Bytes that nobody else has, at least so many; the caller's own.

        Kept ones have at most ``most``; new ones ``least``.
        """
        cdef PyObject *block
        cdef int at
        if LARGE <= least <= LARGEST:
            for at in range(2):
                block = self.blocks[at]
                if (
                    block is not NULL
                    and Py_REFCNT(block) == 1
                    and least <= _bytes_size(block) <= most
                ):
                    self.blocks[at] = NULL
                    ktorws_forget_hash(block)
                    return block
        return _new_bytes(NULL, least)

    @cython.critical_section
    cdef int keep(self, PyObject *block) except -1:
        """Keep bytes that the caller gives away, instead of those kept longer."""
        cdef int at
        if LARGE <= _bytes_size(block) <= LARGEST:
            at = self.oldest if self.blocks[1 - self.oldest] is not NULL else (
                1 - self.oldest
            )
            Py_XINCREF(block)
            Py_XDECREF(self.blocks[at])
            self.blocks[at] = block
            self.oldest = 1 - at
        return 0


# --- Octets in, frames out ----------------------------------------------------------


@cython.final
cdef class FrameDecoder:
    """Turns the octets of one connection into frames, and judges every one of them.

    Args:
        masked: the peer is a client and must mask; otherwise it must not.
        max_frame_size: limit in bytes of a frame and of a message in fragments.
        reserved: the bits (RSV1 0x40, RSV2 0x20, RSV3 0x10) that extensions use,
            allowed on the first frame of a message.
        reassemble: give whole messages only, rather than each fragment.
        buffer: memory to read into; one of its own unless given.
        memory: for large payloads; new memory for each unless given.

    Each call that brings octets gives the frames that these complete. Where they
    break a rule, the frames before are given, `error` is set, and no more come.
    """

    def __cinit__(
        self,
        *,
        bint masked,
        max_frame_size=DEFAULT_MAX_FRAME_SIZE,
        int reserved=0,
        bint reassemble=False,
        ReadBuffer buffer=None,
        SpareMemory memory=None,
    ):
        self.masked = masked
        self.max_frame_size = max_frame_size
        self.reserved = reserved & RSV
        self.reassemble = reassemble
        self.buffer = buffer
        self.memory = memory

    def __dealloc__(self):
        Py_XDECREF(self.payload)

    @property
    def max_frame_size(self):
        """The limit in bytes of a frame, and of a message in fragments."""
        return self.limit

    @max_frame_size.setter
    def max_frame_size(self, value):
        if not isinstance(value, int):
            raise TypeError(
                f"max_frame_size must be an int, not {type(value).__name__}"
            )
        if not 1 <= value <= 0x7FFFFFFFFFFFFFFF:
            raise ValueError(
                f"max_frame_size must be at least 1 and below 2^63: {value}"
            )
        self.limit = value

    @cython.critical_section
    def decode(self, data):
        """The frames that these octets complete."""
        cdef Py_ssize_t size, step, at = 0
        cdef list frames = []
        cdef const uint8_t *octets
        view = PyMemoryView_FromObject(data)
        if not PyBuffer_IsContiguous(PyMemoryView_GET_BUFFER(view), b"C"):
            raise ValueError("Octets to decode must be contiguous")
        octets = <const uint8_t *>PyMemoryView_GET_BUFFER(view).buf
        size = PyMemoryView_GET_BUFFER(view).len
        self.special = False
        self.size = 0
        while at < size and self.error is None:
            self.open_window(0)
            step = min(size - at, self.window_size)
            memcpy(self.window, octets + at, step)
            self.take_window(step, frames)
            at += step
        self.count(size if at else 0, frames)
        return frames

    @cython.critical_section
    def get_buffer(self, Py_ssize_t sizehint=-1):
        """Memory for the next read, as `asyncio.BufferedProtocol.get_buffer`.

        ``sizehint`` is kept to, up to 1 MiB: the TLS of asyncio and uvloop drops what
        finds no room in it when the peer has ended its side.
        """
        self.open_window(min(sizehint, STEP))
        return PyMemoryView_FromObject(self) if self.in_place else self.scratch.whole()

    def buffer_updated(self, Py_ssize_t nbytes):
        """The frames that ``nbytes`` octets in `get_buffer`'s memory complete."""
        return self.read(nbytes)

    @cython.critical_section
    cdef list read(self, Py_ssize_t nbytes):
        cdef list frames = []
        self.special = False
        self.size = 0
        if nbytes < 0 or nbytes > self.window_size:
            raise ValueError(f"{nbytes} bytes do not fit into {self.window_size}")
        if self.error is None:
            self.take_window(nbytes, frames)
            self.count(nbytes, frames)
        return frames

    @cython.critical_section
    def counts(self):
        """Frames, messages, pings, pongs, closes, payload octets, octets in all.

        Of what has arrived and breaks no rule; a payload counts with its message.
        """
        cdef uint64_t frames = self.counters.frames
        if self.reassemble:
            frames += self.counters.continued
        return _counted(&self.counters, frames)

    cdef inline int count(self, Py_ssize_t size, list frames) except -1:
        self.counters.frames += PyList_GET_SIZE(frames)
        self.counters.payload += self.size
        self.counters.octets += size
        return 0

    @cython.critical_section
    def clear(self):
        """Forget what came of a frame or message that is not complete."""
        if self.torn:
            return  # somebody may still be writing to it
        self.window_size = 0
        self.in_place = False
        self.header_size = 0
        self.message_opcode = 0
        self.message_size = 0
        self.drop_payload()

    def __getbuffer__(self, Py_buffer *view, int flags):
        # A loop may keep the view longer than it should: the payload that it points
        # to must outlive it.
        if not self.in_place:
            raise BufferError("There is no payload to read into")
        PyBuffer_FillInfo(view, self, self.window, self.window_size, 0, flags)
        view.internal = <void *>self.payload
        Py_XINCREF(self.payload)

    def __releasebuffer__(self, Py_buffer *view):
        Py_XDECREF(<PyObject *>view.internal)

    cdef int open_window(self, Py_ssize_t room) except -1:
        cdef Py_ssize_t remaining = self.length - self.received
        if (
            self.in_payload
            and self.opcode < CLOSE
            and remaining >= max(IN_PLACE, room)
            and self.error is None
        ):
            self.reserve(min(remaining, STEP))
            self.window = <uint8_t *>_bytes_memory(self.payload) + self.filled
            self.window_size = min(self.capacity - self.filled, remaining)
            self.in_place = True
        else:
            if self.buffer is None:
                self.buffer = ReadBuffer()
            self.scratch = self.buffer.with_room(room)
            self.window = self.scratch.memory.octets
            self.window_size = self.scratch.size
            self.in_place = False
        return 0

    cdef int take_window(self, Py_ssize_t size, list frames) except -1:
        cdef uint8_t *data = self.window
        cdef bint in_place = self.in_place
        self.window_size = 0  # it is spent, whatever happens now
        self.in_place = False
        if self.torn:
            raise RuntimeError(
                "The decoder is in use, or lost its place when an error was raised"
            )
        self.torn = True
        if in_place:
            self.arrived(data, size, frames)
        else:
            self.feed(data, size, frames)
        self.torn = False
        return 0

    cdef int feed(self, uint8_t *data, Py_ssize_t size, list frames) except -1:
        cdef Py_ssize_t at = 0, used, more
        while at < size:
            if self.in_payload:
                at += self.fill(data + at, size - at, frames)
                if self.error is not None:
                    return 0
                continue
            if self.header_size == 0:
                if self.message_opcode == 0:
                    at += self.take_plain(data + at, size - at, frames)
                    if at == size or self.error is not None:
                        return 0
                used = self.read_header(data + at, size - at)
                if used > 0:
                    at += used
                elif used == 0:
                    self.header_size = size - at
                    memcpy(self.header, data + at, self.header_size)
                    return 0
                else:
                    return 0
            else:
                more = min(size - at, MAX_HEADER - self.header_size)
                memcpy(self.header + self.header_size, data + at, more)
                used = self.read_header(self.header, self.header_size + more)
                if used < 0:
                    return 0
                if used == 0:
                    self.header_size += more
                    return 0
                at += used - self.header_size
                self.header_size = 0
            self.begin_payload()
            if self.length <= size - at and (
                self.opcode >= CLOSE
                or not self.reassemble
                or (self.fin and self.message_opcode == 0)
            ):
                # All of it is here: no state but the message's needs to be kept.
                if self.opcode >= CLOSE:
                    self.emit_control(data + at, frames)
                else:
                    self.emit_whole(data + at, frames)
                if self.error is not None:
                    return 0
                at += self.length
            else:
                self.in_payload = True
                if self.length == 0:
                    self.finish_data(frames)
                    if self.error is not None:
                        return 0
        return 0

    cdef Py_ssize_t take_plain(
        self, uint8_t *data, Py_ssize_t size, list frames
    ) except -1:
        """Take what nearly all is: whole, unextended messages of up to 64 KiB.

        Gives how many octets they were. What follows them, be it right or wrong, is
        left to the code that knows all rules.
        """
        cdef Py_ssize_t at = 0, head, length
        cdef uint8_t *payload
        while True:
            head = self.plain_head(data + at, size - at, &length)
            if head == 0:
                return at
            payload = data + at + head
            if self.masked:
                ktorws_mask(payload, payload, length, payload - 4, 0)
            frame = self.whole(data[at] & OPCODE, payload, length)
            if frame is None:
                return at
            frames.append(frame)
            self.size += length
            at += head + length

    cdef inline Py_ssize_t plain_head(
        self, uint8_t *data, Py_ssize_t size, Py_ssize_t *length
    ) noexcept:
        """The octets of the header before such a message; 0: it is none."""
        cdef uint8_t mask = MASK if self.masked else 0
        cdef Py_ssize_t head = 2
        if size < 2 or data[0] not in (FIN | TEXT, FIN | BINARY):
            return 0
        length[0] = data[1] ^ mask
        if length[0] == LENGTH_16 and size >= 4:
            head = 4
            length[0] = data[2] << 8 | data[3]
            if length[0] < LENGTH_16:
                return 0
        elif length[0] >= LENGTH_16:
            return 0
        if self.masked:
            head += 4
        if length[0] > self.limit or length[0] > size - head:
            return 0
        return head

    @cython.critical_section
    cdef Frame read_one(self, Py_ssize_t nbytes):
        """As `read`, where that is one plain message; else None, and nothing is done.

        A client that answers each message reads nothing else.
        """
        cdef uint8_t *data = self.window
        cdef Py_ssize_t head, length
        if (
            nbytes > self.window_size
            or self.in_place
            or self.in_payload
            or self.header_size
            or self.message_opcode
            or self.masked
            or self.torn
            or self.error is not None
        ):
            return None
        head = self.plain_head(data, nbytes, &length)
        if head == 0 or head + length != nbytes:
            return None
        if data[0] & OPCODE == TEXT and not ktorws_is_ascii(data + head, length):
            return None
        self.torn = True
        self.special = False
        self.window_size = 0
        frame = self.whole(data[0] & OPCODE, data + head, length)
        self.size = length
        self.counters.frames += 1
        self.counters.payload += length
        self.counters.octets += nbytes
        self.torn = False
        return frame

    cdef inline Frame whole(self, uint8_t opcode, uint8_t *data, Py_ssize_t length):
        """A message without reserved bits; None where it is not, as `error` says."""
        cdef Frame frame
        if opcode == TEXT:
            # One pass judges and decodes; ASCII needs only to be copied.
            if ktorws_is_ascii(data, length):
                text = PyUnicode_New(length, 0x7F)
                memcpy(PyUnicode_DATA(<str>text), data, length)
            else:
                try:
                    text = PyUnicode_DecodeUTF8(<char *>data, length, NULL)
                except UnicodeDecodeError:
                    self.violate(InvalidTextError("Text message is not valid UTF-8"))
                    return None
            frame = TextFrame.__new__(TextFrame)
            frame._text = <str>text
        else:
            frame = BinaryFrame.__new__(BinaryFrame)
            frame._data = PyBytes_FromStringAndSize(<char *>data, length)
        frame._opcode = opcode
        frame._flags = FIN
        frame._size = length
        return frame

    cdef Py_ssize_t read_header(self, const uint8_t *data, Py_ssize_t size) except -2:
        """How many octets the header takes; 0: more are needed; -1: `error` is set."""
        cdef Py_ssize_t at = 2
        cdef uint8_t octet
        cdef uint64_t length
        cdef int i
        if not self.judge_octet_0(data[0]):
            return -1
        if size < 2:
            return 0
        octet = data[1]
        if not self.judge_octet_1(octet):
            return -1
        length = octet & LENGTH
        if length >= LENGTH_16:
            at = 4 if length == LENGTH_16 else 10
            if size < at:
                return 0
            length = 0
            for i in range(2, at):
                length = length << 8 | data[i]
        if not self.judge_length(at, length):
            return -1
        if octet & MASK:
            if size < at + 4:
                return 0
            memcpy(self.key, data + at, 4)
            at += 4
        self.length = <Py_ssize_t>length
        return at

    cdef bint judge_octet_0(self, uint8_t octet) except -1:
        self.fin = (octet & FIN) != 0
        self.opcode = octet & OPCODE
        if octet & RSV and (
            octet & RSV & ~self.reserved or self.opcode not in (TEXT, BINARY)
        ):
            return self.violate(ProtocolViolationError(
                "Reserved bits must be 0 unless an extension uses them"
            ))
        if self.opcode > PONG or BINARY < self.opcode < CLOSE:
            return self.violate(ProtocolViolationError(
                f"Unknown opcode: {self.opcode:#x}"
            ))
        if self.opcode >= CLOSE:
            if not self.fin:
                return self.violate(ProtocolViolationError(
                    "Control frames must be final"
                ))
        elif self.opcode == CONTINUATION:
            if self.message_opcode == 0:
                return self.violate(ProtocolViolationError(
                    "Continuation frame without a message to continue"
                ))
        elif self.message_opcode != 0:
            return self.violate(ProtocolViolationError(
                "New data frame before the previous message was finished"
            ))
        self.next_flags = octet & RSV
        return True

    cdef bint judge_octet_1(self, uint8_t octet) except -1:
        if ((octet & MASK) != 0) != self.masked:
            return self.violate(ProtocolViolationError(
                "Frames from a client must be masked"
                if self.masked
                else "Frames from a server must not be masked"
            ))
        if self.opcode >= CLOSE and octet & LENGTH > MAX_CONTROL:
            return self.violate(ProtocolViolationError(
                f"Control frames must not exceed {MAX_CONTROL} bytes"
            ))
        return True

    cdef bint judge_length(self, Py_ssize_t at, uint64_t length) except -1:
        """Judge a length that ended at octet ``at`` of the header."""
        if length >> 63:
            return self.violate(ProtocolViolationError(
                "Payload length must be below 2^63"
            ))
        if (at == 4 and length < LENGTH_16) or (at == 10 and length <= 0xFFFF):
            return self.violate(ProtocolViolationError(
                "Payload length must use the shortest encoding"
            ))
        if self.opcode >= CLOSE:
            return True
        if length > <uint64_t>self.limit or (
            <Py_ssize_t>length > self.limit - self.message_size
        ):
            total = length + self.message_size
            return self.violate(FrameTooBigError(
                f"Frame is too big: {total}, the limit is {self.limit}", total
            ))
        if self.opcode == CONTINUATION and self.fragments >= _MAX_FRAGMENTS:
            return self.violate(FrameTooBigError(
                f"Message has too many fragments: the limit is {_MAX_FRAGMENTS}",
                self.message_size + length,
            ))
        return True

    cdef int begin_payload(self) except -1:
        self.received = 0
        if self.opcode >= CLOSE:
            return 0
        if self.opcode != CONTINUATION:
            self.message_flags = self.next_flags
            self.message_is_text = self.opcode == TEXT and self.next_flags == 0
            self.utf8.need = 0
            self.message_size = 0
            self.fragments = 0
        self.fragments += 1
        return 0

    cdef int emit_whole(self, uint8_t *data, list frames) except -1:
        """A data frame, all of it in ``data``, which may be changed."""
        cdef Frame frame
        cdef int flags = FIN if self.fin else 0
        cdef bint alone = self.opcode != CONTINUATION and self.fin
        if self.masked:
            ktorws_mask(data, data, self.length, self.key, 0)
        if alone and not self.message_flags:
            frame = self.whole(self.opcode, data, self.length)
            if frame is None:
                return 0
        elif alone:
            frame = _make(
                self.opcode,
                FIN | self.message_flags,
                PyBytes_FromStringAndSize(<char *>data, self.length),
            )
            self.special = True
        else:
            if not self.judge_text(data, self.length, self.fin):
                return 0
            frame = _make(
                self.opcode if self.opcode != CONTINUATION else self.message_opcode,
                flags | (self.message_flags if self.opcode != CONTINUATION else 0),
                PyBytes_FromStringAndSize(<char *>data, self.length),
            )
            self.special = True
            self.go_on()
        self.size += self.length
        frames.append(frame)
        return 0

    cdef bint judge_text(
        self, const uint8_t *data, Py_ssize_t size, bint end
    ) except -1:
        if self.message_is_text and (
            not ktorws_utf8_feed(&self.utf8, data, size) or (end and self.utf8.need)
        ):
            return self.violate(InvalidTextError("Text message is not valid UTF-8"))
        return True

    cdef int go_on(self) except -1:
        """The message after the data frame that is complete now."""
        if self.fin:
            self.message_opcode = 0
            self.message_size = 0
        else:
            if self.opcode != CONTINUATION:
                self.message_opcode = self.opcode
            self.message_size += self.length
            self.counters.continued += 1
        return 0

    cdef int emit_control(self, uint8_t *data, list frames) except -1:
        cdef bytes payload
        if self.masked:
            ktorws_mask(data, data, self.length, self.key, 0)
        payload = PyBytes_FromStringAndSize(<char *>data, self.length)
        if self.opcode == CLOSE:
            error = _close_error(payload, _NOT_ALLOWED)
            if error is not None:
                self.violate(error)
                return 0
        self.special = True
        self.size += self.length
        _count_control(&self.counters, self.opcode)
        frames.append(_make(self.opcode, FIN, payload))
        return 0

    cdef Py_ssize_t fill(self, uint8_t *data, Py_ssize_t size, list frames) except -1:
        """Take what is the current frame's; gives how many octets that were."""
        cdef Py_ssize_t take = min(size, self.length - self.received)
        cdef uint8_t *to
        if self.opcode >= CLOSE:
            memcpy(self.control + self.received, data, take)
            self.received += take
            if self.received == self.length:
                self.in_payload = False
                self.emit_control(self.control, frames)
            return take
        self.reserve(take)
        to = <uint8_t *>_bytes_memory(self.payload) + self.filled
        memcpy(to, data, take)
        self.arrived(to, take, frames)
        return take

    cdef int arrived(self, uint8_t *data, Py_ssize_t size, list frames) except -1:
        """Octets of the payload are at their place."""
        cdef bint whole
        if self.masked:
            ktorws_mask(data, data, size, self.key, self.received & 3)
        self.received += size
        self.filled += size
        whole = self.received == self.length
        if not self.judge_text(data, size, whole and self.fin):
            return 0
        if whole:
            self.finish_data(frames)
        return 0

    cdef int reserve(self, Py_ssize_t more) except -1:
        """Room for so many more octets of the payload."""
        cdef Py_ssize_t needed = self.filled + more
        cdef Py_ssize_t declared = self.filled + self.length - self.received
        cdef Py_ssize_t room
        if self.payload is not NULL and needed <= self.capacity:
            return 0
        room = max(needed, min(declared, max(2 * self.filled, STEP)))
        if not self.fin:
            room = max(room, min(2 * self.filled, self.limit))
        if self.payload is not NULL:
            self.resize(room)
        elif self.memory is not None:
            self.payload = self.memory.take(
                room, declared + (min(declared, LARGEST) >> 2)
            )
            if _bytes_size(self.payload) > declared:
                # Now: later a view of the transport's may be in the way.
                _resize_bytes(&self.payload, declared)
            room = _bytes_size(self.payload)
        else:
            self.payload = _new_bytes(NULL, room)
        self.capacity = room
        return 0

    cdef int resize(self, Py_ssize_t size) except -1:
        """Move the payload to so much memory, in place where nobody else has it."""
        cdef PyObject *moved
        if Py_REFCNT(self.payload) == 1:
            self.capacity = 0
            _resize_bytes(&self.payload, size)
            return 0
        moved = _new_bytes(NULL, size)
        memcpy(
            _bytes_memory(moved),
            _bytes_memory(self.payload),
            min(size, self.filled),
        )
        Py_XDECREF(self.payload)
        self.payload = moved
        return 0

    cdef int finish_data(self, list frames) except -1:
        """The current data frame is complete, in memory of this object's."""
        cdef int opcode = self.opcode
        cdef int flags = self.message_flags
        cdef bytes data
        cdef bint fragment = opcode == CONTINUATION or not self.fin
        self.in_payload = False
        if opcode == CONTINUATION:
            opcode = self.message_opcode
            if not self.reassemble:
                flags = 0
        if self.length == 0 and not self.judge_text(NULL, 0, self.fin):
            return 0
        self.go_on()
        if self.reassemble and not self.fin:
            return 0
        data = self.take_payload()
        if self.fin:
            flags |= FIN
        frames.append(_make(opcode, flags, data))
        self.size += PyBytes_GET_SIZE(data)
        if flags & RSV or (fragment and not self.reassemble):
            self.special = True
        return 0

    cdef bytes take_payload(self):
        cdef bytes data
        if self.payload is NULL:
            return b""
        if self.capacity != self.filled:
            self.resize(self.filled)
        if self.memory is not None:
            self.memory.keep(self.payload)
        data = _owned(self.payload)
        self.payload = NULL
        self.capacity = 0
        self.filled = 0
        return data

    cdef bint violate(self, error) except -1:
        """Note the first violation; nothing after it counts."""
        self.error = error
        self.special = True
        self.drop_payload()
        return False

    cdef int drop_payload(self) except -1:
        self.in_payload = False
        Py_XDECREF(self.payload)
        self.payload = NULL
        self.capacity = 0
        self.filled = 0
        return 0


# --- Frames in, octets out ----------------------------------------------------------


@cython.final
cdef class FrameEncoder:
    """Turns what one connection sends into octets, and keeps the sender to the rules.

    Args:
        masking: mask the payload, as a client must.
        keys: where the masking keys come from; a source of its own unless given.
        memory: for large frames; new memory for each unless given.
    """

    def __cinit__(
        self, *, bint masking, MaskKeys keys=None, SpareMemory memory=None
    ):
        self.masking = masking
        self.keys = keys
        self.memory = memory
        self.hint = CORK_SIZE

    def __dealloc__(self):
        Py_XDECREF(self.cork)

    def encode(self, message):
        """The octets of one frame: a `Frame`, a str as text, bytes-like as binary.

        Raises:
            TypeError: the message is none of these.
            ValueError: it does not fit into the fragmented message being sent, or
                its text is not UTF-8. Nothing was changed then.
        """
        cdef Py_ssize_t room = 0
        return self.octets_of(message, NULL, &room)

    def append(self, message):
        """Add one frame's octets to those that `take` will give; gives their number.

        Raises as `encode` does.
        """
        return self.gather(message)

    @cython.critical_section
    cdef bytes octets_of(self, message, uint8_t *to, Py_ssize_t *room):
        """A frame's octets; None if there was room: then it is their number there."""
        cdef Outgoing out
        cdef Py_ssize_t size
        cdef PyObject *octets
        _keep = self.look_at(message, &out)
        self.draw_key(&out)
        size = out.header_size + out.size
        if size <= room[0]:
            room[0] = size
            self.write(to, &out)
            return None
        if self.memory is None or size < LARGE:
            octets = _new_bytes(NULL, size)
        else:
            octets = self.memory.take(size, size + (size >> 2))
            if _bytes_size(octets) != size:
                _resize_bytes(&octets, size)
            self.memory.keep(octets)
        self.write(<uint8_t *>_bytes_memory(octets), &out)
        return _owned(octets)

    @cython.critical_section
    cdef Py_ssize_t gather(self, message) except -1:
        cdef Outgoing out
        _keep = self.look_at(message, &out)
        self.draw_key(&out)
        self.make_room(out.header_size + out.size)
        self.write(<uint8_t *>_bytes_memory(self.cork) + self.pending, &out)
        self.pending += out.header_size + out.size
        return self.pending

    @cython.critical_section
    def take(self):
        """The octets of all frames that were appended since the last call."""
        cdef PyObject *cork = self.cork
        cdef Py_ssize_t capacity = self.capacity, size = self.pending
        if cork is NULL:
            return b""
        self.hint = min(max(size, CORK_SIZE), READ_SIZE)
        self.cork = NULL
        self.capacity = 0
        self.pending = 0
        octets = _shrunk(cork, capacity, size)
        if size >= LARGE and self.memory is not None:
            self.memory.keep(<PyObject *>octets)
        return octets

    @cython.critical_section
    def counts(self):
        """As `FrameDecoder.counts`, of what was encoded."""
        return _counted(&self.counters, self.counters.frames)

    cdef look_at(self, message, Outgoing *out):
        """Find a message's octets; what is given back keeps them alive."""
        if isinstance(message, Frame):
            return self.look_at_frame(<Frame>message, out)
        if self.message_opcode != 0:
            raise ValueError(
                "Cannot send a new message before the fragmented one is finished"
            )
        out.message_opcode = 0
        if isinstance(message, str):
            out.octet = FIN | TEXT
            return self.look_at_text(<str>message, out)
        out.octet = FIN | BINARY
        if isinstance(message, bytes):
            return self.look_at_bytes(<bytes>message, out)
        try:
            view = PyMemoryView_FromObject(message)
        except TypeError:
            raise TypeError(
                f"Cannot send {type(message).__name__}: "
                "a Frame, str or bytes-like object is needed"
            ) from None
        if not PyBuffer_IsContiguous(PyMemoryView_GET_BUFFER(view), b"C"):
            return self.look_at_bytes(view.tobytes(), out)
        out.data = <const uint8_t *>PyMemoryView_GET_BUFFER(view).buf
        out.size = PyMemoryView_GET_BUFFER(view).len
        return view

    cdef look_at_text(self, str text, Outgoing *out):
        if not PyUnicode_IS_ASCII(text):
            return self.look_at_bytes(PyUnicode_AsUTF8String(text), out)
        out.data = <const uint8_t *>PyUnicode_DATA(text)
        out.size = PyUnicode_GET_LENGTH(text)
        return text

    cdef look_at_bytes(self, bytes data, Outgoing *out):
        out.data = <const uint8_t *>PyBytes_AS_STRING(data)
        out.size = PyBytes_GET_SIZE(data)
        return data

    cdef look_at_frame(self, Frame frame, Outgoing *out):
        cdef bint is_text = False
        if frame._opcode == 0:
            raise TypeError("Cannot send a Frame that was never initialized")
        keep = (
            self.look_at_text(frame._text, out)
            if frame._data is None and frame._text is not None
            else self.look_at_bytes(frame.octets(), out)
        )
        out.message_opcode = self.message_opcode
        out.octet = frame._flags | frame._opcode
        if frame._opcode >= CLOSE:
            return keep
        if self.message_opcode != 0:
            if frame._opcode != self.message_opcode:
                raise ValueError(
                    f"Cannot send a {FrameType(frame._opcode).name} frame within "
                    f"a fragmented {FrameType(self.message_opcode).name} message"
                )
            out.octet = frame._flags & FIN
            out.utf8 = self.utf8
            is_text = self.message_is_text
        else:
            out.utf8.need = 0
            is_text = frame._opcode == TEXT and not frame._flags & RSV
        if is_text and (frame._text is None or out.utf8.need) and (
            not ktorws_utf8_feed(&out.utf8, out.data, out.size)
        ):
            raise ValueError("Text to send is not valid UTF-8")
        if frame._flags & FIN:
            if is_text and out.utf8.need:
                raise ValueError("Text to send is not valid UTF-8")
            out.message_opcode = 0
        else:
            out.message_opcode = frame._opcode
        out.message_is_text = is_text
        return keep

    cdef int draw_key(self, Outgoing *out) except -1:
        """Settle the masking and with it the header's size."""
        out.header_size = 2
        if out.size > 0xFFFF:
            out.header_size = 10
        elif out.size >= LENGTH_16:
            out.header_size = 4
        out.mask = 0
        if self.masking:
            if self.keys is None:
                self.keys = MaskKeys()
            self.keys.take(out.key)
            out.mask = MASK
            out.header_size += 4
        return 0

    cdef int write(self, uint8_t *to, Outgoing *out) noexcept:
        """Write the frame, and take over the state that it leaves."""
        cdef int at = 2, i
        to[0] = out.octet
        if out.size < LENGTH_16:
            to[1] = out.mask | <uint8_t>out.size
        else:
            at = 4 if out.size <= 0xFFFF else 10
            to[1] = out.mask | (LENGTH_16 if at == 4 else LENGTH_64)
            for i in range(2, at):
                to[i] = <uint8_t>(<uint64_t>out.size >> (8 * (at - 1 - i)))
        if out.mask:
            memcpy(to + at, out.key, 4)
            ktorws_mask(to + at + 4, out.data, out.size, out.key, 0)
        else:
            memcpy(to + at, out.data, out.size)
        self.counters.frames += 1
        self.counters.payload += out.size
        self.counters.octets += out.header_size + out.size
        if (out.octet & OPCODE) < CLOSE:
            self.message_opcode = out.message_opcode
            self.message_is_text = out.message_is_text
            self.utf8 = out.utf8
            self.counters.continued += not out.octet & FIN
        else:
            _count_control(&self.counters, out.octet & OPCODE)
        return 0

    cdef int make_room(self, Py_ssize_t size) except -1:
        cdef Py_ssize_t room = self.pending + size
        cdef PyObject *larger
        if room <= self.capacity:
            return 0
        if self.cork is NULL and room >= LARGE and self.memory is not None:
            self.cork = self.memory.take(room, room + (room >> 2))
            self.capacity = _bytes_size(self.cork)
            return 0
        room = max(room, max(2 * self.capacity, self.hint))
        larger = _new_bytes(NULL, room)
        if self.cork is not NULL:
            memcpy(_bytes_memory(larger), _bytes_memory(self.cork), self.pending)
            Py_XDECREF(self.cork)
        self.cork = larger
        self.capacity = room
        return 0


# --- A payload that grows -----------------------------------------------------------


@cython.final
cdef class PayloadBuffer:
    """Bytes put together from pieces without a second copy of the whole at the end."""

    def __dealloc__(self):
        Py_XDECREF(self.payload)

    @cython.critical_section
    def append(self, bytes piece not None):
        """Add a piece; gives the size of all."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(piece), filled = self.filled
        cdef Py_ssize_t room = filled + size
        if self.payload is NULL:
            self.payload = _new_bytes(NULL, room)
            self.capacity = room
        elif room > self.capacity:
            # A quarter ahead: large blocks move by their pages, not by copying.
            room += room >> 2
            self.capacity = 0
            self.filled = 0  # where there is no memory, nothing is left
            _resize_bytes(&self.payload, room)
            self.capacity = room
        memcpy(_bytes_memory(self.payload) + filled, PyBytes_AS_STRING(piece), size)
        self.filled = filled + size
        return self.filled

    @cython.critical_section
    def take(self):
        """All of it; the buffer is empty then."""
        cdef PyObject *payload = self.payload
        cdef Py_ssize_t capacity = self.capacity, size = self.filled
        if payload is NULL:
            return b""
        self.payload = NULL
        self.capacity = 0
        self.filled = 0
        return _shrunk(payload, capacity, size)


cdef bytes _shrunk(PyObject *memory, Py_ssize_t capacity, Py_ssize_t size):
    """The start of a bytes object that nobody else has, which this takes over."""
    if capacity != size:
        _resize_bytes(&memory, size)
    return _owned(memory)


cdef inline bytes _owned(PyObject *octets):
    """A reference that was the caller's, as one that Cython counts."""
    cdef bytes data = <bytes>octets
    Py_XDECREF(octets)
    return data


# --- The parts on their own -----------------------------------------------------------


def apply_mask(data, key, Py_ssize_t offset=0):
    """The data masked, or unmasked, from octet ``offset`` of the payload on.

    Raises:
        ValueError: the key is not 4 bytes, or the offset is negative.
    """
    cdef bytes octets = _payload(data, "apply_mask takes a bytes-like object")
    cdef bytes four = _payload(key, "The key must be a bytes-like object")
    cdef bytes masked
    if PyBytes_GET_SIZE(four) != 4:
        raise ValueError(f"A masking key has 4 bytes, not {PyBytes_GET_SIZE(four)}")
    if offset < 0:
        raise ValueError(f"The offset must not be negative: {offset}")
    masked = PyBytes_FromStringAndSize(NULL, PyBytes_GET_SIZE(octets))
    ktorws_mask(
        <uint8_t *>PyBytes_AS_STRING(masked),
        <const uint8_t *>PyBytes_AS_STRING(octets),
        PyBytes_GET_SIZE(octets),
        <const uint8_t *>PyBytes_AS_STRING(four),
        offset & 3,
    )
    return masked


def is_utf8(data):
    """Whether these octets are whole, valid UTF-8 (RFC 3629)."""
    cdef ktorws_utf8 state
    cdef bytes octets = _payload(data, "is_utf8 takes a bytes-like object")
    state.need = 0
    return (
        ktorws_utf8_feed(
            &state,
            <const uint8_t *>PyBytes_AS_STRING(octets),
            PyBytes_GET_SIZE(octets),
        )
        and state.need == 0
    )
