/* Messages that must be refused: one a rule, each with the code and the field it is refused
 * with. */
#include "proto/golden.h"
#include "proto/test.h"

#include <casebus/limits.h>
#include <stdio.h>

#define PUBLISHER "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"
#define CHECK "\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7"
#define HASH "\x20\x21\x22\x23\x24\x25\x26\x27\x28\x29\x2a\x2b\x2c\x2d\x2e\x2f"
#define EPOCH "\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7"
#define SCRAPED "case:scraped:hse:1:"
#define UPDATED "case:updated:hse:1:"

/* A report that is whole but for `data`. */
#define WITH_DATA(value) build("{v:1,data:" value "}")
#define NUMBERED(rest)                                                                         \
    build("{v:1,publisher:%b,number:7,check:%b" rest "}", BYTES(PUBLISHER), BYTES(CHECK))

static void refuse(const char *rule, enum message message, const char *topic, int code,
                   const char *field, struct casebus_bytes body)
{
    char name[80];
    snprintf(name, sizeof name, "refused-%s", rule);
    golden_add(name, message, topic, code, field, body);
}

/* Of a scraped report. */
static void report(const char *rule, int code, const char *field, struct casebus_bytes body)
{
    refuse(rule, REPORT, SCRAPED, code, field, body);
}

/* Numbered, and behind the numbering the raw bytes of data. */
static struct casebus_bytes numbered(struct casebus_bytes data)
{
    struct casebus_bytes whole = NUMBERED(",data:nil");
    return join(keep(whole.data, whole.size - 1), data);
}

/* A map of `count` keys. */
static struct casebus_bytes wide(unsigned count, const char *last)
{
    unsigned char head[] = {0xde, (unsigned char)(count >> 8), (unsigned char)count};
    struct casebus_bytes map = keep(head, sizeof head);
    for (unsigned i = 0; i < count; i++) {
        char pair[16];
        snprintf(pair, sizeof pair, "\xa4%04u\x01", i);
        map = join(map, casebus_cstr(i + 1 == count && last ? last : pair));
    }
    return map;
}

static void add_encodings(void)
{
    report("truncated", CASEBUS_EMALFORMED, "url", numbered(BYTES("\x81\xa3url\xaahttp://x")));
    report("trailing", CASEBUS_EMALFORMED, "", join(NUMBERED(",data:{}"), BYTES("\xc0")));
    report("never-used", CASEBUS_EMALFORMED, "a",
           numbered(BYTES("\x81\xa1"
                          "a\xc1")));
    report("count-beyond-bytes", CASEBUS_EMALFORMED, "a",
           numbered(BYTES("\x81\xa1"
                          "a\xdd\xff\xff\xff\xff")));
    report("extension", CASEBUS_ETYPE, "a",
           numbered(BYTES("\x81\xa1"
                          "a\xd6\xff\x00\x00\x00\x00")));
    report("not-a-number", CASEBUS_EVALUE, "a",
           numbered(BYTES("\x81\xa1"
                          "a\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00")));
    report("infinity", CASEBUS_EVALUE, "a",
           numbered(BYTES("\x81\xa1"
                          "a\xca\x7f\x80\x00\x00")));
    report("bad-utf8", CASEBUS_EUTF8, "a",
           numbered(BYTES("\x81\xa1"
                          "a\xa2\xc0\xaf")));
    report("bad-utf8-key", CASEBUS_EUTF8, "data", numbered(BYTES("\x81\xa1\xff\x01")));
    report("key-not-text", CASEBUS_ETYPE, "data", numbered(BYTES("\x81\x01\x01")));
    report("key-empty", CASEBUS_EVALUE, "data", numbered(BYTES("\x81\xa0\x01")));
    report("key-too-long", CASEBUS_ETOOLONG, "data",
           numbered(join(BYTES("\x81\xd9\x81"), join(repeat("k", 129), BYTES("\x01")))));
    report("key-twice", CASEBUS_EDUPLICATE, "a",
           numbered(BYTES("\x82\xa1"
                          "a\x01\xa1"
                          "a\x01")));
    report("key-twice-of-many", CASEBUS_EDUPLICATE, "0007",
           numbered(wide(100, "\xa4"
                              "0007\x01")));
    report("too-many-keys", CASEBUS_ETOOMANY, "data",
           numbered(wide(CASEBUS_KEYS_MAX + 1, NULL)));
    report("too-many-values", CASEBUS_ETOOMANY, "a",
           numbered(join(BYTES("\x81\xa1"
                               "a\xdc\x40\x00"),
                         repeat("\xc0", CASEBUS_ELEMENTS_MAX))));
    report("too-deep", CASEBUS_EDEPTH, "a[0][0][0][0][0][0][0][0][0][0][0][0][0][0]",
           numbered(join(BYTES("\x81\xa1"
                               "a"),
                         join(repeat("\x91", 14), BYTES("\x90")))));
}

static void add_heads_of_reports(void)
{
    report("report-not-a-map", CASEBUS_EMALFORMED, "", build("[1]"));
    report("report-without-version", CASEBUS_EMISSING, "v", build("{data:{}}"));
    report("report-version", CASEBUS_EVERSION, "v",
           build("{v:2,publisher:%b,number:7,check:%b}", BYTES(PUBLISHER), BYTES(CHECK)));
    report("publisher-size", CASEBUS_ETYPE, "publisher",
           build("{v:1,publisher:%b,number:7,check:%b}", BYTES("short"), BYTES(CHECK)));
    report(
        "publisher-misplaced", CASEBUS_EVALUE, "publisher",
        build("{v:1,data:{},publisher:%b,number:7,check:%b}", BYTES(PUBLISHER), BYTES(CHECK)));
    report("number-zero", CASEBUS_EVALUE, "number",
           build("{v:1,publisher:%b,number:0,check:%b}", BYTES(PUBLISHER), BYTES(CHECK)));
    report("number-missing", CASEBUS_EMISSING, "number",
           build("{v:1,publisher:%b,check:%b,data:{}}", BYTES(PUBLISHER), BYTES(CHECK)));
    report("check-missing", CASEBUS_EMISSING, "check",
           build("{v:1,publisher:%b,number:7,data:{}}", BYTES(PUBLISHER)));
    report("check-header", CASEBUS_EMISSING, "check",
           join(BYTES("\x84\xa1v\x01\xa9publisher\xc4\x10" PUBLISHER "\xa6number\x07\xa5"
                      "check\xc5\x00\x08" CHECK),
                BYTES("")));
}

static void add_keys_of_reports(void)
{
    refuse("topic-of-an-event", REPORT, "case:created:hse:1:", CASEBUS_ETOPIC, "topic",
           WITH_DATA("{}"));
    refuse("topic-agency", REPORT, "case:scraped:HSE:1:", CASEBUS_ETOPIC, "topic",
           WITH_DATA("{}"));
    refuse("topic-unfinished", REPORT, "case:scraped:hse:1", CASEBUS_ETOPIC, "topic",
           WITH_DATA("{}"));
    report("session-colon", CASEBUS_EVALUE, "session", build("{v:1,session:%s}", "a:b"));
    report("session-type", CASEBUS_ETYPE, "session", build("{v:1,session:7}"));
    report("sent-at-negative", CASEBUS_EVALUE, "sent_at", build("{v:1,sent_at:-1}"));
    report("data-type", CASEBUS_ETYPE, "data", WITH_DATA("[]"));
    report("void-unnumbered", CASEBUS_EVALUE, "void",
           build("{v:1,void:{reason:'x',hash:%b}}", BYTES(HASH)));
    report("void-with-data", CASEBUS_EVALUE, "void",
           build("{v:1,publisher:%b,number:7,check:%b,data:{},void:{reason:'x',hash:%b}}",
                 BYTES(PUBLISHER), BYTES(CHECK), BYTES(HASH)));
    report("void-without-hash", CASEBUS_EMISSING, "void.hash", NUMBERED(",void:{reason:'x'}"));
}

static void add_fields(void)
{
    report("field-of-the-store", CASEBUS_EVALUE, "version", WITH_DATA("{version:1}"));
    report("another-agency", CASEBUS_EVALUE, "agency", WITH_DATA("{agency:'ea'}"));
    report("another-regulator-id", CASEBUS_EVALUE, "regulator_id",
           WITH_DATA("{regulator_id:'2'}"));
    report("text-type", CASEBUS_ETYPE, "offender.name", WITH_DATA("{offender:{name:7}}"));
    report("text-too-long", CASEBUS_ETOOLONG, "offender.postcode",
           WITH_DATA("{offender:{postcode:'12345678901234567'}}"));
    report("text-control", CASEBUS_EVALUE, "offence_result",
           WITH_DATA("{offence_result:'a\x1b[2J'}"));
    report("name-blank", CASEBUS_EVALUE, "offender.name", WITH_DATA("{offender:{name:' \n'}}"));
    report("date-not-a-day", CASEBUS_EVALUE, "offence_action_date",
           WITH_DATA("{offence_action_date:'2023-02-29'}"));
    report("hearing-before-action", CASEBUS_EVALUE, "offence_hearing_date",
           WITH_DATA("{offence_action_date:'2024-01-02',offence_hearing_date:'2024-01-01'}"));
    report("pence-float", CASEBUS_ETYPE, "offence_fine_pence",
           build("{v:1,data:{offence_fine_pence:%f}}", 950.5));
    report("pence-negative", CASEBUS_EVALUE, "offence_fine_pence",
           WITH_DATA("{offence_fine_pence:-1}"));
    report("pence-too-many", CASEBUS_EVALUE, "offence_costs_pence",
           WITH_DATA("{offence_costs_pence:100000000000001}"));
    report("instant-too-large", CASEBUS_EVALUE, "source.fetched_at",
           WITH_DATA("{source:{fetched_at:9007199254740992}}"));
    report("url-scheme", CASEBUS_EVALUE, "url", WITH_DATA("{url:'ftp://x'}"));
    report("url-blank", CASEBUS_EVALUE, "regulator_url",
           WITH_DATA("{regulator_url:'http://x/ y'}"));
    report("choice", CASEBUS_EVALUE, "offender.business_type",
           WITH_DATA("{offender:{business_type:'Ltd'}}"));
    report("offences-type", CASEBUS_ETYPE, "offences", WITH_DATA("{offences:{}}"));
    report("offences-too-many", CASEBUS_ETOOMANY, "offences",
           build("{v:1,data:{offences:%r}}",
                 join(BYTES("\xdc\x02\x01"), repeat("\x80", CASEBUS_OFFENCES_MAX + 1))));
    report("offence-member", CASEBUS_EVALUE, "offences[1].hearing_date",
           WITH_DATA("{offences:[{},{hearing_date:'12/03/2024'}]}"));
    report("offence-nil", CASEBUS_ETYPE, "offences[0].result",
           WITH_DATA("{offences:[{result:nil}]}"));
    report("related-case", CASEBUS_EVALUE, "related_cases[0]",
           WITH_DATA("{related_cases:['1']}"));
    report("source-nil", CASEBUS_ETYPE, "source", WITH_DATA("{source:nil}"));
    report("identity-nil", CASEBUS_ETYPE, "agency", WITH_DATA("{agency:nil}"));
    refuse("session-status", REPORT, "session:ended:hse:s1:", CASEBUS_EVALUE, "status",
           WITH_DATA("{status:'lost'}"));
    refuse("session-without-status", REPORT, "session:ended:hse:s1:", CASEBUS_EMISSING,
           "status", WITH_DATA("{}"));
    refuse("session-nil", REPORT, "session:started:hse:s1:", CASEBUS_ETYPE, "run",
           WITH_DATA("{run:nil}"));
}

#define EVENT_OF(word, seq, prev, prev_topic, rest)                                            \
    build("{v:1,epoch:%b,event:'" word "',seq:" seq ",prev:" prev ",prev_topic:" prev_topic    \
          ",at:1710243123456789,actor:'local'" rest "}",                                       \
          BYTES(EPOCH))

static void add_events_and_heads(void)
{
    refuse("event-version", EVENT, UPDATED, CASEBUS_EVERSION, "v", build("{v:2}"));
    refuse("event-without-epoch", EVENT, UPDATED, CASEBUS_EMISSING, "epoch", build("{v:1}"));
    refuse("event-topic", EVENT, SCRAPED, CASEBUS_ETOPIC, "topic",
           EVENT_OF("scraped", "9", "7", "5", ""));
    refuse("event-another-word", EVENT, UPDATED, CASEBUS_EVALUE, "event",
           EVENT_OF("created", "9", "7", "5", ""));
    refuse("event-seq-zero", EVENT, UPDATED, CASEBUS_EVALUE, "seq",
           EVENT_OF("updated", "0", "0", "0", ""));
    refuse("event-prev", EVENT, UPDATED, CASEBUS_EVALUE, "prev",
           EVENT_OF("updated", "9", "9", "5", ""));
    refuse("event-prev-topic", EVENT, UPDATED, CASEBUS_EVALUE, "prev_topic",
           EVENT_OF("updated", "9", "7", "8", ""));
    refuse("event-payload-type", EVENT, UPDATED, CASEBUS_ETYPE, "payload",
           EVENT_OF("updated", "9", "7", "5", ",payload:[]"));
    refuse("heads-topic", HEADS, "sys:heads:", CASEBUS_ETOPIC, "topic",
           build("{v:1,epoch:%b,seq:9,heads:{}}", BYTES(EPOCH)));
    refuse("heads-above-seq", HEADS, "sys:heads:all:", CASEBUS_EVALUE, "heads.a",
           build("{v:1,epoch:%b,seq:9,heads:{a:10}}", BYTES(EPOCH)));
    refuse("heads-without-before", HEADS, "sys:heads:batch:", CASEBUS_EMISSING, "before",
           build("{v:1,epoch:%b,seq:9,heads:{a:9}}", BYTES(EPOCH)));
    refuse("heads-before-above-seq", HEADS, "sys:heads:batch:", CASEBUS_EVALUE, "before",
           build("{v:1,epoch:%b,seq:9,before:10,heads:{a:9}}", BYTES(EPOCH)));
}

static void add_requests_and_replies(void)
{
    refuse("request-op", REQUEST, "", CASEBUS_EUNKNOWN_OP, "op", build("{v:1,op:'case.put'}"));
    refuse("request-without-op", REQUEST, "", CASEBUS_EMISSING, "op", build("{v:1}"));
    refuse("request-version", REQUEST, "", CASEBUS_EVERSION, "v", build("{v:0,op:'heads'}"));
    refuse("request-not-a-map", REQUEST, "", CASEBUS_EMALFORMED, "", build("'heads'"));
    refuse("reply-without-result", REPLY, "", CASEBUS_EMISSING, "result",
           build("{v:1,epoch:%b,seq:9,entry:9}", BYTES(EPOCH)));
    refuse("reply-epoch-size", REPLY, "", CASEBUS_EVALUE, "epoch",
           build("{v:1,epoch:%b,seq:9,entry:9,result:{}}", BYTES("short")));
    refuse("reply-error-without-code", REPLY, "", CASEBUS_EMISSING, "error.code",
           build("{v:1,epoch:%b,seq:9,entry:9,error:{text:'x'}}", BYTES(EPOCH)));
}

void golden_add_refused(void)
{
    add_encodings();
    add_heads_of_reports();
    add_keys_of_reports();
    add_fields();
    add_events_and_heads();
    add_requests_and_replies();
}
