/* Keys of the store: the one place that knows their bytes.
 *
 * Numbers are eight bytes, big-endian, so that LMDB's order is theirs. Parts are told apart by
 * a NUL, which no text of ours holds. Every key is under LMDB's 511 bytes by the schema's
 * limits.
 *
 *   tree         key                                            value (entries.h)
 *   meta         "state"                                        struct state
 *   agency       agency                                         struct agency_entry
 *   head         stream ("case:created:hse:")                   struct head_entry
 *   actor        actor                                          struct actor_entry
 *   publisher    actor NUL publisher id (16 bytes)              struct publisher_entry
 *   session      agency ":" session id                          struct session_entry
 *   log          seq, from the floor on                         struct log_entry
 *   case         case id ("hse:4812345")                        struct case_entry
 *   created      created seq                                    struct created_entry
 *   date         agency NUL date-or-0000-00-00 NUL regulator id (nothing)
 *   offender     agency NUL name NUL postcode NUL               struct offender_entry
 *                agency NUL name NUL postcode NUL regulator id  (nothing): his case
 *   started      started seq                                    the session's key
 *   refusal      the publisher's key, number                    struct refusal_entry
 *   reject       reject number                                  struct refusal_entry
 *   quarantine   case id NUL content hash (16 bytes)            struct quarantine_entry
 *   conflict     conflict seq                                   the quarantine key
 *   active       the key of a session that has not ended        (nothing)
 *
 * Each tree is a database of LMDB under its name, but for those up to session, which share the
 * one named "shared": a key begins there with the tree's number, one byte.
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
    TREE_AGENCY,
    TREE_HEAD,
    TREE_ACTOR,
    TREE_PUBLISHER,
    TREE_SESSION,
    TREE_LOG,
    TREE_CASE,
    TREE_CREATED,
    TREE_DATE,
    TREE_OFFENDER,
    TREE_STARTED,
    TREE_REFUSAL,
    TREE_REJECT,
    TREE_QUARANTINE,
    TREE_CONFLICT,
    TREE_ACTIVE,
    TREE_COUNT,
    TREE_SHARED_LAST = TREE_SESSION
};
extern const char *const tree_names[TREE_COUNT];

static inline bool tree_shares(enum tree tree)
{
    return tree <= TREE_SHARED_LAST;
}
/* The name of LMDB's database. */
const char *tree_place(enum tree tree);

struct key {
    size_t size;
    unsigned char data[KEY_MAX];
};
static inline struct casebus_bytes key_bytes(const struct key *k)
{
    return casebus_bytes(k->data, k->size);
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

/* The same, made in place. A struct key is half a kilobyte, and one that is returned is copied
 * as a whole: what is made for every report is made here. */
void key_make_number(struct key *k, uint64_t number);
void key_make_text(struct key *k, struct casebus_bytes text);
void key_make_named(struct key *k, struct casebus_bytes agency, struct casebus_bytes id);
void key_make_date(struct key *k, struct casebus_bytes agency, struct casebus_bytes date,
                   struct casebus_bytes regulator_id);
void key_make_offender(struct key *k, struct casebus_bytes agency,
                       struct casebus_bytes normal_name, struct casebus_bytes postcode);
void key_make_offender_case(struct key *k, const struct key *offender,
                            struct casebus_bytes regulator_id);
void key_make_publisher(struct key *k, struct casebus_bytes actor,
                        const unsigned char *publisher);

/* The parts of keys that readers of an index need: of a date's or an offender's key the agency,
 * and the part it is ordered by within the agency (the date, or the name). */
struct casebus_bytes key_agency(struct casebus_bytes key);
struct casebus_bytes key_order(struct casebus_bytes key);
struct casebus_bytes key_date_id(struct casebus_bytes key, struct casebus_bytes *date);
struct casebus_bytes key_offender_id(struct casebus_bytes key); /* empty: the offender itself */

#endif
