/* What text may be, by the type of its field; see text.h. */
#include "text.h"

#include "wire.h"

#include <string.h>

/* Tab, line feed and carriage return are text; other control characters below U+0020 are
 * not. */
static bool is_control(unsigned char c)
{
    return c < 0x20 && c != '\t' && c != '\n' && c != '\r';
}

static bool has_control(struct casebus_bytes text)
{
    size_t i = 0;
    while (i + 8 <= text.size && !wire_any_below(wire_eight(text.data + i), 0x20)) {
        i += 8;
    }
    while (i < text.size && !is_control(text.data[i])) {
        i++;
    }
    return i < text.size;
}

/* Bytes of the white space at `at`: ASCII's, and what Unicode calls White_Space. */
static size_t blank(const unsigned char *at, size_t left)
{
    static const char *const wide[] = {
        "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
        "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
        "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
        "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80",
    };
    if (*at < 0x80) {
        return *at == ' ' || (*at >= '\t' && *at <= '\r') ? 1 : 0;
    }
    for (size_t i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        size_t size = strlen(wide[i]);
        if (size <= left && memcmp(at, wide[i], size) == 0) {
            return size;
        }
    }
    return 0;
}

bool casebus_text_is_blank(struct casebus_bytes text)
{
    size_t at = 0;
    while (at < text.size) {
        size_t size = blank(text.data + at, text.size - at);
        if (size == 0) {
            return false;
        }
        at += size;
    }
    return true;
}

static int check_text(struct casebus_bytes text, const struct casebus_field *field)
{
    if (text.size > field->max) {
        return CASEBUS_ETOOLONG;
    }
    if ((!text_is_simple(text) && has_control(text)) ||
        (field->required && casebus_text_is_blank(text))) {
        return CASEBUS_EVALUE;
    }
    return 0;
}

static bool is_blank_or_control(uint64_t eight)
{
    return wire_any_below(eight, 0x21) || wire_any_is(eight, 0x7f);
}

static bool has_blank_or_control(struct casebus_bytes text)
{
    struct wire_ends ends = wire_ends(text.data, text.size);
    bool found = is_blank_or_control(ends.first) || is_blank_or_control(ends.last);
    for (size_t i = 8; !found && i + 8 < text.size; i += 8) {
        found = is_blank_or_control(wire_eight(text.data + i));
    }
    return found;
}

static bool begins(struct casebus_bytes text, const char *prefix, size_t size)
{
    return text.size > size && memcmp(text.data, prefix, size) == 0;
}

static int check_url(struct casebus_bytes text, const struct casebus_field *field)
{
    if (text.size > field->max) {
        return CASEBUS_ETOOLONG;
    }
    bool web = begins(text, "https://", 8) || begins(text, "http://", 7);
    return web && !has_blank_or_control(text) ? 0 : CASEBUS_EVALUE;
}

static int check_choice(struct casebus_bytes text, const struct casebus_field *field)
{
    for (const char *const *choice = field->choices; choice && *choice; choice++) {
        if (casebus_bytes_is(text, *choice)) {
            return 0;
        }
    }
    return CASEBUS_EVALUE;
}

static int two_digits(const unsigned char *at)
{
    bool digits = at[0] >= '0' && at[0] <= '9' && at[1] >= '0' && at[1] <= '9';
    return digits ? (at[0] - '0') * 10 + at[1] - '0' : -1;
}

bool casebus_date_valid(struct casebus_bytes text)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (text.size != 10 || text.data[4] != '-' || text.data[7] != '-') {
        return false;
    }
    int century = two_digits(text.data), year = two_digits(text.data + 2);
    int month = two_digits(text.data + 5), day = two_digits(text.data + 8);
    if (century < 10 || year < 0 || month < 1 || month > 12 || day < 1) {
        return false;
    }
    bool leap = year == 0 ? century % 4 == 0 : year % 4 == 0;
    return day <= days[month - 1] + (month == 2 && leap ? 1 : 0);
}

int casebus_text_fits(struct casebus_bytes text, const struct casebus_field *field)
{
    switch (field->type) {
    case CASEBUS_TYPE_DATE:
        return casebus_date_valid(text) ? 0 : CASEBUS_EVALUE;
    case CASEBUS_TYPE_URL:
        return check_url(text, field);
    case CASEBUS_TYPE_CHOICE:
        return check_choice(text, field);
    default:
        return check_text(text, field);
    }
}
