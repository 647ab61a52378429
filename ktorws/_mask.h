/*
 * Payload masking (RFC 6455, section 5.3): octet i of the payload is XOR-ed with
 * octet (i + offset) % 4 of the key. One kernel serves every platform: eight
 * octets a step through memcpy, so that no pointer needs to be aligned and no byte
 * order is assumed; at -O3 the compiler turns the loop into the vectors it has.
 * The destination is the source itself or does not overlap it.
 */
#ifndef KTORWS_MASK_H
#define KTORWS_MASK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline void
ktorws_mask(uint8_t *dst, const uint8_t *src, size_t size, const uint8_t *key,
            size_t offset)
{
    uint8_t turned[8];
    uint64_t word, block;
    size_t i;

    for (i = 0; i < sizeof turned; i++)
        turned[i] = key[(i + offset) & 3];
    memcpy(&word, turned, sizeof word);

    for (i = 0; i + sizeof block <= size; i += sizeof block) {
        memcpy(&block, src + i, sizeof block);
        block ^= word;
        memcpy(dst + i, &block, sizeof block);
    }
    for (; i < size; i++)
        dst[i] = src[i] ^ turned[i & 7];
}

#endif
