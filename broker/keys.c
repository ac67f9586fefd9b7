/* Builds and takes apart the store's keys; keys.h has the table. */
#include "keys.h"

#include "hash.h"

#include <stdio.h>
#include <string.h>

const char *const tree_names[TREE_COUNT] = {
    [TREE_META] = "meta",           [TREE_LOG] = "log",
    [TREE_CASE] = "case",           [TREE_CREATED] = "created",
    [TREE_DATE] = "date",           [TREE_OFFENDER] = "offender",
    [TREE_AGENCY] = "agency",       [TREE_SESSION] = "session",
    [TREE_STARTED] = "started",     [TREE_HEAD] = "head",
    [TREE_PUBLISHER] = "publisher", [TREE_REFUSAL] = "refusal",
    [TREE_REJECT] = "reject",       [TREE_QUARANTINE] = "quarantine",
    [TREE_CONFLICT] = "conflict",   [TREE_ACTOR] = "actor",
    [TREE_ACTIVE] = "active",
};

const char *tree_place(enum tree tree)
{
    return tree_shares(tree) ? "shared" : tree_names[tree];
}

/* Callers pass parts that the schema has bounded; should one ever not fit, the key is cut
 * rather than memory overrun, and verify would name it. Not inlined: a copy of at most KEY_MAX
 * bytes would become string instructions, which take longer to start than a part to copy. */
__attribute__((noinline)) static void add(struct key *k, const void *data, size_t size)
{
    if (size > KEY_MAX - k->size) {
        size = KEY_MAX - k->size;
    }
    if (size > 0) {
        memcpy(k->data + k->size, data, size);
        k->size += size;
    }
}

static void add_bytes(struct key *k, struct casebus_bytes part)
{
    add(k, part.data, part.size);
}

static void add_number(struct key *k, uint64_t number)
{
    unsigned char b[8];
    casebus_put_big_endian(b, number, sizeof b);
    add(k, b, sizeof b);
}

static void add_byte(struct key *k, unsigned char byte)
{
    if (k->size < KEY_MAX) {
        k->data[k->size++] = byte;
    }
}

static void add_nul(struct key *k)
{
    add_byte(k, 0);
}

void key_make_number(struct key *k, uint64_t number)
{
    k->size = 8;
    casebus_put_big_endian(k->data, number, 8);
}

struct key key_number(uint64_t number)
{
    struct key k;
    key_make_number(&k, number);
    return k;
}

uint64_t key_to_number(struct casebus_bytes key)
{
    uint64_t number = 0;
    for (size_t i = 0; i < 8 && i < key.size; i++) {
        number = number << 8 | key.data[i];
    }
    return number;
}

static bool is_number(enum tree tree)
{
    return tree == TREE_LOG || tree == TREE_CREATED || tree == TREE_STARTED ||
           tree == TREE_REJECT || tree == TREE_CONFLICT;
}

const char *key_shown(enum tree tree, struct casebus_bytes key, char text[KEY_SHOWN_MAX])
{
    bool readable = casebus_utf8_valid(key);
    size_t n = 0;
    text[0] = '\0';
    if (is_number(tree) && key.size == 8) {
        snprintf(text, KEY_SHOWN_MAX, "%llu", (unsigned long long)key_to_number(key));
        return text;
    }
    for (size_t i = 0; i < key.size && i < KEY_MAX; i++) {
        unsigned char c = key.data[i];
        bool plain = c >= ' ' && c != 0x7f && (c < 0x80 || readable);
        n += (size_t)snprintf(text + n, KEY_SHOWN_MAX - n, plain ? "%c" : "|%02x", c);
    }
    return text;
}

void key_make_text(struct key *k, struct casebus_bytes text)
{
    k->size = 0;
    add_bytes(k, text);
}

struct key key_text(struct casebus_bytes text)
{
    struct key k;
    key_make_text(&k, text);
    return k;
}

void key_make_named(struct key *k, struct casebus_bytes agency, struct casebus_bytes id)
{
    k->size = 0;
    add_bytes(k, agency);
    add_byte(k, ':');
    add_bytes(k, id);
}

struct key key_named(struct casebus_bytes agency, struct casebus_bytes id)
{
    struct key k;
    key_make_named(&k, agency, id);
    return k;
}

void key_make_date(struct key *k, struct casebus_bytes agency, struct casebus_bytes date,
                   struct casebus_bytes regulator_id)
{
    k->size = 0;
    add_bytes(k, agency);
    add_nul(k);
    add(k, date.size == DATE_SIZE ? date.data : (const void *)NO_DATE, DATE_SIZE);
    add_nul(k);
    add_bytes(k, regulator_id);
}

struct key key_date(struct casebus_bytes agency, struct casebus_bytes date,
                    struct casebus_bytes regulator_id)
{
    struct key k;
    key_make_date(&k, agency, date, regulator_id);
    return k;
}

struct casebus_bytes key_agency(struct casebus_bytes key)
{
    const unsigned char *nul = memchr(key.data, 0, key.size);
    return casebus_bytes(key.data, nul ? (size_t)(nul - key.data) : 0);
}

struct casebus_bytes key_order(struct casebus_bytes key)
{
    const unsigned char *nul = memchr(key.data, 0, key.size);
    size_t skip = nul ? (size_t)(nul - key.data) + 1 : key.size;
    struct casebus_bytes rest = casebus_bytes(key.data + skip, key.size - skip);
    const unsigned char *end = rest.size ? memchr(rest.data, 0, rest.size) : NULL;
    return casebus_bytes(rest.data, end ? (size_t)(end - rest.data) : rest.size);
}

struct casebus_bytes key_date_id(struct casebus_bytes key, struct casebus_bytes *date)
{
    const unsigned char *nul = memchr(key.data, 0, key.size);
    size_t skip = nul ? (size_t)(nul - key.data) + 1 + DATE_SIZE + 1 : key.size;
    if (skip > key.size) {
        skip = key.size;
    }
    if (date) {
        *date =
            nul && skip < key.size ? casebus_bytes(nul + 1, DATE_SIZE) : casebus_bytes(NULL, 0);
    }
    return casebus_bytes(key.data + skip, key.size - skip);
}

static void add_name(struct key *k, struct casebus_bytes name)
{
    if (name.size <= NAME_KEY_MAX) {
        add_bytes(k, name);
        return;
    }
    char digits[17];
    size_t keep = NAME_KEY_MAX - 16;
    while (keep > 0 && (name.data[keep] & 0xc0) == 0x80) {
        keep--; /* not in the middle of a character */
    }
    snprintf(digits, sizeof digits, "%016llx",
             (unsigned long long)hash_64(name.data, name.size, 0));
    add(k, name.data, keep);
    add(k, digits, 16);
}

void key_make_offender(struct key *k, struct casebus_bytes agency,
                       struct casebus_bytes normal_name, struct casebus_bytes postcode)
{
    k->size = 0;
    add_bytes(k, agency);
    add_nul(k);
    add_name(k, normal_name);
    add_nul(k);
    add_bytes(k, postcode);
    add_nul(k);
}

struct key key_offender(struct casebus_bytes agency, struct casebus_bytes normal_name,
                        struct casebus_bytes postcode)
{
    struct key k;
    key_make_offender(&k, agency, normal_name, postcode);
    return k;
}

void key_make_offender_case(struct key *k, const struct key *offender,
                            struct casebus_bytes regulator_id)
{
    k->size = 0;
    add_bytes(k, key_bytes(offender));
    add_bytes(k, regulator_id);
}

struct key key_offender_case(const struct key *offender, struct casebus_bytes regulator_id)
{
    struct key k;
    key_make_offender_case(&k, offender, regulator_id);
    return k;
}

struct casebus_bytes key_offender_id(struct casebus_bytes key)
{
    size_t at = key.size;
    while (at > 0 && key.data[at - 1] != 0) {
        at--;
    }
    return casebus_bytes(key.data + at, key.size - at);
}

void key_make_publisher(struct key *k, struct casebus_bytes actor,
                        const unsigned char *publisher)
{
    k->size = 0;
    add_bytes(k, actor);
    add_nul(k);
    add(k, publisher, CASEBUS_PUBLISHER_SIZE);
}

struct key key_publisher(struct casebus_bytes actor, const unsigned char *publisher)
{
    struct key k;
    key_make_publisher(&k, actor, publisher);
    return k;
}

struct key key_refusal(const struct key *publisher, uint64_t number)
{
    struct key k = *publisher;
    add_number(&k, number);
    return k;
}

struct key key_quarantine(struct casebus_bytes case_id, const unsigned char *hash)
{
    struct key k;
    k.size = 0;
    add_bytes(&k, case_id);
    add_nul(&k);
    add(&k, hash, CASEBUS_HASH_SIZE);
    return k;
}
