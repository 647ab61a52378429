# cython: language_level=3, boundscheck=False, wraparound=False
# cython: freethreading_compatible=True, auto_pickle=False, autotestdict=False
# cython: binding=False, embedsignature=True, embedsignature.format=clinic
"""A socket under TLS as a transport, behind a handshake that the `ssl` module made.

Reading and writing go to OpenSSL by themselves, through the session of Python's own
`ssl.SSLSocket`. Loops put an `ssl.SSLObject` between two memory buffers instead, which
copies every octet twice more, and raises an exception for each read that has to wait.
"""

cimport cython
from cpython.bytearray cimport PyByteArray_AS_STRING
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, EINTR, ENOBUFS

from ktorws._transport cimport SocketTransport

import _ssl
import socket
import ssl

cdef extern from "_openssl.h" nogil:
    enum:
        BROKEN "KTORWS_BROKEN"
        ENDED "KTORWS_ENDED"
        HUNGRY "KTORWS_HUNGRY"
        STEP "KTORWS_STEP"
    bint _load "ktorws_load"(const char *module)
    void _read_ahead "ktorws_read_ahead"(void *session)
    bint _take_over "ktorws_take_over"(void *session, int fd)
    bint _has_pending "openssl.SSL_has_pending"(const void *session)
    void _begin_turn "ktorws_begin_turn"()
    Py_ssize_t _read "ktorws_read"(void *session, void *memory, size_t size)
    Py_ssize_t _write "ktorws_write"(void *session, const void *memory, size_t size)
    void _shutdown "ktorws_shutdown"(void *session)
    # Of the last of these calls.
    bint _has_received "ktorws_call.received"
    const char *_why "ktorws_call.why"
    const char *_records "ktorws_call.records"
    bint _has_records "ktorws_call.used"
    Py_ssize_t _take_records "ktorws_take_records"()

cdef extern from "_openssl.h":
    void *_session_of "ktorws_session_of"(object session, object context)


cdef enum:
    # Bytes of OpenSSL's own answers that may wait for a peer that takes nothing.
    MOST_ANSWERS = 1024 * 1024


cdef bint _is_known() except *:
    """Whether Python's sessions are what we take them for."""
    path = getattr(_ssl, "__file__", None)
    if path is None or not ssl.OPENSSL_VERSION.startswith("OpenSSL "):
        return False  # it is built in, or what goes by its names is another library
    if not _load(path.encode()):
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    session = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO())._sslobj
    return _session_of(session, context) is not NULL


#: Whether there can be a `TlsTransport`: not where OpenSSL is a part of Python itself.
AVAILABLE = _is_known()


def prepare(sock):
    """Make ready an `ssl.SSLSocket` that has not begun its handshake."""
    _read_ahead(_known_session_of(sock))


cdef void *_known_session_of(sock) except NULL:
    cdef void *session = _session_of(sock._sslobj, sock.context)
    if session is NULL:
        raise RuntimeError("This is no session of Python's ssl module")
    return session


@cython.final
cdef class TlsTransport(SocketTransport):
    """A `SocketTransport` under TLS.

    Args:
        loop: has `add_reader` and `add_writer`.
        sock: an `ssl.SSLSocket` that does not block, behind its handshake; made ready
            by `prepare` before that.
        protocol: is called.
        shutdown_timeout: seconds from `close` on, for what waits to be sent and for
            the peer's end.
    """

    cdef object keeper       # Python's object, which frees the session
    cdef void *session
    cdef double shutdown_timeout
    cdef object deadline     # while it closes
    cdef Py_ssize_t found    # what `get` is to say next, if not 0
    cdef const char *reason  # why it is broken
    cdef bint is_hungry      # what the session holds is a part of a record, or nothing
    cdef bint is_scheduled   # to read on what the session holds
    cdef bint is_over        # the peer sends no more
    cdef bint said_goodbye   # our side's end was encrypted
    cdef bint is_stalled     # OpenSSL writes nothing before it has read
    cdef bytearray rest      # of records, what the socket did not take; or None

    def __init__(self, loop, sock, protocol, double shutdown_timeout):
        self.session = _known_session_of(sock)
        self.keeper = sock._sslobj
        self.shutdown_timeout = shutdown_timeout
        if not _take_over(self.session, sock.fileno()):
            raise MemoryError
        SocketTransport.__init__(self, loop, sock, protocol)

    def get_extra_info(self, name, default=None):
        """What asyncio gives under TLS: ``ssl_object``, ``peercert``, ``cipher``, …

        The ``ssl_object`` is there to be asked, not to send or receive.
        """
        if self.sock is None:
            return default
        if name == "ssl_object":
            return self.sock
        if name == "sslcontext":
            return self.sock.context
        if name == "peercert":
            return self.sock.getpeercert()
        if name == "cipher":
            return self.sock.cipher()
        if name == "compression":
            return self.sock.compression()
        return SocketTransport.get_extra_info(self, name, default)

    # Reading.

    cdef Py_ssize_t get(self, void *memory, Py_ssize_t size) except? -2:
        cdef Py_ssize_t got = 0
        cdef Py_ssize_t more = self.found
        self.found = 0
        _begin_turn()
        while more == 0:
            more = _read(self.session, <char *>memory + got, size - got)
            self.is_hungry = more == -HUNGRY
            if more == -BROKEN:
                self.note_reason()
            if more > 0:
                got += more
                if got < size and _has_pending(self.session):
                    more = 0
            if _has_records:
                self.flush()  # an answer of OpenSSL's own
        if more > 0:
            return got
        if more == -HUNGRY:
            return got or -EAGAIN
        if got:
            self.found = more
            return got
        if more == -ENDED:
            self.is_over = True
            return 0
        return more

    cdef bint holds(self) noexcept:
        return self.found != 0 or not self.is_hungry and _has_pending(self.session)

    cdef object error_of(self, Py_ssize_t number):
        if number != BROKEN:
            return SocketTransport.error_of(self, number)
        return ssl.SSLError(ssl.SSL_ERROR_SSL, f"TLS failed: {self.reason.decode()}")

    cdef int note_reason(self) except -1:
        if self.reason is NULL:
            self.reason = _why
        return 0

    cdef int read(self) except -1:
        if self.closing:
            return self.drain()
        SocketTransport.read(self)
        self.go_on()
        return self.read_what_is_held()

    cdef int read_on(self) except -1:
        SocketTransport.read_on(self)
        return self.read_what_is_held()

    cdef int read_what_is_held(self) except -1:
        """The loop does not know of it."""
        if self.reader is not NULL and not self.is_scheduled and self.holds():
            self.is_scheduled = True
            self.loop.call_soon(self._read_held)
        return 0

    def _read_held(self):
        self.is_scheduled = False
        if self.reader is not NULL:
            self.read()

    # Writing.

    def can_write_eof(self):
        """TLS before 1.3 does not half-close, and few peers expect it."""
        return False

    def write_eof(self):
        """Not under TLS."""
        raise NotImplementedError("write_eof() under TLS")

    cdef Py_ssize_t passed(self, const char *octets, Py_ssize_t size) except -2:
        cdef Py_ssize_t at = 0
        cdef Py_ssize_t done
        while at < size and self.rest is None:
            done = self.encrypt(octets + at, size - at)
            if done == 0:
                break
            at += done
        return -1 if self.ended or self.broken is not None else at

    cdef bint pass_on(self, octets) except -1:
        return SocketTransport.pass_on(self, octets) and self.rest is None

    cdef Py_ssize_t encrypt(self, const char *memory, Py_ssize_t size) except -1:
        """How many octets went to the socket, or to the rest."""
        cdef Py_ssize_t done = _write(self.session, memory, min(size, STEP))
        cdef bint received = _has_received
        if done == -BROKEN:
            self.note_reason()
        if received:  # to agree on new keys; and maybe what is behind them
            self.is_hungry = False
        self.flush()
        if received:
            self.read_what_is_held()
        if self.ended or self.broken is not None:
            return 0
        if done > 0:
            return done
        if done == -HUNGRY:
            self.stall()
        else:
            self.end(self.error_of(-done))
        return 0

    cdef int stall(self) except -1:
        """OpenSSL writes nothing before it has read."""
        self.await_room()
        if self.rest is None and not self.is_stalled:
            self.is_stalled = True
            self.loop.remove_writer(self.fd)
        return 0

    cdef int go_on(self) except -1:
        if self.is_stalled and self.backlog is not None:
            self.is_stalled = False
            self.loop.add_writer(self.fd, self._write_on)
        return 0

    cdef int flush(self) except -1:
        """Send the records that OpenSSL made; what is left waits before all else."""
        cdef Py_ssize_t size = _take_records()
        cdef Py_ssize_t sent = 0
        if self.ended or self.broken is not None:
            return 0
        if self.rest is None:
            sent = self.send(_records, size)
        if 0 <= sent < size:
            if self.rest is None:
                self.rest = bytearray()
            self.rest += PyBytes_FromStringAndSize(_records + sent, size - sent)
            self.size += size - sent
            self.await_room()
            self.go_on()
            if len(self.rest) > STEP + MOST_ANSWERS:
                self.end(OSError(ENOBUFS, "The peer asks, but takes no answers"))
        return 0

    cdef bint settle(self) except -1:
        cdef bytearray rest = self.rest
        cdef Py_ssize_t sent
        if rest is None:
            return True
        sent = self.send(PyByteArray_AS_STRING(rest), len(rest))
        if sent < 0:
            return False
        self.size -= sent
        if sent < len(rest):
            del rest[:sent]
            return False
        self.rest = None
        return True

    # The end.

    def close(self):
        """Send what was written, and TLS's end; close when the peer does, or soon."""
        if not self.closing:
            self.deadline = self.loop.call_later(self.shutdown_timeout, self.abort)
            SocketTransport.close(self)

    cdef int finish(self) except -1:
        if self.broken is not None:
            return self.end(self.broken)
        if not self.said_goodbye:
            self.said_goodbye = True
            _shutdown(self.session)
            self.flush()
            if self.size or self.ended:
                return 0
        if self.is_over:
            return self.end(None)
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
        except OSError:
            return self.end(None)
        return self.read_on()

    cdef int fail(self, Py_ssize_t number) except -1:
        if self.reason is not NULL:  # the peer does not hear of it
            return self.end(self.error_of(BROKEN))
        if self.said_goodbye:
            return self.end(None)
        return SocketTransport.fail(self, number)

    cdef int drain(self) except -1:
        """What comes now is dropped: closing with unread octets would reset.

        Then the peer might never see what was sent last.
        """
        cdef char memory[16 * 1024]
        cdef Py_ssize_t size = SocketTransport.get(self, memory, sizeof(memory))
        if size <= 0 and size != -EAGAIN and size != -EINTR:
            self.end(None)
        return 0

    cdef int end(self, error) except -1:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None
        return SocketTransport.end(self, error)

    def _end(self, error):
        try:
            SocketTransport._end(self, error)
        finally:
            self.session = NULL
            self.keeper = self.rest = None
