/* Keys of the store: the one place that knows their bytes.
 *
 * Numbers are eight bytes, big-endian, so that LMDB's order is theirs. Parts are told apart by
 * a NUL, which no text of ours holds. Every key is under LMDB's 511 bytes by the schema's
 * limits.
 *
 *   tree         key                                            value (entries.h)
 *   meta         "state"                                        struct state
 *   log          seq, from the floor on                         struct log_entry
 *   case         case id ("hse:4812345")                        struct case_entry
 *   created      created seq                                    struct created_entry
 *   date         agency NUL date-or-0000-00-00 NUL regulator id (nothing)
 *   offender     agency NUL name NUL postcode NUL               struct offender_entry
 *                agency NUL name NUL postcode NUL regulator id  (nothing): a case of that
 * offender agency       agency                                         struct agency_entry
 *   session      agency ":" session id                          struct session_entry
 *   started      started seq                                    the session's key
 *   head         stream ("case:created:hse:")                   struct head_entry
 *   publisher    actor NUL publisher id (16 bytes)              struct publisher_entry
 *   refusal      the publisher's key, number                    struct refusal_entry
 *   reject       reject number                                  struct refusal_entry
 *   quarantine   case id NUL content hash (16 bytes)            struct quarantine_entry
 *   conflict     conflict seq                                   the quarantine key
 *   actor        actor                                          struct actor_entry
 *   active       the key of a session that has not ended        (nothing)
 *
 * Behind every value stand eight bytes of checksum, little-endian: XXH3-64 of the value, seeded
 * with XXH3-64 of the key, seeded with the tree's number (enum tree).
 *
 * Name is the normalised name (normal.h); longer than 240 bytes, its first 224 at most and the
 * 16 hexadecimal digits of a hash of the whole. Checklist for a change: SCHEMA_VERSION in
 * entries.h, this table, verify*.c, `derived` in repair.c, the checker in tests. */
#ifndef BROKER_KEYS_H
#define BROKER_KEYS_H

#include <casebus/limits.h>
#include <casebus/msgpack.h>

#define KEY_MAX 511
#define NAME_KEY_MAX 240
#define NO_DATE "0000-00-00"
#define DATE_SIZE 10

enum tree {
    TREE_META,
    TREE_LOG,
    TREE_CASE,
    TREE_CREATED,
    TREE_DATE,
    TREE_OFFENDER,
    TREE_AGENCY,
    TREE_SESSION,
    TREE_STARTED,
    TREE_HEAD,
    TREE_PUBLISHER,
    TREE_REFUSAL,
    TREE_REJECT,
    TREE_QUARANTINE,
    TREE_CONFLICT,
    TREE_ACTOR,
    TREE_ACTIVE,
    TREE_COUNT
};
extern const char *const tree_names[TREE_COUNT];

struct key {
    size_t size;
    unsigned char data[KEY_MAX];
};
static inline struct casebus_bytes key_bytes(const struct key *k)
{
    return casebus_bytes(k->data, k->size);
}
/* What is in the other one, and not the room behind it. */
static inline void key_assign(struct key *to, const struct key *from)
{
    to->size = from->size;
    memcpy(to->data, from->data, from->size);
}

struct key key_number(uint64_t number);
uint64_t key_to_number(struct casebus_bytes key);

/* A key for people: numbers as such, bytes that are no text as |hh. */
#define KEY_SHOWN_MAX (3 * KEY_MAX + 1)
const char *key_shown(enum tree tree, struct casebus_bytes key, char text[KEY_SHOWN_MAX]);

struct key key_text(struct casebus_bytes text); /* case id, stream, agency */
/* "agency:id": the key of a case or of a session. */
struct key key_named(struct casebus_bytes agency, struct casebus_bytes id);
struct key key_date(struct casebus_bytes agency, struct casebus_bytes date,
                    struct casebus_bytes regulator_id);
struct key key_offender(struct casebus_bytes agency, struct casebus_bytes normal_name,
                        struct casebus_bytes postcode);
/* An offender's key, extended by a case of his. */
struct key key_offender_case(const struct key *offender, struct casebus_bytes regulator_id);
struct key key_publisher(struct casebus_bytes actor, const unsigned char *publisher);
struct key key_refusal(const struct key *publisher, uint64_t number);
struct key key_quarantine(struct casebus_bytes case_id, const unsigned char *hash);

/* The parts of keys that readers of an index need. */
struct casebus_bytes key_date_id(struct casebus_bytes key, struct casebus_bytes *date);
struct casebus_bytes key_offender_id(struct casebus_bytes key); /* empty: the offender itself */

#endif
