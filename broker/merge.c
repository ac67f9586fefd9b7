/* Merging a report into a record: the draft, and every difference; see record.h. */
#include "record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same(struct casebus_bytes a, struct casebus_bytes b)
{
    return casebus_bytes_equal(a, b) || casebus_value_equal(a, b);
}

static struct casebus_bytes present(struct casebus_bytes raw)
{
    return raw.data && !casebus_is_nil(raw) ? raw : casebus_bytes(NULL, 0);
}

struct diff {
    struct txn *txn;
    struct change *changes;
    size_t count;
};

static void note(struct diff *d, const char *prefix, struct casebus_bytes name,
                 struct casebus_bytes before, struct casebus_bytes after)
{
    if (d->changes && d->count < CHANGES_MAX) {
        struct change *c = &d->changes[d->count++];
        snprintf(c->field, sizeof c->field, "%s%.*s", prefix, (int)name.size,
                 (const char *)name.data);
        c->before = before;
        c->after = after;
    }
}

static int field_of(struct casebus_bytes name)
{
    for (int f = 0; f < CASEBUS_CASE_FIELD_COUNT; f++) {
        if (casebus_bytes_is(name, casebus_case_schema[f].name)) {
            return f;
        }
    }
    return -1;
}

/* --- maps merged key by key ------------------------------------------------------------- */

static size_t read_pairs(struct casebus_bytes map, struct pair *pairs, size_t room)
{
    struct casebus_reader r;
    casebus_reader_init(&r, map);
    uint32_t n = map.data ? casebus_read_map(&r) : 0;
    size_t count = 0;
    while (n-- > 0 && !r.error && count < room) {
        pairs[count].key = casebus_read_str(&r);
        pairs[count].value = casebus_read_raw(&r);
        count++;
    }
    return count;
}

/* Room for the pairs of two maps merged, and behind them for the update's alone. */
static struct pair *alloc_pairs(struct txn *txn, size_t before, size_t update)
{
    return txn_alloc(txn, (before + 2 * update + 1) * sizeof(struct pair));
}

static size_t count_pairs(struct casebus_bytes map)
{
    struct casebus_reader r;
    casebus_reader_init(&r, map);
    size_t count = map.data && casebus_peek(&r) == CASEBUS_MAP ? casebus_read_map(&r) : 0;
    return count < CASEBUS_KEYS_MAX ? count : CASEBUS_KEYS_MAX;
}

static struct pair *find_pair(struct pair *pairs, size_t count, struct casebus_bytes key)
{
    for (size_t i = 0; i < count; i++) {
        if (casebus_bytes_equal(pairs[i].key, key)) {
            return &pairs[i];
        }
    }
    return NULL;
}

static struct casebus_bytes pack_pairs(struct txn *txn, const struct pair *pairs, size_t count)
{
    msgpack_sbuffer out;
    msgpack_packer pk;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, count);
    for (size_t i = 0; i < count; i++) {
        casebus_pack_str(&pk, pairs[i].key);
        casebus_pack_raw(&pk, pairs[i].value);
    }
    struct casebus_bytes copy = txn_copy(txn, casebus_bytes(out.data, out.size));
    msgpack_sbuffer_destroy(&out);
    return copy;
}

/* Puts the keys of `update` into pairs: nil removes, others replace or come behind. */
static int merge_pairs(struct diff *d, const char *prefix, struct pair *pairs, size_t *count,
                       const struct pair *update, size_t update_count)
{
    for (size_t i = 0; i < update_count; i++) {
        struct casebus_bytes value = present(update[i].value);
        struct pair *old = find_pair(pairs, *count, update[i].key);
        if (old && value.data && same(old->value, value)) {
            continue;
        }
        if (old) {
            note(d, prefix, old->key, old->value, value);
            if (value.data) {
                old->value = value;
            } else {
                memmove(old, old + 1, (size_t)(pairs + --*count - old) * sizeof *old);
            }
        } else if (value.data) {
            note(d, prefix, update[i].key, casebus_bytes(NULL, 0), value);
            pairs[(*count)++] = update[i];
        }
    }
    return *count > CASEBUS_KEYS_MAX ? CASEBUS_ETOOMANY : 0;
}

/* The byte that is nil stands in no text: mostly, nothing has to be walked through. */
static bool may_have_nil(struct casebus_bytes map)
{
    return memchr(map.data, 0xc0, map.size) != NULL;
}

static bool has_nil(struct casebus_bytes map)
{
    struct casebus_reader r;
    casebus_reader_init(&r, map);
    for (uint32_t n = casebus_read_map(&r); n > 0 && !r.error; n--) {
        casebus_skip(&r);
        if (casebus_peek(&r) == CASEBUS_NIL) {
            return true;
        }
        casebus_skip(&r);
    }
    return false;
}

static bool is_empty(struct casebus_bytes map)
{
    struct casebus_reader r;
    casebus_reader_init(&r, map);
    return map.data && casebus_peek(&r) == CASEBUS_MAP && casebus_read_map(&r) == 0;
}

static int merge_map(struct diff *d, const struct casebus_field *field,
                     struct casebus_bytes before, struct casebus_bytes report,
                     struct casebus_bytes *merged)
{
    if (!d->changes && !before.data && !casebus_is_nil(report) && !is_empty(report) &&
        !has_nil(report)) {
        *merged = report; /* of a new case: nothing to merge, nothing to tell */
        return 0;
    }
    size_t old_room = count_pairs(before), new_room = count_pairs(report);
    struct pair *pairs = alloc_pairs(d->txn, old_room, new_room);
    if (!pairs) {
        return CASEBUS_ENOMEM;
    }
    struct pair *update = pairs + old_room + new_room;
    size_t count = read_pairs(before, pairs, old_room), noted = d->count;
    size_t update_count = 0;
    char prefix[CASEBUS_KEY_MAX];
    snprintf(prefix, sizeof prefix, "%s.", field->name);
    if (casebus_is_nil(report)) { /* the whole map is cleared */
        for (size_t i = 0; i < count; i++) {
            note(d, prefix, pairs[i].key, pairs[i].value, casebus_bytes(NULL, 0));
        }
        count = 0;
    } else {
        update_count = read_pairs(report, update, new_room);
    }
    int rc = merge_pairs(d, prefix, pairs, &count, update, update_count);
    if (rc != 0) {
        return rc;
    }
    if (d->changes && d->count == noted && before.data) {
        *merged = before;
    } else if (!before.data && count == update_count) {
        *merged = count > 0 ? report : casebus_bytes(NULL, 0);
    } else {
        *merged = count > 0 ? pack_pairs(d->txn, pairs, count) : casebus_bytes(NULL, 0);
    }
    return txn_error(d->txn);
}

/* --- whole records ---------------------------------------------------------------------- */

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    return casebus_bytes_compare(x->key, y->key);
}

static size_t read_unknown(const struct casebus_record *record, struct pair *pairs, size_t room)
{
    struct casebus_reader r;
    casebus_reader_init(&r, record->encoded);
    uint32_t n = casebus_read_map(&r);
    size_t count = 0;
    while (n-- > 0 && !r.error && count < room) {
        struct casebus_bytes key = casebus_read_str(&r);
        struct casebus_bytes value = casebus_read_raw(&r);
        if (field_of(key) < 0) {
            pairs[count++] = (struct pair){key, value};
        }
    }
    return count;
}

static int merge_unknown(struct diff *d, const struct casebus_record *before,
                         const struct casebus_record *report, struct draft *draft)
{
    if ((!before || before->unknown_count == 0) && report->unknown_count == 0) {
        return 0;
    }
    size_t old_room = before ? before->unknown_count : 0, new_room = report->unknown_count;
    struct pair *pairs = alloc_pairs(d->txn, old_room, new_room);
    if (!pairs) {
        return CASEBUS_ENOMEM;
    }
    struct pair *update = pairs + old_room + new_room;
    size_t count = before ? read_unknown(before, pairs, old_room) : 0;
    size_t updates = read_unknown(report, update, new_room);
    int rc = merge_pairs(d, "", pairs, &count, update, updates);
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    draft->unknown = pairs;
    draft->unknown_count = count;
    return rc;
}

int record_merge(struct txn *txn, const struct casebus_record *before,
                 const struct casebus_record *report, struct draft *draft,
                 struct change *changes, size_t *change_count)
{
    struct diff d = {txn, changes, 0};
    draft->report = report->encoded;
    draft->unknown_count = 0;
    /* An empty map says nothing of a case that is there, and so it does of a new one. */
    if (!before && !changes && !may_have_nil(report->encoded) &&
        !is_empty(report->field[CASEBUS_CASE_EXT])) {
        draft->record = report; /* a new case, as nearly all are: there is nothing to merge */
        return merge_unknown(&d, NULL, report, draft);
    }
    memset(&draft->merged, 0, sizeof draft->merged);
    draft->record = &draft->merged;
    for (int f = DRAFT_FIRST; f < DRAFT_END; f++) {
        const struct casebus_field *field = &casebus_case_schema[f];
        struct casebus_bytes old = before ? before->field[f] : casebus_bytes(NULL, 0);
        struct casebus_bytes new = report->field[f];
        if (field->setter == CASEBUS_SET_MERGED && new.data) {
            int rc = merge_map(&d, field, old, new, &draft->merged.field[f]);
            if (rc != 0) {
                return rc;
            }
        } else if (field->setter == CASEBUS_SET_MERGED || field->setter == CASEBUS_SET_REPORT) {
            struct casebus_bytes value = new.data ? present(new) : old;
            if (d.changes && new.data &&
                !(old.data && value.data ? same(old, value) : old.data == value.data)) {
                note(&d, "", casebus_cstr(field->name), old, value);
            }
            draft->merged.field[f] = value;
        }
    }
    int rc = merge_unknown(&d, before, report, draft);
    if (change_count) {
        *change_count = d.count;
    }
    return rc;
}

int draft_check(const struct draft *draft, struct casebus_fault *fault)
{
    const struct casebus_bytes *field = draft->record->field;
    int rc = casebus_record_complete(draft->record, fault);
    if (rc != 0) {
        return rc;
    }
    struct casebus_bytes action = casebus_as_str(field[CASEBUS_CASE_OFFENCE_ACTION_DATE]);
    struct casebus_bytes hearing = casebus_as_str(field[CASEBUS_CASE_OFFENCE_HEARING_DATE]);
    if (action.data && hearing.data && casebus_bytes_compare(hearing, action) < 0) {
        fault->code = CASEBUS_EVALUE;
        snprintf(fault->field, sizeof fault->field, "offence_hearing_date");
        return CASEBUS_EVALUE;
    }
    return 0;
}
