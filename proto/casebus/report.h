/* Reports: what publishers send. Two frames, topic and body.
 *
 * The body is a map whose first keys are, in this order: v, publisher, number, check (the last
 * three together or not at all: an unnumbered report has only v). They are read even where the
 * rest is refused, so that a bad report never blocks the numbers behind it. Then, where
 * present: session, sent_at, data (or void). */
#ifndef CASEBUS_REPORT_H
#define CASEBUS_REPORT_H

#include <casebus/check.h>
#include <casebus/schema.h>
#include <casebus/topic.h>

struct casebus_report_head {
    unsigned version;
    bool numbered;
    unsigned char publisher[CASEBUS_PUBLISHER_SIZE];
    uint64_t number; /* from 1 */
    unsigned char check[CASEBUS_CHECK_SIZE];
    size_t check_at; /* where the pair `check` begins in the body; 0 when unnumbered */
};

struct casebus_report {
    struct casebus_report_head head;
    enum casebus_report_kind kind;
    struct casebus_topic topic;   /* segment[2] agency, segment[3] regulator or session id */
    struct casebus_bytes session; /* session id, absent: NULL */
    uint64_t sent_at;             /* the publisher's clock, microseconds, 0: absent */
    struct casebus_bytes data;    /* encoded map, absent: NULL */
    struct casebus_record record; /* of a case report: data taken apart */
    struct casebus_bytes void_reason;           /* of a void: text; absent: NULL */
    unsigned char void_hash[CASEBUS_HASH_SIZE]; /* of a void: the hash it stands for */
};

/* Reads the first keys only, from bytes nobody has looked at. 0; CASEBUS_EVERSION, head filled
 * in as far as it goes; or another code: then nothing is known of the sender's numbering. */
int casebus_report_head_decode(struct casebus_bytes body, struct casebus_report_head *head);

/* The whole: size, first keys, topic, scan, other keys, data against the schema. Everything
 * borrowed from topic and body. 0, or the code with the field at fault ("topic", "session",
 * "offender.name"); then `head` says whether a number is to be decided, and `topic` (count 0:
 * not read) and `session` (NULL: not read) are there as far as reading got, so that a session
 * can count its errors. Data that is left out is an empty map in record.encoded. */
int casebus_report_decode(struct casebus_bytes topic, struct casebus_bytes body,
                          struct casebus_report *report, struct casebus_fault *fault);

/* What to encode. `data` is an encoded map; publisher NULL: unnumbered. */
struct casebus_report_parts {
    const unsigned char *publisher;
    uint64_t number;
    const unsigned char *check; /* 8 bytes */
    struct casebus_bytes session;
    uint64_t sent_at;
    struct casebus_bytes data;
    struct casebus_bytes void_reason; /* with void_hash: a void instead of data */
    const unsigned char *void_hash;
};
/* Appends the body to out; 0 or CASEBUS_ENOMEM or CASEBUS_ETOOLARGE. */
int casebus_report_encode(const struct casebus_report_parts *parts, msgpack_sbuffer *out);

#endif
