# What a transport over TLS does in its own way, and what it needs for that.

from cpython.object cimport PyObject

from ktorws._queue cimport Intake
from ktorws._sending cimport OctetSink


cdef class SocketTransport(OctetSink):
    cdef object loop
    cdef object sock         # None once it is closed
    cdef int fd
    cdef object protocol
    cdef Intake intake       # the protocol's, or None
    cdef PyObject *reader    # the `_Reader` that the loop has, by which it reads
    cdef bint dropped        # the loop let it go, but has not forgotten the socket
    cdef bint paused
    cdef bint closing        # no more is read or written
    cdef bint ended          # connection_lost was called, or will be
    cdef bint eof            # the last octet was written
    cdef object broken       # the error of writing, when only reading goes on
    # What the socket did not take.
    cdef object backlog      # a deque; None while the loop does not watch for room
    cdef Py_ssize_t size
    cdef Py_ssize_t low
    cdef Py_ssize_t high
    cdef bint full           # the protocol was told to pause

    cdef Py_ssize_t get(self, void *memory, Py_ssize_t size) except? -2
    cdef bint holds(self) noexcept
    cdef object error_of(self, Py_ssize_t number)
    cdef int read_on(self) except -1
    cdef int read_no_more(self) except -1
    cdef int forget(self) except -1
    cdef int read(self) except -1
    cdef Py_ssize_t receive(self) except? -1
    cdef int shut(self) except -1
    cdef Py_ssize_t send(self, const void *memory, Py_ssize_t size) except -2
    cdef int fail(self, Py_ssize_t number) except -1
    cdef bint is_writable(self) except -1
    cdef Py_ssize_t passed(self, const char *octets, Py_ssize_t size) except -2
    cdef bint pass_on(self, octets) except -1
    cdef int put_back(self, rest) except -1
    cdef int await_room(self) except -1
    cdef bint settle(self) except -1
    cdef int write_no_more(self) except -1
    cdef int pause_if_full(self) except -1
    cdef int tell(self, method) except -1
    cdef int finish(self) except -1
    cdef int report(self, error, str message) except -1
    cdef int end(self, error) except -1
