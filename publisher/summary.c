/* What an upload ends with: why it could not go on, the line of counts, the exit code. */
#include "summary.h"

#include <stdio.h>
#include <string.h>

/* Why confirmations do not come, as far as it is known; "": not known. */
static void find_cause(const struct upload *self, char *out, size_t size)
{
    const struct casebus_publisher_stats *stats = casebus_publisher_stats(self->publisher);
    if (self->asks && stats->said[0]) {
        snprintf(out, size, "; the broker says: %s", stats->said);
    } else if (stats->held[0] || stats->broker_error) {
        snprintf(out, size, "; the broker says: %s",
                 stats->held[0] ? stats->held : casebus_strerror(stats->broker_error));
    } else if (stats->links == 0) {
        snprintf(out, size, "; nobody takes reports at %s", self->options->ingest);
    } else if (stats->answers == 0) {
        snprintf(out, size, "; nobody answers at %s", self->options->query);
    } else {
        out[0] = '\0';
    }
}

static const char *reports_are(unsigned long long count)
{
    return count == 1 ? "report is" : "reports are";
}

static const char *named_session(const struct options *options)
{
    return options->session ? options->session : options->resume_session;
}

/* The record under way is the first that is not in the outbox. */
static void tell_that_it_was_not_taken(struct upload *self)
{
    const struct options *o = self->options;
    if (self->asks) {
        say_at(&self->voice, self->line,
               "from this line on nothing was taken: only the broker knows where session %s "
               "stands; publish the file again when it answers",
               named_session(o));
    } else {
        say_at(&self->voice, self->line,
               "%s is full: from this line on nothing was taken; publish the rest when the "
               "broker confirms again",
               o->outbox);
    }
}

/* With an outbox: where in the file to go on, since what is kept is not all of it. */
static void tell_what_was_not_taken(struct upload *self)
{
    const struct casebus_publisher_stats *stats = casebus_publisher_stats(self->publisher);
    if (self->stuck == CASEBUS_ENOSPC) {
        unsigned long first = ledger_line(&self->ledger, stats->stored + 1);
        say_at(&self->voice, first ? first : self->line,
               "the disk of %s is full: from this line on nothing was taken",
               self->options->outbox);
        ledger_forget(&self->ledger, stats->stored);
    } else if (self->stuck == CASEBUS_ETIMEDOUT && self->line > self->done &&
               !self->cut_short) {
        tell_that_it_was_not_taken(self);
    }
}

static void tell_of_silence(struct upload *self, unsigned long long left)
{
    const struct options *o = self->options;
    char cause[300];
    find_cause(self, cause, sizeof cause);
    if (self->asks) {
        say(&self->voice, "for %g s nobody could say where session %s stands%s",
            o->timeout_ms / 1000.0, named_session(o), cause);
    } else {
        say(&self->voice, "nothing was confirmed for %g s; %llu %s not%s",
            o->timeout_ms / 1000.0, left, reports_are(left), cause);
    }
}

/* Why confirmations did not come. */
static void tell_cause(struct upload *self)
{
    const struct casebus_publisher_stats *stats = casebus_publisher_stats(self->publisher);
    unsigned long long left = stats->sent - stats->confirmed;
    if (self->stuck != CASEBUS_ETIMEDOUT && self->stuck != CASEBUS_EINTR) {
        say(&self->voice, "%s", casebus_strerror(self->stuck));
    } else if (stats->links == 0 && stats->answers == 0) {
        say(&self->voice, "no broker at %s and %s%s", self->options->ingest,
            self->options->query,
            self->options->secret ? ", or it does not take our key, or is not --server's"
                                  : ", or it wants a key: --secret and --server");
    } else if (self->stop_at) {
        say(&self->voice, "stopped; %llu %s not confirmed", left, reports_are(left));
    } else {
        tell_of_silence(self, left);
    }
}

void summary_explain_stuck(struct upload *self)
{
    const struct casebus_publisher_stats *stats = casebus_publisher_stats(self->publisher);
    if (upload_has_no_session(self->stuck)) {
        say(&self->voice, "--resume-session %s: %s", self->options->resume_session,
            self->stuck == CASEBUS_EENDED ? "it has ended" : "the agency has no such session");
        return;
    }
    if (self->options->outbox) {
        tell_what_was_not_taken(self);
    }
    if (self->stuck != CASEBUS_ENOSPC) {
        tell_cause(self);
    }
    if (self->options->outbox && stats->stored > stats->confirmed) {
        unsigned long long stay = stats->stored - stats->confirmed;
        say(&self->voice,
            stay == 1 ? "%llu report stays in %s; --resume sends it"
                      : "%llu reports stay in %s; --resume sends them",
            stay, self->options->outbox);
    }
}

/* What the line counts: the records of the file; with --resume, the reports that were left
 * (those of sessions are told apart once they are decided). */
static void count(const struct upload *self, uint64_t n[CASEBUS_OUTCOME_COUNT], uint64_t *sent,
                  uint64_t *confirmed)
{
    memset(n, 0, CASEBUS_OUTCOME_COUNT * sizeof *n);
    *sent = self->ledger.sent;
    *confirmed = self->ledger.confirmed;
    if (!self->publisher) {
        return;
    }
    const struct casebus_publisher_stats *stats = casebus_publisher_stats(self->publisher);
    for (int i = 0; i < CASEBUS_OUTCOME_COUNT; i++) {
        n[i] = stats->outcomes[i] - (self->options->resume ? 0 : stats->left_outcomes[i]);
    }
    if (self->options->resume) {
        *sent = self->left_open - n[CASEBUS_OUTCOME_SESSION];
        *confirmed = *sent - (stats->sent - stats->confirmed);
    }
}

void summary_print(const struct upload *self)
{
    uint64_t n[CASEBUS_OUTCOME_COUNT], sent, confirmed;
    count(self, n, &sent, &confirmed);
    uint64_t rejected =
        n[CASEBUS_OUTCOME_REJECTED] + n[CASEBUS_OUTCOME_VOID] - self->sessions_refused;
    printf("sent=%llu confirmed=%llu created=%llu updated=%llu synced=%llu conflict=%llu "
           "rejected=%llu",
           (unsigned long long)sent, (unsigned long long)confirmed,
           (unsigned long long)n[CASEBUS_OUTCOME_CREATED],
           (unsigned long long)n[CASEBUS_OUTCOME_UPDATED],
           (unsigned long long)n[CASEBUS_OUTCOME_SYNCED],
           (unsigned long long)n[CASEBUS_OUTCOME_CONFLICT],
           (unsigned long long)(rejected + self->refused_here));
    if (n[CASEBUS_OUTCOME_DELETED]) {
        printf(" deleted=%llu", (unsigned long long)n[CASEBUS_OUTCOME_DELETED]);
    }
    if (n[CASEBUS_OUTCOME_REDACTED]) {
        printf(" redacted=%llu", (unsigned long long)n[CASEBUS_OUTCOME_REDACTED]);
    }
    putchar('\n');
}

int summary_exit_code(const struct upload *self)
{
    if (self->cut_short) {
        return 130; /* as a shell says it of what SIGINT ended */
    }
    if (self->unreadable || upload_has_no_session(self->stuck)) {
        return 2;
    }
    if (self->stuck) {
        return 3;
    }
    if (self->sessions_stopped) {
        return 4;
    }
    return self->refused_here || self->refused_there || self->sessions_refused ||
                   self->left_refused
               ? 1
               : 0;
}
