/* Who asks, and may he? Every request passes here before its operation sees it, each time it is
 * taken up: one that waited is asked again, so that a poll ends when its actor does.
 *
 * The table below says which verb an operation needs. Whoever may read of some agencies only,
 * or is of an audience, reads what is his as if there were nothing else (query_scope.c); what
 * changes something needs its verb for the agency it is about. */
#include "query.h"

#include "admission.h"

enum about {
    ABOUT_ALL,    /* all agencies, or for reading: those that are shown */
    ABOUT_NONE,   /* its operation asks by itself, with may() */
    ABOUT_AGENCY, /* `agency` */
};

#define ASK VERB_BIT(VERB_ASK)
#define FOLLOW (VERB_BIT(VERB_ASK) | VERB_BIT(VERB_WATCH))
#define RUN VERB_BIT(VERB_ADMINISTER)

static const struct need {
    uint32_t any_of; /* one of these verbs */
    enum about about;
} needs[CASEBUS_OP_COUNT] = {
    [CASEBUS_OP_CASE_GET] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_CASE_GET_MANY] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_CASE_KNOWN] = {VERBS_WORKER, ABOUT_ALL},
    [CASEBUS_OP_CASE_RECENT] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_CASE_LIST] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_CASE_HISTORY] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_OFFENDER_GET] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_AGENCY_LIST] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_AGENCY_SET] = {VERB_BIT(VERB_AGENCIES), ABOUT_AGENCY},
    [CASEBUS_OP_LOG_REPLAY] = {FOLLOW, ABOUT_ALL},
    [CASEBUS_OP_LOG_CASES] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_HEADS] = {FOLLOW, ABOUT_ALL},
    [CASEBUS_OP_SESSION_GET] = {VERBS_WORKER, ABOUT_ALL},
    [CASEBUS_OP_SESSION_LIST] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_SESSION_CASES] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_SESSION_STOP] = {VERB_BIT(VERB_STOP), ABOUT_AGENCY},
    [CASEBUS_OP_QUARANTINE_LIST] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_QUARANTINE_ACCEPT] = {VERB_BIT(VERB_DECIDE), ABOUT_NONE},
    [CASEBUS_OP_QUARANTINE_REJECT] = {VERB_BIT(VERB_DECIDE), ABOUT_NONE},
    [CASEBUS_OP_PUBLISHER_CONFIRM] = {0, ABOUT_NONE},
    [CASEBUS_OP_REJECTS_LIST] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_STORE_VERIFY] = {RUN, ABOUT_ALL},
    [CASEBUS_OP_STORE_BACKUP] = {RUN, ABOUT_ALL},
    [CASEBUS_OP_BROKER_STATUS] = {ASK, ABOUT_ALL},
    [CASEBUS_OP_ACTOR_WHOAMI] = {0, ABOUT_NONE},
    [CASEBUS_OP_ACTOR_CAN] = {0, ABOUT_NONE},
};

/* --- who ---------------------------------------------------------------------------------- */

/* q->text says why. */
int deny(struct query *q)
{
    count_refusal(q->self->options->counters, CASEBUS_EDENIED);
    log_limited(&q->reader->denials, LEVEL_AUDIT, "denied actor=%s%s%s op=%s: %s",
                q->who ? q->who->name : "-", q->by ? " by=" : "", q->by ? q->by->name : "",
                casebus_op_name(q->request.op), q->text);
    return CASEBUS_EDENIED;
}

/* Somebody with `speak` asks for another, who is then the one that counts. */
static int speak_for(struct query *q, struct casebus_bytes name)
{
    const struct actor_table *table = q->reader->table;
    if (!actor_may(table, q->who, VERB_SPEAK, casebus_bytes(NULL, 0))) {
        snprintf(q->text, sizeof q->text, "%s lacks speak: it may not ask on behalf of others",
                 q->who->name);
        return deny(q);
    }
    q->by = q->who;
    q->who = actor_by_name(table, name);
    if (!q->who) {
        bad_arg(q, "on_behalf", "names no actor that is known to this broker");
        return deny(q);
    }
    return 0;
}

int identify(struct query *q, zmq_msg_t *body)
{
    const struct actor_table *table = q->reader->table;
    const bool keyed = q->self->keyed;
    const char *key = keyed ? zmq_msg_gets(body, "User-Id") : NULL;
    if (keyed) {
        q->who = key ? actor_by_key(table, key) : NULL;
    } else {
        q->who = actor_by_name(table, casebus_cstr(ACTOR_LOCAL));
    }
    if (!q->who) {
        snprintf(q->text, sizeof q->text, "%s",
                 keyed ? "this key is no actor's any more"
                       : "local is no actor of this broker: connect with a key");
        return deny(q);
    }
    struct casebus_bytes raw = arg_raw(q, "on_behalf");
    if (raw.data) {
        struct casebus_bytes name = casebus_as_str(raw);
        int rc = name.data ? speak_for(q, name) : bad_arg(q, "on_behalf", "must be a name");
        if (rc != 0) {
            return rc;
        }
    }
    q->actor = casebus_cstr(q->who->name);
    return 0;
}

/* --- may he ------------------------------------------------------------------------------- */

static int may_any(struct query *q, uint32_t any_of, struct casebus_bytes agency)
{
    unsigned wanted = 0; /* the last of them is the one to name */
    for (unsigned i = 0; i < VERB_COUNT; i++) {
        if ((any_of & VERB_BIT(i)) &&
            actor_may(q->reader->table, q->who, (enum verb)i, agency)) {
            return 0;
        }
        wanted = any_of & VERB_BIT(i) ? i : wanted;
    }
    snprintf(q->text, sizeof q->text, "%s lacks %s of %.*s", q->who->name,
             verb_name((enum verb)wanted),
             agency.data ? (int)agency.size : (int)sizeof "all agencies" - 1,
             agency.data ? (const char *)agency.data : "all agencies");
    return deny(q);
}

int may(struct query *q, enum verb verb, struct casebus_bytes agency)
{
    return may_any(q, VERB_BIT(verb), agency);
}

bool may_everywhere(const struct query *q, uint32_t any_of)
{
    for (unsigned i = 0; i < VERB_COUNT; i++) {
        if ((any_of & VERB_BIT(i)) &&
            actor_may(q->reader->table, q->who, (enum verb)i, casebus_bytes(NULL, 0))) {
            return true;
        }
    }
    return false;
}

int authorise(struct query *q)
{
    const struct need *need = &needs[q->request.op];
    bool everywhere = need->any_of == 0 || may_everywhere(q, need->any_of);
    int rc = read_scope(q, need->any_of, everywhere);
    if (q->answer) { /* allowed when it was asked for, and carried out meanwhile */
        q->scope = q->scope ? q->scope : &scope_everything;
        return 0;
    }
    if (rc != 0 || everywhere) {
        return rc;
    }
    /* A request that reads is answered with what its actor may see: by his audience, or by the
     * agencies of his verbs. */
    const bool cut =
        q->audience ? audience_has(q->audience, q->reader->table, q->who) : q->scope != NULL;
    if ((need->any_of & FOLLOW) && cut) {
        return 0;
    }
    if (need->about == ABOUT_NONE && (q->who->somewhere & need->any_of)) {
        return 0; /* its operation finds out which agency it is about, and asks with may() */
    }
    struct casebus_bytes agency = casebus_as_str(arg_raw(q, "agency"));
    bool valid = need->about == ABOUT_AGENCY && casebus_agency_valid(agency);
    return may_any(q, need->any_of, valid ? agency : casebus_bytes(NULL, 0));
}

void audit_asker(const struct query *q, char *text, size_t size)
{
    snprintf(text, size, "actor=%s%s%s", q->who->name, q->by ? " by=" : "",
             q->by ? q->by->name : "");
}

/* --- asking about it ---------------------------------------------------------------------- */

static void pack_verbs(struct query *q, const struct actor *who)
{
    const char *agencies[CASEBUS_AGENCIES_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < VERB_COUNT; i++) {
        count += (who->somewhere & VERB_BIT(i)) != 0;
    }
    casebus_pack_text(&q->pk, "may");
    msgpack_pack_map(&q->pk, count);
    for (unsigned i = 0; i < VERB_COUNT; i++) {
        if (!(who->somewhere & VERB_BIT(i))) {
            continue;
        }
        int n =
            actor_agencies(q->reader->table, who, (enum verb)i, agencies, CASEBUS_AGENCIES_MAX);
        casebus_pack_text(&q->pk, verb_name((enum verb)i));
        msgpack_pack_array(&q->pk, n < 0 ? 1 : (size_t)n);
        for (int a = 0; a < n; a++) {
            casebus_pack_text(&q->pk, agencies[a]);
        }
        if (n < 0) {
            casebus_pack_text(&q->pk, "*");
        }
    }
}

int query_actor_whoami(struct query *q)
{
    char roles[ROLES_MAX * (ROLE_NAME_MAX + 1) + 1];
    char *save = NULL;
    uint32_t count = 0;
    actor_roles(q->reader->table, q->who, roles, sizeof roles);
    for (const char *c = roles; *c; c++) {
        count += *c == ',';
    }
    msgpack_pack_map(&q->pk, 3u + (q->by ? 1u : 0u));
    casebus_pack_text(&q->pk, "actor");
    casebus_pack_text(&q->pk, q->who->name);
    if (q->by) {
        casebus_pack_text(&q->pk, "by");
        casebus_pack_text(&q->pk, q->by->name);
    }
    casebus_pack_text(&q->pk, "roles");
    msgpack_pack_array(&q->pk, roles[0] ? count + 1 : 0);
    for (char *role = strtok_r(roles, ",", &save); role; role = strtok_r(NULL, ",", &save)) {
        casebus_pack_text(&q->pk, role);
    }
    pack_verbs(q, q->who);
    return 0;
}

#define VERB_SHOWN 32 /* of a word that is no verb; a longer one is no typing error */

static int refuse_verb(struct query *q, struct casebus_bytes text)
{
    char fault[96];
    const int shown = text.size <= VERB_SHOWN ? (int)text.size : 0;
    snprintf(fault, sizeof fault, "%.*s%sis no verb: report.scraped, watch, ask, ...", shown,
             (const char *)text.data, shown ? " " : "");
    return bad_arg(q, "verb", fault);
}

/* Whoever asks about himself is told; about others, who may administer. */
int query_actor_can(struct query *q)
{
    struct casebus_bytes name, verb_text, agency;
    enum verb verb;
    int rc = arg_text(q, "actor", true, &name);
    rc = rc ? rc : arg_text(q, "verb", true, &verb_text);
    rc = rc ? rc : arg_text(q, "agency", false, &agency);
    if (rc == 0 && !verb_find(verb_text, &verb)) {
        rc = refuse_verb(q, verb_text);
    }
    if (rc == 0 && agency.data && !casebus_agency_valid(agency)) {
        rc = bad_arg(q, "agency", "is not an agency's code, as in hse");
    }
    if (rc == 0 && !casebus_bytes_is(name, q->who->name)) {
        rc = may(q, VERB_ADMINISTER, casebus_bytes(NULL, 0));
    }
    if (rc != 0) {
        return rc;
    }
    const struct actor *actor = actor_by_name(q->reader->table, name);
    if (!actor) {
        return CASEBUS_ENOTFOUND;
    }
    msgpack_pack_map(&q->pk, 1);
    casebus_pack_text(&q->pk, "can");
    if (actor_may(q->reader->table, actor, verb, agency)) {
        msgpack_pack_true(&q->pk);
    } else {
        msgpack_pack_false(&q->pk);
    }
    return 0;
}
