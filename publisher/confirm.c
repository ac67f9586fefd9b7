/* publisher.confirm, asked and understood: bytes in, bytes out; what follows from an answer is
 * progress.c's to decide.
 *
 * The broker is trusted for what it says, not for how: an answer is scanned before it is read,
 * and one that lacks what the protocol promises is CASEBUS_EPROTO, which changes nothing. */
#include "confirm.h"

#include <string.h>

static void pack_flag(msgpack_packer *pk, const char *key, bool value)
{
    casebus_pack_text(pk, key);
    if (value) {
        msgpack_pack_true(pk);
    } else {
        msgpack_pack_false(pk);
    }
}

static void pack_sessions(msgpack_packer *pk, const struct confirm_poll *poll)
{
    casebus_pack_text(pk, "sessions");
    msgpack_pack_array(pk, poll->session_count);
    for (size_t i = 0; i < poll->session_count; i++) {
        msgpack_pack_map(pk, 3);
        casebus_pack_text(pk, "agency");
        casebus_pack_text(pk, poll->sessions[i].agency);
        casebus_pack_text(pk, "session_id");
        casebus_pack_text(pk, poll->sessions[i].id);
        pack_flag(pk, "stopping", poll->sessions[i].stopping);
    }
}

void casebus_confirm_encode(const struct confirm_poll *poll, msgpack_sbuffer *out)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, out, msgpack_sbuffer_write);
    unsigned known = poll->state->known ? 2 : 0, sessions = poll->session_count ? 1 : 0;
    casebus_request_begin(&pk, CASEBUS_OP_PUBLISHER_CONFIRM, 4 + known + sessions);
    casebus_pack_text(&pk, "publisher");
    casebus_pack_bin(&pk, casebus_bytes(poll->publisher, CASEBUS_PUBLISHER_SIZE));
    casebus_pack_text(&pk, "after");
    msgpack_pack_uint64(&pk, poll->after);
    casebus_pack_text(&pk, "wait_ms");
    msgpack_pack_uint64(&pk, poll->wait_ms);
    pack_flag(&pk, "outbox", poll->outbox);
    if (poll->state->known) {
        casebus_pack_text(&pk, "epoch");
        casebus_pack_bin(&pk, casebus_bytes(poll->state->epoch, CASEBUS_EPOCH_SIZE));
        casebus_pack_text(&pk, "entry");
        msgpack_pack_uint64(&pk, poll->state->entry);
    }
    if (poll->session_count) {
        pack_sessions(&pk, poll);
    }
}

/* The broker's counts by outcome; outcomes this version does not know are left out. */
static int read_outcomes(struct casebus_bytes map, uint64_t *outcomes)
{
    struct casebus_reader r;
    casebus_reader_init(&r, map);
    for (uint32_t left = casebus_read_map(&r); left > 0 && !r.error; left--) {
        struct casebus_bytes word = casebus_read_str(&r);
        uint64_t count = casebus_read_uint(&r);
        enum casebus_outcome outcome = casebus_outcome_from_word(word);
        if (outcome < CASEBUS_OUTCOME_COUNT) {
            outcomes[outcome] = count;
        }
    }
    return r.error ? CASEBUS_EPROTO : 0;
}

/* Of the sessions a poll names, so never more; whose they are is for sessions.c to say. */
static int check_stop(struct casebus_bytes stop)
{
    struct casebus_reader r;
    casebus_reader_init(&r, stop);
    bool fine = !stop.data || (casebus_peek(&r) == CASEBUS_ARRAY &&
                               casebus_read_array(&r) <= CASEBUS_SESSIONS_PER_POLL);
    return fine ? 0 : CASEBUS_EPROTO;
}

static int read_result(struct casebus_bytes map, const unsigned char *publisher,
                       struct confirm_answer *answer)
{
    struct casebus_bytes id = casebus_as_bin(casebus_map_get(map, "publisher"));
    struct casebus_bytes check = casebus_as_bin(casebus_map_get(map, "check"));
    struct casebus_bytes counts = casebus_map_get(map, "counts");
    answer->decided = casebus_as_uint(casebus_map_get(map, "decided"), UINT64_MAX);
    if (!casebus_bytes_equal(id, casebus_bytes(publisher, CASEBUS_PUBLISHER_SIZE)) ||
        check.size != CASEBUS_CHECK_SIZE || answer->decided == UINT64_MAX) {
        return CASEBUS_EPROTO;
    }
    memcpy(answer->check, check.data, CASEBUS_CHECK_SIZE);
    answer->refusals = casebus_map_get(map, "refusals");
    answer->want = casebus_as_uint(casebus_map_get(map, "want"), 0);
    answer->held = casebus_as_str(casebus_map_get(map, "held"));
    answer->more = casebus_as_bool(casebus_map_get(map, "more"), false);
    answer->stop = casebus_map_get(map, "stop");
    int error = check_stop(answer->stop);
    return !error && counts.data ? read_outcomes(counts, answer->outcomes) : error;
}

int casebus_confirm_decode(struct casebus_bytes body, const unsigned char *publisher,
                           struct confirm_answer *answer)
{
    struct casebus_reply reply;
    struct casebus_fault fault;
    memset(answer, 0, sizeof *answer);
    int error = casebus_reply_decode(body, &reply, &fault);
    if (error) {
        return error;
    }
    if (reply.error) {
        return reply.error;
    }
    answer->state.known = true;
    memcpy(answer->state.epoch, reply.epoch, CASEBUS_EPOCH_SIZE);
    answer->state.entry = reply.entry;
    return read_result(reply.result, publisher, answer);
}

int casebus_refusals_begin(struct refusal_reader *self, struct casebus_bytes refusals)
{
    self->left = 0;
    if (refusals.data) {
        casebus_reader_init(&self->reader, refusals);
        self->left = casebus_read_array(&self->reader);
        return self->reader.error ? CASEBUS_EPROTO : 0;
    }
    return 0;
}

int casebus_refusals_next(struct refusal_reader *self, struct casebus_refusal *refusal)
{
    if (self->left == 0) {
        return 0;
    }
    self->left--;
    struct casebus_bytes map = casebus_read_raw(&self->reader);
    struct casebus_bytes outcome = casebus_as_str(casebus_map_get(map, "outcome"));
    struct casebus_bytes code = casebus_as_str(casebus_map_get(map, "code"));
    *refusal = (struct casebus_refusal){
        .number = casebus_as_uint(casebus_map_get(map, "number"), 0),
        .outcome = casebus_outcome_from_word(outcome),
        .field = casebus_as_str(casebus_map_get(map, "field")),
        .reason = casebus_as_str(casebus_map_get(map, "reason")),
        .topic = casebus_as_str(casebus_map_get(map, "topic")),
        .quarantine = casebus_as_uint(casebus_map_get(map, "quarantine"), 0),
    };
    if (code.data) {
        int error = casebus_error_from_word((const char *)code.data, code.size);
        refusal->code = error == CASEBUS_EPROTO ? CASEBUS_EINTERNAL : error;
    }
    return self->reader.error || refusal->number == 0 ? CASEBUS_EPROTO : 1;
}
