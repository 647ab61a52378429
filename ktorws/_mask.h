/*
 * Payload masking (RFC 6455, section 5.3): octet i of the payload is XOR-ed with
 * octet (i + offset) % 4 of the key. One loop serves every platform: eight octets a
 * step through memcpy, so that no pointer needs to be aligned and no byte order is
 * assumed; at -O3 the compiler turns it into the vectors it has. Of those x86-64 has
 * but the smallest for sure: where there are longer ones, large payloads take them.
 * The destination is the source itself or does not overlap it.
 */
#ifndef KTORWS_MASK_H
#define KTORWS_MASK_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define KTORWS_MASK_INLINE inline __attribute__((always_inline))
#else
#define KTORWS_MASK_INLINE inline
#endif

/* From so many octets on longer vectors are worth the question for them. */
#define KTORWS_MASK_BULK 128

static KTORWS_MASK_INLINE void
ktorws_mask_by(uint8_t *dst, const uint8_t *src, size_t size, uint64_t word)
{
    uint8_t octets[8];
    uint64_t block;
    size_t i;

    for (i = 0; i + sizeof block <= size; i += sizeof block) {
        memcpy(&block, src + i, sizeof block);
        block ^= word;
        memcpy(dst + i, &block, sizeof block);
    }
    memcpy(octets, &word, sizeof octets);
    for (; i < size; i++)
        dst[i] = src[i] ^ octets[i & 7];
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target("avx2"))) static void
ktorws_mask_avx2(uint8_t *dst, const uint8_t *src, size_t size, uint64_t word)
{
    ktorws_mask_by(dst, src, size, word);
}
#define KTORWS_MASK_HAS_AVX2 __builtin_cpu_supports("avx2")
#else
#define KTORWS_MASK_HAS_AVX2 0
#define ktorws_mask_avx2 ktorws_mask_by
#endif

static inline void
ktorws_mask(uint8_t *dst, const uint8_t *src, size_t size, const uint8_t *key,
            size_t offset)
{
    uint8_t turned[8];
    uint64_t word;
    size_t i;

    for (i = 0; i < sizeof turned; i++)
        turned[i] = key[(i + offset) & 3];
    memcpy(&word, turned, sizeof word);

    if (size >= KTORWS_MASK_BULK && KTORWS_MASK_HAS_AVX2)
        ktorws_mask_avx2(dst, src, size, word);
    else
        ktorws_mask_by(dst, src, size, word);
}

#endif
