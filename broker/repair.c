/* Repair: what is kept is copied beside, what is derived is built there, and the result takes
 * the store's place; see repair.h. The old store is only read, and its derived trees only where
 * they know what nothing else does (first seen, an agency's name). */
#include "repairing.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define PUTS_PER_COMMIT 20000

static const bool derived[TREE_COUNT] = {
    [TREE_CREATED] = true,  [TREE_DATE] = true,    [TREE_OFFENDER] = true,
    [TREE_AGENCY] = true,   [TREE_STARTED] = true, [TREE_HEAD] = true,
    [TREE_CONFLICT] = true, [TREE_ACTOR] = true,   [TREE_ACTIVE] = true,
};

bool repair_builds(enum tree tree)
{
    return derived[tree];
}

/* --- what the parts share --------------------------------------------------------------- */

static void say(struct repairing *r, const char *text)
{
    r->report->damaged++;
    if (r->report->said) {
        r->report->said(text);
    }
}

void not_read(struct repairing *r, enum tree tree, struct casebus_bytes key, const char *loss)
{
    char name[KEY_SHOWN_MAX], text[KEY_SHOWN_MAX + 100];
    snprintf(text, sizeof text, "%s %s: cannot be read, %s", tree_names[tree],
             key_shown(tree, key, name), loss);
    say(r, text);
}

void not_read_on(struct repairing *r, const struct cursor *c)
{
    char text[100];
    if (txn_error(c->txn) != 0 && !c->key.data) {
        snprintf(text, sizeof text,
                 "%s: cannot be read to its end, what it alone knew is left out",
                 tree_names[c->tree]);
        say(r, text);
    }
    txn_forgive(c->txn);
}

void left_out(struct repairing *r, enum tree tree, struct casebus_bytes key)
{
    not_read(r, tree, key, "left out of what is rebuilt");
}

bool next_good(struct cursor *c, bool first, enum entry_type type, void *entry)
{
    bool at = first ? cursor_seek(c, casebus_bytes("", 1)) : cursor_next(c);
    for (;;) {
        if (at && entry_decode(type, c->value, entry) == 0) {
            return true;
        }
        bool damaged = !at && txn_error(c->txn) == CASEBUS_ECORRUPT && c->key.data;
        if (!at && !damaged) {
            return false;
        }
        txn_forgive(c->txn);
        at = cursor_next(c);
    }
}

static int renew(struct txn *txn)
{
    txn_end(txn);
    return txn_begin(txn);
}

int build_step(struct repairing *r)
{
    int rc = txn_commit(r->write);
    txn_end(r->write);
    r->puts = 0;
    rc = rc ? rc : txn_begin(r->write);
    return rc ? rc : renew(r->from);
}

static int count_put(struct repairing *r)
{
    atomic_fetch_add_explicit(&r->report->copy.copy.copied, 1, memory_order_relaxed);
    if (++r->puts < PUTS_PER_COMMIT) {
        return txn_error(r->write);
    }
    r->puts = 0;
    int rc = txn_commit(r->write);
    txn_end(r->write);
    return rc ? rc : txn_begin(r->write);
}

int built(struct repairing *r, enum tree tree, const struct key *key, enum entry_type type,
          const void *entry)
{
    unsigned char value[KEY_MAX + 64], *out = value;
    size_t size = entry_size(type, entry);
    if (size > sizeof value) {
        out = txn_alloc(r->write, size);
    }
    if (!out) {
        return CASEBUS_ENOMEM;
    }
    size = entry_encode(type, entry, out); /* now: what it borrows may end with a commit */
    txn_put(r->write, tree, key_bytes(key), casebus_bytes(out, size));
    return count_put(r);
}

int built_bytes(struct repairing *r, enum tree tree, const struct key *key,
                struct casebus_bytes value)
{
    txn_put(r->write, tree, key_bytes(key), value);
    return count_put(r);
}

bool load_old(struct repairing *r, enum tree tree, const struct key *key, enum entry_type type,
              void *entry)
{
    bool found = txn_load(r->old, tree, key, type, entry);
    txn_forgive(r->old);
    return found;
}

/* --- copying what is kept --------------------------------------------------------------- */

static void name_damaged(void *arg, enum tree tree, struct casebus_bytes key)
{
    left_out(arg, tree, key);
}

static void begin_epoch(struct repairing *r, const char *why)
{
    say(r, why);
    randombytes_buf(r->state.epoch, sizeof r->state.epoch);
    r->new_epoch = true;
}

/* The state, or what it can be told from where it cannot be read. Another epoch begins then,
 * and where there may have been a newer one, for nobody can say what the old epoch had come to.
 */
static bool read_state(struct repairing *r, bool hides_commit)
{
    struct cursor c;
    bool whole = txn_state(r->old, &r->state);
    txn_forgive(r->old);
    if (whole && hides_commit) {
        begin_epoch(r, "a meta page is damaged, the newest commit may be lost; a new epoch "
                       "begins");
    }
    if (whole) {
        return true;
    }
    memset(&r->state, 0, sizeof r->state);
    r->state.schema = SCHEMA_VERSION;
    begin_epoch(r, "meta state: cannot be read; a new epoch begins");
    cursor_open(&c, r->old, TREE_LOG);
    if (cursor_last(&c) || c.key.data) {
        r->state.seq = key_to_number(c.key);
    }
    if (cursor_seek(&c, casebus_bytes("", 1)) || c.key.data) {
        uint64_t oldest = key_to_number(c.key);
        r->state.floor = oldest > 1 ? oldest : 0;
    }
    txn_forgive(r->old);
    cursor_close(&c);
    return false;
}

static int copy_kept(struct repairing *r, const char *dir, bool hides_commit)
{
    struct backup_report *report = &r->report->copy;
    bool left[TREE_COUNT];
    bool whole = read_state(r, hides_commit);
    memcpy(left, derived, sizeof left);
    left[TREE_META] = !whole;
    struct copy_options options = {.dir = dir,
                                   .epoch = r->new_epoch ? r->state.epoch : NULL,
                                   .left_out = left,
                                   .damaged = name_damaged,
                                   .arg = r};
    return store_copy(r->old, &options, &report->copy, report->why, sizeof report->why);
}

/* --- building what is derived ----------------------------------------------------------- */

static int build_all(struct repairing *r)
{
    r->state.cases = r->state.offenders = r->state.agencies = 0;
    r->state.sessions = r->state.running = 0;
    r->state.quarantined = r->state.publishers = 0;
    int rc = build_cases(r);
    rc = rc ? rc : build_others(r);
    rc = rc ? rc : build_heads(r);
    if (rc == 0) {
        txn_set_state(r->write, &r->state);
        rc = txn_commit(r->write);
        txn_end(r->write);
    }
    r->report->copy.state = r->state;
    return rc;
}

static int build(struct repairing *r, const char *dir)
{
    struct store *store;
    struct store_options options = {.dir = dir, .any_state = true}; /* it is put last */
    struct backup_report *report = &r->report->copy;
    int rc = store_open(&store, &options, report->why, sizeof report->why);
    if (rc != 0) {
        return rc;
    }
    rc = txn_new_read(store, &r->from);
    rc = rc ? rc : txn_new_write(store, &r->write);
    rc = rc ? rc : txn_begin(r->from);
    rc = rc ? rc : txn_begin(r->write);
    rc = rc ? rc : build_all(r);
    txn_destroy(&r->write);
    txn_destroy(&r->from);
    store_close(&store);
    return rc;
}

static uint64_t count_entries(struct txn *txn, enum tree tree)
{
    struct cursor c;
    uint64_t count = 0;
    cursor_open(&c, txn, tree);
    for (cursor_seek(&c, casebus_bytes("", 1)); c.key.data; cursor_next(&c)) {
        count++;
        txn_forgive(txn);
    }
    cursor_close(&c);
    return count;
}

static int count_built(struct store *store, struct repair_report *report)
{
    struct txn *txn;
    struct store_sizes sizes;
    int rc = txn_new_read(store, &txn);
    rc = rc ? rc : txn_begin(txn);
    rc = rc ? rc : store_measure(txn, &sizes);
    for (int t = 0; rc == 0 && t < TREE_COUNT; t++) {
        if (derived[t]) {
            report->built[t] =
                tree_shares((enum tree)t) ? count_entries(txn, (enum tree)t) : sizes.entries[t];
        }
    }
    txn_destroy(&txn);
    return rc;
}

static int check(const char *dir, struct repair_report *report)
{
    struct store *store;
    struct store_options options = {.dir = dir, .read_only = true};
    int rc = store_open(&store, &options, report->copy.why, sizeof report->copy.why);
    if (rc == 0) {
        rc = verify_store(store, &report->copy.verify);
        rc = rc ? rc : count_built(store, report);
        store_close(&store);
    }
    return rc;
}

/* A store of another layout is not damaged, and would be once it is built again by this one. */
static int check_schema(struct repairing *r)
{
    struct state state;
    const bool other = txn_state(r->old, &state) && state.schema != SCHEMA_VERSION;
    txn_forgive(r->old);
    return other ? CASEBUS_ESCHEMA : 0;
}

int repair_store(struct place *place, struct repair_report *report)
{
    struct repairing r = {.report = report};
    struct store *store;
    struct store_options options = {.dir = place->folder, .read_only = true, .any_state = true};
    char *why = report->copy.why;
    const size_t why_size = sizeof report->copy.why;
    int rc = store_open(&store, &options, why, why_size);
    if (rc != 0) {
        return rc;
    }
    rc = txn_new_read(store, &r.old);
    rc = rc ? rc : txn_begin(r.old);
    rc = rc ? rc : check_schema(&r);
    rc = rc ? rc : copy_kept(&r, place->beside, store_hides_commit(store));
    rc = rc ? rc : build(&r, place->beside);
    txn_destroy(&r.old);
    store_close(&store);
    rc = rc ? rc : check(place->beside, report);
    if (rc != 0 && why[0] == '\0') {
        snprintf(why, why_size, "%s: %s", place->folder, casebus_strerror(rc));
    }
    return rc ? rc : place_take(place, why, why_size);
}
