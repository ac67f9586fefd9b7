/* The rules of model.h. */
#include "model.h"

#include "entries.h"

#include <casebus/errors.h>
#include <string.h>

#define SECOND 1000000u
#define DAY (24ull * 3600 * SECOND)

struct content model_content(unsigned number)
{
    number /= 2;
    return (struct content){.name = number % (MODEL_NAMES + 1),
                            .date = number / (MODEL_NAMES + 1) % (MODEL_DATES + 1),
                            .fine = number / (MODEL_NAMES + 1) / (MODEL_DATES + 1)};
}

static struct told done(enum casebus_outcome outcome)
{
    return (struct told){outcome, 0};
}

static struct told rejected(int code)
{
    return (struct told){CASEBUS_OUTCOME_REJECTED, code};
}

static void set_time(struct model *m, uint64_t at)
{
    m->at = at > m->at ? at : m->at;
}

/* --- sessions --------------------------------------------------------------------------- */

static void tell_session(struct model *m, struct model_session *s)
{
    m->seq++;
    s->progressed_at = m->at;
    s->unshown = false;
}

static void hear(struct model *m, struct model_session *s, uint64_t tick)
{
    if (!s->exists || status_is_final(s->status)) {
        return;
    }
    s->lease = tick;
    if (s->status == SESSION_LOST) {
        s->status = s->stop_asked ? SESSION_STOPPING : SESSION_RUNNING;
        m->running++;
        tell_session(m, s);
    }
}

static void end(struct model *m, struct model_session *s, unsigned status)
{
    m->running -= status_is_running(s->status);
    s->status = status;
    tell_session(m, s);
}

static struct told start(struct model *m, struct model_session *s)
{
    *s = (struct model_session){.exists = true, .lease = m->ticks + 1};
    m->agency[0].exists = true;
    m->sessions++;
    m->running++;
    tell_session(m, s);
    return done(CASEBUS_OUTCOME_SESSION);
}

static struct told session_report(struct model *m, const struct model_report *r)
{
    struct model_session *s = &m->session[r->which];
    if (r->is_void) {
        return done(CASEBUS_OUTCOME_VOID);
    }
    if (!s->exists) {
        return r->kind == CASEBUS_REPORT_SESSION_STARTED ? start(m, s)
                                                         : rejected(CASEBUS_EUNKNOWN_SESSION);
    }
    if (status_is_final(s->status)) {
        return r->kind == CASEBUS_REPORT_SESSION_ENDED && s->status == r->status
                   ? done(CASEBUS_OUTCOME_SESSION)
                   : rejected(CASEBUS_EENDED);
    }
    hear(m, s, m->ticks + 1);
    if (r->kind == CASEBUS_REPORT_SESSION_ENDED) {
        end(m, s, r->status);
    } else if (r->kind == CASEBUS_REPORT_SESSION_PROGRESSED) {
        s->pages = r->page > s->pages ? r->page : s->pages;
        s->page_errors = r->page_errors > s->page_errors ? r->page_errors : s->page_errors;
        tell_session(m, s);
    }
    return done(CASEBUS_OUTCOME_SESSION);
}

static void count_in_session(struct model *m, struct model_session *s,
                             enum casebus_outcome outcome)
{
    s->created += outcome == CASEBUS_OUTCOME_CREATED;
    s->updated += outcome == CASEBUS_OUTCOME_UPDATED;
    s->existing += outcome == CASEBUS_OUTCOME_SYNCED;
    s->errors += outcome == CASEBUS_OUTCOME_CONFLICT || outcome == CASEBUS_OUTCOME_REJECTED;
    s->unshown = true;
    if (!status_is_final(s->status) && m->at - s->progressed_at >= SECOND) {
        tell_session(m, s);
    }
}

struct told model_stop(struct model *m, uint64_t at, unsigned session)
{
    struct model_session *s = &m->session[session];
    set_time(m, at);
    if (!s->exists || status_is_final(s->status)) {
        return rejected(s->exists ? CASEBUS_EENDED : CASEBUS_ENOTFOUND);
    }
    if (s->status == SESSION_LOST) {
        s->stop_asked = true;
        end(m, s, SESSION_STOPPED);
    } else if (s->status == SESSION_RUNNING) {
        s->stop_asked = true;
        s->status = SESSION_STOPPING;
        tell_session(m, s);
    }
    return done(CASEBUS_OUTCOME_SESSION);
}

void model_tick(struct model *m, uint64_t at, unsigned heard)
{
    const bool stands = at + SECOND <= m->at;
    set_time(m, at);
    m->ticks++;
    for (unsigned i = 0; i < MODEL_SESSIONS; i++) {
        if (heard & 1u << i) {
            hear(m, &m->session[i], m->ticks);
        }
    }
    for (unsigned i = 0; i < MODEL_SESSIONS; i++) {
        struct model_session *s = &m->session[i];
        if (!s->exists || !status_is_running(s->status)) {
            continue;
        }
        if (m->ticks >= s->lease + CASEBUS_LEASE_TICKS) {
            s->status = SESSION_LOST;
            m->running--;
            tell_session(m, s);
        } else if (s->unshown && (stands || m->at - s->progressed_at >= SECOND)) {
            tell_session(m, s);
        }
    }
}

/* --- cases ------------------------------------------------------------------------------ */

static bool differs(const struct content *record, const struct content *said)
{
    return (said->name && said->name != record->name) ||
           (said->date && said->date != record->date) ||
           (said->fine && said->fine != record->fine);
}

static bool collides(const struct content *record, const struct content *said)
{
    return said->name && record->name && said->name != record->name && said->date &&
           record->date && said->date != record->date;
}

static void merge(struct content *record, const struct content *said)
{
    record->name = said->name ? said->name : record->name;
    record->date = said->date ? said->date : record->date;
    record->fine = said->fine ? said->fine : record->fine;
}

static uint64_t fetched(const struct model *m, uint64_t at)
{
    return at < m->at ? at : m->at;
}

static void see(const struct model *m, struct model_case *c, const struct model_report *r)
{
    uint64_t at = model_says_fetched(r->content) ? fetched(m, r->fetched_at) : 0;
    c->seen++;
    c->fetched_at = at > c->fetched_at ? at : c->fetched_at;
}

static struct told create(struct model *m, struct model_case *c, const struct model_report *r)
{
    struct content said = model_content(r->content);
    if (!said.name) {
        return rejected(CASEBUS_EMISSING);
    }
    *c = (struct model_case){
        .state = CASE_LIVING, .version = c->version + 1, .record = said, .applied = r->content};
    see(m, c, r);
    m->agency[0].exists = true;
    m->cases++;
    m->seq++;
    return done(CASEBUS_OUTCOME_CREATED);
}

static struct told store(struct model *m, struct model_case *c, const struct model_report *r)
{
    struct content said = model_content(r->content);
    if (c->state != CASE_LIVING) {
        return create(m, c, r);
    }
    bool partial = c->record.name && c->record.date && !(said.name && said.date);
    if (!partial) {
        c->edited = false;
        c->applied = r->content;
    } else if (differs(&c->record, &said)) {
        c->edited = true;
    }
    see(m, c, r);
    if (!differs(&c->record, &said)) {
        m->seq++;
        return done(CASEBUS_OUTCOME_SYNCED);
    }
    merge(&c->record, &said);
    c->version++;
    m->seq += 2;
    return done(CASEBUS_OUTCOME_UPDATED);
}

static struct told conflict(struct model *m, const struct model_report *r)
{
    struct model_collision *q = &m->collision[r->which][r->content / 2];
    if (q->status == REJECTED || (q->status == ACCEPTED && q->as)) {
        return rejected(CASEBUS_EDECIDED);
    }
    if (q->status != OPEN) {
        *q = (struct model_collision){
            .status = OPEN, .seq = ++m->seq, .fetched_at = r->fetched_at};
        m->quarantined++;
        m->conflict[m->conflict_count].seq = q->seq;
        m->conflict[m->conflict_count].which = r->which;
        m->conflict[m->conflict_count++].content = r->content;
    }
    return done(CASEBUS_OUTCOME_CONFLICT);
}

static struct told scraped(struct model *m, const struct model_report *r)
{
    struct model_case *c = &m->cases_of[r->which];
    struct content said = model_content(r->content);
    if (c->state == CASE_BARRED) {
        return rejected(CASEBUS_EREDACTED);
    }
    if (c->state != CASE_LIVING) {
        return create(m, c, r);
    }
    if (model_says_fetched(r->content) && fetched(m, r->fetched_at) < c->fetched_at) {
        c->seen++;
        m->seq++;
        return done(CASEBUS_OUTCOME_SYNCED);
    }
    bool same = !c->edited && c->applied / 2 == r->content / 2;
    return !same && collides(&c->record, &said) ? conflict(m, r) : store(m, c, r);
}

static struct told edited(struct model *m, const struct model_report *r)
{
    struct model_case *c = &m->cases_of[r->which];
    struct content said = model_content(r->content);
    if (!differs(&c->record, &said)) {
        return done(CASEBUS_OUTCOME_SYNCED);
    }
    merge(&c->record, &said);
    c->edited = true;
    c->version++;
    m->seq++;
    return done(CASEBUS_OUTCOME_UPDATED);
}

static void bar(struct model *m, unsigned which)
{
    m->cases_of[which].fetched_at = 0;
    for (unsigned i = 0; i < MODEL_CONTENTS / 2; i++) {
        struct model_collision *q = &m->collision[which][i];
        if (q->status == OPEN) {
            m->quarantined--;
            q->status = REJECTED;
            q->outcome = CASEBUS_OUTCOME_REJECTED;
        }
    }
}

/* Edited, deleted, redacted: of a case that is there. */
static struct told change(struct model *m, const struct model_report *r)
{
    struct model_case *c = &m->cases_of[r->which];
    bool redacts = r->kind == CASEBUS_REPORT_REDACTED;
    if (c->state == CASE_NONE || c->state == CASE_BARRED) {
        return rejected(c->state == CASE_NONE ? CASEBUS_EUNKNOWN_CASE : CASEBUS_EREDACTED);
    }
    if (c->state == CASE_GONE && !redacts) {
        return rejected(CASEBUS_EDELETED);
    }
    if (r->kind == CASEBUS_REPORT_EDITED) {
        return edited(m, r);
    }
    m->cases -= c->state == CASE_LIVING;
    c->state = redacts ? CASE_BARRED : CASE_GONE;
    c->version++;
    m->seq++;
    if (redacts) {
        bar(m, r->which);
    }
    return done(redacts ? CASEBUS_OUTCOME_REDACTED : CASEBUS_OUTCOME_DELETED);
}

static struct told case_report(struct model *m, const struct model_report *r)
{
    const bool names = r->session && !r->is_void;
    struct model_session *s = names ? &m->session[r->session - 1] : NULL;
    if (s) {
        hear(m, s, m->ticks + 1);
    }
    struct told told = r->is_void                          ? done(CASEBUS_OUTCOME_VOID)
                       : r->kind == CASEBUS_REPORT_SCRAPED ? scraped(m, r)
                                                           : change(m, r);
    if (s && s->exists) {
        count_in_session(m, s, told.outcome);
    }
    return told;
}

struct told model_report(struct model *m, uint64_t at, const struct model_report *r)
{
    set_time(m, at);
    bool of_case = r->kind < CASEBUS_REPORT_SESSION_STARTED;
    struct told told = of_case ? case_report(m, r) : session_report(m, r);
    m->rejects += told.outcome == CASEBUS_OUTCOME_REJECTED;
    return told;
}

/* --- quarantine ------------------------------------------------------------------------- */

/* What an acceptance displaces is not to come back. */
static void displace(struct model *m, unsigned which, unsigned content)
{
    struct model_collision *q = &m->collision[which][content / 2];
    if (q->status != OPEN) {
        q->status = REJECTED;
        q->outcome = CASEBUS_OUTCOME_REJECTED;
    }
}

static struct told accept_report(struct model *m, unsigned which, unsigned content, unsigned as)
{
    struct model_collision *q = &m->collision[which][content / 2];
    unsigned target = as ? as - 1 : which;
    if (target >= MODEL_CASES) {
        return rejected(CASEBUS_EINVAL);
    }
    struct model_case *c = &m->cases_of[target];
    if (c->state == CASE_BARRED) {
        return rejected(CASEBUS_EREDACTED);
    }
    if (as && c->state == CASE_LIVING) {
        return rejected(CASEBUS_EVALUE);
    }
    bool displaces = c->state == CASE_LIVING;
    unsigned before = c->applied;
    struct model_report r = {.content = content, .fetched_at = q->fetched_at};
    struct told told = store(m, c, &r);
    if (displaces) {
        displace(m, which, before);
    }
    q->status = ACCEPTED;
    q->as = as;
    q->outcome = told.outcome;
    return told;
}

struct told model_decide(struct model *m, uint64_t at, bool accepts, uint64_t seq, unsigned as)
{
    unsigned i = 0;
    set_time(m, at);
    while (i < m->conflict_count && m->conflict[i].seq != seq) {
        i++;
    }
    if (i == m->conflict_count) {
        return rejected(CASEBUS_ENOTFOUND);
    }
    unsigned which = m->conflict[i].which, content = m->conflict[i].content;
    struct model_collision *q = &m->collision[which][content / 2];
    if (q->seq != seq) {
        return rejected(CASEBUS_EDECIDED);
    }
    if (q->status != OPEN) {
        return (q->status == ACCEPTED) == accepts && q->as == as ? done(q->outcome)
                                                                 : rejected(CASEBUS_EDECIDED);
    }
    struct told told = done(CASEBUS_OUTCOME_REJECTED);
    if (accepts) {
        told = accept_report(m, which, content, as);
    } else {
        q->status = REJECTED;
        q->outcome = CASEBUS_OUTCOME_REJECTED;
    }
    if (told.code == 0) {
        m->quarantined--;
        m->seq++;
    }
    return told;
}

/* --- agencies --------------------------------------------------------------------------- */

struct told model_set(struct model *m, uint64_t at, unsigned agency,
                      const struct model_settings *s)
{
    struct model_agency *a = &m->agency[agency], before = *a;
    set_time(m, at);
    if (s->name == MODEL_TEXTS - 1) {
        return rejected(CASEBUS_ETOOLONG);
    }
    if (s->base_url == MODEL_TEXTS - 1) {
        return rejected(CASEBUS_EVALUE);
    }
    if (s->enabled == MODEL_NEITHER) {
        return rejected(CASEBUS_ETYPE);
    }
    if (!s->name && !s->base_url && !s->enabled) {
        return rejected(CASEBUS_EMISSING);
    }
    a->exists = true;
    a->name = s->name == 1 ? 0 : s->name ? s->name : a->name;
    a->base_url = s->base_url == 1 ? 0 : s->base_url ? s->base_url : a->base_url;
    a->disabled = s->enabled ? s->enabled == MODEL_OFF : a->disabled;
    bool same = a->name == before.name && a->base_url == before.base_url &&
                a->disabled == before.disabled;
    return done(!before.exists ? CASEBUS_OUTCOME_CREATED
                : same         ? CASEBUS_OUTCOME_SYNCED
                               : CASEBUS_OUTCOME_UPDATED);
}

/* --- publishers, the floor -------------------------------------------------------------- */

void model_decided(struct model *m, unsigned publisher, enum casebus_outcome outcome,
                   const unsigned char next_check[CASEBUS_CHECK_SIZE])
{
    struct model_publisher *p = &m->publisher[publisher];
    m->publishers += p->decided == 0;
    p->decided++;
    p->outcome[outcome]++;
    p->last_seen_at = m->at;
    memcpy(p->check, next_check, sizeof p->check);
}

void model_ack(struct model *m, uint64_t at, unsigned publisher, uint64_t after, bool outbox)
{
    struct model_publisher *p = &m->publisher[publisher];
    set_time(m, at);
    if (p->decided > 0) {
        after = after < p->decided ? after : p->decided;
        p->acked = after > p->acked ? after : p->acked;
        p->is_volatile = !outbox;
        p->last_seen_at = m->at;
    }
}

void model_retire(struct model *m, uint64_t at, unsigned publisher)
{
    struct model_publisher *p = &m->publisher[publisher];
    uint64_t days = p->is_volatile ? CASEBUS_VOLATILE_DAYS : CASEBUS_PUBLISHER_DAYS;
    set_time(m, at);
    if (p->decided > 0 && m->at - p->last_seen_at >= days * DAY) {
        *p = (struct model_publisher){.decided = 0};
        m->publishers--;
    }
}

void model_trim(struct model *m, uint64_t events, uint64_t most)
{
    uint64_t oldest = m->floor ? m->floor : 1;
    while (most-- > 0 && events > 0 && oldest <= m->seq && m->seq + 1 - oldest > events) {
        m->floor = ++oldest;
    }
}
