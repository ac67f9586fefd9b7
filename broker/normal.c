/* Normalising names by the rule of PROTOCOL.md "What a report causes", with utf8proc for case
 * and space. */
#include "normal.h"

#include <string.h>
#include <utf8proc.h>

static bool is_space(utf8proc_int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return c == '\t' || c == '\n' || c == '\r' || k == UTF8PROC_CATEGORY_ZS ||
           k == UTF8PROC_CATEGORY_ZL || k == UTF8PROC_CATEGORY_ZP;
}

static void add(struct normal *n, utf8proc_int32_t c)
{
    if (c < 0x80 && n->size < NORMAL_MAX) {
        n->data[n->size++] = (unsigned char)c;
        return;
    }
    unsigned char b[4];
    size_t size = (size_t)utf8proc_encode_char(c, b);
    if (n->size + size <= NORMAL_MAX) {
        memcpy(n->data + n->size, b, size);
        n->size += size;
    }
}

static void write_company_one_way(struct normal *n)
{
    static const char shorter[] = " ltd", longer[] = " limited";
    size_t s = sizeof shorter - 1, l = sizeof longer - 1;
    if (n->size > s && n->size - s + l <= NORMAL_MAX &&
        memcmp(n->data + n->size - s, shorter, s) == 0) {
        memcpy(n->data + n->size - s, longer, l);
        n->size += l - s;
    }
}

struct normal normal_name(struct casebus_bytes name)
{
    struct normal n;
    n.size = 0;
    bool space = false;
    size_t at = 0;
    while (at < name.size) {
        utf8proc_int32_t c = name.data[at];
        utf8proc_ssize_t step = 1;
        if (c >= 0x80) {
            step = utf8proc_iterate(name.data + at, (utf8proc_ssize_t)(name.size - at), &c);
        }
        if (step < 1) {
            break; /* checked text never gets here */
        }
        at += (size_t)step;
        if (c < 0x80 ? c == ' ' || (c >= '\t' && c <= '\r') : is_space(c)) {
            space = n.size > 0;
        } else if (c != '.') {
            if (space) {
                add(&n, ' ');
                space = false;
            }
            add(&n, c < 0x80 ? (c >= 'A' && c <= 'Z' ? c + 32 : c) : utf8proc_tolower(c));
        }
    }
    write_company_one_way(&n);
    return n;
}

bool normal_equal(struct casebus_bytes a, struct casebus_bytes b)
{
    if (casebus_bytes_equal(a, b)) {
        return true;
    }
    struct normal x = normal_name(a), y = normal_name(b);
    return casebus_bytes_equal(normal_bytes(&x), normal_bytes(&y));
}

struct normal normal_postcode(struct casebus_bytes postcode)
{
    struct normal n;
    n.size = 0;
    for (size_t i = 0; i < postcode.size && n.size < 16; i++) {
        unsigned char c = postcode.data[i];
        if (c > ' ' && c != 0x7f) {
            n.data[n.size++] = (unsigned char)(c >= 'a' && c <= 'z' ? c - 32 : c);
        }
    }
    return n;
}
