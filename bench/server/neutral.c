/*
 * The neutral server: what every client is measured against. One thread, epoll.
 *
 *   neutral [CERTIFICATE KEY]     prints "PORT TLS-PORT" and serves 127.0.0.1 until
 *                                 its standard input ends; TLS-PORT is 0 without TLS
 *
 *   /echo                         sends each frame back
 *   /firehose/COUNT/SIZE[/BATCH]  COUNT ready-made frames for each message that comes;
 *                                 BATCH frames a write, by default 256 KiB; text, or
 *                                 binary where the path ends in ?binary
 *   /sink/COUNT                   counts messages; says COUNT when so many are there,
 *                                 and begins again
 *   /ticks/COUNT/MICROS/BATCH     once the first message has come: BATCH texts of mixed
 *                                 sizes every MICROS microseconds, COUNT in all; each
 *                                 begins with CLOCK_MONOTONIC in ns, 20 digits
 *   /idle                         drops what comes
 *
 * Pings are answered and the closing handshake is done everywhere.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "stream.h"
#include "websocket.h"

enum { READ_MIN = 16 << 10, READ_MAX = 256 << 10, BLOCK = 256 << 10 };
enum { BACKLOG = 1 << 20 }; /* octets unsent, beyond which nothing more is read */
enum { TURN = 64 };         /* blocks written before others have their turn */

static const size_t TICK_SIZES[] = {64, 64, 256, 64, 64, 64, 1024, 64, 64, 8192};
enum { TICK_KINDS = sizeof TICK_SIZES / sizeof *TICK_SIZES, TICK_MAX = 8192 };

enum mode { OPENING, ECHO, FIREHOSE, SINK, TICKS, IDLE, CLOSING, ENDED };

struct buffer {
    uint8_t *data;
    size_t begin, end, room;
};

struct connection;

/* What epoll watches: its kind is told by the pointer that is set. */
struct source {
    int fd;
    SSL_CTX *context;              /* of a listener */
    struct connection *connection; /* whose socket or timer it is */
};

struct connection {
    struct source source, timer;
    struct stream stream;
    struct buffer in, out;
    enum mode mode;
    uint32_t watched;
    uint64_t count, seen, skip;               /* messages to come and seen; octets to drop */
    uint8_t *block;                           /* ready-made frames */
    size_t block_size, block_at, frame_size;  /* at: where writing goes on */
    uint64_t unfired;                         /* octets of firing still to write */
    uint64_t ticks, micros, batch;
    bool dead;
    struct connection *next_dead;
};

static int epoll;
static struct connection *dead; /* freed when no event of the same wait can name them */

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void *needed(void *memory)
{
    if (!memory)
        fail("memory");
    return memory;
}

/* Makes room for so many octets behind what is there. */
static uint8_t *reserve(struct buffer *buffer, size_t more)
{
    size_t size = buffer->end - buffer->begin;
    if (buffer->room - buffer->end < more) {
        if (size)
            memmove(buffer->data, buffer->data + buffer->begin, size);
        buffer->begin = 0;
        buffer->end = size;
    }
    if (buffer->room - buffer->end < more) {
        size_t doubled = 2 * buffer->room;
        buffer->room = size + more > doubled ? size + more : doubled;
        buffer->data = needed(realloc(buffer->data, buffer->room));
    }
    return buffer->data + buffer->end;
}

static void consume(struct buffer *buffer, size_t size)
{
    buffer->begin += size;
    if (buffer->begin == buffer->end)
        buffer->begin = buffer->end = 0;
}

static void append(struct buffer *out, int opcode, bool fin, const void *data, size_t size)
{
    uint8_t *to = reserve(out, MAX_HEADER + size);
    size_t header = write_header(to, opcode, fin, size);
    if (size)
        memcpy(to + header, data, size);
    out->end += header + size;
}

static void say_close(struct connection *c, int code)
{
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};
    append(&c->out, CLOSE, true, payload, 2);
    if (c->unfired) /* to the end of the frame that is being written */
        c->unfired = (c->frame_size - c->block_at % c->frame_size) % c->frame_size;
    c->mode = CLOSING;
}

static void watch(struct connection *c)
{
    bool writing = c->out.begin < c->out.end || c->unfired;
    bool reading = c->out.end - c->out.begin < BACKLOG;
    uint32_t events = (reading ? EPOLLIN : 0) | (writing ? EPOLLOUT : 0);
    if (events != c->watched) {
        struct epoll_event event = {.events = events, .data.ptr = &c->source};
        epoll_ctl(epoll, EPOLL_CTL_MOD, c->stream.fd, &event);
        c->watched = events;
    }
}

/* Writes what waits: what was said first, unless a block is half written. */
static void pump(struct connection *c)
{
    for (int turn = 0; turn < TURN; turn++) {
        ssize_t done;
        if (c->out.begin < c->out.end && !c->block_at) {
            done = stream_write(&c->stream, c->out.data + c->out.begin,
                                c->out.end - c->out.begin);
            if (done > 0)
                consume(&c->out, (size_t)done);
        } else if (c->unfired) {
            size_t size = c->block_size - c->block_at;
            size = size > c->unfired ? (size_t)c->unfired : size;
            done = stream_write(&c->stream, c->block + c->block_at, size);
            if (done > 0) {
                c->unfired -= (size_t)done;
                c->block_at = (c->block_at + (size_t)done) % c->block_size;
                if (!c->unfired)
                    c->block_at = 0;
            }
        } else {
            break;
        }
        if (done == GONE)
            c->dead = true;
        if (done < 0)
            return;
    }
    if (c->mode == CLOSING && c->out.begin == c->out.end && !c->unfired) {
        c->mode = ENDED; /* RFC 6455, 7.1.1: the server ends first, then waits */
        stream_end(&c->stream);
    }
}

static void begin_ticks(struct connection *c)
{
    c->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    c->timer.connection = c;
    struct timespec every = {.tv_sec = (time_t)(c->micros / 1000000),
                             .tv_nsec = (long)(c->micros % 1000000) * 1000};
    struct itimerspec times = {.it_interval = every, .it_value = every};
    timerfd_settime(c->timer.fd, 0, &times, NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &c->timer};
    epoll_ctl(epoll, EPOLL_CTL_ADD, c->timer.fd, &event);
}

static void end_ticks(struct connection *c)
{
    if (c->timer.fd) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, c->timer.fd, NULL);
        close(c->timer.fd);
        c->timer.fd = 0;
    }
}

static void tick(struct connection *c)
{
    uint64_t expired;
    if (read(c->timer.fd, &expired, sizeof expired) != sizeof expired)
        return;
    char text[TICK_MAX];
    struct timespec now;
    memset(text, 'x', sizeof text);
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(text, sizeof text, "%020" PRIu64,
             (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
    text[20] = ' ';
    bool full = c->out.end - c->out.begin > BACKLOG;
    for (uint64_t i = 0; i < c->batch && c->ticks < c->count && !full; i++, c->ticks++)
        append(&c->out, TEXT, true, text, TICK_SIZES[c->ticks % TICK_KINDS]);
    if (c->ticks == c->count || c->mode != TICKS)
        end_ticks(c);
}

/* One message has come, whatever was in it. */
static void message_came(struct connection *c)
{
    c->seen++;
    if (c->mode == FIREHOSE)
        c->unfired += c->count * c->frame_size;
    if (c->mode == TICKS && c->seen == 1)
        begin_ticks(c);
    if (c->mode == SINK && c->seen == c->count) {
        char text[24];
        int size = snprintf(text, sizeof text, "%" PRIu64, c->count);
        append(&c->out, TEXT, true, text, (size_t)size);
        c->seen = 0;
    }
}

static void control_came(struct connection *c, struct frame *frame, const uint8_t *data)
{
    uint8_t payload[MAX_CONTROL];
    unmask(payload, data, frame->size, frame->key);
    if (frame->opcode == PING)
        append(&c->out, PONG, true, payload, frame->size);
    if (frame->opcode == CLOSE)
        say_close(c, frame->size >= 2 ? payload[0] << 8 | payload[1] : NORMAL);
}

/* Takes one frame, or a piece of one, from the input; false where more must come. */
static bool take_frame(struct connection *c)
{
    struct buffer *in = &c->in;
    size_t size = in->end - in->begin;
    if (c->skip) {
        size_t some = size > c->skip ? (size_t)c->skip : size;
        c->skip -= some;
        consume(in, some);
        return some;
    }
    struct frame frame;
    int code = read_header(in->data + in->begin, size, &frame);
    if (code > 1)
        say_close(c, code);
    if (code != 1)
        return false;
    bool control = frame.opcode & 8;
    size_t whole = frame.header + (size_t)frame.size;
    if (!control && c->mode != ECHO) { /* only counted: need not be there */
        c->skip = frame.size;
        consume(in, frame.header);
        if (frame.fin)
            message_came(c);
        return true;
    }
    if (size < whole) {
        reserve(in, whole - size);
        return false;
    }
    const uint8_t *payload = in->data + in->begin + frame.header;
    if (control) {
        control_came(c, &frame, payload);
    } else {
        uint8_t *to = reserve(&c->out, MAX_HEADER + (size_t)frame.size);
        size_t header = write_header(to, frame.opcode, frame.fin, frame.size);
        unmask(to + header, payload, (size_t)frame.size, frame.key);
        c->out.end += header + (size_t)frame.size;
    }
    consume(in, whole);
    return true;
}

static void make_block(struct connection *c, size_t size, uint64_t batch, bool binary)
{
    uint8_t header[MAX_HEADER];
    size_t length = write_header(header, binary ? BINARY : TEXT, true, size);
    c->frame_size = length + size;
    if (!batch)
        batch = c->frame_size < BLOCK ? BLOCK / c->frame_size : 1;
    batch = batch < c->count ? batch : c->count;
    c->block_size = batch * c->frame_size;
    c->block = needed(malloc(c->block_size));
    for (size_t at = 0; at < c->block_size; at += c->frame_size) {
        memcpy(c->block + at, header, length);
        memset(c->block + at + length, 'x', size);
    }
}

/* Sets the mode that a request's path asks for; false where there is none such. */
static bool choose_mode(struct connection *c, const char *path)
{
    uint64_t count = 0, second = 0, third = 0;
    const char *end = path + strcspn(path, " ");
    if (!strncmp(path, "/echo ", 6))
        c->mode = ECHO;
    else if (!strncmp(path, "/idle ", 6))
        c->mode = IDLE;
    else if (sscanf(path, "/sink/%" SCNu64, &count) == 1)
        c->mode = SINK;
    else if (sscanf(path, "/firehose/%" SCNu64 "/%" SCNu64 "/%" SCNu64, &count, &second,
                    &third) >= 2)
        c->mode = FIREHOSE;
    else if (sscanf(path, "/ticks/%" SCNu64 "/%" SCNu64 "/%" SCNu64, &count, &second,
                    &third) == 3)
        c->mode = TICKS;
    c->count = count;
    c->micros = second;
    c->batch = third;
    if (c->mode == FIREHOSE) {
        if (!count || second > MAX_FRAME || third > BLOCK)
            return false;
        make_block(c, second, third, end - path > 7 && !strncmp(end - 7, "?binary", 7));
    }
    return c->mode != OPENING;
}

/* Answers the request once it is whole; what comes behind it stays in the input. */
static bool take_request(struct connection *c)
{
    *reserve(&c->in, 1) = 0;
    char *request = (char *)c->in.data + c->in.begin, answer[512];
    char *end = strstr(request, "\r\n\r\n");
    if (!end) {
        c->dead = c->in.end - c->in.begin > READ_MIN;
        return false;
    }
    char behind = end[4];
    end[4] = 0;
    bool done = answer_request(request, answer, sizeof answer);
    if (done && !choose_mode(c, request + 4)) {
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n"
                 "Connection: close\r\n\r\n");
        done = false;
    }
    end[4] = behind;
    size_t size = strlen(answer);
    memcpy(reserve(&c->out, size), answer, size);
    c->out.end += size;
    consume(&c->in, (size_t)(end + 4 - request));
    if (!done)
        c->mode = CLOSING;
    return done;
}

static void take_input(struct connection *c)
{
    if (c->mode == OPENING && !take_request(c))
        return;
    while (c->mode < CLOSING && c->in.begin < c->in.end && take_frame(c))
        ;
    if (c->mode >= CLOSING)
        c->in.begin = c->in.end = 0; /* nothing counts after a Close frame */
}

static void readable(struct connection *c)
{
    for (;;) {
        size_t room = c->in.room - c->in.end;
        if (room < READ_MIN) {
            bool full = room == 0 && c->in.room < READ_MAX;
            reserve(&c->in, full ? c->in.room + READ_MIN : READ_MIN);
            room = c->in.room - c->in.end;
        }
        ssize_t size = stream_read(&c->stream, c->in.data + c->in.end, room);
        if (size == GONE)
            c->dead = true;
        if (size < 0)
            return;
        c->in.end += (size_t)size;
        bool filled = (size_t)size == room;
        if (filled && c->in.room < READ_MAX && c->mode != OPENING)
            reserve(&c->in, c->in.room); /* busy: read more at once from now on */
        take_input(c);
        if (c->out.end - c->out.begin >= BACKLOG || (!filled && !c->stream.tls))
            return; /* plain: there was no more; TLS holds what it has read */
    }
}

static void forget(struct connection *c)
{
    end_ticks(c);
    stream_close(&c->stream);
    free(c->in.data);
    free(c->out.data);
    free(c->block);
    free(c);
}

static void welcome(struct source *listener)
{
    int fd, on = 1;
    while ((fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *c = needed(calloc(1, sizeof *c));
        c->source.connection = c;
#ifdef WITH_TLS
        stream_open(&c->stream, fd, listener->context);
#else
        c->stream.fd = fd;
#endif
        c->watched = EPOLLIN;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &c->source};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
}

static int listen_on_any_port(struct source *listener)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int on = 1;
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener->fd, (struct sockaddr *)&address, size) ||
        listen(listener->fd, 4096) ||
        getsockname(listener->fd, (struct sockaddr *)&address, &size))
        fail("listen");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener->fd, &event);
    return ntohs(address.sin_port);
}

static void serve(struct source *source, uint32_t events)
{
    struct connection *c = source->connection;
    if (c->dead)
        return;
    bool stalled = c->out.end - c->out.begin >= BACKLOG;
    if (source == &c->timer) {
        if (c->timer.fd)
            tick(c);
    } else if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
        readable(c);
    }
    if (!c->dead)
        pump(c);
    if (!c->dead && stalled && c->stream.tls)
        readable(c); /* TLS may hold octets that epoll does not know of */
    if (!c->dead) {
        watch(c);
    } else {
        c->next_dead = dead;
        dead = c;
    }
}

static void run(void)
{
    struct epoll_event events[256];
    for (;;) {
        int number = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < number; i++) {
            struct source *source = events[i].data.ptr;
            char nothing[64];
            if (source->connection)
                serve(source, events[i].events);
            else if (source->fd != STDIN_FILENO)
                welcome(source);
            else if (read(STDIN_FILENO, nothing, sizeof nothing) <= 0)
                return;
        }
        for (struct connection *c; (c = dead);) {
            dead = c->next_dead;
            forget(c);
        }
    }
}

int main(int count, char **words)
{
    static struct source plain, secure, input = {.fd = STDIN_FILENO};
    int secure_port = 0;
    epoll = epoll_create1(0);
    int port = listen_on_any_port(&plain);
#ifdef WITH_TLS
    if (count == 3) {
        secure.context = tls_context(words[1], words[2]);
        secure_port = listen_on_any_port(&secure);
    }
#else
    (void)count, (void)words, (void)secure;
#endif
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &input};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event))
        fail("standard input must be a pipe");
    printf("%d %d\n", port, secure_port);
    fflush(stdout);
    run();
    return 0;
}
