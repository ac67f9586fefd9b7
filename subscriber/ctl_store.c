/* casebus-ctl about the whole store: verify, backup.
 *
 * The running broker does the work beside its other work, and is polled until it has ended:
 * that may take hours, so --timeout limits the whole, and whether there is a broker shows at
 * every poll. A folder is checked by the broker's program: this one knows nothing of the
 * store. */
#include "ctl.h"

#include "deadline.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_MS 1000
#define BROKER "casebus-broker"

/* --- work of the broker's --------------------------------------------------------------- */

struct work {
    enum casebus_op op;
    const char *name, *doing; /* "check", "checked" */
    const char *done;         /* the key of how much is done */
    const char *dir;          /* an argument of the first request; NULL: none */
    const char *look;         /* where its end shows when nobody waits for it any more */
};

static bool state_is(const struct ctl *self, const char *state)
{
    return casebus_bytes_is(casebus_as_str(ctl_result(self, "state")), state);
}

static uint64_t number(const struct ctl *self, const char *key)
{
    return casebus_as_uint(ctl_result(self, key), 0);
}

static void say_progress(const struct ctl *self, const struct work *work, bool end)
{
    if (!isatty(STDERR_FILENO)) {
        return;
    }
    struct text line = {0};
    text_format(&line, "\r%s ", work->doing);
    text_add_count(&line, number(self, work->done));
    text_add(&line, " of about ");
    text_add_count(&line, number(self, "total"));
    text_add(&line, end ? "\n" : " ");
    fputs(text_get(&line), stderr);
    text_free(&line);
}

static int say_time_is_up(const struct work *work, uint64_t run)
{
    fprintf(stderr, PROGRAM ": time is up and %s the %s goes on: the same command joins it%s\n",
            run == FLAG_UNSET ? "the broker has not answered; perhaps" : "still", work->name,
            work->look);
    return EXIT_NOT_REACHED;
}

/* Starts it, and waits until it has ended: its last answer is then the reply. */
static int carry_out(struct ctl *self, const struct work *work)
{
    const int whole = self->settings.timeout_ms;
    const int64_t deadline = deadline_after(whole == TIMEOUT_UNSET ? -1 : whole);
    uint64_t run = FLAG_UNSET;
    do {
        const int left = deadline_left(deadline);
        self->settings.timeout_ms =
            left >= 0 && left < TIMEOUT_DEFAULT_MS ? left : TIMEOUT_DEFAULT_MS;
        casebus_call_begin(self->call, work->op);
        ctl_add_text(self, "dir", work->dir);
        ctl_add_uint(self, "run", run);
        casebus_call_uint(self->call, "wait_ms", POLL_MS);
        const int rc =
            casebus_call_send(self->call, self->client, &self->reply, ctl_timeout(self));
        if (rc == CASEBUS_ETIMEDOUT) { /* the request has left us and may have been taken */
            return say_time_is_up(work, run);
        }
        if (rc != 0) {
            return ctl_failed(self, work->dir, rc);
        }
        const bool ended = !state_is(self, "running");
        run = casebus_as_uint(ctl_result(self, "run"), FLAG_UNSET);
        say_progress(self, work, ended);
        if (ended) {
            return EXIT_FINE;
        }
    } while (deadline_left(deadline) != 0);
    return say_time_is_up(work, run);
}

static void add_findings(struct ctl *self)
{
    struct casebus_bytes finding;
    struct rows rows = ctl_rows(ctl_result(self, "findings"));
    while (ctl_next_row(&rows, &finding)) {
        text_add_foreign(&self->out, casebus_as_str(finding));
        text_add(&self->out, "\n");
    }
}

/* Prints what was put together; 1 where the work came to nothing. */
static int print_end(struct ctl *self)
{
    const bool passed = state_is(self, "passed");
    const int status = self->settings.json ? ctl_print_result(self) : ctl_flush(self);
    return passed ? status : EXIT_NOT_FOUND;
}

/* --- backup ----------------------------------------------------------------------------- */

/* Where the path is from here, complete: the broker is somewhere else. */
static int absolute(const char *path, struct text *out)
{
    char here[PATH_MAX];
    if (path[0] != '/') {
        if (getcwd(here, sizeof here) == NULL) {
            fprintf(stderr, PROGRAM ": the current folder: %s\n", strerror(errno));
            return EXIT_NOT_FOUND;
        }
        text_format(out, "%s/", here);
    }
    text_add(out, path);
    return EXIT_FINE;
}

static void add_backup(struct ctl *self)
{
    if (!state_is(self, "passed")) {
        add_findings(self);
        text_add(&self->out, "failed: ");
        text_add_foreign(&self->out, casebus_as_str(ctl_result(self, "reason")));
        text_add(&self->out, "\n");
        return;
    }
    text_add_foreign(&self->out, casebus_as_str(ctl_result(self, "dir")));
    text_format(
        &self->out, ": %llu cases, %llu events, seq %llu, %llu bytes, epoch ",
        (unsigned long long)number(self, "cases"), (unsigned long long)number(self, "events"),
        (unsigned long long)number(self, "seq"), (unsigned long long)number(self, "bytes"));
    text_add_hex(&self->out, casebus_as_bin(ctl_result(self, "epoch")));
    text_add(&self->out, "\n");
}

int ctl_backup(struct ctl *self)
{
    struct text dir = {0};
    if (self->argv[0][0] == '\0') {
        return ctl_usage("backup needs DIR");
    }
    int status = absolute(self->argv[0], &dir);
    if (status == EXIT_FINE) {
        const struct work work = {
            CASEBUS_OP_STORE_BACKUP,
            "backup",
            "copied and checked",
            "done",
            text_get(&dir),
            "; DIR appears when it is complete, and the broker's log says "
            "what came of it"};
        status = carry_out(self, &work);
    }
    text_free(&dir);
    if (status == EXIT_USAGE && self->reply.error == CASEBUS_EVALUE) {
        return EXIT_NOT_FOUND; /* the folder is taken: of no use today, but no misuse */
    }
    if (status != EXIT_FINE) {
        return status;
    }
    if (!self->settings.json) {
        add_backup(self);
    }
    return print_end(self);
}

/* --- verify ----------------------------------------------------------------------------- */

static int verify_broker(struct ctl *self)
{
    static const struct work work = {
        CASEBUS_OP_STORE_VERIFY, "check", "checked", "checked", NULL, ""};
    const int status = carry_out(self, &work);
    if (status != EXIT_FINE) {
        return status;
    }
    if (!self->settings.json) {
        add_findings(self);
        text_add(&self->out, state_is(self, "passed") ? "passed: " : "failed: ");
        text_add_count(&self->out, number(self, "checked"));
        text_format(
            &self->out, " records, up to seq %llu\n",
            (unsigned long long)casebus_as_uint(ctl_result(self, "seq"), self->reply.seq));
    }
    return print_end(self);
}

/* The broker's program beside this one, or the one in PATH; does not come back but for errors.
 * It complains under our name. It walks the store in a child of its own: a page that brings
 * LMDB down is a finding. */
static int verify_folder(const struct ctl *self, char *folder)
{
    char path[PATH_MAX], seconds[32];
    char name[] = PROGRAM, verify[] = "--verify", timeout[] = "--timeout";
    char *arguments[] = {name, verify, folder, NULL, NULL, NULL};
    if (self->settings.timeout_ms > 0) {
        snprintf(seconds, sizeof seconds, "%d", (self->settings.timeout_ms + 999) / 1000);
        arguments[3] = timeout;
        arguments[4] = seconds;
    }
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    while (size > 0 && path[size - 1] != '/') {
        size--;
    }
    if (size > 0 && (size_t)size + sizeof BROKER <= sizeof path) {
        memcpy(path + size, BROKER, sizeof BROKER);
        execv(path, arguments);
    }
    execvp(BROKER, arguments);
    fprintf(stderr, PROGRAM ": " BROKER ": %s\n", strerror(errno));
    return EXIT_NOT_FOUND;
}

int ctl_verify(struct ctl *self)
{
    if (self->argc == 0) {
        return verify_broker(self);
    }
    if (self->settings.json) {
        return ctl_usage("verify DIR prints text: --json is for a running broker");
    }
    return verify_folder(self, self->argv[0]);
}
