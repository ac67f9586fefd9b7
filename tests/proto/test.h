/* What the tests of proto share: cmocka, and values written as text.
 *
 * build("{v:1,op:'case.get',ids:['hse:1'],raw:%r}", raw) encodes that map. Keys are bare words;
 * values are {maps}, [arrays], whole numbers, 'texts', nil, true, false, or taken from the
 * arguments: %s (const char *), %t (struct casebus_bytes as text), %b (as bin), %r (as
 * encoded), %u (uint64_t), %f (double). What it gives has exactly its own block of memory, so
 * that a sanitizer sees a reader step over its end, and lives as long as the program. */
#ifndef CASEBUS_TESTS_PROTO_TEST_H
#define CASEBUS_TESTS_PROTO_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <casebus/msgpack.h>

struct casebus_bytes build(const char *format, ...);
/* The same for bytes: a copy with its own block. */
struct casebus_bytes keep(const void *data, size_t size);
/* `times` times `what`. */
struct casebus_bytes repeat(const char *what, size_t times);
/* `a`, then `b`. */
struct casebus_bytes join(struct casebus_bytes a, struct casebus_bytes b);
#define BYTES(literal) keep(literal, sizeof(literal) - 1)

void assert_bytes(struct casebus_bytes actual, struct casebus_bytes expected);
void assert_text(struct casebus_bytes actual, const char *expected);
void assert_fault(const struct casebus_fault *fault, int code, const char *field);

#endif
