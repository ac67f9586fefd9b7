/* Quarantine: what waits for a person, and his decisions. */
#include "query.h"

static void pack_quarantined(struct query *q, uint64_t seq, struct casebus_bytes id,
                             const struct quarantine_entry *e, msgpack_packer *pk)
{
    struct case_entry entry;
    const bool known = find_case(q, "quarantine", id, &entry) == 0;
    msgpack_pack_map(pk, 5u + (e->session.data ? 1u : 0u) + (known ? 1u : 0u));
    pack_uint(pk, "quarantine", seq);
    casebus_pack_text(pk, "id");
    casebus_pack_str(pk, id);
    pack_uint(pk, "at", e->at);
    casebus_pack_text(pk, "actor");
    casebus_pack_str(pk, e->actor);
    if (e->session.data) {
        casebus_pack_text(pk, "session");
        casebus_pack_str(pk, e->session);
    }
    casebus_pack_text(pk, "reported");
    if (scope_is_everything(q->scope)) {
        casebus_pack_raw(pk, e->data);
    } else {
        scope_pack_case(q->scope, e->data, pk);
    }
    if (known) {
        casebus_pack_text(pk, "case");
        const int rc = pack_case(q, pk, &entry);
        if (rc != 0) {
            txn_fail(q->txn, rc);
        }
    }
}

static bool quarantine_row(struct query *q, const struct seq_list *list, uint64_t seq,
                           struct casebus_bytes name, msgpack_packer *pk)
{
    struct key key = key_text(name);
    struct quarantine_entry e;
    struct casebus_bytes agency, regulator_id;
    struct casebus_bytes id = casebus_bytes(name.data, name.size - CASEBUS_HASH_SIZE - 1);
    if (name.size <= CASEBUS_HASH_SIZE + 1 ||
        casebus_case_id_split(id, &agency, &regulator_id) != 0) {
        txn_fail(q->txn, CASEBUS_ECORRUPT);
        return false;
    }
    if ((list->agency.data && !casebus_bytes_equal(agency, list->agency)) ||
        !scope_covers(q->scope, agency) ||
        !txn_load(q->txn, TREE_QUARANTINE, &key, ENTRY_QUARANTINE, &e) ||
        e.status != QUARANTINE_OPEN || e.seq != seq) {
        return false;
    }
    if (pk) {
        pack_quarantined(q, seq, id, &e, pk);
    }
    return true;
}

int query_quarantine_list(struct query *q)
{
    struct seq_list list = {.tree = TREE_CONFLICT, .row = quarantine_row};
    const int rc = arg_text(q, "agency", false, &list.agency);
    if (rc == 0 && list.agency.data && !casebus_agency_valid(list.agency)) {
        return bad_arg(q, "agency", NO_AGENCY_CODE);
    }
    return rc ? rc : list_by_seq(q, &list);
}

static int answer_decision(struct query *q)
{
    const struct submission_result *a = q->answer;
    if (a->code != 0) {
        snprintf(q->field, sizeof q->field, "%.63s", a->field);
        return a->code;
    }
    msgpack_pack_map(&q->pk, 2);
    casebus_pack_text(&q->pk, "outcome");
    casebus_pack_text(&q->pk, casebus_outcome_word(a->outcome));
    casebus_pack_text(&q->pk, "id");
    casebus_pack_text(&q->pk, a->case_id);
    return 0;
}

static int submit_decision(struct query *q, enum apply_kind kind, uint64_t seq,
                           struct casebus_bytes as)
{
    msgpack_packer pk;
    msgpack_sbuffer *body = &q->reader->rows;
    msgpack_packer_init(&pk, body, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, as.data ? 2 : 1);
    pack_uint(&pk, "quarantine", seq);
    if (as.data) {
        casebus_pack_text(&pk, "as");
        casebus_pack_str(&pk, as);
    }
    return submit(q, kind, body, true);
}

/* Which agency it is about stands with the conflict. Absent: there is none, which apply says.
 */
static struct casebus_bytes agency_of(struct query *q, uint64_t seq)
{
    struct key key = key_number(seq);
    struct casebus_bytes name, agency, rest;
    bool found =
        txn_get(q->txn, TREE_CONFLICT, key_bytes(&key), &name) &&
        name.size > CASEBUS_HASH_SIZE + 1 &&
        casebus_case_id_split(casebus_bytes(name.data, name.size - CASEBUS_HASH_SIZE - 1),
                              &agency, &rest) == 0;
    return found ? agency : casebus_bytes(NULL, 0);
}

/* May the asker know of a report of this agency, and of the case it is to be stored as? */
static int check_shown(struct query *q, struct casebus_bytes agency, struct casebus_bytes as)
{
    if (q->scope->agencies == 0) {
        return 0;
    }
    if (!agency.data || !scope_covers(q->scope, agency)) {
        return txn_error(q->txn) != 0 ? txn_error(q->txn) : CASEBUS_ENOTFOUND;
    }
    if (as.data && !scope_covers_id(q->scope, as)) {
        bad_arg(q, "as", "is of an agency that is not yours");
        return deny(q);
    }
    return 0;
}

static int decide(struct query *q, enum apply_kind kind)
{
    struct casebus_bytes as = casebus_bytes(NULL, 0), agency, id, about;
    uint64_t seq = 0;
    if (q->answer) {
        return answer_decision(q);
    }
    if (q->time_up) {
        return CASEBUS_ETIMEDOUT;
    }
    int rc = arg_number(q, "quarantine", 1, UINT64_MAX - 1, 0, &seq);
    if (rc == 0 && kind == APPLY_ACCEPT) {
        rc = arg_text(q, "as", false, &as);
    }
    if (rc == 0 && as.data && casebus_case_id_split(as, &agency, &id) != 0) {
        rc = bad_arg(q, "as", "is not a case id, <agency>:<regulator id>");
    }
    about = rc ? casebus_bytes(NULL, 0) : agency_of(q, seq);
    rc = rc ? rc : check_shown(q, about, as); /* first: what is not his to see is not there */
    rc = rc ? rc : may(q, VERB_DECIDE, about);
    if (rc == 0 && as.data) {
        rc = may(q, VERB_DECIDE, agency);
    }
    return rc != 0 ? rc : submit_decision(q, kind, seq, as);
}

int query_quarantine_accept(struct query *q)
{
    return decide(q, APPLY_ACCEPT);
}

int query_quarantine_reject(struct query *q)
{
    return decide(q, APPLY_REJECT);
}
