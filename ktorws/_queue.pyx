# cython: language_level=3, boundscheck=False, wraparound=False
# cython: freethreading_compatible=True, auto_pickle=False, autotestdict=False
# cython: embedsignature=True, embedsignature.format=python
"""Frames that wait to be received, and an awaitable that gives the next of them.

A coroutine of Python's costs as much as all that a small message needs before it. So
`receive` gives a `Receipt`, which is a coroutine as well; where a frame is at hand, it
gives it within one call. Otherwise, and for all that depends on an event loop, it runs
a coroutine of the queue's subclass.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject
from libc.string cimport memmove

from ktorws._frame cimport Frame


cdef extern from *:
    """
    /* What `await` calls: without it, each frame would travel in a StopIteration. */
    #define ktorws_set_send(type, function) \
        (((PyTypeObject *)(type))->tp_as_async->am_send = (sendfunc)(function))
    """
    void ktorws_set_send(type type, void *function)

cdef extern from "Python.h":
    enum:
        PYGEN_RETURN  # 0
        PYGEN_ERROR   # -1
        PYGEN_NEXT    # 1
    int PyIter_Send(object iterator, object value, PyObject **result) except -1
    list _new_list "PyList_New"(Py_ssize_t size)
    void _fill "PyList_SET_ITEM"(list items, Py_ssize_t at, PyObject *item)
    PyObject *_item "PyList_GET_ITEM"(list items, Py_ssize_t at)
    void Py_INCREF(PyObject *object)
    void Py_DECREF(PyObject *object)


cdef enum:
    # More than this is not kept while nothing waits.
    KEPT = 64


cdef class FrameQueue:
    """Frames in order; a subclass says how to wait for one.

    It defines ``_arrival()``, a coroutine that ends when there is a frame or raises;
    ``_arrival_or_end()``, which may raise `StopAsyncIteration` as well; ``_go_on()``,
    called when after a receipt no more than ``_resume_at`` frames wait.
    """

    cdef PyObject **frames
    cdef Py_ssize_t room
    cdef Py_ssize_t first
    cdef Py_ssize_t count
    cdef public Py_ssize_t _resume_at

    def __cinit__(self, *args, **options):
        self._resume_at = -1

    def __dealloc__(self):
        self.drop()
        PyMem_Free(self.frames)

    def receive(self):
        """The next frame; waits for one.

        Raises:
            ClosedReceiveChannelError: the session was closed, and every frame that
                arrived has been received.
            WebSocketError: likewise, but a failure ended the session: this is it.
        """
        cdef Receipt receipt = Receipt.__new__(Receipt)
        receipt.queue = self
        return receipt

    def __aiter__(self):
        return self

    def __anext__(self):
        """The next frame; ends after a close in good order, raises after a failure."""
        cdef Receipt receipt = Receipt.__new__(Receipt)
        receipt.queue = self
        receipt.may_end = True
        return receipt

    def __len__(self):
        """How many frames wait."""
        return self.count

    @cython.critical_section
    def _put(self, list frames not None):
        """Add frames behind those that wait."""
        cdef Py_ssize_t size = len(frames), at
        cdef PyObject *frame
        for at in range(size):
            if not isinstance(<object>_item(frames, at), Frame):
                raise TypeError("Only frames can wait to be received")
        self.make_room(size)
        for at in range(size):
            frame = _item(frames, at)
            Py_INCREF(frame)
            self.frames[self.first + self.count + at] = frame
        self.count += size

    @cython.critical_section
    def _take(self, Py_ssize_t limit):
        """So many of them in a list, or as many as there are."""
        cdef Py_ssize_t size = min(limit, self.count), at
        frames = _new_list(size)
        for at in range(size):
            _fill(frames, at, self.frames[self.first + at])
        self.first += size
        self.count -= size
        if self.count == 0:
            self.emptied()
        if self.count <= self._resume_at:
            self._go_on()
        return frames

    @cython.critical_section
    def _sizes(self):
        """The payload sizes of all that wait, in order."""
        cdef Py_ssize_t at
        return [
            len(<object>self.frames[self.first + at]) for at in range(self.count)
        ]

    @cython.critical_section
    def _clear(self):
        """Drop all that wait."""
        self.drop()

    cdef PyObject *pop(self) except NULL:
        """The first frame, of which there must be one; it is the caller's now."""
        cdef PyObject *frame
        with cython.critical_section(self):
            frame = self.frames[self.first]
            self.first += 1
            self.count -= 1
            if self.count == 0:
                self.emptied()
        if self.count <= self._resume_at:
            self._go_on()
        return frame

    cdef int make_room(self, Py_ssize_t more) except -1:
        cdef PyObject **larger
        cdef Py_ssize_t room
        if self.first + self.count + more <= self.room:
            return 0
        if self.first:
            memmove(
                self.frames,
                self.frames + self.first,
                self.count * sizeof(PyObject *),
            )
            self.first = 0
        if self.count + more <= self.room:
            return 0
        room = max(self.count + more, 2 * self.count)
        larger = <PyObject **>PyMem_Realloc(self.frames, room * sizeof(PyObject *))
        if larger is NULL:
            raise MemoryError
        self.frames = larger
        self.room = room
        return 0

    cdef inline void emptied(self) noexcept:
        self.first = 0
        if self.room > KEPT:
            PyMem_Free(self.frames)
            self.frames = NULL
            self.room = 0

    cdef void drop(self) noexcept:
        cdef Py_ssize_t at, first = self.first, count = self.count
        cdef PyObject **frames = self.frames
        self.frames = NULL
        self.room = self.first = self.count = 0
        for at in range(count):
            Py_DECREF(frames[first + at])
        PyMem_Free(frames)


@cython.final
@cython.freelist(64)
cdef class Receipt:
    """A coroutine that gives a queue's next frame; takes none before it runs."""

    cdef FrameQueue queue     # None when this is over
    cdef bint may_end         # the end of the queue is StopAsyncIteration
    cdef object waiting       # the coroutine that waits for a frame

    __name__ = "receive"
    __qualname__ = "ReceiveChannel.receive"

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
            raise StopIteration(given)
        return given

    def throw(self, *error):
        """Go on with an error, as a coroutine does."""
        waiting = _no_wait() if self.waiting is None else self.waiting
        try:
            return waiting.throw(*error)
        except BaseException:
            self.queue = self.waiting = None
            raise

    def close(self):
        """Give up, as a coroutine does."""
        waiting = self.waiting
        self.queue = self.waiting = None
        if waiting is not None:
            waiting.close()

    cdef int go_on(self, value, PyObject **result) except -1:
        """A coroutine's step: PYGEN_RETURN with a frame, or PYGEN_NEXT to wait."""
        cdef FrameQueue queue = self.queue
        if queue is None:
            raise RuntimeError("cannot reuse already awaited coroutine")
        if self.waiting is None:
            if queue.count == 0:
                self.waiting = (
                    queue._arrival_or_end() if self.may_end else queue._arrival()
                )
        if self.waiting is not None:
            try:
                if PyIter_Send(self.waiting, value, result) == PYGEN_NEXT:
                    return PYGEN_NEXT
            except BaseException:
                self.queue = self.waiting = None
                raise
            Py_DECREF(result[0])
            self.waiting = None
        self.queue = None
        result[0] = queue.pop()
        return PYGEN_RETURN


async def _no_wait():
    """A coroutine that has not begun: an error thrown into it comes out."""


cdef int _send(PyObject *receipt, PyObject *value, PyObject **result) except -1:
    return (<Receipt>receipt).go_on(<object>value, result)


ktorws_set_send(Receipt, <void *>_send)
