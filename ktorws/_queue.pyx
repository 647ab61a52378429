# cython: language_level=3, boundscheck=False, wraparound=False
# cython: freethreading_compatible=True, auto_pickle=False, autotestdict=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""Frames that wait for a reader, and readers that wait for a frame.

A coroutine of Python's costs as much as all that a small message needs before it, and
a future makes its task wait for the loop's next iteration. So `receive` gives a
`_Receipt`, a coroutine that gives a frame at hand within one call, and waits by an
`_Arrival`, from which its task can go on within the read that brought the frame.
"""

cimport cython
from cpython.exc cimport PyErr_SetObject
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.object cimport PyObject
from libc.string cimport memmove

from ktorws._frame cimport Frame, FrameDecoder
from ktorws._sending cimport Cork

import asyncio
import sys
from asyncio import CancelledError
from collections import deque

from ktorws.exceptions import ClosedReceiveChannelError

cdef extern from "_am_send.h":
    void ktorws_set_steps(type type, void *send, void *next)

cdef extern from *:
    """
    #ifdef Py_GIL_DISABLED
    #define ktorws_has_gil 0
    #else
    #define ktorws_has_gil 1
    #endif
    """
    const bint ktorws_has_gil


cdef object _current_task = asyncio.current_task
if sys.version_info < (3, 12):  # there it is a function of Python's
    _current_task = asyncio.tasks._current_tasks.get


class _NoLoop:
    @staticmethod
    def get_debug():
        return False


# What a task is told that it waited for: of `_Arrival` it would look up the result by
# a name that it makes anew each time. Without the GIL all threads would wait for it.
cdef object _arrived = None
if ktorws_has_gil:
    _arrived = asyncio.Future(loop=_NoLoop())
    _arrived.set_result(None)

cdef extern from "Python.h":
    enum:
        PYGEN_RETURN  # 0
        PYGEN_ERROR   # -1
        PYGEN_NEXT    # 1
    list _new_list "PyList_New"(Py_ssize_t size)
    void _fill "PyList_SET_ITEM"(list items, Py_ssize_t at, PyObject *item)
    PyObject *_item "PyList_GET_ITEM"(list items, Py_ssize_t at)
    void Py_INCREF(PyObject *object)
    void Py_DECREF(PyObject *object)
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1


cdef enum:
    # More room than this is not kept while nothing waits.
    KEPT = 64


cdef enum Wanted:
    ONE    # a frame
    NEXT   # a frame; the end in good order is that of `async for`
    MANY   # a list of frames


cdef Py_ssize_t UNLIMITED = sys.maxsize


cdef class FrameQueue:
    """Frames in order, each for one reader; readers in order, each for one frame.

    What depends on a session is a subclass's affair. It defines:

    * ``deliver(frames, size)``, which an `Intake` calls while ``_must_look`` is set;
    * ``_look()``, called while ``_must_look`` is set before a reader waits: raises
      when no frame will come;
    * ``_filled()``, called when frames came and a limit is reached or passed: while
      ``_is_strict`` is set, whoever waits for them, else when they are left;
    * ``_go_on()``, called when, after a reader took some, at most ``_resume_at`` wait.

    Args:
        loop: whose tasks wait.
        capacity: a limit, in frames.
        max_bytes: a limit, in payload bytes.
    """

    cdef PyObject **frames
    cdef Py_ssize_t room
    cdef Py_ssize_t first
    cdef Py_ssize_t count
    cdef object loop
    cdef _Arrival waiting      # the only one, or None
    cdef object crowd         # a deque of all of them, once they were several
    cdef readonly Py_ssize_t _capacity
    cdef readonly Py_ssize_t _max_bytes
    # At least the payload bytes of all that wait: keeping it exact would cost every
    # receipt more than the frame itself.
    cdef readonly Py_ssize_t _size
    cdef public Py_ssize_t _resume_at
    cdef public bint _must_look
    cdef public bint _is_strict

    def __init__(
        self, loop, Py_ssize_t capacity=UNLIMITED, Py_ssize_t max_bytes=UNLIMITED
    ):
        self.loop = loop
        self._capacity = capacity
        self._max_bytes = max_bytes
        self._resume_at = -1

    def __dealloc__(self):
        self.drop()

    def receive(self):
        """The next frame; waits for one.

        Raises:
            ClosedReceiveChannelError: the session was closed, and every frame that
                arrived has been received.
            WebSocketError: likewise, but a failure ended the session: this is it.
        """
        return self.receipt(ONE)

    def receive_many(self, limit=None):
        """All frames at hand in one list, at least one, at most ``limit``.

        Waits only while there is none. Raises as `receive` does.
        """
        cdef _Receipt receipt
        if limit is not None and limit < 1:
            raise ValueError(f"limit must be at least 1, not {limit}")
        receipt = self.receipt(MANY)
        if limit is not None:
            receipt.limit = min(limit, sys.maxsize)
        return receipt

    def __aiter__(self):
        return self

    def __anext__(self):
        """The next frame; ends after a close in good order, raises after a failure."""
        return self.receipt(NEXT)

    def __len__(self):
        """How many frames wait."""
        return self.count

    @cython.critical_section
    cdef hand_over(self, list frames, Py_ssize_t size):
        """Take frames with so many payload bytes; one who waits goes on at once.

        For the last step of a callback of the loop's: the task of the one who waits
        runs within this call, until it waits again.
        """
        cdef _Arrival waiting
        cdef bint is_full
        if self._must_look:
            self.deliver(frames, size)
            return None
        is_full = self.put(frames, size)
        if is_full and self._is_strict:
            self._filled()
        waiting = self.waiting
        if waiting is not None:
            self.waiting = None
            waiting.set_now()
        elif self.crowd:
            self._wake(len(frames))
        if is_full and self.count and self.is_at_limit():  # nobody has taken them
            self._filled()

    @cython.critical_section
    def _put(self, list frames not None, Py_ssize_t size):
        """Add frames with so many payload bytes, and wake so many readers.

        Gives whether a limit is reached.
        """
        cdef bint is_full = self.put(frames, size)
        self._wake(len(frames))
        return is_full

    def _wake(self, Py_ssize_t number):
        """Wake so many of those that wait, longest first."""
        cdef _Arrival arrival = self.waiting
        if arrival is not None and number > 0:
            self.waiting = None
            arrival.set()
            number -= 1
        while self.crowd and number > 0:
            arrival = self.crowd.popleft()
            if arrival.callback is not None:  # else it was cancelled
                arrival.set()
                number -= 1

    @cython.critical_section
    def _take(self, Py_ssize_t limit):
        """So many of the frames in a list, or as many as there are."""
        cdef Py_ssize_t size = min(limit, self.count), at
        cdef list frames = _new_list(size)
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
        """The payload sizes of all that wait, in order; `_size` is exact then."""
        cdef Py_ssize_t at
        cdef list sizes = [
            (<Frame>self.frames[self.first + at])._size for at in range(self.count)
        ]
        self._size = sum(sizes)
        return sizes

    @cython.critical_section
    def _clear(self):
        """Drop all that wait."""
        self.drop()

    @property
    def _readers(self):
        """How many wait for a frame."""
        return (self.waiting is not None) + (len(self.crowd) if self.crowd else 0)

    cdef _Receipt receipt(self, Wanted wanted):
        cdef _Receipt receipt = _Receipt.__new__(_Receipt)
        receipt.queue = self
        receipt.wanted = wanted
        receipt.limit = UNLIMITED
        return receipt

    cdef _Arrival wait(self):
        """A place behind those that wait already."""
        cdef _Arrival arrival = _Arrival.__new__(_Arrival)
        arrival._loop = self.loop
        arrival.blocking = True
        if self.waiting is None and not self.crowd:
            self.waiting = arrival
        else:
            if self.crowd is None:
                self.crowd = deque()
            if self.waiting is not None:
                self.crowd.append(self.waiting)
                self.waiting = None
            self.crowd.append(arrival)
        return arrival

    cdef int give_up(self, _Arrival arrival) except -1:
        """One who waited does not any more."""
        if arrival is self.waiting:
            self.waiting = None
        elif self.crowd and arrival in self.crowd:
            self.crowd.remove(arrival)
        elif self.count:  # woken, and then cancelled: it is another's turn
            self._wake(1)
        return 0

    cdef bint put(self, list frames, Py_ssize_t size) except -1:
        cdef Py_ssize_t number = len(frames), at
        cdef PyObject *frame
        for at in range(number):
            if not isinstance(<object>_item(frames, at), Frame):
                raise TypeError("Only frames can wait to be received")
        self.make_room(number)
        for at in range(number):
            frame = _item(frames, at)
            Py_INCREF(frame)
            self.frames[self.first + self.count + at] = frame
        self._size = self._size + size if self.count else size
        self.count += number
        return self.is_at_limit()

    cdef inline bint is_at_limit(self) noexcept:
        return self.count >= self._capacity or self._size >= self._max_bytes

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
        self.room = self.first = self.count = self._size = 0
        for at in range(count):
            Py_DECREF(frames[first + at])
        PyMem_Free(frames)


@cython.final
cdef class Intake:
    """Brings frames from a transport's reads to the queue that they wait in.

    Args:
        decoder: whose memory is read into.
        cork: begins anew with each read.
        queue: gets them; one who waits there goes on within the read.
        special: takes the frames of a read instead, where the decoder says so.
    """

    cdef FrameDecoder decoder
    cdef Cork cork
    cdef FrameQueue queue
    cdef object special
    cdef public object instead   # called with the size of a read, unless None

    def __cinit__(
        self,
        FrameDecoder decoder not None,
        Cork cork not None,
        FrameQueue queue not None,
        special,
    ):
        self.decoder = decoder
        self.cork = cork
        self.queue = queue
        self.special = special

    def buffer_updated(self, Py_ssize_t nbytes):
        """So many octets are in the decoder's memory (`asyncio.BufferedProtocol`)."""
        cdef list frames
        if self.instead is not None:
            self.instead(nbytes)
            return
        frames = self.decoder.read(nbytes)
        self.cork.begin_anew()
        if self.decoder.special:
            self.special(frames)
        elif frames:  # the last step: a task of the user's may run within it
            self.queue.hand_over(frames, self.decoder.size)


@cython.final
@cython.freelist(64)
cdef class _Receipt:
    """A coroutine that gives what a queue has; takes nothing before it runs."""

    cdef FrameQueue queue     # None when this is over
    cdef Wanted wanted
    cdef Py_ssize_t limit
    cdef _Arrival arrival      # while it waits

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
        cdef int said = self.go_on(&result)
        given = <object>result
        Py_DECREF(result)
        if said == PYGEN_RETURN:
            raise StopIteration(given)
        return given

    def throw(self, kind, value=None, trace=None):
        """Go on with an error, as a coroutine does: this is over."""
        cdef FrameQueue queue = self.queue
        cdef _Arrival arrival = self.arrival
        self.queue = self.arrival = None
        if queue is not None and arrival is not None:
            queue.give_up(arrival)
        error = kind if value is None else value
        if isinstance(error, type):
            error = error()
        raise error if trace is None else error.with_traceback(trace)

    def close(self):
        """Give up, as a coroutine does."""
        cdef FrameQueue queue = self.queue
        cdef _Arrival arrival = self.arrival
        self.queue = self.arrival = None
        if queue is not None and arrival is not None:
            queue.give_up(arrival)

    cdef int go_on(self, PyObject **result) except -1:
        """A coroutine's step: PYGEN_RETURN with what was wanted, or PYGEN_NEXT."""
        cdef FrameQueue queue = self.queue
        result[0] = NULL  # for an error
        if queue is None:
            raise RuntimeError("cannot reuse already awaited coroutine")
        if self.arrival is not None:
            self.arrival = None
        if queue.count == 0:
            if queue._must_look:
                self.look(queue)
            if queue.count == 0:
                self.arrival = queue.wait()
                result[0] = <PyObject *>self.arrival
                Py_INCREF(result[0])
                return PYGEN_NEXT
        self.queue = None
        if self.wanted == MANY:
            frames = queue._take(self.limit)
            result[0] = <PyObject *>frames
            Py_INCREF(result[0])
        else:
            result[0] = queue.pop()
        return PYGEN_RETURN

    cdef int look(self, FrameQueue queue) except -1:
        """Raise where no frame will come."""
        try:
            queue._look()
        except ClosedReceiveChannelError:
            self.queue = None
            if self.wanted != NEXT:
                raise
            raise StopAsyncIteration from None
        except BaseException:
            self.queue = None
            raise
        return 0


cdef int _send(PyObject *receipt, PyObject *value, PyObject **result) except -1:
    return (<_Receipt>receipt).go_on(result)


cdef PyObject *_next(PyObject *receipt) except? NULL:
    cdef PyObject *result = NULL
    if (<_Receipt>receipt).go_on(&result) == PYGEN_NEXT:
        return result
    PyErr_SetObject(StopIteration, <object>result)
    Py_DECREF(result)
    return NULL


ktorws_set_steps(_Receipt, <void *>_send, <void *>_next)


@cython.final
@cython.freelist(64)
cdef class _Arrival:
    """What a reader's task waits for, once: as much of a future as a task needs."""

    cdef readonly object _loop   # whose task can wait for this
    cdef bint blocking
    cdef object callback      # how the task goes on; None when it does
    cdef object context
    cdef bint is_cancelled
    cdef object message

    cdef int set(self) except -1:
        """Let the task go on, in the loop's next iteration."""
        callback, self.callback = self.callback, None
        if callback is not None:
            self._loop.call_soon(callback, self, context=self.context)
        return 0

    cdef int set_now(self) except -1:
        """Let the task go on, and come back when it waits again.

        Not within a task: there it is as `set`.
        """
        callback, context = self.callback, self.context
        if callback is None or _current_task(self._loop) is not None:
            return self.set()
        self.callback = None
        PyContext_Enter(context)
        try:
            callback(self if _arrived is None else _arrived)
        except (SystemExit, KeyboardInterrupt) as error:
            # The transport would take it for an error of its own.
            self._loop.call_soon(_raise, error)
        finally:
            PyContext_Exit(context)
        return 0

    # What a task calls.

    @property
    def _asyncio_future_blocking(self):
        return self.blocking

    @_asyncio_future_blocking.setter
    def _asyncio_future_blocking(self, bint value):
        self.blocking = value

    def add_done_callback(self, callback, *, context):
        """Take note of how the task goes on."""
        self.callback = callback
        self.context = context

    def done(self):
        """Whether the task goes on, or is about to."""
        return self.callback is None

    def cancel(self, msg=None):
        """Let the task go on with a `CancelledError`, unless it goes on already."""
        if self.callback is None:
            return False
        self.is_cancelled = True
        self.message = msg
        self.set()
        return True

    def result(self):
        """What the task learns when it goes on."""
        if self.is_cancelled:
            raise CancelledError() if self.message is None else CancelledError(
                self.message
            )


def _raise(error):
    raise error
