/* A reader against an adversary: everything that can happen to messages, drawn from a seed.
 *
 * The adversary is a broker and the way from it. It commits events in batches, sends each event
 * and heads of the batch, and heads of all now and then; loses any message, sends one twice,
 * cuts the connection, answers late or not at all, refuses or is behind, trims the log, is put
 * back to an earlier state under a new epoch, lets messages of the old one arrive late, lets
 * memory run out, and kills the reader, which comes back with its cursor. Then it becomes
 * friendly, and the reader must come to an end with every event of its patterns handed over
 * once, in order, or told as gone. The reader is the real one (intake.c, have.c, hold.c); only
 * sockets and clock are not there.
 *
 *   test-subscriber-simulation [SEEDS [FIRST]] */
#include "adversary.h"
#include "test.h"

#include "intake.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS 1500
#define QUIET_STEPS 60000
#define PAGE_EVENTS 7 /* small, so that answers end early */

/* For hold_slot(), by the linker: memory that runs out now and then. */
static bool memory_is_short;
struct slot *__real_hold_slot(struct hold *self);
struct slot *__wrap_hold_slot(struct hold *self);
struct slot *__wrap_hold_slot(struct hold *self)
{
    return memory_is_short && chance(8) == 0 ? NULL : __real_hold_slot(self);
}

static void name_epoch(unsigned epoch, unsigned char name[CASEBUS_EPOCH_SIZE])
{
    memcpy(name, "epoch-0", CASEBUS_EPOCH_SIZE);
    name[6] = (unsigned char)('0' + epoch);
}

static bool matches(const char *pattern, const char *topic)
{
    return strncmp(pattern, topic, strlen(pattern)) == 0;
}

/* --- the reader ------------------------------------------------------------------------- */

struct kind {
    const char *patterns[4];
    bool unordered;
    size_t hold_events;
};

/* Patterns end with a colon here, which makes them prefixes too. */
static const struct kind kinds[] = {
    {{"case:", "session:"}, false, 1000},
    {{"case:created:", "case:updated:"}, false, 12},
    {{"case:", "case:created:hse:", "session:ended:hse:k1:"}, false, 1000},
    {{"case:created:hse:"}, false, 20},
    {{"case:created:hse:k1:"}, false, 20},
    {{"case:created:hse:k0:", "case:created:hse:k2:", "case:updated:"}, false, 40},
    {{"case:", "session:"}, true, 30},
    {{"case:created:hse:k0:", "case:created:hse:k1:", "session:"}, true, 1000},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static struct {
    const struct kind *kind;
    size_t patterns;
    struct intake intake;
    struct casebus_cursor saved; /* with the program's result */
    bool has_saved;
    int64_t now;
    bool asked; /* the question has left, and an answer may come */
    struct question question;
    char question_text[CASEBUS_PATTERNS_MAX][CASEBUS_TOPIC_MAX + 1];
    bool answered; /* the answer is made, and on its way */
    unsigned answer_epoch;
    bool answer_behind;
    uint64_t answer_seq, answer_through, answer_gone, answer_after;
    struct casebus_subscriber_stats stats;
} reader;

/* What the program was given: of this epoch, from `start` on. */
static struct {
    uint64_t start, last;
    bool got[EVENTS_MAX + 1], gone[EVENTS_MAX + 1];
    uint64_t handed, bundles, repaired, overflows, epochs, kills, gaps;
} program;

static bool is_wanted(const char *topic)
{
    for (size_t i = 0; i < reader.patterns; i++) {
        if (matches(reader.kind->patterns[i], topic)) {
            return true;
        }
    }
    return false;
}

static void new_intake(void)
{
    struct casebus_subscriber_options options = {.unordered = reader.kind->unordered,
                                                 .hold_events = reader.kind->hold_events,
                                                 .hold_bytes = SIZE_MAX};
    struct have *have;
    assert_int_equal(casebus_have_new(&have), 0);
    for (size_t i = 0; i < reader.patterns; i++) {
        assert_int_equal(casebus_have_cover(have, casebus_cstr(reader.kind->patterns[i])), 0);
    }
    intake_init(&reader.intake, have, reader.kind->patterns, reader.patterns, &options);
    reader.asked = reader.answered = false;
}

static bool has_cursor(void)
{
    return !reader.intake.unordered || reader.intake.one;
}

static void save_cursor(void)
{
    if (has_cursor()) {
        memcpy(reader.saved.epoch, reader.intake.epoch, sizeof reader.saved.epoch);
        reader.saved.seq = intake_cursor(&reader.intake);
        reader.has_saved = true;
    }
}

/* The program begins anew: what it was given of an older history counts no more. */
static void begin_program(uint64_t start)
{
    program.start = program.last = start;
    memset(program.got, 0, sizeof program.got);
    memset(program.gone, 0, sizeof program.gone);
}

static void start_reader(bool from_log)
{
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    const uint64_t seq = from_log ? 0 : broker.committed;
    new_intake();
    name_epoch(broker.epoch, epoch);
    intake_begin(&reader.intake, epoch, seq, from_log);
    broker.batch_heads = reader.intake.waits;
    begin_program(seq);
    save_cursor();
}

/* Killed between any two steps, with the cursor that was saved with its last result. */
static void kill_reader(void)
{
    if (!has_cursor()) {
        return;
    }
    program.repaired += reader.intake.stats.repaired;
    program.overflows += reader.intake.stats.overflows;
    intake_end(&reader.intake);
    new_intake();
    intake_begin(&reader.intake, reader.saved.epoch, reader.saved.seq, true);
    program.kills++;
}

static void hand_over(const struct casebus_event *event)
{
    const struct entry *entry = &broker.log[event->seq];
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    name_epoch((unsigned)(reader.intake.epoch[6] - '0'), epoch);
    assert_memory_equal(event->epoch, epoch, sizeof epoch);
    assert_true(event->seq > program.start);
    assert_false(program.got[event->seq]);
    if (reader.intake.epoch[6] - '0' == (int)broker.epoch) { /* or the log has another there */
        assert_bytes_are(event->topic_text, entry->topic);
        assert_true(is_wanted(entry->topic));
    }
    if (!reader.intake.unordered || reader.intake.one) {
        assert_true(event->seq > program.last);
    }
    program.got[event->seq] = true;
    program.last = event->seq;
    program.handed++;
    save_cursor();
}

static void take_events(void)
{
    const struct casebus_event *event;
    for (uint32_t left = chance(4); left > 0 && intake_next(&reader.intake, &event); left--) {
        hand_over(event);
    }
}

/* --- messages --------------------------------------------------------------------------- */

static struct casebus_event encode_event(const struct message *message, msgpack_sbuffer *out)
{
    struct casebus_event event = make_event(message->entry.topic, message->seq,
                                            message->entry.prev, message->entry.prev_topic);
    name_epoch(message->epoch, event.epoch);
    assert_int_equal(casebus_event_encode(&event, out), 0);
    return event;
}

static void deliver_event(const struct message *message)
{
    struct casebus_fault fault;
    struct slot *slot = intake_slot(&reader.intake);
    struct casebus_bytes topic, body;
    msgpack_sbuffer encoded;
    if (slot == NULL) {
        return; /* it is lost */
    }
    msgpack_sbuffer_init(&encoded);
    const struct casebus_event event = encode_event(message, &encoded);
    assert_true(slot_fill(slot, event.topic_text, casebus_bytes(encoded.data, encoded.size)));
    slot_look(slot, &topic, &body);
    assert_int_equal(casebus_event_decode(topic, body, &slot->event, &fault), 0);
    msgpack_sbuffer_destroy(&encoded);
    assert_int_equal(intake_event(&reader.intake), 0);
}

static void deliver_heads(const struct message *message)
{
    struct casebus_heads heads = {.seq = message->seq,
                                  .before = message->before,
                                  .is_batch = message->kind == BATCH_MESSAGE};
    msgpack_sbuffer map;
    msgpack_packer pk;
    size_t count = 0;
    msgpack_sbuffer_init(&map);
    msgpack_packer_init(&pk, &map, msgpack_sbuffer_write);
    name_epoch(message->epoch, heads.epoch);
    for (size_t i = 0; i < STREAMS; i++) {
        count += message->touched[i];
    }
    msgpack_pack_map(&pk, count);
    for (size_t i = 0; i < STREAMS; i++) {
        if (message->touched[i]) {
            casebus_pack_text(&pk, streams[i]);
            msgpack_pack_uint64(&pk, message->heads[i]);
        }
    }
    heads.streams = casebus_bytes(map.data, map.size);
    assert_int_equal(intake_heads(&reader.intake, &heads), 0);
    msgpack_sbuffer_destroy(&map);
}

static void deliver(const struct message *message)
{
    if (message->kind == EVENT_MESSAGE) {
        deliver_event(message);
    } else {
        deliver_heads(message);
    }
}

/* What is left of a bundle comes before anything else does. */
static void take_bundled(void)
{
    const struct casebus_event *event;
    while (reader.intake.bundle.left.left > 0 && intake_next(&reader.intake, &event)) {
        hand_over(event);
    }
}

/* As many events as come one behind the other, in one message. */
static void deliver_bundle(const struct message *messages, size_t count)
{
    struct slot *slot = intake_slot(&reader.intake);
    msgpack_sbuffer bundle, body;
    if (slot == NULL) {
        return;
    }
    msgpack_sbuffer_init(&bundle);
    msgpack_sbuffer_init(&body);
    assert_int_equal(casebus_bundle_begin(&bundle, CASEBUS_EVENT_BUNDLE_MAX), 0);
    for (size_t i = 0; i < count; i++) {
        msgpack_sbuffer_clear(&body);
        const struct casebus_event event = encode_event(&messages[i], &body);
        assert_int_equal(
            casebus_bundle_add(&bundle, event.topic_text, casebus_bytes(body.data, body.size)),
            0);
    }
    assert_true(slot_fill(slot, casebus_cstr(CASEBUS_TOPIC_BUNDLE),
                          casebus_bytes(bundle.data, bundle.size)));
    intake_bundle(&reader.intake);
    msgpack_sbuffer_destroy(&bundle);
    msgpack_sbuffer_destroy(&body);
    program.bundles++;
}

static void deliver_first(void)
{
    size_t count = 0;
    take_bundled();
    while (count < broker.waiting && broker.pipe[count].kind == EVENT_MESSAGE) {
        count++;
    }
    count = count > 0 ? 1 + chance((uint32_t)count) : broker.waiting > 0;
    if (count > 1 || (count == 1 && broker.pipe[0].kind == EVENT_MESSAGE && chance(2) == 0)) {
        deliver_bundle(broker.pipe, count);
    } else if (count == 1) {
        const struct message message = broker.pipe[0];
        deliver(&message);
    }
    broker.waiting -= count;
    memmove(broker.pipe, broker.pipe + count, broker.waiting * sizeof *broker.pipe);
}

/* --- questions and answers -------------------------------------------------------------- */

static void ask(void)
{
    if (intake_due(&reader.intake) > reader.now) {
        return;
    }
    intake_question(&reader.intake, reader.now, &reader.question);
    for (size_t i = 0; i < reader.question.count; i++) { /* they are borrowed */
        snprintf(reader.question_text[i], sizeof reader.question_text[i], "%s",
                 reader.question.patterns[i]);
    }
    reader.asked = reader.question.count > 0;
    reader.answered = false;
}

static bool is_asked_for(const char *topic)
{
    for (size_t i = 0; i < reader.question.count; i++) {
        if (matches(reader.question_text[i], topic)) {
            return true;
        }
    }
    return false;
}

/* The broker answers from what is committed now; the answer may arrive much later. */
static void make_answer(bool honest)
{
    if (!reader.asked || reader.answered) {
        return;
    }
    const uint64_t after = reader.question.after;
    uint64_t through = after, count = 0, seq = broker.committed;
    if (!honest && chance(10) == 0 && seq > 0) {
        seq -= chance(4) % seq; /* another broker, that is behind */
    }
    while (through < seq && count < PAGE_EVENTS) {
        through++;
        count += through > broker.floor && is_asked_for(broker.log[through].topic);
    }
    reader.answer_gone = 0;
    for (uint64_t lost = after + 1; lost <= broker.floor && after < seq; lost++) {
        reader.answer_gone = is_asked_for(broker.log[lost].topic) ? lost : reader.answer_gone;
    }
    reader.answered = true;
    reader.answer_epoch = broker.epoch;
    reader.answer_after = after;
    reader.answer_seq = seq;
    reader.answer_through = through;
    reader.answer_behind = seq < after;
}

/* Those it is told of must be gone from the log, and at least one must have been asked for. */
static void note_gap(const struct casebus_gap *gap)
{
    bool any = false;
    assert_true(gap->after < gap->through && gap->through <= broker.floor);
    for (uint64_t seq = gap->after + 1; seq <= gap->through; seq++) {
        const char *topic = broker.log[seq].topic;
        if (is_wanted(topic) &&
            (gap->stream.size == 0 ||
             strncmp(topic, (const char *)gap->stream.data, gap->stream.size) == 0)) {
            any = any || !program.got[seq];
            program.gone[seq] = true;
        }
    }
    assert_true(any);
    program.gaps++;
}

static void give_events(void)
{
    for (uint64_t seq = reader.answer_after + 1; seq <= reader.answer_through; seq++) {
        const struct entry *entry = &broker.log[seq];
        if (seq > broker.floor && is_asked_for(entry->topic)) {
            struct casebus_event event =
                make_event(entry->topic, seq, entry->prev, entry->prev_topic);
            msgpack_sbuffer body;
            msgpack_sbuffer_init(&body);
            name_epoch(reader.answer_epoch, event.epoch);
            assert_int_equal(casebus_event_encode(&event, &body), 0);
            const int rc = intake_logged(&reader.intake, event.topic_text,
                                         casebus_bytes(body.data, body.size));
            msgpack_sbuffer_destroy(&body);
            assert_true(rc == 0 || (rc == CASEBUS_ENOMEM && memory_is_short));
        }
    }
}

static void take_answer(void)
{
    if (!reader.answered) {
        return;
    }
    reader.asked = reader.answered = false;
    if (reader.intake.asked == ASKED_NOTHING) {
        return; /* the reader has dropped its question */
    }
    unsigned char epoch[CASEBUS_EPOCH_SIZE];
    name_epoch(reader.answer_epoch, epoch);
    const struct answer answer = {.epoch = epoch,
                                  .seq = reader.answer_seq,
                                  .through = reader.answer_through,
                                  .gone = reader.answer_gone,
                                  .behind = reader.answer_behind};
    const int told = intake_answer(&reader.intake, reader.now, &answer);
    if (told == CASEBUS_EEPOCH) {
        assert_int_equal(reader.intake.epoch[6] - '0', (int)reader.answer_epoch);
        program.epochs++;
        begin_program(reader.answer_seq);
        save_cursor();
        return;
    }
    give_events();
    intake_answered(&reader.intake, reader.now);
    if (told == CASEBUS_EGAP) {
        note_gap(&reader.intake.gap);
    } else {
        assert_int_equal(told, 0);
    }
}

static void lose_answer(void)
{
    if (reader.asked && chance(3) == 0) { /* refused, which ends the question */
        reader.asked = reader.answered = false;
        intake_refused(&reader.intake, reader.now);
    }
    reader.answered = false; /* the client asks again */
}

/* --- what goes wrong -------------------------------------------------------------------- */

static void adverse_step(void)
{
    struct message all;
    reader.now += chance(60);
    switch (chance(64)) {
    case 0:
        broker_cut();
        break;
    case 1:
        if (chance(4) == 0) {
            kill_reader();
        }
        break;
    case 2:
        if (!reader.answered) { /* or that answer would have known */
            broker_trim();
        }
        break;
    case 3:
        if (chance(8) == 0 && broker_put_back()) {
            reader.answered = false; /* it was of a log that is no more */
        }
        break;
    case 4:
        if (broker.has_old) {
            deliver(&broker.old);
        }
        break;
    case 5:
        lose_answer();
        break;
    case 6:
    case 7:
        all = broker_heads(false);
        if (broker.sent == broker.committed) {
            broker_send(&all);
        }
        break;
    default:
        switch (chance(6)) {
        case 0:
            broker_commit();
            break;
        case 1:
            broker_send_batch(false);
            break;
        case 2:
            deliver_first();
            break;
        case 3:
            take_events();
            break;
        case 4:
            ask();
            make_answer(false);
            break;
        default:
            take_answer();
            break;
        }
    }
}

/* --- a round ---------------------------------------------------------------------------- */

static bool is_complete(void)
{
    if (reader.intake.epoch[6] - '0' != (int)broker.epoch) {
        return false;
    }
    for (uint64_t seq = program.start + 1; seq <= broker.committed; seq++) {
        if (is_wanted(broker.log[seq].topic) && !program.got[seq] && !program.gone[seq]) {
            return false;
        }
    }
    return !has_cursor() || intake_cursor(&reader.intake) >= broker.committed;
}

/* Nothing is lost any more, heads come every second, answers are given: it must end. */
static void come_to_an_end(void)
{
    const struct casebus_event *event;
    int steps = 0;
    broker_send_batch(true);
    while (!is_complete() || intake_is_repairing(&reader.intake)) {
        assert_true(steps++ < QUIET_STEPS);
        reader.now += 20;
        if (steps % 50 == 1) {
            const struct message all = broker_heads(false);
            broker_send(&all);
        }
        deliver_first();
        ask();
        while (intake_next(&reader.intake, &event)) {
            hand_over(event);
        }
        make_answer(true);
        take_answer();
    }
}

static void play(uint64_t seed)
{
    memset(&broker, 0, sizeof broker);
    memset(&reader, 0, sizeof reader);
    chance_begin(seed);
    broker.is_subscribed = is_wanted;
    reader.kind = &kinds[seed % KINDS];
    while (reader.patterns < 4 && reader.kind->patterns[reader.patterns] != NULL) {
        reader.patterns++;
    }
    for (uint32_t left = chance(20); left > 0; left--) {
        broker_commit();
        broker_send_batch(true);
    }
    start_reader(chance(2) == 0);
    memory_is_short = chance(4) == 0;
    for (int i = 0; i < STEPS; i++) {
        adverse_step();
    }
    memory_is_short = false;
    come_to_an_end();
    program.repaired += reader.intake.stats.repaired;
    program.overflows += reader.intake.stats.overflows;
    intake_end(&reader.intake);
}

static uint64_t seeds = 400, first_seed = 1;

static void every_event_comes_once_and_in_order_or_is_told_gone(void **state)
{
    (void)state;
    memset(&program, 0, sizeof program);
    for (uint64_t seed = first_seed; seed < first_seed + seeds; seed++) {
        play(seed);
    }
    printf("%llu events, %llu bundles, %llu repaired, %llu overflows, %llu gaps, %llu epochs, "
           "%llu kills\n",
           (unsigned long long)program.handed, (unsigned long long)program.bundles,
           (unsigned long long)program.repaired, (unsigned long long)program.overflows,
           (unsigned long long)program.gaps, (unsigned long long)program.epochs,
           (unsigned long long)program.kills);
    /* An adversary that does nothing proves nothing. */
    if (seeds >= 100) {
        assert_true(program.repaired > program.handed / 20);
        assert_true(program.bundles > program.handed / 20);
        assert_true(program.overflows > 0 && program.gaps > 0);
        assert_true(program.epochs > 0 && program.kills > 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_comes_once_and_in_order_or_is_told_gone),
    };
    seeds = argc > 1 ? strtoull(argv[1], NULL, 10) : seeds;
    first_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : first_seed;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
