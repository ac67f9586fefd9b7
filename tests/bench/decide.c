/* The way of a report through the store, on one thread and without sockets: check, apply, put,
 * commit. What bench/instructions.py counts the instructions of.
 *
 *   decide SHAPE FOLDER
 *
 * SHAPE is `new`, `synced` (every case is there already, as reported) or `updated` (every
 * second has another fine). The same reports each time, in batches as large as they get; only
 * the batches of the shape itself run between START and STOP. */
#include "sample.h"

#include "apply.h"

#include <casebus/check.h>
#include <casebus/limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/callgrind.h>

#define BATCHES 6 /* two rounds of them fit the window of a publisher that never polls */
#define CLOCK_START 1764000000000000u /* microseconds */

enum shape {
    SHAPE_NEW,
    SHAPE_SYNCED,
    SHAPE_UPDATED,
    SHAPE_COUNT
};
static const char *const shapes[SHAPE_COUNT] = {"new", "synced", "updated"};

struct numbering {
    unsigned char publisher[CASEBUS_PUBLISHER_SIZE], check[CASEBUS_CHECK_SIZE];
    uint64_t number;
};

struct desk {
    struct store *store;
    struct txn *txn;
    struct apply *apply;
    struct sample sample;
    struct numbering numbering;
    uint64_t clock;
    unsigned count; /* reports of the batch at hand */
    char topic[CASEBUS_BATCH_MAX][64];
    msgpack_sbuffer body[CASEBUS_BATCH_MAX];
    struct apply_prepared prepared[CASEBUS_BATCH_MAX];
    unsigned outcome[CASEBUS_OUTCOME_COUNT];
};

static void check_rc(const char *what, int rc)
{
    if (rc < 0) {
        fprintf(stderr, "decide: %s: %s\n", what, casebus_strerror(rc));
        exit(1);
    }
}

static struct casebus_bytes bytes_of(const msgpack_sbuffer *b)
{
    return casebus_bytes(b->data, b->size);
}

/* --- reports, made before they are counted ----------------------------------------------- */

static void add_report(struct desk *self, struct casebus_bytes data)
{
    struct casebus_report_head head;
    unsigned char hash[CASEBUS_HASH_SIZE];
    msgpack_sbuffer *body = &self->body[self->count];
    struct casebus_report_parts parts = {.publisher = self->numbering.publisher,
                                         .number = ++self->numbering.number,
                                         .check = self->numbering.check,
                                         .session = casebus_cstr("s0"),
                                         .sent_at = CLOCK_START,
                                         .data = data};
    msgpack_sbuffer_clear(body);
    check_rc("encode", casebus_report_encode(&parts, body));
    check_rc("head", casebus_report_head_decode(bytes_of(body), &head));
    casebus_report_hash(casebus_cstr(self->topic[self->count]), bytes_of(body), head.check_at,
                        hash);
    casebus_check_next(self->numbering.check, hash);
    self->count++;
}

static void add_start(struct desk *self)
{
    self->count = 0;
    strcpy(self->topic[0], "session:started:hse:s0:");
    add_report(self, casebus_bytes(NULL, 0));
}

static void add_batch(struct desk *self, unsigned batch, bool half_corrected)
{
    for (self->count = 0; self->count < CASEBUS_BATCH_MAX;) {
        unsigned n = batch * CASEBUS_BATCH_MAX + self->count;
        sample_turn_to(&self->sample, n);
        if (half_corrected && n % 2 == 1) {
            sample_correct(&self->sample, 900000 + n);
        }
        snprintf(self->topic[self->count], sizeof self->topic[0],
                 "case:scraped:hse:%s:", self->sample.key);
        add_report(self, bytes_of(&self->sample.data));
    }
}

/* --- what is counted --------------------------------------------------------------------- */

static void apply_report(struct desk *self, unsigned i)
{
    struct apply_result result;
    const struct apply_entry entry = {.kind = APPLY_REPORT,
                                      .at = self->clock++,
                                      .actor = casebus_cstr("local"),
                                      .topic = casebus_cstr(self->topic[i]),
                                      .body = bytes_of(&self->body[i]),
                                      .prepared = &self->prepared[i]};
    check_rc("apply_entry", apply_entry(self->apply, &entry, &result));
    if (result.effect != EFFECT_DECIDED) {
        fprintf(stderr, "decide: a report had no effect\n");
        exit(1);
    }
    self->outcome[result.outcome]++;
}

static void decide_batch(struct desk *self)
{
    for (unsigned i = 0; i < self->count; i++) {
        struct apply_prepared *prepared = &self->prepared[i];
        apply_prepare(casebus_cstr(self->topic[i]), bytes_of(&self->body[i]), prepared);
        apply_tie(&prepared, 1); /* alone: what several at once take depends on the machine */
    }
    check_rc("txn_begin", txn_begin(self->txn));
    check_rc("apply_begin", apply_begin(self->apply));
    for (unsigned i = 0; i < self->count; i++) {
        apply_report(self, i);
    }
    check_rc("apply_finish", apply_finish(self->apply));
    check_rc("txn_commit", txn_commit(self->txn));
    txn_end(self->txn);
}

static void decide_all(struct desk *self, bool half_corrected, bool counted)
{
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        add_batch(self, batch, half_corrected);
        if (counted) {
            CALLGRIND_START_INSTRUMENTATION;
        }
        decide_batch(self);
        if (counted) {
            CALLGRIND_STOP_INSTRUMENTATION;
        }
    }
}

/* --------------------------------------------------------------------------------------- */

static void open_desk(struct desk *self, const char *folder)
{
    char why[512];
    struct store_options options = {.dir = folder, .map_bytes = UINT64_C(1) << 30};
    int rc = store_open(&self->store, &options, why, sizeof why);
    if (rc != 0) {
        fprintf(stderr, "decide: %s\n", why);
        exit(1);
    }
    check_rc("txn", txn_new_write(self->store, &self->txn));
    check_rc("apply", apply_new(&self->apply, self->txn));
    sample_init(&self->sample, 0, REPORT_SIZE, 2);
    self->clock = CLOCK_START;
    self->numbering.publisher[0] = 1;
    for (unsigned i = 0; i < CASEBUS_BATCH_MAX; i++) {
        msgpack_sbuffer_init(&self->body[i]);
    }
}

/* All reports came out as the shape says, or there is nothing to count. */
static bool is_right(const struct desk *self, enum shape shape)
{
    const unsigned all = BATCHES * CASEBUS_BATCH_MAX,
                   half = shape == SHAPE_UPDATED ? all / 2 : 0;
    return self->outcome[CASEBUS_OUTCOME_CREATED] == all &&
           self->outcome[CASEBUS_OUTCOME_UPDATED] == half &&
           self->outcome[CASEBUS_OUTCOME_SYNCED] == (shape == SHAPE_NEW ? 0 : all - half);
}

int main(int argc, char **argv)
{
    CALLGRIND_STOP_INSTRUMENTATION;
    enum shape shape = SHAPE_NEW;
    while (argc == 3 && shape < SHAPE_COUNT && strcmp(argv[1], shapes[shape]) != 0) {
        shape++;
    }
    if (argc != 3 || shape == SHAPE_COUNT) {
        fprintf(stderr, "usage: decide new|synced|updated FOLDER\n");
        return 2;
    }
    static struct desk desk;
    open_desk(&desk, argv[2]);
    add_start(&desk);
    decide_batch(&desk);
    decide_all(&desk, false, shape == SHAPE_NEW);
    if (shape != SHAPE_NEW) {
        decide_all(&desk, shape == SHAPE_UPDATED, true);
    }
    if (!is_right(&desk, shape)) {
        fprintf(stderr, "decide: %u created, %u updated, %u synced: not what the shape is\n",
                desk.outcome[CASEBUS_OUTCOME_CREATED], desk.outcome[CASEBUS_OUTCOME_UPDATED],
                desk.outcome[CASEBUS_OUTCOME_SYNCED]);
        return 1;
    }
    printf("%u\n", BATCHES * CASEBUS_BATCH_MAX);
    return 0;
}
