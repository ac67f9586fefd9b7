/* The store's apply against a model of it (model.h): whatever is done, in whatever order and
 * batches, what is decided and what is kept is what the model says, and the store agrees with
 * itself.
 *
 * The bytes are operations: one for which, whose top bit says that the batch goes on, then as
 * many as it takes; zeros where there are no more. */
#include "fuzz.h"
#include "model.h"

#include "../broker/sender.h"
#include "record.h"

#define OPERATIONS_MAX 200
#define MAP_BYTES (6u << 20) /* more than they fill */
#define DAY (24ull * 3600 * 1000000)

static const char *const ids[] = {"1", "T/H/2", "3 3", "4."};
static const char *const sessions[] = {"s1", "s2"};
static const char *const words[] = {"completed", "failed", "stopped"};
static const char *const names[] = {"Acme Ltd", "Borrow plc"};
static const char *const dates[] = {"2024-01-31", "2024-02-29"};
static const char *const agencies[MODEL_AGENCIES] = {"hse", "ea", "orr"};
static char too_long[257 + 1];
/* What an agency's texts are set to; the last of each has a fault. */
static const char *const agency_names[MODEL_TEXTS] = {NULL, "", "Health and Safety", too_long};
static const char *const agency_urls[MODEL_TEXTS] = {NULL, "", "https://hse.example/",
                                                     "ftp://x"};
static const char *const enabled[] = {"", ", 'enabled': false", ", 'enabled': true",
                                      ", 'enabled': 5"};

static struct desk desk;
static struct model model;
static struct casebus_bytes input;

static unsigned next_byte(void)
{
    if (input.size == 0) {
        return 0;
    }
    unsigned byte = input.data[0];
    input = casebus_bytes(input.data + 1, input.size - 1);
    return byte;
}

/* --- reports ---------------------------------------------------------------------------- */

static void pack_content(msgpack_packer *pk, const struct model_report *r)
{
    struct content said = model_content(r->content);
    size_t count = (said.name ? 1u : 0) + (said.date ? 1u : 0) + (said.fine ? 1u : 0);
    msgpack_pack_map(pk, count + (model_says_fetched(r->content) ? 1 : 0));
    if (said.name) {
        casebus_pack_text(pk, "offender");
        msgpack_pack_map(pk, 1);
        casebus_pack_text(pk, "name");
        casebus_pack_text(pk, names[said.name - 1]);
    }
    if (said.date) {
        casebus_pack_text(pk, "offence_action_date");
        casebus_pack_text(pk, dates[said.date - 1]);
    }
    if (said.fine) {
        casebus_pack_text(pk, "offence_fine_pence");
        msgpack_pack_uint64(pk, said.fine);
    }
    if (model_says_fetched(r->content)) {
        casebus_pack_text(pk, "source");
        msgpack_pack_map(pk, 1);
        casebus_pack_text(pk, "fetched_at");
        msgpack_pack_uint64(pk, r->fetched_at);
    }
}

static void pack_session(msgpack_packer *pk, const struct model_report *r)
{
    bool progresses = r->kind == CASEBUS_REPORT_SESSION_PROGRESSED;
    bool ends = r->kind == CASEBUS_REPORT_SESSION_ENDED;
    msgpack_pack_map(pk, progresses ? 2 : ends ? 1 : 0);
    if (progresses) {
        casebus_pack_text(pk, "page");
        msgpack_pack_uint64(pk, r->page);
        casebus_pack_text(pk, "page_errors");
        msgpack_pack_uint64(pk, r->page_errors);
    } else if (ends) {
        casebus_pack_text(pk, "status");
        casebus_pack_text(pk, words[r->status - SESSION_COMPLETED]);
    }
}

static void name_topic(const struct model_report *r, char topic[CASEBUS_TOPIC_MAX + 1])
{
    bool of_case = r->kind < CASEBUS_REPORT_SESSION_STARTED;
    snprintf(topic, CASEBUS_TOPIC_MAX + 1, "%s:%s:hse:%s:", of_case ? "case" : "session",
             casebus_report_kind_word(r->kind), of_case ? ids[r->which] : sessions[r->which]);
}

static struct model_report read_report(enum casebus_report_kind kind)
{
    unsigned which = next_byte(), more = next_byte();
    struct model_report r = {.kind = kind};
    if (kind >= CASEBUS_REPORT_SESSION_STARTED) {
        r.which = which % MODEL_SESSIONS;
        r.page = more & 0xf;
        r.page_errors = more >> 4;
        r.status = SESSION_COMPLETED + more % 3;
        return r;
    }
    r.which = which % MODEL_CASES;
    r.session = which / MODEL_CASES % (MODEL_SESSIONS + 1);
    r.content = more % MODEL_CONTENTS;
    if (kind != CASEBUS_REPORT_SCRAPED) {
        r.content &= ~1u;
    }
    if (model_says_fetched(r.content)) { /* around now, the future too */
        r.fetched_at = desk.clock + 8000000 - next_byte() * 100000ull;
    }
    return r;
}

/* What was decided is what was to be. */
static void compare_told(struct told told)
{
    HOLDS(desk.result.outcome == told.outcome);
    HOLDS(desk.result.fault.code == told.code);
}

static msgpack_sbuffer encode(const struct model_report *r, struct casebus_report_parts parts)
{
    msgpack_sbuffer data, body;
    msgpack_packer pk;
    msgpack_sbuffer_init(&data);
    msgpack_sbuffer_init(&body);
    msgpack_packer_init(&pk, &data, msgpack_sbuffer_write);
    if (r->kind < CASEBUS_REPORT_SESSION_STARTED) {
        pack_content(&pk, r);
    } else {
        pack_session(&pk, r);
    }
    if (r->session) {
        parts.session = casebus_cstr(sessions[r->session - 1]);
    }
    if (!parts.void_reason.data) {
        parts.data = casebus_bytes(data.data, data.size);
    }
    HOLDS(casebus_report_encode(&parts, &body) == 0);
    msgpack_sbuffer_destroy(&data);
    return body;
}

static void report(enum casebus_report_kind kind)
{
    char topic[CASEBUS_TOPIC_MAX + 1];
    struct model_report r = read_report(kind);
    msgpack_sbuffer body = encode(&r, (struct casebus_report_parts){.sent_at = 0});
    struct casebus_bytes kept = desk_keep(&desk, casebus_bytes(body.data, body.size));
    name_topic(&r, topic);
    desk_raw(&desk, topic, kept.data, kept.size);
    msgpack_sbuffer_destroy(&body);
    compare_told(model_report(&model, desk.clock, &r));
}

/* --- numbered reports ------------------------------------------------------------------- */

static struct sender sender_of(unsigned which)
{
    return (struct sender){.actor = "local", .publisher = {(unsigned char)(which + 1)}};
}

/* The next number, one decided before, or one ahead; its check, or another one; a void. */
static void numbered(void)
{
    static const unsigned char void_hash[CASEBUS_HASH_SIZE] = "of what it was..";
    unsigned how = next_byte(), which = how & 1;
    unsigned step = how >> 1 & 3;
    enum casebus_report_kind kind = next_byte() % CASEBUS_REPORT_KIND_COUNT;
    struct model_publisher *p = &model.publisher[which];
    struct sender sender = sender_of(which);
    struct model_report r = read_report(kind);
    unsigned char check[CASEBUS_CHECK_SIZE], hash[CASEBUS_HASH_SIZE];
    char topic[CASEBUS_TOPIC_MAX + 1];
    bool wrong = (how & 0x38) == 0x38;
    uint64_t number = step == 2 && p->decided > 0 ? p->decided : p->decided + 1 + (step == 3);

    r.is_void = (how & 0xc0) == 0xc0;
    memcpy(check, p->check, sizeof check);
    check[7] ^= wrong;
    struct casebus_report_parts parts = {
        .publisher = sender.publisher, .number = number, .check = check};
    if (r.is_void) {
        parts.void_reason = casebus_cstr("withdrawn");
        parts.void_hash = void_hash;
    }
    msgpack_sbuffer body = encode(&r, parts);
    struct casebus_bytes kept = desk_keep(&desk, casebus_bytes(body.data, body.size));
    struct casebus_report_head head;
    msgpack_sbuffer_destroy(&body);
    name_topic(&r, topic);
    HOLDS(casebus_report_head_decode(kept, &head) == 0);
    casebus_report_hash(casebus_cstr(topic), kept, head.check_at, hash);
    casebus_check_next(check, r.is_void ? void_hash : hash);

    desk_raw(&desk, topic, kept.data, kept.size);
    enum apply_effect effect = number <= p->decided      ? EFFECT_DUPLICATE
                               : number > p->decided + 1 ? EFFECT_AHEAD
                               : wrong                   ? EFFECT_DIVERGED
                                                         : EFFECT_DECIDED;
    HOLDS(desk.result.effect == effect && desk.result.number == number);
    if (effect == EFFECT_DECIDED) {
        struct told told = model_report(&model, desk.clock, &r);
        compare_told(told);
        model_decided(&model, which, told.outcome, check);
    }
}

static void ack(void)
{
    unsigned how = next_byte(), which = how & 1;
    struct sender sender = sender_of(which);
    sender_ack(&desk, &sender, how >> 2, how & 2);
    model_ack(&model, desk.clock, which, how >> 2, how & 2);
}

static void retire(void)
{
    unsigned how = next_byte(), which = how & 1;
    struct sender sender = sender_of(which);
    desk.clock += (how >> 1) * 4 * DAY;
    sender_retire(&desk, &sender);
    model_retire(&model, desk.clock, which);
}

/* --- what people and the broker do ------------------------------------------------------ */

static void decide(bool accept)
{
    unsigned how = next_byte(), as = accept ? next_byte() % (MODEL_CASES + 2) : 0;
    uint64_t seq = how < model.conflict_count ? model.conflict[how].seq : UINT64_MAX;
    char name[64] = "nobody";
    if (as >= 1 && as <= MODEL_CASES) {
        snprintf(name, sizeof name, "hse:%s", ids[as - 1]);
    }
    desk_decide(&desk, accept ? APPLY_ACCEPT : APPLY_REJECT, seq, as ? name : NULL);
    compare_told(model_decide(&model, desk.clock, accept, seq, as));
}

static void tick(void)
{
    static const char *const heard[] = {NULL, "['hse:s1']", "['hse:s2']",
                                        "['hse:s2','hse:s1']"};
    unsigned how = next_byte(), whom = how & 3;
    for (unsigned n = 0; n <= (how >> 2) % 12; n++) {
        desk_tick(&desk, heard[whom]);
        model_tick(&model, desk.clock, whom);
    }
}

static void stop(void)
{
    unsigned how = next_byte(), which = how % MODEL_SESSIONS;
    desk.clock -= how & 0x80 ? DAY : 0; /* set back */
    desk_stop(&desk, sessions[which]);
    compare_told(model_stop(&model, desk.clock, which));
}

static void add_text(char *settings, size_t size, const char *name, const char *text)
{
    size_t at = strlen(settings);
    if (text) {
        snprintf(settings + at, size - at, ", '%s': '%s'", name, text);
    }
}

static void set_agency(void)
{
    unsigned how = next_byte(), which = how % MODEL_AGENCIES;
    const struct model_settings s = {
        .name = how >> 2 & 3, .base_url = how >> 4 & 3, .enabled = how >> 6};
    char settings[700];
    snprintf(settings, sizeof settings, "{'agency': '%s'%s", agencies[which],
             enabled[s.enabled]);
    add_text(settings, sizeof settings, "name", agency_names[s.name]);
    add_text(settings, sizeof settings, "base_url", agency_urls[s.base_url]);
    strcat(settings, "}");
    desk_set(&desk, settings);
    compare_told(model_set(&model, desk.clock, which, &s));
}

static void trim(void)
{
    unsigned events = next_byte(), most = next_byte();
    desk_trim(&desk, (struct desk_bounds){.events = events, .most = most});
    model_trim(&model, events, most);
}

/* Another agency's case, of bytes nobody chose: what becomes of it is not the model's to know,
 * only that its numbers move accordingly. */
static void anything(void)
{
    char topic[64];
    msgpack_sbuffer body;
    size_t size = next_byte();
    struct casebus_bytes data =
        casebus_bytes(input.data, size < input.size ? size : input.size);
    input = casebus_bytes(input.data + data.size, input.size - data.size);
    if (casebus_scan(data, casebus_scan_limits(), NULL) != 0) {
        return;
    }
    snprintf(topic, sizeof topic,
             "case:scraped:ea:%llu:", (unsigned long long)desk.clock / 16000000);
    msgpack_sbuffer_init(&body);
    struct casebus_report_parts parts = {.data = data};
    HOLDS(casebus_report_encode(&parts, &body) == 0);
    struct casebus_bytes kept = desk_keep(&desk, casebus_bytes(body.data, body.size));
    msgpack_sbuffer_destroy(&body);
    desk_raw(&desk, topic, kept.data, kept.size);
    uint64_t seq = apply_state(desk.apply)->seq;
    bool new_conflict = desk.result.outcome == CASEBUS_OUTCOME_CONFLICT && seq > model.seq;
    model.at = desk.clock > model.at ? desk.clock : model.at;
    model.cases += desk.result.outcome == CASEBUS_OUTCOME_CREATED;
    model.agency[1].exists |= desk.result.outcome == CASEBUS_OUTCOME_CREATED;
    model.rejects += desk.result.outcome == CASEBUS_OUTCOME_REJECTED;
    model.quarantined += new_conflict;
    model.seq = seq;
}

static void operate(unsigned which)
{
    switch (which % 16) {
    case CASEBUS_REPORT_SCRAPED:
    case CASEBUS_REPORT_EDITED:
    case CASEBUS_REPORT_DELETED:
    case CASEBUS_REPORT_REDACTED:
    case CASEBUS_REPORT_SESSION_STARTED:
    case CASEBUS_REPORT_SESSION_PROGRESSED:
    case CASEBUS_REPORT_SESSION_ENDED:
        report(which % 16);
        break;
    case 7:
    case 8:
        decide(which % 16 == 7);
        break;
    case 9:
        numbered();
        break;
    case 10:
        ack();
        break;
    case 11:
        retire();
        break;
    case 12:
        tick();
        break;
    case 13:
        if ((which & 0x30) == 0x30) {
            set_agency();
        } else {
            stop();
        }
        break;
    case 14:
        trim();
        break;
    default:
        anything();
    }
}

/* --- what is kept ----------------------------------------------------------------------- */

static void compare_state(void)
{
    struct state s = desk_state(&desk);
    HOLDS(s.seq == model.seq && s.floor == model.floor && s.cases == model.cases);
    HOLDS(s.sessions == model.sessions && s.running == model.running && s.ticks == model.ticks);
    HOLDS(s.quarantined == model.quarantined && s.rejects == model.rejects);
    HOLDS(s.publishers == model.publishers);
    for (unsigned i = 0; i < MODEL_AGENCIES; i++) {
        s.agencies -= model.agency[i].exists;
    }
    HOLDS(s.agencies == 0);
}

static bool is_text(struct casebus_bytes raw, const char *const *of, unsigned number)
{
    return number ? casebus_bytes_is(casebus_as_str(raw), of[number - 1]) : raw.data == NULL;
}

static void compare_record(struct txn *txn, const struct case_entry *entry,
                           const struct content *expected)
{
    struct casebus_record record;
    HOLDS(record_load(txn, entry, &record));
    struct casebus_bytes offender = record.field[CASEBUS_CASE_OFFENDER];
    HOLDS(is_text(casebus_map_get(offender, "name"), names, expected->name));
    HOLDS(is_text(record.field[CASEBUS_CASE_OFFENCE_ACTION_DATE], dates, expected->date));
    HOLDS(casebus_as_uint(record.field[CASEBUS_CASE_OFFENCE_FINE_PENCE], 0) == expected->fine);
}

static void compare_case(struct txn *txn, unsigned which)
{
    static const uint64_t flags[] = {0, 0, CASE_DELETED, CASE_REDACTED};
    const struct model_case *c = &model.cases_of[which];
    struct case_entry entry = {.flags = 0};
    struct key key = key_named(casebus_cstr("hse"), casebus_cstr(ids[which]));
    bool known = txn_load(txn, TREE_CASE, &key, ENTRY_CASE, &entry);
    HOLDS(known == (c->state != CASE_NONE));
    HOLDS(entry.version == c->version && entry.seen_count == c->seen);
    HOLDS((entry.flags & (CASE_DELETED | CASE_REDACTED)) == flags[c->state]);
    HOLDS(entry.fetched_at == c->fetched_at);
    if (c->state == CASE_LIVING) {
        HOLDS(!(entry.flags & CASE_EDITED) == !c->edited);
        compare_record(txn, &entry, &c->record);
    }
}

static void compare_session(struct txn *txn, unsigned which)
{
    const struct model_session *m = &model.session[which];
    struct session_entry s = {.status = 0};
    struct key key = key_named(casebus_cstr("hse"), casebus_cstr(sessions[which]));
    HOLDS(txn_load(txn, TREE_SESSION, &key, ENTRY_SESSION, &s) == m->exists);
    HOLDS(s.status == m->status && s.stop_asked == m->stop_asked && s.lease == m->lease);
    HOLDS(s.created == m->created && s.updated == m->updated);
    HOLDS(s.existing == m->existing && s.errors == m->errors);
    HOLDS(s.pages_processed == m->pages && s.page_errors == m->page_errors);
}

static bool is_set(struct casebus_bytes text, const char *expected)
{
    return expected ? casebus_bytes_is(text, expected) : text.size == 0;
}

static void compare_agency(unsigned which)
{
    const struct model_agency *m = &model.agency[which];
    struct agency_entry a;
    HOLDS(desk_agency(&desk, agencies[which], &a) == m->exists);
    HOLDS(a.disabled == m->disabled);
    HOLDS(is_set(a.name, agency_names[m->name]) &&
          is_set(a.base_url, agency_urls[m->base_url]));
}

static void compare_publisher(unsigned which)
{
    const struct model_publisher *m = &model.publisher[which];
    struct sender sender = sender_of(which);
    struct publisher_entry p = sender_progress(&desk, &sender);
    HOLDS(p.decided == m->decided && p.acked == m->acked);
    HOLDS(memcmp(p.check, m->check, sizeof p.check) == 0);
    for (unsigned i = 0; i < CASEBUS_OUTCOME_COUNT; i++) {
        HOLDS(p.outcome[i] == m->outcome[i]);
    }
}

static void compare(void)
{
    struct txn *txn;
    HOLDS(txn_new_read(desk.store, &txn) == 0 && txn_begin(txn) == 0);
    compare_state();
    for (unsigned i = 0; i < MODEL_CASES; i++) {
        compare_case(txn, i);
    }
    for (unsigned i = 0; i < MODEL_SESSIONS; i++) {
        compare_session(txn, i);
    }
    for (unsigned i = 0; i < MODEL_PUBLISHERS; i++) {
        compare_publisher(i);
    }
    for (unsigned i = 0; i < MODEL_AGENCIES; i++) {
        compare_agency(i);
    }
    HOLDS(txn_error(txn) == 0);
    txn_destroy(&txn);
}

/* What is going to be sent is what the log has, as far as that was not trimmed meanwhile. */
static void compare_unsent(void)
{
    size_t count;
    const struct apply_event *events = apply_events(desk.apply, &count);
    for (size_t i = 0; i < count; i++) {
        struct log_entry log;
        if (txn_log(desk.txn, events[i].seq, &log) && log.body.size <= CASEBUS_FULL_EVENT_MAX) {
            HOLDS(casebus_bytes_equal(events[i].topic, log.topic));
            HOLDS(casebus_bytes_equal(events[i].body, log.body));
        }
    }
}

/* What is there after a start is what was committed. */
static void reopen(void)
{
    uint64_t digest = desk_digest(&desk);
    desk_reopen(&desk);
    HOLDS(desk_digest(&desk) == digest && desk_findings(&desk) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    input = casebus_bytes(data, size);
    memset(too_long, 'x', sizeof too_long - 1);
    model = (struct model){.at = 0};
    desk_open_map(&desk, MAP_BYTES);
    for (unsigned n = 0; n < OPERATIONS_MAX && input.size > 0; n++) {
        unsigned which = next_byte();
        if (!desk.batch) {
            desk_begin(&desk);
        }
        operate(which);
        compare_unsent();
        if (!(which & 0x80)) {
            desk_end(&desk);
            compare();
        }
        if (!desk.batch && (which & 0x70) == 0x70) {
            reopen();
        }
    }
    if (desk.batch) {
        desk_end(&desk);
    }
    compare();
    HOLDS(desk_findings(&desk) == 0);
    desk_close(&desk);
    return 0;
}
