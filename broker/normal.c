/* Normalising names by the rule of PROTOCOL.md "What a report causes", with utf8proc for case
 * and space. */
#include "normal.h"

#include <string.h>
#include <utf8proc.h>

#define NEXT_LINE 0x85 /* white space, and no separator by its category */

static bool is_space(utf8proc_int32_t c)
{
    utf8proc_category_t k = utf8proc_category(c);
    return k == UTF8PROC_CATEGORY_ZS || k == UTF8PROC_CATEGORY_ZL ||
           k == UTF8PROC_CATEGORY_ZP || c == NEXT_LINE;
}

static void add(struct normal *n, utf8proc_int32_t c)
{
    unsigned char b[4];
    size_t size = (size_t)utf8proc_encode_char(c, b);
    if (n->size + size <= NORMAL_MAX) {
        memcpy(n->data + n->size, b, size);
        n->size += size;
    }
}

static void write_company_one_way(struct normal *n)
{
    static const char shorter[] = "ltd", longer[] = "limited";
    size_t s = sizeof shorter - 1, l = sizeof longer - 1;
    if (n->size >= s && n->size - s + l <= NORMAL_MAX &&
        memcmp(n->data + n->size - s, shorter, s) == 0 &&
        (n->size == s || n->data[n->size - s - 1] == ' ')) {
        memcpy(n->data + n->size - s, longer, l);
        n->size += l - s;
    }
}

static bool is_capital(unsigned char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_ascii_space(unsigned char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* What is ASCII from `at` on, up to what is not: its place is given back. *space: one is to
 * come before what follows. */
static size_t add_ascii(struct normal *n, struct casebus_bytes name, size_t at, bool *space)
{
    unsigned char *out = n->data + n->size, *const end = n->data + NORMAL_MAX - 1;
    bool apart = *space;
    for (; at < name.size && name.data[at] < 0x80 && out < end; at++) {
        unsigned char c = name.data[at];
        if (is_ascii_space(c)) {
            apart = out > n->data;
        } else if (c != '.') {
            *out = ' ';
            out += apart;
            *out++ = (unsigned char)(is_capital(c) ? c + 32 : c);
            apart = false;
        }
    }
    n->size = (size_t)(out - n->data);
    *space = apart;
    return at;
}

struct normal normal_name(struct casebus_bytes name)
{
    struct normal n;
    bool space = false;
    n.size = 0;
    size_t at = add_ascii(&n, name, 0, &space);
    while (at < name.size) {
        utf8proc_int32_t c;
        utf8proc_ssize_t step =
            utf8proc_iterate(name.data + at, (utf8proc_ssize_t)(name.size - at), &c);
        if (step < 1) {
            break; /* checked text never gets here */
        }
        if (is_space(c)) {
            space = n.size > 0;
        } else {
            if (space) {
                add(&n, ' ');
                space = false;
            }
            add(&n, utf8proc_tolower(c));
        }
        at = add_ascii(&n, name, at + (size_t)step, &space);
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
    size_t size = 0;
    for (size_t i = 0; i < postcode.size && size < 16; i++) {
        unsigned char c = postcode.data[i];
        if (c > ' ' && c != 0x7f) {
            n.data[size++] = (unsigned char)(c >= 'a' && c <= 'z' ? c - 32 : c);
        }
    }
    n.size = size;
    return n;
}
