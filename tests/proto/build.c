/* Encoded values from text, for tests: see test.h. */
#include "proto/test.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* --- memory: every block lives until the program ends ----------------------------------- */

struct block {
    struct block *next;
    unsigned char *data;
};
static struct block *blocks;

static void free_blocks(void)
{
    while (blocks) {
        struct block *block = blocks;
        blocks = block->next;
        free(block->data);
        free(block);
    }
}

/* Room for `size` bytes, in the newest block. */
static struct casebus_bytes keep_room(size_t size)
{
    struct block *block = malloc(sizeof *block);
    assert_non_null(block);
    block->data = malloc(size ? size : 1);
    assert_non_null(block->data);
    if (!blocks) {
        assert_int_equal(atexit(free_blocks), 0);
    }
    block->next = blocks;
    blocks = block;
    return casebus_bytes(block->data, size);
}

struct casebus_bytes keep(const void *data, size_t size)
{
    struct casebus_bytes kept = keep_room(size);
    if (size > 0) {
        memcpy(blocks->data, data, size);
    }
    return kept;
}

struct casebus_bytes repeat(const char *what, size_t times)
{
    size_t size = strlen(what);
    struct casebus_bytes kept = keep_room(size * times);
    for (size_t i = 0; i < times; i++) {
        memcpy(blocks->data + i * size, what, size);
    }
    return kept;
}

struct casebus_bytes join(struct casebus_bytes a, struct casebus_bytes b)
{
    struct casebus_bytes kept = keep_room(a.size + b.size);
    memcpy(blocks->data, a.data, a.size);
    memcpy(blocks->data + a.size, b.data, b.size);
    return kept;
}

/* --- the text --------------------------------------------------------------------------- */

struct builder {
    const char *at;
    msgpack_packer *pk;
    va_list args;
};

static void value(struct builder *b);

static void expect(struct builder *b, char c)
{
    if (*b->at != c) {
        fail_msg("expected '%c' at \"%s\"", c, b->at);
    }
    b->at++;
}

/* Elements up to the bracket that closes the one before `at`. */
static size_t count(const char *at)
{
    size_t commas = 0, depth = 0;
    bool any = false;
    for (bool quoted = false;; at++) {
        assert_true(*at != '\0');
        if (*at == '\'') {
            quoted = !quoted;
            any = true;
        } else if (quoted) {
            continue;
        } else if (depth == 0 && (*at == '}' || *at == ']')) {
            return any ? commas + 1 : 0;
        } else if (*at == ',' && depth == 0) {
            commas++;
        } else {
            depth += *at == '{' || *at == '[' ? 1u : 0u;
            depth -= *at == '}' || *at == ']' ? 1u : 0u;
            any = true;
        }
    }
}

static void map(struct builder *b)
{
    size_t pairs = count(b->at);
    msgpack_pack_map(b->pk, pairs);
    for (size_t i = 0; i < pairs; i++) {
        size_t size = strcspn(b->at, ":");
        casebus_pack_str(b->pk, casebus_bytes(b->at, size));
        b->at += size;
        expect(b, ':');
        value(b);
        if (i + 1 < pairs) {
            expect(b, ',');
        }
    }
    expect(b, '}');
}

static void array(struct builder *b)
{
    size_t values = count(b->at);
    msgpack_pack_array(b->pk, values);
    for (size_t i = 0; i < values; i++) {
        value(b);
        if (i + 1 < values) {
            expect(b, ',');
        }
    }
    expect(b, ']');
}

static void argument(struct builder *b)
{
    switch (*b->at++) {
    case 's':
        casebus_pack_text(b->pk, va_arg(b->args, const char *));
        break;
    case 't':
        casebus_pack_str(b->pk, va_arg(b->args, struct casebus_bytes));
        break;
    case 'b':
        casebus_pack_bin(b->pk, va_arg(b->args, struct casebus_bytes));
        break;
    case 'r':
        casebus_pack_raw(b->pk, va_arg(b->args, struct casebus_bytes));
        break;
    case 'u':
        msgpack_pack_uint64(b->pk, va_arg(b->args, uint64_t));
        break;
    case 'f':
        msgpack_pack_double(b->pk, va_arg(b->args, double));
        break;
    default:
        fail_msg("what is \"%%%s\"?", b->at - 1);
    }
}

static bool word(struct builder *b, const char *text)
{
    size_t size = strlen(text);
    bool found = strncmp(b->at, text, size) == 0;
    b->at += found ? size : 0;
    return found;
}

static void number(struct builder *b)
{
    char *end;
    if (*b->at == '-') {
        msgpack_pack_int64(b->pk, strtoll(b->at, &end, 10));
    } else {
        msgpack_pack_uint64(b->pk, strtoull(b->at, &end, 10));
    }
    if (end == b->at) {
        fail_msg("what is \"%s\"?", b->at);
    }
    b->at = end;
}

static void value(struct builder *b)
{
    if (word(b, "{")) {
        map(b);
    } else if (word(b, "[")) {
        array(b);
    } else if (word(b, "%")) {
        argument(b);
    } else if (word(b, "'")) {
        size_t size = strcspn(b->at, "'");
        casebus_pack_str(b->pk, casebus_bytes(b->at, size));
        b->at += size;
        expect(b, '\'');
    } else if (word(b, "nil")) {
        msgpack_pack_nil(b->pk);
    } else if (word(b, "true")) {
        msgpack_pack_true(b->pk);
    } else if (word(b, "false")) {
        msgpack_pack_false(b->pk);
    } else {
        number(b);
    }
}

struct casebus_bytes build(const char *format, ...)
{
    msgpack_sbuffer out;
    msgpack_packer pk;
    struct builder b = {.at = format, .pk = &pk};
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    va_start(b.args, format);
    value(&b);
    va_end(b.args);
    assert_string_equal(b.at, "");
    struct casebus_bytes kept = keep(out.data, out.size);
    msgpack_sbuffer_destroy(&out);
    return kept;
}

/* --- assertions ------------------------------------------------------------------------- */

void assert_bytes(struct casebus_bytes actual, struct casebus_bytes expected)
{
    assert_int_equal(actual.size, expected.size);
    if (expected.size > 0) {
        assert_memory_equal(actual.data, expected.data, expected.size);
    }
}

void assert_text(struct casebus_bytes actual, const char *expected)
{
    assert_non_null(actual.data);
    assert_bytes(actual, casebus_cstr(expected));
}

void assert_fault(const struct casebus_fault *fault, int code, const char *field)
{
    assert_string_equal(casebus_error_word(fault->code), casebus_error_word(code));
    assert_string_equal(fault->field, field);
}
