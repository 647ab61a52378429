# cython: language_level=3, boundscheck=False, wraparound=False
# cython: freethreading_compatible=True, auto_pickle=False, autotestdict=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""Frames that wait for a reader, and readers that wait for a frame.

A coroutine of Python's costs as much as all that a small message needs before it, and
a future makes its task wait for the loop's next iteration. So `receive` gives a
`_Receipt`, a coroutine that gives a frame at hand within one call, and where it waits
for a future, its task can go on within the read that brought the frame.
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
from collections import deque
from types import GetSetDescriptorType

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

    static inline int
    ktorws_set(PyObject *descriptor, PyObject *of, PyObject *value)
    {
        return Py_TYPE(descriptor)->tp_descr_set(descriptor, of, value);
    }
    """
    const bint ktorws_has_gil
    int _set "ktorws_set"(object descriptor, object of, object value) except -1


cdef object _current_task = asyncio.current_task
# Of each loop, if there is one: `current_task` is a function of Python's before 3.12.
cdef dict _current_tasks = None
if sys.version_info < (3, 12):
    _current_tasks = asyncio.tasks._current_tasks


# What a future's own type says to its names, as looking them up costs more than that.
cdef object _Future = asyncio.Future
cdef object _remove_callback = asyncio.Future.remove_done_callback
cdef object _blocking = vars(asyncio.Future).get("_asyncio_future_blocking")
if type(_blocking) is not GetSetDescriptorType:  # asyncio is plain Python here
    _Future = None


cdef inline bint _is_within_task(loop) except -1:
    if _current_tasks is None:
        return _current_task(loop) is not None
    return len(_current_tasks) > 0 and _current_tasks.get(loop) is not None


class _NoLoop:
    @staticmethod
    def get_debug():
        return False


# What a task is told that it waited for, while the future it did wait for stays as it
# is, for the next one. Without the GIL all threads would wait for this.
cdef object _arrived = None
# From 3.14 on a future also knows whose task waits for it.
cdef bint _spares_futures = sys.version_info < (3, 14)
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

    cdef int hand_over(self, list frames, Py_ssize_t size) except -1:
        """Take frames with so many payload bytes; one who waits goes on at once.

        For the last step of a callback of the loop's: the task of the one who waits
        runs within this call, until it waits again.
        """
        if self._must_look:
            self.deliver(frames, size)
            return 0
        with cython.critical_section(self):
            is_full = self.put(frames, size)
        return self.handed_over(len(frames), is_full)

    cdef int hand_over_one(self, Frame frame, Py_ssize_t size) except -1:
        """As `hand_over`, with one frame."""
        if self._must_look:
            self.deliver([frame], size)
            return 0
        with cython.critical_section(self):
            self.make_room(1)
            Py_INCREF(<PyObject *>frame)
            self.frames[self.first + self.count] = <PyObject *>frame
            is_full = self.counted(1, size)
        return self.handed_over(1, is_full)

    @cython.critical_section
    cdef int handed_over(self, Py_ssize_t number, bint is_full) except -1:
        if is_full and self._is_strict:
            self._filled()
        waiting = self.waiting
        if waiting is not None:
            self.waiting = None
            self.wake_now(waiting)
        elif self.crowd:
            self._wake(number)
        if is_full and self.count and self.is_at_limit():  # nobody has taken them
            self._filled()
        return 0

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
        self.callback = self.context = None
        future = self.waiting
        if future is not None and number > 0:
            self.waiting = None
            _wake(future)
            number -= 1
        while self.crowd and number > 0:
            if _wake(self.crowd.popleft()):  # else he was cancelled
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

    cdef _Receipt receipt(self, int wanted):
        cdef _Receipt receipt = _Receipt.__new__(_Receipt)
        receipt.queue = self
        receipt.wanted = wanted
        receipt.limit = UNLIMITED
        return receipt

    cdef object wait(self):
        """A place behind those that wait already."""
        future, self.spare = self.spare, None
        if future is None:
            future = self.loop.create_future()
        if type(future) is _Future:
            _set(_blocking, future, True)  # as its own `__await__` says
        else:
            future._asyncio_future_blocking = True
        if self.waiting is None and not self.crowd:
            self.waiting = future
        else:
            if self.crowd is None:
                self.crowd = deque()
            if self.waiting is not None:
                self.crowd.append(self.waiting)
                self.waiting = None
            self.crowd.append(future)
        return future

    cdef int wake_now(self, future) except -1:
        """Let one who waits go on, and come back when his task waits again.

        Not within a task: there in the loop's next iteration.
        """
        if _arrived is None or _is_within_task(self.loop):
            _wake(future)
            return 0
        callback, context = self.callback, self.context
        self.callback = self.context = None
        if callback is None or not (
            _remove_callback(future, callback)
            if type(future) is _Future
            else future.remove_done_callback(callback)
        ):
            # Another one than the last time. Callbacks are equal if their tasks are.
            callbacks = future._callbacks
            if type(callbacks) is not list or len(<list>callbacks) != 1:
                _wake(future)
                return 0
            callback, context = <tuple>(<list>callbacks)[0]
            future.remove_done_callback(callback)
        if _spares_futures:
            self.spare = future
        try:
            PyContext_Enter(context)
        except RuntimeError:  # the callback that reads runs in it already
            self.loop.call_soon(callback, _arrived, context=context)
            return 0
        try:
            callback(_arrived)
        except (SystemExit, KeyboardInterrupt) as error:
            # The transport would take it for an error of its own.
            self.loop.call_soon(_raise, error)
        finally:
            PyContext_Exit(context)
        if self.waiting is future:
            self.callback, self.context = callback, context
        return 0

    cdef int give_up(self, future) except -1:
        """One who waited does not any more."""
        self.callback = self.context = None
        if future is self.waiting:
            self.waiting = None
        elif self.crowd and future in self.crowd:
            self.crowd.remove(future)
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
        return self.counted(number, size)

    cdef inline bint counted(self, Py_ssize_t number, Py_ssize_t size) noexcept:
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
        self.take(nbytes)

    cdef int open(self) except -1:
        """Let the decoder's window be where the next octets go."""
        with cython.critical_section(self.decoder):
            self.decoder.open_window(-1)
        return 0

    cdef int take(self, Py_ssize_t size) except -1:
        """So many octets are in the decoder's window."""
        cdef Frame frame
        cdef list frames
        if self.instead is not None:
            self.instead(size)
            return 0
        frame = self.decoder.read_one(size)
        if frame is not None:
            self.cork.begin_anew()
            return self.queue.hand_over_one(frame, self.decoder.size)
        frames = self.decoder.read(size)
        self.cork.begin_anew()
        if self.decoder.special:
            self.special(frames)
        elif frames:  # the last step: a task of the user's may run within it
            self.queue.hand_over(frames, self.decoder.size)
        return 0


@cython.final
@cython.freelist(64)
cdef class _Receipt:
    """A coroutine that gives what a queue has; takes nothing before it runs."""

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
        future = self.future
        self.queue = self.future = None
        if queue is not None and future is not None:
            queue.give_up(future)
        error = kind if value is None else value
        if isinstance(error, type):
            error = error()
        raise error if trace is None else error.with_traceback(trace)

    def close(self):
        """Give up, as a coroutine does."""
        cdef FrameQueue queue = self.queue
        future = self.future
        self.queue = self.future = None
        if queue is not None and future is not None:
            queue.give_up(future)

    cdef int go_on(self, PyObject **result) except -1:
        """A coroutine's step: PYGEN_RETURN with what was wanted, or PYGEN_NEXT."""
        cdef FrameQueue queue = self.queue
        result[0] = NULL  # for an error
        if queue is None:
            raise RuntimeError("cannot reuse already awaited coroutine")
        self.future = None
        if queue.count == 0:
            if queue._must_look:
                self.look(queue)
            if queue.count == 0:
                self.future = queue.wait()
                result[0] = <PyObject *>self.future
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


cdef bint _wake(future) except -1:
    """Let one who waits go on, in the loop's next iteration; False if he does not."""
    if future.done():
        return False
    future.set_result(None)
    return True


def _raise(error):
    raise error
