/* Octets over one connected socket, plain or TLS, without ever waiting. */

#ifndef STREAM_H
#define STREAM_H

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef WITH_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#else
typedef struct ssl SSL;
typedef struct ssl_ctx SSL_CTX;
#endif

enum { AGAIN = -1, GONE = -2 };

struct stream {
    int fd;
    SSL *tls; /* NULL where it is plain */
};

#ifdef WITH_TLS
static SSL_CTX *tls_context(const char *certificate, const char *key)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1) {
        ERR_print_errors_fp(stderr);
        exit(1);
    }
    return context;
}

static void stream_open(struct stream *stream, int fd, SSL_CTX *context)
{
    stream->fd = fd;
    stream->tls = NULL;
    if (context) {
        stream->tls = SSL_new(context);
        SSL_set_fd(stream->tls, fd);
        SSL_set_accept_state(stream->tls);
    }
}

static ssize_t tls_result(SSL *tls, int done)
{
    if (done > 0)
        return done;
    int error = SSL_get_error(tls, done);
    ERR_clear_error();
    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? AGAIN : GONE;
}
#endif

static ssize_t result(ssize_t done)
{
    if (done > 0)
        return done;
    return done < 0 && (errno == EAGAIN || errno == EINTR) ? AGAIN : GONE;
}

/* Both give a number of octets, AGAIN or GONE. */
static ssize_t stream_read(struct stream *stream, void *to, size_t room)
{
#ifdef WITH_TLS
    if (stream->tls)
        return tls_result(stream->tls, SSL_read(stream->tls, to, (int)room));
#endif
    return result(recv(stream->fd, to, room, 0));
}

static ssize_t stream_write(struct stream *stream, const void *from, size_t size)
{
#ifdef WITH_TLS
    if (stream->tls) {
        int some = size > 1 << 30 ? 1 << 30 : (int)size;
        return tls_result(stream->tls, SSL_write(stream->tls, from, some));
    }
#endif
    return result(send(stream->fd, from, size, MSG_NOSIGNAL));
}

/* Nothing more will be written. */
static void stream_end(struct stream *stream)
{
#ifdef WITH_TLS
    if (stream->tls)
        SSL_shutdown(stream->tls);
#endif
    shutdown(stream->fd, SHUT_WR);
}

static void stream_close(struct stream *stream)
{
#ifdef WITH_TLS
    SSL_free(stream->tls);
    ERR_clear_error();
#endif
    close(stream->fd);
}

#endif
