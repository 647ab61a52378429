# cython: language_level=3, boundscheck=False, wraparound=False
# cython: freethreading_compatible=True, auto_pickle=False, autotestdict=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""A stream socket as a transport, on any event loop that watches sockets.

The loops' own cost a small message as much as all that this library does with it: for
asyncio's is Python, and libuv enters and leaves the interpreter twice for each read.
"""

cimport cython
from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.object cimport PyObject
from libc.errno cimport EAGAIN, ECONNRESET, EINTR, EPIPE

from ktorws._sending cimport OctetSink

import os
import socket
import warnings
from asyncio import trsock
from collections import deque

cdef extern from *:
    """
    #include <errno.h>
    #include <sys/types.h>
    #include <sys/socket.h>
    #include <netinet/in.h>
    #include <netinet/tcp.h>

    #ifndef MSG_NOSIGNAL
    #define MSG_NOSIGNAL 0
    #endif

    /* How many octets, or minus an errno, before anything can change that. */
    static inline Py_ssize_t
    ktorws_received(int fd, void *memory, Py_ssize_t size, int flags)
    {
        ssize_t received = recv(fd, memory, size, flags);
        return received >= 0 ? received : -errno;
    }

    static inline Py_ssize_t
    ktorws_sent(int fd, const void *memory, Py_ssize_t size)
    {
        ssize_t sent = send(fd, memory, size, MSG_NOSIGNAL);
        return sent >= 0 ? sent : -errno;
    }
    """
    enum:
        IPPROTO_TCP
        MSG_PEEK
        TCP_NODELAY
    Py_ssize_t _received "ktorws_received"(
        int fd, void *memory, Py_ssize_t size, int flags
    )
    Py_ssize_t _sent "ktorws_sent"(int fd, const void *memory, Py_ssize_t size)
    int _setsockopt "setsockopt"(
        int fd, int level, int option, const void *value, unsigned int size
    )


cdef enum:
    # Bytes that may wait to be sent before the protocol is to pause, as in asyncio.
    HIGH_WATER = 64 * 1024


cdef class SocketTransport(OctetSink):
    """What a session needs of an `asyncio.Transport`, for a `BufferedProtocol`.

    It begins at once: calls ``connection_made`` and reads from then on. A protocol
    that has an ``intake`` is not asked for memory nor told of reads: that one is.

    Args:
        loop: has `add_reader` and `add_writer`.
        sock: a connected stream socket that does not block; the transport's from now
            on, which closes it behind ``connection_lost``.
        protocol: is called.
    """

    def __init__(self, loop, sock, protocol):
        cdef int one = 1
        self.loop = loop
        self.sock = sock
        self.fd = sock.fileno()
        self.set_write_buffer_limits()
        self.set_protocol(protocol)
        _setsockopt(self.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))  # or is Unix
        protocol.connection_made(self)
        self.resume_reading()

    def __repr__(self):
        return f"<{type(self).__name__} fd={self.fd}>"

    def __del__(self):
        if self.sock is not None:
            warnings.warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
            self.sock.close()

    def set_protocol(self, protocol):
        """Let this one be called from now on."""
        self.protocol = protocol
        self.intake = getattr(protocol, "intake", None)

    def get_extra_info(self, name, default=None):
        """The ``socket``, its ``sockname`` or its ``peername``."""
        if self.sock is None:
            return default
        if name == "socket":
            return trsock.TransportSocket(self.sock)
        try:
            if name == "sockname":
                return self.sock.getsockname()
            if name == "peername":
                return self.sock.getpeername()
        except OSError:
            pass
        return default

    # The socket.

    cdef Py_ssize_t get(self, void *memory, Py_ssize_t size) except? -2:
        """How many octets came; minus a number that `error_of` knows."""
        return _received(self.fd, memory, size, 0)

    cdef bint holds(self) noexcept:
        """Whether there is more to get though the socket may have nothing."""
        return False

    cdef object error_of(self, Py_ssize_t number):
        """An errno's, or whatever else `get` may give."""
        return OSError(number, os.strerror(number))

    # Reading.

    def pause_reading(self):
        """Deliver no more until told to."""
        if self.broken is not None:
            self.end(self.broken)
        elif not self.closing:
            self.paused = True
            self.read_no_more()

    def resume_reading(self):
        """Deliver again."""
        if not self.closing:
            self.paused = False
            self.read_on()

    cdef int read_on(self) except -1:
        cdef _Reader reader
        self.forget()
        if self.reader is NULL:
            reader = _Reader.__new__(_Reader)
            reader.transport = self
            self.reader = <PyObject *>reader
            self.loop.add_reader(self.fd, reader.ready)
        return 0

    cdef int read_no_more(self) except -1:
        self.forget()
        if self.reader is not NULL:
            self.reader = NULL
            self.loop.remove_reader(self.fd)
        return 0

    cdef int forget(self) except -1:
        """Let the loop forget a reader that it let go, before there is another."""
        if self.dropped:
            self.dropped = False
            self.loop.remove_reader(self.fd)
        return 0

    def _let_go(self):
        """The loop watches this no more; on uvloop that is how an error begins."""
        if self.dropped:  # else reading was paused, resumed or ended since
            self.read_on()

    cdef int read(self) except -1:
        cdef Py_ssize_t size
        try:
            size = self.receive()
            if size > 0:
                pass
            elif self.broken is not None:
                self.end(self.broken)
            elif _is_early(-size):
                pass
            elif size == 0:
                if self.protocol.eof_received():
                    self.pause_reading()
                else:
                    self.close()
            else:
                self.end(self.error_of(-size))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            if not isinstance(error, OSError):
                self.report(error, "A protocol failed while reading")
            self.end(error)
        return 0

    cdef Py_ssize_t receive(self) except? -1:
        """Deliver what has come, which is so many octets; or minus an errno."""
        cdef Py_buffer memory
        cdef Py_ssize_t size
        if self.intake is not None:
            self.intake.open()
            size = self.get(
                self.intake.decoder.window, self.intake.decoder.window_size
            )
            if size > 0:
                self.intake.take(size)
            return size
        PyObject_GetBuffer(self.protocol.get_buffer(-1), &memory, PyBUF_WRITABLE)
        if memory.len == 0:
            PyBuffer_Release(&memory)
            raise RuntimeError("get_buffer() gave no room")
        size = self.get(memory.buf, memory.len)
        PyBuffer_Release(&memory)
        if size > 0:
            self.protocol.buffer_updated(size)
        return size

    # Writing.

    def can_write_eof(self):
        """TCP and Unix sockets half-close."""
        return True

    def write(self, bytes octets not None):
        """Send these octets, or keep them until the socket takes them."""
        if self.is_writable():
            if self.size == 0:
                self.pass_on(octets)
            else:
                self.backlog.append(octets)
                self.size += len(octets)
            self.pause_if_full()

    cdef int take(self, const char *octets, Py_ssize_t size) except -1:
        cdef Py_ssize_t passed
        if self.size or not self.is_writable():
            self.write(octets[:size])
            return 0
        passed = self.passed(octets, size)
        if 0 <= passed < size:
            self.put_back(octets[passed:size])
        return self.pause_if_full()

    cdef bint is_writable(self) except -1:
        if self.eof:
            raise RuntimeError("write() after write_eof()")
        return not self.closing and self.broken is None

    def write_eof(self):
        """Half-close behind what was written."""
        if not (self.eof or self.closing):
            self.eof = True
            if self.size == 0:
                self.shut()

    cdef int shut(self) except -1:
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError as error:  # the peer has reset the connection
            self.end(error)
        return 0

    def get_write_buffer_size(self):
        """How many bytes wait for the socket."""
        return self.size

    def set_write_buffer_limits(self, high=None, low=None):
        """Above ``high`` bytes the protocol is to pause, until at most ``low`` wait."""
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high}) >= low ({low}) >= 0 does not hold")
        self.high = high
        self.low = low
        self.pause_if_full()

    cdef Py_ssize_t send(self, const void *memory, Py_ssize_t size) except -2:
        """How many octets the socket took; -1 where it failed."""
        cdef Py_ssize_t sent = _sent(self.fd, memory, size)
        if sent >= 0:
            return sent
        if _is_early(-sent):
            return 0
        self.fail(-sent)
        return -1

    cdef int fail(self, Py_ssize_t number) except -1:
        """Nothing can be sent any more; what had come before that is still read."""
        cdef char octet
        cdef bint reads = self.reader is not NULL or self.dropped
        error = self.error_of(number)
        if (
            not reads
            or number not in (EPIPE, ECONNRESET)
            or not self.holds()
            and _is_early(-_received(self.fd, &octet, 1, MSG_PEEK))
        ):
            self.end(error)
        elif self.broken is None:
            self.broken = error
            self.write_no_more()
        return 0

    cdef Py_ssize_t passed(self, const char *octets, Py_ssize_t size) except -2:
        """How many of these are on their way; -1 where that failed."""
        return self.send(octets, size)

    cdef bint pass_on(self, octets) except -1:
        """Whether they were sent; else what is left of them waits before all else."""
        cdef Py_buffer memory
        cdef Py_ssize_t passed
        PyObject_GetBuffer(octets, &memory, PyBUF_SIMPLE)
        try:
            passed = self.passed(<const char *>memory.buf, memory.len)
        finally:
            PyBuffer_Release(&memory)
        if 0 <= passed < len(octets):
            self.put_back(memoryview(octets)[passed:])
        return passed == len(octets)

    cdef int put_back(self, rest) except -1:
        self.await_room()
        self.backlog.appendleft(rest)
        self.size += len(rest)
        return 0

    cdef int await_room(self) except -1:
        if self.backlog is None:
            self.backlog = deque()
            self._let_go()  # where the loop already did
            self.loop.add_writer(self.fd, self._write_on)
        return 0

    cdef bint settle(self) except -1:
        """Whether what has to leave before the backlog has left."""
        return True

    def _write_on(self):
        """The socket takes more."""
        while self.settle() and self.size:
            octets = self.backlog.popleft()
            self.size -= len(octets)
            if not self.pass_on(octets):
                break
        if self.backlog is None:
            return  # it failed
        if self.full and self.size <= self.low:
            self.full = False
            self.tell(self.protocol.resume_writing)
        if self.size == 0 and not self.ended:
            self.write_no_more()
            if self.closing:
                self.finish()
            elif self.eof:
                self.shut()

    cdef int write_no_more(self) except -1:
        if self.backlog is not None:
            self.backlog = None
            self.size = 0
            self.loop.remove_writer(self.fd)
        return 0

    cdef int pause_if_full(self) except -1:
        if self.size > self.high and not self.full:
            self.full = True
            self.tell(self.protocol.pause_writing)
        return 0

    cdef int tell(self, method) except -1:
        try:
            method()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:
            self.report(error, f"{method.__name__}() failed")
        return 0

    # The end.

    def is_closing(self):
        """Whether it was closed, or closes."""
        return self.closing

    def close(self):
        """Read no more, and close when all that was written has left."""
        if not self.closing:
            self.closing = True
            self.read_no_more()
            if self.size == 0:
                self.finish()

    cdef int finish(self) except -1:
        """All that was written has left."""
        return self.end(self.broken)

    def abort(self):
        """Close in the loop's next iteration, whatever waits to be sent."""
        self.end(self.broken)

    cdef int report(self, error, str message) except -1:
        self.loop.call_exception_handler(
            {
                "message": message,
                "exception": error,
                "transport": self,
                "protocol": self.protocol,
            }
        )
        return 0

    cdef int end(self, error) except -1:
        if self.ended:
            return 0
        self.ended = self.closing = True
        self.read_no_more()
        self.write_no_more()
        self.loop.call_soon(self._end, error)
        return 0

    def _end(self, error):
        protocol, sock = self.protocol, self.sock
        try:
            protocol.connection_lost(error)
        finally:
            self.protocol = self.intake = self.sock = None
            self.fd = -1
            sock.close()


@cython.final
cdef class _Reader:
    """What a loop calls when a socket has something; no one but the loop has it.

    uvloop calls it once when the socket has an error, and forgets it, though there
    may be more octets before that. So when it goes, whoever still reads is told.
    """

    cdef SocketTransport transport

    def ready(self):
        """Read once."""
        self.transport.read()

    def __del__(self):
        cdef SocketTransport transport = self.transport
        if transport is not None and transport.reader == <PyObject *>self:
            transport.reader = NULL
            transport.dropped = True
            if not transport.loop.is_closed():
                transport.loop.call_soon(transport._let_go)


cdef inline bint _is_early(Py_ssize_t number) noexcept:
    return number == EAGAIN or number == EINTR
