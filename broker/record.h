/* Case records: reading one from the log, merging a report into one (merge.c), writing one out.
 *
 * A draft is a record in the making: for each field the encoded value, borrowed from the stored
 * record or from the report, whichever it comes from. Nothing is copied before the event is. */
#ifndef BROKER_RECORD_H
#define BROKER_RECORD_H

#include "store.h"

#include <casebus/event.h>
#include <casebus/schema.h>

/* One difference, as an event's `changed` tells it. NULL data: absent. */
struct change {
    char field[CASEBUS_KEY_MAX + 16]; /* dotted */
    struct casebus_bytes before, after;
};
#define CHANGES_MAX (CASEBUS_CASE_FIELD_COUNT + 3 * CASEBUS_KEYS_MAX)

struct pair {
    struct casebus_bytes key, value;
};

/* The fields that a draft has, of the table: before them stands the identity, which the topic
 * says, behind them what the store keeps (and the source). */
#define DRAFT_FIRST CASEBUS_CASE_CASE_REFERENCE
#define DRAFT_END CASEBUS_CASE_SOURCE

struct draft {
    const struct casebus_record *record; /* its fields: the report's own, or `merged` */
    struct casebus_record merged;
    struct casebus_bytes report; /* as encoded */
    struct pair *unknown;        /* in the order of their names */
    size_t unknown_count;
};

/* Merges `report` into `before` (NULL: a new record). Writes the draft and every difference:
 * names and values; `changes` has room for CHANGES_MAX, or is NULL where nobody asks (a new
 * case). Identity and source are not compared. Memory comes from the transaction. 0, or
 * CASEBUS_ETOOMANY where a merged map has too many keys. */
int record_merge(struct txn *txn, const struct casebus_record *before,
                 const struct casebus_record *report, struct draft *draft,
                 struct change *changes, size_t *change_count);

/* A draft is complete (required fields) and true to itself (hearing not before action). */
int draft_check(const struct draft *draft, struct casebus_fault *fault);

/* Writes the record as a map: identity, what the store keeps of it, and the draft's fields; the
 * byte behind it. `out` has room for draft_bound(). Where what is kept stands goes to *place,
 * but for its `at`. */
size_t draft_bound(const struct draft *draft, struct casebus_bytes case_id,
                   const struct case_entry *kept);
unsigned char *draft_put(const struct draft *draft, struct casebus_bytes case_id,
                         const struct case_entry *kept, unsigned char *out,
                         struct record_place *place);
void changes_pack(msgpack_packer *pk, const struct change *changes, size_t count);

/* A case's record: the copy in its entry, which is there once the event is below the floor, or
 * else the payload of that event; absent where there is none (redacted). Borrowed. */
bool record_load(struct txn *txn, const struct case_entry *entry,
                 struct casebus_record *record);

/* The record as it is now: its fields, as they are stored, and in their place among them what
 * the entry keeps of it. False: it cannot be read, the transaction says so. */
bool record_pack(struct txn *txn, const struct case_entry *entry, msgpack_packer *pk);

/* The same place in a record of which it is not known, by looking through it. False: this is no
 * record, which has at least its version there. */
bool record_find_kept(struct casebus_bytes record, struct record_place *place);

/* The content of a report's data, `source` aside: equal data have equal hashes, and for others
 * to collide somebody must want his own report taken for a duplicate. */
void content_hash(const struct casebus_record *report, unsigned char hash[CASEBUS_HASH_SIZE]);

struct casebus_bytes offender_name(const struct casebus_bytes offender_map);
/* The key of the offender that a map of a case describes. */
struct key offender_key(struct casebus_bytes agency, struct casebus_bytes offender_map);
/* The same, made in place (keys.h). */
void offender_make_key(struct key *key, struct casebus_bytes agency,
                       struct casebus_bytes offender_map);

#endif
