/* Text for people.
 *
 * What is in a record was written on some web page by somebody: names, breaches, references. A
 * terminal obeys what it is shown, so nothing of it may get there raw: neither the old control
 * characters nor C1 ones in their UTF-8 form, nor the characters that turn the direction of
 * writing around so that a line reads otherwise than it is. One predicate decides, for lines
 * and for JSON.
 *
 * Contract: text_add_foreign() for every byte that came over the wire, text_add() for ours. */
#include "text.h"

#include <casebus/money.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utf8proc.h>

#define NUMBER_MAX ((UINT64_C(1) << 53) - 1)

void text_clear(struct text *self)
{
    self->size = 0;
    self->failed = false;
    if (self->data != NULL) {
        self->data[0] = '\0';
    }
}

void text_free(struct text *self)
{
    free(self->data);
    *self = (struct text){0};
}

const char *text_get(const struct text *self)
{
    return self->data != NULL ? self->data : "";
}

static bool make_room(struct text *self, size_t more)
{
    size_t need = self->size + more + 1;
    if (need <= self->room) {
        return true;
    }
    need = need < 2 * self->room ? 2 * self->room : need < 128 ? 128 : need;
    char *data = realloc(self->data, need);
    if (data == NULL) {
        self->failed = true;
        return false;
    }
    self->data = data;
    self->room = need;
    return true;
}

void text_add_bytes(struct text *self, const char *bytes, size_t size)
{
    if (size > 0 && make_room(self, size)) {
        memcpy(self->data + self->size, bytes, size);
        self->size += size;
        self->data[self->size] = '\0';
    }
}

void text_add(struct text *self, const char *words)
{
    text_add_bytes(self, words, strlen(words));
}

void text_format(struct text *self, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (size < 0) {
        self->failed = true;
    } else if ((size_t)size < sizeof line) {
        text_add_bytes(self, line, (size_t)size);
    } else if (make_room(self, (size_t)size)) {
        va_start(args, format);
        vsnprintf(self->data + self->size, (size_t)size + 1, format, args);
        va_end(args);
        self->size += (size_t)size;
    }
}

/* --- somebody else's words -------------------------------------------------------------- */

static bool is_unsafe(utf8proc_int32_t c)
{
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_CC: /* control characters, of both sets */
    case UTF8PROC_CATEGORY_CF: /* writing direction, zero-width marks, tags */
    case UTF8PROC_CATEGORY_ZL: /* line and paragraph separators */
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
        return true;
    default:
        return false;
    }
}

/* The next character of *at: its size, with *c -1 where the bytes are none. */
static size_t next_character(const unsigned char *at, size_t left, utf8proc_int32_t *c)
{
    const utf8proc_ssize_t size = utf8proc_iterate(at, (utf8proc_ssize_t)left, c);
    if (size > 0) {
        return (size_t)size;
    }
    *c = -1;
    return 1;
}

/* How many bytes from here on are plain ASCII, which nearly everything is. */
static size_t plain(const unsigned char *at, size_t left)
{
    size_t size = 0;
    while (size < left && at[size] >= 0x20 && at[size] < 0x7f) {
        size++;
    }
    return size;
}

static void add_escaped(struct text *self, utf8proc_int32_t c)
{
    const char *const named = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;
    if (named != NULL) {
        text_add(self, named);
    } else {
        text_format(self, c < 0x100 ? "\\x%02x" : "\\u%04x", (unsigned)c);
    }
}

void text_add_foreign(struct text *self, struct casebus_bytes words)
{
    const unsigned char *at = words.data;
    size_t left = words.size;
    while (left > 0) {
        utf8proc_int32_t c;
        size_t size = plain(at, left);
        if (size == 0) {
            size = next_character(at, left, &c);
            if (c < 0) {
                add_escaped(self, at[0]);
            } else if (is_unsafe(c)) {
                add_escaped(self, c);
            } else {
                text_add_bytes(self, (const char *)at, size);
            }
        } else {
            text_add_bytes(self, (const char *)at, size);
        }
        at += size;
        left -= size;
    }
}

static void add_json_escape(struct text *self, utf8proc_int32_t c)
{
    unsigned u = (unsigned)c;
    if (u > 0xffff) {
        u -= 0x10000;
        text_format(self, "\\u%04x\\u%04x", 0xd800 | u >> 10, 0xdc00 | (u & 0x3ff));
    } else {
        text_format(self, "\\u%04x", u);
    }
}

/* One character that is not plain, or a byte that is none. */
static size_t add_json_character(struct text *self, const unsigned char *at, size_t left)
{
    utf8proc_int32_t c;
    const size_t size = next_character(at, left, &c);
    if (c < 0) {
        text_add(self, "\ufffd");
    } else if (c == '"' || c == '\\') {
        const char escaped[] = {'\\', (char)c};
        text_add_bytes(self, escaped, sizeof escaped);
    } else if (is_unsafe(c)) {
        add_json_escape(self, c);
    } else {
        text_add_bytes(self, (const char *)at, size);
    }
    return size;
}

void text_add_json(struct text *self, struct casebus_bytes words)
{
    const unsigned char *at = words.data;
    size_t left = words.size;
    text_add_bytes(self, "\"", 1);
    while (left > 0) {
        size_t size = 0;
        while (size < left && at[size] >= 0x20 && at[size] < 0x7f && at[size] != '"' &&
               at[size] != '\\') {
            size++;
        }
        if (size > 0) {
            text_add_bytes(self, (const char *)at, size);
        } else {
            size = add_json_character(self, at, left);
        }
        at += size;
        left -= size;
    }
    text_add_bytes(self, "\"", 1);
}

/* --- values ----------------------------------------------------------------------------- */

void text_add_pence(struct text *self, uint64_t pence)
{
    char money[64];
    const int size = casebus_pence_to_text(pence, money, sizeof money);
    if (size > 0) {
        text_add_bytes(self, money, (size_t)size);
    }
}

void text_add_uint(struct text *self, uint64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    text_add_bytes(self, digits + at, sizeof digits - at);
}

void text_add_count(struct text *self, uint64_t count)
{
    char digits[24];
    const int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0) {
            text_add_bytes(self, ",", 1);
        }
        text_add_bytes(self, &digits[i], 1);
    }
}

void text_add_instant(struct text *self, uint64_t instant)
{
    const time_t seconds = (time_t)(instant / 1000000);
    struct tm local;
    char written[40];
    if (localtime_r(&seconds, &local) == NULL ||
        strftime(written, sizeof written, "%Y-%m-%d %H:%M:%S", &local) == 0) {
        text_format(self, "%llu", (unsigned long long)instant);
        return;
    }
    text_add(self, written);
}

void text_add_hex(struct text *self, struct casebus_bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        const char pair[] = {"0123456789abcdef"[bytes.data[i] >> 4],
                             "0123456789abcdef"[bytes.data[i] & 15]};
        text_add_bytes(self, pair, sizeof pair);
    }
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *const at = c != '\0' ? strchr(digits, c) : NULL;
    return at != NULL ? (int)(at - digits) : -1;
}

bool text_read_hex(const char *hex, unsigned char *bytes, size_t room, size_t *size)
{
    *size = strlen(hex) / 2;
    if (strlen(hex) % 2 != 0 || *size > room) {
        return false;
    }
    for (size_t i = 0; i < *size; i++) {
        const int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

bool text_read_number(const char *digits, uint64_t *number)
{
    char *end;
    errno = 0;
    const unsigned long long read = strtoull(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end != '\0' || errno != 0 || read > NUMBER_MAX) {
        return false;
    }
    *number = read;
    return true;
}

/* --- width ------------------------------------------------------------------------------ */

static size_t measure(const char *utf8, size_t size, size_t columns, size_t *width)
{
    const unsigned char *at = (const unsigned char *)utf8;
    size_t taken = 0;
    *width = 0;
    while (taken < size) {
        utf8proc_int32_t c;
        const size_t step = next_character(at + taken, size - taken, &c);
        const size_t wide = c < 0 ? 1 : (size_t)utf8proc_charwidth(c);
        if (*width + wide > columns) {
            break;
        }
        *width += wide;
        taken += step;
    }
    return taken;
}

size_t text_width(const char *utf8, size_t size)
{
    size_t width;
    measure(utf8, size, SIZE_MAX / 2, &width);
    return width;
}

size_t text_fit(const char *utf8, size_t size, size_t columns)
{
    size_t width;
    return measure(utf8, size, columns, &width);
}

bool text_ends_with(struct casebus_bytes text, const char *end)
{
    const size_t size = strlen(end);
    return text.size >= size && memcmp(text.data + text.size - size, end, size) == 0;
}
