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

enum {
    KTORWS_SSL_ERROR_WANT_READ = 2,
    KTORWS_SSL_ERROR_WANT_WRITE = 3,
    KTORWS_SSL_ERROR_SYSCALL = 5,
    KTORWS_SSL_ERROR_ZERO_RETURN = 6,
    KTORWS_SSL_CTRL_MODE = 33,
    KTORWS_SSL_CTRL_SET_READ_AHEAD = 41,
    KTORWS_SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER = 0x2,
    KTORWS_SSL_MODE_RELEASE_BUFFERS = 0x10,
    KTORWS_SSL_OP_IGNORE_UNEXPECTED_EOF = 0x80,
    KTORWS_BIO_CTRL_FLUSH = 11,
    KTORWS_BIO_TYPE = 0x80 | 0x400, /* one of our own: BIO_TYPE_SOURCE_SINK */
};

static struct {
    int (*SSL_read_ex)(void *, void *, size_t, size_t *);
    int (*SSL_write_ex)(void *, const void *, size_t, size_t *);
    int (*SSL_has_pending)(const void *);
    int (*SSL_shutdown)(void *);
    int (*SSL_get_error)(const void *, int);
    int (*SSL_get_fd)(const void *);
    long (*SSL_ctrl)(void *, int, long, void *);
    uint64_t (*SSL_set_options)(void *, uint64_t);
    void (*SSL_set0_wbio)(void *, void *);
    void (*SSL_set_default_read_buffer_len)(void *, size_t);
    void (*ERR_clear_error)(void);
    unsigned long (*ERR_peek_last_error)(void);
    const char *(*ERR_reason_error_string)(unsigned long);
    void *(*BIO_new)(const void *);
    void (*BIO_set_init)(void *, int);
    void *(*BIO_meth_new)(int, const char *);
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
    "SSL_get_fd",
    "SSL_ctrl",
    "SSL_set_options",
    "SSL_set0_wbio",
    "SSL_set_default_read_buffer_len",
    "ERR_clear_error",
    "ERR_peek_last_error",
    "ERR_reason_error_string",
    "BIO_new",
    "BIO_set_init",
    "BIO_meth_new",
    "BIO_meth_set_write",
    "BIO_meth_set_ctrl",
};

/* Records on their way from OpenSSL to a socket: they leave before anything else is
   asked of any session in this thread. */
#ifndef KTORWS_STEP
#define KTORWS_STEP (256 * 1024)
#endif
#ifndef KTORWS_READ_BUFFER
#define KTORWS_READ_BUFFER (64 * 1024)
#endif
enum { KTORWS_RECORDS_SIZE = KTORWS_STEP + 16 * 1024 };
static __thread char ktorws_records[KTORWS_RECORDS_SIZE];
static __thread int ktorws_records_used;
static void *ktorws_gathering; /* the BIO_METHOD that puts them there */

static int
ktorws_gather(void *bio, const char *octets, int size)
{
    (void)bio;
    if (size > KTORWS_RECORDS_SIZE - ktorws_records_used) {
        return -1;
    }
    memcpy(ktorws_records + ktorws_records_used, octets, size);
    ktorws_records_used += size;
    return size;
}

static inline Py_ssize_t
ktorws_take_records(void)
{
    Py_ssize_t size = ktorws_records_used;
    ktorws_records_used = 0;
    return size;
}

static long
ktorws_gather_ctrl(void *bio, int command, long number, void *pointer)
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
    ktorws_gathering = openssl.BIO_meth_new(KTORWS_BIO_TYPE, "ktorws");
    return (
        ktorws_gathering != NULL
        && openssl.BIO_meth_set_write(ktorws_gathering, ktorws_gather)
        && openssl.BIO_meth_set_ctrl(ktorws_gathering, ktorws_gather_ctrl)
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

/* Let it gather what it writes, and read as much at once as there is. An end of TCP
   alone ends it too: whether that was in good order is told by WebSocket's own end. */
static int
ktorws_begin(void *session)
{
    long modes = KTORWS_SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                 | KTORWS_SSL_MODE_RELEASE_BUFFERS;
    void *bio = openssl.BIO_new(ktorws_gathering);
    if (bio == NULL) {
        return 0;
    }
    openssl.BIO_set_init(bio, 1);
    openssl.SSL_set0_wbio(session, bio);
    openssl.SSL_set_options(session, KTORWS_SSL_OP_IGNORE_UNEXPECTED_EOF);
    openssl.SSL_ctrl(session, KTORWS_SSL_CTRL_MODE, modes, NULL);
    openssl.SSL_ctrl(session, KTORWS_SSL_CTRL_SET_READ_AHEAD, 1, NULL);
    openssl.SSL_set_default_read_buffer_len(session, KTORWS_READ_BUFFER);
    return 1;
}

/* What the last call says that failed: an errno, or one of these. */
enum {
    KTORWS_ENDED = 1 << 20,   /* the peer sends no more */
    KTORWS_HUNGRY = 1 << 21, /* there has to be more to read first */
    KTORWS_BROKEN = 1 << 22,  /* `ktorws_reason` says why */
};

static Py_ssize_t
ktorws_failure(void *session, int number)
{
    switch (openssl.SSL_get_error(session, 0)) {
    case KTORWS_SSL_ERROR_WANT_READ:
        return KTORWS_HUNGRY;
    case KTORWS_SSL_ERROR_ZERO_RETURN:
        return KTORWS_ENDED;
    case KTORWS_SSL_ERROR_SYSCALL:
        return number ? number : KTORWS_ENDED;
    default:
        return KTORWS_BROKEN;
    }
}

/* `SSL_get_error` looks at what is queued; to clear it always costs much more. */
static inline void
ktorws_forget_errors(void)
{
    if (openssl.ERR_peek_last_error() != 0) {
        openssl.ERR_clear_error();
    }
}

/* These give how many octets, or minus what `ktorws_failure` says. */
static inline Py_ssize_t
ktorws_read(void *session, void *memory, size_t size)
{
    size_t done;
    ktorws_forget_errors();
    errno = 0;
    if (openssl.SSL_read_ex(session, memory, size, &done)) {
        return (Py_ssize_t)done;
    }
    return -ktorws_failure(session, errno);
}

static inline Py_ssize_t
ktorws_write(void *session, const void *memory, size_t size)
{
    size_t done;
    ktorws_forget_errors();
    if (openssl.SSL_write_ex(session, memory, size, &done)) {
        return (Py_ssize_t)done;
    }
    return -ktorws_failure(session, EIO);
}

static inline const char *
ktorws_reason(void)
{
    return openssl.ERR_reason_error_string(openssl.ERR_peek_last_error());
}

#endif
