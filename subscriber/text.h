/* Text for people, and text that somebody else wrote.
 *
 * A buffer that grows, and what is written into it. A failure for want of memory stays
 * (`failed`); what is there is always NUL-terminated. */
#ifndef CASEBUS_TEXT_H
#define CASEBUS_TEXT_H

#include <casebus/msgpack.h>

struct text {
    char *data; /* NULL until something is added */
    size_t size, room;
    bool failed;
};

void text_clear(struct text *self); /* keeps the memory */
void text_free(struct text *self);
const char *text_get(const struct text *self); /* never NULL */

/* Our own words, as they are. */
void text_add(struct text *self, const char *words);
void text_add_bytes(struct text *self, const char *bytes, size_t size);
void text_format(struct text *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Somebody else's words: what moves a cursor, changes a terminal or hides text becomes \n, \x1b
 * or \u202e, readable; a byte that is not UTF-8 becomes \xff. */
void text_add_foreign(struct text *self, struct casebus_bytes words);
/* The same as a JSON string, with its quotes: there an escape means what it stands for. A byte
 * that is not UTF-8 becomes U+FFFD. */
void text_add_json(struct text *self, struct casebus_bytes words);

void text_add_pence(struct text *self, uint64_t pence);     /* £1,234.50 */
void text_add_uint(struct text *self, uint64_t number);     /* 12345 */
void text_add_count(struct text *self, uint64_t count);     /* 12,345 */
void text_add_instant(struct text *self, uint64_t instant); /* local time, to the second */
void text_add_hex(struct text *self, struct casebus_bytes bytes);
/* The bytes that lowercase hexadecimal digits stand for, where they fit into `room`. */
bool text_read_hex(const char *hex, unsigned char *bytes, size_t room, size_t *size);
/* Digits and nothing else, up to 2^53 - 1: what a double, and so JSON, can hold. */
bool text_read_number(const char *digits, uint64_t *number);

/* Columns on a terminal. */
size_t text_width(const char *utf8, size_t size);
/* How many bytes of it fit into `columns`. */
size_t text_fit(const char *utf8, size_t size, size_t columns);

bool text_ends_with(struct casebus_bytes text, const char *end);

#endif
