/* Is it UTF-8?
 *
 * Nearly all text on the bus is ASCII, so eight bytes are looked at in one step as long as that
 * holds. The rest follows the table of well-formed sequences in the Unicode standard (3-7): the
 * second byte's range depends on the first, all others are 80 to BF. */
#include <casebus/msgpack.h>
#include <string.h>

/* Bytes of the sequence at `at`, 0 if it is not well-formed. */
static size_t sequence(const unsigned char *at, size_t left)
{
    unsigned char lead = at[0], low = 0x80, high = 0xbf;
    size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (lead < 0xc2 || lead > 0xf4 || size > left) {
        return 0;
    }
    if (lead == 0xe0) {
        low = 0xa0; /* below: overlong */
    } else if (lead == 0xed) {
        high = 0x9f; /* above: surrogates */
    } else if (lead == 0xf0) {
        low = 0x90; /* below: overlong */
    } else if (lead == 0xf4) {
        high = 0x8f; /* above: past U+10FFFF */
    }
    if (at[1] < low || at[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return size;
}

bool casebus_utf8_valid(struct casebus_bytes text)
{
    const unsigned char *at = text.data;
    size_t left = text.size;
    while (left > 0) {
        if (left >= 8) {
            uint64_t eight;
            memcpy(&eight, at, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) == 0) {
                at += 8;
                left -= 8;
                continue;
            }
        }
        size_t size = *at < 0x80 ? 1 : sequence(at, left);
        if (size == 0) {
            return false;
        }
        at += size;
        left -= size;
    }
    return true;
}
