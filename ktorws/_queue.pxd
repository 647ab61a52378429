# What the compiled queue of received frames keeps.

from cpython.object cimport PyObject

from ktorws._frame cimport Frame, FrameDecoder
from ktorws._sending cimport Cork


cdef class FrameQueue:
    cdef PyObject **frames
    cdef Py_ssize_t room
    cdef Py_ssize_t first
    cdef Py_ssize_t count
    cdef object loop
    # Futures of those who wait.
    cdef object waiting       # the only one, or None
    cdef object crowd         # a deque of all of them, once they were several
    cdef object spare         # one that nobody waits for any more, and is not done
    # How the task went on that waited last, if it waits again.
    cdef object callback
    cdef object context
    cdef readonly Py_ssize_t _capacity
    cdef readonly Py_ssize_t _max_bytes
    # At least the payload bytes of all that wait: keeping it exact would cost every
    # receipt more than the frame itself.
    cdef readonly Py_ssize_t _size
    cdef public Py_ssize_t _resume_at
    cdef public bint _must_look
    cdef public bint _is_strict

    cdef int hand_over(self, list frames, Py_ssize_t size) except -1
    cdef int hand_over_one(self, Frame frame, Py_ssize_t size) except -1
    cdef int handed_over(self, Py_ssize_t number, bint is_full) except -1
    cdef _Receipt receipt(self, int wanted)
    cdef object wait(self)
    cdef int wake_now(self, future) except -1
    cdef int give_up(self, future) except -1
    cdef bint put(self, list frames, Py_ssize_t size) except -1
    cdef bint counted(self, Py_ssize_t number, Py_ssize_t size) noexcept
    cdef bint is_at_limit(self) noexcept
    cdef PyObject *pop(self) except NULL
    cdef int make_room(self, Py_ssize_t more) except -1
    cdef void emptied(self) noexcept
    cdef void drop(self) noexcept


cdef class Intake:
    cdef FrameDecoder decoder
    cdef Cork cork
    cdef FrameQueue queue
    cdef object special
    cdef public object instead   # called with the size of a read, unless None

    cdef int open(self) except -1
    cdef int take(self, Py_ssize_t size) except -1


cdef class _Receipt:
    cdef FrameQueue queue     # None when this is over
    cdef int wanted
    cdef Py_ssize_t limit
    cdef object future        # while it waits

    cdef int go_on(self, PyObject **result) except -1
    cdef int look(self, FrameQueue queue) except -1
