/* Long work on the whole store: its check and its backup. Each runs in a thread of its own; a
 * request starts it or joins it, and waits for its end as long as a poll may. */
#include "query.h"

#include "backup.h"
#include "log.h"
#include "verify.h"

/* The arguments of both: which run is asked about (0: none), and how long to wait. */
static int read_poll(struct query *q, uint64_t *run, uint64_t *wait_ms)
{
    int rc = arg_number(q, "run", 0, INT64_MAX, 0, run);
    return rc ? rc
              : arg_number(q, "wait_ms", 0, CASEBUS_POLL_MAX_MS, CASEBUS_POLL_MAX_MS, wait_ms);
}

static bool answers_now(const struct query *q, const struct run *run, uint64_t wait_ms)
{
    return run->state != RUN_RUNNING || q->time_up || wait_ms == 0;
}

static int wait_for(struct query *q, enum waiting_kind kind, uint64_t wait_ms)
{
    q->wait_kind = kind;
    q->wait_until = q->resumed ? q->resumed->until : zclock_mono() + (int64_t)wait_ms;
    return QUERY_WAITS;
}

static void pack_run(struct query *q, const struct run *run)
{
    pack_uint(&q->pk, "run", run->number);
    casebus_pack_text(&q->pk, "state");
    casebus_pack_text(&q->pk, run_state_words[run->state]);
}

static void pack_findings(struct query *q, const struct verify_report *r, bool ended)
{
    unsigned n = ended ? r->finding_count : 0;
    n = n < FINDINGS_MAX ? n : FINDINGS_MAX;
    casebus_pack_text(&q->pk, "findings");
    msgpack_pack_array(&q->pk, n);
    for (unsigned i = 0; i < n; i++) {
        casebus_pack_text(&q->pk, r->findings[i]);
    }
}

/* --- verify ----------------------------------------------------------------------------- */

static int answer_verify(struct query *q, const struct run *run)
{
    const struct verify_report *r = verifier_report(q->self->verifier);
    bool ended = run->state != RUN_RUNNING;
    msgpack_pack_map(&q->pk, 6);
    pack_run(q, run);
    pack_uint(&q->pk, "checked", atomic_load(&r->checked));
    pack_uint(&q->pk, "total", atomic_load(&r->total));
    pack_findings(q, r, ended);
    pack_uint(&q->pk, "seq", ended ? r->seq : 0);
    return 0;
}

int query_store_verify(struct query *q)
{
    uint64_t asked, wait_ms;
    int rc = read_poll(q, &asked, &wait_ms);
    if (rc != 0) {
        return rc;
    }
    const struct run *run = verifier_run(q->self->verifier);
    if (!q->resumed && run->state != RUN_RUNNING && (asked == 0 || asked != run->number)) {
        rc = wait_ms > 0 ? find_place(q) : 0;
        rc = rc ? rc : verifier_start(q->self->verifier);
        if (rc != 0) {
            return rc;
        }
    }
    return answers_now(q, run, wait_ms) ? answer_verify(q, run)
                                        : wait_for(q, WAITING_VERIFY, wait_ms);
}

/* --- backup ----------------------------------------------------------------------------- */

static int answer_backup(struct query *q, const struct run *run)
{
    const struct backup *backup = q->self->backup;
    const struct backup_report *r = backup_report(backup);
    bool ended = run->state != RUN_RUNNING, passed = run->state == RUN_PASSED;
    msgpack_pack_map(&q->pk, 5u + (ended ? 2u : 0u) + (passed ? 5u : 0u));
    pack_run(q, run);
    casebus_pack_text(&q->pk, "dir");
    casebus_pack_text(&q->pk, backup_dir(backup));
    /* A record is copied, then checked. */
    pack_uint(&q->pk, "done", atomic_load(&r->copy.copied) + atomic_load(&r->verify.checked));
    pack_uint(&q->pk, "total", 2 * atomic_load(&r->copy.total));
    if (ended) {
        casebus_pack_text(&q->pk, "reason");
        casebus_pack_text(&q->pk, r->why);
        pack_findings(q, &r->verify, true);
    }
    if (passed) {
        pack_uint(&q->pk, "cases", r->state.cases);
        pack_uint(&q->pk, "events", r->events);
        pack_uint(&q->pk, "seq", r->state.seq);
        pack_uint(&q->pk, "bytes", r->bytes);
        casebus_pack_text(&q->pk, "epoch");
        casebus_pack_bin(&q->pk, casebus_bytes(r->state.epoch, sizeof r->state.epoch));
    }
    return 0;
}

/* A path of the broker's machine, complete, as its own file system will take it. */
static int read_dir(struct query *q, char dir[FOLDER_PATH_MAX])
{
    struct casebus_bytes text;
    int rc = arg_text(q, "dir", true, &text);
    if (rc != 0) {
        return rc;
    }
    if (text.size < 1 || text.size > BACKUP_DIR_MAX || text.data[0] != '/' ||
        memchr(text.data, 0, text.size)) {
        return bad_arg(q, "dir", "must be an absolute path of at most 1024 bytes");
    }
    memcpy(dir, text.data, text.size);
    dir[text.size] = '\0';
    return 0;
}

static void audit_backup(const char *word, const char *asker, const char *dir, const char *why)
{
    log_audit("%s %s op=store.backup on=%s%s%s", word, asker, dir, why[0] ? ": " : "", why);
}

static void tell_backup(const char *word, const char *asker, const char *dir, const char *why)
{
    log_name_thread("backup");
    audit_backup(word, asker, dir, why);
}

static int start_backup(struct query *q)
{
    char dir[FOLDER_PATH_MAX], asker[2 * ACTOR_NAME_SIZE + 16];
    const char *taken;
    int rc = read_dir(q, dir);
    if (rc != 0) {
        return rc;
    }
    audit_asker(q, asker, sizeof asker);
    rc = backup_start(q->self->backup, dir, asker, tell_backup, &taken);
    if (rc == BACKUP_JOINED) {
        audit_backup("joined", asker, dir, "");
        rc = 0;
    } else if (rc == CASEBUS_EBUSY) {
        snprintf(q->text, sizeof q->text, "another backup is being made");
    } else if (rc == CASEBUS_EVALUE) {
        bad_arg(q, "dir", taken);
    }
    return rc;
}

/* Whether this backup is the one asked about. Runs are counted from each start of the broker:
 * one of the same number may be somebody else's, into another folder. */
static bool is_asked_about(const struct query *q, const struct run *run, uint64_t asked,
                           struct casebus_bytes dir)
{
    return asked != 0 && asked == run->number &&
           (!dir.data || casebus_bytes_is(dir, backup_dir(q->self->backup)));
}

int query_store_backup(struct query *q)
{
    uint64_t asked, wait_ms;
    struct casebus_bytes dir;
    int rc = read_poll(q, &asked, &wait_ms);
    rc = rc ? rc : arg_text(q, "dir", false, &dir);
    if (rc != 0) {
        return rc;
    }
    const struct run *run = backup_run(q->self->backup);
    if (!q->resumed && !is_asked_about(q, run, asked, dir)) {
        rc = wait_ms > 0 ? find_place(q) : 0;
        rc = rc ? rc : start_backup(q);
        if (rc != 0) {
            return rc;
        }
    }
    return answers_now(q, run, wait_ms) ? answer_backup(q, run)
                                        : wait_for(q, WAITING_BACKUP, wait_ms);
}
