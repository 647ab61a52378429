/* RFC 6455 as a server needs it: the opening handshake, and frames as octets. */

#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "digest.h"

enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
enum { NORMAL = 1000, PROTOCOL_ERROR = 1002, TOO_BIG = 1009 };
enum { MAX_HEADER = 14, MAX_CONTROL = 125 };
#define MAX_FRAME ((uint64_t)128 << 20)

struct frame {
    int opcode;
    bool fin;
    uint64_t size; /* of the payload */
    uint8_t key[4];
    size_t header; /* octets before the payload */
};

/* Gives 1 for a header, 0 where octets are missing, a close code where a rule is broken. */
static int read_header(const uint8_t *data, size_t size, struct frame *frame)
{
    if (size < 2)
        return 0;
    frame->fin = data[0] & 0x80;
    frame->opcode = data[0] & 0x0F;
    frame->size = data[1] & 0x7F;
    bool control = frame->opcode & 8;
    if (data[0] & 0x70 || !(data[1] & 0x80))
        return PROTOCOL_ERROR; /* no extension was agreed on; a client must mask */
    if (frame->opcode > PONG || (frame->opcode > BINARY && !control))
        return PROTOCOL_ERROR;
    if (control && (!frame->fin || frame->size > MAX_CONTROL))
        return PROTOCOL_ERROR;
    size_t wide = frame->size == 126 ? 2 : frame->size == 127 ? 8 : 0;
    frame->header = 2 + wide + 4;
    if (size < frame->header)
        return 0;
    if (wide) {
        frame->size = 0;
        for (size_t i = 0; i < wide; i++)
            frame->size = frame->size << 8 | data[2 + i];
        if (frame->size < 126 || (wide == 8 && frame->size < 65536) ||
            frame->size >> 63)
            return PROTOCOL_ERROR; /* not the shortest way to say it */
        if (frame->size > MAX_FRAME)
            return TOO_BIG;
    }
    memcpy(frame->key, data + 2 + wide, 4);
    return 1;
}

/* Writes an unmasked header and gives its length. */
static size_t write_header(uint8_t *to, int opcode, bool fin, uint64_t size)
{
    to[0] = (uint8_t)(opcode | (fin ? 0x80 : 0));
    size_t wide = size < 126 ? 0 : size < 65536 ? 2 : 8;
    to[1] = (uint8_t)(wide == 0 ? size : wide == 2 ? 126 : 127);
    for (size_t i = 0; i < wide; i++)
        to[2 + i] = (uint8_t)(size >> 8 * (wide - 1 - i));
    return 2 + wide;
}

/* Copies a payload and takes its mask off. */
static void unmask(uint8_t *to, const uint8_t *from, size_t size, const uint8_t key[4])
{
    uint64_t word, wide;
    memcpy(&wide, key, 4);
    memcpy((uint8_t *)&wide + 4, key, 4);
    size_t at = 0;
    for (; at + 8 <= size; at += 8) {
        memcpy(&word, from + at, 8);
        word ^= wide;
        memcpy(to + at, &word, 8);
    }
    for (; at < size; at++)
        to[at] = from[at] ^ key[at % 4];
}

/* Finds a header's value in a request that ends with a zero. */
static const char *header_value(const char *request, const char *name, size_t *size)
{
    size_t length = strlen(name);
    for (const char *line = strstr(request, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, length) || line[length] != ':')
            continue;
        const char *value = line + length + 1;
        value += strspn(value, " \t");
        const char *end = strstr(value, "\r\n");
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        *size = (size_t)(end - value);
        return value;
    }
    return NULL;
}

/* Whether a header's comma-separated list has this word. */
static bool header_has(const char *request, const char *name, const char *word)
{
    size_t size, length = strlen(word);
    const char *value = header_value(request, name, &size);
    for (const char *end = value + size; value && value < end;) {
        value += strspn(value, " \t,");
        size_t part = strcspn(value, " \t,\r");
        if (value < end && part == length && !strncasecmp(value, word, length))
            return true;
        value += part;
    }
    return false;
}

/* Writes the answer to a request; gives whether the handshake is done. */
static bool answer_request(const char *request, char *answer, size_t room)
{
    size_t size;
    const char *key = header_value(request, "Sec-WebSocket-Key", &size);
    if (strncmp(request, "GET /", 5) || !key || size != 24 ||
        !header_has(request, "Upgrade", "websocket") ||
        !header_has(request, "Connection", "upgrade") ||
        !header_has(request, "Sec-WebSocket-Version", "13")) {
        snprintf(answer, room,
                 "HTTP/1.1 400 Bad Request\r\nSec-WebSocket-Version: 13\r\n"
                 "Content-Length: 0\r\nConnection: close\r\n\r\n");
        return false;
    }
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    uint8_t text[60], digest[20];
    char accept[29];
    memcpy(text, key, 24);
    memcpy(text + 24, guid, 36);
    sha1(text, sizeof text, digest);
    base64(digest, sizeof digest, accept);
    snprintf(answer, room,
             "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
             accept);
    return true;
}

#endif
