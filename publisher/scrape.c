/* The sessions of an upload: one for each agency in the file (--new-session), or the one that
 * was named (--session, --resume-session).
 *
 * A session is opened when its agency is first met and ended after the last record; between,
 * its page moves with the records' source.page, at most once a second. A page is reported when
 * the next one begins, so that a session which is resumed behind it lacks none of its records.
 * All of it goes through the same numbered reports as the records, in order. */
#include "scrape.h"

#include "clock.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_US 1000000
#define ASK_AGAIN_US 500000 /* after a refusal that passes */

struct scrape {
    char agency[CASEBUS_AGENCY_MAX + 1];
    char id[CASEBUS_SEGMENT_MAX + 1];
    uint64_t page; /* at hand */
    uint64_t done; /* the last one all of whose records went, as far as they are in order */
    uint64_t told; /* reported */
    int64_t told_at;
    uint64_t behind; /* resumed behind this page: what is of it or before is passed over */
    bool asked;      /* to stop */
    bool ended;
};

struct scrapes {
    struct scrape list[CASEBUS_AGENCIES_MAX];
    size_t count, ended;
};

struct scrapes *scrapes_new(void)
{
    return calloc(1, sizeof(struct scrapes));
}

static uint64_t page_of(const json_t *record)
{
    json_int_t page =
        json_integer_value(json_object_get(json_object_get(record, "source"), "page"));
    return page > 0 ? (uint64_t)page : 0;
}

/* 20250301T102030-5f3a9c12: sorts by time, and two workers do not get the same. */
static void make_id(char *out, size_t size)
{
    char stamp[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc)) {
        strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &utc);
    }
    snprintf(out, size, "%s-%08x", stamp, randombytes_random());
}

/* Notes the number of a report in the ledger: 0; an error is passed on. */
static int noted(struct upload *upload, int64_t rc)
{
    if (rc < 0) {
        return (int)rc;
    }
    return ledger_note(&upload->ledger, (uint64_t)rc, 0);
}

static int send_start(struct upload *upload, struct scrape *scrape)
{
    char host[64] = "", worker[96];
    gethostname(host, sizeof host - 1);
    snprintf(worker, sizeof worker, "%s:%ld", host, (long)getpid());
    struct casebus_session_start start = {
        .database = scrape->agency,
        .start_page = scrape->page,
        .max_pages = options_max_pages(upload->options, scrape->agency),
        .requested_by = getenv("USER"),
        .worker = worker,
    };
    int64_t rc;
    do {
        rc = casebus_publisher_session_start(upload->publisher, scrape->agency, scrape->id,
                                             &start, UPLOAD_SLICE_MS);
    } while (upload_again(upload, rc));
    return noted(upload, rc);
}

static int send_page(struct upload *upload, struct scrape *scrape)
{
    int64_t rc;
    do {
        rc = casebus_publisher_session_progress(upload->publisher, scrape->agency, scrape->id,
                                                scrape->done, 0, UPLOAD_SLICE_MS);
    } while (upload_again(upload, rc));
    scrape->told = scrape->done;
    scrape->told_at = clock_mono_us();
    return noted(upload, rc);
}

/* Waits before the next question; what an earlier run left in the outbox goes on meanwhile. */
static void pause_asking(struct upload *upload)
{
    int64_t until = clock_mono_us() + ASK_AGAIN_US;
    int64_t left;
    int rc = 0;
    while (rc >= 0 && (left = until - clock_mono_us()) > 0) {
        rc = casebus_publisher_pump(upload->publisher, (int)(left / 1000) + 1);
    }
}

static bool asks_again(struct upload *upload, int rc)
{
    if (casebus_error_passes(rc)) {
        pause_asking(upload);
        return upload_again(upload, CASEBUS_ETIMEDOUT);
    }
    return upload_again(upload, rc);
}

/* Takes up the session that was named: 0 and the page to go on behind, or a code. */
static int take_up(struct upload *upload, const struct scrape *scrape, uint64_t *page)
{
    int64_t until = clock_mono_us() + (int64_t)upload->options->timeout_ms * 1000;
    int64_t left;
    int rc = CASEBUS_ETIMEDOUT;
    upload->asks = true;
    while ((left = until - clock_mono_us()) > 0) {
        rc = casebus_publisher_session_resume(upload->publisher, scrape->agency, scrape->id,
                                              page, (int)(left / 1000));
        if (!asks_again(upload, rc)) {
            break;
        }
    }
    rc = casebus_error_passes(rc) ? CASEBUS_ETIMEDOUT : rc;
    upload->asks = upload_is_in_the_way(rc) && !upload_has_no_session(rc);
    return rc;
}

static int resume(struct upload *upload, struct scrape *scrape)
{
    uint64_t page;
    int error = take_up(upload, scrape, &page);
    if (!error) {
        scrape->page = scrape->done = scrape->told = scrape->behind = page;
        say(&upload->voice, "%s:%s goes on behind page %llu", scrape->agency, scrape->id,
            (unsigned long long)page);
    }
    return error;
}

static int open_scrape(struct upload *upload, struct scrape *scrape)
{
    const struct options *o = upload->options;
    if (!o->session && !o->resume_session) {
        make_id(scrape->id, sizeof scrape->id);
        return send_start(upload, scrape);
    }
    snprintf(scrape->id, sizeof scrape->id, "%s", o->session ? o->session : o->resume_session);
    if (o->resume_session) {
        return resume(upload, scrape);
    }
    uint64_t page;
    int error = take_up(upload, scrape, &page);
    return error == CASEBUS_ENOTFOUND ? send_start(upload, scrape)
           : error == CASEBUS_EENDED  ? 0 /* records may come late */
                                      : error;
}

static struct scrape *find(struct scrapes *scrapes, struct casebus_bytes agency)
{
    for (size_t i = 0; i < scrapes->count; i++) {
        if (casebus_bytes_is(agency, scrapes->list[i].agency)) {
            return &scrapes->list[i];
        }
    }
    return NULL;
}

bool scrape_is_open(const struct upload *upload, struct casebus_bytes agency)
{
    return find(upload->scrapes, agency) != NULL;
}

/* NULL: `*error` and the fault say why. */
static struct scrape *add(struct upload *upload, struct casebus_bytes agency,
                          const json_t *record, struct row_fault *fault, int *error)
{
    struct scrapes *scrapes = upload->scrapes;
    if (!upload->options->new_session && scrapes->count > 0) {
        *error = row_fault_set(fault, "agency", "not %s, which the session is of",
                               scrapes->list[0].agency);
        return NULL;
    }
    if (scrapes->count == CASEBUS_AGENCIES_MAX) {
        *error = row_fault_set(fault, "agency", "%s", casebus_strerror(CASEBUS_ETOOMANY));
        return NULL;
    }
    struct scrape *scrape = &scrapes->list[scrapes->count];
    *scrape = (struct scrape){.page = page_of(record), .told_at = clock_mono_us()};
    snprintf(scrape->agency, sizeof scrape->agency, "%.*s", (int)agency.size,
             (const char *)agency.data);
    *error = open_scrape(upload, scrape);
    if (*error) {
        row_fault_set(fault, "session", "%s", casebus_strerror(*error));
        return NULL;
    }
    scrapes->count++;
    return scrape;
}

/* 0, SCRAPE_PASSES_OVER or a fault. */
static int turn_page(struct scrape *scrape, const json_t *record, struct row_fault *fault)
{
    uint64_t page = page_of(record);
    if (scrape->behind > 0 && page == 0) {
        return row_fault_set(fault, "source.page",
                             "missing: a resumed session goes on behind a page");
    }
    if (page > scrape->page) {
        scrape->done = scrape->page;
        scrape->page = page;
    }
    return scrape->behind > 0 && page <= scrape->behind ? SCRAPE_PASSES_OVER : 0;
}

int scrape_enter(struct upload *upload, struct casebus_bytes agency, const json_t *record,
                 struct casebus_bytes *session, struct row_fault *fault)
{
    int error = 0;
    struct scrape *scrape = find(upload->scrapes, agency);
    if (!scrape) {
        scrape = add(upload, agency, record, fault, &error);
    }
    if (!scrape) {
        return error;
    }
    *session = casebus_cstr(scrape->id);
    return scrape->ended ? SCRAPE_PASSES_OVER : turn_page(scrape, record, fault);
}

static int end_scrape(struct upload *upload, struct scrape *scrape, const char *status,
                      const char *reason)
{
    int error = scrape->done > scrape->told ? send_page(upload, scrape) : 0;
    int64_t rc = error;
    if (error) {
        return error;
    }
    do {
        rc = casebus_publisher_session_end(upload->publisher, scrape->agency, scrape->id,
                                           status, reason, UPLOAD_SLICE_MS);
    } while (upload_again(upload, rc));
    scrape->ended = rc > 0;
    upload->scrapes->ended += scrape->ended ? 1 : 0;
    return noted(upload, rc);
}

int scrapes_end(struct upload *upload, const char *status, const char *reason)
{
    bool complete = strcmp(status, "completed") == 0;
    int error = 0;
    for (size_t i = 0; i < upload->scrapes->count && !error; i++) {
        struct scrape *scrape = &upload->scrapes->list[i];
        if (scrape->ended) {
            continue;
        }
        scrape->done = complete ? scrape->page : scrape->done;
        if (!upload->options->keep_open) {
            error = end_scrape(upload, scrape, status, reason);
        } else if (scrape->done > scrape->told) {
            error = send_page(upload, scrape);
        }
    }
    return error;
}

/* --- between two records ------------------------------------------------------------------ */

void scrapes_on_stop(void *arg, const char *agency, const char *session)
{
    struct upload *upload = arg;
    struct scrape *scrape = find(upload->scrapes, casebus_cstr(agency));
    if (scrape && strcmp(scrape->id, session) == 0 && !scrape->ended) {
        scrape->asked = true;
    }
}

static bool page_is_due(const struct scrape *scrape)
{
    return scrape->done > scrape->told && clock_mono_us() - scrape->told_at >= PROGRESS_US;
}

int scrapes_tend(struct upload *upload, bool *all)
{
    struct scrapes *scrapes = upload->scrapes;
    int error = 0;
    for (size_t i = 0; i < scrapes->count && !error; i++) {
        struct scrape *scrape = &scrapes->list[i];
        if (scrape->ended) {
            continue;
        }
        if (scrape->asked) {
            say(&upload->voice, "%s:%s was asked to stop, and ends here", scrape->agency,
                scrape->id);
            upload->sessions_stopped++;
            error = end_scrape(upload, scrape, "stopped", "asked to stop");
        } else if (page_is_due(scrape)) {
            error = send_page(upload, scrape);
        }
    }
    *all = scrapes->count > 0 && scrapes->ended == scrapes->count;
    return error;
}
