/* The OpenSSL that Python's `ssl` module has loaded, found at run time.

   Linking would bring another copy of the library, to which Python's sessions are
   foreign. What is declared here is OpenSSL's public interface since 1.1.1, older than
   what Python takes, under the names of its manual. */

#ifndef KTORWS_OPENSSL_H
#define KTORWS_OPENSSL_H

#include <Python.h>
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

enum {
    KTORWS_SSL_ERROR_WANT_READ = 2,
    KTORWS_SSL_ERROR_ZERO_RETURN = 6,
    KTORWS_SSL_CTRL_MODE = 33,
    KTORWS_SSL_CTRL_SET_READ_AHEAD = 41,
    KTORWS_SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 0x2,
    KTORWS_SSL_MODE_RELEASE_BUFFERS = 0x10,
    KTORWS_BIO_CTRL_FLUSH = 11,
    KTORWS_BIO_FLAGS_READ_AND_SHOULD_RETRY = 0x1 | 0x8,
    KTORWS_BIO_TYPE = 0x80 | 0x400, /* one of our own: BIO_TYPE_SOURCE_SINK */
};

static struct {
    int (*SSL_read_ex)(void *, void *, size_t, size_t *);
    int (*SSL_write_ex)(void *, const void *, size_t, size_t *);
    int (*SSL_has_pending)(const void *);
    int (*SSL_shutdown)(void *);
    int (*SSL_get_error)(const void *, int);
    long (*SSL_ctrl)(void *, int, long, void *);
    void (*SSL_set_bio)(void *, void *, void *);
    void (*SSL_set_default_read_buffer_len)(void *, size_t);
    void (*ERR_clear_error)(void);
    unsigned long (*ERR_peek_error)(void);
    const char *(*ERR_reason_error_string)(unsigned long);
    void *(*BIO_new)(const void *);
    void (*BIO_set_init)(void *, int);
    void (*BIO_set_data)(void *, void *);
    void *(*BIO_get_data)(void *);
    void (*BIO_set_flags)(void *, int);
    void (*BIO_clear_flags)(void *, int);
    void *(*BIO_meth_new)(int, const char *);
    int (*BIO_meth_set_read)(void *, int (*)(void *, char *, int));
    int (*BIO_meth_set_write)(void *, int (*)(void *, const char *, int));
    int (*BIO_meth_set_ctrl)(void *, long (*)(void *, int, long, void *));
} openssl;

/* In the order of the structure. */
static const char *const ktorws_openssl_names[] = {
    "SSL_read_ex",
    "SSL_write_ex",
    "SSL_has_pending",
    "SSL_shutdown",
    "SSL_get_error",
    "SSL_ctrl",
    "SSL_set_bio",
    "SSL_set_default_read_buffer_len",
    "ERR_clear_error",
    "ERR_peek_error",
    "ERR_reason_error_string",
    "BIO_new",
    "BIO_set_init",
    "BIO_set_data",
    "BIO_get_data",
    "BIO_set_flags",
    "BIO_clear_flags",
    "BIO_meth_new",
    "BIO_meth_set_read",
    "BIO_meth_set_write",
    "BIO_meth_set_ctrl",
};

enum {
    /* Octets that are encrypted at once, and leave in one system call. */
    KTORWS_STEP = 256 * 1024,
    /* Octets that are received at once; and in one turn, though they be nothing but
       new keys: then other connections have theirs. */
    KTORWS_READ_BUFFER = 64 * 1024,
    KTORWS_TURN = 128 * 1024,
    /* What a call failed for that is no errno. */
    KTORWS_ENDED = 1 << 20,  /* the peer sends no more */
    KTORWS_HUNGRY = 1 << 21, /* there has to be more to read first */
    KTORWS_BROKEN = 1 << 22, /* the session is, and `why` says how */
};

/* What passes between OpenSSL and a socket within one call. Records that it writes
   are gathered here, and are sent before any other session is called. */
static __thread struct {
    int may_receive; /* octets */
    int received;    /* whether there were any */
    int said;        /* why the socket gave none: 0 if it may later; ENDED; an errno */
    const char *why;
    int used;
    char records[KTORWS_STEP + KTORWS_TURN];
} ktorws_call;

static void *ktorws_method; /* a BIO_METHOD of what follows */

static int
ktorws_receive(void *bio, char *memory, int size)
{
    openssl.BIO_clear_flags(bio, KTORWS_BIO_FLAGS_READ_AND_SHOULD_RETRY);
    if (ktorws_call.may_receive > 0) {
        int fd = (int)(intptr_t)openssl.BIO_get_data(bio);
        ssize_t received = recv(fd, memory, size, 0);
        if (received > 0) {
            /* Less than it had room for was all there is. */
            ktorws_call.may_receive -= received < size ? KTORWS_TURN : (int)received;
            ktorws_call.received = 1;
            return (int)received;
        }
        int is_early = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        ktorws_call.said = received == 0 ? KTORWS_ENDED : is_early ? 0 : errno;
    }
    /* Also at the end: it takes nothing of what is still to be said. */
    openssl.BIO_set_flags(bio, KTORWS_BIO_FLAGS_READ_AND_SHOULD_RETRY);
    return -1;
}

static int
ktorws_gather(void *bio, const char *octets, int size)
{
    (void)bio;
    if (size > (int)sizeof(ktorws_call.records) - ktorws_call.used) {
        return -1;
    }
    memcpy(ktorws_call.records + ktorws_call.used, octets, size);
    ktorws_call.used += size;
    return size;
}

static long
ktorws_control(void *bio, int command, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return command == KTORWS_BIO_CTRL_FLUSH;
}

/* Whether all of it was found in what this module, `_ssl`, is linked to. */
static int
ktorws_load(const char *module)
{
    void **functions = (void **)&openssl;
    size_t count = sizeof(ktorws_openssl_names) / sizeof(*ktorws_openssl_names);
    void *library = dlopen(module, RTLD_LAZY | RTLD_NOLOAD);
    if (library == NULL) {
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        functions[i] = dlsym(library, ktorws_openssl_names[i]);
        if (functions[i] == NULL) {
            return 0;
        }
    }
    ktorws_method = openssl.BIO_meth_new(KTORWS_BIO_TYPE, "ktorws");
    return (
        ktorws_method != NULL
        && openssl.BIO_meth_set_read(ktorws_method, ktorws_receive)
        && openssl.BIO_meth_set_write(ktorws_method, ktorws_gather)
        && openssl.BIO_meth_set_ctrl(ktorws_method, ktorws_control)
    );
}

/* How a `_ssl._SSLSocket` begins, from Python 3.11 to 3.15. */
typedef struct {
    PyObject_HEAD
    PyObject *socket;
    void *session;
    PyObject *context;
} ktorws_python_session;

/* Its session; NULL where it is not made like that. */
static void *
ktorws_session_of(PyObject *object, PyObject *context)
{
    ktorws_python_session *python = (ktorws_python_session *)object;
    size_t size = (size_t)Py_TYPE(object)->tp_basicsize;
    return size >= sizeof(*python) && python->context == context ? python->session
                                                                 : NULL;
}

/* Let it read as much at once as there is. From OpenSSL 3.2 on only before it has
   begun its handshake. */
static void
ktorws_read_ahead(void *session)
{
    openssl.SSL_ctrl(session, KTORWS_SSL_CTRL_SET_READ_AHEAD, 1, NULL);
    openssl.SSL_set_default_read_buffer_len(session, KTORWS_READ_BUFFER);
}

/* From now on it receives and writes as is said above. */
static int
ktorws_take_over(void *session, int fd)
{
    long modes = KTORWS_SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                 | KTORWS_SSL_MODE_RELEASE_BUFFERS;
    void *bio = openssl.BIO_new(ktorws_method);
    if (bio == NULL) {
        return 0;
    }
    openssl.BIO_set_data(bio, (void *)(intptr_t)fd);
    openssl.BIO_set_init(bio, 1);
    openssl.SSL_set_bio(session, bio, bio);
    openssl.SSL_ctrl(session, KTORWS_SSL_CTRL_MODE, modes, NULL);
    return 1;
}

/* Errors of the thread's other sessions would be taken for ours, and ours for
   theirs: the queue is empty before a call and behind it. */
static inline void
ktorws_forget_errors(void)
{
    if (openssl.ERR_peek_error() != 0) { /* to clear costs much more */
        openssl.ERR_clear_error();
    }
}

static inline void
ktorws_begin(void)
{
    ktorws_forget_errors();
    ktorws_call.used = 0;
    ktorws_call.received = ktorws_call.said = 0;
}

static Py_ssize_t
ktorws_failure(void *session)
{
    int number = openssl.SSL_get_error(session, 0);
    if (number == KTORWS_SSL_ERROR_WANT_READ) {
        return KTORWS_HUNGRY;
    }
    if (number == KTORWS_SSL_ERROR_ZERO_RETURN) {
        return KTORWS_ENDED;
    }
    ktorws_call.why = openssl.ERR_reason_error_string(openssl.ERR_peek_error());
    if (ktorws_call.why == NULL) {
        ktorws_call.why = "no reason was given";
    }
    openssl.ERR_clear_error();
    return KTORWS_BROKEN;
}

/* A turn of reading begins: what follows may receive so much. */
static inline void
ktorws_begin_turn(void)
{
    ktorws_call.may_receive = KTORWS_TURN;
}

/* How many octets, or minus what it failed for. */
static inline Py_ssize_t
ktorws_read(void *session, void *memory, size_t size)
{
    size_t done;
    Py_ssize_t number;
    ktorws_begin();
    if (openssl.SSL_read_ex(session, memory, size, &done)) {
        return (Py_ssize_t)done;
    }
    number = ktorws_failure(session);
    return -(number == KTORWS_HUNGRY && ktorws_call.said ? ktorws_call.said : number);
}

static inline Py_ssize_t
ktorws_write(void *session, const void *memory, size_t size)
{
    size_t done;
    ktorws_begin();
    ktorws_begin_turn();
    if (openssl.SSL_write_ex(session, memory, size, &done)) {
        return (Py_ssize_t)done;
    }
    return -ktorws_failure(session);
}

static inline void
ktorws_shutdown(void *session)
{
    ktorws_begin();
    openssl.SSL_shutdown(session);
    ktorws_forget_errors();
}

static inline Py_ssize_t
ktorws_take_records(void)
{
    Py_ssize_t size = ktorws_call.used;
    ktorws_call.used = 0;
    return size;
}

#endif
