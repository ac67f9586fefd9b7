/* The sessions of an upload: one for each agency in the file (--new-session), or the one that
 * was named (--session).
 *
 * A session is opened when its agency is first met and ended after the last record; between,
 * its page moves with the records' source.page, at most once a second. All of it goes through
 * the same numbered reports as the records, in order. */
#include "scrape.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_US 1000000

struct scrape {
    char agency[CASEBUS_AGENCY_MAX + 1];
    char id[CASEBUS_SEGMENT_MAX + 1];
    uint64_t page, told; /* seen, and reported */
    int64_t told_at;
};

struct scrapes {
    struct scrape list[CASEBUS_AGENCIES_MAX];
    size_t count;
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

/* A number is the ledger's, anything else the caller's. */
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
                                                scrape->page, 0, UPLOAD_SLICE_MS);
    } while (upload_again(upload, rc));
    scrape->told = scrape->page;
    scrape->told_at = upload_now_us();
    return noted(upload, rc);
}

/* Does the broker know the session that was named? 1, 0 or a code. */
static int ask_known(struct upload *upload, const struct scrape *scrape)
{
    int64_t until = upload_now_us() + (int64_t)upload->options->timeout_ms * 1000;
    int64_t left;
    int rc = CASEBUS_ETIMEDOUT;
    while ((left = until - upload_now_us()) > 0) {
        rc = casebus_publisher_session_known(upload->publisher, scrape->agency, scrape->id,
                                             (int)(left / 1000));
        if (!upload_again(upload, rc)) {
            break;
        }
    }
    return rc;
}

static int open_scrape(struct upload *upload, struct scrape *scrape)
{
    if (upload->options->session) {
        snprintf(scrape->id, sizeof scrape->id, "%s", upload->options->session);
        int known = ask_known(upload, scrape);
        if (known != 0) {
            return known < 0 ? known : 0;
        }
    } else {
        make_id(scrape->id, sizeof scrape->id);
    }
    return send_start(upload, scrape);
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

static int add(struct upload *upload, struct casebus_bytes agency, const json_t *record,
               struct row_fault *fault, struct scrape **scrape_p)
{
    struct scrapes *scrapes = upload->scrapes;
    if (upload->options->session && scrapes->count > 0) {
        return row_fault_set(fault, "agency", "not %s, which the session is of",
                             scrapes->list[0].agency);
    }
    if (scrapes->count == CASEBUS_AGENCIES_MAX) {
        return row_fault_set(fault, "agency", "%s", casebus_strerror(CASEBUS_ETOOMANY));
    }
    struct scrape *scrape = &scrapes->list[scrapes->count];
    *scrape = (struct scrape){.page = page_of(record), .told_at = upload_now_us()};
    snprintf(scrape->agency, sizeof scrape->agency, "%.*s", (int)agency.size,
             (const char *)agency.data);
    int error = open_scrape(upload, scrape);
    if (error) {
        row_fault_set(fault, "session", "%s", casebus_strerror(error));
        return error;
    }
    scrapes->count++;
    *scrape_p = scrape;
    return 0;
}

int scrape_enter(struct upload *upload, struct casebus_bytes agency, const json_t *record,
                 struct casebus_bytes *session, struct row_fault *fault)
{
    struct scrape *scrape = find(upload->scrapes, agency);
    int error = scrape ? 0 : add(upload, agency, record, fault, &scrape);
    if (error) {
        return error;
    }
    uint64_t page = page_of(record);
    scrape->page = page > scrape->page ? page : scrape->page;
    if (scrape->page > scrape->told && upload_now_us() - scrape->told_at >= PROGRESS_US) {
        error = send_page(upload, scrape);
    }
    *session = casebus_cstr(scrape->id);
    return error;
}

int scrapes_end(struct upload *upload, const char *status, const char *reason)
{
    int error = 0;
    for (size_t i = 0; i < upload->scrapes->count && !error; i++) {
        struct scrape *scrape = &upload->scrapes->list[i];
        if (scrape->page > scrape->told) {
            error = send_page(upload, scrape);
        }
        int64_t rc = error;
        while (!error && !upload->options->keep_open) {
            rc = casebus_publisher_session_end(upload->publisher, scrape->agency, scrape->id,
                                               status, reason, UPLOAD_SLICE_MS);
            if (!upload_again(upload, rc)) {
                error = noted(upload, rc);
                break;
            }
        }
    }
    return error;
}
