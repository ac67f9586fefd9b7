/* Checking, restoring and repairing stores that no broker serves from this process; see
 * offline.h. */
#include "offline.h"

#include "guard.h"
#include "output.h"
#include "repair.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define QUIET_S 60 /* a page from a disk that has to wake up comes sooner */

/* Shared with the child, which fills it. */
struct job {
    const char *dir, *backup;
    unsigned timeout_s;
    int (*work)(struct job *self);
    struct backup_report report;
    struct repair_report repair;
};

static void print_finding(const char *text)
{
    printf("%s\n", text);
    fflush(stdout);
}

static const char *epoch_shown(const struct state *state, char text[2 * CASEBUS_EPOCH_SIZE + 1])
{
    return sodium_bin2hex(text, 2 * CASEBUS_EPOCH_SIZE + 1, state->epoch, sizeof state->epoch);
}

/* casebus-ctl becomes this program to check a folder, and keeps its name for that. */
static int complain(const char *dir, const char *why, int code)
{
    fprintf(stderr, "%s: %s%s%s\n", program_invocation_short_name, dir, dir[0] ? ": " : "",
            why);
    return code;
}

/* --- the child and its end -------------------------------------------------------------- */

static uint64_t steps_of(const struct backup_report *r)
{
    return atomic_load(&r->copy.copied) + atomic_load(&r->verify.steps);
}

static uint64_t steps(const void *arg)
{
    const struct job *job = arg;
    return steps_of(&job->report) + steps_of(&job->repair.copy);
}

static int in_child(void *arg)
{
    struct job *job = arg;
    return output_end(program_invocation_short_name, job->work(job));
}

/* How the child ended is a finding like those it made itself: where it was, and what happened
 * there. */
static int run_guarded(struct job *job, const struct backup_report *report,
                       int (*work)(struct job *job))
{
    char why[256];
    int result = EXIT_CHECK_FAILED;
    job->work = work;
    struct guard_options options = {.work = in_child,
                                    .arg = job,
                                    .steps = steps,
                                    .quiet_s = QUIET_S,
                                    .whole_s = job->timeout_s};
    enum guard_end end = guard_run(&options, &result, why, sizeof why);
    if (end == GUARD_DONE) {
        return result;
    }
    if (end == GUARD_FAILED) {
        return complain(job->dir, why, EXIT_START);
    }
    bool checking = atomic_load(&report->verify.steps) > 0;
    int tree = atomic_load(checking ? &report->verify.tree : &report->copy.tree);
    printf("%s: reading the store %s, after %llu records\n", tree_names[tree], why,
           (unsigned long long)steps(job));
    printf("%s: %s\n", job->dir,
           end == GUARD_TIME_UP ? "not gone through to its end"
                                : "damaged pages; a backup can be put back with --restore");
    return EXIT_CHECK_FAILED;
}

static struct job *job_new(const char *dir)
{
    struct job *job = guard_memory(sizeof *job);
    if (job) {
        job->dir = dir;
        job->report.verify.said = print_finding;
        job->repair.copy.verify.said = print_finding;
        job->repair.said = print_finding;
    }
    return job;
}

/* --- verify ----------------------------------------------------------------------------- */

static int verify_in_child(struct job *job)
{
    struct verify_report *report = &job->report.verify;
    struct store *store;
    struct store_options options = {.dir = job->dir, .read_only = true};
    char why[FOLDER_PATH_MAX + 256];
    if (store_open(&store, &options, why, sizeof why) != 0) {
        return complain("", why, EXIT_CHECK_FAILED);
    }
    int rc = verify_store(store, report);
    if (rc != 0) {
        complain(job->dir, casebus_strerror(rc), EXIT_CHECK_FAILED);
    } else if (report->finding_count > 0) {
        printf("%s: %u findings, seq %llu\n", job->dir, report->finding_count,
               (unsigned long long)report->seq);
    } else {
        printf("%s: good, %llu records, seq %llu\n", job->dir,
               (unsigned long long)atomic_load(&report->checked),
               (unsigned long long)report->seq);
    }
    bool good = rc == 0 && report->finding_count == 0;
    verify_report_clear(report);
    store_close(&store);
    return good ? EXIT_OK : EXIT_CHECK_FAILED;
}

int offline_verify(const char *dir, unsigned timeout_s)
{
    struct job *job = job_new(dir);
    if (!job) {
        return complain(dir, "out of memory", EXIT_START);
    }
    job->timeout_s = timeout_s;
    return run_guarded(job, &job->report, verify_in_child);
}

/* --- restore ---------------------------------------------------------------------------- */

static int restore_in_child(struct job *job)
{
    struct backup_report *r = &job->report;
    struct place place;
    char epoch[2 * CASEBUS_EPOCH_SIZE + 1];
    int rc = place_open(&place, job->dir, r->why, sizeof r->why);
    rc = rc ? rc : restore_store(&place, job->backup, r);
    place_close(&place);
    if (rc != 0) {
        return complain("", r->why[0] ? r->why : casebus_strerror(rc), EXIT_START);
    }
    if (place.replaced[0] != '\0') {
        printf("what was in %s is now in %s\n", job->dir, place.replaced);
    }
    printf("restored %s into %s: %llu cases, %llu events, seq %llu, new epoch %s\n",
           job->backup, job->dir, (unsigned long long)r->state.cases,
           (unsigned long long)r->events, (unsigned long long)r->state.seq,
           epoch_shown(&r->state, epoch));
    return EXIT_OK;
}

int offline_restore(const char *dir, const char *backup)
{
    if (access(backup, F_OK) != 0) {
        return complain(backup, "there is no such backup, nothing was restored", EXIT_START);
    }
    int code = offline_verify(backup, 0);
    struct job *job = code == EXIT_OK ? job_new(dir) : NULL;
    if (code != EXIT_OK) {
        return complain(dir, "nothing was restored, the check of the backup did not pass",
                        code);
    }
    if (!job) {
        return complain(dir, "out of memory", EXIT_START);
    }
    job->backup = backup;
    return run_guarded(job, &job->report, restore_in_child);
}

/* --- repair ----------------------------------------------------------------------------- */

static int say_repaired(const struct job *job, const struct place *place)
{
    const struct repair_report *r = &job->repair;
    unsigned findings = r->copy.verify.finding_count;
    for (int t = 0; t < TREE_COUNT; t++) {
        if (repair_builds((enum tree)t)) {
            printf("%s: %llu entries rebuilt\n", tree_names[t],
                   (unsigned long long)r->built[t]);
        }
    }
    printf("what was in %s is now in %s\n", job->dir, place->replaced);
    if (findings > 0) {
        printf("%s: rebuilt, and %u findings stay: what cannot be read is not made up\n",
               job->dir, findings);
    } else {
        printf("%s: rebuilt and good, seq %llu\n", job->dir,
               (unsigned long long)r->copy.state.seq);
    }
    return findings > 0 ? EXIT_CHECK_FAILED : EXIT_OK;
}

/* Is the store itself at fault? A tree may be missing; and LMDB says of some damage what no key
 * or value is. */
static bool is_damage(int rc)
{
    return rc == CASEBUS_ECORRUPT || rc == CASEBUS_ENOTFOUND || rc == CASEBUS_EINTERNAL;
}

static int repair_in_child(struct job *job)
{
    struct place place;
    const char *why = job->repair.copy.why;
    int rc = place_open(&place, job->dir, job->repair.copy.why, sizeof job->repair.copy.why);
    rc = rc ? rc : repair_store(&place, &job->repair);
    place_close(&place);
    if (rc == 0) {
        return say_repaired(job, &place);
    }
    complain("", why[0] ? why : casebus_strerror(rc), EXIT_START);
    return is_damage(rc)
               ? complain(job->dir, "is as it was; a backup can be put back with --restore",
                          EXIT_START)
               : EXIT_START;
}

int offline_repair(const char *dir)
{
    char data[FOLDER_PATH_MAX];
    struct job *job = job_new(dir);
    if (!job) {
        return complain(dir, "out of memory", EXIT_START);
    }
    if (!folder_path(data, dir, DATA_FILE) || access(data, R_OK) < 0) {
        return complain(dir, "there is no store to repair", EXIT_START);
    }
    return run_guarded(job, &job->repair.copy, repair_in_child);
}
