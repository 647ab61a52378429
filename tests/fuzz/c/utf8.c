/*
 * libFuzzer on `_utf8.h`: octet 0 says how the rest is cut. The verdict must be that
 * of a decoder which takes the code points apart (RFC 3629, section 3), and must be
 * "no" at the first octet that no valid text can have there: RFC 3629, section 4,
 * says which those are.
 */
#include <stdlib.h>

#include "../../../ktorws/_utf8.h"

/* How many octets the valid character at the start takes; 0: none; -1: cut short. */
static int
character(const uint8_t *data, size_t size)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t point;
    int length, i;

    if (data[0] < 0x80)
        return 1;
    if (data[0] >> 5 == 0x06)
        length = 2;
    else if (data[0] >> 4 == 0x0E)
        length = 3;
    else if (data[0] >> 3 == 0x1E)
        length = 4;
    else
        return 0;
    point = data[0] & (0x7Fu >> length);
    for (i = 1; i < length; i++) {
        if ((size_t)i >= size)
            return -1;
        if (data[i] >> 6 != 2)
            return 0;
        point = point << 6 | (data[i] & 0x3Fu);
    }
    if (point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
        return 0;
    return length;
}

/* Whether some octets make these a character: then they are not wrong yet. */
static int
can_go_on(const uint8_t *data, size_t size)
{
    uint8_t whole[4];
    unsigned a, b, c;

    memset(whole, 0x80, sizeof whole);
    memcpy(whole, data, size);
    if (size == 3) {
        for (a = 0x80; a < 0xC0; a++) {
            whole[3] = (uint8_t)a;
            if (character(whole, 4) > 0)
                return 1;
        }
        return 0;
    }
    for (a = 0x80; a < 0xC0; a++)
        for (b = 0x80; b < 0xC0; b += 0x3F)
            for (c = 0x80; c < 0xC0; c += 0x3F) {
                uint8_t rest[3];
                rest[0] = (uint8_t)a;
                rest[1] = (uint8_t)b;
                rest[2] = (uint8_t)c;
                memcpy(whole + size, rest, 4 - size);
                if (character(whole, 4) > 0)
                    return 1;
            }
    return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ktorws_utf8 state;
    size_t at = 0, step, end, good = 0;
    int length = 1, verdict = 1, wanted, open = 0;

    if (size < 1)
        return 0;
    step = data[0];
    data++;
    size--;

    while (good < size && (length = character(data + good, size - good)) > 0)
        good += (size_t)length;
    wanted = length > 0 || good == size;
    if (!wanted && length < 0 && can_go_on(data + good, size - good)) {
        wanted = 1;
        open = 1;
    }

    state.need = 0;
    while (verdict && at < size) {
        uint8_t *piece;
        end = step ? at + step : size;
        if (end > size)
            end = size;
        piece = malloc(end - at);
        memcpy(piece, data + at, end - at);
        verdict = ktorws_utf8_feed(&state, piece, end - at);
        free(piece);
        at = end;
    }
    if (verdict != wanted)
        abort();
    if (verdict && (state.need != 0) != open)
        abort();
    return 0;
}
