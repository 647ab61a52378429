# cython: language_level=3, boundscheck=False, wraparound=False
# cython: freethreading_compatible=True, auto_pickle=False, autotestdict=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""From a sender to the transport: what leaves at once, and what leaves together.

A coroutine of Python's, and a method that it calls, cost more than the frame that
they send. So `FrameSender.send` gives a coroutine that is compiled, and calls another
only where it must wait.
"""

cimport cython
from cpython.exc cimport PyErr_WarnEx
from cpython.object cimport PyObject
from libc.stdint cimport uint8_t

from ktorws._frame cimport CloseFrame


cdef extern from "_am_send.h":
    void ktorws_set_steps(type type, void *send, void *next)

cdef extern from "Python.h":
    enum:
        PYGEN_RETURN  # 0
        PYGEN_ERROR   # -1
        PYGEN_NEXT    # 1
    int PyIter_Send(object coroutine, object value, PyObject **result) except -1
    void Py_INCREF(PyObject *object)
    void Py_DECREF(PyObject *object)


cdef enum:
    # Bytes at most of a frame that is made where it needs no object.
    SMALL = 2048


cdef class OctetSink:
    """A transport that can do without an object for what it is to write."""

    cdef int take(self, const char *octets, Py_ssize_t size) except -1:
        """As ``write``; the memory is free to be used again then."""
        raise NotImplementedError


@cython.final
cdef class Cork:
    """Hands frames to a transport: two in a row at once, what follows together.

    What is written in one iteration of the loop behind two frames goes out at its
    end, or when ``limit`` is reached. So who answers each message with one never
    makes the loop come round again. A read begins anew, as an iteration does.

    Args:
        loop: whose iterations these are; in debug mode, where it finds calls from
            another thread, only the first frame goes out at once.
        encoder: makes octets of frames.
        limit: bytes that are gathered before they are written.
    """

    def __cinit__(self, loop, FrameEncoder encoder not None, Py_ssize_t limit):
        self.loop = loop
        self.encoder = encoder
        self.limit = limit
        self.debug = self.again = loop.get_debug()

    def open(self, transport, limit_reached):
        """From now on give octets to this transport; tell who asks of a full limit."""
        self.octets_to = transport.write
        self.sink = <OctetSink>transport if isinstance(transport, OctetSink) else None
        self.limit_reached = limit_reached

    def write(self, message):
        """Encode one frame behind those before it, and send it soon."""
        if not self.is_gathering:
            self.write_at_once(message)
        elif self.encoder.gather(message) >= self.limit:
            self.limit_reached()
            self.write_gathered()

    cdef int write_at_once(self, message) except -1:
        cdef uint8_t small[SMALL]
        cdef OctetSink sink = self.sink
        cdef Py_ssize_t size = 0 if sink is None else SMALL
        octets = self.encoder.octets_of(message, small, &size)
        if self.again:
            self.loop.call_soon(self._iteration_ended)
            self.is_gathering = True
        self.again = True
        if octets is None:
            sink.take(<const char *>small, size)
        else:
            self.octets_to(octets)
        return 0

    def write_gathered(self):
        """Send what was gathered, if the transport takes it."""
        if not self.is_full and self.encoder.pending:
            self.octets_to(self.encoder.take())

    cpdef begin_anew(self):
        """Frames that were gathered stay so; else the next one follows no other."""
        self.again = self.debug

    def pause(self):
        """The transport takes no more: gather."""
        self.is_full = self.is_gathering = True

    def close(self):
        """Give nothing to the transport any more, and forget it."""
        self.pause()
        self.octets_to = self.limit_reached = _ignore
        self.sink = None

    def _iteration_ended(self):
        if not self.is_full:
            self.is_gathering = False
            self.again = self.debug
            self.write_gathered()


def _ignore(*_):
    pass


cdef class FrameSender:
    """Sends at once what may leave at once.

    Who is to wait, and what becomes of a Close frame, is a subclass's affair: it
    defines ``_send_held(frame)``, a coroutine function, for these and for all that is
    sent while ``_held`` is set.

    Args:
        write: takes a frame that may leave.
    """

    cdef public bint _held
    cdef public object _write

    def __init__(self, write):
        self._write = write

    def send(self, frame):
        """Send a frame, a str as text or a bytes-like object as binary.

        Suspends while there is no room, and now and then to let other tasks run; the
        frame is sent after that or, if the call is cancelled or fails, not at all.
        A Close frame begins the closing handshake and waits for nothing.

        Raises:
            ClosedSendChannelError: a Close frame was sent or received.
            WebSocketError: a failure ended the session: this is it.
            ChannelOverflowError: no room, and the channel is set to CLOSE.
            TypeError: not something that can be sent.
            ValueError: not allowed now, or text that is not UTF-8.
        """
        cdef _Sending sending = _Sending.__new__(_Sending)
        sending.sender = self
        sending.frame = frame
        return sending


@cython.final
@cython.freelist(64)
cdef class _Sending:
    """A coroutine that sends one frame; sends nothing before it runs."""

    cdef FrameSender sender   # None when it has begun
    cdef object frame
    cdef object rest          # the coroutine that goes on where it must wait

    __name__ = "send"
    __qualname__ = "SendChannel.send"

    def __dealloc__(self):
        if self.sender is not None:
            _warn_never_awaited()

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        """Go on, as a coroutine does."""
        cdef PyObject *result = NULL
        cdef int said = self.go_on(value, &result)
        given = <object>result
        Py_DECREF(result)
        if said == PYGEN_RETURN:
            raise StopIteration
        return given

    def throw(self, kind, value=None, trace=None):
        """Go on with an error, as a coroutine does."""
        cdef FrameSender sender = self.sender
        error = kind if value is None else value
        if isinstance(error, type):
            error = error()
        if trace is not None:
            error = error.with_traceback(trace)
        self.sender = self.frame = None
        if self.rest is not None:
            return self.rest.throw(error)
        if sender is None:
            raise RuntimeError("cannot reuse already awaited coroutine")
        raise error

    def close(self):
        """Give up, as a coroutine does."""
        self.sender = self.frame = None
        if self.rest is not None:
            self.rest.close()

    cdef int go_on(self, value, PyObject **result) except -1:
        """A coroutine's step: PYGEN_RETURN, or PYGEN_NEXT."""
        cdef FrameSender sender = self.sender
        result[0] = NULL  # for an error
        if self.rest is not None:
            return PyIter_Send(self.rest, value, result)
        if sender is None:
            raise RuntimeError("cannot reuse already awaited coroutine")
        frame = self.frame
        self.sender = self.frame = None
        if sender._held or type(frame) is CloseFrame:
            self.rest = sender._send_held(frame)
            return PyIter_Send(self.rest, None, result)
        sender._write(frame)
        result[0] = <PyObject *>None
        Py_INCREF(result[0])
        return PYGEN_RETURN


cdef int _send(PyObject *sending, PyObject *value, PyObject **result) except -1:
    return (<_Sending>sending).go_on(<object>value, result)


cdef PyObject *_next(PyObject *sending) except? NULL:
    cdef PyObject *result = NULL
    if (<_Sending>sending).go_on(None, &result) == PYGEN_NEXT:
        return result
    Py_DECREF(result)  # it is None: that is NULL without an error
    return NULL


ktorws_set_steps(_Sending, <void *>_send, <void *>_next)


cdef int _warn_never_awaited() except -1:
    """As Python does where `await` was forgotten."""
    PyErr_WarnEx(
        RuntimeWarning, b"coroutine 'SendChannel.send' was never awaited", 1
    )
    return 0
