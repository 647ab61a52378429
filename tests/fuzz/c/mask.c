/*
 * libFuzzer on `_mask.h`: octets 0 to 3 are the key, octet 4 the alignments and the
 * offset, octet 5 where the data is cut; the rest is masked and compared with RFC
 * 6455, section 5.3, octet by octet. Memory is exactly as large as it has to be, so
 * that the address sanitizer sees a step beyond it.
 */
#include <stdlib.h>

#include "../../../ktorws/_mask.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t key[4], turned[8];
    uint64_t word;
    uint8_t *from, *to, *place;
    size_t offset, shift, cut, i;

    if (size < 6)
        return 0;
    memcpy(key, data, 4);
    offset = data[4] & 15;
    shift = data[4] >> 4;
    cut = data[5];
    data += 6;
    size -= 6;
    if (cut > size)
        cut = size;

    from = malloc(shift + size);
    to = malloc(shift + size);
    if (size)
        memcpy(from + shift, data, size);

    /* From one place to another, in two parts. */
    ktorws_mask(to + shift, from + shift, cut, key, offset);
    ktorws_mask(to + shift + cut, from + shift + cut, size - cut, key, offset + cut);
    for (i = 0; i < size; i++)
        if (to[shift + i] != (data[i] ^ key[(i + offset) % 4]))
            abort();

    /* As a processor does it that has the shortest vectors only. */
    for (i = 0; i < sizeof turned; i++)
        turned[i] = key[(i + offset) % 4];
    memcpy(&word, turned, sizeof word);
    ktorws_mask_by(to + shift, from + shift, size, word);
    for (i = 0; i < size; i++)
        if (to[shift + i] != (data[i] ^ key[(i + offset) % 4]))
            abort();

    /* In place, and back. */
    place = from + shift;
    ktorws_mask(place, place, size, key, offset);
    if (size && memcmp(place, to + shift, size) != 0)
        abort();
    ktorws_mask(place, place, size, key, offset);
    if (size && memcmp(place, data, size) != 0)
        abort();
    free(from);
    free(to);
    return 0;
}
