/*
 * UTF-8 in vectors of 32 octets, for text that is not ASCII; x86-64 with AVX2.
 *
 * After J. Keiser and D. Lemire, "Validating UTF-8 In Less Than One Instruction Per
 * Byte" (2020): whether two octets may stand side by side depends on three of their
 * four nibbles, so three table lookups find every fault but one: that the third or
 * fourth octet of a character is a continuation. That is looked at apart.
 */
#ifndef KTORWS_UTF8_AVX2_H
#define KTORWS_UTF8_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

/* What can be wrong with an octet and the one before it; a fault is a bit that all
 * three nibbles name. */
enum {
    KTORWS_SHORT = 0x01,       /* a first octet, and no continuation */
    KTORWS_LONG = 0x02,        /* ASCII, and a continuation */
    KTORWS_OVERLONG_3 = 0x04,  /* E0 80..9F */
    KTORWS_BEYOND = 0x08,      /* F4 90..BF, F5..FF 90..BF: above U+10FFFF */
    KTORWS_SURROGATE = 0x10,   /* ED A0..BF */
    KTORWS_OVERLONG_2 = 0x20,  /* C0, C1 */
    KTORWS_OVERLONG_4 = 0x40,  /* F0 80..8F; and F5..FF 80..8F */
    KTORWS_TWO = 0x80,         /* two continuations: right in a longer character */
    KTORWS_ANY = KTORWS_SHORT | KTORWS_LONG | KTORWS_TWO /* whatever the low nibble */
};

#define KTORWS_TABLE(...) \
    _mm256_broadcastsi128_si256(_mm_setr_epi8(__VA_ARGS__))

/* The octets of `block` moved up by `n`, behind the last ones of `before`. */
#define KTORWS_BEHIND(before, block, n) \
    _mm256_alignr_epi8(block, _mm256_permute2x128_si256(before, block, 0x21), 16 - (n))

__attribute__((target("avx2"))) static inline __m256i
ktorws_utf8_faults(__m256i before, __m256i block)
{
    const __m256i high_of_first = KTORWS_TABLE(
        KTORWS_LONG, KTORWS_LONG, KTORWS_LONG, KTORWS_LONG, KTORWS_LONG, KTORWS_LONG,
        KTORWS_LONG, KTORWS_LONG, (char)KTORWS_TWO, (char)KTORWS_TWO, (char)KTORWS_TWO,
        (char)KTORWS_TWO, KTORWS_SHORT | KTORWS_OVERLONG_2, KTORWS_SHORT,
        KTORWS_SHORT | KTORWS_OVERLONG_3 | KTORWS_SURROGATE,
        KTORWS_SHORT | KTORWS_BEYOND | KTORWS_OVERLONG_4);
    const char any = (char)KTORWS_ANY;
    const char beyond = (char)(KTORWS_ANY | KTORWS_BEYOND | KTORWS_OVERLONG_4);
    const __m256i low_of_first = KTORWS_TABLE(
        (char)(KTORWS_ANY | KTORWS_OVERLONG_2 | KTORWS_OVERLONG_3 | KTORWS_OVERLONG_4),
        (char)(KTORWS_ANY | KTORWS_OVERLONG_2), any, any,
        (char)(KTORWS_ANY | KTORWS_BEYOND), beyond, beyond, beyond, beyond, beyond,
        beyond, beyond, beyond, (char)(beyond | KTORWS_SURROGATE), beyond, beyond);
    const char continuation = (char)(KTORWS_LONG | KTORWS_OVERLONG_2 | KTORWS_TWO);
    const char upper = (char)(continuation | KTORWS_SURROGATE | KTORWS_BEYOND);
    const __m256i high_of_second = KTORWS_TABLE(
        KTORWS_SHORT, KTORWS_SHORT, KTORWS_SHORT, KTORWS_SHORT, KTORWS_SHORT,
        KTORWS_SHORT, KTORWS_SHORT, KTORWS_SHORT,
        (char)(continuation | KTORWS_OVERLONG_3 | KTORWS_OVERLONG_4),
        (char)(continuation | KTORWS_OVERLONG_3 | KTORWS_BEYOND), upper, upper,
        KTORWS_SHORT, KTORWS_SHORT, KTORWS_SHORT, KTORWS_SHORT);
    const __m256i nibble = _mm256_set1_epi8(0x0F);
    const __m256i first = KTORWS_BEHIND(before, block, 1);
    const __m256i faults = _mm256_and_si256(
        _mm256_and_si256(
            _mm256_shuffle_epi8(
                high_of_first, _mm256_and_si256(_mm256_srli_epi16(first, 4), nibble)),
            _mm256_shuffle_epi8(low_of_first, _mm256_and_si256(first, nibble))),
        _mm256_shuffle_epi8(
            high_of_second, _mm256_and_si256(_mm256_srli_epi16(block, 4), nibble)));
    /* Two continuations must stand where a character has three or four octets, and
     * nowhere else: two behind E0..FF, three behind F0..FF. */
    const __m256i third = _mm256_subs_epu8(
        KTORWS_BEHIND(before, block, 2), _mm256_set1_epi8((char)(0xE0 - 0x80)));
    const __m256i fourth = _mm256_subs_epu8(
        KTORWS_BEHIND(before, block, 3), _mm256_set1_epi8((char)(0xF0 - 0x80)));
    const __m256i two = _mm256_and_si256(
        _mm256_or_si256(third, fourth), _mm256_set1_epi8((char)KTORWS_TWO));
    return _mm256_xor_si256(faults, two);
}

/* How many octets at the start are certainly whole, valid characters. */
__attribute__((target("avx2"))) static size_t
ktorws_utf8_avx2(const uint8_t *data, size_t size)
{
    __m256i before = _mm256_setzero_si256();
    size_t done = 0, back;

    for (; done + 32 <= size; done += 32) {
        const __m256i block = _mm256_loadu_si256((const __m256i *)(data + done));
        const __m256i faults = ktorws_utf8_faults(before, block);
        if (!_mm256_testz_si256(faults, faults))
            break;
        before = block;
    }
    /* The last character may be cut short. */
    for (back = 1; back <= 3 && back <= done; back++) {
        const uint8_t octet = data[done - back];
        if (octet >= 0xC0) {
            const size_t length = octet >= 0xF0 ? 4 : octet >= 0xE0 ? 3 : 2;
            return length > back ? done - back : done;
        }
        if (octet < 0x80)
            break;
    }
    return done;
}

#endif
