/* Reports of every kind from one body, on the topic of the golden files. */
#include "fuzz.h"

#include <casebus/report.h>
#include <string.h>

static const char *const topics[] = {
#define X(symbol, resource, event) resource ":" event ":hse:T/H/2005 02:",
    CASEBUS_REPORT_KINDS(X)
#undef X
};

/* What was read, encoded and read again, is the same. */
static void round_trip(struct casebus_bytes topic, const struct casebus_report *report)
{
    bool is_void = report->void_reason.data != NULL;
    struct casebus_report_parts parts = {
        .publisher = report->head.numbered ? report->head.publisher : NULL,
        .number = report->head.number,
        .check = report->head.check,
        .session = report->session,
        .sent_at = report->sent_at,
        .data = report->data,
        .void_reason = report->void_reason,
        .void_hash = is_void ? report->void_hash : NULL,
    };
    struct casebus_report again;
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    if (casebus_report_encode(&parts, &out) == 0) {
        struct casebus_bytes body = casebus_bytes(out.data, out.size);
        HOLDS(casebus_report_decode(topic, body, &again, NULL) == 0);
        HOLDS(again.head.number == report->head.number);
        HOLDS(memcmp(again.void_hash, report->void_hash, sizeof again.void_hash) == 0);
        HOLDS(casebus_bytes_equal(again.data, report->data));
        HOLDS(casebus_bytes_equal(again.session, report->session));
    }
    msgpack_sbuffer_destroy(&out);
}

/* However it was read: it has passed the scan, and its data are what is read behind one. */
static void scanned(struct casebus_bytes body, const struct casebus_report *report)
{
    struct casebus_record record;
    HOLDS(casebus_scan(body, casebus_scan_limits(), NULL) == 0);
    if (report->record.encoded.data) {
        HOLDS(casebus_record_parse(report->record.encoded, true, &record, NULL) == 0);
        HOLDS(memcmp(&record, &report->record, sizeof record) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct casebus_bytes body = casebus_bytes(data, size);
    struct casebus_report_head head;
    int head_error = casebus_report_head_decode(body, &head);
    HOLDS(!head.numbered || (head.number > 0 && head.check_at + 16 <= size));
    for (unsigned i = 0; i < CASEBUS_REPORT_KIND_COUNT; i++) {
        struct casebus_bytes topic = casebus_cstr(topics[i]);
        struct casebus_report report;
        struct casebus_fault fault = {0};
        int error = casebus_report_decode(topic, body, &report, &fault);
        HOLDS(memcmp(&report.head, &head, sizeof head) == 0);
        HOLDS(!head_error || error);
        if (error) {
            fuzz_refusal(error, &fault);
        } else {
            unsigned char hash[CASEBUS_HASH_SIZE];
            casebus_report_hash(topic, body, head.check_at, hash);
            scanned(body, &report);
            round_trip(topic, &report);
        }
    }
    return 0;
}
