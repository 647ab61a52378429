# What the compiled way out keeps.

from ktorws._frame cimport FrameEncoder


cdef class OctetSink:
    cdef int take(self, const char *octets, Py_ssize_t size) except -1


cdef class Cork:
    cdef object loop
    cdef FrameEncoder encoder
    cdef OctetSink sink             # the transport, if it is one
    cdef object octets_to
    cdef object limit_reached
    cdef Py_ssize_t limit
    cdef bint debug
    cdef bint again                 # the next write follows another
    cdef public bint is_full        # the transport takes no more
    cdef public bint is_gathering   # two frames went out, or none may

    cdef int write_at_once(self, message) except -1
    cpdef begin_anew(self)
