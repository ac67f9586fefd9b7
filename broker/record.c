/* Reading and writing case records; see record.h. */
#include "record.h"

#include "hash.h"
#include "normal.h"

#include <string.h>

static unsigned count_kept(const struct case_entry *kept)
{
    return 4u + (kept->last_synced_at ? 1u : 0u) + (kept->created_seq ? 1u : 0u) +
           (kept->updated_seq ? 1u : 0u) + (kept->source.data ? 1u : 0u);
}

CASEBUS_INLINE unsigned char *put_count(unsigned char *at, const char *name, uint64_t value)
{
    return casebus_put_uint(casebus_put_text(at, name), value);
}

static unsigned char *put_kept(unsigned char *at, const struct case_entry *kept)
{
    if (kept->source.data) {
        at = casebus_put_raw(casebus_put_text(at, "source"), kept->source);
    }
    at = put_count(at, "version", kept->version);
    at = put_count(at, "inserted_at", kept->inserted_at);
    at = put_count(at, "updated_at", kept->updated_at);
    if (kept->last_synced_at) {
        at = put_count(at, "last_synced_at", kept->last_synced_at);
    }
    at = put_count(at, "seen_count", kept->seen_count);
    if (kept->created_seq) {
        at = put_count(at, "created_seq", kept->created_seq);
    }
    if (kept->updated_seq) {
        at = put_count(at, "updated_seq", kept->updated_seq);
    }
    return at;
}

size_t draft_bound(const struct draft *draft, struct casebus_bytes case_id,
                   const struct case_entry *kept)
{
    /* Every name of the table and the numbers the store keeps, with their headers. */
    size_t size = 1024 + 2 * case_id.size + kept->source.size;
    for (int f = DRAFT_FIRST; f < DRAFT_END; f++) {
        size += draft->record->field[f].size;
    }
    for (size_t i = 0; i < draft->unknown_count; i++) {
        size += CASEBUS_PUT_MAX + draft->unknown[i].key.size + draft->unknown[i].value.size;
    }
    return size;
}

static bool is_within(struct casebus_bytes value, struct casebus_bytes map)
{
    return (uintptr_t)value.data - (uintptr_t)map.data < map.size;
}

/* Fields that stand in the report one behind the other, as they are written here, are copied as
 * one piece: behind a value in its map there is the next one's key, and where that is as long
 * as it has to be, nothing else. */
static unsigned char *put_fields(const struct draft *draft, unsigned char *at)
{
    const struct casebus_bytes report = draft->report;
    struct casebus_bytes piece = casebus_bytes(NULL, 0);
    for (int f = DRAFT_FIRST; f < DRAFT_END; f++) {
        const struct casebus_field *field = &casebus_case_schema[f];
        const struct casebus_bytes value = draft->record->field[f];
        if (!value.data) {
            continue;
        }
        size_t head = (field->name_size < 32 ? 1 : 2) + field->name_size;
        if (is_within(piece, report) && is_within(value, report) &&
            value.data == piece.data + piece.size + head) {
            piece.size += head + value.size;
            continue;
        }
        at = casebus_put_raw(at, piece);
        at = casebus_put_str(at, casebus_bytes(field->name, field->name_size));
        piece = value;
    }
    return casebus_put_raw(at, piece);
}

/* What is kept stands before the fields, so that whoever looks for it need not pass them. */
unsigned char *draft_put(const struct draft *draft, struct casebus_bytes case_id,
                         const struct case_entry *kept, unsigned char *begin,
                         struct record_place *place)
{
    const size_t agency =
        (size_t)((const unsigned char *)memchr(case_id.data, ':', case_id.size) - case_id.data);
    unsigned char *at = begin;
    unsigned fields = 3 + count_kept(kept);
    for (int f = DRAFT_FIRST; f < DRAFT_END; f++) {
        fields += draft->record->field[f].data ? 1u : 0u;
    }
    at = casebus_put_map(at, fields + draft->unknown_count);
    at = casebus_put_str(casebus_put_text(at, "id"), case_id);
    at = casebus_put_str(casebus_put_text(at, "agency"), casebus_bytes(case_id.data, agency));
    at = casebus_put_str(casebus_put_text(at, "regulator_id"),
                         casebus_bytes(case_id.data + agency + 1, case_id.size - agency - 1));
    place->kept_at = (uint64_t)(at - begin);
    at = put_kept(at, kept);
    place->kept_size = (uint64_t)(at - begin) - place->kept_at;
    place->kept_pairs = count_kept(kept);
    at = put_fields(draft, at);
    for (size_t i = 0; i < draft->unknown_count; i++) {
        at = casebus_put_str(at, draft->unknown[i].key);
        at = casebus_put_raw(at, draft->unknown[i].value);
    }
    return at;
}

void changes_pack(msgpack_packer *pk, const struct change *changes, size_t count)
{
    msgpack_pack_array(pk, count);
    for (size_t i = 0; i < count; i++) {
        const struct change *c = &changes[i];
        msgpack_pack_map(pk, 1u + (c->before.data ? 1u : 0u) + (c->after.data ? 1u : 0u));
        casebus_pack_text(pk, "field");
        casebus_pack_text(pk, c->field);
        if (c->before.data) {
            casebus_pack_text(pk, "old");
            casebus_pack_raw(pk, c->before);
        }
        if (c->after.data) {
            casebus_pack_text(pk, "new");
            casebus_pack_raw(pk, c->after);
        }
    }
}

/* --- where what is kept is -------------------------------------------------------------- */

/* What put_kept() writes stands together in the table, from `source` on, and in a record. */
#define KEPT (CASEBUS_CASE_UPDATED_SEQ - CASEBUS_CASE_SOURCE + 1)

static bool is_next(const struct casebus_reader *r, unsigned kept)
{
    const struct casebus_field *field = &casebus_case_schema[CASEBUS_CASE_SOURCE + kept];
    return casebus_is_next(r, casebus_bytes(field->name, field->name_size));
}

/* Which of what is kept comes next, most likely `from` or one soon behind it; KEPT: none. */
static unsigned next_kept(const struct casebus_reader *r, unsigned from)
{
    for (unsigned i = 0; i < KEPT; i++) {
        if (is_next(r, (from + i) % KEPT)) {
            return (from + i) % KEPT;
        }
    }
    return KEPT;
}

/* Passes the pairs before what is kept, which begins with a source, where there is one, or with
 * the version. How many are left. */
static uint32_t pass_before(struct casebus_reader *r, uint32_t left)
{
    static const struct casebus_bytes source = {(const unsigned char *)"source", 6};
    static const struct casebus_bytes version = {(const unsigned char *)"version", 7};
    while (left > 0 && r->error == 0 && !casebus_is_next(r, source) &&
           !casebus_is_next(r, version)) {
        casebus_skip_values(r, 2);
        left--;
    }
    return left;
}

bool record_find_kept(struct casebus_bytes record, struct record_place *place)
{
    struct casebus_reader r;
    casebus_reader_init(&r, record);
    const uint32_t left = pass_before(&r, casebus_read_map(&r));
    const unsigned char *begin = r.at;
    uint32_t kept = 0;
    for (unsigned at = 0; kept < left && (at = next_kept(&r, at)) != KEPT; kept++, at++) {
        casebus_skip_values(&r, 2);
    }
    place->kept_at = (uint64_t)(begin - record.data);
    place->kept_size = (uint64_t)(r.at - begin);
    place->kept_pairs = kept;
    return r.error == 0 && kept > 0;
}

/* --- reading ---------------------------------------------------------------------------- */

/* The map that record_seq's event had for payload, or the copy of it. */
static bool load_payload(struct txn *txn, const struct case_entry *entry,
                         struct casebus_bytes *payload, struct record_place *place)
{
    struct log_entry log;
    *payload = entry->record;
    *place = (struct record_place){0};
    if (entry->record_seq == 0) {
        return false;
    }
    if (!payload->data && txn_log(txn, entry->record_seq, &log) && log.record.at > 0 &&
        log.record.at < log.body.size) {
        *place = log.record;
        *payload = casebus_bytes(log.body.data + place->at, log.body.size - (size_t)place->at);
    }
    if (!payload->data) {
        txn_fail(txn, CASEBUS_ECORRUPT); /* an entry that points at nothing */
    }
    return payload->data != NULL;
}

bool record_load(struct txn *txn, const struct case_entry *entry, struct casebus_record *record)
{
    struct casebus_bytes payload;
    struct record_place place;
    struct casebus_fault fault;
    if (!load_payload(txn, entry, &payload, &place)) {
        return false;
    }
    int rc = casebus_record_parse(payload, false, record, &fault);
    if (rc != 0) {
        txn_fail(txn, CASEBUS_ECORRUPT);
    }
    return rc == 0;
}

/* A stored record, cut before and behind what the entry has newer. */
struct cut {
    struct casebus_bytes before, behind; /* pairs, as encoded */
    uint32_t pairs;                      /* of both */
};

static bool cut_kept(struct casebus_bytes payload, const struct record_place *place,
                     struct cut *cut)
{
    struct casebus_reader r;
    casebus_reader_init(&r, payload);
    const uint32_t pairs = casebus_read_map(&r);
    const uint64_t head = (uint64_t)(r.at - payload.data);
    if (r.error != 0 || place->kept_pairs == 0 || place->kept_pairs > pairs ||
        place->kept_at < head || place->kept_at > payload.size ||
        place->kept_size > payload.size - place->kept_at) {
        return false;
    }
    const unsigned char *kept = payload.data + place->kept_at;
    const unsigned char *behind = kept + place->kept_size;
    cut->before = casebus_bytes(r.at, (size_t)(kept - r.at));
    cut->behind = casebus_bytes(behind, (size_t)(r.end - behind));
    cut->pairs = pairs - (uint32_t)place->kept_pairs;
    return true;
}

bool record_pack(struct txn *txn, const struct case_entry *entry, msgpack_packer *pk)
{
    struct casebus_bytes payload;
    struct record_place place;
    struct cut cut;
    unsigned char kept[512 + CASEBUS_SOURCE_MAX];
    if (!load_payload(txn, entry, &payload, &place)) {
        return false;
    }
    if ((place.at == 0 && !record_find_kept(payload, &place)) ||
        !cut_kept(payload, &place, &cut) || entry->source.size > CASEBUS_SOURCE_MAX) {
        txn_fail(txn, CASEBUS_ECORRUPT);
        return false;
    }
    const size_t size = (size_t)(put_kept(kept, entry) - kept);
    msgpack_pack_map(pk, cut.pairs + count_kept(entry));
    casebus_pack_raw(pk, cut.before);
    casebus_pack_raw(pk, casebus_bytes(kept, size));
    casebus_pack_raw(pk, cut.behind);
    return true;
}

/* Where the pairs of an encoded map begin. */
static const unsigned char *first_pair(struct casebus_bytes map)
{
    return map.data + (map.data[0] == 0xde ? 3 : map.data[0] == 0xdf ? 5 : 1);
}

/* Where the pair of this value begins; `size`: of its key, in any encoding. */
static const unsigned char *pair_of(const unsigned char *value, size_t size)
{
    const unsigned char *key = value - size;
    return key - (key[-1] == (0xa0 | size) ? 1 : key[-2] == 0xd9 ? 2 : key[-3] == 0xda ? 3 : 5);
}

static XXH128_hash_t hash_of_two(struct casebus_bytes a, struct casebus_bytes b)
{
    unsigned char both[4096];
    if (a.size + b.size <= sizeof both) {
        memcpy(both, a.data, a.size);
        memcpy(both + a.size, b.data, b.size);
        return hash_128(both, a.size + b.size, 0);
    }
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, a.data, a.size);
    XXH3_128bits_update(&state, b.data, b.size);
    return XXH3_128bits_digest(&state);
}

/* Over all pairs but that of a source. */
void content_hash(const struct casebus_record *report, unsigned char hash[CASEBUS_HASH_SIZE])
{
    struct casebus_bytes all = report->encoded, source = report->field[CASEBUS_CASE_SOURCE];
    const unsigned char *begin = first_pair(all), *end = all.data + all.size;
    XXH128_hash_t h;
    if (!source.data) {
        h = hash_128(begin, (size_t)(end - begin), 0);
    } else {
        const unsigned char *pair = pair_of(source.data, strlen("source"));
        const unsigned char *behind = source.data + source.size;
        h = hash_of_two(casebus_bytes(begin, (size_t)(pair - begin)),
                        casebus_bytes(behind, (size_t)(end - behind)));
    }
    XXH128_canonical_t canonical;
    XXH128_canonicalFromHash(&canonical, h);
    memcpy(hash, canonical.digest, CASEBUS_HASH_SIZE);
}

struct casebus_bytes offender_name(const struct casebus_bytes offender_map)
{
    return offender_map.data ? casebus_as_str(casebus_map_get(offender_map, "name"))
                             : casebus_bytes(NULL, 0);
}

void offender_make_key(struct key *key, struct casebus_bytes agency,
                       struct casebus_bytes offender_map)
{
    struct normal name = normal_name(offender_name(offender_map));
    struct casebus_bytes code = casebus_as_str(casebus_map_get(offender_map, "postcode"));
    struct normal postcode = normal_postcode(code);
    key_make_offender(key, agency, normal_bytes(&name), normal_bytes(&postcode));
}

struct key offender_key(struct casebus_bytes agency, struct casebus_bytes offender_map)
{
    struct key key;
    offender_make_key(&key, agency, offender_map);
    return key;
}
