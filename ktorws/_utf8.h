/*
 * UTF-8 validation that can stop after any octet and go on with the next one
 * (RFC 3629, section 4). The state says how many octets the character at hand
 * still needs and the range that the next of them must be in; that range is what
 * rules out overlong forms, surrogates and everything above U+10FFFF.
 */
#ifndef KTORWS_UTF8_H
#define KTORWS_UTF8_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include "_utf8_avx2.h"
#define KTORWS_UTF8_HAS_BULK __builtin_cpu_supports("avx2")
#define ktorws_utf8_bulk ktorws_utf8_avx2
#else
#define KTORWS_UTF8_HAS_BULK 0
#define ktorws_utf8_bulk(data, size) ((size_t)0)
#endif

/* From so many octets on vectors are worth their beginning and end. */
#define KTORWS_UTF8_BULK 64

typedef struct {
    uint8_t need; /* 0 between characters */
    uint8_t low;
    uint8_t high;
} ktorws_utf8;

/* Whether all of it is ASCII. */
static inline int
ktorws_is_ascii(const uint8_t *data, size_t size)
{
    const uint64_t high_bits = 0x8080808080808080u;
    uint64_t seen, block[4];
    size_t i = 0, k;

    for (; i + sizeof block <= size; i += sizeof block) {
        memcpy(block, data + i, sizeof block);
        if ((block[0] | block[1] | block[2] | block[3]) & high_bits)
            return 0;
    }
    for (seen = 0, k = i; k + sizeof seen <= size; k += sizeof seen) {
        memcpy(block, data + k, sizeof seen);
        seen |= block[0];
    }
    for (; k < size; k++)
        seen |= data[k];
    return !(seen & high_bits);
}

/* What the first octet of a character, not ASCII, asks of the rest; 0 if none may. */
static inline int
ktorws_utf8_begin(ktorws_utf8 *state, uint8_t octet)
{
    state->low = 0x80;
    state->high = 0xBF;
    if (octet < 0xC2 || octet > 0xF4)
        return 0;
    if (octet < 0xE0) {
        state->need = 1;
    } else if (octet < 0xF0) {
        state->need = 2;
        if (octet == 0xE0)
            state->low = 0xA0;
        else if (octet == 0xED)
            state->high = 0x9F;
    } else {
        state->need = 3;
        if (octet == 0xF0)
            state->low = 0x90;
        else if (octet == 0xF4)
            state->high = 0x8F;
    }
    return 1;
}

/* Whether these octets go on validly from the state, which they move. */
static inline int
ktorws_utf8_feed(ktorws_utf8 *state, const uint8_t *data, size_t size)
{
    const uint64_t high_bits = 0x8080808080808080u;
    int bulk = size >= KTORWS_UTF8_BULK && KTORWS_UTF8_HAS_BULK;
    size_t i = 0;

    while (i < size) {
        if (state->need == 0) {
            uint64_t block;
            while (i + sizeof block <= size) {
                memcpy(&block, data + i, sizeof block);
                if (block & high_bits)
                    break;
                i += sizeof block;
            }
            while (i < size && data[i] < 0x80)
                i++;
            if (i == size)
                return 1;
            if (bulk && size - i >= KTORWS_UTF8_BULK) {
                bulk = 0; /* it stops at a fault, or close to the end */
                i += ktorws_utf8_bulk(data + i, size - i);
                continue;
            }
            if (!ktorws_utf8_begin(state, data[i++]))
                return 0;
        } else {
            if (data[i] < state->low || data[i] > state->high)
                return 0;
            state->low = 0x80;
            state->high = 0xBF;
            state->need--;
            i++;
        }
    }
    return 1;
}

#endif
