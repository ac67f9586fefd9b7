/* What a reader may see: which agencies, and in which form.
 *
 * A scope cuts whole agencies, and so whole streams, never single events: what it lets through
 * keeps its seqs, and the `prev` chains of its streams stay whole. A form changes the bytes of
 * an event or a record, never whether it is there.
 *
 *   full     as it is stored
 *   thin     events in their thin form; of records only what the store itself says of them
 *   without  all but named fields
 *
 * The same scope serves an audience's endpoint, its heads and replays, and requests. */
#ifndef BROKER_SCOPE_H
#define BROKER_SCOPE_H

#include <casebus/event.h>
#include <casebus/schema.h>

enum form {
    FORM_FULL,
    FORM_THIN,
    FORM_COUNT
};
extern const char *const form_words[FORM_COUNT];

#define SCOPE_HIDDEN_MAX 64 /* named fields */
#define SCOPE_FIELD_MAX (CASEBUS_KEY_MAX + 16)

struct scope {
    enum form form;
    unsigned agencies; /* 0: all of them, those to come too */
    struct {
        size_t size;
        char code[CASEBUS_AGENCY_MAX];
    } agency[CASEBUS_AGENCIES_MAX];
    unsigned hidden;
    struct {
        size_t size, head; /* head: the part before the first dot; = size: there is none */
        char name[SCOPE_FIELD_MAX];
    } field[SCOPE_HIDDEN_MAX];
};

/* All agencies, the full form. */
extern const struct scope scope_everything;
bool scope_is_everything(const struct scope *scope);
/* In the full form, without hidden fields: bytes go through as they are, but for ids of cases
 * of agencies that are not shown. */
bool scope_is_full(const struct scope *scope);

/* What is said of a code that is none. */
#define NO_AGENCY_CODE                                                                         \
    "is not an agency code, a lower-case letter and at most 31 of a-z, 0-9 and _"

/* Adds an agency: the scope is of those that were added. NULL; or why not (static). */
const char *scope_add_agency(struct scope *scope, struct casebus_bytes code);
/* Hides a field of cases ("url"), a member of one ("offender.name", "offences.fine_pence",
 * "ext.any"), or what was said of a session ("requested_by"). What identifies a case or is the
 * store's own cannot be hidden. NULL; or why not (static). */
const char *scope_hide(struct scope *scope, struct casebus_bytes name);

bool scope_covers(const struct scope *scope, struct casebus_bytes agency);
/* By the third segment of a topic or of a stream's name; one without is nobody's. */
bool scope_covers_topic(const struct scope *scope, struct casebus_bytes topic);
/* By what stands before the colon of a case id, or of a session's name. */
bool scope_covers_id(const struct scope *scope, struct casebus_bytes id);
/* May the reader see this field, all its members, or this one of them ("offender.name")? And so
 * look for cases by it. */
bool scope_shows(const struct scope *scope, const char *field);

/* Packs what is shown of an encoded case record or report (its data), and of a session's map. A
 * map of neither is left as it is. */
void scope_pack_case(const struct scope *scope, struct casebus_bytes map, msgpack_packer *pk);
/* The value of one field ("offender"), without those of its members, or of the ids in it, that
 * are not shown. */
void scope_pack_value(const struct scope *scope, struct casebus_bytes field,
                      struct casebus_bytes value, msgpack_packer *pk);
void scope_pack_session(const struct scope *scope, struct casebus_bytes map,
                        msgpack_packer *pk);

/* The body of an event as the reader is sent it: `body` itself, or a form of it in `out`, which
 * is overwritten. 0, CASEBUS_ENOMEM, or CASEBUS_ECORRUPT where it is no event. */
int scope_event(const struct scope *scope, struct casebus_bytes topic,
                struct casebus_bytes body, msgpack_sbuffer *out, struct casebus_bytes *sent);

#endif
