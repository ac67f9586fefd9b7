/* What the store should hold, kept in plain memory: the rules of PROTOCOL.md "What a report
 * causes" and "Sessions" once more, for a handful of cases, sessions and publishers.
 *
 * Each call is one entry, as the real apply gets it; it gives what is to be decided. Nothing
 * here knows how the store does it. */
#ifndef TESTS_FUZZ_MODEL_H
#define TESTS_FUZZ_MODEL_H

#include <casebus/check.h>
#include <casebus/outcome.h>
#include <casebus/topic.h>

#define MODEL_CASES 4
#define MODEL_SESSIONS 2
#define MODEL_PUBLISHERS 2
#define MODEL_AGENCIES 3   /* the first has all of these, the second what nobody chose */
#define MODEL_OPEN_MAX 512 /* conflicts there can be */

/* What a report says of a case: each member from 1, 0: it does not say. */
#define MODEL_NAMES 2
#define MODEL_DATES 2
#define MODEL_FINES 3
struct content {
    unsigned name, date, fine;
};
struct content model_content(unsigned number);
/* Contents by number; odd ones are the even ones before them, with a source. */
#define MODEL_CONTENTS (2 * (MODEL_NAMES + 1) * (MODEL_DATES + 1) * (MODEL_FINES + 1))

enum {
    CASE_NONE,
    CASE_LIVING,
    CASE_GONE,
    CASE_BARRED
}; /* gone: deleted; barred: redacted */

struct model_case {
    unsigned state;
    uint64_t version, seen, fetched_at;
    struct content record;
    unsigned applied; /* the content last applied by a scrape, name and date in it */
    bool edited;      /* since then */
};

/* A content that collided with a case; seq 0: it never did, or was displaced. */
struct model_collision {
    enum {
        NEVER,
        OPEN,
        ACCEPTED,
        REJECTED
    } status;
    uint64_t seq;
    unsigned as; /* accepted as this case, from 1; 0: as the one it collided with */
    uint64_t fetched_at;
    enum casebus_outcome outcome;
};

struct model_session {
    bool exists;
    unsigned status; /* enum session_status */
    uint64_t created, updated, existing, errors, pages, page_errors;
    uint64_t lease, progressed_at;
    bool unshown, stop_asked;
};

struct model_publisher {
    uint64_t decided, acked, last_seen_at;
    unsigned char check[CASEBUS_CHECK_SIZE];
    uint64_t outcome[CASEBUS_OUTCOME_COUNT];
    bool is_volatile;
};

/* What is set of an agency: texts by number, 0: not set, 1: taken away. */
#define MODEL_TEXTS 4 /* the last is none that can be set */
enum {
    MODEL_UNSET,
    MODEL_OFF,
    MODEL_ON,
    MODEL_NEITHER
};
struct model_settings {
    unsigned name, base_url, enabled;
};

struct model_agency {
    bool exists, disabled;
    unsigned name, base_url;
};

struct model {
    uint64_t at, seq, cases, sessions, running, quarantined, publishers, rejects, ticks, floor;
    struct model_case cases_of[MODEL_CASES];
    struct model_collision collision[MODEL_CASES][MODEL_CONTENTS / 2];
    struct model_session session[MODEL_SESSIONS];
    struct model_publisher publisher[MODEL_PUBLISHERS];
    struct model_agency agency[MODEL_AGENCIES];
    struct {
        uint64_t seq;
        unsigned which, content;
    } conflict[MODEL_OPEN_MAX];
    unsigned conflict_count;
};

static inline bool model_says_fetched(unsigned content)
{
    return content & 1;
}

struct told {
    enum casebus_outcome outcome;
    int code; /* of a rejection; 0: it says none */
};

struct model_report {
    enum casebus_report_kind kind;
    bool is_void;
    unsigned which;      /* the case or session */
    unsigned content;    /* of a case */
    uint64_t fetched_at; /* of its source */
    unsigned session;    /* a case report's, from 1; 0: none */
    uint64_t page, page_errors;
    unsigned status; /* of an end */
};

/* The reports; the time of the entry first. */
struct told model_report(struct model *m, uint64_t at, const struct model_report *report);
/* A numbered report that is decided: after model_report(). */
void model_decided(struct model *m, unsigned publisher, enum casebus_outcome outcome,
                   const unsigned char next_check[CASEBUS_CHECK_SIZE]);
struct told model_decide(struct model *m, uint64_t at, bool accept, uint64_t seq, unsigned as);
struct told model_stop(struct model *m, uint64_t at, unsigned session);
struct told model_set(struct model *m, uint64_t at, unsigned agency,
                      const struct model_settings *settings);
void model_tick(struct model *m, uint64_t at, unsigned heard);
void model_trim(struct model *m, uint64_t events, uint64_t most);
void model_ack(struct model *m, uint64_t at, unsigned publisher, uint64_t after, bool outbox);
void model_retire(struct model *m, uint64_t at, unsigned publisher);

#endif
