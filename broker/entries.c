/* One codec for all stored structs, driven by a layout of each: adding a member is one line
 * here. */
#include "entries.h"

#include "prefetch.h"

#include <endian.h>
#include <string.h>

enum member_type {
    NUMBER,
    NUMBERS,
    FIXED,
    BYTES
};

struct member {
    enum member_type type;
    size_t offset;
    size_t count; /* NUMBERS: how many; FIXED: size */
};

struct layout {
    size_t size;
    const struct member *members;
    size_t count;
};

/* clang-format off */
#define NUM(s, m) {NUMBER, offsetof(struct s, m), 1}
#define NUMS(s, m) {NUMBERS, offsetof(struct s, m), sizeof(((struct s *)0)->m) / sizeof(uint64_t)}
#define RUN(s, m, last) \
    {NUMBERS, offsetof(struct s, m), \
     (offsetof(struct s, last) - offsetof(struct s, m)) / sizeof(uint64_t) + 1}
#define FIX(s, m) {FIXED, offsetof(struct s, m), sizeof(((struct s *)0)->m)}
#define STR(s, m) {BYTES, offsetof(struct s, m), 1}
#define LAYOUT(s, list) {sizeof(struct s), list, sizeof list / sizeof *list}
/* clang-format on */

static const struct member state_members[] = {
    NUM(state, schema),    FIX(state, epoch),       NUM(state, seq),
    NUM(state, entry),     NUM(state, at),          NUM(state, cases),
    NUM(state, offenders), NUM(state, sessions),    NUM(state, agencies),
    NUM(state, rejects),   NUM(state, quarantined), NUM(state, publishers),
    NUM(state, floor),     NUM(state, log_bytes),   NUM(state, ticks),
    NUM(state, running),
};
static const struct member case_members[] = {
    RUN(case_entry, flags, fetched_at), /* one run: with a hash behind them all are written */
    FIX(case_entry, hash),
    STR(case_entry, source),
    STR(case_entry, record),
    NUM(case_entry, accepted),
};
static const struct member created_members[] = {
    NUM(created_entry, before),
    STR(created_entry, case_id),
};
static const struct member offender_members[] = {
    NUM(offender_entry, first_seen), NUM(offender_entry, last_seen),
    NUM(offender_entry, cases),      NUM(offender_entry, fine_pence),
    STR(offender_entry, offender),   STR(offender_entry, reported_by),
};
static const struct member agency_members[] = {
    NUM(agency_entry, disabled),    NUM(agency_entry, cases), NUM(agency_entry, fine_pence),
    NUM(agency_entry, created_seq), STR(agency_entry, name),  STR(agency_entry, base_url),
};
static const struct member session_members[] = {
    NUM(session_entry, status),
    NUM(session_entry, started_seq),
    NUM(session_entry, started_at),
    NUM(session_entry, ended_at),
    NUM(session_entry, last_seen_at),
    NUM(session_entry, pages_processed),
    NUM(session_entry, page_errors),
    NUM(session_entry, created),
    NUM(session_entry, updated),
    NUM(session_entry, existing),
    NUM(session_entry, errors),
    NUM(session_entry, newest),
    NUM(session_entry, progressed_at),
    NUM(session_entry, unshown),
    NUMS(session_entry, last),
    STR(session_entry, data),
    STR(session_entry, end_reason),
    NUM(session_entry, trimmed_created),
    NUM(session_entry, trimmed_updated),
    NUM(session_entry, trimmed_synced),
    NUM(session_entry, trimmed_conflicts),
    NUM(session_entry, lease),
    NUM(session_entry, stop_asked),
    STR(session_entry, actor),
};
static const struct member head_members[] = {
    NUM(head_entry, seq),
    NUM(head_entry, trimmed),
};
static const struct member actor_members[] = {
    NUM(actor_entry, publishers),
    NUM(actor_entry, sessions),
};
static const struct member publisher_members[] = {
    NUM(publisher_entry, decided),  FIX(publisher_entry, check),
    NUM(publisher_entry, acked),    NUM(publisher_entry, last_seen_at),
    NUMS(publisher_entry, outcome), NUM(publisher_entry, volatile_id),
};
static const struct member refusal_members[] = {
    NUM(refusal_entry, at),        NUM(refusal_entry, outcome), NUM(refusal_entry, code),
    NUM(refusal_entry, size),      NUM(refusal_entry, number),  NUM(refusal_entry, quarantine),
    STR(refusal_entry, field),     STR(refusal_entry, topic),   STR(refusal_entry, actor),
    STR(refusal_entry, publisher), STR(refusal_entry, session), NUM(refusal_entry, seq),
};
static const struct member quarantine_members[] = {
    NUM(quarantine_entry, status),  NUM(quarantine_entry, seq),
    NUM(quarantine_entry, at),      NUM(quarantine_entry, sent_at),
    STR(quarantine_entry, actor),   STR(quarantine_entry, session),
    STR(quarantine_entry, data),    STR(quarantine_entry, as),
    NUM(quarantine_entry, outcome), NUM(quarantine_entry, accepted_before),
};
static const struct member log_members[] = {
    NUM(log_entry, session_before),
    STR(log_entry, topic),
    STR(log_entry, body),
    NUMS(log_entry, record),
};

static const struct layout layouts[ENTRY_TYPE_COUNT] = {
    [ENTRY_STATE] = LAYOUT(state, state_members),
    [ENTRY_CASE] = LAYOUT(case_entry, case_members),
    [ENTRY_CREATED] = LAYOUT(created_entry, created_members),
    [ENTRY_OFFENDER] = LAYOUT(offender_entry, offender_members),
    [ENTRY_AGENCY] = LAYOUT(agency_entry, agency_members),
    [ENTRY_SESSION] = LAYOUT(session_entry, session_members),
    [ENTRY_HEAD] = LAYOUT(head_entry, head_members),
    [ENTRY_PUBLISHER] = LAYOUT(publisher_entry, publisher_members),
    [ENTRY_REFUSAL] = LAYOUT(refusal_entry, refusal_members),
    [ENTRY_QUARANTINE] = LAYOUT(quarantine_entry, quarantine_members),
    [ENTRY_LOG] = LAYOUT(log_entry, log_members),
    [ENTRY_ACTOR] = LAYOUT(actor_entry, actor_members),
};

const char *const session_status_words[SESSION_STATUS_COUNT] = {
    [SESSION_RUNNING] = "running",     [SESSION_STOPPING] = "stopping",
    [SESSION_COMPLETED] = "completed", [SESSION_FAILED] = "failed",
    [SESSION_STOPPED] = "stopped",     [SESSION_LOST] = "lost",
};

#define LEB_MAX 10

static unsigned char *put_number(unsigned char *out, uint64_t n)
{
    while (n >= 0x80) {
        *out++ = (unsigned char)(n | 0x80);
        n >>= 7;
    }
    *out++ = (unsigned char)n;
    return out;
}

/* The byte behind the number, or NULL where the bytes end or the number does not. */
static const unsigned char *get_bytewise(const unsigned char *at, const unsigned char *end,
                                         uint64_t *n)
{
    *n = 0;
    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        *n |= (uint64_t)(*at & 0x7f) << shift;
        if (!(*at++ & 0x80)) {
            return at;
        }
    }
    return NULL;
}

/* Masks over eight bytes of LEB128: the high bit of each byte; and, to draw the seven bits of
 * each together step by step, the lower byte of each pair, the lower two of each four, the
 * lower four of the eight. */
#define HIGH UINT64_C(0x8080808080808080)
#define SEVEN UINT64_C(0x007f007f007f007f)
#define FOURTEEN UINT64_C(0x00003fff00003fff)
#define TWENTY_EIGHT UINT64_C(0x000000000fffffff)

/* The same, faster: most numbers are of one byte, or instants of eight, whose bits are drawn
 * together in pairs, fours and eights. */
CASEBUS_INLINE const unsigned char *get_number(const unsigned char *at,
                                               const unsigned char *end, uint64_t *n)
{
    if (at < end && *at < 0x80) {
        *n = *at;
        return at + 1;
    }
    uint64_t eight;
    if (end - at < (ptrdiff_t)sizeof eight) {
        return get_bytewise(at, end, n);
    }
    memcpy(&eight, at, sizeof eight);
    eight = le64toh(eight);
    const uint64_t last = ~eight & HIGH;
    if (last == 0) {
        return get_bytewise(at, end, n);
    }
    eight &= (last ^ (last - 1)) & ~HIGH; /* up to the first byte without its high bit */
    eight = (eight & SEVEN) | (eight >> 1 & SEVEN << 7);
    eight = (eight & FOURTEEN) | (eight >> 2 & FOURTEEN << 14);
    *n = (eight & TWENTY_EIGHT) | (eight >> 4 & TWENTY_EIGHT << 28);
    return at + ((unsigned)__builtin_ctzll(last) / 8 + 1);
}

size_t entry_struct_size(enum entry_type type)
{
    return layouts[type].size;
}

size_t entry_size(enum entry_type type, const void *entry)
{
    const struct layout *l = &layouts[type];
    size_t size = 0;
    for (size_t i = 0; i < l->count; i++) {
        const struct member *m = &l->members[i];
        if (m->type == BYTES) {
            struct casebus_bytes b;
            memcpy(&b, (const char *)entry + m->offset, sizeof b);
            size += LEB_MAX + b.size;
        } else {
            size += m->type == FIXED ? m->count : LEB_MAX * m->count;
        }
    }
    return size;
}

size_t entry_encode(enum entry_type type, const void *entry, unsigned char *out)
{
    const struct layout *l = &layouts[type];
    unsigned char *at = out, *end = out; /* behind the last member that is not zero */
    for (size_t i = 0; i < l->count; i++) {
        const struct member *m = &l->members[i];
        const char *from = (const char *)entry + m->offset;
        if (m->type == BYTES) {
            struct casebus_bytes b;
            memcpy(&b, from, sizeof b);
            at = put_number(at, b.size);
            if (b.size > 0) {
                memcpy(at, b.data, b.size);
                at += b.size;
                end = at;
            }
        } else if (m->type == FIXED) {
            memcpy(at, from, m->count);
            at += m->count;
            end = at;
        } else {
            uint64_t all = 0;
            for (size_t k = 0; k < m->count; k++) {
                uint64_t n;
                memcpy(&n, from + k * sizeof n, sizeof n);
                at = put_number(at, n);
                all |= n;
            }
            end = all != 0 ? at : end;
        }
    }
    return (size_t)(end - out);
}

#define FETCHED 512 /* bytes of a string */

void entry_fetch(enum entry_type type, const void *entry)
{
    const struct layout *l = &layouts[type];
    for (size_t i = 0; i < l->count; i++) {
        if (l->members[i].type == BYTES) {
            struct casebus_bytes b;
            memcpy(&b, (const char *)entry + l->members[i].offset, sizeof b);
            prefetch(b.data, b.size, FETCHED);
        }
    }
}

/* Reads one member; the byte behind it or NULL. */
static const unsigned char *get_member(const struct member *m, const unsigned char *at,
                                       const unsigned char *end, char *to)
{
    uint64_t n;
    if (m->type == NUMBER) {
        at = get_number(at, end, &n);
        if (at) {
            memcpy(to, &n, sizeof n);
        }
        return at;
    }
    if (m->type == FIXED) {
        if ((size_t)(end - at) < m->count) {
            return NULL;
        }
        memcpy(to, at, m->count);
        return at + m->count;
    }
    if (m->type == BYTES) {
        at = get_number(at, end, &n);
        if (!at || n > (uint64_t)(end - at)) {
            return NULL;
        }
        struct casebus_bytes b = casebus_bytes(n ? at : NULL, (size_t)n);
        memcpy(to, &b, sizeof b);
        return at + n;
    }
    for (size_t k = 0; k < m->count; k++) {
        at = get_number(at, end, &n);
        if (!at) {
            return NULL;
        }
        memcpy(to + k * sizeof n, &n, sizeof n);
    }
    return at;
}

int entry_decode(enum entry_type type, struct casebus_bytes value, void *entry)
{
    const struct layout *l = &layouts[type];
    const unsigned char *at = value.data, *end = value.data + value.size;
    memset(entry, 0, l->size);
    for (size_t i = 0; i < l->count && at < end; i++) {
        at = get_member(&l->members[i], at, end, (char *)entry + l->members[i].offset);
        if (!at) {
            return CASEBUS_ECORRUPT;
        }
    }
    return at == end ? 0 : CASEBUS_ECORRUPT;
}

static unsigned char *put_place(unsigned char *at, const struct record_place *place)
{
    if (place->at == 0) { /* left out, as what is zero at the end is */
        return at;
    }
    at = put_number(put_number(at, place->at), place->kept_at);
    return put_number(put_number(at, place->kept_size), place->kept_pairs);
}

struct casebus_bytes log_entry_around(struct log_entry *log, unsigned char *room)
{
    unsigned char head[LOG_HEAD_MAX], *at = put_number(head, log->session_before);
    at = put_number(at, log->topic.size);
    size_t before = (size_t)(at - head);
    at = put_number(at, log->body.size);
    size_t behind = (size_t)(at - head) - before;
    unsigned char *begin = room + LOG_HEAD_MAX - before - behind;
    memcpy(begin, head, before);
    memcpy(begin + before, log->topic.data, log->topic.size);
    memcpy(begin + before + log->topic.size, head + before, behind);
    log->topic.data = begin + before;
    unsigned char *end = begin + before + log->topic.size + behind + log->body.size;
    return casebus_bytes(begin, (size_t)(put_place(end, &log->record) - begin));
}
