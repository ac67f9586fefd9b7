/* Offenders and agencies: the records that come with a case, and asked for by themselves. */
#include "query.h"

#include "agency.h"
#include "normal.h"

/* --- agencies --------------------------------------------------------------------------- */

/* A sum of fines tells of each of them. */
static bool shows_fines(const struct query *q)
{
    return scope_shows(q->scope, "offence_fine_pence");
}

static void pack_agency_map(struct query *q, msgpack_packer *pk, struct casebus_bytes code,
                            const struct agency_entry *a, bool totals)
{
    const bool fines = totals && shows_fines(q);
    msgpack_pack_map(pk, 2u + (totals ? 1u : 0u) + (fines ? 1u : 0u) +
                             (a->name.data ? 1u : 0u) + (a->base_url.data ? 1u : 0u));
    casebus_pack_text(pk, "code");
    casebus_pack_str(pk, code);
    if (a->name.data) {
        casebus_pack_text(pk, "name");
        casebus_pack_str(pk, a->name);
    }
    if (a->base_url.data) {
        casebus_pack_text(pk, "base_url");
        casebus_pack_str(pk, a->base_url);
    }
    casebus_pack_text(pk, "enabled");
    if (a->disabled) {
        msgpack_pack_false(pk);
    } else {
        msgpack_pack_true(pk);
    }
    if (totals) {
        pack_uint(pk, "cases", a->cases);
    }
    if (fines) {
        pack_uint(pk, "fine_pence", a->fine_pence);
    }
}

static void pack_agency_record(struct query *q, msgpack_packer *pk, struct casebus_bytes code,
                               bool totals)
{
    struct key key = key_text(code);
    struct agency_entry a = {.disabled = 0};
    if (!txn_load(q->txn, TREE_AGENCY, &key, ENTRY_AGENCY, &a)) {
        txn_fail(q->txn, CASEBUS_ECORRUPT); /* every case has one, and what was just set */
    }
    casebus_pack_text(pk, "agency_record");
    pack_agency_map(q, pk, code, &a, totals);
}

void pack_agency(struct query *q, msgpack_packer *pk, struct casebus_bytes code)
{
    pack_agency_record(q, pk, code, true);
}

int query_agency_list(struct query *q)
{
    struct cursor c;
    cursor_open(&c, q->txn, TREE_AGENCY);
    for (bool at = cursor_seek(&c, casebus_bytes("", 1)); at; at = cursor_next(&c)) {
        struct agency_entry a;
        if (entry_decode(ENTRY_AGENCY, c.value, &a) != 0) {
            txn_fail(q->txn, CASEBUS_ECORRUPT);
            break;
        }
        if (scope_covers(q->scope, c.key)) {
            pack_agency_map(q, &q->rows_pk, c.key, &a, true);
            q->row_count++;
        }
    }
    cursor_close(&c);
    msgpack_pack_map(&q->pk, 1);
    pack_rows(q, "rows");
    return 0;
}

/* Which agency, and that all of what is set can be. An agency that is not shown is not there,
 * and is not made for who may not see it. */
static int check_settings(struct query *q, struct casebus_bytes *code)
{
    struct agency_settings settings;
    struct casebus_fault fault = {.code = 0};
    int rc = arg_text(q, "agency", true, code);
    if (rc == 0 && !casebus_agency_valid(*code)) {
        rc = bad_arg(q, "agency", NO_AGENCY_CODE);
    }
    if (rc != 0) {
        return rc;
    }
    rc = agency_settings_read(q->request.map, &settings, &fault);
    if (rc == CASEBUS_EMISSING) {
        return bad_arg(q, "name", "is required, or base_url, or enabled");
    }
    if (rc == CASEBUS_EVALUE && strcmp(fault.field, "base_url") == 0) {
        return bad_arg(q, fault.field, "must begin with http:// or https://");
    }
    if (rc != 0) {
        return bad_arg(q, fault.field, casebus_strerror(rc));
    }
    return scope_covers(q->scope, *code) ? 0 : CASEBUS_ENOTFOUND;
}

/* The arguments as they came. */
static int submit_settings(struct query *q)
{
    static const char *const names[] = {"agency", "name", "base_url", "enabled"};
    msgpack_packer pk;
    msgpack_sbuffer *body = &q->reader->rows;
    size_t count = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        count += arg_raw(q, names[i]).data != NULL;
    }
    msgpack_packer_init(&pk, body, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, count);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct casebus_bytes value = arg_raw(q, names[i]);
        if (value.data) {
            casebus_pack_text(&pk, names[i]);
            casebus_pack_raw(&pk, value);
        }
    }
    return submit(q, APPLY_AGENCY, body, true);
}

int query_agency_set(struct query *q)
{
    struct casebus_bytes code;
    if (q->answer && q->answer->code != 0) {
        snprintf(q->field, sizeof q->field, "%.63s", q->answer->field);
        return q->answer->code;
    }
    int rc = check_settings(q, &code);
    if (rc == 0 && !q->answer) {
        return q->time_up ? CASEBUS_ETIMEDOUT : submit_settings(q);
    }
    if (rc == 0) {
        const bool totals = read_form(q, VERB_BIT(VERB_ASK), code);
        msgpack_pack_map(&q->pk, 1);
        pack_agency_record(q, &q->pk, code, totals);
    }
    return rc;
}

/* --- offenders -------------------------------------------------------------------------- */

static void pack_offender_record(struct query *q, msgpack_packer *pk,
                                 struct casebus_bytes agency, struct casebus_bytes map,
                                 const struct offender_entry *o)
{
    struct normal name = normal_name(offender_name(map));
    bool fines = shows_fines(q);
    casebus_pack_text(pk, "offender_record");
    msgpack_pack_map(pk, fines ? 7 : 6);
    casebus_pack_text(pk, "agency");
    casebus_pack_str(pk, agency);
    casebus_pack_text(pk, "normalised_name");
    casebus_pack_str(pk, normal_bytes(&name));
    casebus_pack_text(pk, "offender");
    scope_pack_value(q->scope, casebus_cstr("offender"), o->offender.data ? o->offender : map,
                     pk);
    pack_uint(pk, "first_seen", o->first_seen);
    pack_uint(pk, "last_seen", o->last_seen);
    pack_uint(pk, "cases", o->cases);
    if (fines) {
        pack_uint(pk, "fine_pence", o->fine_pence);
    }
}

void pack_offender(struct query *q, msgpack_packer *pk, struct casebus_bytes agency,
                   struct casebus_bytes offender)
{
    struct key key = offender_key(agency, offender);
    struct offender_entry o = {.cases = 0};
    if (!txn_load(q->txn, TREE_OFFENDER, &key, ENTRY_OFFENDER, &o)) {
        txn_fail(q->txn, CASEBUS_ECORRUPT); /* every case that can be got has one */
    }
    pack_offender_record(q, pk, agency, offender, &o);
}

struct wanted {
    struct casebus_bytes agency, name, postcode, next;
    uint64_t limit;
    struct key key;
    struct offender_entry offender;
};

static int read_wanted(struct query *q, struct wanted *w)
{
    int rc = arg_text(q, "agency", true, &w->agency);
    rc = rc ? rc : arg_text(q, "name", true, &w->name);
    rc = rc ? rc : arg_text(q, "postcode", false, &w->postcode);
    rc = rc ? rc : arg_limit(q, &w->limit);
    rc = rc ? rc : arg_bin(q, "next", 0, false, &w->next);
    if (rc == 0 && !casebus_agency_valid(w->agency)) {
        rc = bad_arg(q, "agency", NO_AGENCY_CODE);
    }
    rc = rc ? rc : check_search(q, "name", offender_fields);
    return rc == 0 && !scope_covers(q->scope, w->agency) ? CASEBUS_ENOTFOUND : rc;
}

/* Without a postcode it is the first of that name: one who has none comes before all others. */
static bool find_wanted(struct query *q, struct wanted *w)
{
    struct normal name = normal_name(w->name), postcode = normal_postcode(w->postcode);
    struct cursor c;
    w->key = key_offender(w->agency, normal_bytes(&name), normal_bytes(&postcode));
    if (w->postcode.data) {
        return txn_load(q->txn, TREE_OFFENDER, &w->key, ENTRY_OFFENDER, &w->offender);
    }
    size_t prefix = w->key.size - 1; /* agency NUL name NUL */
    cursor_open(&c, q->txn, TREE_OFFENDER);
    bool found = cursor_seek(&c, casebus_bytes(w->key.data, prefix)) && c.key.size > prefix &&
                 memcmp(c.key.data, w->key.data, prefix) == 0;
    if (found) {
        w->key = key_text(c.key);
        if (entry_decode(ENTRY_OFFENDER, c.value, &w->offender) != 0) {
            txn_fail(q->txn, CASEBUS_ECORRUPT);
        }
    }
    cursor_close(&c);
    return found;
}

/* Does the cursor, moved just now, stand on one of his cases? Their keys are his and more. */
static bool his_case(const struct wanted *w, const struct cursor *c, bool moved)
{
    return moved && c->key.size > w->key.size &&
           memcmp(c->key.data, w->key.data, w->key.size) == 0;
}

/* How he is described: as last reported, or by a case of his where the one that brought that
 * has gone. */
static struct casebus_bytes his_map(struct query *q, const struct wanted *w)
{
    struct cursor c;
    struct case_entry entry;
    struct casebus_record record = {.unknown_count = 0};
    if (w->offender.offender.data) {
        return w->offender.offender;
    }
    cursor_open(&c, q->txn, TREE_OFFENDER);
    bool at = cursor_seek(&c, key_bytes(&w->key)) && cursor_next(&c);
    struct key id = his_case(w, &c, at) ? key_named(w->agency, key_offender_id(c.key)) : w->key;
    if (find_case(q, "next", key_bytes(&id), &entry) != 0 ||
        !record_load(q->txn, &entry, &record)) {
        txn_fail(q->txn, CASEBUS_ECORRUPT); /* there is one, or he would have gone too */
    }
    cursor_close(&c);
    return record.field[CASEBUS_CASE_OFFENDER];
}

static struct key add_his_cases(struct query *q, const struct wanted *w)
{
    struct cursor c;
    struct key next = {.size = 0};
    cursor_open(&c, q->txn, TREE_OFFENDER);
    bool at = cursor_seek(&c, w->next.data ? w->next : key_bytes(&w->key));
    if (at && !w->next.data) {
        at = cursor_next(&c); /* he himself */
    }
    for (; his_case(w, &c, at) && more_rows(q, w->limit); at = cursor_next(&c)) {
        struct key id = key_named(w->agency, key_offender_id(c.key));
        struct case_entry entry;
        q->work++;
        if (find_case(q, "next", key_bytes(&id), &entry) == 0) {
            q->row_count += pack_case(q, &q->rows_pk, &entry) == 0 ? 1u : 0u;
        }
    }
    if (his_case(w, &c, at)) {
        next = key_text(c.key);
    }
    cursor_close(&c);
    return next;
}

int query_offender_get(struct query *q)
{
    struct wanted w = {.limit = 0};
    int rc = read_wanted(q, &w);
    if (rc == 0 && !find_wanted(q, &w)) {
        rc = CASEBUS_ENOTFOUND;
    }
    if (rc != 0) {
        return rc;
    }
    if (w.next.data &&
        (w.next.size <= w.key.size || memcmp(w.next.data, w.key.data, w.key.size) != 0)) {
        return bad_arg(q, "next", "is not from a reply to these arguments");
    }
    struct casebus_bytes map = his_map(q, &w);
    struct key next = add_his_cases(q, &w);
    if (!map.data) {
        return txn_error(q->txn);
    }
    msgpack_pack_map(&q->pk, next.size > 0 ? 3 : 2);
    pack_offender_record(q, &q->pk, w.agency, map, &w.offender);
    pack_rows(q, "rows");
    pack_next(q, &next);
    return 0;
}
