/* One message of every sort, with fixed values. What is here has been sent by somebody: bytes
 * of an entry never change. A message with other bytes is a new entry. */
#include "proto/golden.h"
#include "proto/test.h"

#include <casebus/bundle.h>
#include <casebus/event.h>
#include <casebus/report.h>
#include <casebus/request.h>
#include <stdio.h>
#include <string.h>

#define PUBLISHER "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
#define CHECK "\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7"
#define HASH "\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f"
#define EPOCH "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7"
#define NOW UINT64_C(1710243123456789)

/* A report's data with every field that a report may set. */
#define DATA                                                                                   \
    "agency:'hse',regulator_id:'T/H/2005 02',case_reference:'HSE/2024/481',"                   \
    "offender:{name:'Cwmni Llŷr & O’Neill Ltd',local_authority:'Gwynedd',town:'Bangor',"    \
    "county:'Gwynedd',country:'Wales',postcode:'LL57 1AA',main_activity:'Scaffolding',"        \
    "industry:'Construction',sic_code:'43991',business_type:'limited_company',"                \
    "company_number:'01234567'},offence_action_type:'Court Case',"                             \
    "offence_action_date:'2024-02-29',offence_hearing_date:'2024-03-12',"                      \
    "offence_result:'Guilty',offence_fine_pence:9505000,offence_costs_pence:312345,"           \
    "offence_breaches:'Section 2(1)\nSection 3(1)',regulator_function:'Construction',"         \
    "offences:[{number:1,description:'Fall from height',legislation:'HSWA 1974',part:'2(1)',"  \
    "fine_pence:9505000,result:'Guilty',hearing_date:'2024-03-12'}],"                          \
    "related_cases:['hse:T/H/2005 03'],url:'https://example.org/case?id=2',"                   \
    "regulator_url:'http://example.org/hse',ext:{court:'Caernarfon',lines:[1,nil,true,-5]}"
#define SOURCE "source:{page:12,row:7,fetched_at:1710243000000000,parser:'hse/3'}"
#define STORED                                                                                 \
    SOURCE ",version:3,inserted_at:1710000000000000,updated_at:1710243123456789,"              \
           "last_synced_at:1710243123456789,seen_count:9,created_seq:4,updated_seq:41"
#define SESSION                                                                                \
    "session_id:'s-2024-03-12',agency:'hse',database:'convictions',start_page:1,max_pages:20," \
    "status:'%s',pages_processed:12,cases_found:34,cases_created:20,cases_updated:4,"          \
    "cases_existing:9,errors_count:1,page_errors:0,started_at:1710240000000000,"               \
    "last_seen_at:1710243123456789"

static struct golden *entries;
static size_t entry_count;

void golden_add(const char *name, enum message message, const char *topic, int code,
                const char *field, struct casebus_bytes body)
{
    assert_true(entry_count < GOLDEN_MAX);
    struct casebus_bytes kept = join(casebus_cstr(name), BYTES("\0")); /* NUL-terminated */
    entries[entry_count++] = (struct golden){.name = (const char *)kept.data,
                                             .message = message,
                                             .topic = topic,
                                             .code = code,
                                             .field = field,
                                             .body = body};
}

static struct casebus_bytes taken(msgpack_sbuffer *out)
{
    struct casebus_bytes body = keep(out->data, out->size);
    msgpack_sbuffer_destroy(out);
    return body;
}

/* --- reports ---------------------------------------------------------------------------- */

static void add_report(const char *name, const char *topic, struct casebus_report_parts parts)
{
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    assert_int_equal(casebus_report_encode(&parts, &out), 0);
    golden_add(name, REPORT, topic, 0, "", taken(&out));
}

static void add_reports(void)
{
    static const struct {
        const char *kind, *topic, *data;
    } reports[] = {
        {"scraped", "case:scraped:hse:T/H/2005 02:", "{" DATA "," SOURCE "}"},
        {"edited", "case:edited:hse:T/H/2005 02:",
         "{offence_fine_pence:100,case_reference:nil,offender:{town:nil},ext:{court:nil}}"},
        {"deleted", "case:deleted:hse:T/H/2005 02:", NULL},
        {"redacted", "case:redacted:hse:T/H/2005 02:", NULL},
        {"session-started", "session:started:hse:s-2024-03-12:",
         "{database:'convictions',start_page:1,max_pages:20,date_from:'2024-01-01',"
         "date_to:'2024-03-12',requested_by:'mair',worker:'w1',run:'r1'}"},
        {"session-progressed",
         "session:progressed:hse:s-2024-03-12:", "{page:12,page_errors:0}"},
        {"session-ended",
         "session:ended:hse:s-2024-03-12:", "{status:'stopped',reason:'the site is closed'}"},
    };
    for (size_t i = 0; i < sizeof reports / sizeof reports[0]; i++) {
        char name[64];
        struct casebus_report_parts parts = {.sent_at = NOW};
        if (reports[i].data) {
            parts.data = build(reports[i].data);
        }
        snprintf(name, sizeof name, "report-%s-unnumbered", reports[i].kind);
        add_report(name, reports[i].topic, parts);
        parts.publisher = (const unsigned char *)PUBLISHER;
        parts.number = 70000;
        parts.check = (const unsigned char *)CHECK;
        parts.session = BYTES("s-2024-03-12");
        snprintf(name, sizeof name, "report-%s", reports[i].kind);
        add_report(name, reports[i].topic, parts);
    }
    add_report("report-void", "case:scraped:hse:T/H/2005 02:",
               (struct casebus_report_parts){.publisher = (const unsigned char *)PUBLISHER,
                                             .number = 70001,
                                             .check = (const unsigned char *)CHECK,
                                             .void_reason = BYTES("damaged in the outbox"),
                                             .void_hash = (const unsigned char *)HASH});
    add_report("report-empty",
               "case:scraped:hse:T/H/2005 02:", (struct casebus_report_parts){0});
}

/* --- events and heads ------------------------------------------------------------------- */

static struct casebus_bytes session_of(const char *status, const char *more)
{
    char format[1024];
    snprintf(format, sizeof format, "{" SESSION "%s}", status, more);
    return build(format);
}

static struct casebus_bytes payload_of(enum casebus_event_kind kind)
{
    switch (kind) {
    case CASEBUS_EVENT_CREATED:
    case CASEBUS_EVENT_UPDATED:
        return build("{id:'hse:T/H/2005 02'," DATA "," STORED "}");
    case CASEBUS_EVENT_SYNCED:
        return build("{id:%s,version:3,last_synced_at:%u,seen_count:9," SOURCE ",stale:true}",
                     "hse:T/H/2005 02", NOW);
    case CASEBUS_EVENT_CONFLICT:
        return build("{id:%s,quarantine:42}", "hse:T/H/2005 02");
    case CASEBUS_EVENT_RESOLVED:
        return build("{id:%s,quarantine:40,decision:'accept',as:%s}", "hse:T/H/2005 02",
                     "hse:T/H/2005 04");
    case CASEBUS_EVENT_DELETED:
    case CASEBUS_EVENT_REDACTED:
        return build("{id:%s}", "hse:T/H/2005 02");
    case CASEBUS_EVENT_ENDED:
        return session_of("completed", ",ended_at:1710243123456789,end_reason:'done'");
    case CASEBUS_EVENT_STOPPING:
        return session_of("stopping", "");
    case CASEBUS_EVENT_LOST:
        return session_of("lost", "");
    default:
        return session_of("running", "");
    }
}

static struct casebus_event event_of(enum casebus_event_kind kind)
{
    struct casebus_event event = {
        .kind = kind,
        .seq = 42,
        .prev = 41,
        .prev_topic = kind == CASEBUS_EVENT_CREATED ? 0 : 7,
        .at = NOW,
        .actor = BYTES("local"),
        .session = BYTES("s-2024-03-12"),
        .version = kind < CASEBUS_CASE_EVENT_COUNT ? 3 : 0,
        .payload = payload_of(kind),
    };
    memcpy(event.epoch, EPOCH, sizeof event.epoch);
    if (kind == CASEBUS_EVENT_UPDATED || kind == CASEBUS_EVENT_CONFLICT) {
        event.changed = build("[{field:'offence_fine_pence',old:100,new:9505000},"
                              "{field:'offender.town',new:'Bangor'},"
                              "{field:'url',old:%s}]",
                              "https://example.org/case?id=1");
    }
    return event;
}

static void add_events(void)
{
    static char topics[CASEBUS_EVENT_KIND_COUNT][64];
    for (unsigned i = 0; i < CASEBUS_EVENT_KIND_COUNT; i++) {
        char name[64];
        enum casebus_event_kind kind = (enum casebus_event_kind)i;
        const char *resource = casebus_event_kind_resource(kind);
        const char *word = casebus_event_kind_word(kind);
        bool of_case = i < CASEBUS_CASE_EVENT_COUNT;
        struct casebus_event event = event_of(kind);
        msgpack_sbuffer full, thin;
        msgpack_sbuffer_init(&full);
        msgpack_sbuffer_init(&thin);
        assert_int_equal(casebus_event_encode(&event, &full), 0);
        assert_int_equal(casebus_event_encode_thin(&event, &thin), 0);
        snprintf(topics[i], sizeof topics[i], "%s:%s:hse:%s:", resource, word,
                 of_case ? "T/H/2005 02" : "s-2024-03-12");
        snprintf(name, sizeof name, "event-%s-%s", resource, word);
        golden_add(name, EVENT, topics[i], 0, "", taken(&full));
        snprintf(name, sizeof name, "event-%s-%s-thin", resource, word);
        golden_add(name, EVENT, topics[i], 0, "", taken(&thin));
    }
}

/* A batch that made no event. */
/* Of those that are there, whose topics begin so. */
static void add_bundle(const char *name, const char *topic, enum message message,
                       const char *begin)
{
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    assert_int_equal(casebus_bundle_begin(&out, CASEBUS_EVENT_BUNDLE_MAX), 0);
    for (size_t i = 0; i < entry_count; i++) {
        const struct golden *e = &entries[i];
        if (e->message == message && strncmp(e->topic, begin, strlen(begin)) == 0) {
            assert_int_equal(casebus_bundle_add(&out, casebus_cstr(e->topic), e->body), 0);
        }
    }
    assert_true(casebus_bundle_count(&out) > 1);
    golden_add(name, BUNDLE, topic, 0, "", taken(&out));
}

static void add_quiet_heads(struct casebus_heads heads)
{
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    heads.is_batch = true;
    heads.before = heads.seq;
    heads.streams = build("{}");
    heads.quiet = 70000;
    assert_int_equal(casebus_heads_encode(&heads, &out), 0);
    golden_add("heads-batch-quiet", HEADS, CASEBUS_TOPIC_HEADS_BATCH, 0, "", taken(&out));
}

static void add_heads(void)
{
    struct casebus_bytes streams = join(BYTES("\x82\xb1"
                                              "case:created:hse:\x2a\xb0"
                                              "case:deleted:ea:"),
                                        build("300"));
    struct casebus_heads heads = {.seq = 300, .before = 290, .streams = streams};
    memcpy(heads.epoch, EPOCH, sizeof heads.epoch);
    for (int batch = 0; batch < 2; batch++) {
        msgpack_sbuffer out;
        msgpack_sbuffer_init(&out);
        heads.is_batch = batch;
        assert_int_equal(casebus_heads_encode(&heads, &out), 0);
        golden_add(batch ? "heads-batch" : "heads-all", HEADS,
                   batch ? CASEBUS_TOPIC_HEADS_BATCH : CASEBUS_TOPIC_HEADS_ALL, 0, "",
                   taken(&out));
    }
    add_quiet_heads(heads);
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    heads.is_batch = false;
    heads.held = BYTES("read-only: no space is left for the store");
    assert_int_equal(casebus_heads_encode(&heads, &out), 0);
    golden_add("heads-all-held", HEADS, CASEBUS_TOPIC_HEADS_ALL, 0, "", taken(&out));
}

/* --- requests and replies --------------------------------------------------------------- */

/* The request `op` with the arguments of an encoded map of fewer than 16 pairs. */
static struct casebus_bytes request_of(enum casebus_op op, struct casebus_bytes args)
{
    msgpack_sbuffer out;
    msgpack_packer pk;
    msgpack_sbuffer_init(&out);
    msgpack_packer_init(&pk, &out, msgpack_sbuffer_write);
    casebus_request_begin(&pk, op, args.data[0] & 0x0f);
    casebus_pack_raw(&pk, casebus_bytes(args.data + 1, args.size - 1));
    return taken(&out);
}

static struct casebus_bytes arguments_of(enum casebus_op op)
{
    static const char *const simple[CASEBUS_OP_COUNT] = {
        [CASEBUS_OP_CASE_GET] = "{id:'hse:1',load:['agency','offender','history']}",
        [CASEBUS_OP_CASE_GET_MANY] = "{ids:['hse:1','ea:T/2 3'],load:['agency'],from:1}",
        [CASEBUS_OP_CASE_KNOWN] = "{ids:['hse:1','ea:T/2 3'],after_seq:300}",
        [CASEBUS_OP_CASE_LIST] = "{agency:'hse',from:'2024-01-01',to:'2024-12-31',"
                                 "order:'date',limit:50}",
        [CASEBUS_OP_CASE_HISTORY] = "{id:'hse:1',limit:10}",
        [CASEBUS_OP_LOG_REPLAY] = "{after:42,patterns:['case:*','session:ended:hse'],"
                                  "limit:2000}",
        [CASEBUS_OP_OFFENDER_GET] = "{agency:'hse',name:'Acme Ltd.',postcode:'LL57 1AA',"
                                    "limit:50}",
        [CASEBUS_OP_AGENCY_LIST] = "{}",
        [CASEBUS_OP_AGENCY_SET] = "{agency:'hse',name:'Health and Safety Executive',"
                                  "base_url:'https://resources.hse.gov.uk/',enabled:true}",
        [CASEBUS_OP_LOG_CASES] = "{since:1710243123456789,agency:'hse',limit:50,"
                                 "load:['agency','offender']}",
        [CASEBUS_OP_HEADS] = "{}",
        [CASEBUS_OP_SESSION_GET] = "{agency:'hse',session_id:'s-2024-03-12'}",
        [CASEBUS_OP_SESSION_LIST] = "{agency:'hse',status:'active',limit:500}",
        [CASEBUS_OP_SESSION_CASES] = "{agency:'hse',session_id:'s-2024-03-12',limit:50}",
        [CASEBUS_OP_SESSION_STOP] = "{agency:'hse',session_id:'s-2024-03-12'}",
        [CASEBUS_OP_QUARANTINE_LIST] = "{agency:'hse',limit:50}",
        [CASEBUS_OP_QUARANTINE_ACCEPT] = "{quarantine:42,as:'hse:T/H/2005 04'}",
        [CASEBUS_OP_QUARANTINE_REJECT] = "{quarantine:42}",
        [CASEBUS_OP_REJECTS_LIST] = "{limit:50}",
        [CASEBUS_OP_STORE_VERIFY] = "{run:3,wait_ms:3000}",
        [CASEBUS_OP_STORE_BACKUP] = "{dir:'/srv/backups/monday',run:3,wait_ms:3000}",
        [CASEBUS_OP_BROKER_STATUS] = "{}",
        [CASEBUS_OP_ACTOR_WHOAMI] = "{on_behalf:'ann'}",
        [CASEBUS_OP_ACTOR_CAN] = "{actor:'ann',verb:'report.edited',agency:'hse'}",
    };
    if (op == CASEBUS_OP_CASE_RECENT) {
        return build("{limit:100,next:%b,as_of:300}", BYTES("\x00\x01\x02\xff"));
    }
    if (op == CASEBUS_OP_PUBLISHER_CONFIRM) {
        return build("{publisher:%b,after:7,epoch:%b,entry:12,wait_ms:3000,"
                     "sessions:[{agency:'hse',session_id:'s1'}],outbox:false}",
                     BYTES(PUBLISHER), BYTES(EPOCH));
    }
    assert_non_null(simple[op]);
    return build(simple[op]);
}

static void add_requests(void)
{
    for (unsigned i = 0; i < CASEBUS_OP_COUNT; i++) {
        char name[64];
        enum casebus_op op = (enum casebus_op)i;
        snprintf(name, sizeof name, "request-%s", casebus_op_name(op));
        golden_add(name, REQUEST, "", 0, "", request_of(op, arguments_of(op)));
    }
    golden_add("request-log.replay-audience", REQUEST, "", 0, "",
               request_of(CASEBUS_OP_LOG_REPLAY,
                          build("{audience:'press',after:42,patterns:['case'],limit:2000}")));
    golden_add("request-case.list-offender", REQUEST, "", 0, "",
               request_of(CASEBUS_OP_CASE_LIST,
                          build("{offender:'Acme',from:'2024-01-01',limit:50,as_of:300}")));
    golden_add("request-session.list-as_of", REQUEST, "", 0, "",
               request_of(CASEBUS_OP_SESSION_LIST,
                          build("{agency:'hse',status:'active',limit:50,next:%b,as_of:300}",
                                BYTES("\x00\x00\x00\x00\x00\x00\x01\x2a"))));
    golden_add("request-quarantine.list-as_of", REQUEST, "", 0, "",
               request_of(CASEBUS_OP_QUARANTINE_LIST,
                          build("{agency:'hse',limit:50,next:%b,as_of:300}",
                                BYTES("\x00\x00\x00\x00\x00\x00\x01\x2a"))));
    golden_add("request-session.cases-once", REQUEST, "", 0, "",
               request_of(CASEBUS_OP_SESSION_CASES,
                          build("{agency:'hse',session_id:'s-2024-03-12',once:true,"
                                "load:['agency','offender'],limit:50}")));
}

static void add_reply(const char *name, struct casebus_reply reply)
{
    msgpack_sbuffer out;
    msgpack_sbuffer_init(&out);
    reply.seq = 300;
    reply.entry = 310;
    memcpy(reply.epoch, EPOCH, sizeof reply.epoch);
    assert_int_equal(casebus_reply_encode(&reply, &out), 0);
    golden_add(name, REPLY, "", 0, "", taken(&out));
}

static void add_replies(void)
{
    add_reply("reply-result",
              (struct casebus_reply){
                  .result = build("{case:{id:'hse:T/H/2005 02'," DATA "," STORED "}}")});
    add_reply("reply-empty", (struct casebus_reply){0});
    add_reply("reply-error", (struct casebus_reply){.error = CASEBUS_EINVAL,
                                                    .error_text = BYTES("ids[3] is no case id"),
                                                    .error_field = BYTES("ids[3]")});
    add_reply("reply-error-plain", (struct casebus_reply){.error = CASEBUS_ENOTFOUND});
}

size_t golden_make(struct golden *list)
{
    entries = list;
    entry_count = 0;
    add_reports();
    add_events();
    add_bundle("bundle-reports", "bundle:", REPORT, "");
    add_bundle("bundle-events", "bundle:case:created:hse:", EVENT, "case:created:hse:");
    add_heads();
    add_requests();
    add_replies();
    golden_add_refused();
    return entry_count;
}
