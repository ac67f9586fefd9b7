/* Reports: the first thing the broker sees of a peer, so nothing here trusts a byte.
 *
 * The first keys are read before anything else and without the scan: whatever is wrong behind
 * them, a numbered report has its place in its publisher's sequence and must be decided there.
 * The rest is scanned, and then read; but where it is what nearly all reports are, one walk
 * does both. */
#include "envelope.h"
#include "fault.h"
#include "sink.h"
#include "unscanned.h"
#include "wire.h"

#include <casebus/report.h>
#include <string.h>

#define VOID_REASON_MAX 256
#define WHOLE_MAX ((UINT64_C(1) << 53) - 1)

static const unsigned char publisher_pair[] = {
    0xa9, 'p', 'u', 'b', 'l', 'i', 's', 'h', 'e', 'r', 0xc4, CASEBUS_PUBLISHER_SIZE};
static const unsigned char check_pair[] = {0xa5, 'c', 'h',  'e',
                                           'c',  'k', 0xc4, CASEBUS_CHECK_SIZE};
static const unsigned char number_key[] = {0xa6, 'n', 'u', 'm', 'b', 'e', 'r'};
static const unsigned char empty_map[] = {0x80};

/* --- the first keys ------------------------------------------------------------------- */

static bool at_key(const struct casebus_reader *r, const void *key, size_t size)
{
    return (size_t)(r->end - r->at) >= size && memcmp(r->at, key, size) == 0;
}

/* Takes a pair whose key and bin header are exactly `pair`; its value, or NULL. */
static const unsigned char *take_pair(struct casebus_reader *r, const unsigned char *pair,
                                      size_t pair_size, size_t value_size)
{
    if (!at_key(r, pair, pair_size) || (size_t)(r->end - r->at) < pair_size + value_size) {
        return NULL;
    }
    const unsigned char *value = r->at + pair_size;
    r->at = value + value_size;
    return value;
}

static int read_version(struct casebus_reader *r, struct casebus_report_head *head)
{
    struct casebus_bytes key = wire_read_name(r);
    if (r->error || key.size != 1 || key.data[0] != 'v') {
        return r->error ? r->error : CASEBUS_EMISSING;
    }
    uint64_t version = casebus_read_uint(r);
    head->version = version > UINT16_MAX ? UINT16_MAX : (unsigned)version;
    return r->error;
}

/* publisher, number and check; the caller has seen the first one's key. */
static int read_numbering(struct casebus_reader *r, const unsigned char *begin,
                          struct casebus_report_head *head, const char **field)
{
    const unsigned char *publisher =
        take_pair(r, publisher_pair, sizeof publisher_pair, CASEBUS_PUBLISHER_SIZE);
    *field = "publisher";
    if (!publisher) {
        return CASEBUS_ETYPE;
    }
    *field = "number";
    if (!at_key(r, number_key, sizeof number_key)) {
        return CASEBUS_EMISSING;
    }
    r->at += sizeof number_key;
    uint64_t number = casebus_read_uint(r);
    if (r->error || number == 0 || number > WHOLE_MAX) {
        return r->error ? r->error : CASEBUS_EVALUE;
    }
    *field = "check";
    size_t check_at = (size_t)(r->at - begin);
    const unsigned char *check =
        take_pair(r, check_pair, sizeof check_pair, CASEBUS_CHECK_SIZE);
    if (!check) {
        return CASEBUS_EMISSING;
    }
    memcpy(head->publisher, publisher, CASEBUS_PUBLISHER_SIZE);
    memcpy(head->check, check, CASEBUS_CHECK_SIZE);
    head->number = number;
    head->check_at = check_at;
    head->numbered = true;
    return 0;
}

/* Reads the first keys and leaves the reader behind them; *left: the pairs that follow. */
static int read_head(struct casebus_reader *r, struct casebus_report_head *head, uint32_t *left,
                     const char **field)
{
    const unsigned char *begin = r->at;
    memset(head, 0, sizeof *head);
    *field = "";
    *left = casebus_read_map(r);
    if (r->error) {
        return CASEBUS_EMALFORMED;
    }
    *field = "v";
    if (*left == 0) {
        return CASEBUS_EMISSING;
    }
    int error = read_version(r, head);
    *left -= 1;
    if (error) {
        return error;
    }
    if (*left > 0) {
        struct casebus_reader next = *r;
        *field = "";
        struct casebus_bytes key = wire_read_name(&next);
        error = next.error;
        if (casebus_bytes_is(key, "publisher")) {
            error = read_numbering(r, begin, head, field);
            if (!error && *left < 3) { /* what was read lies behind the map */
                *head = (struct casebus_report_head){.version = head->version};
                error = CASEBUS_EMALFORMED;
            }
            *left -= error ? 0 : 3;
        }
    }
    if (head->version != CASEBUS_PROTOCOL_VERSION) { /* says more than what follows from it */
        *field = "v";
        return CASEBUS_EVERSION;
    }
    return error;
}

int casebus_report_head_decode(struct casebus_bytes body, struct casebus_report_head *head)
{
    struct casebus_reader r;
    uint32_t left;
    const char *field;
    casebus_reader_init(&r, body);
    return read_head(&r, head, &left, &field);
}

/* --- the other keys ------------------------------------------------------------------- */

static bool is_map(struct casebus_bytes raw)
{
    struct casebus_reader r;
    casebus_reader_init(&r, raw);
    return casebus_peek(&r) == CASEBUS_MAP;
}

static int read_session(struct casebus_bytes raw, struct casebus_report *report,
                        struct casebus_fault *fault)
{
    struct casebus_bytes session = casebus_as_str(raw);
    if (!casebus_segment_valid(session)) {
        return casebus_fault_set(fault, session.data ? CASEBUS_EVALUE : CASEBUS_ETYPE,
                                 "session");
    }
    report->session = session;
    return 0;
}

static int read_sent_at(struct casebus_bytes raw, struct casebus_report *report,
                        struct casebus_fault *fault)
{
    static const struct casebus_field field = {CASEBUS_FIELD_NAME("sent_at"),
                                               .type = CASEBUS_TYPE_INSTANT,
                                               .setter = CASEBUS_SET_SOURCE};
    report->sent_at = casebus_as_uint(raw, 0);
    return casebus_value_check(raw, &field, true, fault);
}

static int read_data(struct casebus_bytes raw, struct casebus_report *report,
                     struct casebus_fault *fault)
{
    report->data = raw;
    return is_map(raw) ? 0 : casebus_fault_set(fault, CASEBUS_ETYPE, "data");
}

static int read_void(struct casebus_bytes raw, struct casebus_report *report,
                     struct casebus_fault *fault)
{
    struct casebus_bytes hash;
    if (!is_map(raw)) {
        return casebus_fault_set(fault, CASEBUS_ETYPE, "void");
    }
    if (!report->head.numbered) {
        return casebus_fault_set(fault, CASEBUS_EVALUE, "void");
    }
    int error = casebus_envelope_str(raw, "reason", &report->void_reason, fault);
    if (!error && report->void_reason.size > VOID_REASON_MAX) {
        error = casebus_fault_set(fault, CASEBUS_ETOOLONG, "reason");
    }
    if (!error) {
        error = casebus_envelope_bin(raw, "hash", CASEBUS_HASH_SIZE, &hash, fault);
    }
    if (error) {
        casebus_fault_under(fault, casebus_cstr("void"));
        return error;
    }
    memcpy(report->void_hash, hash.data, CASEBUS_HASH_SIZE);
    return 0;
}

#define KEY(name, read)                                                                        \
    {                                                                                          \
        name, sizeof name - 1, read                                                            \
    }
static const struct {
    const char *name;
    size_t size;
    /* NULL: belongs to the first keys; here it would make a numbered report an unnumbered
     * one */
    int (*read)(struct casebus_bytes, struct casebus_report *, struct casebus_fault *);
} keys[] = {
    KEY("data", read_data), KEY("session", read_session), KEY("sent_at", read_sent_at),
    KEY("void", read_void), KEY("publisher", NULL),       KEY("number", NULL),
    KEY("check", NULL),
};

#define KEY_COUNT (sizeof keys / sizeof keys[0])
#define KEYS_USUAL 3 /* the first of them */
#define KEY_DATA 0

static size_t find_key(struct casebus_bytes name)
{
    size_t i = 0;
    while (i < KEY_COUNT &&
           (name.size != keys[i].size ||
            !wire_same(name.data, (const unsigned char *)keys[i].name, name.size))) {
        i++;
    }
    return i;
}

static int read_key(struct casebus_bytes name, struct casebus_bytes raw,
                    struct casebus_report *report, struct casebus_fault *fault)
{
    size_t i = find_key(name);
    if (i == KEY_COUNT) {
        return 0;
    }
    return keys[i].read ? keys[i].read(raw, report, fault)
                        : casebus_fault_set(fault, CASEBUS_EVALUE, keys[i].name);
}

static int read_keys(struct casebus_reader *r, uint32_t left, struct casebus_report *report,
                     struct casebus_fault *fault)
{
    for (; left > 0; left--) {
        struct casebus_bytes name = wire_read_name(r);
        /* The last value is all that is left: data, usually, and long to walk through. */
        struct casebus_bytes raw =
            left == 1 ? casebus_bytes(r->at, (size_t)(r->end - r->at)) : casebus_read_raw(r);
        int error = read_key(name, raw, report, fault);
        if (error) {
            return error;
        }
    }
    if (report->void_reason.data && report->data.data) {
        return casebus_fault_set(fault, CASEBUS_EVALUE, "void");
    }
    return r->error ? casebus_fault_set(fault, r->error, "") : 0;
}

/* --- data ----------------------------------------------------------------------------- */

static int check_identity(const struct casebus_report *report, struct casebus_fault *fault)
{
    static const enum casebus_case_field fields[] = {CASEBUS_CASE_AGENCY,
                                                     CASEBUS_CASE_REGULATOR_ID};
    for (size_t i = 0; i < 2; i++) {
        struct casebus_bytes named = report->record.field[fields[i]];
        if (named.data &&
            !casebus_bytes_equal(casebus_as_str(named), report->topic.segment[2 + i])) {
            return casebus_fault_set(fault, CASEBUS_EVALUE,
                                     casebus_case_schema[fields[i]].name);
        }
    }
    return 0;
}

static int check_data(struct casebus_report *report, struct casebus_fault *fault)
{
    static const struct casebus_field *const session[CASEBUS_REPORT_KIND_COUNT] = {
        [CASEBUS_REPORT_SESSION_STARTED] = casebus_session_started_schema,
        [CASEBUS_REPORT_SESSION_PROGRESSED] = casebus_session_progressed_schema,
        [CASEBUS_REPORT_SESSION_ENDED] = casebus_session_ended_schema,
    };
    struct casebus_bytes data = report->data;
    if (!data.data) {
        data = casebus_bytes(empty_map, sizeof empty_map);
    }
    if (session[report->kind]) {
        return casebus_map_check(data, session[report->kind], true, fault);
    }
    if (report->kind == CASEBUS_REPORT_SCRAPED || report->kind == CASEBUS_REPORT_EDITED) {
        int error = casebus_record_parse(data, true, &report->record, fault);
        return error ? error : check_identity(report, fault);
    }
    return 0; /* deleted, redacted: nothing in data matters */
}

/* --- in one walk ---------------------------------------------------------------------- */

/* What stands behind the first keys, in bytes that no scan has passed. */
static bool walk_keys(struct casebus_reader *r, uint32_t left, struct casebus_report *report)
{
    unsigned seen = 0;
    for (; left > 0; left--) {
        size_t i = find_key(wire_read_name(r));
        if (i >= KEYS_USUAL || seen & 1u << i) {
            return false;
        }
        seen |= 1u << i;
        if (i != KEY_DATA) {
            if (keys[i].read(casebus_read_raw(r), report, NULL) != 0) {
                return false;
            }
        } else if (!casebus_record_parse_unscanned(r, &report->record)) {
            return false;
        }
    }
    report->data = report->record.encoded;
    return !r->error && r->at == r->end && seen & 1u << KEY_DATA &&
           check_identity(report, NULL) == 0;
}

/* A case as nearly all are reported: in few bytes, and with keys that are known.
 * False: it is not, or not known to be; nothing behind the first keys has been read then. */
static bool read_usual(struct casebus_reader r, uint32_t left, size_t size,
                       struct casebus_report *report)
{
    bool is_case =
        report->kind == CASEBUS_REPORT_SCRAPED || report->kind == CASEBUS_REPORT_EDITED;
    if (!is_case || size > CASEBUS_ELEMENTS_MAX) {
        return false;
    }
    if (walk_keys(&r, left, report)) {
        return true;
    }
    report->session = report->data = casebus_bytes(NULL, 0);
    report->sent_at = 0;
    memset(&report->record, 0, sizeof report->record);
    return false;
}

/* Finds the session of a report that is refused behind the first keys, so that the session can
 * count it: where it is the very next key. */
static void find_session(struct casebus_reader r, uint32_t left, struct casebus_report *report)
{
    if (left > 0 && casebus_bytes_is(wire_read_name(&r), "session")) {
        (void)read_session(casebus_read_raw(&r), report, NULL);
    }
}

/* --- the whole ------------------------------------------------------------------------ */

/* "data.offender.name" is "offender.name" to whoever wrote the data. */
static int without_data(int error, struct casebus_fault *fault)
{
    if (fault && strncmp(fault->field, "data.", 5) == 0) {
        memmove(fault->field, fault->field + 5, strlen(fault->field + 5) + 1);
    }
    return error;
}

int casebus_report_decode(struct casebus_bytes topic, struct casebus_bytes body,
                          struct casebus_report *report, struct casebus_fault *fault)
{
    struct casebus_reader r;
    uint32_t left;
    const char *field;
    memset(report, 0, sizeof *report);
    casebus_reader_init(&r, body);
    int error = read_head(&r, &report->head, &left, &field);
    bool has_topic = casebus_topic_report(topic, &report->topic, &report->kind) == 0;
    if (body.size > CASEBUS_REPORT_MAX) {
        if (!error && has_topic) {
            find_session(r, left, report);
        }
        return casebus_fault_set(fault, CASEBUS_ETOOLARGE, "");
    }
    if (error) {
        return casebus_fault_set(fault, error, field);
    }
    if (!has_topic) {
        return casebus_fault_set(fault, CASEBUS_ETOPIC, "topic");
    }
    if (read_usual(r, left, body.size, report)) {
        return 0;
    }
    error = casebus_scan(body, casebus_scan_limits(), fault);
    if (error) {
        find_session(r, left, report);
        return without_data(error, fault);
    }
    error = read_keys(&r, left, report, fault);
    if (error || report->void_reason.data) {
        return error;
    }
    return check_data(report, fault);
}

/* --- encoding ------------------------------------------------------------------------- */

static void pack_numbering(msgpack_packer *pk, const struct casebus_report_parts *parts)
{
    sink_pair_bin(pk, "publisher", parts->publisher, CASEBUS_PUBLISHER_SIZE);
    sink_pair_uint(pk, "number", parts->number);
    sink_pair_bin(pk, "check", parts->check, CASEBUS_CHECK_SIZE);
}

static void pack_void(msgpack_packer *pk, const struct casebus_report_parts *parts)
{
    casebus_pack_text(pk, "void");
    (void)msgpack_pack_map(pk, 2);
    sink_pair_str(pk, "reason", parts->void_reason);
    sink_pair_bin(pk, "hash", parts->void_hash, CASEBUS_HASH_SIZE);
}

int casebus_report_encode(const struct casebus_report_parts *parts, msgpack_sbuffer *out)
{
    struct sink sink;
    msgpack_packer pk;
    bool numbered = parts->publisher && parts->check;
    bool is_void = parts->void_hash != NULL;
    bool data = !is_void && parts->data.data;
    sink_begin(&sink, &pk, out);
    (void)msgpack_pack_map(&pk, 1u + (numbered ? 3 : 0) + (parts->session.data ? 1 : 0) +
                                    (parts->sent_at ? 1 : 0) + (is_void || data ? 1 : 0));
    sink_pair_uint(&pk, "v", CASEBUS_PROTOCOL_VERSION);
    if (numbered) {
        pack_numbering(&pk, parts);
    }
    if (parts->session.data) {
        sink_pair_str(&pk, "session", parts->session);
    }
    if (parts->sent_at) {
        sink_pair_uint(&pk, "sent_at", parts->sent_at);
    }
    if (is_void) {
        pack_void(&pk, parts);
    } else if (data) {
        sink_pair_raw(&pk, "data", parts->data);
    }
    return sink_end(&sink, out->size - sink.begin > CASEBUS_REPORT_MAX ? CASEBUS_ETOOLARGE : 0);
}
