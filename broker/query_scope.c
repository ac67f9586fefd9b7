/* What a request may be answered with: the audience it is of, and what that is shown.
 *
 * An operation of the table below cuts what the scope does not cover as if it were not there,
 * and packs records, sessions and events with the functions of this file and no others, or
 * concerns the actor's own reports alone. One that is not there works on the whole store, and
 * is only for who may see everything. */
#include "query.h"

#include "session.h"

static const bool is_cut[CASEBUS_OP_COUNT] = {
    [CASEBUS_OP_CASE_GET] = true,          [CASEBUS_OP_CASE_GET_MANY] = true,
    [CASEBUS_OP_CASE_KNOWN] = true,        [CASEBUS_OP_CASE_RECENT] = true,
    [CASEBUS_OP_CASE_LIST] = true,         [CASEBUS_OP_CASE_HISTORY] = true,
    [CASEBUS_OP_OFFENDER_GET] = true,      [CASEBUS_OP_AGENCY_LIST] = true,
    [CASEBUS_OP_AGENCY_SET] = true,        [CASEBUS_OP_LOG_REPLAY] = true,
    [CASEBUS_OP_LOG_CASES] = true,         [CASEBUS_OP_HEADS] = true,
    [CASEBUS_OP_SESSION_GET] = true,       [CASEBUS_OP_SESSION_LIST] = true,
    [CASEBUS_OP_SESSION_CASES] = true,     [CASEBUS_OP_SESSION_STOP] = true,
    [CASEBUS_OP_QUARANTINE_LIST] = true,   [CASEBUS_OP_QUARANTINE_ACCEPT] = true,
    [CASEBUS_OP_QUARANTINE_REJECT] = true, [CASEBUS_OP_PUBLISHER_CONFIRM] = true,
    [CASEBUS_OP_REJECTS_LIST] = true,      [CASEBUS_OP_BROKER_STATUS] = true,
    [CASEBUS_OP_ACTOR_WHOAMI] = true,      [CASEBUS_OP_ACTOR_CAN] = true,
};

static int deny_audience(struct query *q, bool named)
{
    snprintf(q->field, sizeof q->field, "audience");
    snprintf(q->text, sizeof q->text, "audience: there is none that you may be part of%s",
             named ? " by this name" : "");
    return deny(q);
}

/* Of some agencies only, without an audience: those for which he has one of the verbs. */
static const struct scope *scope_of_verbs(struct query *q, uint32_t any_of)
{
    const char *agencies[CASEBUS_AGENCIES_MAX];
    struct scope *own = &q->reader->own;
    memset(own, 0, sizeof *own);
    for (unsigned v = 0; v < VERB_COUNT; v++) {
        int n = any_of & VERB_BIT(v) ? actor_agencies(q->reader->table, q->who, (enum verb)v,
                                                      agencies, CASEBUS_AGENCIES_MAX)
                                     : 0;
        for (int i = 0; i < n; i++) {
            scope_add_agency(own, casebus_cstr(agencies[i])); /* one that is there stays once */
        }
    }
    return own->agencies > 0 ? own : NULL;
}

int read_scope(struct query *q, uint32_t any_of, bool everywhere)
{
    struct casebus_bytes named;
    int rc = arg_text(q, "audience", false, &named);
    if (rc != 0) {
        return rc;
    }
    q->audience = named.data || !everywhere ? audience_of(q->self->options->audiences,
                                                          q->reader->table, q->who, named)
                                            : NULL;
    q->scope = q->audience  ? &q->audience->scope
               : everywhere ? &scope_everything
                            : scope_of_verbs(q, any_of);
    if (named.data && !q->audience) {
        return deny_audience(q, true);
    }
    if (q->scope && !is_cut[q->request.op] && !scope_is_everything(q->scope)) {
        snprintf(q->text, sizeof q->text, "this is for those who may see everything");
        return deny(q);
    }
    return 0;
}

bool read_form(struct query *q, uint32_t any_of, struct casebus_bytes agency)
{
    const struct actor_table *table = q->reader->table;
    if (!q->audience && !may_everywhere(q, any_of)) {
        q->audience =
            audience_of(q->self->options->audiences, table, q->who, casebus_bytes(NULL, 0));
        q->scope = q->audience ? &q->audience->scope : scope_of_verbs(q, any_of);
    }
    return q->scope && scope_covers(q->scope, agency);
}

/* --- fields ----------------------------------------------------------------------------- */

const char *const offender_fields[] = {"offender.name", "offender.postcode", NULL};

bool shows_all(const struct query *q, const char *const *fields)
{
    while (*fields && scope_shows(q->scope, *fields)) {
        fields++;
    }
    return *fields == NULL;
}

int check_search(struct query *q, const char *argument, const char *const *fields)
{
    if (shows_all(q, fields)) {
        return 0;
    }
    bad_arg(q, argument, "cases cannot be looked for by what you may not see");
    return deny(q);
}

/* --- packing ---------------------------------------------------------------------------- */

/* Where the whole is packed of which a part is shown. */
static msgpack_packer begin_whole(struct query *q)
{
    msgpack_packer pk;
    msgpack_sbuffer_clear(&q->reader->whole);
    msgpack_packer_init(&pk, &q->reader->whole, msgpack_sbuffer_write);
    return pk;
}

static struct casebus_bytes whole(const struct query *q)
{
    return casebus_bytes(q->reader->whole.data, q->reader->whole.size);
}

int pack_case(struct query *q, msgpack_packer *pk, const struct case_entry *entry)
{
    if (scope_is_everything(q->scope)) {
        return record_pack(q->txn, entry, pk) ? 0 : CASEBUS_ECORRUPT;
    }
    msgpack_packer all = begin_whole(q);
    if (!record_pack(q->txn, entry, &all)) {
        return CASEBUS_ECORRUPT;
    }
    scope_pack_case(q->scope, whole(q), pk);
    return 0;
}

void pack_session_map(struct query *q, msgpack_packer *pk, struct casebus_bytes agency,
                      struct casebus_bytes id, const struct session_entry *session)
{
    if (scope_is_full(q->scope)) {
        session_pack(pk, agency, id, session);
        return;
    }
    msgpack_packer all = begin_whole(q);
    session_pack(&all, agency, id, session);
    scope_pack_session(q->scope, whole(q), pk);
}

int form_event(struct query *q, const struct log_entry *log, struct casebus_bytes body,
               struct casebus_bytes *sent)
{
    return scope_event(q->scope, log->topic, body, &q->reader->formed, sent);
}
